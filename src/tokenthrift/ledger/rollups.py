"""Sums that a ledger file keeps of its own calls, so that a report does not read every one of them.

Calls are added a batch at a time, by the write that fills the batch; the few that are not added yet
are read where they are. What is deleted is taken out again, so that at every instant these sums and
the calls behind ``rollup_to`` are the sums of all calls, exactly.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tokenthrift.ledger.record import as_utc
from tokenthrift.ledger.schema import GROUP_SQL, SUM_COLUMNS, microseconds
from tokenthrift.ledger.totals import GROUP_KEYS, TAG, TOTAL_NAMES, Largest, Totals, largest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

BATCH_CALLS: Final = 250  # 3 ms for the call that fills it; about as many are read beside the sums
LATE_BATCHES: Final = 20
"""Files that are further behind, such as old ones, are brought up to date when they are opened."""
SESSION: Final = "session"
DAY_S: Final = 86_400
EARLIEST_US: Final = -(2**63)

TO: Final = "(SELECT seq FROM rollup_to)"
DAY: Final = GROUP_SQL["day"]
DIMENSIONS: Final = tuple(key for key in GROUP_KEYS if key not in ("day", SESSION))
CELL_SUMS: Final = (
    "calls",
    "unpriced_calls",
    "spent_nanos",
    "input_tokens",
    "output_tokens",
    "baseline_nanos",
    "net_nanos",
)
TAGS: Final = "JOIN tags INDEXED BY tags_of_call ON call_seq = seq"


class _Table(NamedTuple):
    """A table of sums: its keys, what these are of a call, and which calls have them."""

    name: str
    keys: Mapping[str, str]
    sums: Sequence[str]
    calls: str = "calls"
    those: str = "1"


_TABLES: Final = (
    _Table(
        "rollup_days",
        {"day": DAY, **{key: GROUP_SQL.get(key, key) for key in DIMENSIONS}},
        TOTAL_NAMES,
    ),
    _Table(
        "rollup_values",
        {"key": f"'{SESSION}'", "value": SESSION, "day": DAY},
        TOTAL_NAMES,
        those="session <> ''",
    ),
    _Table(
        "rollup_values",
        {"key": f"'{TAG}' || key", "value": "value", "day": DAY},
        TOTAL_NAMES,
        calls=f"calls {TAGS}",
    ),
    _Table("rollup_cells", {"day": DAY, "part": "part"}, CELL_SUMS),
)


# --------------------------------------------------------------------------------------- keeping
def roll_up(db: sqlite3.Connection) -> None:
    """Add the calls behind ``rollup_to`` to the sums; where these get too large, nothing changes.

    Args:
        db: in a transaction that writes.
    """
    db.execute("SAVEPOINT rollup")
    try:
        for table in _TABLES:
            db.execute(_adding(table, f"seq > {TO}"), {"sign": 1})
        db.execute("UPDATE rollup_to SET seq = (SELECT COALESCE(MAX(seq), 0) FROM calls)")
    except (sqlite3.OperationalError, sqlite3.IntegrityError):
        # The calls themselves stay, and a report says that their sums need more than 64 bits.
        db.execute("ROLLBACK TO rollup")
    db.execute("RELEASE rollup")


def catch_up(db: sqlite3.Connection) -> None:
    """Bring the sums of a file up to date that is far behind."""
    late = f"SELECT COALESCE(MAX(seq), 0) - {TO} > {LATE_BATCHES * BATCH_CALLS} FROM calls"  # noqa: S608 - constants
    if not db.execute(late).fetchone()[0]:
        return
    with db:
        db.execute("BEGIN IMMEDIATE")
        roll_up(db)


def take_out(db: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Subtract calls that are about to be deleted.

    Args:
        db: in a transaction that writes.
        seqs: their numbers.
    """
    those = f"seq IN ({', '.join(map(str, seqs))}) AND seq <= {TO}"
    for table in _TABLES:
        db.execute(_adding(table, those), {"sign": -1})


