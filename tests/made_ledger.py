"""Made ledgers for tests of reports: calls of sessions over days, with all that can go wrong."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tokenthrift.ledger import (
    AttemptRecord,
    DecisionRecord,
    Feedback,
    LedgerRecord,
    SavingsRecord,
    StepRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
BASELINE = "gpt-4.1"
# Nano-dollars for an input and an output token.
PRICES = {"gpt-4.1": (2_000, 8_000), "gpt-4.1-mini": (400, 1_600), "gpt-4.1-nano": (100, 400)}
BUCKETS = {"trivial": 3, "simple": 2, "moderate": 1, "complex": 0, "expert": 0}
TEAMS = ("search", "support", "billing")


def made_records(
    calls: int, seed: int = 0, days: float = 30, calls_a_session: int = 6
) -> Iterator[LedgerRecord]:
    """Calls in order of time, the same for the same seed."""
    rng = random.Random(seed)
    for number in range(calls):
        session = f"s{number // calls_a_session}"
        yield made_record(rng, number, session, START + timedelta(days=days * number / calls))


def made_record(rng: random.Random, number: int, session: str, at: datetime) -> LedgerRecord:
    """One call; some fail, some are rejected first, some have no price, some cost more."""
    own = random.Random(session)
    bucket = own.choice(list(BUCKETS))
    model = BASELINE if BUCKETS[bucket] == 0 else own.choice(["gpt-4.1-mini", "gpt-4.1-nano"])
    given = int(own.lognormvariate(8, 1)) + 50
    cut = own.choice([0.0, 0.1, 0.35, 0.5]) * rng.uniform(0.7, 1.2)
    sent, output = int(given * (1 - cut)), rng.randint(20, 600)
    luck = rng.random()
    if luck < 0.03:
        return _failed(rng, number, session, at, given)
    lost_cache = luck < 0.1
    read = 0 if lost_cache else int(sent * rng.uniform(0.2, 0.8))
    input_nanos, output_nanos = PRICES[model]
    base_input, base_output = PRICES[BASELINE]
    actual = (sent - read) * input_nanos + read * input_nanos // 4 + output * output_nanos
    attempts = [_attempt(rng, 1, model, (sent, output, read), actual)]
    overhead = 0
    if 0.1 < luck < 0.14:
        overhead = sent * input_nanos + 10 * output_nanos
        vain = _attempt(
            rng, 1, model, (sent, 10, 0), overhead, status="rejected", error="truncated"
        )
        attempts = [vain, attempts[0].model_copy(update={"number": 2})]
    cached = int(given * 0.7)
    baseline = (given - cached) * base_input + cached * base_input // 4 + output * base_output
    compression = (given - sent) * base_input
    routing = sent * base_input + output * base_output - sent * input_nanos - output * output_nanos
    net = baseline - actual - overhead
    savings = SavingsRecord(
        baseline_nanos=baseline,
        actual_nanos=actual + overhead,
        compression_nanos=compression,
        routing_nanos=routing,
        cache_nanos=net - compression - routing + overhead,
        overhead_nanos=-overhead,
        net_nanos=net,
        basis="estimated" if rng.random() < 0.1 else "measured",
        unpriced=False,
    )
    if 0.14 < luck < 0.17:
        model, savings = "in-house-7b", SavingsRecord()
        attempts = [a.model_copy(update={"model": model, "cost_nanos": None}) for a in attempts]
    return LedgerRecord(
        record_id=f"call-{number:07d}",
        created_at=at,
        wire="openai-chat",
        model_requested=BASELINE,
        model_chosen=model,
        model_baseline=BASELINE,
        policy="frugal" if number % 3 else "balanced",
        policy_digest="0123456789ab",
        attempts=tuple(attempts),
        counted_baseline_tokens=given,
        counted_sent_tokens=sent,
        steps=(StepRecord(stage="select", tokens_before=given, tokens_after=sent, edits=1),),
        epoch=int(lost_cache),
        decision=DecisionRecord(complexity_bucket=bucket, complexity_score=0.4),
        savings=savings,
        plan_ms=rng.lognormvariate(1.5, 0.6),
        total_ms=rng.lognormvariate(7.2, 0.6),
        streamed=number % 2 == 0,
        tags=_tags(own),
        session=session,
    )


def made_feedback(records: list[LedgerRecord], share: float = 0.3) -> Iterator[Feedback]:
    """Feedback on some of the calls that were answered; teams differ."""
    rng = random.Random(1)
    for record in records:
        if record.status == "ok" and rng.random() < share:
            good = 0.9 if record.tags.get("team") == "search" else 0.6
            yield Feedback(
                call_id=record.record_id,
                created_at=record.created_at,
                outcome=float(rng.random() < good),
                value=1.0,
            )


def _tags(rng: random.Random) -> dict[str, str]:
    team = rng.choice(TEAMS)
    return {
        "team": team,
        "user": f"{team}-user-{rng.randint(1, 9)}",
        "feature": rng.choice(["chat", "summary"]),
        "environment": "production" if rng.random() < 0.9 else "staging",
    }


def _attempt(
    rng: random.Random,
    number: int,
    model: str,
    tokens: tuple[int, int, int],
    nanos: int,
    **more: Any,
) -> AttemptRecord:
    sent, output, read = tokens
    return AttemptRecord(
        model=model,
        number=number,
        counted_tokens=sent,
        input_tokens=sent,
        output_tokens=output,
        cache_read_tokens=read,
        cost_nanos=nanos,
        latency_ms=rng.lognormvariate(7, 0.6),
        time_to_first_chunk_ms=rng.lognormvariate(6, 0.5),
        inter_chunk_ms=rng.lognormvariate(3, 0.4),
        **{"status": "ok", **more},
    )


def _failed(
    rng: random.Random, number: int, session: str, at: datetime, given: int
) -> LedgerRecord:
    error = rng.choice(["RateLimitError", "APITimeoutError", "BadRequestError"])
    attempt = AttemptRecord(model=BASELINE, number=1, status="error", error=error, cost_nanos=0)
    zero = dict.fromkeys(
        [f"{n}_nanos" for n in ("baseline", "actual", "compression", "routing", "cache")], 0
    )
    return LedgerRecord(
        record_id=f"call-{number:07d}",
        created_at=at,
        wire="openai-chat",
        status="error",
        error=error,
        model_requested=BASELINE,
        model_chosen=BASELINE,
        model_baseline=BASELINE,
        policy="balanced",
        policy_digest="0123456789ab",
        attempts=(attempt,),
        counted_baseline_tokens=given,
        counted_sent_tokens=given,
        savings=SavingsRecord(**zero, overhead_nanos=0, net_nanos=0, unpriced=False),
        plan_ms=2.0,
        total_ms=rng.lognormvariate(5, 1),
        session=session,
    )
