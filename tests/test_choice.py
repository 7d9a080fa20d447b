"""The choice among actions: forecasts, net cost, sessions, budgets, and what must always hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from routes import ASK, CALLED, CATALOG, CHANCES, RESULT, SAID, asked, circle, entry, oracle, rules
from tokenthrift.catalog import Catalog
from tokenthrift.catalog.prices import PriceMap
from tokenthrift.errors import LoopError, NoCandidateError
from tokenthrift.pipeline import plan
from tokenthrift.route import (
    Decision,
    Effort,
    Forecast,
    Kept,
    Load,
    Outlook,
    Session,
    Shape,
    Verdict,
    choose,
    expected_cost,
    following_cost,
    verdict_data,
)
from tokenthrift.route.costs import Answers
from tokenthrift.types import Money, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokenthrift.catalog import ModelCard
    from tokenthrift.route import Action


THREE = rules("large", "medium", "small", floor=0.75)


def verdicts(decision: Decision) -> dict[str, Verdict]:
    """The verdicts by model."""
    return {v.model: v for v in decision.verdicts}


# ---------------------------------------------------------------------------------------- adequacy
@pytest.mark.parametrize(
    ("floor", "model"), [(0.0, "small"), (0.6, "small"), (0.61, "medium"), (0.9, "large")]
)
def test_the_cheapest_that_reaches_the_floor_is_chosen(floor: float, model: str) -> None:
    """P(adequate) is compared with the floor; the verdict says both."""
    decision = choose(
        asked(), 100, rules("large", "medium", "small", floor=floor), CATALOG, forecaster=oracle()
    )
    assert (decision.chosen, decision.floor) == (model, floor)
    assert decision.reason.endswith(f"with P(adequate) >= {floor:.2f}")
    assert f"P(adequate) 0.60 {'>=' if floor <= 0.6 else '<'}" in verdicts(decision)["small"].reason


def test_none_at_the_floor_takes_the_ablest() -> None:
    """Where nobody reaches the floor, the highest chance is taken, not the lowest price."""
    decision = choose(
        asked(), 100, rules("small", "medium", floor=0.99), CATALOG, forecaster=oracle()
    )
    assert decision.chosen == "medium"
    assert decision.reason == "none has P(adequate) >= 0.99; the ablest has 0.80"


def test_without_a_forecast_stated_abilities_decide() -> None:
    """A model that the forecaster does not know is judged by what it covers."""
    listed = ({"model": "small", "covers": "expert"}, {"model": "large"})
    decision = choose(
        asked(), 100, rules(*listed, floor=0.9), CATALOG, forecaster=oracle({"large": 0.95})
    )
    assert decision.chosen == "small"
    assert not verdicts(decision)["small"].by_forecast
    without = choose(asked(), 100, rules(*listed), CATALOG, forecaster=oracle())
    assert not any(v.by_forecast for v in without.verdicts)


def test_efforts_are_actions_of_their_own() -> None:
    """More effort is more able and dearer; a request that states one keeps it."""
    listed = ({"model": "medium", "efforts": ["low", "high"]}, "large")
    told = oracle({"medium": 0.7, "large": 0.95}, output=100, gain=0.05)
    decision = choose(asked(), 100, rules(*listed, floor=0.85), CATALOG, forecaster=told)
    assert (decision.chosen, decision.effort) == ("medium", Effort.HIGH)
    easy = choose(asked(), 100, rules(*listed, floor=0.75), CATALOG, forecaster=told)
    assert easy.effort is Effort.LOW
    stated = choose(asked(reasoning_effort="medium"), 100, rules(*listed), CATALOG, forecaster=told)
    assert {v.effort for v in stated.verdicts} == {None}


def test_an_effort_a_model_does_not_take_is_refused() -> None:
    """Efforts are checked against the card, as added or as the request states them."""
    entries = {"none": entry("1", supports_reasoning=False), "few": entry("1")}
    entries["few"]["reasoning_effort_levels"] = ["low", "high"]
    catalog = Catalog(PriceMap(entries, "t", "t"))
    listed = ({"model": "none", "efforts": ["low"]}, {"model": "few", "efforts": ["low", "max"]})
    found = choose(asked(), 10, rules(*listed), catalog)
    assert [v.eligible for v in found.verdicts] == [False, True, False]
    assert found.verdicts[0].reason == "needs reasoning"
    assert found.verdicts[2].reason == "asks effort max, takes low, high"


# --------------------------------------------------------------------------------------- the filter
def test_promises_of_place_price_and_parameters_are_kept() -> None:
    """Regions, a price ceiling and sampling parameters are checks with a verdict each."""
    entries = {
        "there": entry("1", supported_regions=["eu"]),
        "nowhere": entry("1"),
        "fixed": entry("1", supported_regions=["eu"], supports_sampling_params=False),
        "dear": entry("900", supported_regions=["eu"]),
    }
    catalog = Catalog(PriceMap(entries, "t", "t"))
    routing = rules(*entries, allow_regions=["eu"], max_usd_per_call=0.5)
    found = verdicts(choose(asked(temperature=0.2, max_tokens=10), 1_000, routing, catalog))
    assert {n: v.eligible for n, v in found.items()} == dict.fromkeys(entries, False) | {
        "there": True
    }
    assert found["nowhere"].reason == "served in not known, allowed eu"
    assert found["fixed"].reason == "sets temperature, takes none of them"
    assert found["dear"].reason.startswith("may cost at most $0.5, expected $0.9")
    assert [r.check for r in found["dear"].refusals] == ["price"]


def test_a_ceiling_does_not_take_unknown_prices() -> None:
    """What a model costs must be known to be under the ceiling."""
    entries = {"a": entry("1"), "b": {k: v for k, v in entry("1").items() if "cost" not in k}}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    found = verdicts(choose(asked(), 10, rules("a", "b", max_usd_per_call=1), catalog))
    assert found["b"].reason == "may cost at most $1, price not known"


def test_a_slow_model_is_left_alone_where_another_can_serve() -> None:
    """Observations go before cards; where all are slow, the ceiling is waived and that is said."""
    entries = {"slow": entry("0.1"), "fast": entry("1")}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    routing = rules("slow", "fast", max_latency_s=5, floor=0.5)
    told = oracle({"slow": 0.9, "fast": 0.9})
    session = Session(latency_s={"slow": 9.0, "fast": 2.0})
    found = choose(asked(), 10, routing, catalog, session=session, forecaster=told)
    assert found.chosen == "fast"
    assert verdicts(found)["slow"].reason == "needs an answer in 5 s, expected after 9 s"
    all_slow = Session(latency_s={"slow": 9.0, "fast": 8.0})
    waived = choose(asked(), 10, routing, catalog, session=all_slow, forecaster=told)
    assert waived.chosen == "slow"
    assert verdicts(waived)["slow"].reason.endswith(
        "although needs an answer in 5 s, expected after 9 s"
    )


def test_a_model_that_rests_is_passed_over() -> None:
    """Health is a check like the others, waived where nobody else is left."""
    session = Session(resting={"small": "failed with RateLimitError"})
    routing = rules("large", "medium", "small", floor=0.5)
    found = choose(asked(), 10, routing, CATALOG, session=session, forecaster=oracle())
    assert found.chosen == "medium"
    assert verdicts(found)["small"].reason == "rests: failed with RateLimitError"
    everyone = Session(resting=dict.fromkeys(CHANCES, "failed"))
    assert choose(asked(), 10, routing, CATALOG, session=everyone, forecaster=oracle()).chosen


# --------------------------------------------------------------------------------------------- cost
def test_what_follows_is_part_of_the_price() -> None:
    """A call is priced with the requests that its conversation is expected to send after it."""
    card = CATALOG.require("medium")
    load = Load(10_000, 100, cached_tokens=9_000, caches=True)
    assert expected_cost(card, load) == Money(9_000 * 100 + 1_000 * 1_000 + 100 * 4_000)
    outlook = Outlook(requests=2.0, growth_tokens=1_000)
    # In the middle: 11,500 tokens, of which 10,500 are read back.
    one = 10_500 * 100 + 1_000 * 1_000 + 100 * 4_000
    assert following_cost(card, load, outlook) == Money(2 * one)
    assert following_cost(card, load, Outlook()) == Money(0)


def test_the_outlook_is_the_past_at_the_policys_share() -> None:
    """Half as many requests as there were answers, each longer by the mean so far."""
    request = asked(ASK, SAID, ASK, SAID, ASK, SAID, ASK)
    assert Outlook.of(request, 4_000, 0.5) == Outlook(1.5, 1_000)
    assert Outlook.of(asked(), 4_000, 0.5).requests == 0


def test_each_family_counts_in_its_own_way() -> None:
    """A request counted for one family has more tokens in another, for the window and the money."""
    entries = {"gpt-4o": entry("1"), "claude-x": entry("1", 11_000)}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    asks = asked(model="gpt-4o", max_tokens=100)
    found = verdicts(choose(asks, 10_000, rules(*entries), catalog))
    assert found["claude-x"].reason == "needs 11.6k tokens, window 11k"
    fits = verdicts(choose(asks, 9_000, rules(*entries), catalog))
    known = (fits["gpt-4o"].expected_cost, fits["claude-x"].expected_cost)
    assert known == (Money((9_000 + 400) * 1_000), Money((10_350 + 400) * 1_000))


def test_long_context_is_priced_by_its_tier() -> None:
    """A request above a threshold costs the price of its tier, on the model that has one."""
    above = {"input_cost_per_token_above_200k_tokens": Decimal("20e-6")}
    entries = {"tiered": entry("1", **above), "flat": entry("2")}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    routing = rules("tiered", "flat", floor=0.5)
    told = oracle({"tiered": 0.9, "flat": 0.9})
    assert choose(asked(), 150_000, routing, catalog, forecaster=told).chosen == "tiered"
    assert choose(asked(), 250_000, routing, catalog, forecaster=told).chosen == "flat"


def test_a_forecast_of_the_answers_length_decides_the_money() -> None:
    """A model that thinks long is dear at a low price."""
    entries = {"thinker": entry("1"), "terse": entry("2")}
    catalog = Catalog(PriceMap(entries, "t", "t"))

    def told(_request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        lengths = {"thinker": 9_000, "terse": 200}
        return [Forecast(0.9, 0.8, 1.0, lengths[a.card.name], 0) for a in actions]

    long = choose(asked(), 10, rules("thinker", "terse", floor=0.5), catalog, forecaster=told)
    assert long.chosen == "terse"
    # The caller's limit cuts both.
    cut = asked(max_tokens=100)
    assert choose(cut, 10, rules("thinker", "terse", floor=0.5), catalog, forecaster=told).chosen


def test_marked_caches_count_only_where_a_body_marks() -> None:
    """A provider that caches up to marks reads nothing of a body that has none."""
    entries = {"claude-x": entry("1", litellm_provider="anthropic"), "other": entry("9")}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    session = Session(cached=lambda _request, _card: 4_000)
    marked = {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}
    for message, read in ((ASK, 0), (marked, 4_000)):
        found = choose(asked(message), 5_000, rules(*entries), catalog, session=session)
        assert verdicts(found)["claude-x"].cached_tokens == read


# ---------------------------------------------------------------------------------------- sessions
def warm(model: str, tokens: int) -> Session:
    """A session whose last call went to a model that has this much of it cached."""

    def cached(_request: Request, card: ModelCard) -> int:
        return tokens if card.name == model else 0

    return Session(kept=Kept(model), cached=cached)


def test_a_warm_model_is_left_only_where_that_pays() -> None:
    """The cold cache of the cheaper model is part of its price."""
    entries = {"a": entry("1"), "b": entry("0.7")}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    routing, told = rules("a", "b", floor=0.5), oracle({"a": 0.9, "b": 0.9}, output=100)
    talk = asked(ASK, SAID, ASK)
    assert choose(talk, 50_000, routing, catalog, forecaster=told).chosen == "b"
    session = warm("a", 48_000)
    kept = choose(talk, 50_000, routing, catalog, session=session, forecaster=told)
    assert kept.chosen == "a"


def test_answers_so_far_say_how_long_the_next_one_is() -> None:
    """The forecast counts as one more answer; items of one answer are one; calls of tools count."""
    short = {"role": "assistant", "content": "x" * 40}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "y" * 80}}
    talk = asked(ASK, short, ASK, {**short, "tool_calls": [call]}, short, ASK)
    assert Answers.of(talk) == Answers(count=2, tokens=50)
    assert Answers.of(talk).expected(250) == 100
    assert Answers.of(asked()).expected(250) == 250
    many = asked(ASK, *[m for _ in range(20) for m in (short, ASK)])
    assert Answers.of(many) == Answers(count=8, tokens=80)


@given(
    st.lists(
        st.tuples(st.integers(1, 5_000), st.integers(0, 2), st.integers(0, 2_000)),
        min_size=1,
        max_size=12,
    ),
    st.integers(2_000, 50_000),
)
def test_a_conversation_costs_little_more_than_its_dearest_model_pinned(
    turns: list[tuple[int, int, int]], first: int
) -> None:
    """Each model writes a token to its cache once, whatever the order of models.

    So a walk costs at most the pinned bill of the dearest model in it, times one and the other
    models' prices as shares of that one's; decision 30 has the proof.
    """
    names = ("small", "medium", "large")
    routing = rules(*names, floor=0.75)
    held: dict[str, int] = {}
    kept, spent, tokens = None, 0, first
    pinned, before = dict.fromkeys(names, 0), 0
    messages: list[Any] = []
    for growth, needed, answer in turns:
        tokens += growth
        messages += [*([SAID] if messages else []), ASK]
        told = oracle({n: 0.9 if k >= needed else 0.4 for k, n in enumerate(names)}, output=300)
        session = Session(kept, lambda _, card: held.get(card.name, 0))
        model = choose(
            asked(*messages), tokens, routing, CATALOG, session=session, forecaster=told
        ).chosen
        for name in names:
            load = Load(tokens, answer, cached_tokens=before, caches=True)
            pinned[name] += paid(name, load)
        spent += paid(model, Load(tokens, answer, cached_tokens=held.get(model, 0), caches=True))
        held[model] = before = tokens
        kept = Kept(model)
    dearest = max(held, key=names.index)
    prices = dict(zip(names, (0.1, 1, 10), strict=True))
    share = sum(prices[n] for n in held) / prices[dearest]
    assert spent <= pinned[dearest] * share + len(turns)  # each call is rounded to a nano-dollar


def paid(model: str, load: Load) -> int:
    """Nano-dollars of a call."""
    found = expected_cost(CATALOG.require(model), load)
    assert found is not None
    return found.nanos


def test_a_switch_must_save_more_than_the_margin() -> None:
    """A saving within the margin keeps the model, and the reason has both figures."""
    catalog = Catalog(PriceMap({"a": entry("1"), "b": entry("0.95")}, "t", "t"))
    told = oracle({"a": 0.9, "b": 0.9})
    session = Session(kept=Kept("a"))
    routing = rules("a", "b", floor=0.5)
    kept = choose(asked(), 1_000, routing, catalog, session=session, forecaster=told)
    assert kept.reason == "kept: b saves 5%, a switch must save over 10%"
    eager = routing.model_copy(update={"switch_margin": 0.01})
    assert choose(asked(), 1_000, eager, catalog, session=session, forecaster=told).chosen == "b"
    poor = oracle({"a": 0.4, "b": 0.9})
    assert choose(asked(), 1_000, routing, catalog, session=session, forecaster=poor).chosen == "b"


def test_a_tool_loop_keeps_its_whole_action() -> None:
    """Model, effort and level stay while results come back, even where they are not adequate."""
    listed = ({"model": "medium", "efforts": ["low", "high"]}, "small")
    session = Session(kept=Kept("medium", Effort.LOW))
    routing = rules(*listed, floor=0.99)
    loop = asked(ASK, CALLED, RESULT)
    found = choose(loop, 10, routing, CATALOG, session=session, forecaster=oracle())
    assert (found.chosen, found.effort) == ("medium", Effort.LOW)
    resting = replace(session, resting={"medium": "failed"})
    assert choose(loop, 10, routing, CATALOG, session=resting).chosen == "medium"


# ------------------------------------------------------------------------------------------ budgets
def test_a_spent_budget_asks_for_less() -> None:
    """From each step's share on, its floor holds; stated abilities count as easier."""
    routing = rules(
        "large",
        "medium",
        "small",
        floor=0.9,
        taper=[{"spent": 0.8, "floor": 0.7}, {"spent": 0.95, "floor": 0.5}],
    )
    for spent, model in ((0.0, "large"), (0.79, "large"), (0.8, "medium"), (0.95, "small")):
        session = Session(spent_share=spent)
        found = choose(asked(), 10, routing, CATALOG, session=session, forecaster=oracle())
        assert found.chosen == model
    hard = "Prove that " + " and ".join(f"${n}^2 + {n} = x_{n}$" for n in range(40))
    listed = ({"model": "small", "covers": "simple"}, {"model": "large", "covers": "expert"})
    stated = rules(*listed, taper=[{"spent": 0.9, "easier": 4}])
    request = asked({"role": "user", "content": hard})
    assert choose(request, 10, stated, CATALOG).chosen == "large"
    assert choose(request, 10, stated, CATALOG, session=Session(spent_share=1)).chosen == "small"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"taper": [{"spent": 0.9}, {"spent": 0.8}]}, "rising shares"),
        ({"floor": 0.5, "taper": [{"spent": 0.9, "floor": 0.6}]}, "must not raise the floor"),
        ({"floor": 1.5}, "less than or equal to 1"),
        ({"verify": ["vibes"]}, "'schema', 'tool_arguments'"),
        ({"loops": {"same_call": 1}}, "greater than or equal to 2"),
    ],
)
def test_mistakes_in_the_entry_are_found(more: dict[str, Any], message: str) -> None:
    """What makes no sense is refused when the policy is read."""
    with pytest.raises(ValidationError, match=message):
        rules("small", "large", **more)


