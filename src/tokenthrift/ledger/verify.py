"""Whether the rows of a ledger, its sums and its records agree, and an export with them.

Findings are sentences: what is wrong, and where. Nothing is mended.
"""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tokenthrift.ledger.columns import (
    ATTEMPTS,
    CALLS,
    FEEDBACK,
    Row,
    attempt_values,
    call_values,
    feedback_values,
)
from tokenthrift.ledger.files import cell, read_rows
from tokenthrift.ledger.folded import Folded, digest_of
from tokenthrift.ledger.folded_tables import read_folded
from tokenthrift.ledger.record import LedgerRecord
from tokenthrift.ledger.rollups import rollup_findings
from tokenthrift.ledger.schema import (
    ATTEMPT_COLUMNS,
    CALL_COLUMNS,
    SUM_COLUMNS,
    attempt_rows,
    call_row,
    tag_rows,
)
from tokenthrift.ledger.totals import Totals, row_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from tokenthrift.ledger.columns import Table
    from tokenthrift.ledger.export import Export
    from tokenthrift.ledger.reader import LedgerReader

SHOWN: Final = 5
ORPHANS: Final = (
    ("details", "seq", "SELECT seq FROM calls"),
    ("attempts", "call_seq", "SELECT seq FROM calls"),
    ("tags", "call_seq", "SELECT seq FROM calls"),
    ("feedback", "call_id", "SELECT record_id FROM calls"),
)


def ledger_findings(db: sqlite3.Connection) -> Iterator[str]:
    """What is wrong in a ledger file, read in one transaction."""
    problems = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    yield from (f"file: {problem}" for problem in problems)
    for table, column, known in ORPHANS:
        query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} NOT IN ({known})"  # noqa: S608 - constants
        for (lost,) in db.execute(query):
            yield f"{table}: {column} {lost!r} is of no call"
    folded = read_folded(db)
    sums = Totals()
    for finding, record in _record_findings(db, folded):
        if finding:
            yield finding
        if record is not None:
            sums += row_of(record)
    yield from _sum_findings(db, sums)
    yield from rollup_findings(db)
    yield from _gap_findings(db)
    yield from folded_findings(folded)


def verify_export(ledger: LedgerReader, export: Export, until: str | None = None) -> Iterator[str]:
    """Where an export and the ledger it was made of differ, for the days the export has.

    Args:
        ledger: what was exported.
        export: the files.
        until: the last day to look at; a day without any files is found up to there only.
    """
    folded = ledger.folded()
    pruned = set(folded.days("pruned"))
    days = export.days()
    given: dict[str, list[Row]] = {}
    for said in ledger.feedback():
        given.setdefault(said.call_id, []).append(feedback_values(said))
    first, last = (days[0], until or days[-1]) if days else ("", until or "")
    for day in sorted({*days, *(d for d in ledger.days() if first <= d <= last)}):
        sums = folded.where(lambda key, day=day: key.day == day)  # type: ignore[misc]
        if day in pruned and export.files(CALLS, day):
            yield from _archive_findings(ledger, export, day, sums)
            continue
        calls, attempts, feedback = list[Row](), list[Row](), list[Row]()
        for record in ledger.day(day):
            calls.append(call_values(record))
            attempts += attempt_values(record)
            feedback += given.get(record.record_id, [])
        for table, rows, key in (
            (CALLS, calls, ("record_id",)),
            (ATTEMPTS, attempts, ("record_id", "number")),
            (FEEDBACK, feedback, ("call_id", "source")),
        ):
            yield from _shortened(
                f"{day}: {table.name}", _row_findings(export, table, day, rows, key)
            )
        found = export.folded(day)
        if (found.calls, found.charges) != (sums.calls, sums.charges):
            yield f"{day}: folded: the sums of calls without details are not those of the ledger"


def folded_findings(folded: Folded) -> Iterator[str]:
    """Where sums of calls and sums of their charges differ."""
    left: dict[tuple[str, str], tuple[int, int, int]] = {}
    right = dict(left)
    for key, sums in folded.calls.items():
        _count(left, (key.day, key.why), (sums.calls, sums.spent_nanos, sums.net_nanos))
    for charge, cost in folded.charges.items():
        _count(right, (charge.day, charge.why), (cost.calls, cost.cost_nanos, cost.net_nanos))
    for day, why in sorted({*left, *right}):
        if left.get((day, why)) != right.get((day, why)):
            yield f"{day}: {why} calls: their sums and those of their charges differ"


