"""Several processes, forks and sudden deaths: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from strategies import TIMES
from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger, totals_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# Forks writers one after the other and kills each at a random point of its endless work: while it
# opens the file, between two records, or within a commit. A writer notes a record when its write
# has returned. The imports are done once, as they take a thousand times as long as a record.
KILLER = """
import os, random, signal, sys, time
from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger
path, notes, kills, doing = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
rng = random.Random(7)

def write(run):
    ledger = SQLiteLedger(path)
    out = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in range(run * 100_000, (run + 1) * 100_000):
        ledger.write(sample(number))
        os.write(out, f"call-{number:06d}\\n".encode())

def fold(run):
    ledger = SQLiteLedger(path)
    ledger.prune("2026-03-02")
    ledger.erase({"team": "search"})
    time.sleep(600)

for run in range(kills):
    child = os.fork()
    if child == 0:
        {"write": write, "fold": fold}[doing](run)
    # Most deaths come while it works, some before it has opened the file.
    time.sleep(rng.uniform(0, 0.06 if run % 4 else 0.01))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""

# Forks writers that create and fill one new file at once; each exits with 0 when all is written.
WRITERS = """
import os, sys
from test_ledger_record import sample
from tokenthrift.ledger import SQLiteLedger
path, many, firsts = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
for first in map(int, firsts):
    if os.fork() == 0:
        with SQLiteLedger(path) as ledger:
            for number in range(first, first + many):
                ledger.write(sample(number))
        os._exit(0)
for _ in firsts:
    assert os.wait()[1] == 0
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

# Far beyond what the work takes (seconds): importing takes a minute on a machine that is busy.
TIMEOUT_S = 580
KILLS = 200 if TIMES > 1 else 40


def run(script: str, *arguments: object) -> None:
    """Run a program that finds this folder and the package."""
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        check=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def check(path: Path) -> None:
    """The file is sound, and its columns, rows and JSON agree."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    with SQLiteLedger(path, create=False) as ledger:
        assert ledger.verify() == []
        assert ledger.count() == len({r.record_id for r in ledger.records()})


def test_killing_the_writer_loses_nothing_that_was_acknowledged(tmp_path):
    """Writers killed at random points: every acknowledged record is there, once and whole."""
    path, notes = tmp_path / "ledger.db", tmp_path / "notes"
    run(KILLER, path, notes, KILLS, "write")
    acknowledged = notes.read_text(encoding="utf-8").split()
    assert len(acknowledged) > KILLS
    with SQLiteLedger(path) as ledger:
        found = [r.record_id for r in ledger.records()]
        assert len(set(found)) == len(found)
        assert set(acknowledged) <= set(found)
        # Each writer may have died between its commit and its note.
        assert len(found) - len(acknowledged) <= KILLS
        for record in ledger.records():
            assert record == sample(int(record.record_id.removeprefix("call-")))
    check(path)


def test_killing_who_prunes_and_erases_keeps_every_sum(tmp_path):
    """At whatever point it dies, calls are either calls or sums, and the totals are the same."""
    path = tmp_path / "ledger.db"
    with SQLiteLedger(path) as ledger:
        for number in range(2_500):
            ledger.write(sample(number * 60))
        totals = ledger.totals()
    run(KILLER, path, tmp_path / "notes", KILLS, "fold")
    check(path)
    with SQLiteLedger(path) as ledger:
        assert ledger.totals() == totals
        ledger.prune("2026-03-02")
        ledger.erase({"team": "search"})
        assert ledger.totals() == totals
        assert "search" not in ledger.totals_by("tag:team")


def test_four_processes_write_at_once(tmp_path):
    """Four processes that create and fill one new file leave all their records and equal sums."""
    path = tmp_path / "ledger.db"
    run(WRITERS, path, 250, 0, 1_000, 2_000, 2_100)
    numbers = {*range(250), *range(1_000, 1_250), *range(2_000, 2_350)}
    with SQLiteLedger(path) as ledger:
        assert {r.record_id for r in ledger.records()} == {f"call-{n:06d}" for n in numbers}
        assert ledger.totals() == totals_of(sample(n) for n in numbers)
    check(path)


def test_both_sides_of_a_fork_write(tmp_path):
    """A server that forks after opening its ledger can write from parent and child."""
    path = tmp_path / "ledger.db"
    run(FORKER, path)
    numbers = {0, *range(100, 150), *range(200, 250)}
    with SQLiteLedger(path) as ledger:
        assert {r.record_id for r in ledger.records()} == {f"call-{n:06d}" for n in numbers}
    check(path)
