"""Reports over exported Parquet say what the ledger says, to the nano-dollar."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ledger_export import filled, said_of
from test_ledger_record import START, record_lists, sample
from tokenthrift.errors import LedgerError, MissingExtraError
from tokenthrift.ledger import (
    GROUP_KEYS,
    DecisionRecord,
    ParquetLedger,
    SQLiteLedger,
    Totals,
    open_reader,
    totals_of,
)
from tokenthrift.ledger.export import export_ledger
from tokenthrift.report import plan_latencies
from tokenthrift.report.worth import worth_of

ROOT = Path(__file__).parents[1]

filters = st.fixed_dictionaries(
    {
        "since": st.none() | st.integers(0, 72).map(lambda h: START + timedelta(hours=h)),
        "tags": st.none() | st.dictionaries(st.sampled_from("ab'\""), st.sampled_from("xy0")),
    }
)


@settings(max_examples=40)
@given(record_lists(), filters, st.booleans(), st.data())
def test_sums_equal_those_of_the_ledger(tmp_path_factory, records, chosen, pruned, data):
    """Totals and all groups are the same as SQLite's, whatever is asked, pruned and erased."""
    buckets = st.none() | st.sampled_from(["simple", "expert"])
    records = [
        r.model_copy(update={"decision": b and DecisionRecord(complexity_bucket=b)})
        for r in records
        for b in [data.draw(buckets)]
    ]
    if records and data.draw(st.booleans()):
        chosen = {**chosen, "tags": data.draw(st.sampled_from(records)).tags}
    folder = tmp_path_factory.mktemp("export")
    with SQLiteLedger(":memory:") as ledger:
        for record in records:
            ledger.write(record)
        if pruned:
            ledger.prune("2026-03-02")
            ledger.erase({"b": "x"})
        if not export_ledger(ledger, folder, "parquet").days:
            return
        with open_reader(folder) as kept:
            assert isinstance(kept, ParquetLedger)
            assert kept.totals(**chosen) == ledger.totals(**chosen)
            for key in (*GROUP_KEYS, "tag:a", "tag:'", 'tag:"', "tag:nobody"):
                assert kept.totals_by(key, **chosen) == ledger.totals_by(key, **chosen)
            by_id = sorted(ledger.records(**chosen), key=lambda r: (r.created_at, r.record_id))
            assert list(kept.records(**chosen)) == by_id
            assert kept.days() == ledger.days()
            assert kept.count() == ledger.count()
            for day in kept.days():
                assert list(kept.day(day)) == list(ledger.day(day))


def test_sums_beyond_64_bits_are_exact(tmp_path):
    """DuckDB adds with 128 bits, and so a sum is what it is."""
    parts = {"compression_nanos": 2**62, "routing_nanos": 0, "cache_nanos": 0, "overhead_nanos": 0}
    records = [
        sample(
            n,
            attempts=(),
            savings={
                **parts,
                "baseline_nanos": 2**62,
                "actual_nanos": 0,
                "net_nanos": 2**62,
                "unpriced": False,
            },
        )
        for n in range(5)
    ]
    export_ledger(filled(records), tmp_path, "parquet")
    with open_reader(tmp_path) as kept:
        assert kept.totals() == totals_of(records)
        assert kept.totals().net_nanos == 5 * 2**62


def test_latencies_and_feedback_are_those_of_the_ledger(tmp_path):
    """The whole report is the same, not only its sums."""
    records = [sample(n * 9_000, plan_ms=float(n)) for n in range(30)]
    ledger = filled(records, [said_of(r, 1, value=2.5) for r in records[::4]])
    export_ledger(ledger, tmp_path, "parquet")
    with open_reader(tmp_path) as kept:
        assert plan_latencies(kept) == plan_latencies(ledger)
        assert worth_of(kept) == worth_of(ledger)
        assert kept.get("call-009000") == records[1]
        assert kept.get("nothing") is None
        assert list(kept.records(limit=3)) == records[-3:]
        assert sorted(kept.plan_times(limit=3)) == [27.0, 28.0, 29.0]


def test_several_exports_and_single_files_can_be_named(tmp_path):
    """A pattern of folders, a pattern of files, and one file."""
    records = [sample(n * 30_000) for n in range(8)]
    export_ledger(filled(records[:4]), tmp_path / "a", "parquet")
    export_ledger(filled(records[4:]), tmp_path / "b", "parquet")
    for where, wanted in (
        (tmp_path / "*", records),
        (tmp_path / "a", records[:4]),
        (tmp_path / "a/calls/*/*.parquet", records[:4]),
        (tmp_path / "b/calls/day=2026-03-03/calls.parquet", records[6:]),
    ):
        with open_reader(where) as kept:
            assert kept.totals() == totals_of(wanted)
            assert sum(kept.totals_by("day").values(), Totals()) == totals_of(wanted)


def test_what_cannot_be_read_is_an_error(tmp_path):
    """The error names the place, and says what to do."""
    export_ledger(filled([sample(1)]), tmp_path / "csv", "csv")
    (tmp_path / "bad.parquet").write_text("no parquet")
    for name, problem in (
        ("no*where", "no such export"),
        ("csv", "export again with --format parquet"),
        ("bad.parquet", "bad.parquet"),
    ):
        with pytest.raises(LedgerError, match=problem), open_reader(tmp_path / name) as kept:
            kept.totals()


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    """Without DuckDB the error says what to install."""
    export_ledger(filled([sample(1)]), tmp_path, "parquet")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[parquet\]"):
        open_reader(tmp_path)


def test_the_benchmark_runs_small():
    """The script that measures the bars works, and its reports add up to what it made."""
    program = (
        "import sys, tempfile; from pathlib import Path; sys.path.insert(0, 'benchmarks')\n"
        "import ledger\n"
        "ledger.COMMANDS, ledger.DAYS = (), 3\n"
        "folder = Path(tempfile.mkdtemp())\n"
        "assert set(ledger.writes(folder / 'w.db', 20)) == {'p50_ms', 'p95_ms', 'p99_ms'}\n"
        "ledger.fill(folder / 'many.db', 120)\n"
        "assert ledger.SQLiteLedger(folder / 'many.db').verify() == []\n"
        "ledger.fill_parquet(folder / 'export', 300)\n"
        "for name, calls in (('many.db', 120), ('export', 300)):\n"
        "    assert len(ledger.reports(folder / name, calls, 1)) == len(ledger.GROUPS)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True)
