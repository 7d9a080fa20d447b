"""Policies that never choose what is dearer than the model that the caller asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routes import ASK, CALLED, CATALOG, RESULT, SAID, asked, entry, oracle, rules
from tokenthrift.catalog import Catalog
from tokenthrift.catalog.prices import PriceMap
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.route import Effort, Kept, Session, choose
from tokenthrift.route.exploring import explored

COVERING = (
    {"model": "small", "covers": "trivial"},
    {"model": "medium", "covers": "moderate"},
    {"model": "large", "covers": "expert"},
)
RECORDED = Path(__file__).parents[1] / "examples" / "recordings" / "docs_questions.jsonl"


@pytest.mark.parametrize(
    ("model", "upgrade", "chosen"),
    [
        ("medium", True, "large"),
        ("medium", False, "medium"),
        ("small", False, "small"),
        ("large", False, "large"),
    ],
)
def test_an_upgrade_is_the_policys_to_allow(model: str, *, upgrade: bool, chosen: str) -> None:
    """What nothing cheap covers goes to a dearer model only where the policy says so."""
    listed = rules(*COVERING, floor=0.9, upgrade=upgrade)
    found = choose(asked(model=model), 100, listed, CATALOG, forecaster=oracle())
    assert found.chosen == chosen
    if not upgrade and model != "large":
        assert found.reason.endswith(f"; nothing dearer than {model}")
        assert "large" in found.fallbacks, "an error may still be answered by a dearer model"


def test_what_is_cheaper_and_good_enough_is_still_taken() -> None:
    """Without upgrades a downgrade stays one."""
    listed = rules(*COVERING, floor=0.75, upgrade=False)
    found = choose(asked(model="large"), 100, listed, CATALOG, forecaster=oracle())
    assert found.chosen == "medium"


def test_the_model_that_was_asked_for_becomes_a_candidate() -> None:
    """One that the policy does not list may be kept, and sets the bound."""
    made = {}
    for upgrade in (True, False):
        listed = rules(*COVERING[::2], floor=0.9, upgrade=upgrade)
        made[upgrade] = choose(asked(model="medium"), 100, listed, CATALOG, forecaster=oracle())
    assert [v.model for v in made[False].verdicts] == ["small", "large", "medium"]
    assert (made[True].chosen, made[False].chosen) == ("large", "medium")


def test_a_model_that_cannot_serve_sets_no_bound() -> None:
    """A request that does not fit the model that was asked for is not lost."""
    entries = {"tight": entry("0.1", window=1_000), "wide": entry("1"), "wider": entry("2")}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    found = choose(asked(model="tight"), 5_000, rules(*entries, upgrade=False), catalog)
    assert found.chosen == "wide"
    unknown = choose(asked(model="unheard-of"), 5_000, rules(*entries, upgrade=False), catalog)
    assert unknown.chosen == "wide"


def test_an_unknown_price_is_no_bound_that_others_are_under() -> None:
    """Nothing is known to cost no more than a model without a price, so it stays."""
    entries = {
        "own": {k: v for k, v in entry("1").items() if "cost" not in k},
        "cheap": entry("0.1"),
        "dear": entry("5"),
    }
    catalog = Catalog(PriceMap(entries, "t", "t"))
    listed = rules("cheap", "dear", upgrade=False, floor=0.5)
    told = oracle({"own": 0.4, "cheap": 0.9, "dear": 0.95})
    assert choose(asked(model="own"), 100, listed, catalog, forecaster=told).chosen == "own"


def test_a_tool_loop_is_not_switched_for_it() -> None:
    """A loop that began on a dearer model ends there; the next turn comes back."""
    listed = rules(*COVERING, upgrade=False)
    session = Session(kept=Kept("large"))
    inside = choose(
        asked(ASK, CALLED, RESULT, model="medium"), 100, listed, CATALOG, session=session
    )
    after = choose(
        asked(ASK, CALLED, RESULT, SAID, ASK, model="medium"),
        100,
        listed,
        CATALOG,
        session=session,
    )
    assert (inside.chosen, after.chosen) != ("large", "large")
    assert inside.chosen == "large"


def test_exploration_pays_no_more_either() -> None:
    """Other actions are tried only below the bound."""
    chances = {"small": 0.6, "medium": 0.7, "large": 0.72}
    for upgrade in (True, False):
        listed = rules("small", "medium", "large", floor=0.65, upgrade=upgrade)
        request = asked(model="medium")
        decision = choose(request, 100, listed, CATALOG, forecaster=oracle(chances))
        taken = {
            explored(decision, request, Session(), share=0.5, call_id=f"c{n}").chosen
            for n in range(200)
        }
        assert ("large" in taken) is upgrade
        assert {"small", "medium"} <= taken


PRICES = st.sampled_from(["0.1", "0.5", "0.5", "2", "9"])
MODELS = st.lists(
    st.tuples(PRICES, st.floats(0, 1), st.sampled_from([1_000, 1_000_000]), st.integers(0, 9_000)),
    min_size=2,
    max_size=5,
)


@given(MODELS, st.integers(0, 6), st.floats(0, 1), st.none() | st.integers(0, 4))
def test_nothing_dearer_than_the_model_asked_for_is_chosen(
    models: list[tuple[str, float, int, int]], own: int, floor: float, kept: int | None
) -> None:
    """Whatever forecasts, caches and the past say; and of the rest the cheapest or the ablest."""
    names = [f"m{n}" for n in range(len(models))]
    by_name = dict(zip(names, models, strict=True))
    catalog = Catalog(PriceMap({n: entry(m[0], m[2]) for n, m in by_name.items()}, "t", "t"))
    asked_for = names[own % len(names)]
    listed = [n for n in names if n != asked_for or own < len(names)]
    if len(listed) < 2:
        return
    session = Session(
        kept=None if kept is None or kept >= len(names) else Kept(names[kept]),
        cached=lambda _, card: by_name[card.name][3],
    )
    routing = rules(*listed, floor=floor, upgrade=False)
    told = oracle({n: m[1] for n, m in by_name.items()}, output=300)
    tokens = 500 if any(m[2] > 1_000 for m in models) else 10
    request = asked(ASK, SAID, ASK, model=asked_for, max_tokens=100)
    found = choose(request, tokens, routing, catalog, session=session, forecaster=told)
    bound = next(v for v in found.verdicts if v.model == asked_for)
    assert found.pick.eligible
    if not bound.eligible:
        return
    assert bound.net_cost is not None
    assert found.pick.net_cost is not None
    assert found.pick.net_cost <= bound.net_cost
    within = [
        v
        for v in found.verdicts
        if v.eligible and v.net_cost is not None and v.net_cost <= bound.net_cost
    ]
    adequate = [v for v in within if v.adequate]
    assert found.pick.adequate or not adequate
    if not adequate:
        chances = [v.forecast.adequate for v in within if v.forecast is not None]
        assert found.pick.forecast is not None
        assert found.pick.forecast.adequate == max(chances)


def test_frugal_leaves_a_small_model_that_was_asked_for() -> None:
    """A recorded hard question to a small model stays; an easy one to a large model does not."""
    hard: dict[str, Any] = json.loads(RECORDED.read_text().splitlines()[0])
    hard.pop("id")
    assert hard["model"] == "gpt-4.1-mini"
    policy = load_policy("frugal")
    allowed = policy.model_copy(
        update={"routing": policy.routing.model_copy(update={"upgrade": True})}
    )
    assert plan(hard, allowed).model == "gpt-4.1"
    assert plan(hard, policy).model == "gpt-4.1-mini"
    easy: dict[str, Any] = {"model": "gpt-4.1", "messages": [ASK]}
    assert plan(easy, policy).model == "gpt-4.1-nano"


def test_a_stated_baseline_sets_the_bound() -> None:
    """Where the policy says what calls would go to without it, that is what nothing may exceed."""
    listed = rules(*COVERING, baseline="medium", floor=0.9, upgrade=False)
    found = choose(asked(model="auto"), 100, listed, CATALOG, forecaster=oracle())
    assert (found.baseline, found.chosen) == ("medium", "medium")


def test_efforts_of_the_model_asked_for_are_its_own() -> None:
    """Any effort on it may be chosen; others must cost no more than its cheapest."""
    listed = rules(
        {"model": "medium", "efforts": ["low", "high"]}, "large", floor=0.9, upgrade=False
    )
    told = oracle({"medium": 0.7, "large": 0.95}, output=100, gain=0.07)
    found = choose(asked(model="medium"), 100, listed, CATALOG, forecaster=told)
    assert (found.chosen, found.effort) == ("medium", Effort.HIGH)
