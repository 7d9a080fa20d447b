"""Fit P(adequate) on outcomes: somebody's own few hundred, or all that is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.route.adequacy import Adequacy
from tokenthrift.route.features import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.adequacy import FloatArray

SHRINKAGE: Final = 10.0


def fit(
    prompts: Sequence[str],
    scores: FloatArray,
    models: Sequence[str],
    *,
    start: Adequacy | None = None,
    seed: int = 0,
) -> Adequacy:
    """Fit on outcomes.

    Args:
        prompts: texts as users wrote them.
        scores: (prompts, models) in [0, 1]; nan where an outcome was not recorded.
        models: names, in the order of the columns.
        start: what was known before; None starts from nothing.
        seed: of everything random; the same seed gives the same fit.

    Raises:
        ValueError: shapes do not belong together, or a score lies outside [0, 1].
    """
    del start, seed
    scores = np.asarray(scores, np.float64)
    if scores.shape != (len(prompts), len(models)):
        raise ValueError(f"scores have shape {scores.shape}, not {(len(prompts), len(models))}")
    known = np.isfinite(scores)
    if ((scores[known] < 0) | (scores[known] > 1)).any():
        raise ValueError("scores must lie in [0, 1]")
    x = features(prompts)
    weights, rates, spread = [], [], []
    for column, seen in zip(scores.T, known.T, strict=True):
        rate = (column[seen].sum() + 1.0) / (seen.sum() + 2.0)
        gram = x[seen].T @ x[seen] + SHRINKAGE * np.eye(x.shape[1])
        weights.append(np.linalg.solve(gram, x[seen].T @ (column[seen] - rate)))
        rates.append(rate)
        spread.append(np.sqrt(rate * (1 - rate) / (seen.sum() + 2.0)))
    return Adequacy(tuple(models), np.array(weights).T, np.array(rates), np.array(spread))
