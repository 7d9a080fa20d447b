"""How long a plan takes, as a ratio to one tiktoken encode of the same messages in the same run.

    python benchmarks/speed.py

Cold: nothing is remembered. Next turn: the same conversation with one more exchange, with a memo.
Texts are made by rule (`shapes.py`): one message of documents of all kinds, the steps of an agent
whose results are of all kinds, and prose that cannot shrink. Processor time, so that others on the
machine disturb less.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

from tiktoken import Encoding

import shapes
from data import SEED, interval, save
from shapes import MODEL, Body
from tokenthrift import encodings, tokens
from tokenthrift.compress import Memo, forms
from tokenthrift.compress.names import name_set
from tokenthrift.compress.pages import read_page
from tokenthrift.compress.units import is_passages
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy, load_policy

SIZES = (10_000, 100_000)
POLICIES = ("off", "lossless", "balanced")
ROUNDS = 9


def small_talk(size: int) -> Body:
    """Prose in short messages: nothing to shrink."""
    made = shapes.Words(SEED)
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are a careful engineer."}]
    for n in range(max(2, size // 150)):
        role = "assistant" if n % 2 else "user"
        messages.append({"role": role, "content": made.words(120)})
    return {"model": MODEL, "messages": messages}


def texts_of(body: Body) -> list[str]:
    """Every text of a body's messages."""
    texts: list[str] = []
    for message in body["messages"]:
        content = message["content"] or ""
        texts += [content] if isinstance(content, str) else [part["text"] for part in content]
    return texts


SHAPES: dict[str, Callable[[int], Body]] = {
    "one request": shapes.mixed,
    "agent loop": shapes.agent,
    "nothing to shrink": small_talk,
}


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this process, so that others on the machine disturb it less."""
    start = time.process_time()
    work()
    return time.process_time() - start


def forget_counts() -> None:
    """Empty what is remembered of texts, so that a plan is cold; words stay known."""
    tokens._shared.cache_clear()  # noqa: SLF001 - there is no public way, and no need for one
    tokens.counter_for.cache_clear()
    tokens.token_ids.cache_clear()
    encodings._digests.clear()  # noqa: SLF001
    for known in (forms._rows, name_set, read_page, is_passages):  # noqa: SLF001
        known.cache_clear()


def measured(body: Body, policy: Policy) -> dict[str, Any]:
    """Cold plans and next turns of one conversation, as ratios to one encode of its messages."""
    encoding = tokens.encoding("o200k_base")
    texts = texts_of(body)
    more = [
        {"role": "assistant", "content": "It is in prices.py."},
        {"role": "user", "content": "And which one did job 4000?"},
    ]
    longer = {**body, "messages": [*body["messages"], *more]}
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


def shares(body: Body, policy: Policy) -> dict[str, float]:
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
            body = made(size)
            for name in POLICIES:
                row = {"shape": shape, "tokens": size, "policy": name}
                row |= measured(body, load_policy(name))
                found.append(row)
                print(row, flush=True)
    save("speed", {"rows": found}, policies={p: load_policy(p).digest for p in POLICIES})


if __name__ == "__main__":
    main()
