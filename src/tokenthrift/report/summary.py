"""Views over ledger records: totals, and totals by model, policy, tag or complexity.

What a database can add up it adds up; the rest is read record by record. Pure views: the report is
the sum of the records, nothing is estimated here.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LedgerError
from tokenthrift.ledger import GROUP_KEYS, Totals, totals_of
from tokenthrift.report.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tokenthrift.ledger import Largest, LedgerReader, LedgerRecord

TAG: Final = "tag:"
COMPLEXITY: Final = "complexity"
ALIASES: Final = {"model": "model_chosen"}
# Latencies are read from the newest records only: they drift.
LATENCY_RECORDS: Final = 10_000
AGE: Final = re.compile(r"^(\d+)\s*([mhdw])$")
AGE_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def by_words() -> tuple[str, ...]:
    """What records can be grouped by, as a user writes it."""
    return (
        "model",
        "policy",
        COMPLEXITY,
        f"{TAG}NAME",
        *(k for k in GROUP_KEYS if k not in ("policy", COMPLEXITY)),
    )


def grouped(
    ledger: LedgerReader,
    by: str,
    since: datetime | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Totals]:
    """Totals by the value of a key; records without a value are under the empty string.

    Args:
        ledger: where the records are.
        by: one of `by_words`, with a tag's name for ``NAME``.
        since: only records from then on.
        tags: only records that carry all of these.

    Raises:
        LedgerError: records cannot be grouped by that; the message lists what they can.
    """
    return ledger.totals_by(_key(by), since, tags)


def largest(
    ledger: LedgerReader,
    by: str,
    most: int,
    since: datetime | None = None,
    tags: Mapping[str, str] | None = None,
) -> Largest:
    """The groups on which most was spent, however many there are.

    Args:
        ledger: where the records are.
        by: as `grouped` takes it.
        most: how many.
        since: only records from then on.
        tags: only records that carry all of these.

    Raises:
        LedgerError: records cannot be grouped by that; the message lists what they can.
    """
    return ledger.largest(_key(by), most, since, tags)


def totals_by_tag(records: Iterable[LedgerRecord], name: str) -> dict[str, Totals]:
    """Totals by the value of a tag."""
    return _sums(records, lambda record: record.tags.get(name, ""))


def totals_by_complexity(records: Iterable[LedgerRecord]) -> dict[str, Totals]:
    """Totals by the complexity that was measured on the request."""
    return _sums(records, lambda r: r.decision.complexity_bucket if r.decision else "")


def plan_latencies(ledger: LedgerReader, since: datetime | None = None) -> Latencies:
    """How long planning took, over the newest records."""
    return Latencies.of(ledger.plan_times(since, LATENCY_RECORDS))


def instant(text: str, now: datetime) -> datetime:
    """A date, a time, or an age before now; without an offset it is UTC.

    Raises:
        ValueError: it is none of these; the message shows how they are written.
    """
    age = AGE.match(text.strip())
    try:
        if age is not None:
            return now - timedelta(**{AGE_UNITS[age[2]]: int(age[1])})
        at = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no date (2026-01-31), time (2026-01-31T12:00Z) or age (30m, 24h, 7d, 2w)"
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def totals_json(totals: Totals) -> dict[str, Any]:
    """Totals as plain data: exact sums, and shares (None where there is no whole)."""
    saved = totals.counted_baseline_tokens - totals.counted_sent_tokens
    return {
        **asdict(totals),
        "saved_tokens": saved,
        "saved_tokens_share": _share(saved, totals.counted_baseline_tokens),
        "net_share": _share(totals.net_nanos, totals.baseline_nanos),
    }


def _key(by: str) -> str:
    key = ALIASES.get(by, by)
    if key not in GROUP_KEYS and not (key.startswith(TAG) and key != TAG):
        raise LedgerError(f"cannot group by {by!r}; use one of: {', '.join(by_words())}")
    return key


def _sums(records: Iterable[LedgerRecord], key: Callable[[LedgerRecord], str]) -> dict[str, Totals]:
    sums: dict[str, Totals] = {}
    for record in records:
        name = key(record)
        sums[name] = sums.get(name, Totals()) + totals_of([record])
    return dict(sorted(sums.items()))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
