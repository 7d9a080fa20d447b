"""The ledger: an append-only account of calls, and the arithmetic of what they saved, net.

Records hold counts, prices, digests and reasons, never prompt text. An unknown price stays unknown.
"""

from __future__ import annotations

import os
from glob import has_magic
from pathlib import Path

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.blocks import Block, blocks_of, digests_of, fingerprint, held_blocks
from tokenthrift.ledger.cache import CacheBranch, CacheSplit, ProviderCache
from tokenthrift.ledger.cache_check import NEWEST_CALLS, CacheCheck, Prediction, cache_checks
from tokenthrift.ledger.cells import PARTS, Cell, Slot
from tokenthrift.ledger.embeddings import costs_of, embedding_records
from tokenthrift.ledger.feedback import Feedback, outcome_of, scored_calls
from tokenthrift.ledger.folded import ChargeKey, ChargeSums, Folded, FoldKey
from tokenthrift.ledger.lessons import lesson_of, lessons_of
from tokenthrift.ledger.measuring import harm_seen, measured_savings
from tokenthrift.ledger.memory import MemoryLedger
from tokenthrift.ledger.parquet import SUFFIX as PARQUET
from tokenthrift.ledger.parquet import ParquetLedger
from tokenthrift.ledger.reader import Ledger, LedgerReader
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
from tokenthrift.ledger.survey import Survey, slots, survey, survey_of, totals_by_each
from tokenthrift.ledger.totals import (
    GROUP_KEYS,
    GroupKey,
    Largest,
    Totals,
    largest_of,
    totals_by,
    totals_of,
)
from tokenthrift.ledger.trials import ShadowTotals

__all__ = [
    "GROUP_KEYS",
    "NEWEST_CALLS",
    "PARTS",
    "AttemptRecord",
    "Block",
    "CacheBranch",
    "CacheCheck",
    "CacheSplit",
    "Cell",
    "Charge",
    "ChargeKey",
    "ChargeSums",
    "DecisionRecord",
    "Feedback",
    "FoldKey",
    "Folded",
    "GroupKey",
    "Largest",
    "Ledger",
    "LedgerReader",
    "LedgerRecord",
    "MemoryLedger",
    "ParquetLedger",
    "Prediction",
    "ProviderCache",
    "SQLiteLedger",
    "Savings",
    "SavingsRecord",
    "ShadowRecord",
    "ShadowTotals",
    "Sink",
    "Slot",
    "StepRecord",
    "Survey",
    "Totals",
    "blocks_of",
    "buckets_of",
    "cache_checks",
    "costs_of",
    "digests_of",
    "embedding_records",
    "fingerprint",
    "harm_seen",
    "held_blocks",
    "largest_of",
    "lesson_of",
    "lessons_of",
    "measured_savings",
    "open_ledger",
    "open_reader",
    "outcome_of",
    "rescale",
    "scored_calls",
    "slots",
    "split_savings",
    "survey",
    "survey_of",
    "totals_by",
    "totals_by_each",
    "totals_of",
]

SQLITE_SCHEME = "sqlite://"


def open_reader(where: str | os.PathLike[str]) -> SQLiteLedger | ParquetLedger:
    """What a report reads: a ledger, an export, or a pattern (``*``) of exports or of their files.

    Raises:
        LedgerError: nothing is there, or it cannot be read.
        MissingExtraError: it is an export, and the extra ``parquet`` is not installed.
    """
    name = os.fspath(where)
    if has_magic(name) or name.endswith(PARQUET) or Path(name).is_dir():
        return ParquetLedger(name)
    return open_ledger(where, create=False)


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
