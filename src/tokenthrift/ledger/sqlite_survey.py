"""The questions of `survey` in the language of SQLite, from the sums that the file keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.ledger.cells import SESSION, Cell, Slot
from tokenthrift.ledger.record import as_utc
from tokenthrift.ledger.retention import filter_sql
from tokenthrift.ledger.rollups import (
    CELLS_OF_CALLS,
    DAY_S,
    EARLIEST_US,
    cells_source,
    value_source,
)
from tokenthrift.ledger.schema import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.sqlite import SQLiteLedger

SINCE: Final = "created_us >= ?"
# One step of an index for each name, however many calls carry it.
NAMES: Final = """
    WITH RECURSIVE names (key) AS (
        SELECT MIN(key) FROM tags
        UNION ALL
        SELECT (SELECT MIN(tags.key) FROM tags WHERE tags.key > names.key) FROM names
        WHERE names.key IS NOT NULL
    )
    SELECT key FROM names WHERE key IS NOT NULL
"""


def cells(ledger: SQLiteLedger, since: datetime | None, *, by_day: bool = True) -> list[Cell]:
    """Baseline and net savings of priced calls by day and group of sessions.

    Args:
        ledger: that is asked.
        since: only calls from then on.
        by_day: else all days are one, whose name is empty.
    """
    source, values = cells_source(since)
    query = f"""
        SELECT {"day" if by_day else "''"}, part, SUM(baseline_nanos), SUM(net_nanos)
        FROM ({source}) GROUP BY 1, 2 HAVING SUM(calls) > SUM(unpriced_calls) ORDER BY 1, 2
    """  # noqa: S608 - constants only, values are bound
    return [Cell(*row) for row in ledger.rows(query, values)]


def slots(
    ledger: SQLiteLedger, step_s: int, since: datetime | None, tags: Mapping[str, str] | None = None
) -> list[Slot]:
    """Sums by stretch of time and group of sessions, in order.

    Args:
        ledger: that is asked.
        step_s: length of a stretch.
        since: only calls from then on.
        tags: only calls that carry all of these.
    """
    source: str
    bound: Sequence[object] | Mapping[str, object]
    if tags or step_s % DAY_S:
        where, bound = filter_sql(since, tags)
        source = f"{CELLS_OF_CALLS} AND {where}"
    else:
        source, bound = cells_source(since)
    query = f"""
        SELECT at_s / {step_s:d} * {step_s:d}, part, SUM(calls), SUM(spent_nanos),
            SUM(input_tokens), SUM(output_tokens), SUM(baseline_nanos), SUM(net_nanos)
        FROM ({source}) GROUP BY 1, 2 HAVING SUM(calls) > 0 ORDER BY 1, 2
    """  # noqa: S608 - constants only, values are bound
    return [Slot(*row) for row in ledger.rows(query, bound)]


def knows_sessions(ledger: SQLiteLedger, since: datetime | None) -> bool:
    """Whether any call says which session it belongs to."""
    source, values = value_source("session", since)
    query = f"SELECT 1 FROM ({source}) WHERE calls > 0 LIMIT 1"  # noqa: S608 - constants only, values are bound
    return bool(ledger.rows(query, values)) or _tags_sessions(ledger)


def worst_calls(ledger: SQLiteLedger, since: datetime | None, most: int) -> list[LedgerRecord]:
    """The calls that cost most above their baseline, the worst first."""
    query = f"""
        SELECT record_id FROM calls WHERE net_nanos < 0 AND {SINCE} ORDER BY net_nanos, seq LIMIT ?
    """  # noqa: S608 - constants only, values are bound
    found = (ledger.get(row[0]) for row in ledger.rows(query, [_from(since), most]))
    return [record for record in found if record is not None]


def tag_names(ledger: SQLiteLedger) -> list[str]:
    """The names of all tags, sorted."""
    return [row[0] for row in ledger.rows(NAMES)]


def _tags_sessions(ledger: SQLiteLedger) -> bool:
    return bool(ledger.rows("SELECT 1 FROM tags WHERE key = ? AND value <> '' LIMIT 1", [SESSION]))


def _from(since: datetime | None) -> int:
    return EARLIEST_US if since is None else microseconds(as_utc(since))
