"""Feedback shifts what is foretold, by bounded steps; exploration is fair and repeats itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.catalog import load_catalog
from tokenthrift.route import Action, Forecast
from tokenthrift.route.exploring import Arm, draw, propensities
from tokenthrift.route.learning import (
    PRIOR_VARIANCE,
    STEP,
    Belief,
    Learned,
    Lesson,
    learned,
)
from tokenthrift.wire import read

if TYPE_CHECKING:
    from collections.abc import Sequence

CATALOG = load_catalog()
P = st.floats(0.02, 0.98)
OUTCOMES = st.floats(0, 1)


# ------------------------------------------------------------------------------------------ beliefs
@examples(200)
@given(foretold=P, outcomes=st.lists(OUTCOMES, max_size=40), forget=st.floats(0, 0.5))
def test_beliefs_are_bounded_and_grow_surer(foretold, outcomes, forget):
    """No outcome moves the shift by more than the step; the variance never exceeds the prior's."""
    belief = Belief()
    for outcome in outcomes:
        after = belief.seen(foretold, outcome, forget)
        assert abs(after.shift - belief.shift * (1 - forget)) <= STEP + 1e-12
        assert 0 < after.variance <= PRIOR_VARIANCE
        if not forget:
            assert after.variance <= belief.variance
        belief = after
    assert belief.count == len(outcomes)


@examples(100)
@given(foretold=P, better=OUTCOMES, worse=OUTCOMES)
def test_better_outcomes_teach_better(foretold, better, worse):
    """A better outcome never leaves a model looking worse; what was foretold teaches nothing."""
    high, low = max(better, worse), min(better, worse)
    assert Belief().seen(foretold, high).shift >= Belief().seen(foretold, low).shift
    assert Belief().seen(foretold, foretold).shift == pytest.approx(0)


@pytest.mark.parametrize(("true", "foretold"), [(0.9, 0.6), (0.4, 0.8), (0.7, 0.7)])
def test_many_outcomes_lead_to_the_truth(true, foretold):
    """The shift corrects what was foretold to within a few points."""
    hits = 0.0
    belief = Belief()
    for number in range(600):  # an even stream of outcomes with the true share
        outcome = math.floor((number + 1) * true) - math.floor(number * true)
        hits += outcome
        belief = belief.seen(foretold, outcome)
    forecast = belief.applied(Forecast(foretold, foretold - 0.1, foretold + 0.1, basis="fitted"))
    assert forecast.adequate == pytest.approx(hits / 600, abs=0.04)
    assert forecast.low < forecast.adequate < forecast.high
    assert forecast.high - forecast.low < 0.2
    assert forecast.basis == "fitted; 600 outcomes of your own"


class Even:
    """Foretells 0.8 of every known model."""

    def __call__(self, request: Any, actions: Sequence[Action], /) -> list[Forecast | None]:
        """None of the last."""
        del request
        return [Forecast(0.8, 0.7, 0.88)] * (len(actions) - 1) + [None]


