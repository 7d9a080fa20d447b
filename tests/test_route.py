"""Choice and cascade: the hard filter, the cheapest adequate model, and no outcome lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tokenthrift import wire
from tokenthrift.catalog import CAPABILITIES, Catalog, ComplexityBucket, load_catalog
from tokenthrift.catalog.prices import PriceMap
from tokenthrift.errors import NoCandidateError
from tokenthrift.route import (
    SIGNAL_COLUMNS,
    VERDICT_COLUMNS,
    Attempt,
    Candidate,
    Decision,
    Effort,
    Kept,
    Load,
    Outcome,
    Result,
    Routing,
    Session,
    cascade,
    choose,
    expected_cost,
    need_of,
    refusals,
    signal_rows,
    summary,
    verdict_rows,
)
from tokenthrift.types import Money, Request

HARD = "\n".join(
    rf"{n}. Prove \\sum_{{k={n}}}^{{n}} k^{n} = \\frac{{n^{n + 1}}}{{{n + 1}}} + O(n^{n}) using "
    f"method number {n * 17}, then compare with the bound of theorem {n * 31}."
    for n in range(1, 20)
)


def entry(
    usd_in: str | None, usd_out: str | None, window: int | None = 100_000, **more: Any
) -> dict[str, Any]:
    """An entry of a price map, prices in dollars per million tokens."""
    prices = {"input_cost_per_token": usd_in, "output_cost_per_token": usd_out}
    return {
        "litellm_provider": "openai",
        "max_input_tokens": window,
        "max_output_tokens": 8_000,
        **{k: Decimal(v).scaleb(-6) for k, v in prices.items() if v is not None},
        **more,
    }


TOOLS = {"supports_function_calling": True}
ENTRIES = {
    "small": entry("0.1", "0.4", 16_000, **TOOLS),
    "medium": entry("1", "4", **TOOLS, supports_vision=True),
    "large": entry("10", "40", 200_000, **TOOLS, supports_vision=True, supports_reasoning=True),
    "elsewhere": entry("0.2", "0.8", litellm_provider="mistral"),
    "unpriced": entry(None, None),
    "windowless": entry("0.1", "0.1", None, max_output_tokens=100),
    "cached": entry(
        "3",
        "1",
        cache_read_input_token_cost=Decimal("0.3e-6"),
        cache_creation_input_token_cost=Decimal("3.75e-6"),
        supports_prompt_caching=True,
    ),
}
CATALOG = Catalog(PriceMap(ENTRIES, "test", "test"))
COVERS = {"small": "simple", "medium": "complex", "large": "expert"}


def routing(*names: str, **more: Any) -> Routing:
    """A routing entry of models with their usual abilities."""
    listed = [{"model": n, "covers": COVERS.get(n)} for n in names]
    return Routing.model_validate({"candidates": listed, **more})


THREE = routing("large", "medium", "small")


def request(text: str = "hi", **body: Any) -> Request:
    """A request of one user message."""
    return wire.read({"model": "asked", "messages": [{"role": "user", "content": text}], **body})


def reasons(decision: Decision) -> dict[str, str]:
    """The verdicts' reasons by model."""
    return {v.model: v.reason for v in decision.verdicts}


# --------------------------------------------------------------------------------------- the filter
def test_an_easy_request_goes_to_the_cheapest() -> None:
    """Of three adequate models the cheapest is chosen, the others are fallbacks by cost."""
    decision = choose(request(), 100, THREE, CATALOG)
    assert (decision.chosen, decision.fallbacks) == ("small", ("medium", "large"))
    assert decision.reason == "cheapest of 3 that cover trivial"
    assert (decision.requested, decision.baseline, decision.rerouted) == ("asked", "asked", True)


def test_a_hard_request_goes_to_the_able() -> None:
    """A model that does not cover the request is not chosen, however cheap."""
    decision = choose(request(HARD, reasoning_effort="low"), 1_000, THREE, CATALOG)
    assert decision.complexity.bucket is ComplexityBucket.EXPERT
    assert decision.chosen == "large"
    assert reasons(decision)["small"] == "needs reasoning"


