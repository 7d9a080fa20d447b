"""From a finished call to its ledger record: attempts, steps, decision and net savings.

Pure apart from the cache models in `Books`, which learn what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from tokenthrift.client.billing import (
    Bill,
    Branches,
    Shelf,
    bill,
    bill_further,
    bill_rejected,
    bill_shadow,
)
from tokenthrift.ledger import (
    AttemptRecord,
    CacheBranch,
    Charge,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    ShadowRecord,
    StepRecord,
    buckets_of,
    costs_of,
    embedding_records,
    split_savings,
)
from tokenthrift.route import final_of, verdict_data
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage
from tokenthrift.wire import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.call import Call
    from tokenthrift.ledger.record import AttemptStatus
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
        final: the place of the outcome that the caller got; -1 where there is none.
    """

    outcomes: Sequence[Outcome]
    total_ms: float
    cancelled: bool = False
    error: str = ""
    inter_chunk_ms: float | None = None
    final: int = field(init=False)

    def __post_init__(self) -> None:
        final = final_of(self.outcomes) if self.outcomes else -1
        object.__setattr__(self, "final", final)

    @property
    def status(self) -> Literal["ok", "error", "cancelled"]:
        """As the caller saw it."""
        if self.cancelled:
            return "cancelled"
        return "ok" if self.outcomes and self.outcomes[self.final].ok else "error"

    @property
    def last_error(self) -> str:
        """Name of the type of what the caller was raised, or empty."""
        error = self.outcomes[self.final].error if self.outcomes else None
        return self.error or ("" if error is None else type(error).__name__)


def record_of(call: Call, ending: Ending, books: Books) -> LedgerRecord:
    """The record of a finished call; the cache models learn what it sent."""
    would = _would(call, ending, books)
    bills = _bills(call, ending, books)
    served = bills.get(ending.final)
    counted = (0, 0) if served is None else (served.counted_given, served.counted_sent)
    attempts = tuple(_attempt(n, ending, bills.get(n), books) for n in range(len(ending.outcomes)))
    embeddings = embedding_records(call.spent, attempts, books.catalog)
    decision = None if call.plan is None else call.plan.decision
    arm = call.assignment
    return LedgerRecord(
        record_id=call.record_id,
        created_at=call.created_at,
        wire=call.wire,
        status=ending.status,
        error=ending.last_error,
        model_requested=call.model_requested,
        model_chosen=attempts[ending.final].model if attempts else None,
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
        savings=_savings(ending, bills, books, costs_of(embeddings)),
        holdout=call.arm == "holdout",
        arm=call.arm or "",
        treated_share=None if arm is None else arm.treated_share,
        asked_tokens=_asked(call),
        shadow=_shadow(call, would, books, costs_of(embeddings)),
        plan_ms=call.plan_ms,
        total_ms=ending.total_ms,
        streamed=call.streamed,
        tags=dict(call.tags),
        limits=call.limits,
        session=call.session,
    )


def _bills(call: Call, ending: Ending, books: Books) -> dict[int, Bill]:
    """Bills of the attempts that were served, by their place.

    Recalls are served, and what was rejected, and then what the caller got; that has none where
    nothing is known to have been served.
    """
    bills: dict[int, Bill] = {}
    now_s = call.created_at.timestamp()
    latest: Bill | None = None
    for n, outcome in enumerate(ending.outcomes):
        model, usage = outcome.attempt.model, outcome.usage
        rejected = outcome.ok and n != ending.final and not outcome.recalled
        if not (outcome.recalled or rejected or n == ending.final):
            continue
        if usage is None or usage == NOTHING:
            continue
        if call.plan is None:
            latest = Bill.of_unplanned(usage, books.catalog.get(model))
        else:
            plan = call.plan
            if outcome.sent is not None:
                plan = replace(plan, sent=read(outcome.sent, call.wire))
            shelf = Shelf(books.branches, books.catalog, now_s)
            if rejected:
                bills[n] = bill_rejected(plan, model, usage, shelf)
                continue
            if latest is None:
                latest = bill(plan, model, usage, books.branches, books.catalog, now_s)
            else:
                latest = bill_further(latest, plan, model, usage, shelf)
        bills[n] = latest
    return bills


def _asked(call: Call) -> int:
    """Tokens of the request as it was given, where arms are compared: the same in each of them."""
    if call.request is None or call.assignment is None or not call.assignment.is_random:
        return 0
    return count_request(call.request, counter_for(call.request.model))