# ------------------------------------------------------------------------------------------- levels
def test_the_level_is_part_of_the_action() -> None:
    """What compression leaves is what each action is filtered, priced and judged on."""
    listed = ({"model": "small", "levels": [1]}, {"model": "large", "levels": [1, 2]})
    catalog = Catalog(PriceMap({"small": entry("1", 1_000), "large": entry("3")}, "t", "t"))
    shapes = [Shape(2, asked(max_tokens=10), 900), Shape(1, asked(max_tokens=10), 5_000)]
    told = oracle({"small": 0.9, "large": 0.9})
    found = choose(asked(), 900, rules(*listed, floor=0.5), catalog, shapes=shapes, forecaster=told)
    assert [v.action[::2] for v in found.verdicts] == [("small", 1), ("large", 1), ("large", 2)]
    assert (found.chosen, found.level) == ("large", 2)
    assert found.verdicts[0].reason == "needs 5.01k tokens, window 1k"


def test_a_plan_sends_the_level_that_was_chosen() -> None:
    """The pipeline compresses at each listed level and sends what the decision took."""
    rows = [{"id": n, "name": f"item {n}", "price": n * 3} for n in range(60)]
    body = {
        "model": "large",
        "messages": [ASK, CALLED, RESULT | {"content": str(rows).replace("'", '"')}],
    }
    cheap = {"model": "small", "levels": [0]}
    policy: dict[str, Any] = {
        "stages": [{"stage": "json"}],
        "routing": {"candidates": [cheap, {"model": "large", "levels": [0, 1]}], "floor": 0.9},
    }
    able = plan(body, policy, catalog=CATALOG, forecaster=oracle({"small": 0.5, "large": 1.0}))
    assert (able.model, able.decision.level) == ("large", 1)
    assert able.tokens_after < able.tokens_before
    weak = plan(body, policy, catalog=CATALOG, forecaster=oracle({"small": 1.0, "large": 1.0}))
    assert (weak.model, weak.decision.level) == ("small", 0)
    assert weak.body["messages"] == body["messages"]
    held = Session(kept=Kept("large", None, 0))
    loop = plan(body, policy, catalog=CATALOG, session=held)
    assert (loop.model, loop.decision.level) == ("large", 0)


