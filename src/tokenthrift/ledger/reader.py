"""What every ledger does: reports read an account, calls are written to a ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenthrift.ledger.cache_check import NEWEST_CALLS, Prediction
from tokenthrift.ledger.record import LedgerRecord, Sink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from tokenthrift.experiment import SessionRow
    from tokenthrift.ledger.feedback import Feedback
    from tokenthrift.ledger.folded import Folded
    from tokenthrift.ledger.totals import GroupKey, Largest, Totals
    from tokenthrift.ledger.trials import ShadowTotals
    from tokenthrift.tokens import Correction


class LedgerReader(Protocol):
    """What reports read: a ledger, or exports of one (`ParquetLedger`)."""

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None."""
        ...

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records in order of writing; with a limit the newest that many."""
        ...

    def count(self) -> int:
        """How many records there are."""
        ...

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the calls that match."""
        ...

    def totals_by(
        self,
        key: GroupKey | str,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key (`GROUP_KEYS`, ``tag:NAME``), sorted by it."""
        ...

    def largest(
        self,
        key: GroupKey | str,
        most: int,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Largest:
        """The groups of a key on which most was spent; no more of them are held in memory."""
        ...

    def days(self) -> list[str]:
        """The UTC days of the records, in order."""
        ...

    def day(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a UTC day, by time and id."""
        ...

    def folded(self) -> Folded:
        """The sums of calls whose details are gone; they are in all totals."""
        ...

    def plan_times(self, since: datetime | None = None, limit: int | None = None) -> list[float]:
        """How long planning took, in ms; with a limit of the newest that many records."""
        ...

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback in order of writing, of one call or of all."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Ledger(Sink, LedgerReader, Protocol):
    """A sink that can be read back; `SQLiteLedger` and `MemoryLedger` are two."""

    def write_feedback(self, given: Feedback) -> bool:
        """Keep what somebody says of a call, and say whether it was new."""
        ...

    def write_folded(self, given: Folded) -> None:
        """Keep sums of calls that another ledger has no details of."""
        ...

    def prune(self, before: str) -> int:
        """Turn the calls of the days before a day into sums by day; how many."""
        ...

    def erase(
        self,
        tags: Mapping[str, str] | None = None,
        session: str | None = None,
        keep: Collection[str] = (),
    ) -> int:
        """Turn the calls that match into sums that tell nothing of a person; how many."""
        ...

    def sessions(
        self,
        since: datetime | None = None,
        policy_digest: str | None = None,
        settle_minutes: float = 0.0,
    ) -> list[SessionRow]:
        """Sessions whose arm chance drew."""
        ...

    def shadow_totals(self, since: datetime | None = None) -> ShadowTotals:
        """What shadows of calls would have saved."""
        ...

    def predictions(self, newest: int = NEWEST_CALLS) -> list[Prediction]:
        """What was predicted of caches and reported, by model and session, of the newest calls."""
        ...

    def correction(self, model: str) -> Correction:
        """How far our input counts of a model were off."""
        ...
