"""Ledger records: round trips, refused contradictions, nothing of the prompt. Also samples."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tokenthrift.draft import Edit, Step
from tokenthrift.ledger import (
    AttemptRecord,
    Charge,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    StepRecord,
    buckets_of,
    split_savings,
)
from tokenthrift.types import Money, Usage

START = datetime(2026, 3, 1, tzinfo=UTC)
LARGE = 2**57  # beyond what a float holds exactly, and a few hundred of them fit into 64 bits


# ----------------------------------------------------------------------------------------- samples
def sample(number: int = 0, **changes) -> LedgerRecord:
    """A complete record like those of real calls; ``number`` makes it differ from others."""
    costs = [1_200 + number, 45_000]
    parts = {"compression_nanos": 30_000, "routing_nanos": -2_500, "cache_nanos": number}
    overhead = -costs[0]
    net = sum(parts.values()) + overhead
    attempts = tuple(
        AttemptRecord(
            model=model,
            number=i + 1,
            status=status,
            counted_tokens=1_000,
            input_tokens=1_100,
            output_tokens=250,
            cache_read_tokens=512,
            reasoning_tokens=64,
            raw_usage={"prompt_tokens": 1_100, "prompt_tokens_details": {"cached_tokens": 512}},
            cost_nanos=cost,
            latency_ms=812.5,
            time_to_first_chunk_ms=301.25,
        )
        for i, (model, status, cost) in enumerate(
            zip(("small", "large"), ("rejected", "ok"), costs, strict=True)
        )
    )
    fields = {
        "record_id": f"call-{number:06d}",
        "created_at": START + timedelta(seconds=number),
        "wire": "openai-chat",
        "model_requested": "auto",
        "model_chosen": "large",
        "model_baseline": "largest",
        "policy": "balanced",
        "policy_digest": "9b1c",
        "catalog": "77aa",
        "attempts": attempts,
        "counted_baseline_tokens": 2_400,
        "counted_sent_tokens": 1_000,
        "steps": (
            StepRecord(stage="dedupe", tokens_before=2_400, tokens_after=1_900, edits=3),
            StepRecord(stage="select", tokens_before=1_900, tokens_after=1_000, edits=7),
        ),
        "decision": DecisionRecord(
            complexity_bucket="moderate",
            complexity_score=0.4375,
            signals={"length": 0.25, "code": 1.0},
            verdicts=({"model": "small", "eligible": True, "p": 0.81}, {"model": "tiny"}),
            reason="cheapest adequate",
        ),
        "savings": SavingsRecord(
            baseline_nanos=sum(costs) + net,
            actual_nanos=sum(costs),
            overhead_nanos=overhead,
            net_nanos=net,
            basis="measured",
            unpriced=False,
            **parts,
        ),
        "plan_ms": 1.75,
        "total_ms": 1_640.5,
        "tags": {"team": ("search", "support")[number % 2]},
        "session": f"s{number // 10}",
    }
    return LedgerRecord(**{**fields, **changes})


tokens = st.integers(0, 10**9)
nanos = st.integers(-LARGE, LARGE)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def attempt_lists(draw) -> tuple[AttemptRecord, ...]:
    """Up to three attempts, some estimated, some without a price."""
    return tuple(
        AttemptRecord(
            model=draw(st.sampled_from(["small", "large"])),
            number=i + 1,
            status=draw(st.sampled_from(["ok", "rejected", "recall", "error", "cancelled"])),
            counted_tokens=draw(tokens),
            input_tokens=draw(tokens),
            output_tokens=draw(tokens),
            cache_read_tokens=draw(tokens),
            cache_write_tokens=draw(tokens),
            reasoning_tokens=draw(tokens),
            estimated=draw(st.booleans()),
            cost_nanos=draw(st.none() | st.integers(0, LARGE)),
            latency_ms=draw(st.floats(0, 1e6)),
        )
        for i in range(draw(st.integers(0, 3)))
    )


@st.composite
def record_lists(draw, max_size: int = 8) -> list[LedgerRecord]:
    """Records with distinct ids, priced and not, over a few days, models and tags."""
    records = []
    for number in range(draw(st.integers(0, max_size))):
        attempts = draw(attempt_lists())
        savings = SavingsRecord()
        if all(a.cost_nanos is not None for a in attempts):
            actual = sum(a.cost_nanos or 0 for a in attempts)
            parts = draw(st.tuples(nanos, nanos, nanos, nanos))
            savings = SavingsRecord(
                baseline_nanos=actual + sum(parts),
                actual_nanos=actual,
                compression_nanos=parts[0],
                routing_nanos=parts[1],
                cache_nanos=parts[2],
                overhead_nanos=parts[3],
                net_nanos=sum(parts),
                basis=draw(st.sampled_from(["estimated", "measured"])),
                unpriced=False,
            )
        records.append(
            LedgerRecord(
                record_id=f"r{number}",
                created_at=START + timedelta(hours=draw(st.integers(0, 72))),
                wire="openai-chat",
                status=draw(st.sampled_from(["ok", "error", "cancelled"])),
                model_requested="auto",
                model_chosen=draw(st.sampled_from([None, "small", "large"])),
                policy=draw(words),
                policy_digest="9b1c",
                attempts=attempts,
                counted_baseline_tokens=draw(tokens),
                counted_sent_tokens=draw(tokens),
                holdout=draw(st.booleans()),
                savings=savings,
                tags=draw(st.dictionaries(st.sampled_from("ab'\""), words, max_size=2)),
                session=draw(st.none() | words),
            )
        )
    return records


# ------------------------------------------------------------------------------------------- tests
@given(record_lists(max_size=2))
def test_json_round_trips(records):
    """A record read back from its JSON is the same record."""
    for record in [*records, sample()]:
        assert LedgerRecord.model_validate_json(record.model_dump_json()) == record


def test_money_beyond_a_float_survives_json():
    """Amounts that a float would round are read back exactly."""
    record = AttemptRecord(model="m", number=1, status="ok", cost_nanos=2**53 + 1)
    again = AttemptRecord.model_validate_json(record.model_dump_json())
    assert again.cost_nanos == 2**53 + 1


def test_time_is_kept_in_utc():
    """Times with any offset, and ISO text, become the same instant in UTC."""
    east = timezone(timedelta(hours=5, minutes=30))
    local = sample(created_at=datetime(2026, 3, 1, 5, 30, tzinfo=east))
    text = sample(created_at="2026-03-01T00:00:00Z")
    assert local.created_at == text.created_at == START
    assert local.model_dump_json() == text.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"created_at": datetime(2026, 3, 1)}, "timezone"),  # noqa: DTZ001 - the fault under test
        ({"record_id": ""}, "at least 1 character"),
        ({"prompt": "hello"}, "Extra inputs"),
        ({"plan_ms": -1.0}, "greater than or equal to 0"),
        ({"plan_ms": float("nan")}, "finite"),
        ({"schema_version": 2}, "Input should be 1"),
        ({"counted_sent_tokens": 2**63}, "less than or equal to"),
        ({"attempts": sample().attempts[::-1]}, "numbered in order"),
        ({"attempts": sample().attempts[:1]}, "the attempts cost 1200"),
    ],
)
def test_contradictions_are_refused(changes, problem):
    """A record that cannot be true is not made, and the error says why."""
    with pytest.raises(ValidationError, match=problem):
        sample(**changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"net_nanos": 1}, "baseline_nanos - actual_nanos"),
        ({"cache_nanos": 1}, "must be net_nanos"),
        ({"cache_nanos": None}, "must be net_nanos"),
        ({"unpriced": True}, "unpriced false"),
        ({"net_nanos": None}, "all parts None"),
        ({"baseline_nanos": None}, "needs baseline_nanos"),
    ],
)
def test_savings_that_do_not_add_up_are_refused(changes, problem):
    """Savings are checked to the nano-dollar when a record is made."""
    good = sample().savings.model_dump()
    with pytest.raises(ValidationError, match=problem):
        SavingsRecord(**{**good, **changes})


def test_step_record_keeps_numbers_and_no_text():
    """Of a step only its numbers and the type of its error are kept."""
    edit = Edit(target="m1", action="replace", text="secret", reason="r")
    step = Step("select", (0, 1), 90, 60, (edit,), error="ValueError: cannot read 'secret'")
    record = StepRecord.of(step)
    assert record == StepRecord(
        stage="select", tokens_before=90, tokens_after=60, edits=1, error="ValueError"
    )
    assert "secret" not in record.model_dump_json()


def test_savings_record_holds_what_was_computed():
    """A computed split, also of an unknown price, becomes a record without loss."""
    known = split_savings(Charge(Usage(), None), Usage(), [Charge(Usage(), None)])
    unknown = split_savings(Charge(Usage(5, 5), None), Usage(), [Charge(Usage(), None)])
    assert SavingsRecord.of(known).net_nanos == 0
    assert SavingsRecord.of(unknown) == SavingsRecord(actual_nanos=0, basis="measured")
    assert known.net == Money(0)


def test_usage_of_an_attempt_can_be_priced_again():
    """An attempt gives back the usage it was made from."""
    usage = sample().attempts[0].usage
    assert usage == Usage(1_100, 250, 512, 0, 64)
    assert usage.raw is not None


def test_verdicts_must_be_finite_json():
    """Signals that JSON cannot carry are refused instead of becoming null."""
    with pytest.raises(ValidationError, match="finite"):
        DecisionRecord(signals={"x": float("inf")})


def test_an_attempt_is_priced_again_from_its_record():
    """Every bucket of a usage comes back, so that the cost of a record can be computed anew."""
    counts = [f.name for f in fields(Usage) if f.name.endswith("_tokens")]
    values = {name: 1_000 - n for n, name in enumerate(counts)}
    usage = Usage(**values, service_tier="batch", estimated=True, raw={"a": 1})
    made = AttemptRecord(model="m", number=1, status="ok", raw_usage=usage.raw, **buckets_of(usage))
    again = AttemptRecord.model_validate_json(made.model_dump_json()).usage
    assert again == usage
    assert again.raw == usage.raw