def test_levels_of_a_policy_that_pins_are_left_alone() -> None:
    """With one action there is no choice, so the caller's model gets what the stages do."""
    made = plan(
        {"model": "large", "messages": [ASK]},
        {"routing": {"candidates": [{"model": "small", "levels": [0]}]}},
        catalog=CATALOG,
    )
    assert (made.model, made.decision.level) == ("large", None)


def test_a_chosen_effort_is_sent() -> None:
    """The body asks for the effort of the action; another attempt asks for its own."""
    policy = {
        "routing": {"candidates": [{"model": "medium", "efforts": ["low", "high"]}], "floor": 0.5}
    }
    made = plan({"model": "medium", "messages": [ASK]}, policy, catalog=CATALOG)
    assert made.body["reasoning_effort"] == "low"
    assert made.body_for("medium", Effort.HIGH)["reasoning_effort"] == "high"
    assert "reasoning_effort" not in made.body_for("small")
    (first, _) = verdict_data(made.decision)
    assert (first["effort"], first["verdict"], first["forecast"]) == ("low", "chosen", None)


# -------------------------------------------------------------------------------------------- loops
def test_the_same_call_too_often_is_an_error_or_a_stronger_model() -> None:
    """Arguments are compared as JSON; nothing happens below the count, or with the guard off."""
    error = rules("small", "medium", floor=0.5, loops={"same_call": 4, "then": "error"})
    assert choose(asked(*circle(3)), 10, error, CATALOG, forecaster=oracle()).chosen == "small"
    with pytest.raises(LoopError, match="look was called 4 times") as caught:
        choose(asked(*circle(4)), 10, error, CATALOG, forecaster=oracle())
    assert (caught.value.what, caught.value.times, caught.value.http_status) == ("call", 4, 409)
    session = Session(kept=Kept("small"))
    abler = rules("small", "medium", "large", floor=0.5, loops={"then": "escalate"})
    found = choose(asked(*circle(4)), 10, abler, CATALOG, session=session, forecaster=oracle())
    assert found.chosen == "medium"
    assert found.reason == "escalated: look was called 4 times with the same arguments"
    top = Session(kept=Kept("large"))
    stays = choose(asked(*circle(4)), 10, abler, CATALOG, session=top, forecaster=oracle())
    assert stays.chosen == "large"
    off = rules("small", "medium", floor=0.5)
    assert choose(asked(*circle(9)), 10, off, CATALOG, forecaster=oracle()).chosen == "small"


