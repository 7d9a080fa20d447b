"""What treating sessions changed: differences between arms, with intervals.

The estimand is intention to treat by session: what a session costs on average if it is drawn to be
treated, against what it costs if it is drawn to be left alone, whatever its calls then go through.
Sessions are what chance drew, so they are what is resampled: calls of one are not independent.
Costs have long tails, so what is resampled is studentised, and shares are taken on the scale of
logarithms (Efron and Tibshirani 1993, chapter 12). How well a sample knows its own spread depends
on its fourth moment; intervals are as much wider as Student's t is at that many degrees of freedom.
Without these the truth is missed too often (`benchmarks/coverage.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.evidence import FloatArray, Interval

if TYPE_CHECKING:
    from tokenthrift.experiment.rows import BoolArray

RESAMPLES: Final = 1_000
LEAST_RESAMPLES: Final = 300
DRAWN: Final = 40_000_000  # sessions in all resamples together, a few seconds
DRAWN_AT_ONCE: Final = 2_000_000  # about 32 MB
CONFIDENCE: Final = 0.95
LEAST_SESSIONS: Final = 10
"""Of each arm; with fewer nothing is said."""
LEAST_FREEDOM: Final = 4.0
TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Sums:
    """Sessions as sums are taken of them.

    Attributes:
        amounts: (n,) what is added up, e.g. costs.
        units: (n,) what it is divided by: ones for a mean over sessions, calls for one over calls.
        weights: (n,) of the sessions.
    """

    amounts: FloatArray
    units: FloatArray
    weights: FloatArray

    def columns(self) -> FloatArray:
        """(n, 5): what mean and standard error of any resample are made from."""
        w, a, u = self.weights, self.amounts, self.units
        return np.stack([w * a, w * u, (w * a) ** 2, w * w * a * u, (w * u) ** 2], axis=1)


def arms_of(
    amounts: FloatArray, units: FloatArray, weights: FloatArray, treated: BoolArray
) -> tuple[Sums, Sums]:
    """The treated arm and the one that was left alone."""
    return (
        Sums(amounts[treated], units[treated], weights[treated]),
        Sums(amounts[~treated], units[~treated], weights[~treated]),
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """A saving: of the mean amount, and as a share of it.

    Attributes:
        saved: mean left alone minus mean treated, in the unit of the amounts.
        share: of the mean left alone; negative where treating costs more.
    """

    saved: Interval
    share: Interval


def effect(treated: Sums, held: Sums, *, confidence: float = CONFIDENCE, seed: int = 0) -> Effect:
    """The saving between two arms, by a studentised bootstrap over sessions.

    Args:
        treated: sessions that were treated.
        held: sessions that were left alone.
        confidence: of the two-sided intervals.
        seed: the same seed draws the same sessions.

    Raises:
        ValueError: an arm has no sessions.
    """
    if not len(treated.amounts) or not len(held.amounts):
        raise ValueError("nothing to compare: an arm has no sessions")
    columns = treated.columns(), held.columns()
    found = [_Found.of(arm, c) for arm, c in zip((treated, held), columns, strict=True)]
    rng = np.random.default_rng(seed)
    times = _resamples(len(treated.amounts) + len(held.amounts))
    drawn = [_mean(_resampled(c, times, rng)) for c in columns]
    (t_mean, t_error), (h_mean, h_error) = drawn
    saved = _studentised(
        found[1].mean - found[0].mean,
        [(f.error, f.freedom) for f in found],
        h_mean - t_mean,
        np.hypot(t_error, h_error),
        confidence,
    )
    return Effect(saved, _share(found, drawn, confidence))


def average(arm: Sums, *, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """The mean of one arm, by the same bootstrap.

    Raises:
        ValueError: there are no sessions.
    """
    if not len(arm.amounts):
        raise ValueError("nothing to measure: there are no sessions")
    columns = arm.columns()
    found = _Found.of(arm, columns)
    drawn = _resampled(columns, _resamples(len(columns)), np.random.default_rng(seed))
    means, errors = _mean(drawn)
    return _studentised(found.mean, [(found.error, found.freedom)], means, errors, confidence)


def adjusted(
    amounts: FloatArray, before: FloatArray, weights: FloatArray, treated: BoolArray
) -> FloatArray:
    """Amounts without what a figure from before the treatment explains of them.

    Each arm has a slope of its own (Lin 2013), and all sessions the same centre, so that the
    difference of means stays what it was and varies less.

    Args:
        amounts: (n,) costs.
        before: (n,) a figure that no treatment has touched, such as tokens of the first request.
        weights: (n,) of the sessions.
        treated: (n,) which arm.
    """
    made = amounts.copy()
    away = before - np.average(before, weights=weights)
    for arm in (treated, ~treated):
        w, x, y = weights[arm], away[arm], amounts[arm]
        x_mean = np.average(x, weights=w)
        square = np.sum(w * (x - x_mean) ** 2)
        if square > 0:
            slope = np.sum(w * (x - x_mean) * (y - np.average(y, weights=w))) / square
            made[arm] = y - slope * x
    return made


def bounded_difference(
    treated: FloatArray, held: FloatArray, *, confidence: float = CONFIDENCE
) -> Interval:
    """Mean treated minus mean held of values in [0, 1], one a session.

    With one value of 0 and one of 1 added to each arm (Agresti and Caffo 2000): where all went well
    in an arm its own spread is 0, which is no proof.
    """
    added = np.array([0.0, 1.0])
    means, squares = [], []
    for values in (treated, held):
        more = np.concatenate([values, added])
        means.append(more.mean())
        squares.append(more.var() / len(more))
    reach = _normal(confidence) * float(np.sqrt(sum(squares)))
    middle = float(means[0] - means[1])
    value = float(treated.mean() - held.mean())
    return Interval(value, max(-1.0, middle - reach), min(1.0, middle + reach))


# -------------------------------------------------------------------------------------- resampling
def _resamples(rows: int) -> int:
    return int(np.clip(DRAWN // max(rows, 1), LEAST_RESAMPLES, RESAMPLES))


def _resampled(columns: FloatArray, times: int, rng: np.random.Generator) -> FloatArray:
    """(times, 5) sums over as many rows as there are, drawn with replacement."""
    rows = len(columns)
    at_once = max(1, DRAWN_AT_ONCE // rows)
    found = []
    for start in range(0, times, at_once):
        some = min(at_once, times - start)
        drawn = rng.integers(0, rows, (some, rows)) + rows * np.arange(some)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=some * rows).reshape(some, rows)
        found.append(counts @ columns)
    return np.concatenate(found)


def _mean(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ratio of sums and its standard error, linearised."""
    amount, unit, square, product, units = sums.T
    mean = amount / unit
    variance = np.maximum(square - 2 * mean * product + mean**2 * units, 0.0) / unit**2
    return mean, np.sqrt(variance)


