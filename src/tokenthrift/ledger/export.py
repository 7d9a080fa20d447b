"""Exports: a ledger as files by day, and back.

An export is a folder: ``calls/day=2026-11-24/calls.parquet`` and the same for the other tables.
What a file holds depends on nothing but the records of its day, so that exporting again writes the
same bytes over it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.columns import (
    ATTEMPTS,
    CALLS,
    FEEDBACK,
    FOLDED,
    FOLDED_CHARGES,
    GONE,
    TABLES,
    attempt_values,
    call_values,
    feedback_values,
    folded_of,
    folded_values,
)
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.files import TableFile, read_rows
from tokenthrift.ledger.record import LedgerRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tokenthrift.ledger.columns import Row, Table
    from tokenthrift.ledger.files import Format
    from tokenthrift.ledger.folded import Folded
    from tokenthrift.ledger.reader import Ledger

ABOUT: Final = "ledger.json"
VERSION: Final = 1
DAY: Final = "day="


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has written.

    Attributes:
        days: how many days.
        records: how many records.
        archived: days whose calls are sums in the ledger and were left as the folder had them.
    """

    days: int = 0
    records: int = 0
    archived: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has found, and how much of it was new."""

    records: int = 0
    new_records: int = 0
    new_feedback: int = 0


def export_ledger(
    ledger: Ledger,
    folder: Path,
    file_format: Format,
    since: str | None = None,
    until: str | None = None,
) -> Exported:
    """Write the records of whole UTC days; files of days that are not asked for stay.

    A day that was pruned stays as the folder has it, if it has its calls: they are nowhere else.

    Args:
        ledger: what to export.
        folder: made where it is missing.
        file_format: of the files.
        since: the first day; None is the earliest.
        until: the last day; None is the latest.

    Raises:
        LedgerError: the ledger cannot be read, or a file cannot be written.
        MissingExtraError: Parquet is asked for, and the extra is not installed.
    """
    folded = ledger.folded()
    given: dict[str, list[Feedback]] = {}
    for one in ledger.feedback():
        given.setdefault(one.call_id, []).append(one)
    pruned = set(folded.days("pruned"))
    days = [d for d in sorted({*ledger.days(), *folded.days()}) if _inside(d, since, until)]
    records = archived = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _describe(folder)
        with TableFile(folder / GONE.name / f"{GONE.name}.{file_format}", GONE) as file:
            for digest in sorted(folded.gone):
                file.add({"id": digest.hex()})
        for day in days:
            if day in pruned and any(_partition(folder, CALLS, day).glob("calls.*")):
                archived += 1
                continue
            sums = folded.where(lambda key, day=day: key.day == day)  # type: ignore[misc]
            records += _write_day(ledger, folder, file_format, day, given, sums)
    except OSError as exc:
        raise LedgerError(f"{folder}: cannot be written: {exc}") from exc
    return Exported(len(days), records, archived)


class Export:
    """An export that is read: a folder, or one file of calls.

    Raises:
        LedgerError: there is no such folder or file, or no export in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise LedgerError(f"{path}: no such export; check the name")
        if path.is_dir() and not any((path / table.name).is_dir() for table in TABLES):
            names = ", ".join(f"{table.name}/" for table in TABLES)
            raise LedgerError(f"{path}: is no export; one has the folders {names}")

    def days(self) -> list[str]:
        """The days there are files of, in order; of one file the empty string."""
        if not self.path.is_dir():
            return [""]
        found = (
            p for t in TABLES for p in (self.path / t.name).glob(f"{DAY}*") if any(p.iterdir())
        )
        return sorted({p.name.removeprefix(DAY) for p in found})

    def rows(self, table: Table, day: str) -> Iterator[Row]:
        """The rows of a table on a day."""
        for path in self.files(table, day):
            yield from read_rows(path, table)

    def files(self, table: Table, day: str) -> list[Path]:
        """The files of a table on a day."""
        if not self.path.is_dir():
            return [self.path] if table is CALLS else []
        folder = _partition(self.path, table, day)
        return sorted(p for p in folder.glob(f"{table.name}.*") if p.suffix in (".parquet", ".csv"))

    def records(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a day.

        Raises:
            LedgerError: a row holds no record.
        """
        for row in self.rows(CALLS, day):
            yield self.record_of(row)

    def record_of(self, row: Row) -> LedgerRecord:
        """The record of a row of ``calls``.

        Raises:
            LedgerError: there is none in it.
        """
        try:
            return LedgerRecord.model_validate_json(row["record"])
        except KeyError:
            raise LedgerError(f"{self.path}: has no column 'record'; is no file of calls") from None
        except ValidationError as exc:
            name = row.get("record_id")
            raise LedgerError(f"{self.path}: record {name!r} is damaged: {exc}") from exc

    def feedback(self, day: str) -> Iterator[Feedback]:
        """The feedback on the calls of a day."""
        for row in self.rows(FEEDBACK, day):
            yield Feedback.model_validate(row)

    def folded(self, day: str | None = None) -> Folded:
        """The sums of calls whose details are gone; of a day, or of all days with the ids."""
        if day is not None:
            return folded_of(self.rows(FOLDED, day), self.rows(FOLDED_CHARGES, day))
        gone = sorted((self.path / GONE.name).glob(f"{GONE.name}.*"))
        found = folded_of((), (), (row for path in gone for row in read_rows(path, GONE)))
        for one in self.days():
            found += self.folded(one)
        return found


def import_export(export: Export, ledger: Ledger) -> Imported:
    """Write all that an export holds into a ledger; what is there already changes nothing.

    Raises:
        LedgerError: a file cannot be read, or the ledger holds other content under an id, or has
            pruned days that the export has records of.
    """
    before, seen, new_feedback = ledger.count(), 0, 0
    for day in export.days():
        for record in export.records(day):
            ledger(record)
            seen += 1
        for given in export.feedback(day):
            if ledger.get(given.call_id) is not None:  # the call may be erased here
                new_feedback += ledger.write_feedback(given)
    ledger.write_folded(export.folded())
    return Imported(seen, ledger.count() - before, new_feedback)


def _write_day(
    ledger: Ledger,
    folder: Path,
    file_format: Format,
    day: str,
    given: Mapping[str, Sequence[Feedback]],
    sums: Folded,
) -> int:
    """Write the files of a day; how many records it has."""

    def table_file(table: Table) -> TableFile:
        return TableFile(_partition(folder, table, day) / f"{table.name}.{file_format}", table)

    records = 0
    said: list[Feedback] = []
    with table_file(CALLS) as calls, table_file(ATTEMPTS) as attempts:
        for record in ledger.day(day):
            records += 1
            calls.add(call_values(record))
            for attempt in attempt_values(record):
                attempts.add(attempt)
            said += given.get(record.record_id, ())
    with table_file(FEEDBACK) as file:
        for one in sorted(said, key=lambda f: (f.created_at, f.call_id, f.source)):
            file.add(feedback_values(one))
    for table, rows in zip((FOLDED, FOLDED_CHARGES), folded_values(sums), strict=True):
        with table_file(table) as file:
            for row in rows:
                file.add(row)
    return records


def _describe(folder: Path) -> None:
    about = {
        "format": "tokenthrift ledger export",
        "version": VERSION,
        "tables": {table.name: dict(table.columns) for table in TABLES},
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _partition(folder: Path, table: Table, day: str) -> Path:
    return folder / table.name / f"{DAY}{day}"


def _inside(day: str, since: str | None, until: str | None) -> bool:
    return (since is None or day >= since) and (until is None or day <= until)
