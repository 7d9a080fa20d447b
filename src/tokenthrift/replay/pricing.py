"""What a recorded request costs as it was and as a policy would send it: one `LedgerRecord`.

Both branches have a provider cache of their own, cold at the start of each recording: the one of
the model's card, with breakpoints after every message where the provider wants them marked
(recordings hold no marks). Answers are the recorded ones on both sides; nothing is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import cost
from tokenthrift.ledger import (
    AttemptRecord,
    CacheBranch,
    CacheSplit,
    Charge,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    StepRecord,
    blocks_of,
    buckets_of,
    costs_of,
    embedding_records,
    split_savings,
)
from tokenthrift.report.explain import current_steps
from tokenthrift.route import Kept, verdict_data
from tokenthrift.tokens import MESSAGE_TOKENS, count_request, counter_for, message_framing
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.ledger import Block, Savings
    from tokenthrift.pipeline import Plan
    from tokenthrift.policy import Policy
    from tokenthrift.types import Message, Request, TokenCounter

NANOS_PER_MTOK_USD: Final = Decimal(1_000)  # nano-dollars of one token at 1 USD per million


@dataclass(frozen=True, slots=True)
class Planned:
    """One request of a recording, planned.

    Attributes:
        request: as recorded, without what came after it.
        plan: None where it could not be planned; ``failure`` says why.
        answer: the recorded assistant messages that followed.
        output_tokens: of the answer, where the log says so and the messages do not hold it.
    """

    request: Request
    plan: Plan | None
    plan_ms: float
    answer: tuple[Message, ...] = ()
    output_tokens: int | None = None
    failure: str = ""

    @property
    def sent(self) -> Request:
        """What would be sent: unmodified where it could not be planned."""
        return self.request if self.plan is None else self.plan.sent

    @property
    def model(self) -> str:
        """Where it would be sent."""
        return self.request.model if self.plan is None else self.plan.model

    @property
    def kept(self) -> Kept:
        """The action it would get, for the next request of its conversation."""
        if self.plan is None:
            return Kept(self.request.model)
        return Kept(self.model, self.plan.decision.effort, self.plan.decision.level)

    @property
    def answered(self) -> bool:
        """Whether the length of the answer is known."""
        return bool(self.answer) or self.output_tokens is not None


@dataclass(frozen=True, slots=True)
class Label:
    """What a record says of where it comes from."""

    record_id: str
    created_at: datetime
    source: str
    conversation: str


@dataclass(frozen=True, slots=True)
class Priced:
    """A record, and its input as it is billed (None where a price is not known)."""

    record: LedgerRecord
    billed_before_tokens: int | None
    billed_after_tokens: int | None


class Pricer:
    """Prices the requests of one recording in order; holds the caches of both branches.

    Args:
        policy: says the baseline model.
        catalog: prices and cache rules.
        seller: whose prices apply to the recorded model, where the log says so.
        pause_s: seconds between two requests; caches forget after their lifetime.
    """

    def __init__(
        self, policy: Policy, catalog: Catalog, *, seller: str = "", pause_s: float = 0.0
    ) -> None:
        self.policy = policy
        self.catalog = catalog
        self.seller = seller
        self.pause_s = pause_s
        self._now_s = 0.0
        self._before = CacheBranch()
        self._after = CacheBranch()

    def price(self, planned: Planned, label: Label) -> Priced:
        """Price one request on both branches."""
        self._now_s += self.pause_s
        requested = planned.request.model
        baseline = self.policy.routing.baseline or requested
        before_card, after_card = self.card(baseline), self.card(planned.model)
        count, own_count = counter_for(baseline), counter_for(planned.model)
        blocks = blocks_of(planned.request, count)
        same = planned.sent is planned.request and count is own_count
        sent_blocks = blocks if same else blocks_of(planned.sent, own_count)
        before = self._split(self._before, before_card, blocks)
        after = self._split(self._after, after_card, sent_blocks)
        usage_before = before.usage(output_tokens(planned, count))
        usage_after = after.usage(output_tokens(planned, own_count))
        between = Usage(
            input_tokens=_size(planned.sent, count, sent_blocks, same=count is own_count),
            output_tokens=usage_before.output_tokens,
            estimated=True,
        )
        attempt = Charge(usage_after, after_card)
        entries: tuple[AttemptRecord, ...] = (_attempt(planned.model, attempt),)
        if planned.plan is not None:
            entries += embedding_records(planned.plan.spent, entries, self.catalog)
        savings = split_savings(
            Charge(usage_before, before_card), between, [attempt], costs_of(entries[1:])
        )
        return Priced(
            self._record(planned, label, baseline, entries, savings),
            billed_tokens(usage_before, before_card),
            billed_tokens(usage_after, after_card),
        )

    def card(self, model: str) -> ModelCard | None:
        """The card of a model as its seller sells it, where the log names one that is known."""
        if self.seller and "/" not in model:
            card = self.catalog.get(f"{self.seller}/{model}")
            if card is not None:
                return card
        return self.catalog.get(model)

    def _split(
        self, branch: CacheBranch, card: ModelCard | None, blocks: Sequence[Block]
    ) -> CacheSplit:
        if card is None:
            return CacheSplit(0, 0, sum(b.tokens for b in blocks))
        cache = branch.cache_of(card)
        split = cache.simulate(blocks, self._now_s)
        cache.store(blocks, self._now_s)
        return split

    def _record(
        self,
        planned: Planned,
        label: Label,
        baseline: str,
        entries: tuple[AttemptRecord, ...],
        savings: Savings,
    ) -> LedgerRecord:
        plan, sent_tokens = planned.plan, entries[0].input_tokens
        same = planned.sent is planned.request
        counted = (
            sent_tokens if same else count_request(planned.request, counter_for(planned.model))
        )
        return LedgerRecord(
            record_id=label.record_id,
            created_at=label.created_at,
            wire=planned.request.wire,
            status="ok" if plan is not None else "error",
            error=planned.failure.partition(":")[0],
            model_requested=planned.request.model,
            model_chosen=planned.model,
            model_baseline=baseline,
            policy=self.policy.name,
            policy_digest=self.policy.digest,
            catalog=self.catalog.snapshot,
            attempts=entries,
            counted_baseline_tokens=counted,
            counted_sent_tokens=sent_tokens,
            steps=() if plan is None else tuple(map(StepRecord.of, current_steps(plan.trace))),
            epoch=0 if plan is None else plan.epoch,
            decision=None if plan is None else _decision(plan),
            savings=SavingsRecord.of(savings),
            plan_ms=planned.plan_ms,
            total_ms=planned.plan_ms,
            tags={"source": label.source, "conversation": label.conversation},
            session=label.conversation,
        )


def output_tokens(planned: Planned, count: TokenCounter) -> int:
    """Tokens of the recorded answer as a model's counter has them; 0 where none was recorded."""
    if not planned.answer:
        return planned.output_tokens or 0
    total = 0
    for message in planned.answer:
        total += message_framing(message, count, planned.request.model) - MESSAGE_TOKENS
        total += sum(count(p.text) for p in message.parts if p.text and p.type != "tool_call")
    return total


