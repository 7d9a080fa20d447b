"""What routing has to beat: single models, a coin between them, and the length of the prompt.

A rival knows the mean scores and costs of the fitted part, and may spend what routing spends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.route.frontier import hull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.certificate import FloatArray
    from tokenthrift.route.splitting import IntArray

# The length rule's weak model is the cheapest that has at least this share of the best score.
WEAK_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models and how often the second one is asked.

    Attributes:
        weak: its column; the cheaper one.
        strong: column of the dearer one.
        share: of prompts that go to the strong one, in [0, 1].
    """

    weak: int
    strong: int
    share: float


def cheapest(prices: FloatArray) -> int:
    """The column of the cheapest model; of equals the first."""
    return int(np.argmin(prices))


def coin_at(scores: FloatArray, prices: FloatArray, spend: float) -> Pair:
    """The two models between which a coin gets the best mean score for a price a call.

    Args:
        scores: (models,) mean scores as known beforehand.
        prices: (models,) mean costs as known beforehand.
        spend: mean cost a call that may be spent; a coin cannot spend less than the cheapest model.
    """
    corners = hull(prices, scores)
    for weak, strong in pairwise(corners):
        if spend <= prices[strong]:
            gap = float(prices[strong] - prices[weak])
            share = (spend - float(prices[weak])) / gap
            return Pair(weak, strong, min(1.0, max(0.0, share)))
    return Pair(corners[-1], corners[-1], 1.0)


def by_length(
    prompts: Sequence[str], scores: FloatArray, prices: FloatArray, costs: FloatArray, spend: float
) -> IntArray:
    """The column each prompt goes to if the longest ones go to the best model, the others cheaply.

    Args:
        prompts: texts.
        scores: (models,) mean scores as known beforehand.
        prices: (models,) mean costs as known beforehand.
        costs: (prompts, models) what each answer cost.
        spend: mean cost a call; as many of the longest prompts go to the best model as that buys.
    """
    strong = int(np.argmax(scores))
    able = [m for m in range(len(scores)) if scores[m] >= WEAK_SHARE * scores[strong]]
    weak = min(able, key=lambda m: (prices[m], m))
    order = sorted(range(len(prompts)), key=lambda n: (-len(prompts[n]), n))
    picks = np.full(len(prompts), weak, np.int64)
    extra = costs[order, strong] - costs[order, weak]
    running = float(costs[:, weak].sum()) + np.cumsum(extra)
    bought = int(np.searchsorted(running, spend * len(prompts) * (1 + 1e-9), side="right"))
    picks[order[:bought]] = strong
    return picks