def step_back(db: sqlite3.Connection) -> None:
    """After a deletion: numbers that will be given again are of calls that are not added yet."""
    last = "(SELECT COALESCE(MAX(seq), 0) FROM calls)"
    db.execute(f"UPDATE rollup_to SET seq = MIN(seq, {last})")  # noqa: S608 - constants


def drop_empty(db: sqlite3.Connection) -> None:
    """Forget the keys of calls that are gone."""
    for name in {table.name for table in _TABLES}:
        db.execute(f"DELETE FROM {name} WHERE calls = 0")  # noqa: S608 - constants


def rollup_findings(db: sqlite3.Connection) -> list[str]:
    """Where the sums are not those of the calls they are of, as sentences."""
    found = []
    for name in sorted({table.name for table in _TABLES}):
        tables = [table for table in _TABLES if table.name == name]
        names = ", ".join((*tables[0].keys, *tables[0].sums))
        wanted = " UNION ALL ".join(_grouped(table, f"seq <= {TO}") for table in tables)
        kept = f"SELECT {names} FROM {name} WHERE calls <> 0"  # noqa: S608 - constants
        for left, right in ((kept, wanted), (wanted, kept)):
            query = f"SELECT COUNT(*) FROM (SELECT * FROM ({left}) EXCEPT SELECT * FROM ({right}))"  # noqa: S608 - constants
            if db.execute(query, {"sign": 1}).fetchone()[0]:
                found.append(f"{name}: its sums are not those of the calls")
                break
    return found


def _grouped(table: _Table, those: str) -> str:
    keys = ", ".join(table.keys.values())
    sums = ", ".join(f":sign * {_of_calls(name)}" for name in table.sums)
    places = ", ".join(str(n + 1) for n in range(len(table.keys)))
    return (
        f"SELECT {keys}, {sums} FROM {table.calls} "  # noqa: S608 - constants and integers
        f"WHERE {table.those} AND {those} GROUP BY {places}"
    )


def _adding(table: _Table, those: str) -> str:
    names = ", ".join((*table.keys, *table.sums))
    more = ", ".join(f"{name} = {name} + excluded.{name}" for name in table.sums)
    return (
        f"INSERT INTO {table.name} ({names}) {_grouped(table, those)} "
        f"ON CONFLICT ({', '.join(table.keys)}) DO UPDATE SET {more}"
    )


def _of_calls(name: str) -> str:
    return "COUNT(*)" if name == "calls" else f"COALESCE(SUM({name}), 0)"


# --------------------------------------------------------------------------------------- reading
def rolled(
    db: sqlite3.Connection, key: str | None, since: datetime | None = None
) -> dict[str, Totals]:
    """Sums by the value of a key, sorted by it; without a key all under the empty string.

    Args:
        db: in a transaction, so that sums and calls are of one instant.
        key: one of `GROUP_KEYS`, a tag (``tag:NAME``), or None.
        since: only calls from then on.
    """
    source, values = value_source(key, since)
    query = f"SELECT name, {_SUMS} FROM ({source}) GROUP BY 1 HAVING SUM(calls) > 0"  # noqa: S608 - constants, values are bound
    groups = {row[0]: totals_row(row[1:]) for row in db.execute(query, values)}
    if has_rest(key):
        _, rest = _named(db, key, since)
        if rest.calls:
            groups[""] = rest
    return dict(sorted(groups.items()))


def largest_rolled(
    db: sqlite3.Connection, key: str, most: int, since: datetime | None = None
) -> Largest:
    """The values of a tag, or sessions, on which most was spent; the others are never listed.

    Args:
        db: in a transaction.
        key: ``session``, or a tag.
        most: how many.
        since: only calls from then on.
    """
    source, values = value_source(key, since)
    query = f"""
        SELECT name, {_SUMS} FROM ({source}) WHERE name <> '' GROUP BY 1 HAVING SUM(calls) > 0
        ORDER BY SUM(spent_nanos) DESC, SUM(calls) DESC, name LIMIT :most
    """  # noqa: S608 - constants, values are bound
    found = db.execute(query, values | {"most": most})
    groups = {row[0]: totals_row(row[1:]) for row in found}
    count, rest = _named(db, key, since)
    whole = rolled(db, None, since).get("", Totals())
    if rest.calls:
        groups[""] = rest
        count += 1
    return largest_of(groups, most, (count, whole))