def test_a_request_that_does_not_fit_says_so() -> None:
    """The window is checked against input and reserved output, and the verdict has both figures."""
    decision = choose(request(), 46_000, THREE, CATALOG)
    assert decision.chosen == "medium"
    assert reasons(decision)["small"] == "needs 48k tokens, window 16k"
    exact = choose(request(max_tokens=1), 16_000, THREE, CATALOG)
    assert reasons(exact)["small"] == "needs 16,001 tokens, window 16,000"


def test_every_failed_check_is_a_value() -> None:
    """A model that fails all checks has one refusal for each, with needs and offer."""
    body = {
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "max_tokens": 500,
        "reasoning_effort": "high",
    }
    rules = routing("windowless", "small", allow_providers=["mistral", "azure"])
    need = need_of(request(**body), 10, rules)
    candidate = Candidate(model="windowless", max_effort=Effort.LOW)
    found = refusals(need, candidate, CATALOG.get("windowless"), rules)
    assert [(r.check, str(r)) for r in found] == [
        ("provider", "provider openai, allowed azure, mistral"),
        ("capability", "needs reasoning"),
        ("capability", "needs tools"),
        ("context", "needs 510 tokens, window not known"),
        ("output", "needs 500 output tokens, gives at most 100"),
        ("effort", "asks effort high, allowed up to low"),
    ]
    (unknown,) = refusals(need, candidate, None, rules)
    assert unknown.check == "card"


def test_nobody_left_is_an_error_with_every_verdict() -> None:
    """When no candidate can serve the request, the error lists each of them and why."""
    with pytest.raises(NoCandidateError) as caught:
        choose(request(), 500_000, routing("small", "nowhere"), CATALOG)
    assert caught.value.verdicts == (
        "small: needs 502k tokens, window 16k",
        "nowhere: no model card, add one to your model cards",
    )


def test_nobody_adequate_takes_the_ablest() -> None:
    """When nobody eligible covers the request, the ablest is chosen and the reason says so."""
    listed = [{"model": "unpriced"}, {"model": "small"}, {"model": "medium", "covers": "moderate"}]
    rules = Routing.model_validate({"candidates": listed})
    decision = choose(request(HARD), 1_000, rules, CATALOG)
    assert decision.chosen == "medium"
    assert decision.reason == "none covers complex; the ablest covers moderate"
    assert decision.fallbacks == ("small", "unpriced")


def test_unknown_ability_is_not_assumed() -> None:
    """A model of which nobody said what it covers is passed over, unless it was asked for."""
    rules = routing("medium", "elsewhere")
    assert choose(request(), 10, rules, CATALOG).chosen == "medium"
    assert choose(request(model="elsewhere"), 10, rules, CATALOG).chosen == "elsewhere"
    with_baseline = routing("medium", "elsewhere", baseline="elsewhere")
    decision = choose(request(), 10, with_baseline, CATALOG)
    assert (decision.chosen, decision.baseline) == ("elsewhere", "elsewhere")


def test_a_card_may_state_ability() -> None:
    """What a card covers counts where the policy does not say."""
    catalog = load_catalog({"models": {"gpt-4o-mini": {"covers": "expert"}}})
    rules = Routing.model_validate(
        {"candidates": [{"model": "gpt-4o", "covers": "expert"}, {"model": "gpt-4o-mini"}]}
    )
    assert choose(request(), 10, rules, catalog).chosen == "gpt-4o-mini"


