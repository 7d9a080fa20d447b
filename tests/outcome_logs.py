"""Logs of outcomes made by rule: prompts that are easy or hard, a small model and a large one."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SMALL: Final = "gpt-4o-mini"
LARGE: Final = "gpt-4o"
EASY: Final = ("Say hello to {0}.", "What colour is a {0}?", "Spell {0}.", "Is {0} a word?")
PROOF: Final = (
    "Prove that the series over n of {0}(n)^2 / (n^3 + {1}) converges for every x >= 0, find its "
    "limit, bound the error of its first {1} terms, and say where |f'(x)| = 2 * x - {1}."
)
GRAPH: Final = (
    "Given a graph of {1} nodes with weights w_ij = {0}(i, j) + 7 * i, derive the minimum cut, "
    "show each step with its cost in O(n log n), and compare it with the maximum flow of {1}."
)
HARD: Final = (PROOF, GRAPH)
SYLLABLES: Final = ("ka", "lo", "mi", "ne", "pu", "ra", "so", "ti", "va", "ze")


def outcomes(count: int, *, small_hard: float = 0.35, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of both models on the same prompts, half of which are hard.

    Args:
        count: prompts.
        small_hard: how often the small model is right where it is hard; the large one is right 97
            times of 100 everywhere, and where it is easy the small one is right when it is.
        seed: of prompts and scores.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        hard = number % 2
        word = "".join(rng.choices(SYLLABLES, k=3)) + str(number)
        prompt = rng.choice(HARD if hard else EASY).format(word, rng.randint(3, 999))
        luck = rng.random()
        for model, right, cost in (
            (SMALL, small_hard if hard else 0.97, 0.0001),
            (LARGE, 0.97, 0.0025),
        ):
            score = int(luck < right)
            usd = cost * rng.uniform(0.8, 1.2)
            rows.append({"prompt": prompt, "model": model, "score": score, "cost_usd": usd})
    return rows


def write_log(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Rows as a file of JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
