"""The tables of an export: their columns, and records as rows of them.

The columns are the fields of the records, so that a new field is exported without more. Beside them
stands the whole record as JSON, which is what an import reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

from pydantic import AwareDatetime

from tokenthrift.ledger.cells import part_of, session_of
from tokenthrift.ledger.feedback import Feedback
from tokenthrift.ledger.folded import CHARGE_NAMES, ChargeKey, ChargeSums, Folded, FoldKey
from tokenthrift.ledger.record import AttemptRecord, LedgerRecord, SavingsRecord
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals, group_of, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel

Kind: TypeAlias = Literal["text", "int", "float", "bool", "time", "map", "json"]
Row: TypeAlias = "Mapping[str, Any]"
APART: Final = ("attempts", "savings")
"""Fields of a record that have a table, or columns, of their own."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an export: its name, and the kind of each column.

    Integers have 64 bits and a sign; times are microseconds in UTC; ``json`` is JSON as text.
    """

    name: str
    columns: Mapping[str, Kind]


def _kind(annotation: Any) -> Kind:
    """The kind of a field by its annotation; what has structure is kept as JSON."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        inner = {type(value) for value in _values(annotation)}
        return _kind(inner.pop()) if len(inner) == 1 else "json"
    if get_origin(annotation) is UnionType or NoneType in get_args(annotation):
        (only,) = (a for a in get_args(annotation) if a is not NoneType)
        return _kind(only)
    if annotation == dict[str, str]:
        return "map"
    kinds: dict[Any, Kind] = {
        str: "text",
        int: "int",
        float: "float",
        bool: "bool",
        AwareDatetime: "time",
    }
    return kinds.get(annotation, "json")


def _values(literal: Any) -> Iterator[Any]:
    for value in get_args(literal):
        yield from _values(value) if get_origin(value) is Literal else (value,)


def _fields(model: type[BaseModel], without: Iterable[str] = ()) -> dict[str, Kind]:
    return {n: _kind(f.annotation) for n, f in model.model_fields.items() if n not in without}


_SAVINGS: Final = _fields(SavingsRecord)
_SUMS: Final = tuple(n for n in TOTAL_NAMES if n not in {"calls", *_SAVINGS})

CALLS: Final = Table(
    "calls",
    {
        **_fields(LedgerRecord, APART),
        **_SAVINGS,
        "complexity": "text",
        "part": "int",
        **dict.fromkeys(_SUMS, "int"),
        "record": "json",
    },
)
ATTEMPTS: Final = Table(
    "attempts", {"record_id": "text", "created_at": "time", **_fields(AttemptRecord)}
)
FEEDBACK: Final = Table("feedback", _fields(Feedback))
FOLDED: Final = Table(
    "folded", {**dict.fromkeys(FoldKey._fields, "text"), **dict.fromkeys(TOTAL_NAMES, "int")}
)
FOLDED_CHARGES: Final = Table(
    "folded_charges",
    {**dict.fromkeys(ChargeKey._fields, "text"), **dict.fromkeys(CHARGE_NAMES, "int")},
)
GONE: Final = Table("gone", {"id": "text"})
TABLES: Final = (CALLS, ATTEMPTS, FEEDBACK, FOLDED, FOLDED_CHARGES, GONE)


def call_values(record: LedgerRecord) -> Row:
    """A record as a row of ``calls``."""
    sums = row_of(record)
    values = {n: getattr(record, n) for n in LedgerRecord.model_fields if n not in APART}
    return _jsoned(
        record,
        {
            **values,
            **{n: getattr(record.savings, n) for n in _SAVINGS},
            "complexity": group_of(record, "complexity"),
            "part": part_of(session_of(record)),
            **{n: getattr(sums, n) for n in _SUMS},
            "record": record.model_dump_json(),
        },
        CALLS,
    )


def attempt_values(record: LedgerRecord) -> Iterator[Row]:
    """The attempts of a record as rows of ``attempts``."""
    for attempt in record.attempts:
        values = {n: getattr(attempt, n) for n in AttemptRecord.model_fields}
        about = {"record_id": record.record_id, "created_at": record.created_at}
        yield _jsoned(attempt, {**about, **values}, ATTEMPTS)


def feedback_values(given: Feedback) -> Row:
    """Feedback as a row of ``feedback``."""
    return {n: getattr(given, n) for n in Feedback.model_fields}


def folded_values(folded: Folded) -> tuple[list[Row], list[Row]]:
    """Sums as rows of ``folded`` and of ``folded_charges``, sorted."""
    calls: list[Row] = [
        {**key._asdict(), **{n: getattr(sums, n) for n in TOTAL_NAMES}}
        for key, sums in sorted(folded.calls.items())
    ]
    charges: list[Row] = [
        {**key._asdict(), **{n: getattr(sums, n) for n in CHARGE_NAMES}}
        for key, sums in sorted(folded.charges.items())
    ]
    return calls, charges


def folded_of(calls: Iterable[Row], charges: Iterable[Row], gone: Iterable[Row] = ()) -> Folded:
    """The sums of rows of ``folded`` and ``folded_charges``, with the ids of ``gone``."""
    return Folded(
        {
            FoldKey._make(row[n] for n in FoldKey._fields): Totals(*(row[n] for n in TOTAL_NAMES))
            for row in calls
        },
        {
            ChargeKey._make(row[n] for n in ChargeKey._fields): ChargeSums(
                *(row[n] for n in CHARGE_NAMES)
            )
            for row in charges
        },
        frozenset(bytes.fromhex(row["id"]) for row in gone),
    )


def _jsoned(model: BaseModel, values: dict[str, Any], table: Table) -> Row:
    """The values, with JSON text in place of what has structure."""
    names = {n for n, kind in table.columns.items() if kind == "json" and n != "record"}
    plain = model.model_dump(mode="json", include=names)
    for name, value in plain.items():
        values[name] = None if value is None else json.dumps(value, separators=(",", ":"))
    return values
