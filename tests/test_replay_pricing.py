"""Conversations replayed: which requests they had, and what each cost on both sides."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.draft import Draft, Resources
from tokenthrift.ledger import totals_of
from tokenthrift.policy import load_policy
from tokenthrift.replay import Options, RawLine, Replayed, replay_line
from tokenthrift.replay.conversation import cuts_of
from tokenthrift.replay.pricing import billed_tokens
from tokenthrift.report import Tally
from tokenthrift.report.tally import dumped, loaded
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = load_catalog()
NOW = datetime(2026, 1, 31, tzinfo=UTC)
LONG = "The reactor hall has forty-two blue valves and one red one. " * 100
ROWS = json.dumps([{"id": n, "name": f"item {n}", "price": n * 3, "ok": True} for n in range(80)])
AGENT: list[dict[str, Any]] = [
    {"role": "system", "content": f"Be exact. {LONG}"},
    {"role": "user", "content": "What does item 7 cost?"},
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "list", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": ROWS},
    {"role": "assistant", "content": "Item 7 costs 21."},
    {"role": "user", "content": "And item 9?"},
]


def clock() -> Iterator[float]:
    """A clock that ticks once a millisecond each time it is looked at."""
    now = 0.0
    while True:
        yield now
        now += 0.001


def replayed(record: Any, policy: Any = "lossless", **options: Any) -> Replayed:
    """What comes of a record on line 3 of a log."""
    line = RawLine("log.jsonl", 3, json.dumps(record).encode())
    ticks = clock()
    asked = Options(load_policy(policy), NOW, keep_records=True, **options)
    return replay_line(line, asked, CATALOG, lambda: next(ticks))


def conversation(messages: list[Any], **keys: Any) -> dict[str, Any]:
    """A recorded conversation."""
    return {"id": "c", "messages": messages, **keys}


@pytest.mark.parametrize(
    ("roles", "cuts"),
    [
        ("su", [2]),
        ("sua", [2]),
        ("suaua", [2, 4]),
        ("suatau", [2, 4, 6]),
        ("suaatt", [2, 6]),
        ("aua", [2]),
        ("au", [2]),
        ("aa", []),
        ("", []),
    ],
)
def test_requests_end_before_answers(roles: str, cuts: list[int]) -> None:
    """One before each run of assistant messages, one at the end if it is still unanswered."""
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = [{"role": names[r], "content": "x"} for r in roles]
    assert cuts_of(wire.read({"messages": messages}).messages) == cuts


def test_without_a_policy_both_sides_cost_the_same() -> None:
    """Policy off saves nothing and loses nothing, request by request."""
    found = replayed(conversation(AGENT), "off")
    assert found.tally.requests == 3
    for record in found.records:
        assert record.savings.net_nanos == 0
        assert record.savings.baseline_nanos == record.attempts[0].cost_nanos
    assert found.tally.billed_before_tokens == found.tally.billed_after_tokens


def test_the_baseline_reads_its_own_prefix_from_the_cache() -> None:
    """The cache holds whole blocks of 128 tokens of what the last request sent."""
    found = replayed(conversation(AGENT), "off")
    count = counter_for("gpt-4o")
    sizes = [
        count_request(wire.read({"messages": AGENT[:cut]}), count) for cut in (2, 4, len(AGENT))
    ]
    attempts = [r.attempts[0] for r in found.records]
    assert [a.input_tokens for a in attempts] == sizes
    reads = [a.cache_read_tokens for a in attempts]
    assert reads[0] == 0
    # Everything but the primed reply of the request before is in this one, in whole blocks.
    assert reads[1:] == [size // 128 * 128 for size in sizes[:-1]]
    price = 2.5 * 1_000
    first = record_cost = sizes[0] * price + attempts[0].output_tokens * 10 * 1_000
    assert found.records[0].savings.actual_nanos == round(first)
    second = (sizes[1] - reads[1]) * price + reads[1] * price / 2
    second += attempts[1].output_tokens * 10 * 1_000
    assert found.records[1].savings.actual_nanos == round(second)
    assert record_cost > 0


def test_a_pause_longer_than_the_cache_lives_makes_every_request_cold() -> None:
    """Lifetimes are those of the model's card."""
    cold = replayed(conversation(AGENT), "off", pause_s=301.0)
    assert [r.attempts[0].cache_read_tokens for r in cold.records] == [0, 0, 0]


def test_savings_are_net_of_answers_that_cost_the_same() -> None:
    """The recorded answer is on both sides; only the input differs."""
    found = replayed(conversation(AGENT))
    totals = found.tally.totals
    assert totals.counted_sent_tokens < totals.counted_baseline_tokens
    assert totals.routing_nanos == 0
    assert totals.net_nanos == totals.compression_nanos + totals.cache_nanos > 0
    answer = counter_for("gpt-4o")("Item 7 costs 21.")
    assert found.records[1].attempts[0].output_tokens == answer
    assert found.records[2].attempts[0].output_tokens == 0
    assert found.tally.unanswered == 1