@dataclass(frozen=True, slots=True)
class _Found:
    """The mean of an arm, its standard error, and how many degrees of freedom that has."""

    mean: float
    error: float
    freedom: float

    @classmethod
    def of(cls, arm: Sums, columns: FloatArray) -> _Found:
        mean, error = (float(a[0]) for a in _mean(columns.sum(axis=0, keepdims=True)))
        away = arm.weights * (arm.amounts - mean * arm.units)
        square, rows = float(np.mean(away**2)), len(away)
        if square <= 0 or rows < 2:
            return cls(mean, error, LEAST_FREEDOM)
        kurtosis = float(np.mean(away**4)) / square**2
        # That of a chi-square which varies as much as the sample's variance does.
        return cls(mean, error, 2 * rows / max(kurtosis - 1 + 2 / (rows - 1), TINY))


def _studentised(
    value: float,
    arms: list[tuple[float, float]],
    drawn: FloatArray,
    errors: FloatArray,
    confidence: float,
) -> Interval:
    """Around a figure, by how far resampled ones lie from it in units of their own errors."""
    squares = [error**2 for error, _ in arms]
    error = float(np.sqrt(sum(squares)))
    usable = errors > TINY * error
    if error <= 0 or not usable.any():
        return Interval(value, value, value)
    away = (drawn[usable] - value) / errors[usable]
    low, high = np.percentile(away, [50 * (1 - confidence), 50 * (1 + confidence)])
    # Welch and Satterthwaite: degrees of freedom of a sum of two squared errors.
    apart = sum(q**2 / freedom for q, (_, freedom) in zip(squares, arms, strict=True))
    wider = error * _wider(sum(squares) ** 2 / apart, confidence)
    return Interval(value, float(value - high * wider), float(value - low * wider))


def _share(
    found: list[_Found], drawn: list[tuple[FloatArray, FloatArray]], confidence: float
) -> Interval:
    """1 - treated / held; not a number where a mean is not positive."""
    treated, held = found
    if treated.mean <= 0 or held.mean <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    (t_mean, t_error), (h_mean, h_error) = drawn
    usable = (t_mean > 0) & (h_mean > 0)
    t_mean, t_error, h_mean, h_error = (a[usable] for a in (t_mean, t_error, h_mean, h_error))
    logs = _studentised(
        float(np.log(treated.mean / held.mean)),
        [(f.error / f.mean, f.freedom) for f in found],
        np.log(t_mean / h_mean),
        np.hypot(t_error / t_mean, h_error / h_mean),
        confidence,
    )
    return Interval(*(1 - float(np.exp(end)) for end in (logs.value, logs.high, logs.low)))


def _wider(freedom: float, confidence: float) -> float:
    """Student's quantile over the normal one, by the Cornish-Fisher expansion."""
    z, n = _normal(confidence), max(freedom, LEAST_FREEDOM)
    terms = (
        (z**3 + z) / (4 * n),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
    )
    return 1 + sum(terms) / z


def _normal(confidence: float) -> float:
    """How many standard deviations hold that much of a normal distribution."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