def _would(call: Call, ending: Ending, books: Books) -> Bill | None:
    """What the shadow of an answered call would have been billed."""
    if call.plan is None or call.shadow is None or call.shadow.plan is None:
        return None
    if not ending.outcomes or ending.status == "error":
        return None
    outcome = ending.outcomes[ending.final]
    if outcome.usage is None or outcome.usage == NOTHING:
        return None
    shelf = Shelf(books.branches, books.catalog, call.created_at.timestamp())
    return bill_shadow(call.plan, outcome.attempt.model, outcome.usage, call.shadow.plan, shelf)


def _shadow(
    call: Call, would: Bill | None, books: Books, beside: Sequence[Money | None]
) -> ShadowRecord | None:
    """The plan that was not carried out; what an answered call would have saved by it."""
    if call.shadow is None:
        return None
    plan = call.shadow.plan
    if plan is None:
        return ShadowRecord(error=call.shadow.problem)
    savings = SavingsRecord()
    if would is not None:
        charge = Charge(would.usage, books.catalog.get(plan.model))
        savings = SavingsRecord.of(
            split_savings(would.baseline, would.compressed, [charge], beside)
        )
    return ShadowRecord(
        model=plan.model,
        counted_sent_tokens=plan.tokens_after,
        steps=tuple(StepRecord.of(s) for s in plan.trace if s.edits or s.error),
        decision=_decision(plan.decision),
        savings=savings,
    )


def _usage(outcome: Outcome, billed: Bill | None) -> Usage:
    if billed is not None:
        return billed.usage
    return UNKNOWN if outcome.usage is None else outcome.usage


def _attempt(n: int, ending: Ending, billed: Bill | None, books: Books) -> AttemptRecord:
    outcome = ending.outcomes[n]
    usage = _usage(outcome, billed)
    model = outcome.attempt.model
    cost = Charge(usage, books.catalog.get(model)).cost
    final = n == ending.final
    status: AttemptStatus = "rejected" if outcome.ok else "error"
    status = "recall" if outcome.recalled else status
    check = outcome.objection.partition(":")[0]
    return AttemptRecord(
        model=model,
        number=outcome.attempt.number,
        status=ending.status if final else status,
        error=check if outcome.error is None else type(outcome.error).__name__,
        counted_tokens=0 if billed is None else billed.counted_last or billed.counted_sent,
        **buckets_of(usage),
        predicted_cache_read_tokens=None if billed is None else billed.predicted_read,
        raw_usage=None if usage.raw is None else dict(usage.raw),
        cost_nanos=None if cost is None else cost.nanos,
        started_ms=outcome.started_ms,
        latency_ms=outcome.latency_ms,
        time_to_first_chunk_ms=outcome.first_chunk_ms,
        inter_chunk_ms=ending.inter_chunk_ms if final else None,
    )


def _savings(
    ending: Ending, bills: Mapping[int, Bill], books: Books, beside: Sequence[Money | None]
) -> SavingsRecord:
    served = bills.get(ending.final)
    accepted = served is not None and ending.status != "error"
    charges = [
        Charge(
            _usage(outcome, bills.get(n)),
            books.catalog.get(outcome.attempt.model),
            accepted=accepted and n == ending.final,
        )
        for n, outcome in enumerate(ending.outcomes)
    ]
    if served is None:
        return SavingsRecord.of(split_savings(Charge(NOTHING, None), NOTHING, charges, beside))
    return SavingsRecord.of(split_savings(served.baseline, served.compressed, charges, beside))


def _steps(call: Call) -> tuple[StepRecord, ...]:
    """The steps that did something: in a long conversation most of them left a turn alone."""
    trace = () if call.plan is None else call.plan.trace
    steps = tuple(StepRecord.of(s) for s in trace if s.edits or s.error)
    if call.plan is not None and not call.problem:
        return steps
    return (*steps, StepRecord(stage="plan", tokens_before=0, tokens_after=0, error=call.problem))


def _decision(decision: Decision) -> DecisionRecord:
    """The decision as plain data; its figures, and reasons in our own words, no prompt text."""
    return DecisionRecord(
        complexity_bucket=str(decision.complexity.bucket),
        complexity_score=decision.complexity.score,
        signals={s.name: s.contribution for s in decision.complexity.signals},
        verdicts=tuple(verdict_data(decision)),
        effort=None if decision.effort is None else str(decision.effort),
        level=decision.level,
        reason=decision.reason,
        propensity=decision.propensity,
    )
