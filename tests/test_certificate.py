"""What is proven of a floor holds as often as it says, and what is measured is measured right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, examples
from tokenthrift.route.certificate import (
    advantage,
    last_proven,
    mean_of,
    p_value,
    rows_needed,
    saving_of,
)
from tokenthrift.route.reliability import reliability

WORSE = 0.05


def paired(rng, rows, *, right=0.8, kept=0.95):
    """Scores of a best model, and of routing that keeps a share of its right answers."""
    best = (rng.random(rows) < right).astype(float)
    return best * (rng.random(rows) < kept), best


@pytest.mark.parametrize("rows", [60, 300, 1000])
@pytest.mark.parametrize("kind", ["rare", "soft", "often"])
def test_p_values_are_as_rare_as_they_say(rows, kind):
    """On the edge of what is allowed, p <= 0.05 comes in at most 5 % of samples (plus chance)."""
    rng = np.random.default_rng(rows)
    samples, hits = 800, 0
    for seed in range(samples):
        if kind == "rare":
            routed, best = paired(rng, rows, kept=1 - WORSE)
        elif kind == "soft":
            best = rng.beta(4, 2, rows)
            routed = np.clip(best * (1 - WORSE) * rng.uniform(0.8, 1.2, rows), 0, None)
        else:
            best = (rng.random(rows) < 0.8).astype(float)
            routed = (rng.random(rows) < 0.8 * (1 - WORSE)).astype(float)
        hits += p_value(advantage(routed, best, WORSE), WORSE - 1, seed=seed) <= 0.05
    # Three standard deviations above 5 % of 800.
    assert hits <= 0.05 * samples + 3 * (samples * 0.05 * 0.95) ** 0.5


def test_what_is_good_enough_is_proven_with_enough_rows():
    """Routing that loses nothing is proven by as few rows as are said to be needed, no fewer."""
    for worse in (0.01, 0.02, 0.05, 0.1):
        rows = rows_needed(worse)
        assert p_value(np.full(rows, worse), worse - 1) <= 0.05
        assert p_value(np.full(rows // 2, worse), worse - 1) > 0.05
    assert rows_needed(0.01) > rows_needed(0.02) > rows_needed(0.05)
    assert rows_needed(0.02, 0.99) > rows_needed(0.02)


@examples(60)
@given(seed=SEEDS, rows=st.integers(1, 400), shift=st.floats(0, 0.5))
def test_better_scores_prove_no_less(seed, rows, shift):
    """It hardly rises when routing gains on every row alike: stakes move a little with the rows."""
    routed, best = paired(np.random.default_rng(seed), rows, kept=0.9)
    values = advantage(routed, best, WORSE)
    less, more = p_value(values, WORSE - 1), p_value(values + shift, WORSE - 1)
    assert 0 < more <= less + 0.02


@examples(60)
@given(seed=SEEDS, rows=st.integers(1, 300))
def test_what_failed_on_the_rows_is_not_proven(seed, rows):
    """Where more is lost on the sample than is allowed, p is 1."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(WORSE - 1, 1, rows)
    values = values - max(0.0, values.mean()) - 1e-9
    values = np.maximum(values, WORSE - 1)
    if values.mean() <= 0:
        assert p_value(values, WORSE - 1) == 1


def test_values_below_the_least_are_refused():
    """A wrong bound would make the proof worthless."""
    with pytest.raises(ValueError, match="lowest"):
        p_value(np.array([-1.0]), -0.5)
    with pytest.raises(ValueError, match="negative"):
        p_value(np.array([0.2]), 0.0)
    assert p_value(np.zeros(0), -0.5) == 1


@examples(100)
@given(ps=st.lists(st.floats(0, 1), max_size=20), level=st.floats(0.01, 0.5))
def test_testing_stops_at_the_first_failure(ps, level):
    """The last of the leading tests that are rejected."""
    last = last_proven(ps, level)
    leading = 0
    while leading < len(ps) and ps[leading] <= level:
        leading += 1
    assert last == (leading - 1 if leading else None)


def test_intervals_hold_as_often_as_they_say():
    """The true mean and the true saving lie in about 95 of 100 intervals."""
    rng = np.random.default_rng(5)
    samples, mean_in, saving_in = 300, 0, 0
    for _ in range(samples):
        before = rng.gamma(2.0, 1.0, 200)
        cost = before * rng.uniform(0.2, 1.0, 200)
        found = mean_of(before)
        mean_in += found.low <= 2.0 <= found.high
        saved = saving_of(cost, before)
        saving_in += saved.low <= 0.4 <= saved.high
    assert mean_in >= 0.9 * samples
    assert saving_in >= 0.9 * samples


@examples(40)
@given(seed=SEEDS, rows=st.integers(1, 200))
def test_an_interval_holds_its_own_value(seed, rows):
    """Ends are in order around what was measured, and the same seed gives the same."""
    values = np.random.default_rng(seed).random(rows)
    found = mean_of(values)
    assert found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
    assert found.value == pytest.approx(values.mean())
    assert found == mean_of(values)
    none = saving_of(values, values)
    assert (none.value, none.low, none.high) == pytest.approx((0, 0, 0))


def test_nothing_cannot_be_measured():
    """No rows have no mean."""
    with pytest.raises(ValueError, match="no rows"):
        mean_of(np.zeros(0))


def test_calibrated_forecasts_lie_on_the_line():
    """Forecasts that are true have no skill lost to error; overconfident ones are off."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.95, (2000, 2))
    came = (rng.random(truth.shape) < truth).astype(float)
    base = came.mean(axis=0)
    good = reliability(truth, came, base)
    assert good.error < 0.02
    assert good.skill.low > 0.2
    assert [b.predicted for b in good.bins] == sorted(b.predicted for b in good.bins)
    assert sum(b.count for b in good.bins) == truth.size
    wild = reliability((truth > 0.5).astype(float), came, base)
    assert wild.error > 0.15
    assert wild.brier > good.brier
    plain = reliability(np.tile(base, (2000, 1)), came, base)
    assert plain.skill.value == pytest.approx(0)
