"""What a limit costs a call, and whether sixteen processes that race for it admit exactly as many.

    python benchmarks/limits.py

One process: reserve and settle by a store and by how many limits a call touches. Sixteen: all call
until they are refused, with a limit of requests and one of money.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from data import save
from tokenthrift.errors import LimitError
from tokenthrift.limits import Call, Limiter, LimitRule, LimitStore, MemoryLimits, SQLiteLimits
from tokenthrift.types import Money, Usage

CALLS = 4_000
RACERS = 16
RACES = 5
ADMITTED = 2_000
MANY = 10**9
RULES = (
    LimitRule(name="all", window="month", usd=MANY),
    LimitRule(name="user", by=("user",), window="day", zone="Europe/Berlin", tokens=MANY),
    LimitRule(name="rolling", by=("user",), window="hour", rolling=True, requests=MANY),
)


def speed(store: LimitStore, rules: tuple[LimitRule, ...]) -> dict[str, float]:
    """Microseconds of reserving and of settling; 100 users take turns."""
    limits = Limiter(rules, store)
    calls = [Call("gpt-4o", {"user": f"user-{n}"}) for n in range(100)]
    reserving, settling = [], []
    for n in range(CALLS):
        start = time.perf_counter_ns()
        lease = limits.reserve(calls[n % 100], Usage(1_000, 500), Money(7_500_000))
        middle = time.perf_counter_ns()
        lease.settle(Usage(1_000, 200), Money(4_500_000))
        reserving.append(middle - start)
        settling.append(time.perf_counter_ns() - middle)
    return {
        f"{name}_{label}_us": round(float(np.quantile(times, q)) / 1_000, 1)
        for name, times in (("reserve", reserving), ("settle", settling))
        for label, q in (("p50", 0.5), ("p99", 0.99))
    }


def racer(path: Path, go: Any, admitted: Any) -> None:
    """Call until refused."""
    rules = (
        LimitRule(name="requests", window="day", requests=ADMITTED),
        LimitRule(name="money", window="month", usd=1),
    )
    fixed = datetime(2026, 1, 15, 12, tzinfo=UTC)
    limits = Limiter(rules, SQLiteLimits(path), clock=lambda: fixed)
    count = 0
    go.wait(60)
    while True:
        try:
            lease = limits.reserve(Call("gpt-4o"), Usage(100, 50), Money(400_000))
        except LimitError:
            break
        lease.settle(Usage(100, 50), Money(400_000))
        count += 1
    with admitted.get_lock():
        admitted.value += count


def race(path: Path) -> dict[str, float]:
    """Sixteen racers on one file; how many calls they were let in for, and how fast."""
    context = multiprocessing.get_context("fork")
    go, admitted = context.Barrier(RACERS + 1), context.Value("q", 0)
    racers = [context.Process(target=racer, args=(path, go, admitted)) for _ in range(RACERS)]
    for one in racers:
        one.start()
    go.wait(60)
    start = time.perf_counter()
    for one in racers:
        one.join()
    seconds = time.perf_counter() - start
    return {"admitted": admitted.value, "calls_per_s": round(admitted.value / seconds)}


def main() -> None:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for many in (1, 2, 3):
            for kind, store in (
                ("memory", MemoryLimits()),
                ("sqlite", SQLiteLimits(Path(folder) / f"{many}.db")),
            ):
                rows.append({"store": kind, "limits": many, **speed(store, RULES[:many])})
                print(rows[-1])
                store.close()
        races = [race(Path(folder) / f"race-{n}.db") for n in range(RACES)]
        print(races)
    save(
        "limits",
        {
            "n": CALLS,
            "rows": rows,
            "races": {"processes": RACERS, "limit": ADMITTED, "found": races},
            "cores": os.cpu_count(),
        },
    )


if __name__ == "__main__":
    main()
