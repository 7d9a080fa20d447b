"""A store of limits in one SQLite file, shared by the threads and processes of a machine.

Every step is one transaction that holds the write lock from its start, so that what was read is
still true when it is written. A step that returned survives the death of its process; one that did
not return has happened whole or not at all.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LimitStoreError
from tokenthrift.limits.amounts import NOTHING, Amount
from tokenthrift.limits.store import REMEMBERED_US, Answer, Hold, Slice, Use, admits
from tokenthrift.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from tokenthrift.limits.store import Line, OnExpiry

APPLICATION_ID: Final = 0x54544C4D  # "TTLM", so that `file` and we can tell a store
VERSION: Final = 1

# `ends_us` is when a lease's time is over; once it is closed, when it is forgotten.
TABLES: Final = (
    """
    CREATE TABLE slices (
        account TEXT NOT NULL,
        slice_us INTEGER NOT NULL,
        spent_requests INTEGER NOT NULL,
        spent_input INTEGER NOT NULL,
        spent_output INTEGER NOT NULL,
        spent_nanos INTEGER NOT NULL,
        held_requests INTEGER NOT NULL,
        held_input INTEGER NOT NULL,
        held_output INTEGER NOT NULL,
        held_nanos INTEGER NOT NULL,
        PRIMARY KEY (account, slice_us)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE leases (
        lease_id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('held', 'expired', 'closed')),
        ends_us INTEGER NOT NULL,
        on_expiry TEXT NOT NULL,
        asked TEXT NOT NULL,
        places TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX leases_ends ON leases (ends_us)",
)
READ: Final = "SELECT * FROM slices WHERE account = ? AND slice_us >= ? ORDER BY slice_us"
READ_ALL: Final = "SELECT * FROM slices ORDER BY account, slice_us"
ADD: Final = """
    INSERT INTO slices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        spent_requests = spent_requests + excluded.spent_requests,
        spent_input = spent_input + excluded.spent_input,
        spent_output = spent_output + excluded.spent_output,
        spent_nanos = spent_nanos + excluded.spent_nanos,
        held_requests = held_requests + excluded.held_requests,
        held_input = held_input + excluded.held_input,
        held_output = held_output + excluded.held_output,
        held_nanos = held_nanos + excluded.held_nanos
"""
FORGET: Final = """
    DELETE FROM slices WHERE account = ? AND slice_us < ?
    AND held_requests = 0 AND held_input = 0 AND held_output = 0 AND held_nanos = 0
"""
LEASE: Final = "SELECT state, on_expiry, asked, places FROM leases WHERE lease_id = ?"
ENDED: Final = "SELECT lease_id, state, on_expiry, asked, places FROM leases WHERE ends_us <= ?"


