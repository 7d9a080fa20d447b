"""How long a plan takes, as a ratio to one tiktoken encode of the same messages in the same run.

    python benchmarks/speed.py

Cold: nothing is remembered. Next turn: the same conversation with one more exchange, with a memo.
The text is this repository's own: source, logs, JSON of its model cards; as one request, as the
steps of an agent, and prose that cannot shrink.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tiktoken import Encoding

from data import SEED, interval, save
from shapes import Words
from tokenthrift import tokens
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy, load_policy

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
    """A tool-using conversation of about ``size`` tokens, one result after each call."""
    messages = _opening()
    for n, text in enumerate(_taken(size)):
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [_call(n)]},
            _result(n, text),
        ]
    return messages


def one_request(size: int) -> list[dict[str, Any]]:
    """The same results as the answers of parallel calls: all of them are new at once."""
    texts = _taken(size)
    calls = [_call(n) for n in range(len(texts))]
    results = [_result(n, text) for n, text in enumerate(texts)]
    return [*_opening(), {"role": "assistant", "content": None, "tool_calls": calls}, *results]


def small_talk(size: int) -> list[dict[str, Any]]:
    """Prose in short messages: nothing to shrink."""
    made = Words(SEED)
    messages = _opening()
    for n in range(max(2, size // 150)):
        role = "user" if n % 2 else "assistant"
        messages.append({"role": role, "content": made.words(120)})
    return messages


SHAPES: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "one request": one_request,
    "agent loop": conversation,
    "nothing to shrink": small_talk,
}


def _opening() -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "You are a careful engineer."},
        {"role": "user", "content": "Where are prices read, and which worker did job 3700?"},
    ]


def _call(n: int) -> dict[str, Any]:
    return {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}


def _result(n: int, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{n}", "content": text}


def _taken(size: int) -> list[str]:
    """Results of so many tokens in all."""
    count = tokens.counter_for(MODEL)
    texts: list[str] = []
    for text in results() * 8:
        texts.append(text)
        size -= count(text)
        if size <= 0:
            break
    return texts


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this process, so that others on the machine disturb it less."""
    start = time.process_time()
    work()
    return time.process_time() - start


def forget_counts() -> None:
    """Empty the per-string cache, so that a plan is cold."""
    tokens._shared.cache_clear()  # noqa: SLF001 - there is no public way, and no need for one
    tokens.counter_for.cache_clear()
    tokens.token_ids.cache_clear()


def measured(messages: list[dict[str, Any]], policy: Policy) -> dict[str, Any]:
    """Cold plans and next turns of one conversation, as ratios to one encode of its messages."""
    encoding = tokens.encoding("o200k_base")
    texts = [m["content"] or "" for m in messages]
    body = {"model": MODEL, "messages": messages}
    more = [
        {"role": "assistant", "content": "It is in prices.py."},
        {"role": "user", "content": "And which one did job 4000?"},
    ]
    longer = {"model": MODEL, "messages": [*messages, *more]}
    cold, warm = [], []
    for _ in range(ROUNDS):
        before = seconds(lambda: [encoding.encode_ordinary(x) for x in texts])
        forget_counts()
        took = seconds(lambda: plan(body, policy))
        after = seconds(lambda: [encoding.encode_ordinary(x) for x in texts])
        base = (before + after) / 2
        cold.append(took / base)
        memo = Memo()
        plan(body, policy, memo=memo)
        warm.append(seconds(lambda m=memo: plan(longer, policy, memo=m)) / base)  # type: ignore[misc]
    row: dict[str, Any] = {"n": ROUNDS, "shares": shares(body, policy)}
    for label, ratios in (("cold", cold), ("next_turn", warm)):
        row[label] = median(ratios)
        row[f"{label}_interval"] = interval(ratios)
    return row


def shares(body: dict[str, Any], policy: Policy) -> dict[str, float]:
    """Of a cold plan's time, what each stage takes, and what encoding takes wherever it is done."""
    spent: Counter[str] = Counter()
    with ExitStack() as undo:
        for kind in {type(stage) for stage in policy.stages}:
            undo.enter_context(_timed(kind, "__call__", policy_name(kind), spent))
        undo.enter_context(_timed(Encoding, "encode_to_numpy", "encoding", spent))
        whole = 0.0
        for _ in range(ROUNDS):
            forget_counts()
            whole += seconds(lambda: plan(body, policy))
    return {name: round(value / whole, 3) for name, value in spent.most_common()}


def policy_name(kind: type) -> str:
    """The word that a policy has for a stage."""
    return str(kind.model_fields["stage"].default)  # type: ignore[attr-defined]


@contextmanager
def _timed(owner: type, name: str, label: str, spent: Counter[str]) -> Iterator[None]:
    plain = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return plain(*args, **kwargs)
        finally:
            spent[label] += time.process_time() - start  # type: ignore[assignment]

    setattr(owner, name, timed)
    try:
        yield
    finally:
        setattr(owner, name, plain)


def main() -> None:
    found = []
    for shape, made in SHAPES.items():
        for size in SIZES:
            messages = made(size)
            for name in POLICIES:
                row = {"shape": shape, "tokens": size, "policy": name}
                row |= measured(messages, load_policy(name))
                found.append(row)
                print(row, flush=True)
    save("speed", {"rows": found}, policies={p: load_policy(p).digest for p in POLICIES})


if __name__ == "__main__":
    main()
