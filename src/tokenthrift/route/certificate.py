"""What a few hundred outcomes prove of a way to route: tests that hold for any number of rows.

Scores lie in [0, 1]; all comparisons are paired, prompt by prompt. The proof of "at most x worse"
is a bet (Waudby-Smith and Ramdas 2024): who stakes on each row that routing is good enough gets
rich by chance with probability 1 / wealth at most. Nothing is assumed of the distribution of
scores, nothing approximated. Which floor is proven is found by testing floors in an order that is
fixed beforehand (learn then test, Angelopoulos et al. 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.evidence import FloatArray, Interval, log_wealth

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CONFIDENCE",
    "FloatArray",
    "Interval",
    "advantage",
    "last_proven",
    "mean_of",
    "p_value",
    "rows_needed",
    "saving_of",
]

RESAMPLES: Final = 2_000
LEAST_ROWS: Final = 10
MOST_ROWS: Final = 100_000
DRAWN_AT_ONCE: Final = 2_000_000  # rows, about 16 MB
CONFIDENCE: Final = 0.95


def advantage(routed: FloatArray, best: FloatArray, worse: float) -> FloatArray:
    """By how much routing is better than what is allowed, row by row.

    Args:
        routed: (n,) scores in [0, 1] of what was routed.
        best: (n,) scores of the best single model.
        worse: the share of the best model's score that may be lost, e.g. 0.02.

    Returns:
        (n,) values in [worse - 1, 1], whose mean is positive where less is lost than allowed.
    """
    return routed - (1 - worse) * best


def p_value(
    values: FloatArray, lowest: float, *, level: float = 1 - CONFIDENCE, seed: int = 0
) -> float:
    """Against "their mean is not positive": small where that is hard to believe.

    The inverse of the most wealth that a gambler ever had who stakes on each row, in a shuffled
    order, what the rows before it recommend. Valid for any number of independent rows, whatever
    ``level`` the stakes are made for.

    Args:
        values: (n,) not below ``lowest``.
        lowest: the least value there can be, negative.
        level: the p-value that the stakes aim at.
        seed: of the order.

    Raises:
        ValueError: ``lowest`` is not negative, or a value is below it.
    """
    if lowest >= 0 or (len(values) and values.min() < lowest - 1e-12):
        raise ValueError(f"values must be at least lowest ({lowest}), which must be negative")
    # What failed on the rows themselves is never proven, however rich a gambler was half-way.
    if not len(values) or values.mean() <= 0:
        return 1.0
    rows = values[np.random.default_rng(seed).permutation(len(values))]
    wealth = log_wealth(rows, lowest, level=level, horizon=len(rows))
    return float(min(1.0, np.exp(-wealth.max())))


def last_proven(p_values: Sequence[float], level: float = 1 - CONFIDENCE) -> int | None:
    """How far a fixed sequence of tests comes: the last before the first that fails, or None.

    Testing stops at the first that is not rejected, so that all of them together err with
    probability ``level`` at most.
    """
    last = None
    for n, value in enumerate(p_values):
        if value > level:
            break
        last = n
    return last


def mean_of(values: FloatArray, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean of values with its percentile bootstrap interval (Efron 1979).

    Args:
        values: (n,), one for each prompt.
        confidence: of the two-sided interval.
        seed: the same seed draws the same rows, so intervals of the same rows are paired.

    Raises:
        ValueError: there are no rows.
    """
    return _ratio(values, np.ones(len(values)), confidence, seed)


def saving_of(
    cost: FloatArray, before: FloatArray, *, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """The share that is saved, 1 - sum(cost) / sum(before), with its interval; see `mean_of`."""
    kept = _ratio(cost, before, confidence, seed)
    return Interval(1 - kept.value, 1 - kept.high, 1 - kept.low)


def _ratio(above: FloatArray, below: FloatArray, confidence: float, seed: int) -> Interval:
    """sum(above) / sum(below) over resampled rows; 1 where there is nothing below."""
    rows = len(above)
    if rows < 1:
        raise ValueError("nothing to measure: there are no rows")
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // rows)
    found = []
    for start in range(0, RESAMPLES, at_once):
        drawn = rng.integers(0, rows, (min(at_once, RESAMPLES - start), rows))
        found.append(_quotient(above[drawn].sum(axis=1), below[drawn].sum(axis=1)))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.concatenate(found), [tail, 100 - tail])
    value = float(_quotient(above.sum(keepdims=True), below.sum(keepdims=True))[0])
    return Interval(value, float(low), float(high))


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    out = np.ones_like(above, dtype=np.float64)
    np.divide(above, below, out=out, where=below > 0)
    return out


def rows_needed(worse: float, confidence: float = CONFIDENCE, mean_score: float = 1.0) -> int:
    """How many rows prove "at most ``worse``" for routing that never loses, at the very least."""
    gain = worse * mean_score
    rows = LEAST_ROWS
    while rows < MOST_ROWS and p_value(np.full(rows, gain), worse - 1) > 1 - confidence:
        rows += max(LEAST_ROWS, rows // 10)
    return rows
