"""Which ways of choosing are worth having between the cheapest and the best answers.

A way either weighs what is expected of each model against what it is expected to cost, at some rate
of exchange, or pins one model. Both are tried on outcomes they were not fitted on; what stands on
the upper hull of quality over cost is kept. Where weighing loses to a coin between pinned models,
only pins are left: routing abstains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]

RATES: Final = 14
MOST_PINS: Final = 7
REPLICATES: Final = 200
# Weighing is given up where it loses to the coin in more than this share of bootstrap replicates.
SURE_LOSS: Final = 0.95


@dataclass(frozen=True, slots=True)
class Way:
    """One way of choosing.

    Attributes:
        rate: quality given up for one unit of money saved; None pins.
        pin: column of the pinned model.
        cost: mean cost where it was tried.
        quality: mean score there.
    """

    rate: float | None
    pin: int | None
    cost: float
    quality: float

    def picks(self, expected: FloatArray, costs: FloatArray) -> npt.NDArray[np.int64]:
        """(requests,) chosen columns; ties go to the cheaper, then the first.

        Args:
            expected: (requests, models) quality.
            costs: (requests, models) expected.
        """
        if self.pin is not None:
            return np.full(len(expected), self.pin)
        worth = expected - (self.rate or 0.0) * costs
        best = worth.max(axis=1, keepdims=True)
        return np.asarray(np.where(worth >= best - 1e-12, costs, np.inf).argmin(axis=1))


@dataclass(frozen=True, slots=True)
class Trial:
    """Outcomes beside what was expected of them before; all (requests, models)."""

    expected: FloatArray
    expected_costs: FloatArray
    scores: FloatArray
    costs: FloatArray


def ways(trial: Trial) -> list[Way]:
    """The ways worth having, by rising cost; pins only where weighing was seen to lose."""
    mean_score, mean_cost = trial.scores.mean(axis=0), trial.costs.mean(axis=0)
    pins = [
        Way(None, int(n), float(mean_cost[n]), float(mean_score[n]))
        for n in hull(mean_cost, mean_score)
    ]
    spread = float(mean_cost.max() - mean_cost.min())
    rates = [0.0, *(np.geomspace(3e-3, 30, RATES - 1) / max(spread, 1e-12))]
    weighed = []
    for rate in rates:
        way = Way(float(rate), None, 0.0, 0.0)
        q, c = _outcome(way, trial)
        weighed.append(Way(way.rate, None, float(c.mean()), float(q.mean())))
    if not beats_coin(weighed, pins, trial):
        return pins
    dear = sorted(pins, key=lambda w: -w.quality)[:MOST_PINS]
    return sorted([*weighed, *dear], key=lambda w: (w.cost, w.quality))


def beats_coin(weighed: Sequence[Way], pins: Sequence[Way], trial: Trial) -> bool:
    """Whether weighing's hull is not seen below that of the pins, by paired bootstrap."""
    parts = [_outcome(w, trial) for w in weighed]
    coins = [_outcome(w, trial) for w in pins]
    n = len(trial.scores)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, np.full(n, 1 / n), REPLICATES) / n
    ends = (draws @ trial.costs).min(axis=1), (draws @ trial.costs).max(axis=1)
    gain = _areas([*parts, coins[0]], draws, ends) - _areas(coins, draws, ends)
    return bool((gain < 0).mean() <= SURE_LOSS)


def hull(cost: FloatArray, quality: FloatArray) -> list[int]:
    """Places on the upper, concave, rising hull of quality over cost, by rising cost."""
    kept: list[int] = []
    for n in np.lexsort((-quality, cost)).tolist():
        if kept and quality[n] <= quality[kept[-1]]:
            continue
        while len(kept) > 1 and _below(cost, quality, kept[-2], kept[-1], n):
            kept.pop()
        if kept and cost[n] <= cost[kept[-1]]:
            kept.pop()
        kept.append(n)
    return kept


def _below(cost: FloatArray, quality: FloatArray, a: int, b: int, c: int) -> bool:
    left = (quality[b] - quality[a]) * (cost[c] - cost[a])
    return bool(left <= (quality[c] - quality[a]) * (cost[b] - cost[a]))


def _outcome(way: Way, trial: Trial) -> tuple[FloatArray, FloatArray]:
    rows = np.arange(len(trial.scores))
    picks = way.picks(trial.expected, trial.expected_costs)
    return trial.scores[rows, picks], trial.costs[rows, picks]


def _areas(
    parts: Sequence[tuple[FloatArray, FloatArray]],
    draws: FloatArray,
    ends: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """(replicates,) mean height of the hull between the cheapest and the dearest model."""
    qualities = draws @ np.stack([q for q, _ in parts]).T
    costs = draws @ np.stack([c for _, c in parts]).T
    out = np.zeros(len(draws))
    for n, (q, c, low, high) in enumerate(zip(qualities, costs, *ends, strict=True)):
        kept = hull(c, q)
        grid = np.linspace(low, high, 64)
        out[n] = np.interp(grid, c[kept], q[kept]).mean()
    return out
