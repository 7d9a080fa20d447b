"""Sums that a ledger file keeps of its own calls: at every instant those of the calls."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ledger_record import START, record_lists, sample
from test_ledger_schema import write_version_1
from tokenthrift.ledger import (
    GROUP_KEYS,
    MemoryLedger,
    SQLiteLedger,
    Totals,
    largest_of,
    slots,
    survey,
    totals_of,
)
from tokenthrift.ledger.export import export_ledger
from tokenthrift.ledger.parquet import ParquetLedger
from tokenthrift.ledger.rollups import BATCH_CALLS, LATE_BATCHES, roll_up
from tokenthrift.report import overview

KEYS = (*GROUP_KEYS, "tag:a", "tag:'", "tag:nobody")
DAY_S = 86_400

times = st.none() | st.integers(-30, 100).map(lambda h: START + timedelta(hours=h))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("roll"), st.none()),
        st.tuples(st.just("prune"), st.sampled_from(("2026-03-02", "2026-03-03"))),
        st.tuples(st.just("erase"), st.sampled_from("ab'\"")),
        st.tuples(st.just("forget"), st.integers(0, 7)),
    ),
    max_size=5,
)


def rolled_up(ledger):
    """The same ledger with all its calls in the sums."""
    with ledger._session() as db, db:
        db.execute("BEGIN IMMEDIATE")
        roll_up(db)
    return ledger


def kept(ledger):
    """How many calls are in the sums of the file."""
    return ledger.rows("SELECT COALESCE(SUM(calls), 0) FROM rollup_days")[0][0]


@settings(max_examples=60)
@given(record_lists(), steps, st.integers(0, 8), times)
def test_sums_are_those_of_the_calls_at_every_instant(records, steps, later, since):
    """Whatever is written, added, pruned and erased, in whatever order."""
    with SQLiteLedger(":memory:") as stored, MemoryLedger() as memory:
        for record in records[later:]:
            stored.write(record)
            memory.write(record)
        for what, value in [*steps, ("write", None), ("roll", None)]:
            if what == "roll":
                rolled_up(stored)
            elif what == "write" and not memory.folded().calls:
                for record in records[:later]:
                    stored.write(record)
                    memory.write(record)
            for ledger in (stored, memory):
                if what == "prune":
                    ledger.prune(value)
                elif what == "erase" and records:
                    ledger.erase({value: records[0].tags.get(value, "x")})
                elif what == "forget" and value < len(records) and records[value].session:
                    ledger.erase(session=records[value].session)
            assert stored.totals(since) == memory.totals(since)
            for key in KEYS:
                groups = memory.totals_by(key, since)
                assert stored.totals_by(key, since) == groups
                for most in (1, 3, 9):
                    assert stored.largest(key, most, since) == largest_of(groups, most)
            for step_s in (3_600, DAY_S, 7 * DAY_S):
                assert slots(stored, step_s, since) == slots(memory, step_s, since)
            found, wanted = (survey(ledger, since, short=True) for ledger in (stored, memory))
            assert (found.cells, found.by_session) == (wanted.cells, wanted.by_session)
        assert stored.verify() == []


def test_the_write_that_fills_a_batch_adds_it(tmp_path):
    """Until then calls are read where they are."""
    records = [sample(n, tags={"user": f"u{n % 7}"}) for n in range(BATCH_CALLS + 3)]
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for record in records[: BATCH_CALLS - 1]:
            ledger.write(record)
        assert kept(ledger) == 0
        for record in records[BATCH_CALLS - 1 :]:
            ledger.write(record)
        assert kept(ledger) == BATCH_CALLS
        assert ledger.totals() == totals_of(records)
        assert sum(ledger.totals_by("tag:user").values(), Totals()) == totals_of(records)
        assert ledger.verify() == []


def test_numbers_that_are_given_again_are_counted(tmp_path):
    """After the newest calls were erased, new ones get their numbers, and are in no sum yet."""
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for n in range(4):
            ledger.write(sample(n, session=f"s{n}"))
        rolled_up(ledger).erase(session="s3")
        ledger.write(sample(9, session="s9"))
        assert ledger.totals().calls == 5
        assert set(ledger.totals_by("session")) == {"", "s0", "s1", "s2", "s9"}
        assert ledger.verify() == []


def test_a_file_that_is_far_behind_is_brought_up_to_date(tmp_path):
    """An old file has no such sums; it gets them when it is opened."""
    path = tmp_path / "old.db"
    records = [sample(n) for n in range(LATE_BATCHES * BATCH_CALLS + 1)]
    write_version_1(path, records)
    with SQLiteLedger(path) as ledger:
        assert kept(ledger) == len(records)
        assert ledger.totals() == totals_of(records)


@pytest.mark.parametrize("table", ["rollup_days", "rollup_values", "rollup_cells"])
def test_sums_that_are_not_those_of_the_calls_are_found(tmp_path, table):
    """Verification says which."""
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for n in range(4):
            ledger.write(sample(n))
        assert rolled_up(ledger).verify() == []
    db = sqlite3.connect(tmp_path / "l.db")
    db.execute(f"UPDATE {table} SET net_nanos = net_nanos + 1")
    db.commit()
    db.close()
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        assert ledger.verify() == [f"{table}: its sums are not those of the calls"]


def test_sums_that_need_more_than_64_bits_lose_no_call(tmp_path):
    """A batch that cannot be added stays as calls; writing goes on."""
    savings = {"baseline_nanos": 2**62, "actual_nanos": 0, "net_nanos": 2**62, "unpriced": False}
    parts = {"compression_nanos": 2**62, "routing_nanos": 0, "cache_nanos": 0, "overhead_nanos": 0}
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for n in range(BATCH_CALLS + 1):
            ledger.write(sample(n, attempts=(), savings={**savings, **parts}))
        assert kept(ledger) == 0
        assert ledger.count() == BATCH_CALLS + 1


@settings(max_examples=15)
@given(record_lists(), times)
def test_a_report_of_an_export_is_that_of_the_ledger(tmp_path_factory, records, since):
    """Sums, intervals, the worst calls, rankings: all of it."""
    folder = tmp_path_factory.mktemp("export")
    records = [
        r.model_copy(update={"record_id": f"r{n}"})
        for n, r in enumerate(sorted(records, key=lambda r: r.created_at))
    ]
    with SQLiteLedger(":memory:") as ledger:
        for record in records:
            ledger.write(record)
        if not export_ledger(ledger, folder, "parquet").days:
            return
        with ParquetLedger(folder) as exported:
            for short in (True, False):
                found = overview(exported, "x", since, short=short)
                assert found == overview(ledger, "x", since, short=short)
            for step_s in (3_600, DAY_S):
                asked = (step_s, since, records[0].tags)
                assert slots(exported, *asked) == slots(ledger, *asked)
            for key in KEYS:
                assert exported.largest(key, 2, since) == ledger.largest(key, 2, since)
            for limit in range(len(records) + 2):
                newest = sorted(ledger.records(since), key=lambda r: (r.created_at, r.record_id))
                newest = newest[max(0, len(newest) - limit) :]
                assert list(exported.records(since, limit=limit)) == newest


def test_exports_of_an_earlier_version_have_intervals_too(tmp_path):
    """They do not say which group of sessions a call is in; sessions are dealt out all the same."""
    import duckdb

    records = [sample(n, session=f"s{n // 5}") for n in range(200)]
    with SQLiteLedger(":memory:") as ledger:
        for record in records:
            ledger.write(record)
        export_ledger(ledger, tmp_path, "parquet")
    (path,) = tmp_path.glob("calls/*/calls.parquet")
    old = path.with_name("old.parquet")
    duckdb.sql(f"COPY (SELECT * EXCLUDE part FROM '{path}') TO '{old}'")
    old.replace(path)
    with ParquetLedger(tmp_path) as exported:
        found = survey(exported)
        assert found.by_session
        assert 35 <= len({cell.part for cell in found.cells}) <= 40
        assert sum(cell.net_nanos for cell in found.cells) == totals_of(records).net_nanos
        assert overview(exported, "x").share is not None
