"""Reports over exported Parquet files: added up by DuckDB, exactly, without loading them.

The files are never changed. Needs the extra ``parquet``.
"""

from __future__ import annotations

import os
import re
from glob import glob, has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tokenthrift.errors import LedgerError, MissingExtraError
from tokenthrift.ledger.columns import CALLS, FEEDBACK
from tokenthrift.ledger.export import DAY, Export
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.files import read_rows
from tokenthrift.ledger.folded import Folded
from tokenthrift.ledger.memory import check_limit
from tokenthrift.ledger.record import LedgerRecord, as_utc
from tokenthrift.ledger.schema import EPOCH, MICROSECOND, PRICED_COLUMNS, SUM_COLUMNS
from tokenthrift.ledger.totals import (
    TAG,
    TOTAL_NAMES,
    GroupKey,
    Largest,
    Totals,
    added,
    check_key,
    largest_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

K = TypeVar("K", str, str | None)
SUFFIX: Final = ".parquet"
PAGE_RECORDS: Final = 1_000
_DAY_OF: Final = re.compile(rf"{DAY}(\d{{4}}-\d\d-\d\d)")
_TAG: Final = "list_extract(map_extract(tags, ?), 1)"
DATE: Final = "CAST(make_timestamp(epoch_us(created_at)) AS DATE)"
"""What days are grouped by: a number is, twice as fast as a text."""
DAY_OF_CALL: Final = f"strftime({DATE}, '%Y-%m-%d')"
_GROUPS: Final = {
    "day": DAY_OF_CALL,
    "holdout": "CASE WHEN holdout THEN 'holdout' ELSE '' END",
}


def _sum(name: str) -> str:
    # Of a call without net savings, one side may be known: it is in no sum.
    known = " FILTER (net_nanos IS NOT NULL)" if name in PRICED_COLUMNS else ""
    return f"COALESCE(SUM({name}){known}, 0) AS {name}"


_SUMS: Final = ", ".join(["COUNT(*) AS calls", *map(_sum, SUM_COLUMNS)])


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
        self._columns: frozenset[str] | None = None
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
            rated = self.those({said.call_id for said in self.feedback()})
            self._rated = {record.record_id: record for record in rated}
        if record_id in self._rated:
            return self._rated[record_id]
        return next(self.those([record_id]), None)

    def those(self, ids: Collection[str]) -> Iterator[LedgerRecord]:
        """The records of some ids, in no order; those that are not here are left out."""
        if not ids:
            return
        wanted = "SEMI JOIN (SELECT unnest(?) AS record_id) USING (record_id)"
        for row in self._rows(f"{self._source('', 'record')} {wanted}", [list(ids)]):
            yield _parse(row[0], self.path)

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records by time and id; with a limit the newest that many."""
        check_limit(limit)
        where, values = _filter(since, tags)
        first = _first_day(since)
        if limit is not None:
            first, where, values = self._newest(first, where, values, limit)
        query = f"{self._source(first, 'record')} WHERE {where} ORDER BY created_at, record_id"
        return (_parse(row[0], self.path) for row in self._rows(query, values))

    def count(self) -> int:
        """How many records there are."""
        return sum(row[0] for row in self.rows("COUNT(*)"))

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the calls that match."""
        return self.totals_by_each([None], since, tags)[None].get("", Totals())

    def totals_by(
        self,
        key: GroupKey | str,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it; a missing value is ''."""
        return self.totals_by_each([key], since, tags)[key]

    def totals_by_each(
        self,
        keys: Sequence[K],
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[K, dict[str, Totals]]:
        """Sums by the values of several keys, all from one pass over the files.

        Args:
            keys: of few values each, as the pass holds the sums of every combination.
            since: only calls from then on.
            tags: only calls that carry all of these.
        """
        found: dict[K, dict[str, Totals]] = {key: {} for key in keys}
        for row in self._rows(*self._sums(keys, since, tags)):
            sums = _totals(row[len(keys) :])
            for key, name in zip(keys, row[: len(keys)], strict=True):
                found[key][name] = found[key].get(name, Totals()) + sums
        folded = self.folded()
        return {key: added(own, folded.totals_by(key, since, tags)) for key, own in found.items()}

    def largest(
        self,
        key: GroupKey | str,
        most: int,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Largest:
        """The groups of a key on which most was spent; no more of them are held in memory."""
        if self.folded().totals_by(key, since, tags):
            return largest_of(self.totals_by(key, since, tags), most)
        query, values = self._sums([key], since, tags)
        names = ", ".join(f"SUM({name})" for name in TOTAL_NAMES)
        query = f"""
            WITH groups AS MATERIALIZED ({query})
            (SELECT 0, * FROM groups ORDER BY spent_nanos DESC, calls DESC, name_0 LIMIT {most:d})
            UNION ALL SELECT COUNT(*), '', {names} FROM groups
        """  # noqa: S608 - names are constants, values are bound
        groups: dict[str, Totals] = {}
        whole = 0, Totals()
        for count, name, *row in self._rows(query, values):
            if count:
                whole = count, _totals(row)
            elif row[0]:
                groups[name] = _totals(row)
        return largest_of(groups, most, whole)

    def days(self) -> list[str]:
        """The UTC days of the records, in order."""
        return sorted(row[0] for row in self.rows(f"DISTINCT {DAY_OF_CALL}"))

    def day(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a UTC day, by time and id."""
        order = "ORDER BY created_at, record_id"
        query = f"{self._source('', 'record')} WHERE {DAY_OF_CALL} = ? {order}"
        return (_parse(row[0], self.path) for row in self._rows(query, [day]))

    def plan_times(self, since: datetime | None = None, limit: int | None = None) -> list[float]:
        """How long planning took, in ms; with a limit of the newest that many records."""
        check_limit(limit)
        where, values = _filter(since, None)
        first = _first_day(since)
        if limit is not None:
            first, where, values = self._newest(first, where, values, limit)
        found = self._rows(f"{self._source(first, 'plan_ms')} WHERE {where}", values)
        return [row[0] for row in found]

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

    def columns(self) -> frozenset[str]:
        """What is known of calls: an earlier version may have exported less."""
        if self._columns is None:
            found = self._rows(f"DESCRIBE {self._source('', '*')}", [])
            self._columns = frozenset(row[0] for row in found)
        return self._columns

    def rows(
        self,
        what: str,
        since: datetime | None = None,
        where: str = "true",
        after: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """What a query over the calls finds.

        Args:
            what: columns.
            since: only calls from then on.
            where: a condition.
            after: how rows are grouped, sorted and cut.
            tags: only calls that carry all of these.

        Raises:
            LedgerError: a file cannot be read.
        """
        these, values = _filter(since, tags)
        source = self._source(_first_day(since), what)
        return self._rows(f"{source} WHERE {these} AND {where} {after}", values)

    def _sums(
        self, keys: Sequence[str | None], since: datetime | None, tags: Mapping[str, str] | None
    ) -> tuple[str, list[object]]:
        """A query of sums by the values of keys (``name_0``, ...), and what to bind."""
        names, places, bound = list[str](), list[str](), list[object]()
        for number, key in enumerate(keys):
            check_key(key)
            group = "''"
            if key is not None and key.startswith(TAG):
                group = f"COALESCE({_TAG}, '')"
                bound.append(key.removeprefix(TAG))
            elif key is not None:
                group = _GROUPS.get(key, f"COALESCE({key}, '')")
            names.append(f"{group} AS name_{number}")
            places.append(DATE if key == "day" else str(number + 1))
        where, values = _filter(since, tags)
        source = self._source(_first_day(since), ", ".join((*names, _SUMS)))
        return f"{source} WHERE {where} GROUP BY {', '.join(places)}", [*bound, *values]

    def _newest(
        self, first: str, where: str, values: list[object], limit: int
    ) -> tuple[str, str, list[object]]:
        """Where to look for the newest records only: first day, conditions and what to bind.

        Days are looked through from the last one on, so that old ones are not read at all.
        """
        days = sorted({day for p in self._files if (day := _day_of(p)) >= first}, reverse=True)
        if not limit or not days:
            return first, "false", []
        for many in (2**n for n in range(len(days).bit_length() + 1)):
            start = days[min(many, len(days)) - 1]
            query = f"""
                {self._source(start, "epoch_us(created_at), record_id")} WHERE {where}
                ORDER BY created_at DESC, record_id DESC LIMIT 1 OFFSET {limit - 1:d}
            """
            for at_us, record_id in self._rows(query, values):
                at = EPOCH + at_us * MICROSECOND
                last = "(created_at > ? OR (created_at = ? AND record_id >= ?))"
                cut = f"{where} AND created_at >= ? AND {last}"
                return start, cut, [*values, at, at, at, record_id]
        return first, where, values

    def _source(self, first: str, what: str) -> str:
        """A query of the files that can hold calls of a day or a later one."""
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


def _first_day(since: datetime | None) -> str:
    return "" if since is None else as_utc(since).date().isoformat()


def _filter(since: datetime | None, tags: Mapping[str, str] | None) -> tuple[str, list[object]]:
    clauses, values = ["true"], list[object]()
    if since is not None:
        clauses.append("created_at >= ?")
        values.append(as_utc(since))
    for key, value in (tags or {}).items():
        clauses.append(f"{_TAG} = ?")
        values += [key, value]
    return " AND ".join(clauses), values


def _totals(row: Sequence[int]) -> Totals:
    return Totals(*map(int, row))


def _parse(detail: str, where: str) -> LedgerRecord:
    try:
        return LedgerRecord.model_validate_json(detail)
    except ValueError as exc:
        raise LedgerError(f"{where}: a record is damaged: {exc}") from exc