def test_a_circle_ends_where_something_else_happens() -> None:
    """Another call, other arguments, or a new message of the user begin the count again."""
    error = rules("small", "medium", loops={"same_call": 3, "then": "error"})
    four = circle(4)
    for messages in (
        [*four, ASK],
        [*four, CALLED, RESULT, *circle(2)[1:]],
        circle(2) + circle(2, '{"at": 9}')[1:],
    ):
        assert choose(asked(*messages), 10, error, CATALOG).chosen


def test_nearly_the_same_request_too_often_is_a_circle() -> None:
    """Case, blanks and one word in many do not hide it; another question ends it."""
    text = " ".join(f"word{n}" for n in range(40))
    users = [
        {"role": "user", "content": t} for t in (text, text.upper() + " ", text + " please", text)
    ]
    messages = [m for user in users for m in (user, SAID)][:-1]
    error = rules("small", "medium", loops={"then": "error"})
    with pytest.raises(LoopError, match="4 requests in a row say nearly the same"):
        choose(asked(*messages), 10, error, CATALOG)
    assert choose(asked(*messages[2:]), 10, error, CATALOG).chosen
    assert choose(asked(*messages, SAID, ASK), 10, error, CATALOG).chosen


# --------------------------------------------------------------------------------------- invariants
NAMES = [f"m{n}" for n in range(6)]
MODEL = st.fixed_dictionaries(
    {
        "price": st.decimals("0.01", 30, places=2),
        "chance": st.floats(0, 1),
        "window": st.sampled_from([1_000, 20_000, 1_000_000]),
        "cached": st.integers(0, 20_000),
        "output": st.integers(1, 5_000),
    }
)
MODELS = st.lists(MODEL, min_size=2, max_size=5)
FLOOR = st.floats(0, 1)
TALK = st.integers(0, 6)
MARGIN = st.sampled_from([0.0, 0.1, 0.5])