def test_an_unknown_price_comes_last_and_is_said() -> None:
    """A model without prices is chosen only where no priced one is adequate."""
    candidates = [{"model": "unpriced", "covers": "expert"}, {"model": "large", "covers": "expert"}]
    rules = Routing.model_validate({"candidates": candidates})
    decision = choose(request(), 10, rules, CATALOG)
    assert decision.chosen == "large"
    assert reasons(decision)["unpriced"].endswith("; price not known")
    only = choose(request(), 150_000, rules, CATALOG)
    assert only.chosen == "large"
    candidates[1]["covers"] = "trivial"
    hard = choose(request(HARD), 10, Routing.model_validate({"candidates": candidates}), CATALOG)
    assert hard.chosen == "unpriced"
    assert hard.reason.endswith("its price is not known")


def test_equal_costs_follow_the_policy() -> None:
    """Between equal costs the policy's order decides."""
    catalog = Catalog(PriceMap({n: entry("1", "1") for n in "ab"}, "test", "test"))
    for order in ("ab", "ba"):
        listed = [{"model": n, "covers": "expert"} for n in order]
        rules = Routing.model_validate({"candidates": listed})
        assert choose(request(), 10, rules, catalog).chosen == order[0]


# ----------------------------------------------------------------------------------- pins and loops
@pytest.mark.parametrize("rules", [Routing(), routing("small")])
def test_fewer_than_two_candidates_pin_the_callers_model(rules: Routing) -> None:
    """Without a choice, calls stay on the model that the caller asked for, known or not."""
    decision = choose(request(), 10**7, rules, CATALOG)
    assert (decision.chosen, decision.fallbacks, decision.rerouted) == ("asked", (), False)
    assert decision.reason.startswith("pinned: the caller's own model; note: no model card")
    known = choose(request(model="large"), 10, rules, CATALOG)
    assert known.reason == "pinned: the caller's own model"
    assert known.verdicts[0].expected_cost == Money(10 * 10_000 + 2_048 * 40_000)


def test_an_allow_list_binds_a_pinned_model_too() -> None:
    """The list of providers is a constraint, not an optimisation."""
    rules = Routing.model_validate({"allow_providers": ["mistral"]})
    assert choose(request(model="elsewhere"), 10, rules, CATALOG).chosen == "elsewhere"
    for model in ("large", "asked"):
        with pytest.raises(NoCandidateError, match=model):
            choose(request(model=model), 10, rules, CATALOG)


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
LOOP = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "done"},
]


def test_a_tool_loop_is_not_switched() -> None:
    """While the latest message answers a tool call, the session stays on its model."""
    loop = wire.read({"model": "asked", "messages": LOOP})
    for kept in ("large", "elsewhere"):
        decision = choose(loop, 10, THREE, CATALOG, session=Session(kept=Kept(kept)))
        assert decision.chosen == kept
        assert decision.reason == "kept: a tool loop is not switched half-way"
        assert kept in reasons(decision)
    free = wire.read({"model": "asked", "messages": [*LOOP, {"role": "user", "content": "so?"}]})
    session = Session(kept=Kept("large"))
    assert choose(free, 10, THREE, CATALOG, session=session).chosen == "small"


def test_a_model_that_cannot_go_on_is_replaced() -> None:
    """A kept model that the request no longer fits gives way, and the reason says so."""
    loop = wire.read({"model": "asked", "messages": LOOP})
    decision = choose(loop, 50_000, THREE, CATALOG, session=Session(kept=Kept("small")))
    assert decision.chosen == "medium"
    assert "small could not be kept in this tool loop: needs 52k tokens" in decision.reason


# --------------------------------------------------------------------------------------------- cost
def test_a_warm_cache_can_beat_a_lower_list_price() -> None:
    """What the session has cached counts at its price; a cold model that caches writes it all."""
    listed = [{"model": n, "covers": "expert"} for n in ("medium", "cached")]
    rules = Routing.model_validate({"candidates": listed})
    body = request(max_tokens=10)
    assert choose(body, 50_000, rules, CATALOG).chosen == "medium"
    session = Session(cached=lambda _, card: 49_000 if card.name == "cached" else 0)
    warm = choose(body, 50_000, rules, CATALOG, session=session)
    assert warm.chosen == "cached"
    costs = {v.model: v.expected_cost for v in warm.verdicts}
    assert costs["cached"] == Money(49_000 * 300 + 1_000 * 3_750 + 10 * 1_000)
    cold = choose(body, 50_000, rules, CATALOG)
    costs = {v.model: v.expected_cost for v in cold.verdicts}
    assert costs["cached"] == Money(50_000 * 3_750 + 10 * 1_000)


