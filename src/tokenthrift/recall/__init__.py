"""Recall: what was cut is kept by its content address for days, and given back in bounded pieces.

Stores keep texts and know nothing of calls; `answer` makes a tool result of them. Who may ask for
what is decided by the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenthrift.addresses import scheme_of
from tokenthrift.recall.answers import NO_MORE, NO_ROOM, Wish, answer, wish_of
from tokenthrift.recall.memory import MemoryRecall
from tokenthrift.recall.packing import DAY_S
from tokenthrift.recall.redis import RedisRecall
from tokenthrift.recall.sqlite import SQLiteRecall

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

__all__ = [
    "DAY_S",
    "NO_MORE",
    "NO_ROOM",
    "MemoryRecall",
    "RecallStore",
    "RedisRecall",
    "SQLiteRecall",
    "Wish",
    "answer",
    "open_recall",
    "wish_of",
]


class RecallStore(Protocol):
    """Keeps texts by their content address for some days; safe with threads."""

    def put(self, omitted: Mapping[str, Sequence[str]], /) -> None:
        """Keep texts under their ids; keeping them again only makes them stay longer."""
        ...

    def get(self, recall_id: str, /) -> tuple[str, ...] | None:
        """The texts of an id, exactly as they were; None where they are gone."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def open_recall(
    where: str | os.PathLike[str] | None, *, ttl_days: float | None, create: bool = True
) -> RecallStore:
    """The store at the URL of a Redis server, or in a SQLite file; in memory where there is none.

    Args:
        where: a URL, a file, or None.
        ttl_days: how long texts are kept; None takes what is there.
        create: whether a missing file is made.

    Raises:
        RecallError: the file cannot be opened, or the URL cannot be read.
        MissingExtraError: a server is named, and the extra is not installed.
    """
    if where is None:
        return MemoryRecall() if ttl_days is None else MemoryRecall(ttl_days)
    if isinstance(where, str) and scheme_of(where):
        return RedisRecall(where, ttl_days)
    return SQLiteRecall(where, ttl_days, create=create)
