"""The SQLite ledger, and that the one in memory behaves the same."""

from __future__ import annotations

import sqlite3
import threading
from datetime import datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ledger_record import START, record_lists, sample
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import (
    GROUP_KEYS,
    AttemptRecord,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
    open_ledger,
    totals_by,
    totals_of,
)
from tokenthrift.tokens import Correction


@pytest.fixture(params=["memory", "sqlite-memory", "sqlite-file"])
def ledger(request, tmp_path):
    """An empty ledger of each kind."""
    made = {
        "memory": MemoryLedger,
        "sqlite-memory": lambda: SQLiteLedger(":memory:"),
        "sqlite-file": lambda: SQLiteLedger(tmp_path / "ledger.db"),
    }[request.param]()
    with made:
        yield made


def raw(path, sql):
    """What plain SQLite says about a file."""
    db = sqlite3.connect(path)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


# ---------------------------------------------------------------------------- what every kind does
def test_records_come_back_as_they_were_written(ledger):
    """Records are read in order of writing, equal to what was written, and found by id."""
    written = [sample(n) for n in (3, 1, 2)]
    for record in written:
        ledger(record)
    assert list(ledger.records()) == written
    assert ledger.count() == 3
    assert ledger.get("call-000001") == sample(1)
    assert ledger.get("nothing") is None


def test_writing_again_changes_nothing(ledger):
    """The same record twice is one record; another one under its id is refused."""
    for _ in range(3):
        ledger.write(sample(1))
    assert ledger.count() == 1
    with pytest.raises(LedgerError, match="'call-000001' exists with other content"):
        ledger.write(sample(1, total_ms=1.0))
    ledger.write(sample(2))
    assert list(ledger.records()) == [sample(1), sample(2)]


def test_correction_sums_what_providers_reported(ledger):
    """Only attempts that were counted by us and reported by the provider teach a correction."""
    for n in range(3):
        ledger.write(sample(n))
    estimated = AttemptRecord(
        model="large", number=1, status="ok", counted_tokens=9, input_tokens=5, estimated=True
    )
    uncounted = AttemptRecord(model="large", number=2, status="ok", input_tokens=5)
    ledger.write(sample(3, attempts=(estimated, uncounted), savings=SavingsRecord()))
    assert ledger.correction("large") == Correction(3_000, 3_300, 3)
    assert ledger.correction("large").ratio == pytest.approx(1.1)
    assert ledger.correction("unheard-of") == Correction()


def test_filters_are_checked(ledger):
    """Times without an offset, negative limits and unknown keys are refused at the call."""
    with pytest.raises(ValueError, match="no offset"):
        ledger.records(since=datetime(2026, 3, 1))  # noqa: DTZ001 - the fault under test
    with pytest.raises(ValueError, match="limit is -1"):
        ledger.records(limit=-1)
    with pytest.raises(ValueError, match="known keys"):
        ledger.totals_by("1; DROP TABLE calls")


def test_money_beyond_a_float_is_exact(ledger):
    """Amounts and sums above 2**53 lose nothing."""
    amount = 2**53 + 1
    for n in range(3):
        ledger.write(
            sample(
                n,
                attempts=(AttemptRecord(model="m", number=1, status="ok", cost_nanos=amount),),
                savings=SavingsRecord(
                    baseline_nanos=0,
                    actual_nanos=amount,
                    compression_nanos=0,
                    routing_nanos=0,
                    cache_nanos=-amount,
                    overhead_nanos=0,
                    net_nanos=-amount,
                    unpriced=False,
                ),
            )
        )
    assert ledger.totals().actual_nanos == 3 * amount
    assert ledger.totals().net_nanos == -3 * amount
    assert [r.savings.actual_nanos for r in ledger.records()] == [amount] * 3