def test_expected_cost_never_reads_more_than_there_is() -> None:
    """A cache that holds more than the request reads just the request."""
    load = Load(100, 1, cached_tokens=10**9, caches=True)
    assert expected_cost(CATALOG.require("cached"), load) == Money(100 * 300 + 1_000)


# --------------------------------------------------------------------------------------- properties
PRICES = st.none() | st.decimals(0, 50, places=2)
BUCKETS = st.sampled_from([None, *map(str, ComplexityBucket)])
FLAGS = {"supports_function_calling": "tools", "supports_vision": "vision"}
MODEL = st.fixed_dictionaries(
    {
        "price": PRICES,
        "covers": BUCKETS,
        "window": st.none() | st.integers(1, 20_000),
        "flags": st.sets(st.sampled_from(sorted(FLAGS))),
    }
)


def world(models: list[dict[str, Any]]) -> tuple[Routing, Catalog]:
    """Drawn models as a policy and a catalog."""
    entries = {}
    for n, m in enumerate(models):
        price = None if m["price"] is None else str(m["price"])
        entries[f"m{n}"] = entry(price, price, m["window"], **dict.fromkeys(m["flags"], True))
    listed = [{"model": f"m{n}", "covers": m["covers"]} for n, m in enumerate(models)]
    return Routing.model_validate({"candidates": listed}), Catalog(PriceMap(entries, "t", "t"))


ASKS = st.sampled_from(["hi", "Compare 3, 5 and 8 with 13, 21 and 34; which is odd?", HARD])
NEEDS = st.sets(st.sampled_from(["tools", "vision"]))


def with_needs(text: str, needs: set[str]) -> Request:
    """A request that needs these abilities."""
    body: dict[str, Any] = {"max_tokens": 100}
    if "tools" in needs:
        body["tools"] = [{"type": "function", "function": {"name": "f"}}]
    made = request(text, **body)
    if "vision" not in needs:
        return made
    content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "x"}}]
    return request("", **body, messages=[{"role": "user", "content": content}])


@given(st.lists(MODEL, min_size=2, max_size=6), ASKS, NEEDS, st.integers(0, 15_000))
def test_the_chosen_is_eligible_and_nothing_cheaper_is_adequate(
    models: list[dict[str, Any]], text: str, needs: set[str], tokens: int
) -> None:
    """Invariant 9, against a filter written out naively."""
    rules, catalog = world(models)
    asked = with_needs(text, needs)
    fits = {
        f"m{n}"
        for n, m in enumerate(models)
        if needs <= {FLAGS[f] for f in m["flags"]}
        and m["window"] is not None
        and tokens + 100 <= m["window"]
    }
    if not fits:
        with pytest.raises(NoCandidateError):
            choose(asked, tokens, rules, catalog)
        return
    decision = choose(asked, tokens, rules, catalog)
    by_name = {v.model: v for v in decision.verdicts}
    assert {v.model for v in decision.verdicts if v.eligible} == fits
    assert decision.chosen in fits
    assert {decision.chosen, *decision.fallbacks} == fits
    assert len(decision.fallbacks) == len(fits) - 1
    chosen, adequate = by_name[decision.chosen], [v for v in by_name.values() if v.adequate]
    assert all(v.eligible and v.covers >= decision.complexity.bucket for v in adequate)
    if not adequate:
        ablest = max(-1 if by_name[n].covers is None else by_name[n].covers for n in fits)
        assert (-1 if chosen.covers is None else chosen.covers) == ablest
        return
    assert chosen.adequate
    known = [v.expected_cost for v in adequate if v.expected_cost is not None]
    assert chosen.expected_cost == (min(known) if known else None)


