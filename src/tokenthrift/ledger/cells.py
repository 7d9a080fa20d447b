"""Money by day and group of sessions: what intervals are computed from, in bounded space.

Calls of one session go together, so intervals resample sessions. There may be millions of them, so
they are dealt out to a fixed number of groups by the hash of their name: groups of whole sessions
are as independent as the sessions are.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from tokenthrift.ledger.totals import row_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.ledger.record import LedgerRecord

PARTS: Final = 1_024  # a percentile of more groups than this is no better
SESSION: Final = "session"
"""The tag that names the session where the record itself does not."""


class Cell(NamedTuple):
    """Sums over the priced calls of one day (UTC) and one group of sessions.

    Where days are not told apart, ``day`` is empty.
    """

    day: str
    part: int
    baseline_nanos: int
    net_nanos: int


class Slot(NamedTuple):
    """Sums over the calls of one stretch of time and one group of sessions.

    Attributes:
        start_s: where it begins, in seconds since 1970.
        spent_nanos: all known costs; the two below are over priced calls only.
    """

    start_s: int
    part: int
    calls: int
    spent_nanos: int
    input_tokens: int
    output_tokens: int
    baseline_nanos: int
    net_nanos: int


def part_of(name: str) -> int:
    """The group of a session, the same on every machine."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % PARTS


def session_of(record: LedgerRecord) -> str:
    """The session of a call, or the call itself where none is known."""
    return record.session or record.tags.get(SESSION) or record.record_id


def slots_of(records: Iterable[LedgerRecord], step_s: int) -> list[Slot]:
    """The slots of some records, in order."""
    sums: dict[tuple[int, int], list[int]] = {}
    for record in records:
        row = row_of(record)
        start_s = int(record.created_at.timestamp()) // step_s * step_s
        own = sums.setdefault((start_s, part_of(session_of(record))), [0] * 6)
        taken = (1, row.spent_nanos, row.input_tokens, row.output_tokens)
        for n, amount in enumerate((*taken, row.baseline_nanos, row.net_nanos)):
            own[n] += amount
    return [Slot(*key, *amounts) for key, amounts in sorted(sums.items())]


class CellSums:
    """Adds up records into cells, by day or not."""

    def __init__(self, *, by_day: bool = True) -> None:
        self._by_day = by_day
        self._sums: dict[tuple[str, int], tuple[int, int]] = {}

    def add(self, record: LedgerRecord) -> None:
        """Count a record; without known savings it counts nothing."""
        if record.savings.net_nanos is None:
            return
        day = record.created_at.date().isoformat() if self._by_day else ""
        key = (day, part_of(session_of(record)))
        baseline, net = self._sums.get(key, (0, 0))
        row = row_of(record)
        self._sums[key] = (baseline + row.baseline_nanos, net + row.net_nanos)

    def cells(self) -> list[Cell]:
        """In order of day and group."""
        return [Cell(*key, *amounts) for key, amounts in sorted(self._sums.items())]
