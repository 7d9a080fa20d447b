"""From a finished call to its ledger record: attempts, steps, decision and net savings.

Pure apart from the cache models in `Books`, which learn what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tokenthrift.client.billing import Bill, Branches, bill
from tokenthrift.ledger import (
    AttemptRecord,
    CacheBranch,
    Charge,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    StepRecord,
    costs_of,
    embedding_records,
    split_savings,
)
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.call import Call
    from tokenthrift.policy import Policy
    from tokenthrift.route import Decision, Outcome
    from tokenthrift.types import Money

NOTHING = Usage()
"""Of an attempt that the provider refused."""
UNKNOWN = Usage(estimated=True)
"""Of an attempt of which nobody can say whether it was served: a timeout, a lost connection."""


@dataclass(frozen=True, slots=True)
class Books:
    """What stays the same over all calls of an account, and its two cache models."""

    policy: Policy
    catalog: Catalog
    branches: Branches = field(default_factory=lambda: Branches(CacheBranch(), CacheBranch()))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Attributes:
        outcomes: of all attempts, in order; none where planning refused the call.
        total_ms: from the beginning of planning.
        cancelled: the caller gave it up.
        error: name of the exception's type, where there is no outcome to tell.
        inter_chunk_ms: mean time between the chunks of the last attempt's stream.
    """

    outcomes: Sequence[Outcome]
    total_ms: float
    cancelled: bool = False
    error: str = ""
    inter_chunk_ms: float | None = None

    @property
    def status(self) -> Literal["ok", "error", "cancelled"]:
        """As the caller saw it."""
        if self.cancelled:
            return "cancelled"
        return "ok" if self.outcomes and self.outcomes[-1].ok else "error"

    @property
    def last_error(self) -> str:
        """Name of the type of what the caller was raised, or empty."""
        error = self.outcomes[-1].error if self.outcomes else None
        return self.error or ("" if error is None else type(error).__name__)


def record_of(call: Call, ending: Ending, books: Books) -> LedgerRecord:
    """The record of a finished call; the cache models learn what it sent."""
    served = _served(call, ending, books)
    counted = (0, 0) if served is None else (served.counted_given, served.counted_sent)
    attempts = tuple(_attempt(o, ending, served, books) for o in ending.outcomes)
    embeddings = embedding_records(call.spent, attempts, books.catalog)
    decision = None if call.plan is None else call.plan.decision
    return LedgerRecord(
        record_id=call.record_id,
        created_at=call.created_at,
        wire=call.wire,
        status=ending.status,
        error=ending.last_error,
        model_requested=call.model_requested,
        model_chosen=attempts[-1].model if attempts else None,
        model_baseline=call.model_requested if decision is None else decision.baseline,
        policy=books.policy.name,
        policy_digest=books.policy.digest,
        catalog=books.catalog.snapshot,
        attempts=(*attempts, *embeddings),
        counted_baseline_tokens=counted[0],
        counted_sent_tokens=counted[1],
        steps=_steps(call),
        epoch=0 if call.plan is None else call.plan.epoch,
        decision=None if decision is None else _decision(decision),
        savings=_savings(ending, served, books, costs_of(embeddings)),
        plan_ms=call.plan_ms,
        total_ms=ending.total_ms,
        streamed=call.streamed,
        tags=dict(call.tags),
    )


def _served(call: Call, ending: Ending, books: Books) -> Bill | None:
    """The bill of the last attempt; None where nothing is known to have been served."""
    last = ending.outcomes[-1] if ending.outcomes else None
    if last is None or last.usage is None or last.usage == NOTHING:
        return None
    model = last.attempt.model
    if call.plan is None:
        return Bill.of_unplanned(last.usage, books.catalog.get(model))
    now_s = call.created_at.timestamp()
    return bill(call.plan, model, last.usage, books.branches, books.catalog, now_s)


def _usage(outcome: Outcome, ending: Ending, served: Bill | None) -> Usage:
    if served is not None and outcome is ending.outcomes[-1]:
        return served.usage
    return UNKNOWN if outcome.usage is None else outcome.usage


def _attempt(outcome: Outcome, ending: Ending, served: Bill | None, books: Books) -> AttemptRecord:
    usage = _usage(outcome, ending, served)
    model = outcome.attempt.model
    cost = Charge(usage, books.catalog.get(model)).cost
    last = outcome is ending.outcomes[-1]
    return AttemptRecord(
        model=model,
        number=outcome.attempt.number,
        status=ending.status if last else "error",
        error="" if outcome.error is None else type(outcome.error).__name__,
        counted_tokens=served.counted_sent if last and served is not None else 0,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
        raw_usage=None if usage.raw is None else dict(usage.raw),
        cost_nanos=None if cost is None else cost.nanos,
        latency_ms=outcome.latency_ms,
        time_to_first_chunk_ms=outcome.first_chunk_ms,
        inter_chunk_ms=ending.inter_chunk_ms if last else None,
    )


def _savings(
    ending: Ending, served: Bill | None, books: Books, beside: Sequence[Money | None]
) -> SavingsRecord:
    accepted = served is not None and ending.status != "error"
    charges = [
        Charge(
            _usage(outcome, ending, served),
            books.catalog.get(outcome.attempt.model),
            accepted=accepted and outcome is ending.outcomes[-1],
        )
        for outcome in ending.outcomes
    ]
    if served is None:
        return SavingsRecord.of(split_savings(Charge(NOTHING, None), NOTHING, charges, beside))
    return SavingsRecord.of(split_savings(served.baseline, served.compressed, charges, beside))


def _steps(call: Call) -> tuple[StepRecord, ...]:
    """The steps that did something: in a long conversation most of them left a turn alone."""
    if call.plan is not None:
        return tuple(StepRecord.of(s) for s in call.plan.trace if s.edits or s.error)
    return (StepRecord(stage="plan", tokens_before=0, tokens_after=0, error=call.problem),)


def _decision(decision: Decision) -> DecisionRecord:
    """The decision as plain data; its figures, and reasons in our own words, no prompt text."""
    verdicts: list[dict[str, JsonValue]] = [
        {
            "model": v.model,
            "eligible": v.eligible,
            "adequate": v.adequate,
            "reason": v.reason,
            "expected_cost_nanos": None if v.expected_cost is None else v.expected_cost.nanos,
            "covers": None if v.covers is None else str(v.covers),
        }
        for v in decision.verdicts
    ]
    return DecisionRecord(
        complexity_bucket=str(decision.complexity.bucket),
        complexity_score=decision.complexity.score,
        signals={s.name: s.contribution for s in decision.complexity.signals},
        verdicts=tuple(verdicts),
        reason=decision.reason,
    )