@given(st.lists(MODEL, min_size=3, max_size=6), ASKS, NEEDS, st.integers(0, 15_000))
def test_one_more_candidate_never_costs_more(
    models: list[dict[str, Any]], text: str, needs: set[str], tokens: int
) -> None:
    """As long as an adequate model is there, adding a candidate does not raise the cost."""
    asked = with_needs(text, needs)

    def best(rules: Routing, catalog: Catalog) -> Money | None:
        try:
            decision = choose(asked, tokens, rules, catalog)
        except NoCandidateError:
            return None
        verdict = next(v for v in decision.verdicts if v.model == decision.chosen)
        return verdict.expected_cost if verdict.adequate else None

    before, after = best(*world(models[:-1])), best(*world(models))
    assert before is None or (after is not None and after <= before)


@given(st.sets(st.sampled_from(sorted(CAPABILITIES))), st.sampled_from(sorted(CAPABILITIES)))
def test_losing_a_needed_ability_loses_eligibility(has: set[str], lost: str) -> None:
    """A card that covers the needs is eligible; without one of them it is not."""
    card = CATALOG.require("large").model_copy(update={"capabilities": frozenset(has | {lost})})
    need = need_of(request(), 10, Routing())
    wanted = type(need)(10, 10, frozenset(has | {lost}), None)
    candidate = Candidate(model="large")
    assert refusals(wanted, candidate, card, Routing()) == ()
    poorer = card.model_copy(update={"capabilities": frozenset(has - {lost})})
    (refusal,) = refusals(wanted, candidate, poorer, Routing())
    assert (refusal.check, str(refusal)) == ("capability", f"needs {lost}")


# ----------------------------------------------------------------------------------- policy, tables
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"candidates": [{"model": "a"}, {"model": "a"}]}, "name a more than once"),
        ({"candidates": [{"model": "a", "covers": "hard"}]}, "expected one of trivial"),
        ({"candidates": [{"model": "a", "max_effort": "huge"}]}, "expected one of none, minimal"),
        ({"candidates": [{"model": ""}]}, "at least 1 character"),
        ({"reserve_output_tokens": -1}, "greater than or equal to 0"),
        ({"candidate": []}, "Extra inputs"),
    ],
)
def test_a_wrong_entry_is_refused(entry: dict[str, Any], message: str) -> None:
    """Mistakes in the routing entry are found when the policy is read."""
    with pytest.raises(ValidationError, match=message):
        Routing.model_validate(entry)


def test_an_entry_survives_json() -> None:
    """A routing entry reads back as itself, its buckets and efforts as words."""
    made = Routing.model_validate(
        {
            "candidates": [{"model": "a", "covers": "simple", "max_effort": "low"}],
            "allow_providers": ["openai"],
        }
    )
    written = made.model_dump_json()
    assert '"covers":"simple","max_effort":"low"' in written
    assert Routing.model_validate_json(written) == made


def test_a_decision_prints_as_a_table() -> None:
    """Every verdict and every adding signal is a row of words under its columns."""
    decision = choose(
        request(HARD, reasoning_effort="low"), 1_000, routing("small", "large"), CATALOG
    )
    rows = verdict_rows(decision)
    assert [r[:2] for r in rows] == [("large", "chosen"), ("small", "not eligible")]
    assert rows[0][2:5] == ("up to expert", "$0.09192", "$0.09192")
    assert all(len(r) == len(VERDICT_COLUMNS) for r in rows)
    signals = signal_rows(decision.complexity)
    assert all(len(r) == len(SIGNAL_COLUMNS) for r in signals)
    assert [float(r[1]) for r in signals] == sorted((float(r[1]) for r in signals), reverse=True)
    assert summary(decision).startswith("large (asked: asked): cheapest of 1 that cover expert; ")


