"""Whether a plan of twice the tokens takes twice the time: many shapes, 1k to 1M tokens.

    python benchmarks/doubling.py [--rounds 7] [--most 1024000] [--shape "web page"]

CPU time of one plan with the policy `balanced`, nothing remembered (`next turn`: the turns before
it, in a memo), beside one tiktoken encode of the same texts. The picture needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import log2
from statistics import median
from typing import Any, Final

import shapes
from data import RESULTS, save
from speed import forget_counts
from tokenthrift import tokens
from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

LEAST: Final = 1_000
MOST: Final = 1_024_000
ROUNDS: Final = 7
BAR: Final = 2.3
BAR_FROM: Final = 16_000  # tokens; below it what a plan costs in any case shows
POLICY: Final = "balanced"
NEXT_TURN: Final = "next turn"
PICTURE: Final = RESULTS / "doubling.png"

SHAPES: Final[dict[str, Callable[[int], shapes.Body]]] = {
    "mixed request": shapes.mixed,
    "agent, cold": shapes.agent,
    NEXT_TURN: shapes.agent,
    "chat": shapes.chat,
    **{k: (lambda n, kind=k: shapes.one_result(kind, n)) for k in shapes.TEXTS},
}


@dataclass(slots=True)
class Measured:
    """One shape at one size: CPU seconds of each round."""

    shape: str
    body: shapes.Body
    tokens: int
    plans: list[float] = field(default_factory=list)
    encodes: list[float] = field(default_factory=list)

    def measure(self, number: int) -> None:
        """One round more."""
        encode = tokens.encoding("o200k_base").encode_ordinary
        texts = list(texts_of(self.body))
        self.encodes.append(seconds(lambda: [encode(t) for t in texts]))
        body, memo = self.body, None
        forget_counts()
        if self.shape == NEXT_TURN:
            memo = Memo()
            plan(shapes.before_last_step(body), POLICY, memo=memo)
        body = {**body, "user": f"round {number}"}
        self.plans.append(seconds(lambda: plan(body, POLICY, memo=memo)))


def texts_of(body: shapes.Body) -> Iterator[str]:
    """The texts of a body, as they are counted."""
    for message in body["messages"]:
        content = message["content"] or ""
        yield from [content] if isinstance(content, str) else [p["text"] for p in content]


def seconds(work: Callable[[], object]) -> float:
    """CPU time: others may use the machine too."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measured(names: list[str], most: int, rounds: int) -> dict[str, list[Measured]]:
    """All shapes at all sizes."""
    encode = tokens.encoding("o200k_base").encode_ordinary
    found: dict[str, list[Measured]] = {}
    for name in names:
        rows = []
        size = LEAST
        while size <= most:
            body = SHAPES[name](size)
            rows.append(Measured(name, body, sum(len(encode(t)) for t in texts_of(body))))
            size *= 2
        found[name] = rows
        plan(rows[0].body, POLICY)
        for number in range(rounds):
            for row in rows:
                row.measure(number)
        print(name, *(f"{median(r.plans):.3f}" for r in rows), flush=True)
        for row in rows:
            row.body = {}
    return found


def doublings(rows: list[Measured]) -> list[list[float]]:
    """By doubling, how many times longer the larger took in each round, as for exactly twice."""
    out = []
    for small, large in pairwise(rows):
        power = 1 / log2(large.tokens / small.tokens)
        rounds = zip(small.plans, large.plans, strict=True)
        out.append([(b / a) ** power for a, b in rounds])
    return out


def result(found: dict[str, list[Measured]]) -> dict[str, Any]:
    rows = []
    for name, sizes in found.items():
        ratios = [[], *doublings(sizes)]
        for m, own in zip(sizes, ratios, strict=True):
            rows.append(
                {
                    "shape": name,
                    "tokens": m.tokens,
                    "n": len(m.plans),
                    "plan_s": median(m.plans),
                    "plan_range_s": [min(m.plans), max(m.plans)],
                    "encode_s": median(m.encodes),
                    "doubling": median(own) if own else None,
                    "doubling_range": [min(own), max(own)] if own else None,
                }
            )
    return {"bar": BAR, "bar_from": BAR_FROM, "rows": rows}


def picture(made: dict[str, Any]) -> None:
    """Time against tokens, one panel for each shape."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = list(dict.fromkeys(r["shape"] for r in made["rows"]))
    figure, panels = plt.subplots(3, 3, figsize=(11, 9), sharex=True, sharey=True)
    for name, panel in zip(names, panels.flat, strict=False):
        rows = [r for r in made["rows"] if r["shape"] == name]
        sizes = [r["tokens"] for r in rows]
        times = [r["plan_s"] for r in rows]
        low, high = zip(*(r["plan_range_s"] for r in rows), strict=True)
        panel.fill_between(sizes, low, high, alpha=0.25, linewidth=0)
        panel.loglog(sizes, times, marker="o", markersize=3, label=f"plan, {POLICY}")
        panel.loglog(sizes, [r["encode_s"] for r in rows], "--", label="one tiktoken encode")
        at = next(n for n, r in enumerate(rows) if r["tokens"] >= BAR_FROM)
        for power, style in ((1.0, ":"), (log2(BAR), "-.")):
            line = [times[at] * (n / sizes[at]) ** power for n in sizes[at:]]
            label = f"x{2**power:.2g} per doubling"
            panel.loglog(sizes[at:], line, style, color="grey", linewidth=1, label=label)
        worst = max(r["doubling"] for r in rows[at + 1 :])
        panel.set_title(f"{name}: at most x{worst:.2f} per doubling", fontsize=10)
        panel.grid(alpha=0.3)
    for panel in panels[-1]:
        panel.set_xlabel("tokens")
    for panel in panels[:, 0]:
        panel.set_ylabel("CPU seconds")
    panels.flat[0].legend(fontsize=7, loc="upper left")
    figure.suptitle(f"One plan from 1k to 1M tokens; worst median doubling from {BAR_FROM:,} on")
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)
    print(f"wrote {PICTURE.relative_to(RESULTS.parents[1])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--most", type=int, default=MOST)
    parser.add_argument("--shape", choices=list(SHAPES), action="append")
    given = parser.parse_args()
    made = result(measured(given.shape or list(SHAPES), given.most, given.rounds))
    for row in made["rows"]:
        if row["doubling"] and row["tokens"] > BAR_FROM:
            low, high = row["doubling_range"]
            mark = " over the bar" if row["doubling"] > BAR else ""
            print(f"{row['shape']:14} {row['tokens']:9,} {row['plan_s']:8.3f} s "
                  f"{row['plan_s'] / row['encode_s']:6.2f} encodes "
                  f"x{row['doubling']:.2f} [{low:.2f}, {high:.2f}]{mark}")  # fmt: skip
    if not given.shape and given.most == MOST:
        save("doubling", made, policies={POLICY: load_policy(POLICY).digest})
        picture(made)


if __name__ == "__main__":
    main()
