"""Whether treating sessions does harm: tests that may be looked at again and again.

Each session gets a score whose expectation is treated minus held, as chance drew its arm with a
known probability: inverse weights around means of the sessions before it. On scores that have a
least value a gambler stakes that they are positive, or negative, and is trusted when rich. Outcomes
lie in [0, 1]. Costs do when they are capped, at what the dearest sessions before cost; so a few
enormous ones raise no alarm, and the alarm errs no more often than stated, whatever the tails.

Sessions are looked at in the order that they came, and at what is fixed of them, so that a later
look changes no earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tokenthrift.evidence import FloatArray, Interval, log_wealth, radius
from tokenthrift.experiment.effects import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.experiment.rows import BoolArray, SessionRow

LEAST_SESSIONS: Final = 200
"""Of each arm, before a confidence sequence of costs is given: it holds for long rows."""
CAP_QUANTILE: Final = 0.95
FIRST_CAP: Final = (
    20  # sessions that the first cap is taken from; taken anew whenever twice as many
)
UNKNOWN_OUTCOME: Final = 0.5  # what is expected of the first
MICROSECONDS: Final = 60_000_000  # of a minute


@dataclass(frozen=True, slots=True)
class Harm:
    """What was seen.

    Attributes:
        kind: ``cost``: treated sessions cost more; ``outcome``: they end worse; empty: neither.
        sessions: that were looked at.
        saved_nanos: mean of a session so far; None before any.
        at_session: number of the session that raised the alarm.
    """

    kind: Literal["", "cost", "outcome"]
    sessions: int
    saved_nanos: float | None = None
    at_session: int | None = None

    def __bool__(self) -> bool:
        return bool(self.kind)


def scores(
    values: FloatArray, treated: BoolArray, shares: FloatArray, first: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """(n,) figures, each with the expectation "treated minus held" given all before it.

    Args:
        values: (n,) of the sessions, in order.
        treated: (n,) their arms.
        shares: (n,) the probabilities of being treated.
        first: what is expected before anything was seen.

    Returns:
        The scores, and (n,) what was expected of each value before it was seen.
    """
    after = {arm: _means_before(values, treated == arm, first) for arm in (True, False)}
    # One centre for both arms takes away the spread that the weights would give to the mean itself.
    expected = shares * after[False] + (1 - shares) * after[True]
    sign = np.where(treated, 1 / shares, -1 / (1 - shares))
    return sign * (values - expected), expected


def harm_of(
    rows: Sequence[SessionRow],
    *,
    level: float,
    worse: float = 0.0,
    settled_us: int | None = None,
    settle_minutes: float = 0.0,
) -> Harm:
    """Whether treated sessions were shown to cost more, or to end worse.

    Args:
        rows: of sessions.
        level: probability of an alarm without harm, halved between costs and outcomes.
        worse: how far outcomes may fall.
        settled_us: the time, in microseconds since 1970; sessions that began less than
            ``settle_minutes`` before are not looked at for costs yet. None looks at all.
        settle_minutes: what of a session's cost is looked at.
    """
    ready = [
        r
        for r in sorted(rows, key=lambda r: (r.started_us, r.session))
        if settled_us is None or r.started_us + settle_minutes * MICROSECONDS <= settled_us
    ]
    costs = [r for r in ready if not r.unpriced_calls]
    at, saved = _dearer(costs, level / 2)
    if at is not None:
        return Harm("cost", len(costs), saved, at)
    rated = sorted((r for r in rows if r.rated_us is not None), key=lambda r: r.rated_us or 0)
    at = _ends_worse(rated, worse, level / 2)
    if at is not None:
        return Harm("outcome", len(rated), saved, at)
    return Harm("", len(costs), saved)


def saved_at_any_time(
    costs: FloatArray, treated: BoolArray, shares: FloatArray, level: float = 1 - CONFIDENCE
) -> Interval | None:
    """What treating a session saves, with an interval that holds however often one looks.

    None with too few sessions.
    """
    if min(treated.sum(), (~treated).sum()) < LEAST_SESSIONS:
        return None
    means, spread, seen = _running(-scores(costs, treated, shares)[0])
    reach = radius(spread[-1:], seen[-1:], level)[0]
    return Interval(float(means[-1]), float(means[-1] - reach), float(means[-1] + reach))


# ------------------------------------------------------------------------------------------ inside
def _dearer(rows: Sequence[SessionRow], level: float) -> tuple[int | None, float | None]:
    """The session that proved treated ones dearer, and what each has saved in the mean."""
    if not rows:
        return None, None
    treated, shares = _drawn(rows)
    costs = np.array([r.early_nanos for r in rows], dtype=np.float64)
    means, _, _ = _running(scores(costs, treated, shares)[0])
    capped, betting = _capped(costs)
    figures, expected = scores(capped, treated, shares)
    lowest = -np.maximum(expected / shares, (1 - expected) / (1 - shares))
    figures = np.where(betting, figures, 0.0)
    rich = log_wealth(figures, np.minimum(lowest, -1.0), level=level) >= -np.log(level)
    return _first(rich & (means > 0)), float(-means[-1])


def _capped(costs: FloatArray) -> tuple[FloatArray, BoolArray]:
    """(n,) costs as shares of a cap that the costs before it set, and where there is one."""
    made, betting = np.zeros(len(costs)), np.zeros(len(costs), dtype=bool)
    start = FIRST_CAP
    while start < len(costs):
        cap = float(np.quantile(costs[:start], CAP_QUANTILE))
        if cap > 0:
            now = slice(start, 2 * start)
            made[now] = np.minimum(costs[now], cap) / cap
            betting[now] = True
        start *= 2
    return made, betting


def _ends_worse(rows: Sequence[SessionRow], worse: float, level: float) -> int | None:
    """The rating that proved treated sessions to end worse."""
    if not rows:
        return None
    treated, shares = _drawn(rows)
    values = np.array([r.first_outcome for r in rows], dtype=np.float64)
    figures, expected = scores(values, treated, shares, UNKNOWN_OUTCOME)
    lowest = -np.maximum((1 - expected) / shares, expected / (1 - shares)) - worse
    rich = log_wealth(-figures - worse, np.minimum(lowest, -1.0), level=level) >= -np.log(level)
    return _first(rich)


def _drawn(rows: Sequence[SessionRow]) -> tuple[BoolArray, FloatArray]:
    treated = np.array([r.treated for r in rows], dtype=bool)
    return treated, np.array([r.treated_share for r in rows], dtype=np.float64)


def _means_before(values: FloatArray, arm: BoolArray, first: float) -> FloatArray:
    """(n,) mean of an arm's values before each row."""
    counts = np.concatenate([[0], np.cumsum(arm)[:-1]])
    sums = np.concatenate([[0.0], np.cumsum(np.where(arm, values, 0.0))[:-1]])
    return np.where(counts > 0, sums / np.maximum(counts, 1), first)


def _running(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n,) means, standard deviations and numbers of the values so far."""
    seen = np.arange(1, len(values) + 1, dtype=np.float64)
    means = np.cumsum(values) / seen
    squares = np.cumsum(values**2) / seen
    return means, np.sqrt(np.maximum(squares - means**2, 0.0)), seen


def _first(found: BoolArray) -> int | None:
    return int(np.argmax(found)) if found.any() else None
