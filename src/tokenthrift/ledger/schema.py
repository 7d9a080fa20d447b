"""The tables of a ledger file, and how a file of an older version becomes one of this version.

`PRAGMA user_version` counts the migrations a file has been through. Files of a newer version, of
another program, or that are no database at all are refused and left as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.cells import part_of, session_of
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.migrations import MIGRATIONS
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals, group_of, row_of
from tokenthrift.sqlite_file import identity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from tokenthrift.ledger.record import LedgerRecord

APPLICATION_ID: Final = 0x54544C47  # "TTLG", so that `file` and we can tell a ledger
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
VERSION: Final = len(MIGRATIONS)

TEXT_COLUMNS: Final = (
    "kind",
    "wire",
    "status",
    "model_requested",
    "model_chosen",
    "model_baseline",
    "policy",
    "policy_digest",
    "session",
)
SUM_COLUMNS: Final = tuple(n for n in TOTAL_NAMES if n != "calls")
PRICED_COLUMNS: Final = frozenset(
    (
        "baseline_nanos",
        "actual_nanos",
        "compression_nanos",
        "routing_nanos",
        "cache_nanos",
        "overhead_nanos",
        "net_nanos",
    )
)
CALL_COLUMNS: Final = (
    "record_id",
    "created_us",
    *TEXT_COLUMNS,
    "holdout",
    "arm",
    "treated_share",
    "asked_tokens",
    "shadow_net_nanos",
    "basis",
    "plan_ms",
    "total_ms",
    *SUM_COLUMNS,
    "complexity",
    "part",
)
ATTEMPT_COLUMNS: Final = (
    "number",
    "model",
    "status",
    "error",
    "estimated",
    "counted_tokens",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_nanos",
    "latency_ms",
    "time_to_first_chunk_ms",
    "predicted_cache_read_tokens",
)

_texts: Final = attrgetter(*TEXT_COLUMNS)
_sums: Final = attrgetter(*SUM_COLUMNS)
_attempt: Final = attrgetter(*ATTEMPT_COLUMNS)


def _insert(table: str, columns: Sequence[str], suffix: str = "") -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){suffix}"  # noqa: S608 - both names are constants of this module


INSERT_CALL: Final = _insert("calls", CALL_COLUMNS, " ON CONFLICT (record_id) DO NOTHING")
INSERT_DETAIL: Final = _insert("details", ("seq", "detail"))
INSERT_ATTEMPT: Final = _insert("attempts", ("call_seq", *ATTEMPT_COLUMNS))
INSERT_FEEDBACK: Final = _insert(
    "feedback",
    ("call_id", "source", "created_us", "outcome", "value"),
    " ON CONFLICT (call_id, source) DO NOTHING",
)
INSERT_TAG: Final = _insert("tags", ("call_seq", "key", "value"))

# What groups are named by in SQL, where it is not the column itself.
GROUP_SQL: Final = {
    "day": "date(created_us / 1000000, 'unixepoch')",
    "holdout": "CASE holdout WHEN 1 THEN 'holdout' ELSE '' END",
}


def microseconds(at: datetime) -> int:
    """Whole microseconds since 1970, exact."""
    return (at - EPOCH) // MICROSECOND


def call_row(record: LedgerRecord) -> tuple[object, ...]:
    """A record as a row of ``calls``, in the order of `CALL_COLUMNS`."""
    sums = row_of(record)
    return (
        record.record_id,
        microseconds(record.created_at),
        *[text or "" for text in _texts(record)],
        int(record.holdout),
        record.arm,
        record.treated_share,
        record.asked_tokens,
        None if record.shadow is None else record.shadow.savings.net_nanos,
        record.savings.basis,
        record.plan_ms,
        record.total_ms,
        *(_unpriced(sums) if sums.unpriced_calls else _sums(sums)),
        group_of(record, "complexity"),
        part_of(session_of(record)),
    )


def attempt_rows(record: LedgerRecord, seq: int) -> list[tuple[object, ...]]:
    """The attempts of a record as rows of ``attempts``."""
    return [(seq, *_attempt(a)) for a in record.attempts]


def tag_rows(record: LedgerRecord, seq: int) -> list[tuple[object, ...]]:
    """The tags of a record as rows of ``tags``."""
    return [(seq, key, value) for key, value in record.tags.items()]


def feedback_row(given: Feedback) -> tuple[object, ...]:
    """Feedback as a row of ``feedback``."""
    at_us = microseconds(given.created_at)
    return (given.call_id, given.source, at_us, given.outcome, given.value)


def feedback_of(row: tuple[Any, ...]) -> Feedback:
    """The feedback of a row: call, source, time, outcome, value."""
    call_id, source, at_us, outcome, value = row
    return Feedback(
        call_id=call_id,
        source=source,
        created_at=EPOCH + at_us * MICROSECOND,
        outcome=outcome,
        value=value,
    )


def _unpriced(sums: Totals) -> list[int | None]:
    return [None if n in PRICED_COLUMNS else getattr(sums, n) for n in SUM_COLUMNS]


def migrate(db: sqlite3.Connection, where: str) -> None:
    """Bring a ledger file to `VERSION`, in one transaction; a file of this version is only read.

    Args:
        db: a connection in autocommit mode.
        where: what to call the file in errors.

    Raises:
        LedgerError: the file is of a newer version, or of another program.
        sqlite3.Error: it cannot be read or written; nothing has changed then.
    """
    if _version(db, where) == VERSION:
        return
    db.create_function("part_of", 1, part_of, deterministic=True)
    with db:
        db.execute("BEGIN IMMEDIATE")
        # Another process may have migrated the file while this one waited for the lock.
        for number in range(_version(db, where), VERSION):
            for statement in MIGRATIONS[number]:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")


def _version(db: sqlite3.Connection, where: str) -> int:
    version, owner, tables = identity(db)
    if owner != APPLICATION_ID and (owner or version or tables):
        raise LedgerError(f"{where}: a SQLite database of another program; name another file")
    if version > VERSION:
        raise LedgerError(
            f"{where}: ledger version {version}, but this tokenthrift reads up to {VERSION}; "
            "upgrade tokenthrift, or name another file"
        )
    return version
