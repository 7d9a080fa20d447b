"""A ledger in one SQLite file: no server, several threads and processes, one commit per record.

A record is in the file when `SQLiteLedger.write` returns, and survives the death of the process at
any instant after that. Records are only ever added, until `SQLiteLedger.prune` or
`SQLiteLedger.erase` turns some into sums; there is no update.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LedgerError
from tokenthrift.ledger.cache_check import NEWEST_CALLS, Prediction
from tokenthrift.ledger.feedback import no_such_call, said_before
from tokenthrift.ledger.folded import DAY, midnight
from tokenthrift.ledger.folded_tables import read_folded
from tokenthrift.ledger.memory import check_limit
from tokenthrift.ledger.retention import SQLiteRetention, filter_sql
from tokenthrift.ledger.rollups import (
    BATCH_CALLS,
    catch_up,
    has_rest,
    largest_rolled,
    roll_up,
    rolled,
    totals_row,
)
from tokenthrift.ledger.schema import (
    GROUP_SQL,
    INSERT_ATTEMPT,
    INSERT_CALL,
    INSERT_DETAIL,
    INSERT_FEEDBACK,
    INSERT_TAG,
    SUM_COLUMNS,
    attempt_rows,
    call_row,
    feedback_of,
    feedback_row,
    microseconds,
    migrate,
    tag_rows,
)
from tokenthrift.ledger.totals import TAG, GroupKey, Largest, Totals, added, check_key, largest_of
from tokenthrift.ledger.trial_rows import read_predictions, read_sessions, read_shadows
from tokenthrift.ledger.verify import ledger_findings
from tokenthrift.sqlite_file import MEMORY
from tokenthrift.tokens import Correction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from tokenthrift.experiment import SessionRow
    from tokenthrift.ledger.feedback import Feedback
    from tokenthrift.ledger.record import LedgerRecord
    from tokenthrift.ledger.trials import ShadowTotals

PAGE_RECORDS: Final = 200  # read at a time, so that a long read never holds the lock for long

_DETAIL: Final = "SELECT detail FROM calls JOIN details USING (seq)"
_FEEDBACK: Final = "SELECT call_id, source, created_us, outcome, value FROM feedback"
_SUMS: Final = ", ".join(["COUNT(*)", *(f"SUM({name})" for name in SUM_COLUMNS)])


class SQLiteLedger(SQLiteRetention):
    """An append-only account of calls in a file; safe with threads, processes and forks.

    Write-ahead log with ``synchronous=NORMAL``: a commit is handed to the operating system before
    `write` returns, so killing the process loses nothing that was acknowledged. Cutting the power
    may lose the newest records, but never corrupts the file or splits a record; ``power_safe``
    waits for the disk at each record (``synchronous=FULL``) and rules that out too, at the price
    of a disk flush per call. The folder must be on a local disk.

    Args:
        path: the file, or ``:memory:`` for one that ends with this object.
        create: whether a missing file is made; reports pass False, so that typing errors show.
        power_safe: whether each record waits for the disk.
        busy_timeout_ms: how long to wait for other processes' locks.

    Raises:
        LedgerError: the file cannot be opened, or is of a newer version or another program.
    """

    def __call__(self, record: LedgerRecord, /) -> None:
        """Write a record (the `Sink` protocol)."""
        self.write(record)

    def write(self, record: LedgerRecord) -> None:
        """Commit a record; writing the same record again changes nothing, also after its erasure.

        Raises:
            LedgerError: the file cannot be written, the id belongs to a different record, or the
                record is of a day that was pruned.
        """
        detail = record.model_dump_json()
        row = call_row(record)
        with self._session() as db, db:
            # IMMEDIATE: waiting for other writers happens here, before anything was read.
            db.execute("BEGIN IMMEDIATE")
            if self._is_gone(db, record):
                return
            cursor = db.execute(INSERT_CALL, row)
            if cursor.rowcount == 0:
                self._check_same(db, record)
                return
            seq = cursor.lastrowid or 0
            db.execute(INSERT_DETAIL, (seq, detail))
            if record.attempts:
                db.executemany(INSERT_ATTEMPT, attempt_rows(record, seq))
            if record.tags:
                db.executemany(INSERT_TAG, tag_rows(record, seq))
            if seq % BATCH_CALLS == 0:
                roll_up(db)

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None."""
        with self._session() as db:
            found = db.execute(f"{_DETAIL} WHERE record_id = ?", (record_id,)).fetchone()
        return None if found is None else self._parse(record_id, found[0])

    def records(
        self,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[LedgerRecord]:
        """Records in order of writing, as the ledger was when the iteration began.

        Args:
            since: only those created at or after this aware time.
            tags: only those that carry all of these.
            limit: the newest this many of them (still oldest first).

        Raises:
            LedgerError: the file cannot be read, or a record in it is damaged.
            ValueError: ``since`` has no offset, or ``limit`` is negative.
        """
        check_limit(limit)
        where, values = filter_sql(since, tags)
        return self._pages(where, values, limit)

    def write_feedback(self, given: Feedback) -> bool:
        """Commit what somebody says of a call; saying the same again changes nothing.

        Returns:
            Whether it was new.

        Raises:
            LedgerError: the file holds no such call, cannot be written, or the same source has
                said something else of it.
        """
        with self._session() as db, db:
            db.execute("BEGIN IMMEDIATE")
            call = db.execute("SELECT 1 FROM calls WHERE record_id = ?", (given.call_id,))
            if call.fetchone() is None:
                raise no_such_call(given.call_id, self.path)
            if db.execute(INSERT_FEEDBACK, feedback_row(given)).rowcount == 0:
                query = f"{_FEEDBACK} WHERE call_id = ? AND source = ?"
                known = db.execute(query, (given.call_id, given.source)).fetchone()
                said_before(feedback_of(known), given, self.path)
                return False
            return True

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback in order of writing, of one call or of all."""
        where, values = ("", ()) if call_id is None else (" WHERE call_id = ?", (call_id,))
        with self._session() as db:
            rows = db.execute(f"{_FEEDBACK}{where} ORDER BY seq", values).fetchall()
        return map(feedback_of, rows)

    def sessions(
        self,
        since: datetime | None = None,
        policy_digest: str | None = None,
        settle_minutes: float = 0.0,
    ) -> list[SessionRow]:
        """Sessions whose arm chance drew, in the order that their first calls were written.

        Added up by the database, on a connection of its own, so that no call waits for it.

        Args:
            since: sessions that began before this aware time are left out.
            policy_digest: of the policy that drew them; None takes all.
            settle_minutes: of a session, for the costs of its beginning.
        """
        with self._apart() as db:
            return read_sessions(db, since, policy_digest, settle_minutes)

    def shadow_totals(self, since: datetime | None = None) -> ShadowTotals:
        """What shadows of calls would have saved."""
        with self._session() as db:
            return read_shadows(db, since)

    def predictions(self, newest: int = NEWEST_CALLS) -> list[Prediction]:
        """What was predicted of caches and reported, by model and session, of the newest calls."""
        with self._session() as db:
            return read_predictions(db, newest)

    def count(self) -> int:
        """How many records there are."""
        with self._session() as db:
            return int(db.execute("SELECT COUNT(*) FROM calls").fetchone()[0])

    def totals(
        self, since: datetime | None = None, tags: Mapping[str, str] | None = None
    ) -> Totals:
        """Sums over the calls that match, added up by the database, exactly.

        Calls without details are in them; of these ``since`` takes whole days only.
        """
        with self._snapshot() as db:
            live = self._sums(db, None, since, tags).get("", Totals())
            folded = read_folded(db)
        return live + folded.totals_by(None, since, tags).get("", Totals())

    def totals_by(
        self,
        key: GroupKey | str,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Totals]:
        """Sums by the value of a key (`GROUP_KEYS`, ``tag:NAME``), sorted; a missing value is ''.

        Raises:
            ValueError: records are not grouped by that key.
        """
        check_key(key)
        with self._snapshot() as db:
            groups = self._sums(db, key, since, tags)
            folded = read_folded(db)
        return added(groups, folded.totals_by(key, since, tags))

    def largest(
        self,
        key: GroupKey | str,
        most: int,
        since: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Largest:
        """The groups of a key on which most was spent; no more of them are held in memory.

        Raises:
            ValueError: records are not grouped by that key.
        """
        check_key(key)
        with self._snapshot() as db:
            folded = read_folded(db).totals_by(key, since, tags)
            if has_rest(key) and not (folded or tags):
                return largest_rolled(db, key, most, since)
            return largest_of(added(self._sums(db, key, since, tags), folded), most)

    def correction(self, model: str) -> Correction:
        """How far our input counts of a model were off: sums over all attempts with a report."""
        with self._snapshot() as db:
            live = db.execute(
                "SELECT SUM(counted_tokens), SUM(input_tokens), COUNT(*) FROM attempts "
                "WHERE model = ? AND estimated = 0 AND counted_tokens > 0 AND input_tokens > 0",
                (model,),
            ).fetchone()
            folded = db.execute(
                "SELECT SUM(seen_counted_tokens), SUM(seen_input_tokens), SUM(seen_attempts) "
                "FROM folded_charges WHERE model = ?",
                (model,),
            ).fetchone()
        return Correction(*((a or 0) + (b or 0) for a, b in zip(live, folded, strict=True)))

    # --------------------------------------------------------------------------------------- days
    def days(self) -> list[str]:
        """The UTC days of the records, in order."""
        query = f"SELECT DISTINCT {GROUP_SQL['day']} FROM calls ORDER BY 1"  # noqa: S608 - constant
        with self._session() as db:
            return [row[0] for row in db.execute(query)]

    def day(self, day: str) -> Iterator[LedgerRecord]:
        """The records of a UTC day, by time and id: in one order, whoever wrote them."""
        start = microseconds(midnight(day))
        end = microseconds(midnight(day) + DAY)
        query = f"""
            SELECT created_us, record_id, detail FROM calls JOIN details USING (seq)
            WHERE created_us < ? AND (created_us, record_id) > (?, ?)
            ORDER BY created_us, record_id LIMIT {PAGE_RECORDS}
        """  # noqa: S608 - constant
        at, record_id = start, ""
        while True:
            with self._session() as db:
                page = db.execute(query, (end, at, record_id)).fetchall()
            for at, record_id, detail in page:  # noqa: B007 - the last one starts the next page
                yield self._parse(record_id, detail)
            if len(page) < PAGE_RECORDS:
                return

    def plan_times(self, since: datetime | None = None, limit: int | None = None) -> list[float]:
        """How long planning took, in ms; with a limit of the newest that many records."""
        check_limit(limit)
        where, values = filter_sql(since, None)
        query = f"SELECT plan_ms FROM calls WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - constants only, values are bound
        with self._session() as db:
            found = db.execute(query, (*values, -1 if limit is None else limit))
            return [row[0] for row in found]

    def verify(self) -> list[str]:
        """What is wrong: rows, sums and records that disagree, gaps, doubles, orphans."""
        with self._snapshot() as db:
            return list(ledger_findings(db))

    def rows(
        self, query: str, values: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        """What one reading query over the tables of `schema` finds.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._session() as db:
            return db.execute(query, values).fetchall()

    # ------------------------------------------------------------------------------------ reading
    @contextmanager
    def _apart(self) -> Iterator[sqlite3.Connection]:
        """A connection for one long read; a file in memory has only the one."""
        if self.path == MEMORY:
            with self._session() as db:
                yield db
            return
        with self._session():  # it is open, and of this process
            pass
        with self._explained(), closing(self._connect()) as db:
            yield db

    def _prepare(self, db: sqlite3.Connection) -> None:
        migrate(db, self.path)
        catch_up(db)

    def _sums(
        self,
        db: sqlite3.Connection,
        key: str | None,
        since: datetime | None,
        tags: Mapping[str, str] | None,
    ) -> dict[str, Totals]:
        """Sums of calls with details by the value of a key; without a key under the empty string.

        What is asked of all calls is read from the sums that the file keeps, and the rest added up.
        """
        if not tags:
            return rolled(db, key, since)
        where, values = filter_sql(since, tags)
        if key is not None and key.startswith(TAG):
            return self._by_tag(db, key.removeprefix(TAG), where, values)
        group = "''" if key is None else GROUP_SQL.get(key, key)
        query = f"SELECT {group}, {_SUMS} FROM calls WHERE {where} GROUP BY 1"  # noqa: S608 - the key was checked against GROUP_KEYS, values are bound
        return {str(row[0]): totals_row(row[1:]) for row in db.execute(query, values)}

    def _by_tag(
        self, db: sqlite3.Connection, name: str, where: str, values: list[object]
    ) -> dict[str, Totals]:
        """Sums by a tag; what carries it not is the rest of the whole, which needs no join."""
        query = f"""
            SELECT value, {_SUMS} FROM tags JOIN calls ON seq = call_seq
            WHERE key = ? AND {where} GROUP BY 1
        """  # noqa: S608 - constants only, values are bound
        groups = {row[0]: totals_row(row[1:]) for row in db.execute(query, (name, *values))}
        query = f"SELECT {_SUMS} FROM calls WHERE {where}"  # noqa: S608 - the same
        whole = totals_row(db.execute(query, values).fetchone())
        rest = whole - sum(groups.values(), Totals())
        return added(groups, {"": rest} if rest.calls else {})

    def _pages(self, where: str, values: list[object], limit: int | None) -> Iterator[LedgerRecord]:
        """Read by sequence number up to today's last: rows are only added, so it is a snapshot."""
        with self._session() as db:
            last = db.execute("SELECT COALESCE(MAX(seq), 0) FROM calls").fetchone()[0]
            seq = 0
            if limit is not None:
                query = f"SELECT seq FROM calls WHERE {where} ORDER BY seq DESC LIMIT 1 OFFSET ?"  # noqa: S608 - constants only, values are bound
                before = db.execute(query, (*values, limit)).fetchone()
                seq = last if limit == 0 else before[0] if before else 0
        query = f"""
            SELECT seq, record_id, detail FROM calls JOIN details USING (seq)
            WHERE {where} AND seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE_RECORDS}
        """  # noqa: S608 - constants only, values are bound
        while True:
            with self._session() as db:
                page = db.execute(query, (*values, seq, last)).fetchall()
            for seq, record_id, detail in page:  # noqa: B007 - the last one starts the next page
                yield self._parse(record_id, detail)
            if len(page) < PAGE_RECORDS:
                return

    def _check_same(self, db: sqlite3.Connection, record: LedgerRecord) -> None:
        known = db.execute(f"{_DETAIL} WHERE record_id = ?", (record.record_id,)).fetchone()[0]
        if self._parse(record.record_id, known) != record:
            raise LedgerError(f"{self.path}: record {record.record_id!r} exists with other content")
