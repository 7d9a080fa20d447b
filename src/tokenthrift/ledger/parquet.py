"""Reports over exported Parquet files: added up by DuckDB, exactly, without loading them.

The files are never changed. Needs the extra ``parquet``.
"""

from __future__ import annotations

import os
import re
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

from tokenthrift.errors import LedgerError, MissingExtraError
from tokenthrift.ledger.columns import CALLS, FEEDBACK
from tokenthrift.ledger.export import DAY, Export
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.files import read_rows
from tokenthrift.ledger.folded import Folded
from tokenthrift.ledger.memory import check_limit
from tokenthrift.ledger.record import LedgerRecord, as_utc
from tokenthrift.ledger.schema import PRICED_COLUMNS, SUM_COLUMNS, microseconds
from tokenthrift.ledger.totals import TAG, GroupKey, Totals, added, check_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

SUFFIX: Final = ".parquet"
PAGE_RECORDS: Final = 1_000
_DAY_OF: Final = re.compile(rf"{DAY}(\d{{4}}-\d\d-\d\d)")
_TAG: Final = "list_extract(map_extract(tags, ?), 1)"
_GROUPS: Final = {
    "day": "strftime(make_timestamp(epoch_us(created_at)), '%Y-%m-%d')",
    "holdout": "CASE WHEN holdout THEN 'holdout' ELSE '' END",
}


def _sum(name: str) -> str:
    # Of a call without net savings, one side may be known: it is in no sum.
    known = " FILTER (net_nanos IS NOT NULL)" if name in PRICED_COLUMNS else ""
    return f"SUM({name}){known}"


_SUMS: Final = ", ".join(["COUNT(*)", *map(_sum, SUM_COLUMNS)])