def billed_tokens(usage: Usage, card: ModelCard | None) -> int | None:
    """Input in units of the model's plain input price: a cached token counts as what it costs.

    Args:
        usage: its output plays no part.
        card: None, or without an input price, gives None.
    """
    price = None if card is None or card.prices is None else card.prices.input_usd_per_mtok
    if card is None or not price:
        return None
    bill = cost(
        Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        card,
    )
    return None if bill is None else round(bill.nanos / (price * NANOS_PER_MTOK_USD))


def _size(request: Request, count: TokenCounter, blocks: Sequence[Block], *, same: bool) -> int:
    """Tokens of the sent request by the baseline's counter; the blocks have them if it is that."""
    return sum(b.tokens for b in blocks) if same else count_request(request, count)


def _attempt(model: str, charge: Charge) -> AttemptRecord:
    usage, spent = charge.usage, charge.cost
    return AttemptRecord(
        model=model,
        number=1,
        status="ok",
        counted_tokens=usage.input_tokens,
        **(buckets_of(usage) | {"estimated": True}),
        cost_nanos=None if spent is None else spent.nanos,
    )


def _decision(plan: Plan) -> DecisionRecord:
    complexity = plan.decision.complexity
    return DecisionRecord(
        complexity_bucket=str(complexity.bucket),
        complexity_score=complexity.score,
        signals={s.name: s.contribution for s in complexity.signals},
        verdicts=tuple(verdict_data(plan.decision)),
        effort=None if plan.decision.effort is None else str(plan.decision.effort),
        level=max((s.level for s in plan.draft.segments), default=0),
        reason=plan.decision.reason,
    )
