"""Limits under races and sudden deaths: never overspent, nothing lost or doubled, nothing leaked.

Programs import once and fork, so that a death costs milliseconds.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strategies import TIMES
from test_ledger_record import sample
from tokenthrift.errors import LimitError
from tokenthrift.ledger import SQLiteLedger
from tokenthrift.limits import Amount, Call, Leases, Limiter, LimitRule, SQLiteLimits
from tokenthrift.types import Money, Usage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

TIMEOUT_S = 500
KILLS = 200 if TIMES > 1 else 40
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)

# Sixteen processes that start together and call until they are refused; each says how often not.
RACE = """
import os, sys
from datetime import UTC, datetime
from tokenthrift.errors import LimitError
from tokenthrift.limits import Call, Limiter, LimitRule, SQLiteLimits
from tokenthrift.types import Money, Usage
path, many, requests, usd = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rules = [
    LimitRule(name="all", window="day", requests=requests, usd=usd),
    LimitRule(name="each", by=("user",), window="hour", rolling=True, requests=requests),
]
go, started = os.pipe()
for number in range(many):
    if os.fork() == 0:
        os.close(started)
        os.read(go, 1)  # returns once the parent has closed its end
        limits = Limiter(
            rules, SQLiteLimits(path), clock=lambda: datetime(2026, 1, 15, 12, tzinfo=UTC)
        )
        taken = nanos = 0
        while True:
            call, cost = Call("m", {"user": str(taken % 2)}), 1_000 + (taken * 7 + number) % 13
            try:
                lease = limits.reserve(call, Usage(1, 1), Money(cost))
            except LimitError:
                break
            taken, nanos = taken + 1, nanos + cost
            if taken % 3:
                lease.settle(Usage(1, 1), Money(cost))
        os.write(1, f"{taken} {nanos}\\n".encode())
        os._exit(0)
os.close(started)
for _ in range(many):
    assert os.wait()[1] == 0
"""

# Forks writers, four at a time, and kills each at a random point of its endless work. A writer
# notes after each step that it has returned. What is taken follows from the number.
KILLER = """
import os, random, signal, sys, time
from datetime import UTC, datetime
from test_ledger_record import sample
from test_limits_crash import taken
from tokenthrift.ledger import SQLiteLedger
from tokenthrift.limits import Call, Leases, Limiter, LimitRule, SQLiteLimits
from tokenthrift.types import Money, Usage
limits_path, ledger_path, notes, kills, on_expiry = sys.argv[1:6]
rules = [LimitRule(name="all", window="month", tokens=10**12)]
clock = lambda: datetime(2026, 1, 15, 12, tzinfo=UTC)
rng = random.Random(11)

def work(run):
    limits = Limiter(
        rules, SQLiteLimits(limits_path), leases=Leases(on_expiry=on_expiry), clock=clock
    )
    ledger = SQLiteLedger(ledger_path)
    out = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for step in range(10**9):
        number = run * 10_000 + step
        asked, actual = taken(number)
        lease = limits.reserve(
            Call("m"), Usage(asked, 0), Money(asked), lease_id=str(number)
        )
        os.write(out, f"R {number}\\n".encode())
        ledger.write(sample(number))
        os.write(out, f"L {number}\\n".encode())
        if number % 5:
            lease.settle(Usage(actual, 0), Money(actual))
        else:
            lease.refund()
        os.write(out, f"S {number}\\n".encode())

alive = []
for run in range(int(kills)):
    child = os.fork()
    if child == 0:
        work(run)
    alive.append(child)
    time.sleep(rng.uniform(0, 0.02))
    if len(alive) == 4:
        victim = alive.pop(rng.randrange(4))
        os.kill(victim, signal.SIGKILL)
        assert os.waitpid(victim, 0)[1] == signal.SIGKILL