# ------------------------------------------------------------------------------------------ cascade
def drive(decision: Decision, script: dict[str, BaseException | None], **more: Any) -> Result:
    """Run a cascade where each model fails with its scripted error or answers."""
    run = cascade(decision, **more)
    attempt = next(run)
    try:
        while True:
            error = script.get(attempt.model)
            retryable = isinstance(error, TimeoutError)
            response = None if error else f"from {attempt.model}"
            attempt = run.send(
                Outcome(attempt, response, error, retryable=retryable, latency_ms=5.0)
            )
    except StopIteration as stop:
        result: Result = stop.value
        return result


DECISION = choose(request(), 100, THREE, CATALOG)


def test_an_answer_ends_the_cascade() -> None:
    """The first answer is the result."""
    result = drive(DECISION, {})
    assert [o.attempt for o in result.outcomes] == [Attempt("small", 1, DECISION.reason)]
    assert result.response() == "from small"
    assert str(result.final) == "1. small: answered (5 ms)"


def test_retryable_errors_fall_back_in_order() -> None:
    """Each retryable error goes on to the next fallback, and every outcome is kept."""
    result = drive(DECISION, {"small": TimeoutError("slow"), "medium": TimeoutError("slow")})
    assert [o.attempt.model for o in result.outcomes] == ["small", "medium", "large"]
    assert [o.ok for o in result.outcomes] == [False, False, True]
    assert result.outcomes[1].attempt.reason == "fallback: small failed with TimeoutError"
    assert result.response() == "from large"


def test_other_errors_end_the_cascade_untranslated() -> None:
    """An error that another model would meet too is the caller's, as it was raised."""
    error = PermissionError("bad key")
    result = drive(DECISION, {"small": error})
    assert len(result.outcomes) == 1
    with pytest.raises(PermissionError) as caught:
        result.response()
    assert caught.value is error


def test_attempts_are_limited() -> None:
    """No more attempts are made than allowed, and the last error is the result."""
    script = dict.fromkeys(("small", "medium", "large"), TimeoutError("slow"))
    assert len(drive(DECISION, script, max_attempts=2).outcomes) == 2
    assert len(drive(DECISION, script, max_attempts=9).outcomes) == 3
    with pytest.raises(ValueError, match="at least 1, got 0"):
        next(cascade(DECISION, max_attempts=0))


def test_a_policy_without_fallback_has_one_attempt() -> None:
    """With ``fallback: false`` an error is never followed by another model."""
    decision = choose(request(), 100, routing("small", "large", fallback=False), CATALOG)
    assert len(drive(decision, {"small": TimeoutError("slow")}).outcomes) == 1


def test_an_outcome_of_another_attempt_is_refused() -> None:
    """A driver that mixes up outcomes is told at once."""
    run = cascade(DECISION)
    next(run)
    with pytest.raises(ValueError, match="expected the outcome of"):
        run.send(Outcome(Attempt("large", 7, "")))


@given(
    st.lists(st.sampled_from(["ok", "retry", "stop"]), min_size=3, max_size=3), st.integers(1, 4)
)
def test_no_outcome_is_lost(ways: list[str], limit: int) -> None:
    """The result holds one outcome for each attempt, in order, and stops where it should."""
    order = (DECISION.chosen, *DECISION.fallbacks)
    errors = {"ok": None, "retry": TimeoutError("t"), "stop": PermissionError("p")}
    script = {m: errors[w] for m, w in zip(order, ways, strict=True)}
    result = drive(DECISION, script, max_attempts=limit)
    made = len(result.outcomes)
    assert [o.attempt.number for o in result.outcomes] == list(range(1, made + 1))
    assert [o.attempt.model for o in result.outcomes] == list(order[:made])
    assert ways[: made - 1] == ["retry"] * (made - 1)
    assert made == min(limit, 3) or ways[made - 1] != "retry"