def world(
    models: Sequence[dict[str, Any]], kept: int | None, margin: float, floor: float, answers: int
) -> Callable[[], Decision]:
    """A choice among drawn models, as a function that makes it."""
    names = NAMES[: len(models)]
    entries = {n: entry(str(m["price"]), m["window"]) for n, m in zip(names, models, strict=True)}
    catalog = Catalog(PriceMap(entries, "t", "t"))
    by_name = dict(zip(names, models, strict=True))

    def told(_request: Request, actions: Sequence[Action]) -> list[Forecast | None]:
        found = [by_name[a.card.name] for a in actions]
        return [Forecast(m["chance"], 0, 1, m["output"]) for m in found]

    session = Session(
        kept=None if kept is None or kept >= len(names) else Kept(names[kept]),
        cached=lambda _, card: by_name[card.name]["cached"],
    )
    messages = [m for _ in range(answers) for m in (ASK, SAID)] + [ASK]
    routing = rules(*names, floor=floor, switch_margin=margin)
    return lambda: choose(
        asked(*messages, max_tokens=500),
        15_000,
        routing,
        catalog,
        session=session,
        forecaster=told,
    )


def decided(make: Callable[[], Decision]) -> Decision | None:
    """A decision, or None where nobody can serve."""
    try:
        return make()
    except NoCandidateError:
        return None