class SQLiteLimits(SQLiteFile):
    """Accounts and leases in a file; safe with threads, processes and forks.

    Args:
        path: the file, or ``:memory:``. The folder must be on a local disk.
        create: whether a missing file is made.
        power_safe: whether each step waits for the disk, so that a power cut loses none.
        busy_timeout_ms: how long to wait for other processes.

    Raises:
        LimitStoreError: the file cannot be opened, or is of a newer version or another program.
    """

    noun = "store of limits"
    error = LimitStoreError
    application_id = APPLICATION_ID
    version = VERSION
    tables = TABLES

    def reserve(self, hold: Hold, lines: Sequence[Line], now_us: int) -> Answer:
        """See `LimitStore.reserve`."""
        with self._step() as db:
            _sweep(db, now_us)
            uses = tuple(_use(db, line) for line in lines)
            if db.execute(LEASE, (hold.lease_id,)).fetchone() is not None:
                return Answer(True, uses)
            if not admits(lines, uses, hold.asked):
                return Answer(False, uses)
            for line, use in zip(lines, uses, strict=True):
                if line.window.slice_us not in {s.slice_us for s in use.slices}:
                    db.execute(FORGET, (line.account, line.window.kept_since_us))
            places = list(dict.fromkeys((x.account, x.window.slice_us) for x in lines))
            _add(db, places, NOTHING, hold.asked)
            row = (
                hold.lease_id,
                "held",
                hold.expires_us,
                hold.on_expiry,
                json.dumps(list(hold.asked)),
                json.dumps(places),
            )
            db.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?)", row)
            return Answer(True, uses)

    def settle(self, lease_id: str, actual: Amount, now_us: int) -> bool:
        """See `LimitStore.settle`."""
        with self._step() as db:
            row = db.execute(LEASE, (lease_id,)).fetchone()
            if row is None:
                raise LimitStoreError(f"{self.path}: lease {lease_id!r} is not known, or no longer")
            state, on_expiry, asked, places = row
            if state == "closed":
                return False
            hold = _hold(lease_id, asked, on_expiry)
            if state == "held":
                _add(db, json.loads(places), actual, NOTHING - hold.asked)
            else:
                _add(db, json.loads(places), actual - hold.charged, NOTHING)
            _end(db, lease_id, "closed", now_us)
            return True

    def renew(self, lease_id: str, expires_us: int) -> bool:
        """See `LimitStore.renew`."""
        with self._step() as db:
            update = (
                "UPDATE leases SET ends_us = MAX(ends_us, ?) WHERE lease_id = ? AND state = 'held'"
            )
            return db.execute(update, (expires_us, lease_id)).rowcount == 1

    def uses(self, lines: Sequence[Line], now_us: int) -> tuple[Use, ...]:
        """See `LimitStore.uses`."""
        with self._step() as db:
            _sweep(db, now_us)
            return tuple(_use(db, line) for line in lines)

    def accounts(self, now_us: int) -> dict[str, Use]:
        """See `LimitStore.accounts`."""
        found: dict[str, list[Slice]] = {}
        with self._step() as db:
            _sweep(db, now_us)
            for row in db.execute(READ_ALL):
                found.setdefault(row[0], []).append(_slice(row))
        return {account: Use(tuple(slices)) for account, slices in found.items()}

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Connection]:
        with self._session() as db, db:
            # IMMEDIATE: waiting for other writers happens here, before anything was read.
            db.execute("BEGIN IMMEDIATE")
            yield db


def _sweep(db: sqlite3.Connection, now_us: int) -> None:
    """Close leases whose time is over, and forget those that were closed long ago."""
    for lease_id, state, on_expiry, asked, places in db.execute(ENDED, (now_us,)).fetchall():
        if state != "held":
            db.execute("DELETE FROM leases WHERE lease_id = ?", (lease_id,))
            continue
        hold = _hold(lease_id, asked, on_expiry)
        _add(db, json.loads(places), hold.charged, NOTHING - hold.asked)
        _end(db, lease_id, "expired", now_us)


def _use(db: sqlite3.Connection, line: Line) -> Use:
    rows = db.execute(READ, (line.account, line.window.since_us)).fetchall()
    return Use(tuple(map(_slice, rows)))


def _slice(row: tuple[Any, ...]) -> Slice:
    return Slice(row[1], Amount(*row[2:6]), Amount(*row[6:]))


def _add(
    db: sqlite3.Connection, places: Sequence[Sequence[str | int]], spent: Amount, held: Amount
) -> None:
    db.executemany(ADD, [(*place, *spent, *held) for place in places])


def _end(db: sqlite3.Connection, lease_id: str, state: str, now_us: int) -> None:
    update = "UPDATE leases SET state = ?, ends_us = ? WHERE lease_id = ?"
    db.execute(update, (state, now_us + REMEMBERED_US, lease_id))


def _hold(lease_id: str, asked: str, on_expiry: OnExpiry) -> Hold:
    return Hold(lease_id, Amount(*json.loads(asked)), 0, on_expiry)
