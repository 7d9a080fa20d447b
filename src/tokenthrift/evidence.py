"""How sure a figure is: an interval, a bet against a claim, a radius that holds at all times.

A gambler who stakes on each row, and is not favoured, gets rich by chance with probability
1 / wealth at most, at whatever moment one looks (Ville 1939; Waudby-Smith and Ramdas 2024). That
takes values with a known least one. For costs, which have none, the radius of a confidence sequence
holds for long rows (Waudby-Smith et al. 2021, "Time-uniform central limit theory").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# The largest share of what cannot bankrupt that is ever staked, and what is believed of the
# variance before the first row: a weak belief, as if from so many rows.
LARGEST_STAKE: Final = 0.9
PRIOR_VARIANCE: Final = 0.1
PRIOR_ROWS: Final = 2
TIGHTEST_AT: Final = 500  # rows for which the radius is as small as can be; others pay little


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and how far it may be off.

    Attributes:
        value: as measured.
        low: lower end of the two-sided interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As it is shown: ``0.012 [-0.003, 0.027]``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def log_wealth(
    rows: FloatArray, lowest: float | FloatArray, *, level: float, horizon: int | None = None
) -> FloatArray:
    """What a gambler has after each row who stakes that their mean is positive.

    If it is not, the wealth ever exceeds ``1 / level`` with probability ``level`` at most. Stakes
    depend on the rows before alone.

    Args:
        rows: (n,) in the order that they came, not below ``lowest``.
        lowest: the least that a row can be, negative; of all of them or (n,) of each.
        level: the probability that the stakes aim at.
        horizon: how many rows there will be, where that is fixed; None stakes for any time.

    Returns:
        (n,) logarithms; the gambler begins with 0.
    """
    seen = np.arange(1, len(rows) + 1)
    means = np.cumsum(rows) / (seen + 1)
    spread = PRIOR_ROWS * PRIOR_VARIANCE + np.cumsum((rows - means) ** 2)
    variance = np.concatenate([[PRIOR_VARIANCE], (spread / (seen + PRIOR_ROWS))[:-1]])
    rounds = seen * np.log1p(seen) if horizon is None else horizon
    wanted = np.sqrt(2 * np.log(1 / level) / (rounds * variance))
    stakes = np.minimum(wanted, LARGEST_STAKE / -np.asarray(lowest))
    wealth: FloatArray = np.cumsum(np.log1p(stakes * rows))
    return wealth


def radius(spread: FloatArray, rows: FloatArray, level: float, *, sides: int = 2) -> FloatArray:
    """How far running means may be from the truth, at all times at once, for long rows.

    Args:
        spread: (n,) standard deviations of the rows so far.
        rows: (n,) how many there are.
        level: the probability that the truth is ever outside.
        sides: 2 for both ends, 1 for one of them.
    """
    aim = -2 * np.log(level)
    rho2 = (aim + np.log(aim) + 1) / TIGHTEST_AT
    grown = rows * rho2 + 1
    odds = np.log(np.sqrt(grown) / level) if sides == 2 else np.log1p(np.sqrt(grown) / (2 * level))
    found: FloatArray = spread * np.sqrt(2 * grown / (rows**2 * rho2) * odds)
    return found
