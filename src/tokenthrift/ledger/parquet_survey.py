"""The questions of `survey` for DuckDB: narrow passes over exports, no call in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.ledger.cells import PARTS, SESSION, Cell, Slot
from tokenthrift.ledger.parquet import DATE, DAY_OF_CALL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tokenthrift.ledger.parquet import ParquetLedger
    from tokenthrift.ledger.record import LedgerRecord

TAGGED: Final = f"list_extract(map_extract(tags, '{SESSION}'), 1)"
OWN_SESSION: Final = f"COALESCE(NULLIF(session, ''), NULLIF({TAGGED}, ''), record_id)"
# Exports of an earlier version do not say it: there sessions are dealt out by another hash.
PART: Final = f"CAST(hash({OWN_SESSION}) % {PARTS} AS INTEGER)"
PRICED: Final = "FILTER (net_nanos IS NOT NULL)"
SAVED: Final = f"COALESCE(SUM(baseline_nanos) {PRICED}, 0), COALESCE(SUM(net_nanos), 0)"


def cells(ledger: ParquetLedger, since: datetime | None, *, by_day: bool = True) -> list[Cell]:
    """Baseline and net savings of priced calls by day and group of sessions.

    Args:
        ledger: that is asked.
        since: only calls from then on.
        by_day: else all days are one, whose name is empty.
    """
    day, group = (DAY_OF_CALL, DATE) if by_day else ("''", "1")
    what = f"{day}, {_part(ledger)}, {SAVED}"
    rows = ledger.rows(what, since, "net_nanos IS NOT NULL", f"GROUP BY {group}, 2")
    return sorted(Cell(day, int(part), int(bill), int(net)) for day, part, bill, net in rows)


def slots(
    ledger: ParquetLedger,
    step_s: int,
    since: datetime | None,
    tags: Mapping[str, str] | None = None,
) -> list[Slot]:
    """Sums by stretch of time and group of sessions, in order.

    Args:
        ledger: that is asked.
        step_s: length of a stretch.
        since: only calls from then on.
        tags: only calls that carry all of these.
    """
    start = f"epoch_us(created_at) // 1000000 // {step_s:d} * {step_s:d}"
    counted = "COUNT(*), SUM(spent_nanos), SUM(input_tokens), SUM(output_tokens)"
    what = f"{start}, {_part(ledger)}, {counted}, {SAVED}"
    rows = ledger.rows(what, since, "true", "GROUP BY 1, 2", tags)
    return sorted(Slot(*map(int, row)) for row in rows)


def knows_sessions(ledger: ParquetLedger, since: datetime | None) -> bool:
    """Whether any call says which session it belongs to."""
    named = f"COALESCE(NULLIF(session, ''), NULLIF({TAGGED}, '')) IS NOT NULL"
    return any(ledger.rows("1", since, named, "LIMIT 1"))


def worst_calls(ledger: ParquetLedger, since: datetime | None, most: int) -> list[LedgerRecord]:
    """The calls that cost most above their baseline, the worst first, then by time and id."""
    order = "ORDER BY net_nanos, created_at, record_id LIMIT"
    names = [r[0] for r in ledger.rows("record_id", since, "net_nanos < 0", f"{order} {most:d}")]
    found = {record.record_id: record for record in ledger.those(names)}
    return [found[name] for name in names if name in found]


def tag_names(ledger: ParquetLedger, since: datetime | None) -> list[str]:
    """The names of all tags, sorted."""
    return sorted(row[0] for row in ledger.rows("DISTINCT unnest(map_keys(tags))", since))


def _part(ledger: ParquetLedger) -> str:
    return f"COALESCE(part, {PART})" if "part" in ledger.columns() else PART
