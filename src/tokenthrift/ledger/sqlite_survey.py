"""The questions of `survey` in the language of SQLite: one pass over the rows, none in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.ledger.cells import SESSION, Cell, Slot
from tokenthrift.ledger.record import as_utc
from tokenthrift.ledger.retention import filter_sql
from tokenthrift.ledger.schema import GROUP_SQL, microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.sqlite import SQLiteLedger

SINCE: Final = "created_us >= ?"

# A session is in its own column, or a tag, or the call is one of its own.
OWN_SESSION: Final = "CASE session WHEN '' THEN record_id ELSE session END"
TAGGED_SESSION: Final = """
    CASE WHEN session <> '' THEN session WHEN COALESCE(t.value, '') <> '' THEN t.value
    ELSE record_id END
"""
TAGS_OF_SESSIONS: Final = (
    "LEFT JOIN (SELECT call_seq, value FROM tags WHERE key = ?) t ON t.call_seq = seq"
)


def cells(ledger: SQLiteLedger, since: datetime | None) -> list[Cell]:
    """Baseline and net savings of priced calls by day and group of sessions."""
    tagged = _tags_sessions(ledger)
    session, join = (TAGGED_SESSION, TAGS_OF_SESSIONS) if tagged else (OWN_SESSION, "")
    query = f"""
        SELECT {GROUP_SQL["day"]}, part_of({session}), SUM(baseline_nanos), SUM(net_nanos)
        FROM calls {join} WHERE {SINCE} AND net_nanos IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 - constants only, values are bound
    values = ([SESSION] if tagged else []) + [_from(since)]
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
    where, bound = filter_sql(since, tags)
    tagged = _tags_sessions(ledger)
    session, join = (TAGGED_SESSION, TAGS_OF_SESSIONS) if tagged else (OWN_SESSION, "")
    query = f"""
        SELECT created_us / 1000000 / ? * ?, part_of({session}), COUNT(*), SUM(spent_nanos),
            SUM(input_tokens), SUM(output_tokens),
            SUM(IIF(net_nanos IS NULL, 0, baseline_nanos)), SUM(COALESCE(net_nanos, 0))
        FROM calls {join} WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 - constants only, values are bound
    values = [step_s, step_s, *([SESSION] if tagged else []), *bound]
    return [Slot(*row) for row in ledger.rows(query, values)]


def knows_sessions(ledger: SQLiteLedger, since: datetime | None) -> bool:
    """Whether any call says which session it belongs to."""
    query = f"SELECT 1 FROM calls WHERE session <> '' AND {SINCE} LIMIT 1"  # noqa: S608 - constants only
    return bool(ledger.rows(query, [_from(since)])) or _tags_sessions(ledger)


def worst_calls(ledger: SQLiteLedger, since: datetime | None, most: int) -> list[LedgerRecord]:
    """The calls that cost most above their baseline, the worst first."""
    query = f"""
        SELECT record_id FROM calls WHERE net_nanos < 0 AND {SINCE} ORDER BY net_nanos, seq LIMIT ?
    """  # noqa: S608 - constants only, values are bound
    found = (ledger.get(row[0]) for row in ledger.rows(query, [_from(since), most]))
    return [record for record in found if record is not None]


def tag_names(ledger: SQLiteLedger) -> list[str]:
    """The names of all tags, sorted."""
    return [row[0] for row in ledger.rows("SELECT DISTINCT key FROM tags ORDER BY 1")]


def _tags_sessions(ledger: SQLiteLedger) -> bool:
    return bool(ledger.rows("SELECT 1 FROM tags WHERE key = ? AND value <> '' LIMIT 1", [SESSION]))


def _from(since: datetime | None) -> int:
    return -(2**63) if since is None else microseconds(as_utc(since))
