"""Exports: every column of a record, the same bytes each time, and back without loss."""

from __future__ import annotations

import csv
import json
import sys

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ledger_record import START, record_lists, sample
from tokenthrift.errors import LedgerError, MissingExtraError
from tokenthrift.ledger import (
    GROUP_KEYS,
    AttemptRecord,
    Feedback,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
)
from tokenthrift.ledger.columns import APART, ATTEMPTS, CALLS
from tokenthrift.ledger.export import Export, export_ledger, import_export

FORMATS = ("parquet", "csv")


def files(folder):
    """Every file of a folder with its bytes."""
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def day_of(record):
    """The UTC day of a record."""
    return record.created_at.date().isoformat()


def filled(records, said=()):
    """A ledger of records, with feedback on some of them."""
    ledger = MemoryLedger()
    for record in records:
        ledger.write(record)
    for given_ in said:
        ledger.write_feedback(given_)
    return ledger


def said_of(record, outcome=0.5, **more):
    """Feedback on a record."""
    about = {"call_id": record.record_id, "created_at": START, "outcome": outcome}
    return Feedback(**{**about, **more})


def everything(ledger):
    """All that a ledger holds, in an order that does not depend on that of writing."""
    return (
        sorted(r.model_dump_json() for r in ledger.records()),
        sorted(f.model_dump_json() for f in ledger.feedback()),
        ledger.folded(),
        ledger.totals(),
    )


@settings(max_examples=25)
@given(record_lists(), st.sampled_from(FORMATS), st.data())
def test_what_is_exported_comes_back(tmp_path_factory, records, file_format, data):
    """Export and import give the same records byte for byte, the same feedback and sums."""
    folder = tmp_path_factory.mktemp("export")
    rated = data.draw(st.lists(st.sampled_from(records), unique_by=id)) if records else []
    ledger = filled(records, [said_of(r, value=0.1) for r in rated])
    if data.draw(st.booleans()):
        ledger.prune("2026-03-02")
    if data.draw(st.booleans()):
        ledger.erase(
            {"a": data.draw(st.sampled_from([r.tags.get("a", "?") for r in records] or ["?"]))}
        )
    done = export_ledger(ledger, folder, file_format)
    assert done.records == ledger.count()
    if not done.days:
        return
    for made in (MemoryLedger(), SQLiteLedger(":memory:")):
        with made:
            for _ in range(2):
                import_export(Export(folder), made)
                assert everything(made) == everything(ledger)
            for key in (*GROUP_KEYS, "tag:a"):
                assert made.totals_by(key) == ledger.totals_by(key)


@pytest.mark.parametrize("file_format", FORMATS)
def test_exporting_again_writes_the_same_bytes(tmp_path, file_format):
    """Neither the order of writing nor an earlier export changes a file."""
    records = [sample(n * 5_000) for n in range(40)]
    said = [said_of(r) for r in records[::3]]
    export_ledger(filled(records, said), tmp_path / "a", file_format)
    first = files(tmp_path / "a")
    export_ledger(filled(records[::-1], said[::-1]), tmp_path / "a", file_format)
    assert files(tmp_path / "a") == first
    days = {day_of(r) for r in records}
    assert {f"calls/day={d}/calls.{file_format}" for d in days} < set(first)


def test_only_the_days_asked_for_are_written(tmp_path):
    """Days are whole, and those of earlier exports stay."""
    records = [sample(n * 20_000) for n in range(20)]
    ledger = filled(records)
    export_ledger(ledger, tmp_path, "csv", "2026-03-02", "2026-03-03")
    assert Export(tmp_path).days() == ["2026-03-02", "2026-03-03"]
    export_ledger(ledger, tmp_path, "csv", "2026-03-05")
    found = [r for d in Export(tmp_path).days() for r in Export(tmp_path).records(d)]
    assert found == [r for r in records if day_of(r) not in ("2026-03-01", "2026-03-04")]


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_was_erased_leaves_the_files_of_its_day(tmp_path, file_format):
    """After an erasure the files are written without the calls, with what stays of them."""
    ledger = filled([sample(n) for n in range(4)])
    export_ledger(ledger, tmp_path, file_format)
    ledger.erase({"team": "search"})
    export_ledger(ledger, tmp_path, file_format)
    assert [r.record_id for r in Export(tmp_path).records("2026-03-01")] == [
        "call-000001",
        "call-000003",
    ]
    ledger.erase({"team": "support"})
    export_ledger(ledger, tmp_path, file_format)
    assert not list(tmp_path.rglob("calls.*"))
    assert b"support" not in b"".join(files(tmp_path).values())
    assert Export(tmp_path).folded() == ledger.folded()


def test_the_days_of_a_pruned_ledger_stay_in_the_export(tmp_path):
    """What is nowhere else is never written over: the archive of pruned days."""
    records = [sample(n * 30_000) for n in range(8)]
    ledger = filled(records)
    export_ledger(ledger, tmp_path, "parquet")
    before = files(tmp_path)
    ledger.prune("2026-03-03")
    assert export_ledger(ledger, tmp_path, "parquet").archived == 2
    assert files(tmp_path) == before
    fresh = filled([])
    import_export(Export(tmp_path), fresh)
    assert fresh.totals() == ledger.totals()
    assert list(fresh.records()) == records


