"""Reports: views add up to what they view, and say what is not known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from rich.console import Console

from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo
from tokenthrift.draft import Resources
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import (
    AttemptRecord,
    DecisionRecord,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    Totals,
    totals_of,
)
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy, shipped_policies
from tokenthrift.report import (
    Latencies,
    Tally,
    diff_view,
    explain,
    formats,
    grouped,
    grouped_view,
    instant,
    plan_latencies,
    plan_view,
    tally_json,
    tally_view,
    totals_json,
    totals_view,
)
from tokenthrift.report.explain import current_steps, stage_lines
from tokenthrift.report.model_view import card_json, card_view, models_view, providers_view
from tokenthrift.report.policy_words import (
    field_meanings,
    policies_view,
    policy_json,
    policy_sections,
    policy_view,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

CATALOG = load_catalog()
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROWS = json.dumps([{"id": n, "name": f"item {n}", "price": n * 3, "ok": True} for n in range(80)])
CALL = {"id": "c1", "type": "function", "function": {"name": "list", "arguments": "{}"}}
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "What does item 7 cost?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": ROWS},
    ],
}


def shown(view: RenderableType, width: int = 80) -> str:
    """What a terminal of this width would show, without colours."""
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(view)
    return out.getvalue()


def record(number: int, net: int | None = 300, **fields: Any) -> LedgerRecord:
    """A call that saved ``net`` nano-dollars of 1,000."""
    savings = SavingsRecord()
    if net is not None:
        savings = SavingsRecord(
            baseline_nanos=1_000,
            actual_nanos=1_000 - net,
            compression_nanos=net + 50,
            routing_nanos=0,
            cache_nanos=-50,
            overhead_nanos=0,
            net_nanos=net,
            unpriced=False,
        )
    cost = None if net is None else 1_000 - net
    attempt = AttemptRecord(
        model="m", number=1, status="ok", input_tokens=60, output_tokens=7, cost_nanos=cost
    )
    given_fields = {"model_chosen": "m", "plan_ms": float(number), **fields}
    return LedgerRecord(
        record_id=f"r{number}",
        created_at=NOW + timedelta(hours=number),
        wire="openai-chat",
        model_requested="m",
        policy="p",
        policy_digest="d",
        attempts=(attempt,),
        counted_baseline_tokens=100,
        counted_sent_tokens=60,
        savings=savings,
        **given_fields,
    )


# ------------------------------------------------------------------------------------------ formats
@pytest.mark.parametrize(
    ("nanos", "decimals", "text"),
    [
        (12_300_000, None, "0.01230"),
        (0, None, "0.00"),
        (1, None, "0.000000001"),
        (-4_000_000, 3, "-0.004"),
        (-4, 3, "0.000"),
        (1_234_567_890_123_456, None, "1,234,567.89"),
        (25_062_385_000, None, "25.06"),
        (None, 3, "unpriced"),
    ],
)
def test_money_has_the_digits_it_needs(nanos: int | None, decimals: int | None, text: str) -> None:
    """Four digits of the largest amount, thousands apart, no minus before a zero."""
    assert formats.usd(nanos, decimals) == text


def test_shares_and_milliseconds_are_short() -> None:
    """A dash where there is nothing to divide by or to show."""
    assert [formats.share(*p) for p in ((1, 3), (-1, 8), (0, 5), (-1, 10**9), (1, 0))] == [
        "33.3",
        "-12.5",
        "0.0",
        "0.0",
        "-",
    ]
    assert [formats.ms(v) for v in (0.123, 2.06, 341.2, 1_234.0, None)] == [
        "0.12",
        "2.1",
        "341",
        "1,234",
        "-",
    ]


@given(st.text())
def test_any_text_can_be_printed(text: str) -> None:
    """Surrogates and control characters are written out, so no terminal is steered or refuses."""
    safe = formats.printable(text)
    assert safe.encode() or not text
    assert all(c.isprintable() or c in "\n\t" for c in safe)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("24h", NOW - timedelta(days=1)),
        ("2 w", NOW - timedelta(weeks=2)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T06:00+02:00", datetime(2026, 1, 30, 4, tzinfo=UTC)),
    ],
)
def test_instants_are_dates_times_or_ages(text: str, at: datetime) -> None:
    """Without an offset they are in UTC."""
    assert instant(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "7", "9" * 40 + "d"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    """The message shows how they are written."""
    with pytest.raises(ValueError, match=r"is no date"):
        instant(text, NOW)


# ---------------------------------------------------------------------------------------- latencies
@given(st.lists(st.floats(0.001, 1e6), min_size=1), st.lists(st.floats(0.001, 1e6)))
def test_percentiles_are_right_to_one_per_cent_and_add_up(
    some: list[float], more: list[float]
) -> None:
    """The median of a sum is that of all values together."""
    both = Latencies.of(some) + Latencies.of(more)
    assert both == Latencies.of([*some, *more])
    ranked = sorted([*some, *more])
    median = both.percentile_ms(50)
    assert median == pytest.approx(ranked[(len(ranked) - 1) // 2], rel=0.011)
    assert both.percentile_ms(100) == pytest.approx(ranked[-1], rel=0.011)


def test_no_latencies_have_no_percentile() -> None:
    """And many are as a naive reference says."""
    assert Latencies().percentile_ms(50) is None
    values = [n / 7 for n in range(1, 2_000)]
    assert Latencies.of(values).percentile_ms(99) == pytest.approx(
        quantiles(values, n=100)[98], rel=0.011
    )


# ------------------------------------------------------------------------------------------ records
def test_groups_add_up_to_the_total() -> None:
    """By any key, the sums of the groups are the sum of the records."""
    ledger = MemoryLedger()
    for n in range(6):
        bucket = DecisionRecord(complexity_bucket=("simple", "expert")[n % 2])
        tags = {"team": "a"} if n % 3 else {}
        ledger(record(n, None if n == 5 else 10 * n, decision=bucket, tags=tags))
    whole = totals_of(ledger.records())
    for by in ("model", "policy", "complexity", "tag:team", "day", "session"):
        groups = grouped(ledger, by)
        assert sum(groups.values(), Totals()) == whole
    assert {k: t.calls for k, t in grouped(ledger, "complexity").items()} == {
        "expert": 3,
        "simple": 3,
    }
    assert {k: t.calls for k, t in grouped(ledger, "tag:team").items()} == {"": 2, "a": 4}
    assert grouped(ledger, "tag:team", since=NOW + timedelta(hours=4))["a"].calls == 2


def test_an_unknown_grouping_lists_the_known_ones() -> None:
    """A tag without a name is none, either."""
    for by in ("colour", "tag:"):
        with pytest.raises(LedgerError, match=r"use one of: model, policy, complexity, tag:NAME"):
            grouped(MemoryLedger(), by)


def test_totals_as_data_are_exact_with_shares() -> None:
    """A share of nothing is None."""
    data = totals_json(totals_of([record(1), record(2, -100)]))
    assert (data["net_nanos"], data["saved_tokens"], data["saved_tokens_share"]) == (200, 80, 0.4)
    assert data["net_share"] == 0.1
    assert totals_json(Totals())["net_share"] is None


def test_the_total_view_says_what_is_unpriced_and_estimated() -> None:
    """A loss keeps its sign; lines fit the terminal."""
    totals = totals_of([record(1), record(2, -900), record(3, None)])
    view = shown(totals_view(totals, Latencies.of([1.0, 2.0])))
    text = " ".join(view.split())
    assert "3 calls, 3 attempts, 0 failed" in text
    assert "1 of 3 calls are unpriced" in text
    assert "2 of 3 calls are estimated" in text
    assert "-0.000000600" in text
    assert max(map(len, view.splitlines())) <= 80


def test_the_grouped_view_has_a_word_for_no_value_and_no_price() -> None:
    """An unknown price is never shown as zero."""
    groups = {"": totals_of([record(1, None)]), "gpt-4o": totals_of([record(2)])}
    text = shown(grouped_view(groups, "model"))
    assert "(none)" in text
    assert "unpriced" in text
    assert "1 calls are unpriced" in text


def test_planning_latencies_are_those_of_the_records() -> None:
    """Read from the newest records."""
    ledger = MemoryLedger()
    for n in range(1, 4):
        ledger(record(n))
    assert plan_latencies(ledger).calls == 3
    assert plan_latencies(ledger).most_ms == 3.0


# -------------------------------------------------------------------------------------------- plans
def test_every_segment_says_what_happened_and_why() -> None:
    """Tokens of segments and framing add up to those of the request."""
    made = plan(BODY, "lossless", catalog=CATALOG)
    found = explain(made, CATALOG)
    assert [(s.id, s.state) for s in found.segments] == [
        ("m0", "kept"),
        ("m1", "kept"),
        ("m3", "cut"),
    ]
    assert found.segments[0].reasons == ("protected: system text",)
    assert found.segments[2].reasons == ("json as a table",)
    before = sum(s.tokens_before for s in found.segments) + found.framing_tokens_before
    after = sum(s.tokens_after for s in found.segments) + found.framing_tokens_after
    assert (before, after) == (found.tokens_before, found.tokens_after)
    assert sum(s.tokens_saved for s in found.stages) == before - after
    assert found.savings.net is not None
    assert found.savings.net.nanos == (before - after) * 2_500


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("off", "the policy has no stages"),
        ({"floor_tokens": 5_000, "stages": [{"stage": "json"}]}, "under floor_tokens (5000)"),
        (
            {"stages": [{"stage": "select", "min_tokens": 9_000}]},
            "select: under 9000 tokens, left whole",
        ),
        ({"stages": [{"stage": "dedupe"}]}, "nothing a stage could shorten"),
    ],
)
def test_text_that_stayed_has_a_reason(policy: Any, reason: str) -> None:
    """So that a saving of nothing is explained."""
    found = explain(plan(BODY, policy, catalog=CATALOG), CATALOG)
    assert found.segments[-1].reasons == (reason,)
    assert "0.0 % saved" in shown(plan_view(found))


def test_an_explanation_is_plain_data_and_prints_everywhere() -> None:
    """Rows of verdicts are named; an unknown price is said."""
    body = {**BODY, "model": "somebody/unheard-of"}
    found = explain(plan(body, "balanced", catalog=CATALOG), CATALOG)
    data = json.loads(json.dumps(found.as_json()))
    assert data["savings"]["net_nanos"] is None
    assert data["verdicts"][0]["verdict"] == "chosen"
    for width in (40, 80, 120):
        text = shown(plan_view(found), width)
        assert "unpriced" in text
        assert max(map(len, text.splitlines())) <= width


def test_steps_of_turns_that_were_decided_again_are_left_out() -> None:
    """After a compaction the remaining steps add up to the tokens saved."""
    policy = {
        "stages": [{"stage": "json"}, {"stage": "select", "keep": 0.5, "min_tokens": 300}],
        "compaction": {"at_tokens": 2_000, "to_share": 0.5},
    }
    messages = list(BODY["messages"])
    memo = Memo()
    for n in range(5):
        made = plan({**BODY, "messages": messages}, policy, catalog=CATALOG, memo=memo)
        saved = sum(s.tokens_saved for s in stage_lines(current_steps(made.trace)))
        assert saved == made.tokens_before - made.tokens_after
        messages += [
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": f"And item {n}?"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": ROWS.replace("item", f"thing {n}")},
        ]
    assert made.epoch > 0
    assert explain(made, CATALOG).epochs


def test_a_diff_shows_what_was_dropped_and_what_stands_there() -> None:
    """Long lines are compared by sentence; nothing changed says so."""
    assert "Nothing was changed" in shown(diff_view(plan(BODY, "off", catalog=CATALOG)))
    prose = " ".join(f"Valve {n} of the hall is blue and stays shut." for n in range(200))
    body = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": "Which valve is open?"},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": f"{prose} Valve 7 is open."},
        ],
    }
    policy = {"stages": [{"stage": "select", "keep": 0.2, "min_tokens": 100}]}
    text = shown(diff_view(plan(body, policy, catalog=CATALOG)))
    assert "m2 tool prose" in text
    assert "-Valve 100 of the hall is blue" in text.replace("\n", " ")
    assert "+" in text


def test_a_tally_shows_problems_reasons_and_routes() -> None:
    """Unpriced, unread and failed requests are named, a loss is negative."""
    tally = Tally(
        conversations=2,
        totals=totals_of([record(1, -500), record(2, None)]),
        unanswered=1,
        epochs=3,
        reported_calls=1,
        reported_cost_nanos=2_000_000,
        reported_input_tokens=50,
        recounted_input_tokens=55,
        stages={"json": (2, 1, -5, 1)},
        kinds={"log": (1, 100, 105)},
        kept={f"reason {n}": (1, n) for n in range(12)},
        models={"a": (1,), "a -> b": (1,)},
        unread={"not JSON": (4,)},
        failed={"OverBudgetError": (1,)},
        stage_errors={"json: ValueError": (1,)},
        latencies=Latencies.of([2.0]),
    )
    text = shown(tally_view(tally))
    for part in (
        "2 recordings, 2 requests, 4 lines not read, 1 requests not planned, 1 unpriced",
        "1 stage errors, 3 compactions",
        "1 requests are unpriced",
        "how good it is",
        "The log says $0.002000",
        "Providers counted 50 input tokens where we count 55",
        "4 other reasons",
        "a -> b",
        "json: ValueError",
        "-0.000000500",
    ):
        assert part in " ".join(text.split())
    data = json.loads(json.dumps(tally_json(tally)))
    assert data["stages"]["json"]["saved_tokens"] == -5
    assert data["latencies"]["p50_ms"] == pytest.approx(2.0, rel=0.011)


def test_an_empty_tally_prints() -> None:
    """Nothing replayed is no reason to fail."""
    assert "0 recordings, 0 requests" in shown(tally_view(Tally()))


# ----------------------------------------------------------------------------------------- policies
class Setting(BaseModel):
    """Does something.

    Over two lines.

    Attributes:
        first: as the class
            says it.
        second: overridden.
    """

    first: int = 1
    second: int = 2
    """As the field says it."""
    third: int = Field(default=3, description="as its description says")
    fourth: int = 4


def test_meanings_come_from_wherever_they_are_written() -> None:
    """Description, docstring after the field, section of the class."""
    assert field_meanings(Setting) == {
        "first": "as the class says it.",
        "second": "As the field says it.",
        "third": "as its description says",
        "fourth": "",
    }


@pytest.mark.parametrize("name", sorted(shipped_policies()))
def test_every_setting_of_a_shipped_policy_has_a_meaning(name: str) -> None:
    """In words that come from the code."""
    policy = load_policy(name)
    sections = policy_sections(policy)
    for section in sections:
        assert section.does
        assert all(line.meaning for line in section.settings), section
    assert [s.name for s in sections if s.name.startswith("stage")] == [
        f"stage {n}: {stage.name}"  # type: ignore[attr-defined]
        for n, stage in enumerate(policy.stages, 1)
    ]
    assert policy.digest in shown(policy_view(policy))
    assert json.loads(json.dumps(policy_json(policy)))["digest"] == policy.digest
    assert name in shown(policies_view([policy]))


# ------------------------------------------------------------------------------------------- models
def test_a_card_shows_what_is_known_and_says_what_is_not() -> None:
    """Window, prices with their tiers, cache rule and source."""
    text = shown(card_view(CATALOG.require("claude-sonnet-4-5")))
    for part in ("200,000 tokens", "up to marked messages", "3.75", "litellm"):
        assert part in text
    assert "automatic, in blocks of 128 tokens" in " ".join(
        shown(card_view(CATALOG.require("gpt-4o"))).split()
    )
    card = CATALOG.require("gpt-4o").model_copy(
        update={"prices": None, "cache": None, "aliases": ("x",), "regions": ("eu",)}
    )
    text = shown(card_view(card))
    assert "prices: not known" in text
    assert card_json(card, "snap")["snapshot"] == "snap"
    tiered = next(c for c in CATALOG if c.prices is not None and c.prices.tiers)
    assert f"> {tiered.prices.tiers[0].above_input_tokens:,}" in shown(card_view(tiered))


def test_tables_of_models_say_how_many_more_there_are() -> None:
    """And which prices they are."""
    cards = [CATALOG.require("gpt-4o"), CATALOG.require("gpt-4o-mini")]
    text = shown(models_view(cards, 5, "snap"))
    assert "2 models, 3 more; prices: snap" in text
    assert "0.15" in text
    assert "3 models, prices: snap" in shown(providers_view([("openai", 2), ("", 1)], "snap"))


def test_units_of_a_message_that_goes_whole_are_those_of_its_texts() -> None:
    """A message of several texts is removed at once; each text shows its own units."""
    texts = ["".join(f"Line {n} of {word} says nothing of use.\n" for n in range(30)) for word in
             ("apples", "pears")]  # fmt: skip
    parts = [{"type": "text", "text": text} for text in texts]
    body = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "Noted."},
            {"role": "user", "content": "The key is in vault 7.\n" * 40},
            {"role": "user", "content": "Where is the key?"},
        ],
    }
    policy = {
        "scope": "request",
        "budget": {"hard_tokens": 60},
        "stages": [{"stage": "select", "min_tokens": 0}],
    }
    made = plan(body, policy, catalog=CATALOG, resources=Resources(explain=True))
    lines = [line for line in explain(made, CATALOG).segments if line.id.startswith("m0.")]
    assert [line.state for line in lines] == ["removed", "removed"]
    assert ["".join(u.text for u in line.units) for line in lines] == texts