def nanos(verdict: Verdict) -> int:
    """The net cost of an action with known prices."""
    assert verdict.net_cost is not None
    return verdict.net_cost.nanos


def now(verdict: Verdict) -> int:
    """The cost of this call with known prices."""
    assert verdict.expected_cost is not None
    return verdict.expected_cost.nanos


KEPT = st.none() | st.integers(0, 5)


@given(MODELS, KEPT, MARGIN, FLOOR, TALK)
def test_no_cheaper_eligible_action_is_adequate(
    models: list[dict[str, Any]], kept: int | None, margin: float, floor: float, answers: int
) -> None:
    """Invariant 9: the chosen is eligible, and no cheaper one is adequate.

    A session's own model stays unless another saves more than the margin, at once and in all.
    """
    decision = decided(world(models, kept, margin, floor, answers))
    assume(decision is not None)
    assert decision is not None
    pick = decision.pick
    assert pick.eligible
    adequate = [v for v in decision.verdicts if v.eligible and v.adequate]
    assert all(v.forecast is not None and v.forecast.adequate >= floor for v in adequate)
    if not adequate:
        chances = [v.forecast.adequate for v in decision.verdicts if v.eligible and v.forecast]
        assert pick.forecast is not None
        assert pick.forecast.adequate == max(chances)
        return
    assert pick.adequate
    own = next((v for v in adequate if kept is not None and v.model == NAMES[kept]), None)
    if own is None:
        assert nanos(pick) == min(map(nanos, adequate))
        return
    share = 1 - margin
    paying = [
        v
        for v in adequate
        if v is not own
        and nanos(v) < nanos(own) * share
        and now(v) + own.owed_nanos < now(own) * share
    ]
    assert (pick is own) == (not paying)
    assert pick is own or nanos(pick) == min(map(nanos, paying))


