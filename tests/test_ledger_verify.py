"""Verification: a sound ledger has no findings, and each kind of damage has its own."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings

from test_ledger_export import said_of
from test_ledger_record import record_lists, sample
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import SQLiteLedger, retention
from tokenthrift.ledger.export import Export, export_ledger
from tokenthrift.ledger.verify import verify_export


@pytest.fixture
def path(tmp_path):
    """A ledger of six calls with feedback."""
    made = tmp_path / "l.db"
    with SQLiteLedger(made) as ledger:
        for n in range(6):
            ledger.write(sample(n * 40_000))
            ledger.write_feedback(said_of(sample(n * 40_000)))
    return made


def found(path, *statements):
    """What is found after somebody wrote into the file."""
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()
    with SQLiteLedger(path) as ledger:
        return ledger.verify()


@settings(max_examples=30)
@given(record_lists())
def test_a_sound_ledger_has_no_findings(records):
    """Whatever was written, rows and records agree."""
    with SQLiteLedger(":memory:") as ledger:
        for record in records:
            ledger.write(record)
        assert ledger.verify() == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE calls SET net_nanos = net_nanos + 1 WHERE seq = 2", "columns net_nanos are not"),
        ("UPDATE calls SET net_nanos = net_nanos + 1 WHERE seq = 2", "sums: net_nanos is"),
        ("UPDATE calls SET policy = 'x' WHERE seq = 3", "'call-080000': columns policy are not"),
        ("UPDATE attempts SET cost_nanos = 1 WHERE call_seq = 1", "its attempts are not"),
        ("DELETE FROM attempts WHERE call_seq = 1 AND number = 2", "its attempts are not"),
        ("DELETE FROM tags WHERE call_seq = 1", "its tags are not"),
        ("UPDATE details SET detail = '{}' WHERE seq = 1", "its JSON is damaged"),
        ("DELETE FROM details WHERE seq = 1", "its JSON is damaged"),
        ("DELETE FROM calls WHERE seq = 2", "sequence: call 2 is missing"),
        ("DELETE FROM calls WHERE seq IN (2, 3)", "sequence: calls 2 to 3 are missing"),
        ("DELETE FROM calls WHERE seq = 6", "feedback: call_id 'call-200000' is of no call"),
        ("DELETE FROM calls WHERE seq = 6", "attempts: call_seq 6 is of no call"),
        ("INSERT INTO tags VALUES ('a', 'b', 99)", "tags: call_seq 99 is of no call"),
        (
            "INSERT INTO folded_charges SELECT 'pruned', '2026-01-01', 'm', '', '{}', 1"
            + ", 0" * 20,
            "2026-01-01: pruned calls: their sums and those of their charges differ",
        ),
    ],
)
def test_each_kind_of_damage_is_found(path, statement, finding):
    """The finding says what is wrong and where."""
    assert any(finding in one for one in found(path, statement)), found(path)


def test_doubles_are_found(path):
    """A record that is there twice, and one that is in sums and here."""
    twice = (
        "CREATE TABLE copy AS SELECT * FROM calls",
        "DROP TABLE calls",
        "ALTER TABLE copy RENAME TO calls",
        "INSERT INTO calls SELECT * FROM calls WHERE seq = 6",
        "UPDATE calls SET seq = 7 WHERE rowid = 7",
        "INSERT INTO details SELECT 7, detail FROM details WHERE seq = 6",
    )
    assert "record 'call-200000' is there twice" in found(path, *twice)


def test_erased_calls_that_are_here_again_are_found(path):
    """What was erased and was put back behind our back counts twice."""
    with SQLiteLedger(path) as ledger:
        ledger.erase({"team": "search"})
        assert ledger.verify() == []
        with ledger._session() as db:
            db.execute("CREATE TABLE hidden AS SELECT * FROM gone")
            db.execute("DELETE FROM gone")
        ledger.write(sample(0))
        with ledger._session() as db:
            db.execute("INSERT INTO gone SELECT * FROM hidden")
        assert ledger.verify() == [
            "record 'call-000000': was erased and is here again, so it counts twice"
        ]


def test_pruning_that_was_cut_short_is_sound(path, tmp_path, monkeypatch):
    """Calls that are not sums yet are calls: nothing is found, also against the archive."""
    folder = tmp_path / "export"
    with SQLiteLedger(path) as ledger:
        totals = ledger.totals()
        export_ledger(ledger, folder, "csv")
        monkeypatch.setattr(retention, "CHUNK_CALLS", 1)
        monkeypatch.setattr(retention, "delete_calls", fails_the_third_time(retention.delete_calls))
        with pytest.raises(LedgerError, match="no power"):
            ledger.prune("2026-03-02")
        assert ledger.count() == 4
        assert ledger.folded().days() == ["2026-03-01"]
        assert ledger.totals() == totals
        assert ledger.verify() == list(verify_export(ledger, Export(folder))) == []
        assert ledger.prune("2026-03-02") == 1
        assert ledger.totals() == totals


def fails_the_third_time(work):
    """Work that is cut short."""
    calls = []

    def cut(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise LedgerError("no power")
        work(*arguments)

    return cut


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_an_export_is_compared_row_by_row(path, tmp_path, file_format):
    """Missing, other, changed and doubled rows are named, and a sound export has no findings."""
    folder = tmp_path / "export"
    with SQLiteLedger(path) as ledger:
        export_ledger(ledger, folder, file_format)
        assert list(verify_export(ledger, Export(folder))) == []
        ledger.write(sample(1))
        ledger.write_feedback(said_of(sample(0), source="other"))
        problems = list(verify_export(ledger, Export(folder)))
        assert "2026-03-01: calls: call-000001 is missing" in problems
        assert "2026-03-01: attempts: call-000001 2 is missing" in problems
        assert "2026-03-01: feedback: call-000000 other is missing" in problems
        ledger.erase({"team": "search"})
        problems = list(verify_export(ledger, Export(folder)))
        assert "2026-03-01: calls: call-000000 is not in the ledger" in problems
        assert any(p.startswith("2026-03-01: folded: the sums") for p in problems)


def test_a_changed_cell_and_a_doubled_line_are_found(path, tmp_path):
    """What somebody edited in a file is found by its column."""
    folder = tmp_path / "export"
    with SQLiteLedger(path) as ledger:
        export_ledger(ledger, folder, "csv")
        file = folder / "attempts/day=2026-03-01/attempts.csv"
        head, first, *rest = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join((head, first.replace(b",1200,", b",1201,"), *rest, rest[-1])))
        assert list(verify_export(ledger, Export(folder))) == [
            "2026-03-01: attempts: call-000000 1 differs from the ledger in cost_nanos",
            "2026-03-01: attempts: call-080000 2 is there twice",
        ]


def test_an_archive_is_compared_by_its_sums(path, tmp_path):
    """The records of pruned days must add up to the sums that the ledger has."""
    folder = tmp_path / "export"
    with SQLiteLedger(path) as ledger:
        export_ledger(ledger, folder, "csv")
        ledger.prune("2026-03-02")
        assert list(verify_export(ledger, Export(folder))) == []
        file = folder / "calls/day=2026-03-01/calls.csv"
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
        (problem,) = verify_export(ledger, Export(folder))
        assert problem.startswith("2026-03-01: the records do not add up")