def test_a_forecaster_knows_what_was_taught_of_its_kind_of_request():
    """Only the model and the bucket that feedback was about move; unknown models stay unknown."""
    names = ("gpt-4o-mini", "gpt-4o", "gpt-4.1")
    actions = [Action(CATALOG.require(name)) for name in names]
    request = read({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi there"}]})
    beliefs = learned([Lesson("gpt-4o-mini", "trivial", 0.8, 0.0)] * 5)
    found = Learned(Even(), beliefs)(request, actions)
    assert found[0] is not None
    assert found[0].adequate < 0.7
    assert found[0].shift == beliefs["gpt-4o-mini", "trivial"].shift
    assert found[1] == Forecast(0.8, 0.7, 0.88)
    assert found[2] is None
    other = learned([Lesson("gpt-4o-mini", "expert", 0.8, 0.0)])
    assert Learned(Even(), other)(request, actions)[0] == Forecast(0.8, 0.7, 0.88)
    assert Learned(Even(), {})(request, actions) == Even()(request, actions)


def test_forgetting_is_a_share():
    """More than all cannot be forgotten."""
    with pytest.raises(ValueError, match="forget is 1"):
        learned([], forget=1.0)
    lesson = Lesson("m", "g", 0.8, 0.0)
    kept, faded = learned([lesson] * 9), learned([lesson] * 9, forget=0.3)
    assert faded["m", "g"].variance > kept["m", "g"].variance


# -------------------------------------------------------------------------------------- exploration
@st.composite
def arms(draw_: st.DrawFn) -> list[Arm]:
    """Up to six actions with intervals around what is foretold."""
    found = []
    for middle in draw_(st.lists(P, min_size=1, max_size=6)):
        width = draw_(st.floats(0.001, 0.4))
        found.append(Arm(middle, max(0.001, middle - width), min(0.999, middle + width)))
    return found


@examples(200)
@given(given_arms=arms(), floor=P, share=st.floats(0, 1), data=st.data())
def test_propensities_are_a_distribution_that_keeps_its_bound(given_arms, floor, share, data):
    """They sum to 1, and what is usual is left in at most the given share of calls."""
    usual = data.draw(st.integers(0, len(given_arms) - 1))
    chances = propensities(given_arms, floor, usual, share)
    assert sum(chances) == pytest.approx(1)
    assert min(chances) >= 0
    assert chances[usual] >= 1 - share - 1e-9
    drawn = draw(given_arms, floor, usual, share=share, call_id="call")
    assert drawn == draw(given_arms, floor, usual, share=share, call_id="call")
    assert drawn.propensity == chances[drawn.place]
    assert drawn.explored == (drawn.place != usual)
    if share == 0:
        assert drawn.place == usual


def test_actions_are_taken_as_often_as_their_propensity_says():
    """Over thousands of ids, the shares of each action are its propensity."""
    given_arms = [Arm(0.7, 0.5, 0.85), Arm(0.8, 0.7, 0.87), Arm(0.95, 0.9, 0.98)]
    chances = propensities(given_arms, 0.8, 2, 0.4)
    drawn = [draw(given_arms, 0.8, 2, share=0.4, call_id=f"call-{n}").place for n in range(6_000)]
    for place, chance in enumerate(chances):
        assert drawn.count(place) / 6_000 == pytest.approx(chance, abs=0.02)
    assert min(chances) > 0.02


def test_weighted_outcomes_are_unbiased():
    """Weighting by propensity gives each action's own success rate back."""
    given_arms, true = [Arm(0.7, 0.4, 0.9), Arm(0.9, 0.8, 0.95)], (0.55, 0.9)
    total = [0.0, 0.0]
    count = 8_000
    for n in range(count):
        taken = draw(given_arms, 0.8, 1, share=0.5, call_id=f"id{n}")
        outcome = ((n * 7919) % 1000) / 1000 < true[taken.place]
        total[taken.place] += outcome / taken.propensity
    assert [t / count for t in total] == pytest.approx(true, abs=0.05)


def test_surer_forecasts_are_explored_less():
    """An action that is known to be too weak is left alone."""
    wide, sure = Arm(0.6, 0.3, 0.85), Arm(0.6, 0.58, 0.62)
    assert wide.chance(0.8) > 0.05
    assert sure.chance(0.8) < 1e-6
    assert replace(sure, adequate=0.9, low=0.88, high=0.92).chance(0.8) > 0.999


def test_shares_are_shares():
    """Wrong arguments are told."""
    with pytest.raises(ValueError, match="share 2"):
        propensities([Arm(0.5, 0.4, 0.6)], 0.5, 0, 2)
    with pytest.raises(ValueError, match="one of 1 arms"):
        propensities([Arm(0.5, 0.4, 0.6)], 0.5, 1, 0.1)
