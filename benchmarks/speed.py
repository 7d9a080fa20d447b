"""How long a plan takes, as a ratio to one tiktoken encode of the same messages in the same run.

    python benchmarks/speed.py

Cold: nothing is remembered. Next turn: the same conversation with one more exchange, with a memo.
The text is this repository's own: source, logs of its tests, JSON of its model cards.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from data import SEED, interval, save
from tokenthrift import tokens
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
POLICIES = ("off", "lossless", "balanced")
ROUNDS = 9
MODEL = "gpt-4o"


def results() -> list[str]:
    """Tool results of several kinds, in a fixed order."""
    sources = [p.read_text() for p in sorted((ROOT / "src").rglob("*.py"))]
    catalog = load_catalog()
    names = [n for n in catalog.names() if n.startswith(("gpt", "claude", "gemini"))]
    cards = [catalog.require(n).model_dump(mode="json") for n in names]
    made = [json.dumps(cards[i : i + 20], indent=2) for i in range(0, len(cards), 20)]
    lines = [
        f"2026-01-01T00:{i // 60 % 60:02d}:{i % 60:02d}Z INFO worker={i % 7} done job={i * 37}"
        for i in range(4_000)
    ]
    logs = ["\n".join(lines[i : i + 150]) for i in range(0, len(lines), 150)]
    mixed = [t for group in zip(sources, made, logs, strict=False) for t in group]
    rng = np.random.default_rng(SEED)
    rest = sources[len(mixed) // 3 :]
    return [*mixed, *[rest[i] for i in rng.permutation(len(rest))]]


def conversation(size: int) -> list[dict[str, Any]]:
    """A tool-using conversation of about ``size`` tokens."""
    count = tokens.counter_for(MODEL)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a careful engineer."},
        {"role": "user", "content": "Where are prices read, and which worker did job 3700?"},
    ]
    total = 0
    for n, text in enumerate(results() * 8):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": text},
        ]
        total += count(text)
        if total >= size:
            break
    return messages


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def forget_counts() -> None:
    """Empty the per-string cache, so that a plan is cold."""
    tokens._shared.cache_clear()  # noqa: SLF001 - there is no public way, and no need for one
    tokens.counter_for.cache_clear()
    tokens.token_ids.cache_clear()


def main() -> None:
    encoding = tokens.encoding("o200k_base")
    found = []
    for size in SIZES:
        messages = conversation(size)
        before = messages[:-2]
        texts = [m["content"] or "" for m in messages]
        for name in POLICIES:
            policy = load_policy(name)
            cold, warm = [], []
            for _ in range(ROUNDS):
                base = seconds(lambda t=texts: [encoding.encode_ordinary(x) for x in t])  # type: ignore[misc]
                forget_counts()
                body = {"model": MODEL, "messages": messages}
                cold.append(seconds(lambda b=body, p=policy: plan(b, p)) / base)  # type: ignore[misc]
                memo = Memo()
                plan({"model": MODEL, "messages": before}, policy, memo=memo)
                warm.append(seconds(lambda b=body, p=policy, m=memo: plan(b, p, memo=m)) / base)  # type: ignore[misc]
            row: dict[str, Any] = {"tokens": size, "policy": name, "n": ROUNDS}
            for label, ratios in (("cold", cold), ("next_turn", warm)):
                row[label] = median(ratios)
                row[f"{label}_interval"] = interval(ratios)
            found.append(row)
            print(row)
    save("speed", {"rows": found}, policies={p: load_policy(p).digest for p in POLICIES})


if __name__ == "__main__":
    main()