@given(MODELS, MODEL, KEPT, MARGIN, FLOOR, TALK)
def test_one_more_candidate_never_raises_the_cost(
    models: list[dict[str, Any]],
    more: dict[str, Any],
    kept: int | None,
    margin: float,
    floor: float,
    answers: int,
) -> None:
    """Invariant 9: where an adequate action was there, and the new one is not the session's own."""
    kept = None if kept == len(models) else kept
    before = decided(world(models, kept, margin, floor, answers))
    after = decided(world([*models, more], kept, margin, floor, answers))
    if before is None or not before.pick.adequate:
        return
    assert after is not None
    assert after.pick.adequate
    assert nanos(after.pick) <= nanos(before.pick)


@given(MODELS, KEPT, MARGIN, FLOOR, FLOOR, TALK)
def test_a_higher_floor_never_lowers_the_chance(
    models: list[dict[str, Any]],
    kept: int | None,
    margin: float,
    one: float,
    other: float,
    answers: int,
) -> None:
    """Invariant 9: whatever the session, a higher floor gives an action at least as able."""
    low, high = sorted((one, other))
    chances = []
    for floor in (low, high):
        decision = decided(world(models, kept, margin, floor, answers))
        if decision is None:
            return
        assert decision.pick.forecast is not None
        chances.append(decision.pick.forecast.adequate)
    assert chances[0] <= chances[1]