def test_the_tally_is_the_sum_of_the_records() -> None:
    """Stages and kinds add up to the tokens saved."""
    found = replayed(conversation(AGENT))
    tally = found.tally
    assert tally.totals == totals_of(found.records)
    saved = tally.totals.counted_baseline_tokens - tally.totals.counted_sent_tokens
    assert sum(row[2] for row in tally.stages.values()) == saved
    before, after = (sum(row[i] for row in tally.kinds.values()) for i in (1, 2))
    assert before == tally.totals.counted_baseline_tokens
    assert after == tally.totals.counted_sent_tokens
    assert tally.latencies.calls == 3
    assert tally.kept["protected: system text"][0] == 1
    assert loaded(json.loads(json.dumps(dumped(tally)))) == tally


def test_compactions_are_counted_and_stages_still_add_up() -> None:
    """What a compaction decided again is not counted twice."""
    policy = {
        "stages": [{"stage": "json"}, {"stage": "select", "keep": 0.5, "min_tokens": 400}],
        "compaction": {"at_tokens": 3_000, "to_share": 0.5},
    }
    messages = [AGENT[0]]
    for n in range(4):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages += [
            {"role": "user", "content": f"Item {n}?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": LONG.replace("42", str(n)) + ROWS},
        ]
    tally = replayed(conversation(messages), policy).tally
    assert tally.epochs > 0
    saved = tally.totals.counted_baseline_tokens - tally.totals.counted_sent_tokens
    assert sum(row[2] for row in tally.stages.values()) == saved


def test_another_model_is_a_routing_saving_on_its_own_cache() -> None:
    """The baseline stays the recorded model; the split names the model's share."""
    policy = {
        "routing": {
            "candidates": [
                {"model": "gpt-4o-mini", "covers": "expert"},
                {"model": "gpt-4o", "covers": "expert"},
            ]
        }
    }
    found = replayed(conversation(AGENT), policy)
    assert {r.model_chosen for r in found.records} == {"gpt-4o-mini"}
    assert {r.model_baseline for r in found.records} == {"gpt-4o"}
    assert found.tally.models == {"gpt-4o -> gpt-4o-mini": (3,)}
    totals = found.tally.totals
    assert totals.routing_nanos > 0
    assert totals.compression_nanos == 0
    assert [r.attempts[0].cache_read_tokens > 0 for r in found.records] == [False, True, True]
    # The choice knew what would be read, of the model that has it only.
    for record in found.records:
        known = {v["model"]: v["cached_tokens"] for v in record.decision.verdicts}
        assert known["gpt-4o"] == 0
        assert known["gpt-4o-mini"] == record.attempts[0].cache_read_tokens


def test_an_unplannable_request_is_counted_and_priced_as_it_was() -> None:
    """A budget that protected text exceeds loses no record."""
    found = replayed(conversation(AGENT), {"budget": {"hard_tokens": 50}})
    assert found.tally.failed == {"OverBudgetError": (3,)}
    assert found.tally.requests == found.tally.totals.failed_calls == 3
    assert found.tally.totals.net_nanos == 0
    assert found.tally.totals.actual_nanos > 0
    assert found.problems[0].startswith("log.jsonl:3: OverBudgetError: ")
    assert {r.status for r in found.records} == {"error"}


def test_an_unknown_price_is_unpriced() -> None:
    """Tokens are still counted."""
    found = replayed({"model": "somebody/unheard-of", "messages": AGENT[:2]})
    assert found.tally.totals.unpriced_calls == 1
    assert found.tally.totals.counted_baseline_tokens > 0
    assert found.tally.billed_before_tokens == 0


def test_a_line_that_cannot_be_read_is_a_problem_with_its_place() -> None:
    """Reasons are grouped without their details."""
    bad = replayed({"messages": [{"role": "boss"}]})
    assert bad.tally == Tally(unread={"not a chat request": (1,)})
    assert bad.problems == (
        "log.jsonl:3: not a chat request: messages.0.role: unknown role 'boss'",
    )
    assert replayed({"messages": [{"role": "assistant"}]}).tally.unread_lines == 1


