"""A store in one SQLite file: originals of cut text for days, up to a size, oldest out first.

Several clients and processes may share it. It holds prompt text, unlike a ledger, so it is a file
of its own, made only where a policy names one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tokenthrift.errors import RecallError
from tokenthrift.recall.packing import DAY_S, pack, unpack
from tokenthrift.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

APPLICATION_ID: Final = 0x54545243  # "TTRC", so that `file` and we can tell a store
VERSION: Final = 1
MAX_BYTES: Final = 1_000_000_000  # compressed: about 5 GB of text

# The size is kept up by triggers, as summing it up on every write would read the whole index.
TABLES: Final = (
    """
    CREATE TABLE omitted (
        recall_id TEXT PRIMARY KEY,
        stored_s REAL NOT NULL,
        size INTEGER NOT NULL,
        texts BLOB NOT NULL
    )
    """,
    "CREATE INDEX omitted_stored ON omitted (stored_s)",
    "CREATE TABLE total (size INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0)",
    """
    CREATE TRIGGER omitted_added AFTER INSERT ON omitted
    BEGIN UPDATE total SET size = size + new.size; END
    """,
    """
    CREATE TRIGGER omitted_changed AFTER UPDATE ON omitted
    BEGIN UPDATE total SET size = size + new.size - old.size; END
    """,
    """
    CREATE TRIGGER omitted_gone AFTER DELETE ON omitted
    BEGIN UPDATE total SET size = size - old.size; END
    """,
)
PUT: Final = """
    INSERT INTO omitted VALUES (?, ?, ?, ?) ON CONFLICT (recall_id)
    DO UPDATE SET stored_s = excluded.stored_s, size = excluded.size, texts = excluded.texts
"""


class SQLiteRecall(SQLiteFile):
    """Texts in a file, up to a size and an age; safe with threads, processes and forks.

    Args:
        path: the file, or ``:memory:``.
        ttl_days: how long texts are kept after they were last put; None takes what is there.
        create: whether a missing file is made.
        max_bytes: of compressed texts; the oldest go first. The file itself does not shrink.
        clock: seconds since the epoch.

    Raises:
        RecallError: the file cannot be opened, or is of a newer version or another program.
    """

    noun = "recall store"
    error = RecallError
    application_id = APPLICATION_ID
    version = VERSION
    tables = TABLES

    def __init__(
        self,
        path: str | os.PathLike[str],
        ttl_days: float | None = 7,
        *,
        create: bool = True,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ttl_s = None if ttl_days is None else ttl_days * DAY_S
        self._max_bytes = max_bytes
        self._clock = clock
        super().__init__(path, create=create)

    def put(self, omitted: Mapping[str, Sequence[str]], /) -> None:
        """Keep texts under their ids; keeping them again only makes them stay longer.

        Raises:
            RecallError: the file cannot be written.
        """
        now_s = self._clock()
        packed = [(key, pack(texts)) for key, texts in omitted.items()]
        rows = [(k, now_s, len(d), d) for k, d in packed if len(d) <= self._max_bytes]
        if not rows:
            return
        with self._session() as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(PUT, rows)
            if self._ttl_s is not None:
                db.execute("DELETE FROM omitted WHERE stored_s < ?", (now_s - self._ttl_s,))
            self._evict(db)

    def get(self, recall_id: str, /) -> tuple[str, ...] | None:
        """The texts of an id, exactly as they were; None where they are gone.

        Raises:
            RecallError: the file cannot be read, or is damaged.
        """
        oldest_s = 0.0 if self._ttl_s is None else self._clock() - self._ttl_s
        query = "SELECT texts FROM omitted WHERE recall_id = ? AND stored_s >= ?"
        with self._session() as db:
            found = db.execute(query, (recall_id, oldest_s)).fetchone()
        if found is None:
            return None
        try:
            return unpack(found[0])
        except ValueError as exc:
            raise RecallError(f"{self.path}: text {recall_id!r} is {exc}") from exc

    def count(self) -> int:
        """How many windows' texts there are."""
        with self._session() as db:
            return int(db.execute("SELECT COUNT(*) FROM omitted").fetchone()[0])

    def _evict(self, db: sqlite3.Connection) -> None:
        over = int(db.execute("SELECT size FROM total").fetchone()[0]) - self._max_bytes
        while over > 0:
            query = "SELECT rowid, size FROM omitted ORDER BY stored_s, rowid LIMIT 1"
            row, size = db.execute(query).fetchone()
            db.execute("DELETE FROM omitted WHERE rowid = ?", (row,))
            over -= size
