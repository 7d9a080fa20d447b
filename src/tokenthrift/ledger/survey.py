"""Questions of reports that sums by a key do not answer: by session, and which calls were worst.

Ledgers in SQLite and exports answer them in their own language; of any other the newest records
are read once.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.ledger import parquet_survey, sqlite_survey
from tokenthrift.ledger.cells import SESSION, Cell, CellSums, Slot, slots_of
from tokenthrift.ledger.parquet import ParquetLedger
from tokenthrift.ledger.sqlite import SQLiteLedger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tokenthrift.ledger.reader import LedgerReader
    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.totals import Totals

READ_RECORDS: Final = 200_000
"""The newest so many are read of a ledger that cannot be asked."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What passes over the calls of a ledger find.

    Attributes:
        cells: baseline and net savings of priced calls, by day and group of sessions; where days
            are not told apart, that of a cell is empty.
        by_session: whether any call says which session it belongs to.
        worst: the calls that cost most above their baseline, the worst first.
        tags: the names of all tags, sorted.
    """

    cells: tuple[Cell, ...]
    by_session: bool
    worst: tuple[LedgerRecord, ...]
    tags: tuple[str, ...]


def survey(
    ledger: LedgerReader, since: datetime | None = None, worst: int = 10, *, short: bool = False
) -> Survey:
    """The survey of a ledger.

    Args:
        ledger: where the records are.
        since: only calls from then on.
        worst: how many of the worst calls.
        short: without days and tags.
    """
    if isinstance(ledger, SQLiteLedger):
        return Survey(
            tuple(sqlite_survey.cells(ledger, since, by_day=not short)),
            sqlite_survey.knows_sessions(ledger, since),
            tuple(sqlite_survey.worst_calls(ledger, since, worst)),
            () if short else tuple(sqlite_survey.tag_names(ledger)),
        )
    if isinstance(ledger, ParquetLedger):
        return Survey(
            tuple(parquet_survey.cells(ledger, since, by_day=not short)),
            parquet_survey.knows_sessions(ledger, since),
            tuple(parquet_survey.worst_calls(ledger, since, worst)),
            () if short else tuple(parquet_survey.tag_names(ledger, since)),
        )
    return survey_of(ledger.records(since, limit=READ_RECORDS), worst, short=short)


def totals_by_each(
    ledger: LedgerReader, keys: Sequence[str], since: datetime | None = None
) -> dict[str, dict[str, Totals]]:
    """Sums by the values of several keys of few values each, from one pass over exports."""
    if isinstance(ledger, ParquetLedger):
        return ledger.totals_by_each(keys, since)
    return {key: ledger.totals_by(key, since) for key in keys}


def slots(
    ledger: LedgerReader,
    step_s: int,
    since: datetime | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[Slot]:
    """Sums by stretch of time and group of sessions, in order.

    Args:
        ledger: where the records are.
        step_s: length of a stretch.
        since: only calls from then on.
        tags: only calls that carry all of these.
    """
    if isinstance(ledger, SQLiteLedger):
        return sqlite_survey.slots(ledger, step_s, since, tags)
    if isinstance(ledger, ParquetLedger):
        return parquet_survey.slots(ledger, step_s, since, tags)
    return slots_of(ledger.records(since, tags, READ_RECORDS), step_s)


def survey_of(records: Iterable[LedgerRecord], worst: int, *, short: bool = False) -> Survey:
    """The survey of some records; see `survey`."""
    sums = CellSums(by_day=not short)
    names: set[str] = set()
    by_session = False
    losing: list[tuple[int, int, LedgerRecord]] = []  # a heap with the least loss on top
    for number, record in enumerate(records):
        sums.add(record)
        names.update(record.tags)
        by_session = by_session or bool(record.session or record.tags.get(SESSION))
        net = record.savings.net_nanos or 0
        if net < 0:
            heapq.heappush(losing, (-net, -number, record))
            if len(losing) > worst:
                heapq.heappop(losing)
    ranked = sorted(losing, key=lambda entry: entry[:2], reverse=True)
    found = tuple(record for _, _, record in ranked)
    return Survey(tuple(sums.cells()), by_session, found, () if short else tuple(sorted(names)))
