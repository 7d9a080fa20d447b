"""Ways of choosing between cheap and good models."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenthrift.route.frontier import Trial, Way, hull, ways

COSTS = np.array([1.0, 5.0])


def trial(seed: int, *, knows: bool) -> Trial:
    """Half of the prompts need the dear model; what is expected knows which, or has it wrong."""
    rng = np.random.default_rng(seed)
    hard = rng.random(400) < 0.5
    scores = np.stack([~hard, np.ones(400)], axis=1).astype(float)
    wrong = np.stack([hard, np.full(400, 0.5)], axis=1).astype(float)
    costs = np.tile(COSTS, (400, 1))
    return Trial(scores * 0.8 + 0.1 if knows else wrong, costs, scores, costs)


@given(st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_a_way_that_knows_is_as_good_and_cheaper(seed: int) -> None:
    """Where it is known which prompts are hard, some way is as good as the best and cheaper."""
    found = ways(trial(seed, knows=True))
    best = max(w.quality for w in found)
    assert any(w.quality >= best - 1e-9 and w.cost < COSTS[1] - 1 for w in found)
    assert [w.cost for w in found] == sorted(w.cost for w in found)


@given(st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_where_weighing_loses_only_pins_are_left(seed: int) -> None:
    """Wrong expectations are seen through, and routing abstains."""
    assert all(w.pin is not None for w in ways(trial(seed, knows=False)))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_no_point_lies_above_the_hull(points: list[tuple[int, int]]) -> None:
    """The hull rises, and no point is above it."""
    cost, quality = (np.array(v, float) for v in zip(*points, strict=True))
    kept = hull(cost, quality)
    assert (np.diff(cost[kept]) > 0).all()
    assert (np.diff(quality[kept]) > 0).all()
    height = np.interp(cost, cost[kept], quality[kept])
    assert (quality <= height + 1e-9).all()


@given(st.floats(0, 10))
def test_a_higher_rate_never_costs_more(rate: float) -> None:
    """What weighs money heavier chooses nothing dearer."""
    held = trial(3, knows=True)
    dear, cheap = (
        Way(r, None, 0.0, 0.0).picks(held.expected, held.costs) for r in (rate, 2 * rate + 0.1)
    )
    assert (COSTS[cheap] <= COSTS[dear]).all()
