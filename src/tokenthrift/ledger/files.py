"""Files of an export: tables written and read as Parquet or CSV, the same bytes for the same rows.

Parquet needs the extra ``parquet``; it is loaded when the first such file is opened.
"""

from __future__ import annotations

import csv
import json
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self, TypeAlias

from tokenthrift.errors import LedgerError, MissingExtraError
from tokenthrift.ledger.folded import tags_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tokenthrift.ledger.columns import Kind, Row, Table

Format: TypeAlias = Literal["parquet", "csv"]
GROUP_ROWS: Final = 20_000  # 50 MB of records as JSON are held at a time
LONGEST_CELL: Final = 2**31 - 1  # a record is one cell
TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Writer(Protocol):
    """Puts rows into an open file."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class TableFile:
    """A file that appears under its name when it is complete; without rows there is none."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._table = table
        self._rows: list[Row] = []
        self._writer: Writer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is None and self._rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()
        if kind is not None:
            self._part.unlink(missing_ok=True)
        elif self._writer is None:
            self._path.unlink(missing_ok=True)
        else:
            self._part.replace(self._path)

    def add(self, row: Row) -> None:
        """Write a row."""
        self._rows.append(row)
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kind = ParquetWriter if self._path.suffix == ".parquet" else CsvWriter
            self._writer = kind(self._part, self._table)
        self._writer.write(self._rows)
        self._rows = []


class ParquetWriter:
    """A Parquet file: zstd, a row group for each batch."""

    def __init__(self, path: Path, table: Table) -> None:
        self._table = table
        self._arrow = arrow()
        self._schema = self._arrow.schema(
            [(name, _arrow_type(self._arrow, kind)) for name, kind in table.columns.items()]
        )
        parquet = arrow("pyarrow.parquet")
        self._file = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> None:
        """Add a row group."""
        columns = [
            self._arrow.array([_arrow_value(row[name], kind) for row in rows], type=field.type)
            for (name, kind), field in zip(self._table.columns.items(), self._schema, strict=True)
        ]
        batch = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._file.write_table(batch, row_group_size=len(rows))

    def close(self) -> None:
        """Write the end of the file."""
        self._file.close()


class CsvWriter:
    """A CSV file in UTF-8 with a head; what is unknown is empty."""

    def __init__(self, path: Path, table: Table) -> None:
        self._table = table
        self._file = path.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file)  # ends lines as RFC 4180 does, and so quotes both signs
        self._csv.writerow(table.columns)

    def write(self, rows: Sequence[Row]) -> None:
        """Add lines."""
        kinds = self._table.columns.items()
        self._csv.writerows([[cell(row[name], kind) for name, kind in kinds] for row in rows])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_rows(path: Path, table: Table) -> Iterator[Row]:
    """The rows of a file; columns that it lacks or has beside those of the table are left out.

    Raises:
        LedgerError: it cannot be read; says which file.
        MissingExtraError: it is Parquet, and the extra is not installed.
    """
    reader = _read_parquet if path.suffix == ".parquet" else _read_csv
    try:
        yield from reader(path, table)
    except MissingExtraError:
        raise
    except (OSError, ValueError, csv.Error) as exc:  # pyarrow's errors are ValueErrors
        raise LedgerError(f"{path}: cannot be read: {exc}") from exc


def cell(value: Any, kind: Kind) -> str:
    """A value as text, the same for whatever file it came from."""
    if value is None:
        return ""
    if kind == "time":
        return str(value.strftime(TIME))
    if kind == "map":
        return tags_text(value)
    if kind == "bool":
        return "true" if value else "false"
    return repr(value) if kind == "float" else str(value)


def arrow(module: str = "pyarrow") -> Any:
    """A module of the extra ``parquet``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        raise MissingExtraError(module.partition(".")[0], "parquet") from exc


def _read_parquet(path: Path, table: Table) -> Iterator[Row]:
    with arrow("pyarrow.parquet").ParquetFile(path) as file:
        names = [n for n in table.columns if n in file.schema_arrow.names]
        maps = [n for n in names if table.columns[n] == "map"]
        for batch in file.iter_batches(batch_size=GROUP_ROWS // 20, columns=names):
            for row in batch.to_pylist():
                yield {**row, **{n: dict(row[n]) for n in maps}}


def _read_csv(path: Path, table: Table) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, strict=True)
        known = [(n, k) for n, k in table.columns.items() if n in (lines.fieldnames or ())]
        for line in lines:
            yield {name: _PARSED[kind](line[name]) for name, kind in known}


def _maybe(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: parse(text) if text else None


_PARSED: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": str,
    "json": str,
    "int": _maybe(int),
    "float": _maybe(float),
    "bool": _maybe(lambda text: text == "true"),
    "time": _maybe(datetime.fromisoformat),
    "map": json.loads,
}


def _arrow_type(arrow: Any, kind: Kind) -> Any:
    return {
        "text": arrow.string(),
        "json": arrow.string(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bool": arrow.bool_(),
        "time": arrow.timestamp("us", tz="UTC"),
        "map": arrow.map_(arrow.string(), arrow.string()),
    }[kind]


def _arrow_value(value: Any, kind: Kind) -> Any:
    return sorted(value.items()) if kind == "map" else value
