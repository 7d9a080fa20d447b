"""How much an answer takes, output tokens or money, from the measures of a request.

Logarithms are fitted: a level of each model and a few directions in which requests differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tokenthrift.route.difficulty import Directions, fit_directions

FloatArray = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

DIMS: Final = 3
SHRINKAGE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Amounts:
    """What answers of models take.

    Attributes:
        directions: vectors of requests to sizes.
        slopes: (models, dims + 1), the level last; natural logarithms.
    """

    directions: Directions
    slopes: FloatArray

    def __call__(self, x: Float32) -> FloatArray:
        """(requests, models) expected amounts, in the unit fitted on."""
        sizes = self.directions(x)
        return np.exp(np.clip(_with_level(sizes) @ self.slopes.T, -40, 40))

    def without(self, kept: list[int]) -> Amounts:
        """Of some models, with one behind them whose amounts are not known (nan)."""
        unknown = np.full((1, self.slopes.shape[1]), np.nan)
        return Amounts(self.directions, np.vstack([self.slopes[kept], unknown]))


def fit_amounts(x: Float32, amounts: FloatArray, seed: int = 0) -> Amounts:
    """Fit on recorded amounts.

    Args:
        x: (requests, measures).
        amounts: (requests, models), positive; nan where not recorded.
        seed: of the folds.
    """
    logs = np.log(np.where(amounts > 0, amounts, np.nan))
    directions, sizes = fit_directions(x, logs, DIMS, seed)
    design = _with_level(sizes)
    slopes = []
    for column, mean in zip(logs.T, amounts.T, strict=True):
        known = np.isfinite(column)
        level = column[known].mean() if known.any() else 0.0
        part = design[known]
        penalty = SHRINKAGE * np.eye(part.shape[1])
        slope = np.linalg.solve(part.T @ part + penalty, part.T @ (column[known] - level))
        slope[-1] += level
        # The mean of the amounts is met, not that of their logarithms.
        expected = np.exp(part @ slope).mean() if known.any() else 1.0
        slope[-1] += np.log(np.nanmean(mean) / expected) if known.any() else 0.0
        slopes.append(slope)
    return Amounts(directions, np.array(slopes))


def _with_level(sizes: FloatArray) -> FloatArray:
    return np.hstack([sizes, np.ones((len(sizes), 1))])
