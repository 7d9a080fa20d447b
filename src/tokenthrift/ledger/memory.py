"""A ledger in a list: for tests, demonstrations and short scripts. Gone when the process ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.cache_check import NEWEST_CALLS, Prediction, predictions_of
from tokenthrift.ledger.feedback import no_such_call, said_before
from tokenthrift.ledger.folded import (
    Folded,
    Why,
    carries,
    check_erasure,
    digest_of,
    new_folded,
    of_pruned_day,
)
from tokenthrift.ledger.record import LedgerRecord, as_utc
from tokenthrift.ledger.totals import (
    GroupKey,
    Largest,
    Totals,
    added,
    group_of,
    largest_of,
    totals_by,
)
from tokenthrift.ledger.trials import ShadowTotals, session_rows_of, shadow_totals_of
from tokenthrift.tokens import Correction

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from tokenthrift.experiment import SessionRow
    from tokenthrift.ledger.feedback import Feedback


class MemoryLedger:
    """Keeps records in order of writing; safe with threads; same methods as `SQLiteLedger`."""

    def __init__(self) -> None:
        self._records: dict[str, LedgerRecord] = {}
        self._feedback: dict[tuple[str, str], Feedback] = {}
        self._folded = Folded()
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
            if digest_of(record.record_id) in self._folded.gone:
                return
            pruned = self._folded.days("pruned")
            if pruned and group_of(record, "day") <= pruned[-1]:
                raise of_pruned_day(record, pruned[-1], "memory")
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
        return self._totals_by(None, since, tags).get("", Totals())

    def totals_by(
        self,
        key: GroupKey | str,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it."""
        return self._totals_by(key, since, tags)

    def largest(
        self,
        key: GroupKey | str,
        most: int,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Largest:
        """The groups of a key on which most was spent."""
        return largest_of(self.totals_by(key, since, tags), most)

    def correction(self, model: str) -> Correction:
        """How far our input counts of a model were off; see `SQLiteLedger.correction`."""
        folded = [sums for key, sums in self._folded.charges.items() if key.model == model]
        found = Correction(
            sum(sums.seen_counted_tokens for sums in folded),
            sum(sums.seen_input_tokens for sums in folded),
            sum(sums.seen_attempts for sums in folded),
        )
        for record in self._matching(None, None):
            for a in record.attempts:
                if a.model == model and not a.estimated and a.counted_tokens and a.input_tokens:
                    found = found.seen(a.counted_tokens, a.input_tokens)
        return found

    def days(self) -> list[str]:
        """The UTC days of the records, in order."""
        return sorted({group_of(r, "day") for r in self._matching(None, None)})

    def day(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a UTC day, by time and id."""
        found = [r for r in self._matching(None, None) if group_of(r, "day") == day]
        return iter(sorted(found, key=lambda r: (r.created_at, r.record_id)))

    def plan_times(self, since: datetime | None = None, limit: int | None = None) -> list[float]:
        """How long planning took, in ms; see `SQLiteLedger.plan_times`."""
        return [r.plan_ms for r in self.records(since, limit=limit)]

    def folded(self) -> Folded:
        """The sums of calls whose details are gone."""
        return self._folded

    def write_folded(self, given: Folded) -> None:
        """Keep sums of calls; see `SQLiteLedger.write_folded`."""
        live = [(group_of(r, "day"), r.record_id) for r in self._matching(None, None)]
        with self._lock:
            self._folded += new_folded(self._folded, given, live, "memory")

    def prune(self, before: str) -> int:
        """Turn the calls of the days before a day into sums; see `SQLiteLedger.prune`."""
        return self._fold([r for r in self._matching(None, None) if group_of(r, "day") < before])

    def erase(
        self,
        tags: Mapping[str, str] | None = None,
        session: str | None = None,
        keep: Collection[str] = (),
    ) -> int:
        """Turn calls into sums that tell nothing of a person; see `SQLiteLedger.erase`."""
        check_erasure(tags, session, keep)
        found = [r for r in self._matching(None, tags) if session in (None, r.session)]
        done = self._fold(found, "erased", keep)
        if tags and session is None:
            old = self._folded.where(lambda key: carries(key.tags, tags))
            rest = self._folded.where(lambda key: not carries(key.tags, tags))
            self._folded = Folded(gone=self._folded.gone) + rest + old.retagged(keep)
            done += sum(sums.calls for sums in old.calls.values())
        return done

    def close(self) -> None:
        """Nothing to close; the records stay readable."""

    def _totals_by(
        self, key: str | None, since: datetime | None, tags: Mapping[str, str] | None
    ) -> dict[str, Totals]:
        live = totals_by(self._matching(since, tags), key)
        return added(live, self._folded.totals_by(key, since, tags))

    def _fold(
        self,
        records: Sequence[LedgerRecord],
        why: Why = "pruned",
        keep: Collection[str] | None = None,
    ) -> int:
        with self._lock:
            self._folded += Folded.of(records, why, keep)
            ids = {r.record_id for r in records}
            self._records = {k: r for k, r in self._records.items() if k not in ids}
            self._feedback = {k: f for k, f in self._feedback.items() if f.call_id not in ids}
        return len(records)

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
