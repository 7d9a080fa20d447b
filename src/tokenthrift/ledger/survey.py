"""Questions of reports that sums by a key do not answer: by session, and which calls were worst.

A ledger in SQLite answers them in its own language; of any other the newest records are read once.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tokenthrift.ledger import sqlite_survey
from tokenthrift.ledger.cells import SESSION, Cell, CellSums, Slot, slots_of
from tokenthrift.ledger.sqlite import SQLiteLedger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from tokenthrift.ledger.record import LedgerRecord

READ_RECORDS: Final = 200_000
"""The newest so many are read of a ledger that cannot be asked."""


class Readable(Protocol):
    """What is asked: any ledger that gives its records."""

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records in order of writing; with a limit the newest that many."""
        ...


@dataclass(frozen=True, slots=True)
class Survey:
    """What a pass over the calls of a ledger finds.

    Attributes:
        cells: baseline and net savings of priced calls, by day and group of sessions.
        by_session: whether any call says which session it belongs to.
        worst: the calls that cost most above their baseline, the worst first.
        tags: the names of all tags, sorted.
    """

    cells: tuple[Cell, ...]
    by_session: bool
    worst: tuple[LedgerRecord, ...]
    tags: tuple[str, ...]


def survey(ledger: Readable, since: datetime | None = None, worst: int = 10) -> Survey:
    """The survey of a ledger.

    Args:
        ledger: where the records are.
        since: only calls from then on.
        worst: how many of the worst calls.
    """
    if isinstance(ledger, SQLiteLedger):
        return Survey(
            tuple(sqlite_survey.cells(ledger, since)),
            sqlite_survey.knows_sessions(ledger, since),
            tuple(sqlite_survey.worst_calls(ledger, since, worst)),
            tuple(sqlite_survey.tag_names(ledger)),
        )
    return survey_of(ledger.records(since, limit=READ_RECORDS), worst)


def slots(
    ledger: Readable,
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
    return slots_of(ledger.records(since, tags, READ_RECORDS), step_s)


def survey_of(records: Iterable[LedgerRecord], worst: int) -> Survey:
    """The survey of some records."""
    sums = CellSums()
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
    return Survey(tuple(sums.cells()), by_session, found, tuple(sorted(names)))
