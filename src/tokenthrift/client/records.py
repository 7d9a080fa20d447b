"""From a finished call to its ledger record: attempts, steps, decision and net savings.

Pure apart from the cache models in `Books`, which learn what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    split_savings,
)
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.call import Call
    from tokenthrift.pipeline import Plan
    from tokenthrift.policy import Policy
    from tokenthrift.route import Decision, Outcome

NOTHING = Usage()


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
    plan = call.plan
    answered = _answer(call, ending, books)
    attempts = _attempts(ending, answered, books)
    decision = None if plan is None else plan.decision
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
        attempts=attempts,
        counted_baseline_tokens=_counted(plan, answered)[0],
        counted_sent_tokens=_counted(plan, answered)[1],
        steps=_steps(call),
        epoch=0 if plan is None else plan.epoch,
        decision=None if decision is None else _decision(decision),
        savings=SavingsRecord.of(_savings(ending, answered, books)),
        plan_ms=call.plan_ms,
        total_ms=ending.total_ms,
        streamed=call.streamed,
        tags=dict(call.tags),
    )


def _answer(call: Call, ending: Ending, books: Books) -> Bill | None:
    """The bill of the attempt that answered; None where none did."""
    if ending.status == "error" or not ending.outcomes:
        return None
    last = ending.outcomes[-1]
    usage = last.usage or Usage(estimated=True)
    if usage == Usage(estimated=True) and last.error is not None:
        return None  # given up before anything arrived: nobody knows whether it was served
    model = last.attempt.model
    if call.plan is None:
        return Bill.of_unplanned(usage, books.catalog.get(model))
    now_s = call.created_at.timestamp()
    return bill(call.plan, model, usage, books.branches, books.catalog, now_s)


def _attempts(ending: Ending, answered: Bill | None, books: Books) -> tuple[AttemptRecord, ...]:
    return tuple(
        _attempt(outcome, ending, answered if outcome is ending.outcomes[-1] else None, books)
        for outcome in ending.outcomes
    )


def _attempt(
    outcome: Outcome, ending: Ending, answered: Bill | None, books: Books
) -> AttemptRecord:
    usage = (outcome.usage or NOTHING) if answered is None else answered.usage
    model = outcome.attempt.model
    cost = Charge(usage, books.catalog.get(model)).cost
    last = outcome is ending.outcomes[-1]
    return AttemptRecord(
        model=model,
        number=outcome.attempt.number,
        status=ending.status if last else "error",
        error="" if outcome.error is None else type(outcome.error).__name__,
        counted_tokens=0 if answered is None else answered.counted_sent_tokens,
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
