"""What one ledger write costs, and how long a report takes over many calls.

    python benchmarks/ledger.py [--records 1000000] [--rows 20000000] [--writes 20000]

Rows are made by rule in a temporary folder: seven models, 90 days, sessions of 20 calls, a thousand
users, twelve teams. Reports are timed in a process that is running (``query``: the groups that the
terminal shows; all totals where nothing is grouped), and as the command (``command``: all that it
says, with the start of Python, which ``start`` tells); each is the median of some runs after a
first one, the file being in the page cache. Seconds on the clock are those of an idle machine only
if nothing else ran; seconds of processors say what the work took.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from data import save
from tokenthrift.ledger import (
    AttemptRecord,
    DecisionRecord,
    LedgerRecord,
    SavingsRecord,
    SQLiteLedger,
    StepRecord,
    open_reader,
)
from tokenthrift.ledger.columns import CALLS, call_values
from tokenthrift.ledger.rollups import roll_up
from tokenthrift.ledger.schema import ATTEMPT_COLUMNS, CALL_COLUMNS, attempt_rows, call_row
from tokenthrift.report import largest

DAYS = 90
MODELS = 7
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
BARS = {"write_ms": 0.3, "report_s": 3.0, "parquet_s": 5.0}
GROUPS = (None, "model", "day", "policy", "complexity", "tag:team", "tag:user", "session")
COMMANDS = GROUPS
SHOWN = 50


def call(number: int) -> LedgerRecord:
    """A call such as those that a client writes: two attempts, nine steps, a decision."""
    costs = (410_250 + number % 997, 2_300_125 + number % 1_009)
    parts = (1_900_000 + number % 89, -310_000, 122_500 + number % 13, -costs[0])
    return LedgerRecord(
        record_id=f"call-{number:012d}",
        created_at=FIRST + timedelta(seconds=number),
        wire="openai_chat",
        model_requested="auto",
        model_chosen=f"model-{number % MODELS}",
        model_baseline="model-6",
        policy="balanced",
        policy_digest="9b1c5a77e0c2d4f8",
        catalog="77aa01b2c3d4e5f6",
        attempts=tuple(
            AttemptRecord(
                model=f"model-{(number + i) % MODELS}",
                number=i + 1,
                status=("rejected", "ok")[i],
                counted_tokens=1_000 + number % 500,
                input_tokens=1_100 + number % 500,
                output_tokens=250,
                cache_read_tokens=512,
                raw_usage={"prompt_tokens": 1_100, "prompt_tokens_details": {"cached_tokens": 512}},
                cost_nanos=cost,
                latency_ms=812.5,
                time_to_first_chunk_ms=301.25,
            )
            for i, cost in enumerate(costs)
        ),
        counted_baseline_tokens=2_400 + number % 500,
        counted_sent_tokens=1_000 + number % 500,
        steps=tuple(
            StepRecord(stage=f"stage-{n}", tokens_before=2_400, tokens_after=2_300)
            for n in range(9)
        ),
        decision=DecisionRecord(
            complexity_bucket=("trivial", "simple", "moderate", "complex")[number % 4],
            complexity_score=0.4375,
            signals={f"signal-{n}": 0.25 for n in range(8)},
            verdicts=tuple({"model": f"model-{n}", "eligible": True, "p": 0.8} for n in range(5)),
            reason="cheapest adequate",
        ),
        savings=SavingsRecord(
            baseline_nanos=sum(costs) + sum(parts),
            actual_nanos=sum(costs),
            compression_nanos=parts[0],
            routing_nanos=parts[1],
            cache_nanos=parts[2],
            overhead_nanos=parts[3],
            net_nanos=sum(parts),
            basis="measured",
            unpriced=False,
        ),
        plan_ms=1.75,
        total_ms=1_640.5,
        tags={"team": f"team-{number % 12}", "user": f"user-{number % 1_000}"},
        session=f"session-{number // 20}",
    )


def writes(path: Path, many: int) -> dict[str, float]:
    """Milliseconds of one write, commit and all."""
    records = [call(n) for n in range(many)]
    took = []
    with SQLiteLedger(path) as ledger:
        for record in records:
            start = time.perf_counter_ns()
            ledger.write(record)
            took.append(time.perf_counter_ns() - start)
    return {f"p{q}_ms": round(float(np.percentile(took, q)) / 1e6, 4) for q in (50, 95, 99)}


def fill(path: Path, many: int) -> None:
    """A ledger of calls by rule, the same rows as written ones, with their sums."""
    SQLiteLedger(path).close()  # makes the tables
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for start in range(0, many, 20_000):
            numbers = range(start, min(start + 20_000, many))
            records = [spread(call(n), n, many) for n in numbers]
            with db:
                db.execute("BEGIN")
                db.executemany(
                    f"INSERT INTO calls (seq, {', '.join(CALL_COLUMNS)}) "
                    f"VALUES (?{', ?' * len(CALL_COLUMNS)})",
                    [(n + 1, *call_row(r)) for n, r in zip(numbers, records, strict=True)],
                )
                db.executemany(
                    "INSERT INTO details VALUES (?, ?)",
                    [(n + 1, r.model_dump_json()) for n, r in zip(numbers, records, strict=True)],
                )
                db.executemany(
                    f"INSERT INTO attempts (call_seq, {', '.join(ATTEMPT_COLUMNS)}) "
                    f"VALUES (?{', ?' * len(ATTEMPT_COLUMNS)})",
                    [
                        row
                        for n, r in zip(numbers, records, strict=True)
                        for row in attempt_rows(r, n + 1)
                    ],
                )
                db.executemany(
                    "INSERT INTO tags VALUES (?, ?, ?)",
                    [
                        (k, v, n + 1)
                        for n, r in zip(numbers, records, strict=True)
                        for k, v in r.tags.items()
                    ],
                )
                roll_up(db)


def spread(record: LedgerRecord, number: int, many: int) -> LedgerRecord:
    """The record at its place within the days."""
    at = FIRST + timedelta(days=DAYS) * (number / many)
    return record.model_copy(update={"created_at": at})


def fill_parquet(folder: Path, rows: int) -> None:
    """Exported calls by rule, a file a day, with all columns; the JSON is that of one record."""
    import duckdb

    values = dict(call_values(call(0)))
    db = duckdb.connect()
    for day in range(DAYS):
        first, last = rows * day // DAYS, rows * (day + 1) // DAYS
        at = FIRST + timedelta(days=day)
        rules = {
            "record_id": "'call-' || n",
            "created_at": f"to_timestamp({at.timestamp()} + (n - {first}) * 0.3)",
            "model_chosen": f"'model-' || (n % {MODELS})",
            "complexity": "['trivial', 'simple', 'moderate', 'complex'][1 + n % 4]",
            "session": "'session-' || (n // 20)",
            "part": "hash(n // 20) % 1024",
            "tags": "MAP {'team': 'team-' || (n % 12), 'user': 'user-' || (n % 1000)}",
            "counted_baseline_tokens": "2400 + n % 500",
            "counted_sent_tokens": "1000 + n % 500",
            "input_tokens": "2200 + n % 500",
            "net_nanos": "1301250 + n % 89",
            "baseline_nanos": "4011625 + n % 89",
            "compression_nanos": "1900000 + n % 89",
            "total_ms": "n % 9000 / 4.0",
        }
        types = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
        columns = ", ".join(
            f"CAST({rules.get(name, literal(values[name]))} AS {types[kind]}) AS {name}"
            if kind in types
            else f"{rules.get(name, literal(values[name]))} AS {name}"
            for name, kind in CALLS.columns.items()
        )
        path = folder / "calls" / f"day={at.date()}"
        path.mkdir(parents=True)
        db.execute(
            f"COPY (SELECT {columns} FROM range({first}, {last}) AS made(n)) "
            f"TO '{path}/calls.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def literal(value: Any) -> str:
    """A value in SQL."""
    if value is None:
        return "NULL"
    return (
        str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
    )


def seconds(name: str, work: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Medians of a few runs: on the clock, and of processors (all cores, children too)."""
    took = []
    for _ in range(repeats):
        start, before = time.perf_counter(), os.times()
        work()
        took.append((time.perf_counter() - start, sum(os.times()[:4]) - sum(before[:4])))
    clock, work_s = (statistics.median(column) for column in zip(*took, strict=True))
    return {f"{name}_s": round(clock, 3), f"{name}_cpu_s": round(work_s, 3)}


