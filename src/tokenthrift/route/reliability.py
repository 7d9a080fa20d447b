"""How far predicted probabilities can be believed: Brier score, calibration error and curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.route.certificate import Interval, mean_of, saving_of

if TYPE_CHECKING:
    from tokenthrift.route.certificate import FloatArray

BINS: Final = 10
LEAST_IN_BIN: Final = 20


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about one size.

    Attributes:
        predicted: their mean.
        observed: the mean of what came true, with its interval.
        count: how many there are.
    """

    predicted: float
    observed: Interval
    count: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How good predictions are on rows that they were not fitted on.

    Attributes:
        brier: mean squared error; 0 is perfect.
        skill: 1 - brier / that of each model's mean score in the fitted part; 0 is no better.
        error: expected calibration error over bins of equal mass.
        bins: the calibration curve, by rising prediction.
    """

    brier: float
    skill: Interval
    error: float
    bins: tuple[Bin, ...]


def reliability(
    predicted: FloatArray, observed: FloatArray, base: FloatArray, *, seed: int = 0
) -> Reliability:
    """Measure predictions.

    Args:
        predicted: (prompts, models) probabilities.
        observed: (prompts, models) scores in [0, 1].
        base: (models,) what would be predicted without looking at the prompt.
        seed: of the intervals.

    Raises:
        ValueError: there are no rows.
    """
    errors = (predicted - observed) ** 2
    plain = (base[None, :] - observed) ** 2
    bins = _bins(predicted.ravel(), observed.ravel(), seed)
    off = sum(b.count * abs(b.predicted - b.observed.value) for b in bins)
    return Reliability(
        brier=float(errors.mean()),
        skill=saving_of(errors.sum(axis=1), plain.sum(axis=1), seed=seed),
        error=off / predicted.size,
        bins=bins,
    )


def _bins(predicted: FloatArray, observed: FloatArray, seed: int) -> tuple[Bin, ...]:
    order = np.argsort(predicted, kind="stable")
    count = max(1, min(BINS, len(order) // LEAST_IN_BIN))
    return tuple(
        Bin(float(predicted[part].mean()), mean_of(observed[part], seed=seed), len(part))
        for part in np.array_split(order, count)
    )
