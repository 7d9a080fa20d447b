"""Pruning and erasing in a SQLite ledger: calls become sums, and their pages are overwritten.

The calls of a chunk become sums in one transaction, so that the sums of a ledger are exact at
every instant and writers never wait for long.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.folded import (
    Folded,
    Why,
    check_erasure,
    digest_of,
    midnight,
    new_folded,
    of_pruned_day,
)
from tokenthrift.ledger.folded_tables import add_folded, delete_calls, read_folded, retag_folded
from tokenthrift.ledger.record import LedgerRecord, as_utc
from tokenthrift.ledger.rollups import drop_empty
from tokenthrift.ledger.schema import GROUP_SQL, microseconds
from tokenthrift.sqlite_file import SQLiteFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

CHUNK_CALLS: Final = 1_000  # about 0.1 s of work, a hundredth of what writers wait for a lock
_GONE: Final = (
    "SELECT EXISTS (SELECT 1 FROM gone WHERE id = ?), "
    "(SELECT MAX(day) FROM folded WHERE why = 'pruned')"
)


class SQLiteRetention(SQLiteFile):
    """The part of a ledger file that keeps sums of calls whose details are gone."""

    noun = "ledger"
    error = LedgerError

    def folded(self) -> Folded:
        """The sums of calls whose details are gone."""
        with self._snapshot() as db:
            return read_folded(db)

    def write_folded(self, given: Folded) -> None:
        """Commit sums of calls that another ledger has no details of; again changes nothing.

        Raises:
            LedgerError: other sums are there under one of the keys, or records of a pruned day.
        """
        with self._session() as db, db:
            db.execute("BEGIN IMMEDIATE")
            live = db.execute(f"SELECT {GROUP_SQL['day']}, record_id FROM calls")  # noqa: S608 - constant
            add_folded(db, new_folded(read_folded(db), given, live, self.path))

    def prune(self, before: str) -> int:
        """Turn the calls of the days before a day into sums by day; how many.

        Sums of any time stay as they were, by every key but the session. Details, sessions and
        feedback go. In steps: what was done before an error stays done.

        Raises:
            LedgerError: the file cannot be written.
        """
        where, values = "created_us < ?", [microseconds(midnight(before))]
        done = self._fold(where, values, "pruned")
        if done:
            self._overwrite()
        return done

    def erase(
        self,
        tags: Mapping[str, str] | None = None,
        session: str | None = None,
        keep: Collection[str] = (),
    ) -> int:
        """Turn the calls that match into sums that tell nothing of who made them; how many.

        Sums stay as they were, by every key but sessions and tags that are not kept. Sums of
        calls that were pruned before lose these tags too.

        Args:
            tags: calls that carry all of these.
            session: calls of this session.
            keep: names of tags that stay in the sums, because they are of no person.

        Raises:
            LedgerError: the file cannot be written, or another process keeps its old pages.
            ValueError: neither tags nor a session are given, or a tag is both asked for and kept.
        """
        check_erasure(tags, session, keep)
        where, values = filter_sql(None, tags)
        if session is not None:
            where, values = f"{where} AND session = ?", [*values, session]
        done = self._fold(where, values, "erased", keep)
        if tags and session is None:
            with self._session() as db, db:
                db.execute("BEGIN IMMEDIATE")
                done += retag_folded(db, tags, keep)
        self._overwrite()
        return done

    def _fold(
        self, where: str, values: Sequence[object], why: Why, keep: Collection[str] | None = None
    ) -> int:
        """Turn the calls that match into sums, a chunk a transaction; old days come day by day."""
        order = "created_us" if why == "pruned" else "seq"
        query = f"""
            SELECT seq, record_id, detail FROM calls JOIN details USING (seq)
            WHERE {where} ORDER BY {order} LIMIT {CHUNK_CALLS}
        """  # noqa: S608 - constants only, values are bound
        done = 0
        while True:
            with self._session() as db, db:
                db.execute("PRAGMA secure_delete = ON")
                db.execute("BEGIN IMMEDIATE")
                found = db.execute(query, values).fetchall()
                records = {seq: self._parse(name, detail) for seq, name, detail in sorted(found)}
                add_folded(db, Folded.of(records.values(), why, keep))
                delete_calls(db, records)
            done += len(found)
            if len(found) < CHUNK_CALLS:
                return done

    def _overwrite(self) -> None:
        """Write the file anew without what was deleted, and empty the log that still holds it."""
        with self._session() as db:
            drop_empty(db)
            db.execute("VACUUM")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise LedgerError(
                f"{self.path}: done, but another process still reads old pages; run it again when "
                "no other process has the file open"
            )

    def _is_gone(self, db: sqlite3.Connection, record: LedgerRecord) -> bool:
        gone, day = db.execute(_GONE, (digest_of(record.record_id),)).fetchone()
        if day is not None and record.created_at.date().isoformat() <= day:
            raise of_pruned_day(record, day, self.path)
        return bool(gone)

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A transaction that only reads, so that several queries see one state."""
        with self._session() as db, db:
            db.execute("BEGIN")
            yield db

    def _parse(self, record_id: str, detail: str) -> LedgerRecord:
        try:
            return LedgerRecord.model_validate_json(detail)
        except ValidationError as exc:
            raise LedgerError(f"{self.path}: record {record_id!r} is damaged: {exc}") from exc


def filter_sql(since: datetime | None, tags: Mapping[str, str] | None) -> tuple[str, list[object]]:
    """A WHERE clause without user text in it, and the values to bind."""
    clauses, values = ["1"], list[object]()
    if since is not None:
        clauses.append("created_us >= ?")
        values.append(microseconds(as_utc(since)))
    for key, value in (tags or {}).items():
        clauses.append("seq IN (SELECT call_seq FROM tags WHERE key = ? AND value = ?)")
        values += [key, value]
    return " AND ".join(clauses), values