@given(MODELS, KEPT, MARGIN, FLOOR, TALK)
def test_the_same_input_gives_the_same_decision(
    models: list[dict[str, Any]], kept: int | None, margin: float, floor: float, answers: int
) -> None:
    """Invariant 8: a choice depends on nothing but what is passed in."""
    first = decided(world(models, kept, margin, floor, answers))
    assert first == decided(world(models, kept, margin, floor, answers))
    if first is not None:
        assert len({v.action for v in first.verdicts}) == len(first.verdicts)


@given(MODELS, FLOOR)
def test_equal_costs_go_to_the_policys_order(models: list[dict[str, Any]], floor: float) -> None:
    """Invariant 8: ties are decided by the policy, not by names or hashes."""
    alike = [
        m | {"price": Decimal(1), "cached": 0, "output": 9, "window": 1_000_000} for m in models
    ]
    decision = world(alike, None, 0.1, floor, 0)()
    first = next((v for v in decision.verdicts if v.adequate), None)
    assert first is None or decision.chosen == first.model


ROUTED = Path(__file__).parents[1] / "examples" / "policies" / "routed.yaml"
PROGRAM = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from routes import circle
from tokenthrift.pipeline import plan
from tokenthrift.route import verdict_data
for times in (1, 5):
    made = plan({{"model": "gpt-5", "messages": circle(times)}}, {str(ROUTED)!r})
    print(json.dumps([made.body, verdict_data(made.decision)]))
"""


def test_decisions_are_the_same_on_every_hash_seed() -> None:
    """Invariant 8: two processes with different hash seeds choose and send the same."""
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert "gpt-4.1-nano" in said[0]
