"""Several processes, forks and sudden deaths: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger, totals_of

# Writes records and prints each id after its write has returned.
WRITER = """
import sys
from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger
path, first, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with SQLiteLedger(path) as ledger:
    for number in range(first, first + many):
        record = sample(number)
        ledger.write(record)
        print(record.record_id, flush=True)
"""

# Opens a ledger, forks, and writes from both sides, also through a lock held during the fork.
FORKER = """
import os, sys
from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger
ledger = SQLiteLedger(sys.argv[1])
ledger.write(sample(0))
ledger._lock.acquire()
child = os.fork()
if child:
    ledger._lock.release()
first = 100 if child else 200
for number in range(first, first + 50):
    ledger.write(sample(number))
ledger.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""

TIMEOUT_S = 60


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that finds this folder and the package."""
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def check(path: Path) -> None:
    """The file is sound, and its columns, rows and JSON agree."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    with SQLiteLedger(path, create=False) as ledger:
        records = list(ledger.records())
        assert ledger.totals() == totals_of(records)
        assert ledger.count() == len({r.record_id for r in records}) == len(records)
        attempts = ledger._db.execute("SELECT COUNT(*) FROM attempts").fetchone()[0]
        assert attempts == sum(len(r.attempts) for r in records)


def test_killing_the_writer_loses_nothing_that_was_acknowledged(tmp_path):
    """Ten writers killed at random points: every acknowledged record is there, once and whole."""
    path = tmp_path / "ledger.db"
    rng = random.Random(7)
    acknowledged: list[str] = []
    for run in range(10):
        writer = start(WRITER, path, run * 100_000, 100_000)
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(rng.randrange(1, 300))]
        os.kill(writer.pid, signal.SIGKILL)
        # What it printed before it died; a last line without its end was not acknowledged.
        rest = writer.stdout.read().splitlines(keepends=True)
        writer.stdout.close()
        assert writer.wait(TIMEOUT_S) == -signal.SIGKILL
        acknowledged += [line.strip() for line in (*lines, *rest) if line.endswith("\n")]
    with SQLiteLedger(path) as ledger:
        found = [r.record_id for r in ledger.records()]
        assert len(set(found)) == len(found)
        assert set(acknowledged) <= set(found)
        # Each writer may have died between its commit and its word.
        assert len(found) - len(acknowledged) <= 10
        for record_id in found[-3:]:
            assert ledger.get(record_id) == sample(int(record_id.removeprefix("call-")))
    check(path)


def test_four_processes_write_at_once(tmp_path):
    """Four processes that create and fill one new file leave all their records and equal sums."""
    path = tmp_path / "ledger.db"
    writers = [start(WRITER, path, first, 250) for first in (0, 1_000, 2_000, 2_100)]
    printed = [w.communicate(timeout=TIMEOUT_S)[0].split() for w in writers]
    assert [w.returncode for w in writers] == [0] * 4
    assert [len(p) for p in printed] == [250] * 4
    numbers = {*range(250), *range(1_000, 1_250), *range(2_000, 2_350)}
    with SQLiteLedger(path) as ledger:
        assert {r.record_id for r in ledger.records()} == {f"call-{n:06d}" for n in numbers}
        assert ledger.totals() == totals_of(sample(n) for n in numbers)
    check(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_both_sides_of_a_fork_write(tmp_path):
    """A server that forks after opening its ledger can write from parent and child."""
    path = tmp_path / "ledger.db"
    process = start(FORKER, path)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    numbers = {0, *range(100, 150), *range(200, 250)}
    with SQLiteLedger(path) as ledger:
        assert {r.record_id for r in ledger.records()} == {f"call-{n:06d}" for n in numbers}
    check(path)
