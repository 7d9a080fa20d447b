"""Whether treating sessions does harm: tests that may be looked at again and again.

Each session gets a score whose expectation is what treating saves, as chance drew its arm with a
known probability: inverse weights around means of the sessions before it. Of costs, which have no
upper end, the running mean of the scores has a confidence sequence; outcomes lie in [0, 1], and
there a gambler stakes that they fall. Both look at sessions in the order that they came, and at
what is fixed of them, so that a later look changes no earlier one.
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

LEAST_SESSIONS: Final = 50
"""Of each arm, before costs may raise an alarm: their sequence holds for long rows."""
UNKNOWN_OUTCOME: Final = 0.5  # what is expected of the first
MICROSECONDS: Final = 60_000_000  # of a minute


@dataclass(frozen=True, slots=True)
class Harm:
    """What was seen.

    Attributes:
        kind: ``cost``: treated sessions cost more; ``outcome``: they end worse; empty: neither.
        sessions: that were looked at.
        saved_nanos: a session, with the interval that holds however often one looks; None with too
            few sessions.
        at_session: number of the session that raised the alarm.
    """

    kind: Literal["", "cost", "outcome"]
    sessions: int
    saved_nanos: Interval | None = None
    at_session: int | None = None

    def __bool__(self) -> bool:
        return bool(self.kind)


def scores(values: FloatArray, treated: BoolArray, shares: FloatArray, first: float) -> FloatArray:
    """(n,) figures, each with the expectation "treated minus held", given all before it.

    Args:
        values: (n,) of the sessions, in order.
        treated: (n,) their arms.
        shares: (n,) the probabilities of being treated.
        first: what is expected before anything was seen.
    """
    after = {arm: _means_before(values, treated == arm, first) for arm in (True, False)}
    expected = shares * after[False] + (1 - shares) * after[True]
    sign = np.where(treated, 1 / shares, -1 / (1 - shares))
    # One centre for both arms takes the spread away that the weights would give to the mean itself.
    made: FloatArray = sign * (values - expected)
    return made


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
    cost = _cost_harm(costs, level / 2)
    if cost:
        return cost
    rated = sorted((r for r in rows if r.rated_us is not None), key=lambda r: r.rated_us or 0)
    at = _outcome_alarm(rated, worse, level / 2)
    if at is not None:
        return Harm("outcome", len(rated), cost.saved_nanos, at)
    return cost


def saved_at_any_time(
    costs: FloatArray, treated: BoolArray, shares: FloatArray, level: float = 1 - CONFIDENCE
) -> Interval | None:
    """What treating a session saves, with an interval that holds however often one looks."""
    if not _enough(treated).any():
        return None
    means, spread, seen = _running(-scores(costs, treated, shares, 0.0))
    reach = radius(spread[-1:], seen[-1:], level)[0]
    return Interval(float(means[-1]), float(means[-1] - reach), float(means[-1] + reach))


# ------------------------------------------------------------------------------------------ inside
def _cost_harm(rows: Sequence[SessionRow], level: float) -> Harm:
    treated, shares = _drawn(rows)
    costs = np.array([r.early_nanos for r in rows], dtype=np.float64)
    saved = saved_at_any_time(costs, treated, shares)
    if saved is None:
        return Harm("", len(rows))
    means, spread, seen = _running(-scores(costs, treated, shares, 0.0))
    alarm = (means + radius(spread, seen, level, sides=1) < 0) & _enough(treated)
    at = _first(alarm)
    return Harm("" if at is None else "cost", len(rows), saved, at)


def _outcome_alarm(rows: Sequence[SessionRow], worse: float, level: float) -> int | None:
    if not rows:
        return None
    treated, shares = _drawn(rows)
    values = np.array([r.first_outcome for r in rows], dtype=np.float64)
    fallen = -scores(values, treated, shares, UNKNOWN_OUTCOME) - worse
    lowest = -1 / np.minimum(shares, 1 - shares) - worse
    return _first(log_wealth(fallen, lowest, level=level) >= -np.log(level))


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


def _enough(treated: BoolArray) -> BoolArray:
    """(n,) whether both arms are long enough by then."""
    some: BoolArray = np.minimum(np.cumsum(treated), np.cumsum(~treated)) >= LEAST_SESSIONS
    return some


def _first(found: BoolArray) -> int | None:
    return int(np.argmax(found)) if found.any() else None