def test_threads_write_at_once(ledger):
    """Eight threads, some of them writing the same records, leave each record once."""
    shared = [sample(n) for n in range(40)]
    threads = [threading.Thread(target=lambda: [ledger.write(r) for r in shared]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.record_id for r in ledger.records()) == [r.record_id for r in shared]
    assert ledger.totals() == totals_of(shared)


filters = st.fixed_dictionaries(
    {
        "since": st.none() | st.integers(0, 72).map(lambda h: START + timedelta(hours=h)),
        "tags": st.none() | st.dictionaries(st.sampled_from("ab'\""), st.sampled_from("xy0")),
    }
)


@settings(max_examples=60)
@given(record_lists(), filters, st.none() | st.integers(0, 9))
def test_agrees_with_the_records(records, chosen, limit):
    """Totals, groups and filtered reads of both stores equal plain sums over the records."""
    since, tags = chosen["since"], chosen["tags"] or {}
    expected = [
        r
        for r in records
        if (since is None or r.created_at >= since)
        and all(r.tags.get(k) == v for k, v in tags.items())
    ]
    tail = expected if limit is None else expected[len(expected) - min(limit, len(expected)) :]
    with SQLiteLedger(":memory:") as sqlite, MemoryLedger() as memory:
        for store in (sqlite, memory):
            for record in records:
                store.write(record)
            assert list(store.records(**chosen, limit=limit)) == tail
            assert store.totals(**chosen) == totals_of(expected)
            for key in GROUP_KEYS:
                assert store.totals_by(key, **chosen) == totals_by(expected, key)


# ---------------------------------------------------------------------------- what only a file does
def test_reading_is_a_snapshot_in_pages(tmp_path):
    """A long read sees the ledger as it was at its start, while writing goes on beside it."""
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for n in range(450):
            ledger.write(sample(n))
        reading = ledger.records()
        first = list(islice(reading, 10))
        ledger.write(sample(999))
        assert [r.record_id for r in (*first, *reading)] == [f"call-{n:06d}" for n in range(450)]
        assert [r.record_id for r in ledger.records(limit=1)] == ["call-000999"]
        assert len(list(ledger.records(limit=420))) == 420


def test_reopening_keeps_everything(tmp_path):
    """A closed file is complete in one piece, and opens again with all records."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger:
        ledger.write(sample(1))
        ledger.close()
    assert [p.name for p in tmp_path.iterdir()] == ["l.db"]
    with SQLiteLedger(str(path)) as ledger:
        assert list(ledger.records()) == [sample(1)]
    with pytest.raises(LedgerError, match="is closed"):
        ledger.write(sample(2))


def test_a_commit_reaches_the_file_before_write_returns(tmp_path):
    """Another connection sees each record at once; the log mode is write-ahead."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger:
        for n in range(3):
            ledger.write(sample(n))
            assert raw(path, "SELECT COUNT(*) FROM calls") == [(n + 1,)]
        assert raw(path, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(("power_safe", "synchronous"), [(False, 1), (True, 2)])
def test_power_safety_is_a_choice(tmp_path, power_safe, synchronous):
    """By default commits wait for the operating system only; power_safe waits for the disk."""
    with SQLiteLedger(tmp_path / "l.db", power_safe=power_safe) as ledger:
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (synchronous,)


def test_plain_sql_reports_are_possible(tmp_path):
    """Money and tokens are integer columns, NULL where there is no price; tags are rows."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger:
        ledger.write(sample(0))
        ledger.write(sample(1, savings=SavingsRecord()))
        spent = raw(path, "SELECT model, SUM(cost_nanos) FROM attempts GROUP BY 1 ORDER BY 1")
        assert spent == [("large", 90_000), ("small", 2_401)]
        assert raw(path, "SELECT net_nanos, typeof(spent_nanos) FROM calls ORDER BY seq") == [
            (sample(0).savings.net_nanos, "integer"),
            (None, "integer"),
        ]
        assert raw(path, "SELECT key, value FROM tags ORDER BY call_seq") == [
            ("team", "search"),
            ("team", "support"),
        ]


def test_a_locked_file_is_an_error_in_time(tmp_path):
    """A writer that holds the lock for too long makes an error that says what to do."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path, busy_timeout_ms=20) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"locked; another process .* busy_timeout_ms"):
            ledger.write(sample(1))
        other.execute("COMMIT")
        other.close()
        ledger.write(sample(1))
        assert ledger.count() == 1


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    """When the second half of a record cannot be written, the first half is taken back."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger:
        raw(path, "DROP TABLE attempts")
        with pytest.raises(LedgerError, match=r"l\.db: no such table: attempts"):
            ledger.write(sample(1))
        assert ledger.count() == 0


def test_sums_beyond_64_bits_are_an_error_not_a_guess():
    """A total that the database cannot hold exactly is refused."""
    with SQLiteLedger(":memory:") as ledger:
        for n in range(3):
            attempt = AttemptRecord(model="m", number=1, status="ok", cost_nanos=2**62)
            ledger.write(sample(n, attempts=(attempt,), savings=SavingsRecord()))
        with pytest.raises(LedgerError, match="integer overflow"):
            ledger.totals()


def test_a_damaged_record_is_named(tmp_path):
    """A record that was tampered with is reported by file and id."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger:
        ledger.write(sample(1))
        db = sqlite3.connect(path)
        db.execute("UPDATE details SET detail = '{}'")
        db.commit()
        db.close()
        with pytest.raises(LedgerError, match=r"l\.db: record 'call-000001' is damaged"):
            list(ledger.records())


def test_paths_that_cannot_be_a_ledger_are_refused(tmp_path):
    """Missing folders, folders, missing files and foreign files each get their own words."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and long enough to be looked at by anyone who reads it")
    for path, create, problem in (
        (tmp_path / "no" / "l.db", True, "does not exist; create it first"),
        (tmp_path, True, "is a folder"),
        (tmp_path / "typo.db", False, "no such ledger"),
        (text, True, "not a database; name another file"),
    ):
        with pytest.raises(LedgerError, match=problem):
            SQLiteLedger(path, create=create)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt"]


def test_open_ledger_understands_paths_and_addresses(tmp_path, monkeypatch):
    """Paths, sqlite addresses and ':memory:' open; anything else says what is possible."""
    monkeypatch.chdir(tmp_path)
    for where, path in (
        (":memory:", ":memory:"),
        ("sqlite://", ":memory:"),
        ("a.db", str(tmp_path / "a.db")),
        ("sqlite:///b.db", str(tmp_path / "b.db")),
        (f"sqlite:///{tmp_path}/c%d.db", str(tmp_path / "c%d.db")),
        (tmp_path / "d #?.db", str(tmp_path / "d #?.db")),
    ):
        with open_ledger(where) as ledger:
            assert ledger.path == path
            ledger.write(sample(1))
    assert {p.name for p in tmp_path.iterdir()} == {"a.db", "b.db", "c%d.db", "d #?.db"}
    for where, problem in (
        ("", "path is empty"),
        ("postgresql://host/db", "unknown kind of ledger"),
        ("sqlite://a.db", "write sqlite:///relative.db"),
    ):
        with pytest.raises(LedgerError, match=problem):
            open_ledger(where)
    with pytest.raises(LedgerError, match="no such ledger"):
        open_ledger("e.db", create=False)
