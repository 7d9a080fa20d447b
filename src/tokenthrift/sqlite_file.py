"""A SQLite file that several threads and processes share: how it is opened, locked and left.

Write-ahead log, one connection a process, one thread at a time; what is in the file is up to the
classes that build on this one. SQLite's errors become theirs, saying which file and what to do.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from tokenthrift.errors import TokenthriftError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MEMORY: Final = ":memory:"
BUSY_TIMEOUT_MS: Final = 10_000  # a writer holds the lock for well under 1 ms
WAL_RETRY_S: Final = 0.02
CHECKPOINT_PAGES: Final = 4_000  # 16 MB of log: the flush of a checkpoint hits 1 write in hundreds

# A connection must not be used, nor even closed, on the other side of a fork: a child keeps its
# parent's here, unused, and opens its own. Source: sqlite.org/howtocorrupt.html, section 2.6.
_inherited: list[sqlite3.Connection] = []


class SQLiteFile:
    """An open file; safe with threads, processes and forks.

    A commit is handed to the operating system before it returns (``synchronous=NORMAL``), so
    killing the process loses nothing that was acknowledged. Cutting the power may lose the newest
    commits, but never corrupts the file; ``power_safe`` waits for the disk at each commit
    (``synchronous=FULL``). The folder must be on a local disk.

    Args:
        path: the file, or ``:memory:`` for one that ends with this object.
        create: whether a missing file is made; readers pass False, so that typing errors show.
        power_safe: whether each commit waits for the disk.
        busy_timeout_ms: how long to wait for other processes' locks.
    """

    noun: ClassVar[str] = "file"
    """What a file of this kind is called in errors."""
    error: ClassVar[type[TokenthriftError]] = TokenthriftError
    """What is raised where a file cannot be opened, read or written."""
    application_id: ClassVar[int] = 0
    """So that `file` and we can tell files of this kind."""
    version: ClassVar[int] = 1
    """Of the tables; a file of a newer one is refused."""
    tables: ClassVar[Sequence[str]] = ()
    """Statements that make a new file's tables."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        power_safe: bool = False,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        name = os.fspath(path)
        self.path = name if name == MEMORY else str(Path(name).expanduser().absolute())
        self._create = create
        self._power_safe = power_safe
        self._busy_timeout_ms = busy_timeout_ms
        self._lock = threading.Lock()
        self._pid = os.getpid()
        with self._explained():
            self._db: sqlite3.Connection | None = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is fine, anything else afterwards is an error."""
        self._leave_parent()
        with self._lock, self._explained():
            if self._db is not None:
                self._db.close()
                self._db = None

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables, or refuse the file; called once for each new connection."""
        if self._version(db) == self.version:
            return
        with db:
            db.execute("BEGIN IMMEDIATE")
            if self._version(db) == self.version:  # another process was faster
                return
            for statement in self.tables:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {self.application_id}")
            db.execute(f"PRAGMA user_version = {self.version}")

    def _version(self, db: sqlite3.Connection) -> int:
        version, owner, tables = identity(db)
        if owner != self.application_id and (owner or version or tables):
            raise self.error(f"{self.path}: a SQLite database of another kind; name another file")
        if version > self.version:
            raise self.error(
                f"{self.path}: store version {version}, but this tokenthrift reads up to "
                f"{self.version}; upgrade tokenthrift, or name another file"
            )
        return version

    @contextmanager
    def _session(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; SQLite's errors become ours."""
        self._leave_parent()
        with self._lock, self._explained():
            if self._db is None:
                raise self.error(f"{self.path}: the {self.noun} is closed")
            yield self._db

    def _leave_parent(self) -> None:
        """After a fork: a lock of our own (another thread may have held it) and a connection."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._lock = threading.Lock()
        if self._db is not None and self.path != MEMORY:
            _inherited.append(self._db)
            with self._explained():
                self._db = self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._target(),
            uri=True,
            timeout=self._busy_timeout_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(db)
            self._use_wal(db)
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            db.execute(f"PRAGMA synchronous = {'FULL' if self._power_safe else 'NORMAL'}")
        except BaseException:
            db.close()
            raise
        return db

    def _target(self) -> str:
        if self.path == MEMORY:
            return MEMORY
        path = Path(self.path)
        if path.is_dir():
            raise self.error(f"{path}: is a folder; name a file in it")
        if not path.parent.is_dir():
            raise self.error(f"{path}: the folder {path.parent} does not exist; create it first")
        if not self._create and not path.exists():
            raise self.error(f"{path}: no such {self.noun}; check the name")
        return f"{path.as_uri()}?mode={'rwc' if self._create else 'rw'}"

    def _use_wal(self, db: sqlite3.Connection) -> None:
        """Switch the file to a write-ahead log, once; where that is impossible stay as it is.

        Two processes that open a new file at once can refuse each other without SQLite waiting, so
        the wait is here.
        """
        tries = max(1, round(self._busy_timeout_ms / 1000 / WAL_RETRY_S))
        for left in reversed(range(tries)):
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if not _is_busy(exc) or left == 0:
                    raise
                time.sleep(WAL_RETRY_S)
            else:
                return

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, saying what file and what to do."""
        try:
            yield
        except sqlite3.Error as exc:
            hint = ""
            if _is_busy(exc):
                hint = "; another process holds it for too long: end it, or raise busy_timeout_ms"
            elif isinstance(exc, sqlite3.DatabaseError) and "not a database" in str(exc):
                hint = "; name another file"
            raise self.error(f"{self.path}: {exc}{hint}") from exc


def identity(db: sqlite3.Connection) -> tuple[int, int, int]:
    """A file's ``user_version``, ``application_id`` and number of tables, as of one instant.

    In one statement, as another process may be making the tables at this moment.
    """
    version, owner, tables = db.execute(
        "SELECT user_version, application_id, (SELECT COUNT(*) FROM sqlite_master) "
        "FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    return int(version), int(owner), int(tables)


def _is_busy(exc: sqlite3.Error) -> bool:
    # The low byte is the primary code; the others say which lock.
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
