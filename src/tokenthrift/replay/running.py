"""A whole replay: files in, sums out, over as many processes as wanted, resumable.

Lines are batched by their number and size alone and results are taken in the order of the files, so
that sums, records and keys are the same whatever the number of processes.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import Catalog, load_catalog
from tokenthrift.errors import ReplayError
from tokenthrift.replay.conversation import ID_BYTES, Options, Replayed, replay_line
from tokenthrift.replay.lines import RawLine, check_readable, raw_lines
from tokenthrift.replay.readers import contexts_file
from tokenthrift.replay.state import StateFile
from tokenthrift.report.tally import Tally
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tokenthrift.ledger import Ledger, LedgerRecord

# A batch is what is lost when a replay is interrupted, and what one message to a worker carries.
BATCH_LINES: Final = 32
BATCH_BYTES: Final = 256 * 1024
AHEAD_PER_WORKER: Final = 3  # batches under way or waiting per process
PROBLEMS_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that are replayed together.

    Attributes:
        key: digest of the lines and of everything that decides what comes of them.
        share: of the bytes of all files, up to the end of this batch.
    """

    key: str
    lines: tuple[RawLine, ...]
    share: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come.

    Attributes:
        share: of the bytes of all files, from 0 to 1.
        resumed_lines: of ``lines``, those whose sums came from the state file.
    """

    share: float
    lines: int
    resumed_lines: int
    requests: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay found.

    Attributes:
        problems: the first of them, as ``file:line: why``.
        resumed_lines: lines whose sums came from the state file.
        records_written: to the ledger; ``records_known`` were there before.
        prices: which snapshot.
    """

    tally: Tally
    problems: tuple[str, ...]
    lines: int
    resumed_lines: int
    records_written: int
    records_known: int
    prices: str


def replay(
    paths: Sequence[Path],
    options: Options,
    *,
    workers: int = 1,
    state: Path | None = None,
    ledger: Ledger | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Outcome:
    """Replay recordings.

    Several processes are started afresh (*spawn*), so a script that calls this with ``workers``
    above 1 does so under ``if __name__ == "__main__"``.

    Args:
        paths: files, in order.
        options: policy, model and how lines are read; ``keep_records`` must be set for a ledger.
        workers: processes; 1 runs in this one.
        state: a file that remembers finished batches; an interrupted replay goes on from there.
        ledger: where records go; those that it has already are left as they are.
        on_progress: called after each batch.

    Raises:
        ReplayError: a file cannot be read, a worker died, or the state cannot be kept.
    """
    check_readable(paths)
    catalog = _catalog(options.policy.cards_path)
    run = _Run(ledger, on_progress)
    with ExitStack() as stack:
        known = stack.enter_context(StateFile(state)) if state is not None else None
        salt = f"{options.digest} {catalog.snapshot} {options.keep_records}"
        batches = _batches(paths, salt)
        if workers > 1:
            _in_processes(batches, run, options, known, workers)
        else:
            for batch in batches:
                found = known.get(batch.key) if known is not None else None
                run.take(batch, found or _work(batch, options), known, resumed=found is not None)
    return Outcome(
        tally=run.tally,
        problems=tuple(run.problems),
        lines=run.lines,
        resumed_lines=run.resumed_lines,
        records_written=run.records_written,
        records_known=run.records_known,
        prices=catalog.snapshot,
    )


class _Run:
    """Takes the results of batches in order and adds them up."""

    def __init__(self, ledger: Ledger | None, on_progress: Callable[[Progress], None]) -> None:
        self._ledger = ledger
        self._on_progress = on_progress
        self.tally = Tally()
        self.problems: list[str] = []
        self.lines = self.resumed_lines = 0
        self.records_written = self.records_known = 0

    def take(
        self, batch: Batch, result: Replayed, state: StateFile | None, *, resumed: bool
    ) -> None:
        """Take one batch; the ledger has its records before the state says it is done."""
        if self._ledger is not None:
            for record in result.records:
                if self._ledger.get(record.record_id) is None:
                    self._ledger(record)
                    self.records_written += 1
                else:
                    self.records_known += 1
        if state is not None and not resumed:
            state.put(batch.key, result)
        self.tally += result.tally
        self.problems += result.problems[: PROBLEMS_KEPT - len(self.problems)]
        self.lines += result.lines
        self.resumed_lines += result.lines if resumed else 0
        self._on_progress(
            Progress(batch.share, self.lines, self.resumed_lines, self.tally.requests)
        )


def _in_processes(
    batches: Iterator[Batch],
    run: _Run,
    options: Options,
    known: StateFile | None,
    workers: int,
) -> None:
    """Keep the workers busy a few batches ahead, and take the results in order."""
    waiting: deque[tuple[Batch, Future[Replayed] | None, Replayed | None]] = deque()

    def take_first() -> None:
        batch, future, found = waiting.popleft()
        result = found if future is None else future.result()
        if result is not None:
            run.take(batch, result, known, resumed=found is not None)

    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(options.model,),
    )
    try:
        for batch in batches:
            found = known.get(batch.key) if known is not None else None
            future = pool.submit(_work, batch, options) if found is None else None
            waiting.append((batch, future, found))
            if len(waiting) > workers * AHEAD_PER_WORKER:
                take_first()
        while waiting:
            take_first()
    except BrokenProcessPool as error:
        raise ReplayError(
            "a worker process died, most likely for want of memory; run again with fewer --workers "
            "(with --state it goes on where it stopped)"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(model: str) -> None:
    """Leave interrupts to the parent, and load what the first plan would otherwise wait for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    counter_for(model)(" ")


def _work(batch: Batch, options: Options) -> Replayed:
    """Replay a batch; what a worker process runs."""
    catalog = _catalog(options.policy.cards_path)
    tally = Tally()
    records: list[LedgerRecord] = []
    problems: list[str] = []
    for line in batch.lines:
        one = replay_line(line, options, catalog, time.perf_counter)
        tally += one.tally
        records += one.records
        problems += one.problems
    return Replayed(tally, tuple(records), tuple(problems[:PROBLEMS_KEPT]), len(batch.lines))


@lru_cache(maxsize=4)
def _catalog(cards_path: Path | None) -> Catalog:
    return load_catalog(cards_path)


def _batches(paths: Sequence[Path], salt: str) -> Iterator[Batch]:
    """Cut the lines of all files into batches; none spans two files."""
    sizes = [path.stat().st_size for path in paths]
    whole = max(1, sum(sizes))
    for n, path in enumerate(paths):
        contexts = contexts_file(path)
        head = blake2b(salt.encode(), digest_size=ID_BYTES)
        head.update(path.name.encode("utf-8", "surrogatepass") + b"\0")
        head.update(contexts.read_bytes() if contexts is not None else b"")
        for lines in _grouped(raw_lines(path)):
            digest = head.copy()
            for line in lines:
                digest.update(f"{line.number}\0{len(line.data)}\0{line.problem}\0".encode())
                digest.update(line.data)
            done = sum(sizes[:n]) + lines[-1].position
            yield Batch(digest.hexdigest(), lines, min(1.0, done / whole))


def _grouped(lines: Iterator[RawLine]) -> Iterator[tuple[RawLine, ...]]:
    group: list[RawLine] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line.data)
        if len(group) >= BATCH_LINES or size >= BATCH_BYTES:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)
