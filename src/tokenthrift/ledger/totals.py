"""Sums over records: what every store must agree on, to the nano-dollar.

`row_of` is the one place that says which integer a record adds to which sum. Calls without a known
price are counted and left out of the savings sums, so that net stays baseline minus actual.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tokenthrift.ledger.record import LedgerRecord

GroupKey: TypeAlias = Literal[
    "day",
    "kind",
    "wire",
    "status",
    "model_requested",
    "model_chosen",
    "model_baseline",
    "policy",
    "policy_digest",
    "session",
    "holdout",
    "basis",
    "complexity",
]
GROUP_KEYS: Final[tuple[str, ...]] = get_args(GroupKey)
TAG: Final = "tag:"
"""Before the name of a tag, where records are grouped by its value."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a set of calls. Token buckets are inclusive and hold every attempt.

    Embeddings that plans bought are in the money only: their tokens are others than the models'.

    Attributes:
        failed_calls: those whose status is ``error``.
        unpriced_calls: those without net savings; not in the savings sums below.
        estimated_calls: priced ones whose usage no provider reported.
        spent_nanos: all known costs of attempts and embeddings, of unpriced calls too.
        baseline_nanos: with ``actual_nanos`` and the parts: over priced calls only.
    """

    calls: int = 0
    failed_calls: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0
    attempts: int = 0
    counted_baseline_tokens: int = 0
    counted_sent_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    spent_nanos: int = 0
    baseline_nanos: int = 0
    actual_nanos: int = 0
    compression_nanos: int = 0
    routing_nanos: int = 0
    cache_nanos: int = 0
    overhead_nanos: int = 0
    net_nanos: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, n) + getattr(other, n) for n in TOTAL_NAMES))

    def __sub__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, n) - getattr(other, n) for n in TOTAL_NAMES))


TOTAL_NAMES: Final = tuple(f.name for f in fields(Totals))


@dataclass(frozen=True, slots=True)
class Largest:
    """The groups on which most was spent, and what the others come to.

    Attributes:
        groups: sums by name, those with most spent first.
        left_out: how many other groups there are.
        rest: the sums of these.
    """

    groups: Mapping[str, Totals]
    left_out: int
    rest: Totals


def row_of(record: LedgerRecord) -> Totals:
    """What one record adds to the sums."""
    savings = record.savings
    attempts = tokens_in = tokens_out = read = written = reasoning = spent = 0
    for a in record.attempts:
        spent += a.cost_nanos or 0
        if a.status != "embedding":
            attempts += 1
            tokens_in += a.input_tokens
            tokens_out += a.output_tokens
            read += a.cache_read_tokens
            written += a.cache_write_tokens
            reasoning += a.reasoning_tokens
    priced = savings.net_nanos is not None
    return Totals(
        calls=1,
        failed_calls=int(record.status == "error"),
        unpriced_calls=int(not priced),
        estimated_calls=int(priced and savings.basis == "estimated"),
        attempts=attempts,
        counted_baseline_tokens=record.counted_baseline_tokens,
        counted_sent_tokens=record.counted_sent_tokens,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        spent_nanos=spent,
        baseline_nanos=(savings.baseline_nanos or 0) if priced else 0,
        actual_nanos=(savings.actual_nanos or 0) if priced else 0,
        compression_nanos=savings.compression_nanos or 0,
        routing_nanos=savings.routing_nanos or 0,
        cache_nanos=savings.cache_nanos or 0,
        overhead_nanos=savings.overhead_nanos or 0,
        net_nanos=savings.net_nanos or 0,
    )


def totals_of(records: Iterable[LedgerRecord]) -> Totals:
    """The sums over some records."""
    return totals_by(records, None).get("", Totals())


def totals_by(records: Iterable[LedgerRecord], key: GroupKey | str | None) -> dict[str, Totals]:
    """The sums by the value of a key, sorted by it; without a key all under the empty string."""
    check_key(key)
    sums: dict[str, Totals] = {}
    for record in records:
        group = group_of(record, key)
        sums[group] = sums.get(group, Totals()) + row_of(record)
    return dict(sorted(sums.items()))


def added(left: Mapping[str, Totals], right: Mapping[str, Totals]) -> dict[str, Totals]:
    """The sums of two sets of calls that have none in common, sorted by the value of their key."""
    names = sorted({*left, *right})
    return {n: left.get(n, Totals()) + right.get(n, Totals()) for n in names}


def largest_of(
    groups: Mapping[str, Totals], most: int, whole: tuple[int, Totals] | None = None
) -> Largest:
    """The groups on which most was spent.

    Args:
        groups: any, with at least these among them.
        most: how many.
        whole: of how many groups they are, and the sums of all; None where there are no others.
    """
    count, sums = whole or (len(groups), sum(groups.values(), Totals()))
    ranked = heapq.nsmallest(most, groups.items(), key=_rank)
    return Largest(dict(ranked), count - len(ranked), sums - sum((t for _, t in ranked), Totals()))


def _rank(item: tuple[str, Totals]) -> tuple[int, int, str]:
    name, sums = item
    return -sums.spent_nanos, -sums.calls, name


def check_key(key: str | None) -> None:
    """Refuse a key that records are not grouped by.

    Raises:
        ValueError: it is none of `GROUP_KEYS`, nor a tag (``tag:NAME``); the message lists them.
    """
    if key is None or key in GROUP_KEYS or (key.startswith(TAG) and key != TAG):
        return
    raise ValueError(f"cannot group by {key!r}; known keys: {', '.join(GROUP_KEYS)}, {TAG}NAME")


def group_of(record: LedgerRecord, key: str | None) -> str:
    """The value of a key of one record; empty where it has none."""
    if key is None:
        return ""
    if key.startswith(TAG):
        return record.tags.get(key.removeprefix(TAG), "")
    if key in _GROUPS:
        return _GROUPS[key](record)
    return str(getattr(record, key) or "")


_GROUPS: Final[Mapping[str, Callable[[LedgerRecord], str]]] = {
    "day": lambda record: record.created_at.date().isoformat(),
    "basis": lambda record: record.savings.basis,
    "holdout": lambda record: "holdout" if record.holdout else "",
    "complexity": lambda r: r.decision.complexity_bucket if r.decision else "",
}