def test_logged_usage_is_shown_beside_our_counts() -> None:
    """The log's output length is used, its cost and time are kept."""
    payload = {
        "call_type": "completion",
        "id": "x",
        "model": "gpt-4o",
        "custom_llm_provider": "azure",
        "messages": AGENT[:2],
        "prompt_tokens": 1_300,
        "completion_tokens": 55,
        "response_cost": 0.004,
        "startTime": 1_767_225_600.0,
    }
    found = replayed(payload, "off")
    record = found.records[0]
    assert record.attempts[0].output_tokens == 55
    assert record.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (found.tally.reported_calls, found.tally.reported_cost_nanos) == (1, 4_000_000)
    assert found.tally.reported_input_tokens == 1_300
    assert found.tally.recounted_input_tokens == record.counted_baseline_tokens
    azure = CATALOG.require("azure/gpt-4o")
    assert azure.prices is not None
    assert azure.prices.input_usd_per_mtok is not None
    cost = record.counted_baseline_tokens * azure.prices.input_usd_per_mtok * 1_000
    assert (
        record.savings.actual_nanos == cost + 55 * (azure.prices.output_usd_per_mtok or 0) * 1_000
    )


def test_lines_can_be_read_as_requests_or_as_conversations() -> None:
    """``split`` overrides what the content says."""
    assert replayed(conversation(AGENT), split="request").tally.requests == 1
    body = {"model": "gpt-4o", "messages": AGENT}
    assert replayed(body).tally.requests == 1
    assert replayed(body, split="conversation").tally.requests == 3


def test_records_say_where_they_come_from_and_never_change_their_id() -> None:
    """The same line replayed the same way gives the same ids; another policy gives others."""
    one, again, other = (replayed(conversation(AGENT), p) for p in ("off", "off", "lossless"))
    ids = [r.record_id for r in one.records]
    assert ids == [r.record_id for r in again.records]
    assert len(set(ids)) == 3
    assert not set(ids) & {r.record_id for r in other.records}
    assert one.records[0].tags == {"source": "log.jsonl", "conversation": "c"}
    assert one.records[0].savings.basis == "estimated"


class Broken(BaseModel):
    """A stage that always raises."""

    model_config = ConfigDict(frozen=True)
    stage: Literal["broken"] = "broken"
    name: str = "broken"
    level: int = 1

    def __call__(self, draft: Draft, resources: Resources, /) -> Draft:
        """Raise."""
        raise ZeroDivisionError("no")


def test_a_stage_that_raises_is_counted_by_its_error() -> None:
    """The call goes on by default; where the plan is to fail, it is priced as it was."""
    passed = replayed(conversation(AGENT), {"stages": [Broken()]})
    assert passed.tally.stage_errors == {"broken: ZeroDivisionError": (3,)}
    assert passed.tally.failed_requests == 0
    raised = replayed(conversation(AGENT), {"stages": [Broken()], "on_stage_error": "raise"})
    assert raised.tally.failed == {"ZeroDivisionError": (3,)}
    assert raised.tally.totals.net_nanos == 0


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "tool_calls": 5},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": 5}}]},
    ],
)
def test_an_odd_line_never_stops_the_replay(message: Any) -> None:
    """What no provider would take is priced or becomes a problem with its place."""
    found = replayed(conversation([AGENT[1], message, AGENT[1]]))
    assert found.tally.requests + found.tally.unread_lines > 0
    assert all(p.startswith("log.jsonl:3: ") for p in found.problems)


def test_input_as_billed_weighs_cached_tokens_by_their_price() -> None:
    """In units of the plain input price; long requests count by their tier."""
    card = CATALOG.require("gpt-4o")
    assert billed_tokens(Usage(input_tokens=1_000), card) == 1_000
    assert billed_tokens(Usage(input_tokens=1_000, cache_read_tokens=800), card) == 600
    assert billed_tokens(Usage(input_tokens=10, output_tokens=99), card) == 10
    claude = CATALOG.require("claude-sonnet-4-5")
    assert billed_tokens(Usage(input_tokens=1_000, cache_write_tokens=1_000), claude) == 1_250
    assert billed_tokens(Usage(input_tokens=1_000), None) is None


TEXTS = st.sampled_from(["", "ok", "\ud800", LONG, ROWS, "Ärger 🙂\n" * 40])
MESSAGES = st.lists(
    st.builds(
        lambda role, text: {"role": role, "content": text},
        st.sampled_from(["system", "user", "assistant"]),
        TEXTS,
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=40)
@given(MESSAGES, st.sampled_from(["off", "lossless", "balanced", "frugal"]))
def test_no_record_is_lost_and_all_sums_agree(messages: list[Any], policy: str) -> None:
    """Every recording gives its requests or a problem, and money adds up for each."""
    found = replayed(conversation(messages), policy)
    cuts = cuts_of(wire.read({"messages": messages}).messages)
    assert found.tally.requests == len(cuts) == len(found.records)
    assert found.tally.unread_lines == (0 if cuts else 1)
    for record in found.records:
        savings = record.savings
        assert savings.net_nanos == (savings.baseline_nanos or 0) - (savings.actual_nanos or 0)
        if policy in ("off", "lossless", "balanced"):
            assert record.counted_sent_tokens <= record.counted_baseline_tokens