for victim in alive:
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
"""


def taken(number: int) -> tuple[int, int]:
    """Tokens that a call asks for and takes."""
    return 100 + number % 7, 50 + number % 11


def run(script: str, *arguments: object) -> str:
    """What a program prints that finds this folder and the package."""
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ).stdout


def test_sixteen_processes_admit_exactly_the_limit(tmp_path):
    """The requests admitted by all add up to the limit, none more and none less."""
    path = tmp_path / "limits.db"
    counts = [int(line.split()[0]) for line in run(RACE, path, 16, 500, "1").splitlines()]
    assert len(counts) == 16
    assert sum(counts) == 500


def test_processes_that_open_a_new_file_at_once_all_get_in(tmp_path):
    """Whoever comes while the tables are being made neither refuses the file nor fails."""
    for number in range(10):
        lines = run(RACE, tmp_path / f"{number}.db", 16, 16, "1").splitlines()
        assert sum(int(line.split()[0]) for line in lines) == 16


def test_sixteen_processes_never_overspend_money(tmp_path):
    """What is left of the limit is less than any call costs, and never below zero."""
    lines = run(RACE, tmp_path / "limits.db", 16, 10**6, "0.0003").splitlines()
    assert len(lines) == 16
    left = 300_000 - sum(int(line.split()[1]) for line in lines)
    assert 0 <= left < 1_013


@pytest.mark.parametrize("on_expiry", ["charge", "refund"])
def test_killed_at_random_points_nothing_is_lost_doubled_or_leaked(tmp_path, on_expiry):
    """Each acknowledged step is there once; once leases are over, the sums are exact."""
    limits_path, ledger_path, notes = (tmp_path / n for n in ("limits.db", "ledger.db", "notes"))
    run(KILLER, limits_path, ledger_path, notes, KILLS, on_expiry)
    noted: dict[str, set[int]] = {"R": set(), "L": set(), "S": set()}
    for line in notes.read_text().splitlines():
        kind, number = line.split()
        assert int(number) not in noted[kind]
        noted[kind].add(int(number))
    assert len(noted["S"]) > KILLS  # they did get to work

    with SQLiteLedger(ledger_path) as ledger:
        found = [int(r.record_id.removeprefix("call-")) for r in ledger.records()]
        assert len(set(found)) == len(found)
        assert noted["L"] <= set(found)
        assert len(found) - len(noted["L"]) <= KILLS
        assert ledger.get(f"call-{found[-1]:06d}") == sample(found[-1])

    before = leases_of(limits_path)
    assert noted["R"] <= set(before)
    assert len(before) - len(noted["R"]) <= KILLS
    assert {n for n, state in before.items() if state == "held"} <= set(before) - noted["S"]

    # Ten minutes later: nothing is held, and every lease is counted as what became of it.
    rules = [LimitRule(name="all", window="month", tokens=10**12)]
    later = Limiter(
        rules,
        SQLiteLimits(limits_path),
        leases=Leases(on_expiry=on_expiry),
        clock=lambda: NOON + timedelta(minutes=10),
    )
    (use,) = later.uses(Call("m"))
    after = leases_of(limits_path)
    assert use.held == Amount()
    assert set(after.values()) <= {"closed", "expired"}
    assert noted["S"] <= {n for n, state in after.items() if state == "closed"}
    spent = 0
    for number, state in after.items():
        asked, actual = taken(number)
        if state == "expired":
            spent += asked if on_expiry == "charge" else 0
        elif number % 5:
            spent += actual
    assert use.spent.tokens == use.spent.nanos == spent

    # A word that comes late still counts, once.
    for number in [n for n, state in after.items() if state == "expired"]:
        asked, actual = taken(number)
        spent += actual - (asked if on_expiry == "charge" else 0)
        lease = later.reserve(Call("m"), Usage(asked, 0), Money(asked), lease_id=str(number))
        assert lease.settle(Usage(actual, 0), Money(actual))
    assert later.uses(Call("m"))[0].spent.tokens == spent
    room = 10**12 - spent
    later.reserve(Call("m"), Usage(room, 0), Money(0))
    with pytest.raises(LimitError):
        later.reserve(Call("m"), Usage(1, 0), Money(0))
    later.close()


def leases_of(path: Path) -> dict[int, str]:
    """State of every lease in a sound file."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = db.execute("SELECT lease_id, state, places FROM leases").fetchall()
    db.close()
    assert all(len(json.loads(places)) == 1 for *_, places in found)
    return {int(lease_id): state for lease_id, state, _ in found}
