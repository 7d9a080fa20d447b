"""The tables of a ledger file, and how a file of an older version becomes one of this version.

`PRAGMA user_version` counts the migrations a file has been through. A migration that was released
is never edited; a new one is appended. Files of a newer version, of another program, or that are no
database at all are refused and left as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals, group_of, row_of
from tokenthrift.sqlite_file import identity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from tokenthrift.ledger.record import LedgerRecord

APPLICATION_ID: Final = 0x54544C47  # "TTLG", so that `file` and we can tell a ledger
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

# Savings columns are NULL for calls without a known price: SUM leaves them out.
V1: Final = (
    """
    CREATE TABLE calls (
        seq INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL UNIQUE,
        created_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        wire TEXT NOT NULL,
        status TEXT NOT NULL,
        model_requested TEXT NOT NULL,
        model_chosen TEXT NOT NULL,
        model_baseline TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_digest TEXT NOT NULL,
        session TEXT NOT NULL,
        holdout INTEGER NOT NULL,
        basis TEXT NOT NULL,
        plan_ms REAL NOT NULL,
        total_ms REAL NOT NULL,
        failed_calls INTEGER NOT NULL,
        unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL,
        counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER,
        actual_nanos INTEGER,
        compression_nanos INTEGER,
        routing_nanos INTEGER,
        cache_nanos INTEGER,
        overhead_nanos INTEGER,
        net_nanos INTEGER,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX calls_created ON calls (created_us)",
    """
    CREATE TABLE attempts (
        call_seq INTEGER NOT NULL REFERENCES calls (seq),
        number INTEGER NOT NULL,
        model TEXT NOT NULL,
        status TEXT NOT NULL,
        error TEXT NOT NULL,
        estimated INTEGER NOT NULL,
        counted_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        cost_nanos INTEGER,
        latency_ms REAL NOT NULL,
        time_to_first_chunk_ms REAL,
        PRIMARY KEY (call_seq, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX attempts_counted ON attempts (model, counted_tokens, input_tokens)
    WHERE estimated = 0 AND counted_tokens > 0 AND input_tokens > 0
    """,
)

# Tags were only in the JSON: reports by team or feature read every record.
V2: Final = (
    """
    CREATE TABLE tags (
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        call_seq INTEGER NOT NULL REFERENCES calls (seq),
        PRIMARY KEY (key, value, call_seq)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO tags (key, value, call_seq)
    SELECT tag.key, tag.value, calls.seq
    FROM calls, json_each(calls.detail, '$.tags') AS tag
    """,
)

V3: Final = (
    """
    CREATE TABLE feedback (
        seq INTEGER PRIMARY KEY,
        call_id TEXT NOT NULL,
        source TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        outcome REAL NOT NULL,
        value REAL,
        UNIQUE (call_id, source)
    )
    """,
)

# The JSON apart from the columns: a report that adds up a million calls reads a tenth of the pages.
# What stays of calls that were pruned or erased: sums, digests of the erased ids, and which
# numbers of ``calls.seq`` are rightly missing.
V4: Final = (
    "CREATE TABLE details (seq INTEGER PRIMARY KEY REFERENCES calls (seq), detail TEXT NOT NULL)",
    "INSERT INTO details (seq, detail) SELECT seq, detail FROM calls",
    "ALTER TABLE calls ADD COLUMN complexity TEXT NOT NULL DEFAULT ''",
    """
    UPDATE calls SET complexity =
        COALESCE(json_extract(detail, '$.decision.complexity_bucket'), '')
    """,
    "ALTER TABLE calls DROP COLUMN detail",
    """
    CREATE TABLE folded (
        why TEXT NOT NULL, day TEXT NOT NULL, kind TEXT NOT NULL, wire TEXT NOT NULL,
        status TEXT NOT NULL, model_requested TEXT NOT NULL, model_chosen TEXT NOT NULL,
        model_baseline TEXT NOT NULL, policy TEXT NOT NULL, policy_digest TEXT NOT NULL,
        holdout TEXT NOT NULL, basis TEXT NOT NULL, complexity TEXT NOT NULL, tags TEXT NOT NULL,
        calls INTEGER NOT NULL, failed_calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        estimated_calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
        counted_baseline_tokens INTEGER NOT NULL, counted_sent_tokens INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL, spent_nanos INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL,
        PRIMARY KEY (
            why, day, kind, wire, status, model_requested, model_chosen, model_baseline, policy,
            policy_digest, holdout, basis, complexity, tags
        )
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE folded_charges (
        why TEXT NOT NULL, day TEXT NOT NULL, model TEXT NOT NULL, service_tier TEXT NOT NULL,
        tags TEXT NOT NULL, attempts INTEGER NOT NULL, unpriced_attempts INTEGER NOT NULL,
        estimated_attempts INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
        cache_write_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
        cost_nanos INTEGER NOT NULL, calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
        baseline_nanos INTEGER NOT NULL, actual_nanos INTEGER NOT NULL,
        compression_nanos INTEGER NOT NULL, routing_nanos INTEGER NOT NULL,
        cache_nanos INTEGER NOT NULL, overhead_nanos INTEGER NOT NULL,
        net_nanos INTEGER NOT NULL, seen_attempts INTEGER NOT NULL,
        seen_counted_tokens INTEGER NOT NULL, seen_input_tokens INTEGER NOT NULL,
        PRIMARY KEY (
            why, day, model, service_tier, tags
        )
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE gone (id BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL)",
)

# Arms of experiments, and how our model of the providers' caches did.
TRIALS: Final = (
    "ALTER TABLE calls ADD COLUMN arm TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE calls ADD COLUMN treated_share REAL",
    "ALTER TABLE calls ADD COLUMN asked_tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE calls ADD COLUMN shadow_net_nanos INTEGER",
    "ALTER TABLE attempts ADD COLUMN predicted_cache_read_tokens INTEGER",
    """
    CREATE INDEX calls_drawn ON calls (session, seq)
    WHERE treated_share > 0 AND treated_share < 1
    """,
    "CREATE INDEX calls_shadow ON calls (created_us) WHERE arm = 'shadow'",
)

MIGRATIONS: Final = (V1, V2, V3, V4, TRIALS)
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
