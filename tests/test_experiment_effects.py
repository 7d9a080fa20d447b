"""Effects: exact on what is known, blind to order and scale, and alarms where there is harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.evidence import log_wealth
from tokenthrift.experiment import SessionRow, harm_of, measured
from tokenthrift.experiment.effects import Sums, adjusted, bounded_difference, effect
from tokenthrift.experiment.harm import scores

MINUTE_US = 60_000_000


def sessions(
    seed: int, *, count: int = 400, share: float = 0.5, factor: float = 1.0, fall: float = 0.0
) -> list[SessionRow]:
    """Made sessions with long tails: treated ones cost ``factor`` times as much, and end worse."""
    rng = np.random.default_rng(seed)
    asked = rng.lognormal(7, 0.6, count)
    cost = asked * rng.lognormal(5, 0.6, count)
    treated = rng.random(count) < share
    good = rng.random(count) < np.where(treated, 0.9 - fall, 0.9)
    return [
        SessionRow(
            session=f"s{n}",
            treated=bool(treated[n]),
            treated_share=share,
            started_us=n * MINUTE_US,
            calls=1 + n % 3,
            unpriced_calls=0,
            spent_nanos=int(cost[n] * (factor if treated[n] else 1.0)),
            early_nanos=int(cost[n] * (factor if treated[n] else 1.0)),
            baseline_nanos=int(cost[n]),
            asked_tokens=int(asked[n]),
            rated_calls=1,
            outcomes=float(good[n]),
            rated_us=n * MINUTE_US,
            first_outcome=float(good[n]),
        )
        for n in range(count)
    ]


def test_savings_are_those_that_were_made() -> None:
    """A treatment that takes a third off is measured as one, in money, share and in total."""
    found = measured(sessions(1, count=3_000, factor=2 / 3))
    assert found.share is not None
    assert found.saved is not None
    assert found.total is not None
    assert found.share.low < 1 / 3 < found.share.high
    assert found.share.high - found.share.low < 0.2
    assert found.total.value == pytest.approx(found.saved.value * found.treated)
    assert found.estimate_error is not None
    assert found.estimate_error.low < 0 < found.estimate_error.high
    assert found.share_adjusted is not None
    assert found.basis == "measured"


def test_too_few_sessions_say_so() -> None:
    """Nothing is measured from a handful."""
    found = measured(sessions(1, count=12))
    assert not found.is_known
    assert "10 of each" in found.problem
    assert measured([]).problem


def test_sessions_of_unknown_cost_are_counted_and_left_out() -> None:
    """An unknown price is never taken for nothing."""
    rows = sessions(2, count=100)
    odd = [SessionRow(**{**_data(r), "unpriced_calls": 1, "spent_nanos": 0}) for r in rows[:7]]
    found = measured([*odd, *rows[7:]])
    assert found.unpriced == 7
    assert found.treated + found.held == 93


def _data(row: SessionRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SessionRow.__slots__}


amounts = st.lists(st.integers(1, 10**9), min_size=10, max_size=40)


@given(amounts, amounts, st.floats(0.001, 1000))
@examples(40)
def test_shares_do_not_depend_on_the_unit(one: list[int], other: list[int], unit: float) -> None:
    """In cents or nano-dollars, the share and its ends are the same; amounts scale."""

    def arm(values: list[int], by: float) -> Sums:
        ones = np.ones(len(values))
        return Sums(np.array(values, dtype=float) * by, ones, ones)

    plain = effect(arm(one, 1), arm(other, 1))
    scaled = effect(arm(one, unit), arm(other, unit))
    assert scaled.share.value == pytest.approx(plain.share.value, abs=1e-6)
    assert scaled.share.low == pytest.approx(plain.share.low, rel=1e-4, abs=1e-6)
    assert scaled.saved.value == pytest.approx(unit * plain.saved.value, rel=1e-6, abs=unit * 1e-3)
    assert plain.saved.low <= plain.saved.high
    assert plain.saved.value == pytest.approx(np.mean(other) - np.mean(one), rel=1e-9, abs=1e-3)


@given(st.integers(0, 50))
@examples(10)
def test_adjusting_keeps_what_is_compared(seed: int) -> None:
    """With equal baselines in both arms, the difference is the plain one; the spread is smaller."""
    rng = np.random.default_rng(seed)
    before = np.tile(rng.lognormal(0, 1, 100), 2)
    treated = np.arange(200) < 100
    cost = 5 * before + rng.normal(0, 1, 200) - treated
    made = adjusted(cost, before, np.ones(200), treated)
    plain = cost[treated].mean() - cost[~treated].mean()
    assert made[treated].mean() - made[~treated].mean() == pytest.approx(plain)
    assert made[treated].std() < cost[treated].std()


def test_phases_of_a_rollout_stand_for_the_same_sessions() -> None:
    """Costs that rise with the rollout are no effect of treatment, as weights take it out."""
    early = sessions(3, count=4_000, share=0.1)
    late = [
        SessionRow(**{**_data(r), "session": f"l{r.session}", "spent_nanos": 3 * r.spent_nanos})
        for r in sessions(4, count=4_000, share=0.9)
    ]
    found = measured([*early, *late])
    assert found.share is not None
    assert found.share.low < 0 < found.share.high


def test_outcomes_that_all_went_well_are_no_proof() -> None:
    """An arm without a failure still has an interval."""
    found = bounded_difference(np.ones(10), np.ones(40))
    assert found.value == 0
    assert found.low < -0.05


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_harm_is_seen(share: float) -> None:
    """Sessions that cost twice as much raise an alarm, and so do outcomes that fall."""
    dear = harm_of(sessions(5, count=4_000, share=share, factor=2.5), level=0.05)
    assert dear.kind == "cost"
    assert dear.at_session is not None
    assert dear.saved_nanos is not None
    assert dear.saved_nanos < 0
    worse = harm_of(sessions(7, count=4_000, share=share, fall=0.5), level=0.05)
    assert worse.kind == "outcome"
    allowed = harm_of(sessions(7, count=4_000, share=share, fall=0.5), level=0.05, worse=0.6)
    assert not allowed


def test_savings_are_no_harm() -> None:
    """What saves raises no alarm."""
    for seed in range(100, 120):
        assert not harm_of(sessions(seed, count=500, factor=0.8), level=0.05)


@given(st.integers(0, 30), st.integers(60, 400))
@examples(15)
def test_an_alarm_is_not_taken_back(seed: int, seen: int) -> None:
    """A later look sees what an earlier one saw: more sessions change nothing of the past."""
    rows = sessions(seed, count=400, factor=3.0)
    before = harm_of(rows[:seen], level=0.05)
    after = harm_of(rows, level=0.05)
    if before.kind == "cost":
        assert after.at_session == before.at_session


def test_sessions_count_when_they_have_settled() -> None:
    """Of what began an hour ago at the latest the first hour's cost is known."""
    rows = sessions(5, count=300, factor=3.0)
    now_us = rows[199].started_us + 60 * MINUTE_US
    found = harm_of(rows, level=0.05, settled_us=now_us, settle_minutes=60)
    assert found.sessions == 200


@given(st.integers(0, 100), st.floats(0.05, 0.95))
@examples(20)
def test_scores_stand_for_the_difference(seed: int, share: float) -> None:
    """Over all ways to draw one session's arm, its score is the difference between the arms."""
    rng = np.random.default_rng(seed)
    values = rng.random((20, 2))
    drawn = rng.random(20) < share
    shares = np.full(20, share)
    means = []
    for last in (True, False):
        arms = drawn.copy()
        arms[-1] = last
        seen = np.where(arms, values[:, 1], values[:, 0])
        means.append(scores(seen, arms, shares, 0.5)[0][-1])
    expected = share * means[0] + (1 - share) * means[1]
    assert expected == pytest.approx(values[-1, 1] - values[-1, 0])


@given(st.integers(0, 10_000))
@examples(30)
def test_wealth_is_made_of_the_past_alone(seed: int) -> None:
    """What comes later changes no wealth of before, and nobody goes bankrupt."""
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 3, 50)
    whole = log_wealth(rows, -1.0, level=0.05)
    assert np.allclose(log_wealth(rows[:20], -1.0, level=0.05), whole[:20])
    assert np.isfinite(log_wealth(np.full(50, -1.0), -1.0, level=0.05)).all()
