"""The tables of sums in a ledger file, and how calls leave the other tables."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.folded import (
    CHARGE_NAMES,
    ChargeKey,
    ChargeSums,
    Folded,
    FoldKey,
    carries,
)
from tokenthrift.ledger.rollups import step_back, take_out
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tokenthrift.ledger.record import LedgerRecord

_CALLS: Final = ("folded", FoldKey._fields, TOTAL_NAMES)
_CHARGES: Final = ("folded_charges", ChargeKey._fields, CHARGE_NAMES)


def read_folded(db: sqlite3.Connection) -> Folded:
    """All sums of calls whose details are gone."""
    calls = {
        FoldKey(*row[: len(FoldKey._fields)]): Totals(*row[len(FoldKey._fields) :])
        for row in db.execute(_select(*_CALLS))
    }
    charges = {
        ChargeKey(*row[: len(ChargeKey._fields)]): ChargeSums(*row[len(ChargeKey._fields) :])
        for row in db.execute(_select(*_CHARGES))
    }
    gone = frozenset(row[0] for row in db.execute("SELECT id FROM gone"))
    return Folded(calls, charges, gone)


def add_folded(db: sqlite3.Connection, more: Folded) -> None:
    """Add sums to those that are there.

    Raises:
        LedgerError: a sum does not fit into 64 bits.
    """
    calls = [(*key, *astuple(sums)) for key, sums in more.calls.items()]
    charges = [(*key, *astuple(sums)) for key, sums in more.charges.items()]
    try:
        db.executemany(_upsert(*_CALLS), calls)
        db.executemany(_upsert(*_CHARGES), charges)
    except (OverflowError, sqlite3.IntegrityError) as exc:
        raise LedgerError(f"sums of calls without details need 64 bits at most: {exc}") from exc
    db.executemany("INSERT OR IGNORE INTO gone (id) VALUES (?)", [(id_,) for id_ in more.gone])


def drop_folded(db: sqlite3.Connection, gone: Folded) -> None:
    """Take away sums, by their keys."""
    for (table, keys, _), found in ((_CALLS, gone.calls), (_CHARGES, gone.charges)):
        where = " AND ".join(f"{name} = ?" for name in keys)
        db.executemany(f"DELETE FROM {table} WHERE {where}", list(found))  # noqa: S608 - names are constants, values are bound


def retag_folded(db: sqlite3.Connection, tags: Mapping[str, str], keep: Collection[str]) -> int:
    """Erase tags from sums of earlier calls that carried all of these; how many calls they hold."""
    found = read_folded(db).where(lambda key: carries(key.tags, tags))
    left = found.retagged(keep)
    drop_folded(db, found)
    add_folded(db, left)
    return sum(sums.calls for sums in found.calls.values())


def delete_calls(db: sqlite3.Connection, records: Mapping[int, LedgerRecord]) -> None:
    """Delete calls with all that hangs on them; which numbers are missing stays known.

    Args:
        db: in a transaction.
        records: by their numbers, in order of these.
    """
    take_out(db, records)
    seqs = ", ".join(map(str, records))
    ids = f"SELECT record_id FROM calls WHERE seq IN ({seqs})"  # noqa: S608 - integers
    db.execute(f"DELETE FROM feedback WHERE call_id IN ({ids})")  # noqa: S608 - integers
    # The key of a tag ends with the number of its call, so a row is found by all of it.
    tags = [(k, v, seq) for seq, record in records.items() for k, v in record.tags.items()]
    db.executemany("DELETE FROM tags WHERE key = ? AND value = ? AND call_seq = ?", tags)
    db.execute(f"DELETE FROM attempts WHERE call_seq IN ({seqs})")  # noqa: S608 - integers
    db.execute(f"DELETE FROM details WHERE seq IN ({seqs})")  # noqa: S608 - integers
    db.execute(f"DELETE FROM calls WHERE seq IN ({seqs})")  # noqa: S608 - integers
    db.executemany("INSERT OR REPLACE INTO gaps (first, last) VALUES (?, ?)", runs(records))
    step_back(db)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers in order as runs of neighbours: first and last of each."""
    ordered = list(numbers)
    starts = [n for before, n in pairwise(ordered) if n != before + 1]
    ends = [before for before, n in pairwise(ordered) if n != before + 1]
    if not ordered:
        return []
    return list(zip([ordered[0], *starts], [*ends, ordered[-1]], strict=True))


def _select(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    return f"SELECT {', '.join((*keys, *sums))} FROM {table} ORDER BY {', '.join(keys)}"  # noqa: S608 - constants


def _upsert(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    names = (*keys, *sums)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) "  # noqa: S608 - constants
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"
    )
