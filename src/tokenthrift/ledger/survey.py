"""Questions of reports that sums by one key do not answer: by tag, by session, and the worst calls.

A ledger in SQLite answers them in its own language; of any other the newest records are read, as
many as fit into memory.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Protocol

from tokenthrift.ledger import sqlite_survey
from tokenthrift.ledger.cells import SESSION, Cell, cells_of
from tokenthrift.ledger.sqlite import SQLiteLedger
from tokenthrift.ledger.totals import TOTAL_NAMES, Totals, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.totals import GroupKey

READ_RECORDS: Final = 200_000
"""The newest so many are read of a ledger that cannot be asked."""


class Readable(Protocol):
    """What is asked: any ledger that gives its records and adds them up."""

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records in order of writing; with a limit the newest that many."""
        ...

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the records that match."""
        ...

    def totals_by(
        self, key: GroupKey, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it."""
        ...


def sums_by(
    ledger: Readable, keys: Sequence[GroupKey], since: datetime | None = None
) -> dict[str, dict[str, Totals]]:
    """Sums by each of several keys, as `totals_by` gives them; in one pass where that can be."""
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.sums_by(ledger, keys, since)
    return {key: ledger.totals_by(key, since) for key in keys}


def cells(ledger: Readable, since: datetime | None = None) -> list[Cell]:
    """Baseline and net savings of priced calls by day and group of sessions."""
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.cells(ledger, since)
    return cells_of(ledger.records(since, limit=READ_RECORDS))


def knows_sessions(ledger: Readable, since: datetime | None = None) -> bool:
    """Whether any call says which session it belongs to."""
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.knows_sessions(ledger, since)
    records = ledger.records(since, limit=READ_RECORDS)
    return any(r.session or r.tags.get(SESSION) for r in records)


def worst_calls(ledger: Readable, since: datetime | None, most: int) -> list[LedgerRecord]:
    """The calls that cost most above their baseline, the worst first; those that saved are not."""
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.worst_calls(ledger, since, most)
    losing = (r for r in ledger.records(since, limit=READ_RECORDS) if _net(r) < 0)
    return heapq.nsmallest(most, losing, key=_net)


def tag_names(ledger: Readable, since: datetime | None = None) -> list[str]:
    """The names of all tags, sorted."""
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.tag_names(ledger)
    return sorted({name for r in ledger.records(since, limit=READ_RECORDS) for name in r.tags})


def totals_by_tag(
    ledger: Readable, name: str, since: datetime | None = None, most: int | None = None
) -> dict[str, Totals]:
    """Sums by the value of a tag, sorted by it; calls without it are under the empty string.

    Args:
        ledger: where the records are.
        name: of the tag.
        since: only calls from then on.
        most: only the values on which most was spent; the rest is then left out.
    """
    if isinstance(ledger, SQLiteLedger):
        sums = sqlite_survey.totals_by_tag(ledger, name, since, most)
        sums.pop("", None)
        if most is not None:
            return sums
        rest = _minus(ledger.totals(since), sums.values())
        return {"": rest, **sums} if rest.calls else sums
    found: dict[str, Totals] = {}
    for record in ledger.records(since, limit=None if most is None else READ_RECORDS):
        value = record.tags.get(name, "")
        found[value] = found.get(value, Totals()) + row_of(record)
    if most is not None:
        found.pop("", None)
        kept = heapq.nlargest(most, found, key=lambda v: (found[v].spent_nanos, v))
        found = {value: found[value] for value in kept}
    return dict(sorted(found.items()))


def _net(record: LedgerRecord) -> int:
    return record.savings.net_nanos or 0


def _minus(whole: Totals, parts: Iterable[Totals]) -> Totals:
    taken = sum(parts, Totals())
    return Totals(**{n: getattr(whole, n) - getattr(taken, n) for n in TOTAL_NAMES})