def test_every_field_of_a_record_is_a_column(tmp_path):
    """Fields are columns under their names, with exact integers and times; structure is JSON."""
    fields = {*LedgerRecord.model_fields, *SavingsRecord.model_fields} - set(APART)
    assert fields < set(CALLS.columns)
    assert set(AttemptRecord.model_fields) < set(ATTEMPTS.columns)
    export_ledger(filled([sample(3)]), tmp_path, "parquet")
    read = pyarrow.parquet.ParquetFile
    with read(tmp_path / "calls/day=2026-03-01/calls.parquet") as file:
        types = {f.name: str(f.type) for f in file.schema_arrow}
        (row,) = file.read().to_pylist()
    assert {str(v) for k, v in types.items() if k.endswith(("_nanos", "_tokens"))} == {"int64"}
    assert types["created_at"] == "timestamp[us, tz=UTC]"
    record = sample(3)
    assert row["created_at"] == record.created_at
    assert row["net_nanos"] == record.savings.net_nanos
    assert row["tags"] == list(record.tags.items())
    assert json.loads(row["steps"]) == [s.model_dump() for s in record.steps]
    assert row["record"] == record.model_dump_json()
    with read(tmp_path / "attempts/day=2026-03-01/attempts.parquet") as file:
        rows = file.read().to_pylist()
    assert [r["cost_nanos"] for r in rows] == [a.cost_nanos for a in record.attempts]
    assert [json.loads(r["raw_usage"]) for r in rows] == [a.raw_usage for a in record.attempts]


def test_csv_is_plain(tmp_path):
    """A head, empty cells for what is unknown, words for yes and no, JSON for tags."""
    export_ledger(filled([sample(1, savings=SavingsRecord(), session=None)]), tmp_path, "csv")
    with (tmp_path / "calls/day=2026-03-01/calls.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == list(CALLS.columns)
    wanted = {"net_nanos": "", "session": "", "holdout": "false", "tags": '{"team":"support"}'}
    assert {k: row[k] for k in wanted} == wanted
    assert row["created_at"] == "2026-03-01T00:00:01.000000Z"


def test_one_file_of_calls_can_be_imported(tmp_path):
    """A file by itself gives its records."""
    export_ledger(filled([sample(1)]), tmp_path, "csv")
    ledger = MemoryLedger()
    import_export(Export(tmp_path / "calls/day=2026-03-01/calls.csv"), ledger)
    assert list(ledger.records()) == [sample(1)]


def test_an_import_never_counts_twice(tmp_path):
    """Old exports of calls that were pruned or erased, and sums beside their calls, are refused."""
    records = [sample(n * 30_000) for n in range(8)]
    export_ledger(filled(records), tmp_path / "old", "csv")
    erased = filled(records)
    erased.erase({"team": "search"})
    totals = erased.totals()
    import_export(Export(tmp_path / "old"), erased)
    assert erased.totals() == totals
    pruned = filled(records)
    pruned.prune("2026-03-02")
    with pytest.raises(LedgerError, match=r"calls up to 2026-03-01 were pruned"):
        import_export(Export(tmp_path / "old"), pruned)
    assert pruned.totals() == totals
    for ledger, problem in ((erased, "which was erased"), (pruned, "the pruned calls of that day")):
        export_ledger(ledger, tmp_path / problem, "csv")
        other = filled(records)
        with pytest.raises(LedgerError, match=problem):
            import_export(Export(tmp_path / problem), other)
        assert other.totals() == totals


def test_what_is_no_export_is_an_error(tmp_path):
    """The error names the place, and says what is wrong."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "bad.parquet").write_text("no parquet")
    for name, problem in (
        ("nowhere", "no such export"),
        ("empty", "is no export"),
        ("notes.csv", "no column 'record'"),
        ("bad.parquet", "cannot be read"),
    ):
        with pytest.raises(LedgerError, match=problem):
            import_export(Export(tmp_path / name), MemoryLedger())


def test_a_failed_export_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    """A file is replaced when the new one is complete."""
    ledger = filled([sample(1)])
    export_ledger(ledger, tmp_path, "csv")
    before = files(tmp_path)
    ledger.write(sample(2))
    broken = ledger.day("2026-03-01")

    def fails(_day):
        yield next(broken)
        raise LedgerError("the disk is gone")

    monkeypatch.setattr(ledger, "day", fails)
    with pytest.raises(LedgerError, match="the disk is gone"):
        export_ledger(ledger, tmp_path, "csv")
    assert files(tmp_path) == before


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    """Without pyarrow the error says what to install; CSV needs nothing."""
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    export_ledger(filled([sample(1)]), tmp_path / "csv", "csv")
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[parquet\]"):
        export_ledger(filled([sample(1)]), tmp_path / "parquet", "parquet")