class ParquetLedger:
    """Exports that are read like a ledger: folders, or files of calls.

    Args:
        where: a folder that `ledger export` wrote, a file of calls, or a pattern of either, such as
            ``exports/*`` or ``calls/day=2026-11-*/*.parquet``.

    Raises:
        LedgerError: nothing is there, or a file is no export.
        MissingExtraError: DuckDB is not installed.
    """

    def __init__(self, where: str | os.PathLike[str]) -> None:
        self.path = os.fspath(where)
        # Patterns may be absolute, which `Path.glob` does not take.
        found = [Path(p) for p in sorted(glob(self.path))] if has_magic(self.path) else []  # noqa: PTH207
        paths = found or [Path(self.path)]
        self._exports = [Export(p) for p in paths if p.is_dir()]
        self._files = [p for p in paths if p.is_file()]
        if not found and not paths[0].exists():
            raise LedgerError(f"{self.path}: no such export; check the name")
        self._files += [f for e in self._exports for d in e.days() for f in e.files(CALLS, d)]
        wrong = [p for p in self._files if p.suffix != SUFFIX]
        if wrong:
            raise LedgerError(f"{wrong[0]}: is no Parquet; export again with --format parquet")
        self._folded: Folded | None = None
        self._rated: dict[str, LedgerRecord] | None = None
        duckdb = _duckdb()
        self._spill = TemporaryDirectory(prefix="tokenthrift-")
        self._db = duckdb.connect(
            ":memory:",
            config={"temp_directory": self._spill.name, "preserve_insertion_order": False},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()
        self._spill.cleanup()

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None; those with feedback are read together, once."""
        if self._rated is None:
            names = sorted({said.call_id for said in self.feedback()})
            rows = self._query("record", "list_contains(?, record_id)", [names]) if names else ()
            records = [_parse(row[0], self.path) for row in rows]
            self._rated = {record.record_id: record for record in records}
        if record_id in self._rated:
            return self._rated[record_id]
        for row in self._query("record", "record_id = ?", [record_id]):
            return _parse(row[0], self.path)
        return None

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records by time and id; with a limit the newest that many."""
        check_limit(limit)
        where, values = _filter(since, tags)
        newest = "" if limit is None else f"ORDER BY created_at DESC, record_id DESC LIMIT {limit}"
        inner = self._source(since, "record, created_at, record_id")
        query = (
            f"SELECT record FROM ({inner} WHERE {where} {newest}) ORDER BY created_at, record_id"  # noqa: S608 - constants, values are bound
        )
        return (_parse(row[0], self.path) for row in self._rows(query, values))

    def count(self) -> int:
        """How many records there are."""
        return int(next(iter(self._query("COUNT(*)", "true", [])))[0]) if self._files else 0

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the calls that match."""
        return self._sums("''", [], since, tags, None).get("", Totals())

    def totals_by(
        self,
        key: GroupKey | str,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it; a missing value is ''."""
        check_key(key)
        if key.startswith(TAG):
            return self._sums(f"COALESCE({_TAG}, '')", [key.removeprefix(TAG)], since, tags, key)
        group = _GROUPS.get(key, f"COALESCE({key}, '')")
        return self._sums(group, [], since, tags, key)

    def days(self) -> list[str]:
        """The UTC days of the records, in order."""
        return sorted(row[0] for row in self._query(f"DISTINCT {_GROUPS['day']}", "true", []))

    def day(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a UTC day, by time and id."""
        order = "ORDER BY created_at, record_id"
        query = f"{self._source(None, 'record')} WHERE {_GROUPS['day']} = ? {order}"
        return (_parse(row[0], self.path) for row in self._rows(query, [day]))

    def plan_times(self, since: datetime | None = None, limit: int | None = None) -> list[float]:
        """How long planning took, in ms; with a limit of the newest that many records."""
        check_limit(limit)
        where, values = _filter(since, None)
        newest = "" if limit is None else f"ORDER BY created_at DESC LIMIT {limit}"
        return [
            r[0]
            for r in self._rows(f"{self._source(since, 'plan_ms')} WHERE {where} {newest}", values)
        ]

    def folded(self) -> Folded:
        """The sums of calls whose details are gone."""
        if self._folded is None:
            self._folded = sum((export.folded() for export in self._exports), Folded())
        return self._folded

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback, of one call or of all."""
        for export in self._exports:
            for day in export.days():
                for path in export.files(FEEDBACK, day):
                    for row in read_rows(path, FEEDBACK):
                        given = Feedback.model_validate(row)
                        if call_id in (None, given.call_id):
                            yield given

    def _sums(
        self,
        group: str,
        first: Sequence[object],
        since: datetime | None,
        tags: Mapping[str, str] | None,
        key: str | None,
    ) -> dict[str, Totals]:
        where, values = _filter(since, tags)
        query = f"{self._source(since, f'{group}, {_SUMS}')} WHERE {where} GROUP BY 1"
        rows = self._rows(query, [*first, *values])
        groups = {str(row[0]): _totals(row[1:]) for row in rows}
        return added(groups, self.folded().totals_by(key, since, tags))

    def _query(self, what: str, where: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        return self._rows(f"{self._source(None, what)} WHERE {where}", values)

    def _source(self, since: datetime | None, what: str) -> str:
        """A query of the files that can hold calls from then on."""
        first = "" if since is None else as_utc(since).date().isoformat()
        files = [str(p) for p in self._files if _day_of(p) >= first]
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
        return f"SELECT {what} FROM read_parquet([{names}], union_by_name = true)"  # noqa: S608 - quoted names

    def _rows(self, query: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        if "read_parquet([]" in query:
            return
        errors = _duckdb().Error
        try:
            # A cursor of its own: reading records may go on beside other queries.
            found = self._db.cursor().execute(query, list(values))
            while page := found.fetchmany(PAGE_RECORDS):
                yield from page
        except errors as exc:
            raise LedgerError(f"{self.path}: {str(exc).splitlines()[0]}") from exc


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as exc:
        raise MissingExtraError("duckdb", "parquet") from exc
    return duckdb


def _day_of(path: Path) -> str:
    """The day of a file by its folder; of others a day that is never too early."""
    found = _DAY_OF.findall(path.as_posix())
    return str(found[-1]) if found else "9999"


def _filter(since: datetime | None, tags: Mapping[str, str] | None) -> tuple[str, list[object]]:
    clauses, values = ["true"], list[object]()
    if since is not None:
        clauses.append("epoch_us(created_at) >= ?")
        values.append(microseconds(as_utc(since)))
    for key, value in (tags or {}).items():
        clauses.append(f"{_TAG} = ?")
        values += [key, value]
    return " AND ".join(clauses), values


def _totals(row: Sequence[int | None]) -> Totals:
    names = ("calls", *SUM_COLUMNS)
    return Totals(**{n: int(v or 0) for n, v in zip(names, row, strict=True)})


def _parse(detail: str, where: str) -> LedgerRecord:
    try:
        return LedgerRecord.model_validate_json(detail)
    except ValueError as exc:
        raise LedgerError(f"{where}: a record is damaged: {exc}") from exc