class _Following:
    """Rows in order of a first column, handed out by its value in the same order."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._groups = groupby(rows, key=lambda row: row[0])
        self._next = next(self._groups, None)

    def of(self, seq: int) -> list[tuple[Any, ...]]:
        while self._next is not None and self._next[0] < seq:
            self._next = next(self._groups, None)
        if self._next is None or self._next[0] != seq:
            return []
        return list(self._next[1])


def _record_findings(
    db: sqlite3.Connection, folded: Folded
) -> Iterator[tuple[str, LedgerRecord | None]]:
    """Each record, and what is wrong with its rows."""
    twice = "SELECT record_id FROM calls NOT INDEXED GROUP BY 1 HAVING COUNT(*) > 1"
    for (name,) in db.execute(twice):
        yield f"record {name!r} is there twice", None
    calls = db.execute(
        f"SELECT seq, detail, {', '.join(CALL_COLUMNS)} "  # noqa: S608 - constants
        "FROM calls LEFT JOIN details USING (seq) ORDER BY seq"
    )
    columns = ", ".join(("call_seq", *ATTEMPT_COLUMNS))
    attempts = _Following(db.execute(f"SELECT {columns} FROM attempts ORDER BY call_seq, number"))  # noqa: S608 - constants
    tags = _Following(db.execute("SELECT call_seq, key, value FROM tags ORDER BY 1, 2, 3"))
    for seq, detail, *row in calls:
        where = f"record {row[0]!r}"
        try:
            record = LedgerRecord.model_validate_json(detail or "")
        except ValidationError as exc:
            yield f"{where}: its JSON is damaged: {exc.errors()[0]['msg']}", None
            continue
        wrong = [
            name
            for name, found, wanted in zip(CALL_COLUMNS, row, call_row(record), strict=True)
            if found != wanted
        ]
        if wrong:
            yield f"{where}: columns {', '.join(wrong)} are not what its JSON says", None
        if attempts.of(seq) != attempt_rows(record, seq):
            yield f"{where}: its attempts are not what its JSON says", None
        if tags.of(seq) != sorted(tag_rows(record, seq)):
            yield f"{where}: its tags are not what its JSON says", None
        if digest_of(record.record_id) in folded.gone:
            yield f"{where}: was erased and is here again, so it counts twice", None
        yield "", record


def _sum_findings(db: sqlite3.Connection, sums: Totals) -> Iterator[str]:
    found = {"calls": 0, **dict.fromkeys(SUM_COLUMNS, 0)}
    for values in db.execute(f"SELECT 1, {', '.join(SUM_COLUMNS)} FROM calls"):  # noqa: S608 - constants
        for name, value in zip(found, values, strict=True):
            found[name] += value or 0
    for name, amount in found.items():
        wanted = getattr(sums, name)
        if amount != wanted:
            yield f"sums: {name} is {amount:,} in the rows and {wanted:,} in the records"


def _gap_findings(db: sqlite3.Connection) -> Iterator[str]:
    """Numbers of calls that are missing without having been pruned or erased."""
    known = db.execute("SELECT first, last FROM gaps ORDER BY first").fetchall()
    missing = db.execute(
        "SELECT before + 1, seq - 1 FROM "
        "(SELECT seq, LAG(seq, 1, 0) OVER (ORDER BY seq) AS before FROM calls) "
        "WHERE seq > before + 1"
    )
    for first, last in missing:
        at = first
        for start, end in known:
            if end < at or start > last:
                continue
            if start > at:
                yield _gap(at, start - 1)
            at = max(at, end + 1)
        if at <= last:
            yield _gap(at, last)


def _gap(first: int, last: int) -> str:
    which = f"call {first} is" if first == last else f"calls {first} to {last} are"
    return f"sequence: {which} missing, and were neither pruned nor erased"


def _row_findings(
    export: Export, table: Table, day: str, wanted: Iterable[Row], key: tuple[str, ...]
) -> Iterator[str]:
    """Where the rows of a table differ from those that the ledger would write."""

    def texts(row: Row) -> tuple[str, ...]:
        return tuple(cell(row.get(name), kind) for name, kind in table.columns.items())

    left = {tuple(str(row[n]) for n in key): texts(row) for row in wanted}
    seen: set[tuple[str, ...]] = set()
    for path in export.files(table, day):
        in_file: set[tuple[str, ...]] = set()
        for row in read_rows(path, table):
            name = tuple(str(row.get(n, "")) for n in key)
            what = f"{day}: {table.name}: {' '.join(name)}"
            if name in in_file:
                yield f"{what} is there twice"
            elif name not in left:
                yield f"{what} is not in the ledger"
            elif left[name] != texts(row):
                pairs = zip(table.columns, left[name], texts(row), strict=True)
                differing = ", ".join(column for column, a, b in pairs if a != b)
                yield f"{what} differs from the ledger in {differing}"
            in_file.add(name)
        seen |= in_file
    for name in left:
        if name not in seen:
            yield f"{day}: {table.name}: {' '.join(name)} is missing"


def _shortened(where: str, findings: Iterator[str]) -> Iterator[str]:
    """The first few of many findings of one kind, and how many more there are."""
    yield from islice(findings, SHOWN)
    more = sum(1 for _ in findings)
    if more:
        yield f"{where}: {more:,} more"


def _archive_findings(
    ledger: LedgerReader, export: Export, day: str, sums: Folded
) -> Iterator[str]:
    """Whether the records of a day that was pruned add up to what the ledger has of it.

    Where pruning was cut short, that is sums and records.
    """
    folded = sum(export.folded(day).calls.values(), Totals())
    archived = sum(map(row_of, export.records(day)), folded)
    left = sum(map(row_of, ledger.day(day)), Totals())
    if archived != sum(sums.calls.values(), left):
        yield f"{day}: the records do not add up to the sums that the ledger has of this pruned day"


def _count(
    sums: dict[tuple[str, str], tuple[int, int, int]],
    key: tuple[str, str],
    more: tuple[int, int, int],
) -> None:
    have = sums.get(key, (0, 0, 0))
    sums[key] = (have[0] + more[0], have[1] + more[1], have[2] + more[2])