def _named(db: sqlite3.Connection, key: str | None, since: datetime | None) -> tuple[int, Totals]:
    """How many values a key has, and the sums of the calls without one."""
    source, values = value_source(key, since)
    query = f"""
        SELECT COUNT(DISTINCT name), {_SUMS} FROM ({source}) WHERE name <> '' AND calls > 0
    """  # noqa: S608 - constants, values are bound
    count, *named = db.execute(query, values).fetchone()
    return count, rolled(db, None, since).get("", Totals()) - totals_row(named)


def totals_row(row: Sequence[int | None]) -> Totals:
    """A row of sums in the order of their names; those of no calls are NULL."""
    return Totals(*(value or 0 for value in row))


def cells_source(since: datetime | None) -> tuple[str, dict[str, Any]]:
    """A query of rows with time (``at_s``), ``day``, ``part`` and `CELL_SUMS`, and its values."""
    names = ", ".join(CELL_SUMS)
    kept = (
        f"SELECT CAST(strftime('%s', day) AS INTEGER) AS at_s, day, part, {names} "  # noqa: S608 - constants
        "FROM rollup_cells WHERE day >= :border"
    )
    return _arms(kept, CELLS_OF_CALLS, since)


def value_source(key: str | None, since: datetime | None) -> tuple[str, dict[str, Any]]:
    """A query of rows with the value of a key (``name``) and sums, and its values."""
    names = ", ".join(TOTAL_NAMES)
    own = ", ".join(map(_of_call, TOTAL_NAMES))
    if key is None or not has_rest(key):
        column = "''" if key is None else key
        group = "''" if key is None else GROUP_SQL.get(key, key)
        kept = f"SELECT {column} AS name, {names} FROM rollup_days WHERE day >= :border"  # noqa: S608 - constants
        live = f"SELECT {group}, {own} FROM calls WHERE 1"  # noqa: S608 - constants
    else:
        kept = (
            f"SELECT value AS name, {names} FROM rollup_values "  # noqa: S608 - constants
            "WHERE key = :key AND day >= :border"
        )
        live = (
            f"SELECT session, {own} FROM calls WHERE session <> ''"  # noqa: S608 - constants
            if key == SESSION
            else f"SELECT value, {own} FROM calls {TAGS} WHERE key = :tag"  # noqa: S608 - constants
        )
    source, values = _arms(kept, live, since)
    return source, values | {"key": key, "tag": (key or "").removeprefix(TAG)}


def _arms(kept: str, live: str, since: datetime | None) -> tuple[str, dict[str, Any]]:
    """Sums of whole days, calls that are not in them, and what is left of the first day."""
    arms = [kept, f"{live} AND seq > {TO} AND created_us >= :since"]
    if since is None:
        return " UNION ALL ".join(arms), {"since": EARLIEST_US, "border": ""}
    start = as_utc(since)
    border = start.replace(hour=0, minute=0, second=0, microsecond=0)
    if border < start:
        border += timedelta(days=1)
        arms.append(f"{live} AND seq <= {TO} AND created_us >= :since AND created_us < :until")
    return " UNION ALL ".join(arms), {
        "since": microseconds(start),
        "until": microseconds(border),
        "border": border.date().isoformat(),
    }


def _of_call(name: str) -> str:
    return f"1 AS {name}" if name == "calls" else f"COALESCE({name}, 0) AS {name}"


def has_rest(key: str | None) -> bool:
    """Whether calls without a value are in no row: they are what is left of the whole."""
    return key is not None and (key == SESSION or key.startswith(TAG))


_SUMS: Final = ", ".join(f"SUM({name})" for name in ("calls", *SUM_COLUMNS))
CELLS_OF_CALLS: Final = (
    f"SELECT created_us / 1000000 AS at_s, {DAY} AS day, part, "  # noqa: S608 - constants
    f"{', '.join(map(_of_call, CELL_SUMS))} FROM calls WHERE 1"
)
"""The same rows, one a call."""
