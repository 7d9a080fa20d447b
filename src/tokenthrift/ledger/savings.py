"""Net savings of one call: pure, exact arithmetic on whole nano-dollars.

Baseline minus actual, where actual holds every attempt that was paid for. An unknown price makes
the result unknown (None, and flagged), never a guess; a loss stays negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from tokenthrift.catalog import cost
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import ModelCard

Basis: TypeAlias = Literal["estimated", "measured"]
Parts: TypeAlias = tuple[Money | None, Money | None, Money | None, Money | None]
"""Compression, routing, cache, overhead."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Something that is billed: the usage of one attempt (or counterfactual) on one model.

    Attributes:
        card: of the model; None where the catalog does not know it.
        accepted: whether its answer was the call's answer; rejected attempts, recalls and errors
            are paid for too, as overhead.
    """

    usage: Usage
    card: ModelCard | None
    accepted: bool = True

    @property
    def cost(self) -> Money | None:
        """The bill; None if a price is unknown. What used nothing costs nothing anywhere."""
        return _cost(self.usage, self.card)

    @property
    def list_cost(self) -> Money | None:
        """The bill of the same tokens if no prompt cache existed."""
        return _cost(_uncached(self.usage), self.card)


@dataclass(frozen=True, slots=True)
class Savings:
    """What a call saved, net, and where it came from.

    With B the baseline request on the baseline model, C the compressed request on the baseline
    model, and A the accepted attempt (sent request, chosen model), all with their own token counts;
    ``list`` the price without any cache and ``bill`` the price with it::

        compression = list(B) - list(C)                             fewer tokens
        routing     = list(C) - list(A)                             another model, its own output
        cache       = (list(A) - bill(A)) - (list(B) - bill(B))     discounts and write premiums
        overhead    = - sum of bill(every other attempt)            rejected, recalls, errors,
                                                                    embeddings
        net         = bill(B) - bill(all attempts) = compression + routing + cache + overhead

    The terms telescope, so the parts add up to the last nano-dollar. A trimmer that breaks the
    cached prefix thus shows a gain in ``compression`` and a larger loss in ``cache``.

    A call that got no answer has saved nothing: its baseline is 0 and all it cost is overhead.

    Attributes:
        basis: ``measured`` when the usage of all attempts was reported by the providers; the
            baseline is a counterfactual either way.
        unpriced: a price was unknown; ``net`` and the parts are None.
    """

    baseline: Money | None
    actual: Money | None
    compression: Money | None
    routing: Money | None
    cache: Money | None
    overhead: Money | None
    net: Money | None
    basis: Basis
    unpriced: bool


def split_savings(
    baseline: Charge,
    compressed: Usage,
    attempts: Sequence[Charge],
    beside: Sequence[Money | None] = (),
) -> Savings:
    """Net savings of a call and their exact split; see `Savings` for the formulas.

    Args:
        baseline: the unmodified request on the baseline model, split by the baseline's own cache.
        compressed: the sent request as the baseline model would count it; its cache buckets play no
            part. Its output is the caller's assumption, normally that of the baseline.
        attempts: everything that was paid for, at most one of them accepted.
        beside: what was paid for other than attempts (embeddings); overhead. None is unknown.

    Raises:
        ValueError: more than one attempt is accepted.
    """
    accepted = [a for a in attempts if a.accepted]
    if len(accepted) > 1:
        raise ValueError(f"{len(accepted)} attempts are accepted; a call has one answer")
    estimated = any(a.usage.estimated for a in attempts)
    basis: Basis = "estimated" if estimated else "measured"
    overhead = _minus(_total([*beside, *(a.cost for a in attempts if not a.accepted)]))
    if not accepted:
        zero = Money()
        return _savings(zero, _minus(overhead), (zero, zero, zero, overhead), basis)
    answer = accepted[0]
    baseline_list, baseline_bill = baseline.list_cost, baseline.cost
    middle, answer_list, answer_bill = baseline_list, baseline_list, baseline_bill
    if compressed is not baseline.usage:
        middle = _cost(_uncached(compressed), baseline.card)
    if answer.usage is not baseline.usage or answer.card is not baseline.card:
        answer_list, answer_bill = answer.list_cost, answer.cost
    parts: Parts = (
        _difference(baseline_list, middle),
        _difference(middle, answer_list),
        _difference(
            _difference(answer_list, answer_bill), _difference(baseline_list, baseline_bill)
        ),
        overhead,
    )
    actual = None if overhead is None or answer_bill is None else answer_bill - overhead
    return _savings(baseline_bill, actual, parts, basis)


def rescale(
    counted_baseline_tokens: int, counted_sent_tokens: int, reported_sent_tokens: int
) -> int:
    """The baseline's input tokens as the provider would have reported them.

    Our counts of both requests are off by about the same factor, and the provider has told it for
    the one that was sent. Rounded exactly (halves up); without a report the count stands.

    Raises:
        ValueError: a count is negative.
    """
    if min(counted_baseline_tokens, counted_sent_tokens, reported_sent_tokens) < 0:
        raise ValueError(
            f"token counts cannot be negative: baseline {counted_baseline_tokens}, "
            f"sent {counted_sent_tokens}, reported {reported_sent_tokens}"
        )
    if counted_sent_tokens == 0 or reported_sent_tokens == 0:
        return counted_baseline_tokens
    scaled = 2 * counted_baseline_tokens * reported_sent_tokens + counted_sent_tokens
    return scaled // (2 * counted_sent_tokens)


def _savings(baseline: Money | None, actual: Money | None, parts: Parts, basis: Basis) -> Savings:
    net = _difference(baseline, actual)
    if net is None or None in parts:
        net, parts = None, (None, None, None, None)
    return Savings(baseline, actual, *parts, net=net, basis=basis, unpriced=net is None)


def _uncached(usage: Usage) -> Usage:
    if not (usage.cache_read_tokens or usage.cache_write_tokens):
        return usage
    return replace(usage, cache_read_tokens=0, cache_write_tokens=0, cache_write_1h_tokens=0)


def _cost(usage: Usage, card: ModelCard | None) -> Money | None:
    if usage.input_tokens == 0 and usage.output_tokens == 0:
        return Money()
    return None if card is None else cost(usage, card)


def _total(amounts: Sequence[Money | None]) -> Money | None:
    known = [a for a in amounts if a is not None]
    return Money(sum(a.nanos for a in known)) if len(known) == len(amounts) else None


def _minus(amount: Money | None) -> Money | None:
    return None if amount is None else -amount


def _difference(left: Money | None, right: Money | None) -> Money | None:
    return None if left is None or right is None else left - right
