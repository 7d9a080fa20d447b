"""What a finished call is billed, and what it would have been without us: usages of both branches.

Pure apart from the two cache models it is given, which it reads and updates. The baseline is the
unmodified request on the policy's baseline model, as our model of that branch's prompt cache splits
it; wherever the provider's report says how far our counts or our cache model were off, the baseline
is corrected by the same factor.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.ledger import (
    Block,
    CacheBranch,
    CacheSplit,
    Charge,
    ProviderCache,
    blocks_of,
    held_blocks,
    rescale,
)
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage
from tokenthrift.wire import marks_cache, wire_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.pipeline import Plan
    from tokenthrift.types import Request

NO_CACHE: Final = ProviderCache(None)
# A hundred times the largest context window there is; a report of more is a mistake.
PLAUSIBLE_TOKENS: Final = 1_000_000_000
BUCKETS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class Branches:
    """What the providers' prompt caches hold: as things went, and as they would have gone.

    Attributes:
        baseline: had every request been sent unmodified to the baseline model.
        shadow: had the plans been carried out that were made for the record only.
    """

    actual: CacheBranch
    baseline: CacheBranch
    shadow: CacheBranch = field(default_factory=CacheBranch)


@dataclass(frozen=True, slots=True)
class Bill:
    """The usages that savings are computed from, and the counts behind them.

    Attributes:
        usage: of the answer.
        baseline: the unmodified request on the baseline model.
        compressed: the sent request as the baseline model would count it.
        counted_last: the request that was answered last, where the call went on after a recall.
        counted_given: the unmodified request, by the counter of the model that answered;
            ``counted_sent`` the sent one.
        predicted_read: tokens that our model of the cache expected to be read; None where the
            provider reported nothing to compare with, or no cache is modelled.
    """

    usage: Usage
    baseline: Charge
    compressed: Usage
    counted_given: int = 0
    counted_sent: int = 0
    counted_last: int = 0
    predicted_read: int | None = None

    @classmethod
    def of_unplanned(cls, usage: Usage, card: ModelCard | None) -> Bill:
        """The bill of a request that went out as it was: it saves nothing."""
        return cls(usage, Charge(usage, card), usage)


def usage_of(wire: str, reported: Mapping[str, Any] | None, text: str, model: str) -> Usage:
    """Normalised usage; without a credible report the output is counted and flagged as estimated.

    An estimate has no input yet: `bill` fills it in from the request.
    """
    if reported is not None:
        try:
            usage = wire_of(wire).usage(reported)
        except (TypeError, ValueError, AttributeError, OverflowError):
            pass  # not what the wire promises: as good as no report
        else:
            if _is_plausible(usage):
                return usage
    return Usage(output_tokens=counter_for(model)(text), estimated=True)


def bill(
    plan: Plan, model: str, usage: Usage, branches: Branches, catalog: Catalog, now_s: float
) -> Bill:
    """The bill of a request that a model served; remembers what both branches sent.

    Args:
        plan: of the call.
        model: the one that served it.
        usage: as reported, or estimated without input.
        branches: cache models, at the state before the call.
        catalog: cards of all models.
        now_s: when it was sent, on the clock of all calls.
    """
    sent = _Seen.by(plan.sent, model, branches.actual, catalog)
    given = _Seen.by(plan.request, plan.decision.baseline, branches.baseline, catalog, sent)
    simulated = sent.simulate(now_s)
    predicted = sent.predicted(simulated, usage)
    if usage.estimated:
        usage = simulated.usage(usage.output_tokens, usage.reasoning_tokens)
    elif usage.cache_read_tokens > simulated.read_tokens:
        # Somebody else sent the prefix: another replica, or a run before a restart.
        held = held_blocks(sent.blocks, usage)
        sent.cache.hold(sent.blocks[:held], now_s)
        given.cache.hold(given.blocks[: _original(held, plan)], now_s)
        simulated = sent.simulate(now_s)
    baseline = _baseline_usage(usage, simulated, given.simulate(now_s), sent, given)
    sent.cache.store(sent.blocks, now_s)
    given.cache.store(given.blocks, now_s)
    compressed, tokens = baseline, _input_of(plan.sent, given, sent, usage)
    if tokens != baseline.input_tokens:
        compressed = replace(baseline, input_tokens=tokens)
    return Bill(
        usage=usage,
        baseline=Charge(baseline, given.card),
        compressed=compressed,
        counted_given=given.tokens if given.model == model else _counted(plan.request, model),
        counted_sent=sent.tokens,
        predicted_read=predicted,
    )


def bill_further(before: Bill, plan: Plan, model: str, usage: Usage, books: Shelf) -> Bill:
    """The bill of a call that went on after a recall, as its latest request was answered.

    The baseline stays what it was, with the output of this answer. What was fetched back counts
    against the saved tokens, as it was sent after all.

    Args:
        before: the bill so far.
        plan: of the call, with the request that was answered as the one that was sent.
        model: the one that answered.
        usage: as reported, or estimated without input.
        books: caches and cards.
    """
    seen = _Seen.by(plan.sent, model, books.branches.actual, books.catalog)
    baseline = plan.decision.baseline
    given = _Seen.by(plan.request, baseline, books.branches.baseline, books.catalog, seen)
    split = seen.simulate(books.now_s)
    predicted = seen.predicted(split, usage)
    if usage.estimated:
        usage = split.usage(usage.output_tokens, usage.reasoning_tokens)
    seen.cache.store(seen.blocks, books.now_s)
    counter = replace(
        before.baseline.usage,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
    return replace(
        before,
        usage=usage,
        baseline=replace(before.baseline, usage=counter),
        compressed=replace(counter, input_tokens=_input_of(plan.sent, given, seen, usage)),
        counted_last=seen.tokens,
        predicted_read=predicted,
    )


def bill_rejected(plan: Plan, model: str, usage: Usage, books: Shelf) -> Bill:
    """The bill of an answer that the caller never saw: it is paid for, and stands for nothing.

    The model's cache remembers the request; the baseline never made it.

    Args:
        plan: of the call, with the request that was answered as the one that was sent.
        model: the one that answered.
        usage: as reported, or estimated without input.
        books: caches and cards.
    """
    seen = _Seen.by(plan.sent, model, books.branches.actual, books.catalog)
    split = seen.simulate(books.now_s)
    predicted = seen.predicted(split, usage)
    if usage.estimated:
        usage = split.usage(usage.output_tokens, usage.reasoning_tokens)
    seen.cache.store(seen.blocks, books.now_s)
    return Bill(
        usage,
        Charge(usage, seen.card),
        usage,
        counted_sent=seen.tokens,
        predicted_read=predicted,
    )


def bill_shadow(plan: Plan, model: str, usage: Usage, shadow: Plan, books: Shelf) -> Bill:
    """What a plan would have been billed whose original was sent, beside what that was.

    To be called before `bill` of the same call, which remembers what was sent.

    Args:
        plan: that was carried out.
        model: the one that answered.
        usage: of the answer, as reported, or estimated without input.
        shadow: the plan that was not carried out; its answer is taken to be as long.
        books: caches and cards.

    Returns:
        ``usage`` is what the shadow would have used, ``baseline`` what the original did.
    """
    sent = _Seen.by(plan.sent, model, books.branches.actual, books.catalog)
    made = _Seen.by(shadow.sent, shadow.model, books.branches.shadow, books.catalog, sent)
    simulated = sent.simulate(books.now_s)
    if usage.estimated:
        usage = simulated.usage(usage.output_tokens, usage.reasoning_tokens)
    elif usage.cache_read_tokens > simulated.read_tokens:
        held = _kept(held_blocks(sent.blocks, usage), shadow)
        made.cache.hold(made.blocks[:held], books.now_s)
    would = _baseline_usage(usage, simulated, made.simulate(books.now_s), sent, made)
    made.cache.store(made.blocks, books.now_s)
    return Bill(
        usage=would,
        baseline=Charge(usage, sent.card),
        compressed=replace(usage, input_tokens=_input_of(shadow.sent, sent, made, would)),
        counted_given=sent.tokens,
        counted_sent=made.tokens,
    )


@dataclass(frozen=True, slots=True)
class Shelf:
    """What bills are made from beside the call.

    Attributes:
        branches: cache models, at the state before the request.
        catalog: cards of all models.
        now_s: when it was sent, on the clock of all calls.
    """

    branches: Branches
    catalog: Catalog
    now_s: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """A request as one model sees it."""

    request: Request
    model: str
    card: ModelCard | None
    blocks: tuple[Block, ...]
    tokens: int
    cache: ProviderCache

    @classmethod
    def by(
        cls,
        request: Request,
        model: str,
        branch: CacheBranch,
        catalog: Catalog,
        other: _Seen | None = None,
    ) -> _Seen:
        """See a request.

        Args:
            request: to be seen.
            model: that sees it.
            branch: whose cache it meets.
            catalog: cards of all models.
            other: a request that was seen before; the same one is not cut into blocks again.
        """
        card = catalog.get(model)
        cache = NO_CACHE if card is None else branch.cache_of(card)
        on_demand = cache.rule is not None and cache.rule.mode == "message"
        if on_demand and not is_marked(request):
            cache, on_demand = NO_CACHE, False
        if other is not None and other.request is request and other.model == model:
            return cls(request, model, card, other.blocks, other.tokens, cache)
        asked = request if request.model == model else replace(request, model=model)
        blocks = blocks_of(asked, counter_for(model), as_marked=on_demand)
        return cls(request, model, card, blocks, sum([b.tokens for b in blocks]), cache)

    @property
    def counter(self) -> str:
        return counter_for(self.model).name

    def simulate(self, now_s: float) -> CacheSplit:
        return self.cache.simulate(self.blocks, now_s)

    def predicted(self, split: CacheSplit, usage: Usage) -> int | None:
        """Tokens read as simulated, in the provider's counting; None without anything to check."""
        if usage.estimated or self.cache.rule is None:
            return None
        return split.scaled(usage.input_tokens).read_tokens


