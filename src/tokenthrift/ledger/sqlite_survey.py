"""The questions of `survey` in the language of SQLite: one pass over the rows, none in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.ledger.cells import SESSION, Cell
from tokenthrift.ledger.record import as_utc
from tokenthrift.ledger.schema import GROUP_SQL, SUM_COLUMNS, microseconds
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals, check_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.sqlite import SQLiteLedger
    from tokenthrift.ledger.totals import GroupKey

SINCE: Final = "created_us >= ?"
SUMS: Final = ", ".join(["COUNT(*)", *(f"SUM({name})" for name in SUM_COLUMNS)])

# A session is in its own column, or a tag, or the call is one of its own.
OWN_SESSION: Final = "CASE session WHEN '' THEN record_id ELSE session END"
TAGGED_SESSION: Final = """
    CASE WHEN session <> '' THEN session WHEN COALESCE(t.value, '') <> '' THEN t.value
    ELSE record_id END
"""
TAGS_OF_SESSIONS: Final = (
    "LEFT JOIN (SELECT call_seq, value FROM tags WHERE key = ?) t ON t.call_seq = seq"
)


def sums_by(
    ledger: SQLiteLedger, keys: Sequence[GroupKey], since: datetime | None
) -> dict[str, dict[str, Totals]]:
    """See `survey.sums_by`: one scan by all keys at once, folded by each."""
    for key in keys:
        check_key(key)
    groups = ", ".join(GROUP_SQL.get(key, key) for key in keys)
    places = ", ".join(str(n + 1) for n in range(len(keys)))
    query = f"SELECT {groups}, {SUMS} FROM calls WHERE {SINCE} GROUP BY {places}"  # noqa: S608 - keys are constants
    found: dict[str, dict[str, Totals]] = {key: {} for key in keys}
    for row in ledger.rows(query, [_from(since)]):
        sums = _totals(row[len(keys) :])
        for key, value in zip(keys, map(str, row), strict=False):
            found[key][value] = found[key].get(value, Totals()) + sums
    return {key: dict(sorted(values.items())) for key, values in found.items()}


def cells(ledger: SQLiteLedger, since: datetime | None) -> list[Cell]:
    """See `survey.cells`."""
    tagged = _tags_sessions(ledger)
    session, join = (TAGGED_SESSION, TAGS_OF_SESSIONS) if tagged else (OWN_SESSION, "")
    query = f"""
        SELECT {GROUP_SQL["day"]}, part_of({session}), SUM(baseline_nanos), SUM(net_nanos)
        FROM calls {join} WHERE {SINCE} AND net_nanos IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
    """  # noqa: S608 - constants only, values are bound
    values = ([SESSION] if tagged else []) + [_from(since)]
    return [Cell(*row) for row in ledger.rows(query, values)]


def knows_sessions(ledger: SQLiteLedger, since: datetime | None) -> bool:
    """See `survey.knows_sessions`."""
    query = f"SELECT 1 FROM calls WHERE session <> '' AND {SINCE} LIMIT 1"  # noqa: S608 - constants only
    return bool(ledger.rows(query, [_from(since)])) or _tags_sessions(ledger)


def worst_calls(ledger: SQLiteLedger, since: datetime | None, most: int) -> list[LedgerRecord]:
    """See `survey.worst_calls`."""
    query = f"""
        SELECT record_id FROM calls WHERE net_nanos < 0 AND {SINCE} ORDER BY net_nanos, seq LIMIT ?
    """  # noqa: S608 - constants only, values are bound
    found = (ledger.get(row[0]) for row in ledger.rows(query, [_from(since), most]))
    return [record for record in found if record is not None]


def tag_names(ledger: SQLiteLedger) -> list[str]:
    """See `survey.tag_names`."""
    return [row[0] for row in ledger.rows("SELECT DISTINCT key FROM tags ORDER BY 1")]


def totals_by_tag(
    ledger: SQLiteLedger, name: str, since: datetime | None, most: int | None
) -> dict[str, Totals]:
    """See `survey.totals_by_tag`; without the calls that do not carry the tag."""
    query = f"""
        SELECT value, {SUMS} FROM tags JOIN calls ON seq = call_seq WHERE key = ? AND {SINCE}
        GROUP BY 1 ORDER BY SUM(spent_nanos) DESC, 1 DESC LIMIT ?
    """  # noqa: S608 - constants only, values are bound
    rows = ledger.rows(query, [name, _from(since), -1 if most is None else most])
    return {row[0]: _totals(row[1:]) for row in sorted(rows)}


def _tags_sessions(ledger: SQLiteLedger) -> bool:
    return bool(ledger.rows("SELECT 1 FROM tags WHERE key = ? AND value <> '' LIMIT 1", [SESSION]))


def _from(since: datetime | None) -> int:
    return -(2**63) if since is None else microseconds(as_utc(since))


def _totals(row: tuple[int | None, ...]) -> Totals:
    names = ("calls", *SUM_COLUMNS)
    sums = dict(zip(names, row, strict=True))
    return Totals(**{name: sums[name] or 0 for name in TOTAL_NAMES})
