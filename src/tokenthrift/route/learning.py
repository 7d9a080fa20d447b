"""What feedback teaches: by how much a model is better or worse than was foretold, by kind of task.

A belief is a shift of the log-odds of P(adequate) for one model in one bucket of complexity:
normal, centred on "as foretold", narrowed by each outcome (one step of Newton on the Bernoulli
likelihood, an extended Kalman filter). No single outcome moves it by more than `STEP`. Beliefs are
a fold over the feedback in its order: the same ledger gives the same beliefs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tokenthrift.route.complexity import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenthrift.route.forecast import Action, Forecast, Forecaster
    from tokenthrift.types import Request

# A fitted ability is off by half a unit of log-odds on somebody else's traffic: 0.80 for 0.70.
PRIOR_VARIANCE: Final = 0.25
STEP: Final = 0.5
EDGE: Final = 1e-3  # probabilities are kept so far away from 0 and 1


@dataclass(frozen=True, slots=True)
class Lesson:
    """One outcome, and what had been foretold.

    Attributes:
        group: the bucket of complexity that the request was in.
        foretold: P(adequate) of the action that was taken.
        outcome: what came of it, 0 to 1.
    """

    model: str
    group: str
    foretold: float
    outcome: float


@dataclass(frozen=True, slots=True)
class Belief:
    """A shift of log-odds, and how sure of it one is.

    Attributes:
        shift: positive where the model is better than foretold.
        variance: of the shift.
        count: outcomes that it rests on.
    """

    shift: float = 0.0
    variance: float = PRIOR_VARIANCE
    count: int = 0

    def seen(self, foretold: float, outcome: float, forget: float = 0.0) -> Belief:
        """The belief after one outcome more.

        Args:
            foretold: P(adequate) without any shift.
            outcome: in [0, 1].
            forget: the share of what was learned that one outcome makes stale, 0 for never.
        """
        before = self._faded(forget)
        p = _sigmoid(_logit(foretold) + before.shift)
        variance = 1 / (1 / before.variance + p * (1 - p))
        step = max(-STEP, min(STEP, variance * (outcome - p)))
        return Belief(before.shift + step, variance, self.count + 1)

    def _faded(self, forget: float) -> Belief:
        stale = min(PRIOR_VARIANCE, self.variance / (1 - forget))
        return replace(self, shift=self.shift * (1 - forget), variance=stale)

    def applied(self, forecast: Forecast) -> Forecast:
        """A forecast with the shift; its interval moves along and widens by what is not known."""
        if not self.count:
            return forecast
        middle = _logit(forecast.adequate)
        below, above = middle - _logit(forecast.low), _logit(forecast.high) - middle
        # Outcomes speak of the forecast and of the shift together: what they have narrowed of the
        # shift is known of the sum.
        narrowed = math.sqrt(self.variance / PRIOR_VARIANCE)
        ends = (middle + self.shift - narrowed * below, middle + self.shift + narrowed * above)
        return replace(
            forecast,
            adequate=_sigmoid(middle + self.shift),
            low=_sigmoid(ends[0]),
            high=_sigmoid(ends[1]),
            shift=self.shift,
            basis=f"{forecast.basis}; {self.count} outcomes of your own".removeprefix("; "),
        )


Beliefs = Mapping[tuple[str, str], Belief]
NO_BELIEFS: Final[Beliefs] = MappingProxyType({})


def learned(lessons: Iterable[Lesson], forget: float = 0.0, start: Beliefs = NO_BELIEFS) -> Beliefs:
    """Beliefs from outcomes, in their order.

    Raises:
        ValueError: ``forget`` is not in [0, 1).
    """
    if not 0 <= forget < 1:
        raise ValueError(f"forget is {forget}; it must be at least 0 and below 1")
    found = dict(start)
    for lesson in lessons:
        key = lesson.model, lesson.group
        found[key] = found.get(key, Belief()).seen(lesson.foretold, lesson.outcome, forget)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class Learned:
    """A forecaster that knows what feedback taught."""

    forecaster: Forecaster
    beliefs: Beliefs

    def __call__(self, request: Request, actions: Sequence[Action], /) -> list[Forecast | None]:
        """The forecasts of the other, each with the shift of its model on such requests."""
        found = self.forecaster(request, actions)
        if not self.beliefs:
            return list(found)
        group = str(measure(request).bucket)
        return [
            None
            if forecast is None
            else self.beliefs.get((action.card.name, group), Belief()).applied(forecast)
            for action, forecast in zip(actions, found, strict=True)
        ]


def _logit(p: float) -> float:
    inside = min(1 - EDGE, max(EDGE, p))
    return math.log(inside / (1 - inside))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
