"""A ledger in memory that forgets its oldest records, for clients that nobody gave a file.

Sums over everything stay exact; what can be read back record by record is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.ledger import MemoryLedger, Totals, totals_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tokenthrift.ledger import LedgerRecord

RECORDS: Final = 4_096  # about 20 MB


class RecentLedger(MemoryLedger):
    """A `MemoryLedger` of the newest records.

    ``totals()`` without a filter counts every call there ever was; with one, as everywhere else,
    only the records that are still kept.
    """

    def __init__(self, records: int = RECORDS) -> None:
        if records < 1:
            raise ValueError(f"records is {records}; it must be at least 1")
        super().__init__()
        self._most = records
        self._forgotten = Totals()

    def write(self, record: LedgerRecord) -> None:
        """Keep a record, and forget the oldest if there are too many."""
        super().write(record)
        with self._lock:
            while len(self._records) > self._most:
                oldest = self._records.pop(next(iter(self._records)))
                self._forgotten += totals_of([oldest])
                for key in [k for k in self._feedback if k[0] == oldest.record_id]:
                    del self._feedback[key]

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the records that match; without a filter, over all there ever were."""
        kept = super().totals(since, tags)
        return kept if since is not None or tags else kept + self._forgotten