def reports(where: Path, calls: int, repeats: int) -> list[dict[str, Any]]:
    """How long a report takes by what it is grouped by."""
    rows = []
    for by in GROUPS:
        with open_reader(where) as kept:

            def query(kept: Any = kept, by: str | None = by) -> list[Any]:
                if by is None:
                    return [kept.totals()]
                found = largest(kept, by, SHOWN)
                return [*found.groups.values(), found.rest]

            assert sum(totals.calls for totals in query()) == calls
            row: dict[str, Any] = {"by": by or "", **seconds("query", query, repeats)}
        words = [sys.executable, "-c", "from tokenthrift.cli import main; main()", "report", where]
        option = [] if by is None else ["--by", by]

        def command(words: list[Any] = words, option: list[str] = option) -> Any:
            return subprocess.run([*words, *option], check=True, capture_output=True)

        if by in COMMANDS:
            row |= seconds("command", command, repeats)
        rows.append(row)
        print(where.name, rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--writes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each report")
    parser.add_argument("--ledger", type=Path, help="a file of --records calls from an earlier run")
    parser.add_argument("--results", default="ledger", help="name of the file of results")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = [sys.executable, "-c", "from tokenthrift.cli import main; main()", "--version"]
        started = seconds(
            "start",
            lambda: subprocess.run(start, check=True, capture_output=True),
            asked.repeats,
        )
        written = writes(folder / "writes.db", asked.writes)
        print(written, flush=True)
        many = asked.ledger or folder / "many.db"
        if not many.exists():
            fill(many, asked.records)
        sqlite = reports(many, asked.records, asked.repeats)
        size = many.stat().st_size
        (folder / "many.db").unlink(missing_ok=True)
        fill_parquet(folder / "export", asked.rows)
        parquet = reports(folder / "export", asked.rows, asked.repeats)
        files = sum(p.stat().st_size for p in folder.rglob("*.parquet"))
    save(
        asked.results,
        {
            "bars": BARS,
            "writes": {"n": asked.writes, **written},
            "sqlite": {"records": asked.records, "bytes": size, "rows": sqlite},
            "parquet": {"records": asked.rows, "bytes": files, "rows": parquet},
            **started,
            "repeats": asked.repeats,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[1],
        },
    )


if __name__ == "__main__":
    main()
