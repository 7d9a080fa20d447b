"""A ledger in a list: for tests, demonstrations and short scripts. Gone when the process ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.cache_check import NEWEST_CALLS, Prediction, predictions_of
from tokenthrift.ledger.feedback import no_such_call, said_before
from tokenthrift.ledger.record import LedgerRecord, as_utc
from tokenthrift.ledger.totals import GroupKey, Totals, totals_by, totals_of
from tokenthrift.ledger.trials import ShadowTotals, session_rows_of, shadow_totals_of
from tokenthrift.tokens import Correction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tokenthrift.experiment import SessionRow
    from tokenthrift.ledger.feedback import Feedback


class MemoryLedger:
    """Keeps records in order of writing; safe with threads; same methods as `SQLiteLedger`."""

    def __init__(self) -> None:
        self._records: dict[str, LedgerRecord] = {}
        self._feedback: dict[tuple[str, str], Feedback] = {}
        self._lock = threading.Lock()

    def __call__(self, record: LedgerRecord, /) -> None:
        """Write a record (the `Sink` protocol)."""
        self.write(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def write(self, record: LedgerRecord) -> None:
        """Keep a record; the same record again is kept once.

        Raises:
            LedgerError: its id belongs to a different record.
        """
        with self._lock:
            known = self._records.setdefault(record.record_id, record)
        if known != record:
            raise LedgerError(f"memory: record {record.record_id!r} exists with other content")

    def write_feedback(self, given: Feedback) -> bool:
        """Keep what somebody says of a call; see `SQLiteLedger.write_feedback`."""
        if given.call_id not in self._records:
            raise no_such_call(given.call_id, "memory")
        with self._lock:
            new = (given.call_id, given.source) not in self._feedback
            known = self._feedback.setdefault((given.call_id, given.source), given)
        said_before(known, given, "memory")
        return new

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback in order of writing, of one call or of all."""
        with self._lock:
            found = list(self._feedback.values())
        return iter([f for f in found if call_id in (None, f.call_id)])

    def sessions(
        self,
        since: datetime | None = None,
        policy_digest: str | None = None,
        settle_minutes: float = 0.0,
    ) -> list[SessionRow]:
        """Sessions whose arm chance drew; see `SQLiteLedger.sessions`."""
        start = None if since is None else as_utc(since)
        records, said = self._matching(None, None), self.feedback()
        return session_rows_of(records, said, start, policy_digest, settle_minutes)

    def shadow_totals(self, since: datetime | None = None) -> ShadowTotals:
        """What shadows of calls would have saved."""
        return shadow_totals_of(self._matching(since, None))

    def predictions(self, newest: int = NEWEST_CALLS) -> list[Prediction]:
        """What was predicted of caches and reported; see `SQLiteLedger.predictions`."""
        return predictions_of(self.records(limit=newest))

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None."""
        return self._records.get(record_id)

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records in order of writing; see `SQLiteLedger.records`."""
        found = self._matching(since, tags)
        check_limit(limit)
        return iter(found if limit is None else found[max(0, len(found) - limit) :])

    def count(self) -> int:
        """How many records there are."""
        return len(self._records)

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the records that match."""
        return totals_of(self._matching(since, tags))

    def totals_by(
        self, key: GroupKey, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it."""
        return totals_by(self._matching(since, tags), key)

    def correction(self, model: str) -> Correction:
        """How far our input counts of a model were off; see `SQLiteLedger.correction`."""
        found = Correction()
        for record in self._matching(None, None):
            for a in record.attempts:
                if a.model == model and not a.estimated and a.counted_tokens and a.input_tokens:
                    found = found.seen(a.counted_tokens, a.input_tokens)
        return found

    def close(self) -> None:
        """Nothing to close; the records stay readable."""

    def _matching(
        self, since: datetime | None, tags: Mapping[str, str] | None
    ) -> list[LedgerRecord]:
        wanted = (tags or {}).items()
        start = None if since is None else as_utc(since)
        with self._lock:
            records = list(self._records.values())
        return [
            r
            for r in records
            if (start is None or r.created_at >= start) and wanted <= r.tags.items()
        ]


def check_limit(limit: int | None) -> None:
    """Refuse a negative number of records.

    Raises:
        ValueError: it is negative.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit is {limit}; pass 0 or more, or None for all")