def _baseline_usage(
    usage: Usage, simulated: CacheSplit, expected: CacheSplit, sent: _Seen, given: _Seen
) -> Usage:
    """What the baseline would have used: as simulated, as far as the report knows no better."""
    same_model = sent.model == given.model
    if same_model and sent.blocks == given.blocks and simulated == expected:
        return usage  # nothing sets the two requests apart, so the report holds for both
    total = given.tokens
    if sent.counter == given.counter:
        total = rescale(total, sent.tokens, usage.input_tokens)
    split = expected.scaled(total)
    believed = simulated.scaled(usage.input_tokens).read_tokens
    if same_model and believed:
        # The cache held more or less than simulated, and would have for the baseline as well.
        cacheable = split.read_tokens + split.write_tokens
        read = min(split.read_tokens * usage.cache_read_tokens // believed, cacheable)
        split = replace(split, read_tokens=read, write_tokens=cacheable - read)
    return split.usage(usage.output_tokens, usage.reasoning_tokens)


def _input_of(request: Request, given: _Seen, sent: _Seen, usage: Usage) -> int:
    """Input of a sent request as the baseline model would have reported it."""
    if given.model == sent.model:
        return usage.input_tokens
    counted = _counted(request, given.model)
    if sent.counter != given.counter:
        return counted
    return rescale(counted, sent.tokens, usage.input_tokens)


def _counted(request: Request, model: str) -> int:
    return count_request(replace(request, model=model), counter_for(model))


def _original(blocks: int, plan: Plan) -> int:
    """How many blocks of the original request the first blocks of the sent one stand for."""
    if blocks <= 1 or len(plan.sent.messages) == len(plan.request.messages):
        return blocks
    kept = [i for i in range(len(plan.request.messages)) if i not in plan.draft.removed]
    return kept[blocks - 2] + 2


def _kept(blocks: int, plan: Plan) -> int:
    """How many blocks of the sent request the first blocks of the original one became."""
    return blocks - sum(n < blocks - 1 for n in plan.draft.removed)


def held_tokens(blocks: Sequence[Block], card: ModelCard, caches: CacheBranch, now_s: float) -> int:
    """How many leading tokens of a request a model's cache is taken to hold."""
    return caches.cache_of(card).lookup(blocks, now_s)


def is_marked(request: Request) -> bool:
    """Whether a request asks for its prefix to be cached."""
    return marks_cache(request.body)


def _is_plausible(usage: Usage) -> bool:
    return all(0 <= getattr(usage, name) <= PLAUSIBLE_TOKENS for name in BUCKETS)
