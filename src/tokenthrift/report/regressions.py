"""Where more was paid than the unmodified request would have cost, and why.

The reason is read off the record: which part of the split is the loss, and what made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.report import formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tokenthrift.ledger import LedgerRecord, SavingsRecord, Totals

CALLS_SHOWN: Final = 12
GROUPS_SHOWN: Final = 12
PARTS: Final = ("compression", "routing", "cache", "overhead")


@dataclass(frozen=True, slots=True)
class WorstCall:
    """A call that cost more than its baseline; amounts in nano-dollars."""

    record_id: str
    created_at: datetime
    model: str
    policy: str
    baseline_nanos: int
    actual_nanos: int
    net_nanos: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorstGroup:
    """Calls with one value of a key that together cost more than their baseline."""

    by: str
    value: str
    totals: Totals
    why: tuple[str, ...]


def worst_call(record: LedgerRecord) -> WorstCall:
    """A losing call with its reasons."""
    savings = record.savings
    return WorstCall(
        record.record_id,
        record.created_at,
        record.model_chosen or "",
        record.policy,
        savings.baseline_nanos or 0,
        savings.actual_nanos or 0,
        savings.net_nanos or 0,
        tuple(_reasons(record)),
    )


def worst_groups(groups: Mapping[str, Mapping[str, Totals]]) -> tuple[WorstGroup, ...]:
    """Of all groups by all keys those that lost most, the worst first."""
    losing = [
        WorstGroup(by, value, totals, _parts_lost(totals))
        for by, values in groups.items()
        for value, totals in values.items()
        if totals.net_nanos < 0
    ]
    losing.sort(key=lambda group: (group.totals.net_nanos, group.by, group.value))
    return tuple(losing[:GROUPS_SHOWN])


def _parts_lost(of: Totals | SavingsRecord) -> tuple[str, ...]:
    lost = {part: -(getattr(of, f"{part}_nanos") or 0) for part in PARTS}
    return tuple(
        f"{part} ${formats.usd(nanos)}"
        for part, nanos in sorted(lost.items(), key=lambda item: -item[1])
        if nanos > 0
    )


def _reasons(record: LedgerRecord) -> Iterable[str]:
    savings = record.savings
    yield from _parts_lost(savings)
    if (savings.overhead_nanos or 0) < 0:
        yield from _vain_attempts(record)
    if (savings.cache_nanos or 0) < 0:
        yield _cache(record)
    if (savings.routing_nanos or 0) < 0:
        yield f"{record.model_chosen} instead of {record.model_baseline}"
    if record.epoch:
        yield f"compacted {record.epoch} times" if record.epoch > 1 else "compacted once"
    for step in record.steps:
        if step.error:
            yield f"stage {step.stage} failed: {step.error}"


def _vain_attempts(record: LedgerRecord) -> Iterable[str]:
    for attempt in record.attempts:
        if attempt.status != "ok":
            reason = f" ({attempt.error})" if attempt.error else ""
            yield f"attempt {attempt.number} {attempt.status}{reason}: {attempt.model}"


def _cache(record: LedgerRecord) -> str:
    read = sum(a.cache_read_tokens for a in record.attempts)
    written = sum(a.cache_write_tokens for a in record.attempts)
    given = sum(a.input_tokens for a in record.attempts)
    return f"cached {read:,} of {given:,} input tokens, {written:,} written"
