"""Migrations: an old file becomes a new one with all it held; foreign and newer files stay."""

from __future__ import annotations

import sqlite3

import pytest

from test_ledger_record import sample
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import SQLiteLedger, totals_of
from tokenthrift.ledger.schema import APPLICATION_ID, VERSION

# The tables of a file of version 1, as it was: not built from the code under test.
VERSION_1 = """
CREATE TABLE calls (
    seq INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, created_us INTEGER NOT NULL,
    kind TEXT NOT NULL, wire TEXT NOT NULL, status TEXT NOT NULL, model_requested TEXT NOT NULL,
    model_chosen TEXT NOT NULL, model_baseline TEXT NOT NULL, policy TEXT NOT NULL,
    policy_digest TEXT NOT NULL, session TEXT NOT NULL, holdout INTEGER NOT NULL,
    basis TEXT NOT NULL, plan_ms REAL NOT NULL, total_ms REAL NOT NULL,
    failed_calls INTEGER NOT NULL, unpriced_calls INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL, attempts INTEGER NOT NULL,
    counted_baseline_tokens INTEGER NOT NULL, counted_sent_tokens INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, spent_nanos INTEGER NOT NULL, baseline_nanos INTEGER,
    actual_nanos INTEGER, compression_nanos INTEGER, routing_nanos INTEGER, cache_nanos INTEGER,
    overhead_nanos INTEGER, net_nanos INTEGER, detail TEXT NOT NULL
);
CREATE INDEX calls_created ON calls (created_us);
CREATE TABLE attempts (
    call_seq INTEGER NOT NULL REFERENCES calls (seq), number INTEGER NOT NULL,
    model TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, estimated INTEGER NOT NULL,
    counted_tokens INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, cost_nanos INTEGER,
    latency_ms REAL NOT NULL, time_to_first_chunk_ms REAL, PRIMARY KEY (call_seq, number)
) WITHOUT ROWID;
CREATE INDEX attempts_counted ON attempts (model, counted_tokens, input_tokens)
WHERE estimated = 0 AND counted_tokens > 0 AND input_tokens > 0;
"""

# Columns of ``calls`` that are fields of a record.
COPIED = {
    *("record_id", "kind", "wire", "status", "model_requested", "model_chosen", "model_baseline"),
    *("policy", "policy_digest", "session", "holdout", "plan_ms", "total_ms"),
    *("counted_baseline_tokens", "counted_sent_tokens"),
}


def write_version_1(path, records):
    """A ledger file as version 1 left it, with rows written by hand."""
    db = sqlite3.connect(path)
    db.executescript(VERSION_1)
    for seq, record in enumerate(records, 1):
        row = {
            "seq": seq,
            "created_us": round(record.created_at.timestamp()) * 1_000_000,
            **record.model_dump(include=COPIED),
            **record.savings.model_dump(exclude={"unpriced"}),
            **dict.fromkeys(("failed_calls", "unpriced_calls", "estimated_calls"), 0),
            "attempts": 2,
            "input_tokens": 2_200,
            "output_tokens": 500,
            "cache_read_tokens": 1_024,
            "cache_write_tokens": 0,
            "reasoning_tokens": 128,
            "spent_nanos": record.savings.actual_nanos,
            "detail": record.model_dump_json(),
        }
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        db.execute(f"INSERT INTO calls ({columns}) VALUES ({marks})", tuple(row.values()))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()


def version_of(path):
    """What a file says of itself."""
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


def test_a_version_1_file_is_migrated_with_all_it_held(tmp_path):
    """Old records are read, summed and now found by tag, and new ones go beside them."""
    path = tmp_path / "old.db"
    old = [sample(n) for n in range(4)]
    write_version_1(path, [*old, sample(4, tags={"it's": 'a "tag"', "x.y": ""})])
    with SQLiteLedger(path) as ledger:
        assert version_of(path) == VERSION
        assert ledger.count() == 5
        assert list(ledger.records(tags={"team": "search"})) == [old[0], old[2]]
        assert ledger.totals(tags={"team": "support"}) == totals_of([old[1], old[3]])
        assert ledger.totals(tags={"it's": 'a "tag"', "x.y": ""}).calls == 1
        ledger.write(sample(9))
        assert ledger.totals() == totals_of(ledger.records())
    with SQLiteLedger(path) as ledger:
        assert ledger.count() == 6


def test_an_old_file_gets_the_tables_of_a_new_one(tmp_path):
    """After migration the schema is the one that a fresh file has."""
    write_version_1(tmp_path / "old.db", [])
    shapes = []
    for name in ("old.db", "new.db"):
        with SQLiteLedger(tmp_path / name) as ledger:
            rows = ledger._db.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL")
            shapes.append({n: "".join(sql.split()) for n, sql in rows})
    assert shapes[0] == shapes[1]


def test_a_migration_that_fails_changes_nothing(tmp_path):
    """A file that cannot be migrated keeps its version and its tables."""
    path = tmp_path / "old.db"
    write_version_1(path, [sample(0)])
    db = sqlite3.connect(path)
    db.execute("UPDATE calls SET detail = 'no json'")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"old\.db: malformed JSON"):
        SQLiteLedger(path)
    assert path.read_bytes() == before


def test_a_newer_file_is_refused_and_untouched(tmp_path):
    """A file of a later version is not opened, and the error says what to upgrade."""
    path = tmp_path / "new.db"
    SQLiteLedger(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(
        LedgerError, match=rf"ledger version {VERSION + 1}, .* up to {VERSION}; upgrade"
    ):
        SQLiteLedger(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_untouched(tmp_path):
    """A SQLite file that is not a ledger is never written to."""
    path = tmp_path / "contacts.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE people (name TEXT)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="database of another program; name another file"):
        SQLiteLedger(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_ledger(tmp_path):
    """A file of no bytes, as `touch` makes it, is a new ledger."""
    path = tmp_path / "l.db"
    path.touch()
    with SQLiteLedger(path) as ledger:
        ledger.write(sample(1))
        assert ledger.count() == 1
