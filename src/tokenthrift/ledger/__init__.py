"""The ledger: an append-only account of calls, and the arithmetic of what they saved, net.

Records hold counts, prices, digests and reasons, never prompt text. An unknown price stays unknown.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.cache import (
    Block,
    CacheBranch,
    CacheSplit,
    ProviderCache,
    blocks_of,
    fingerprint,
    held_blocks,
)
from tokenthrift.ledger.cache_check import NEWEST_CALLS, CacheCheck, Prediction, cache_checks
from tokenthrift.ledger.embeddings import costs_of, embedding_records
from tokenthrift.ledger.feedback import Feedback, outcome_of, scored_calls
from tokenthrift.ledger.lessons import lesson_of, lessons_of
from tokenthrift.ledger.measuring import harm_seen, measured_savings
from tokenthrift.ledger.memory import MemoryLedger
from tokenthrift.ledger.record import (
    AttemptRecord,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    ShadowRecord,
    Sink,
    StepRecord,
    buckets_of,
)
from tokenthrift.ledger.savings import Charge, Savings, rescale, split_savings
from tokenthrift.ledger.sqlite import SQLiteLedger
from tokenthrift.ledger.totals import GROUP_KEYS, GroupKey, Totals, totals_by, totals_of
from tokenthrift.ledger.trials import ShadowTotals

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tokenthrift.experiment import SessionRow
    from tokenthrift.tokens import Correction

__all__ = [
    "GROUP_KEYS",
    "AttemptRecord",
    "Block",
    "CacheBranch",
    "CacheCheck",
    "CacheSplit",
    "Charge",
    "DecisionRecord",
    "Feedback",
    "GroupKey",
    "Ledger",
    "LedgerRecord",
    "MemoryLedger",
    "Prediction",
    "ProviderCache",
    "SQLiteLedger",
    "Savings",
    "SavingsRecord",
    "ShadowRecord",
    "ShadowTotals",
    "Sink",
    "StepRecord",
    "Totals",
    "blocks_of",
    "buckets_of",
    "cache_checks",
    "costs_of",
    "embedding_records",
    "fingerprint",
    "harm_seen",
    "held_blocks",
    "lesson_of",
    "lessons_of",
    "measured_savings",
    "open_ledger",
    "outcome_of",
    "rescale",
    "scored_calls",
    "split_savings",
    "totals_by",
    "totals_of",
]

SQLITE_SCHEME = "sqlite://"


class Ledger(Sink, Protocol):
    """A sink that can be read back; `SQLiteLedger` and `MemoryLedger` are two."""

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
        """Sums over the records that match."""
        ...

    def totals_by(
        self, key: GroupKey, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> dict[str, Totals]:
        """Sums by the value of a key, sorted by it."""
        ...

    def write_feedback(self, given: Feedback) -> bool:
        """Keep what somebody says of a call, and say whether it was new."""
        ...

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback in order of writing, of one call or of all."""
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

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def open_ledger(where: str | os.PathLike[str], *, create: bool = True) -> SQLiteLedger:
    """The ledger at a path or address.

    Args:
        where: a file, ``:memory:``, ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.
        create: whether a missing file is made.

    Raises:
        LedgerError: the address is of no known kind, or the file cannot be opened.
    """
    name = os.fspath(where)
    if not name:
        raise LedgerError("the ledger's path is empty; name a file, or ':memory:'")
    if name.startswith(SQLITE_SCHEME):
        rest = name.removeprefix(SQLITE_SCHEME)
        if rest and not rest.startswith("/"):
            raise LedgerError(f"{name}: write sqlite:///relative.db or sqlite:////absolute.db")
        return SQLiteLedger(rest[1:] or ":memory:", create=create)
    if "://" in name:
        raise LedgerError(f"{name}: unknown kind of ledger; use a path, or sqlite:///path")
    return SQLiteLedger(name, create=create)
