"""Exploration: now and then an action that may be good enough, and how likely that was.

Thompson sampling over the actions that can serve a request: each is good enough with the
probability that its P(adequate), drawn from its interval, reaches the floor; the cheapest that does
is taken, else the ablest. With what share of calls that happens is bounded. All of it is a function
of the call's id, so a replay takes the same action; the propensity is exact, so that outcomes can
be weighted by it afterwards (inverse propensity scoring).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from tokenthrift.route.choose import in_tool_loop
from tokenthrift.route.decision import by_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.decision import Decision
    from tokenthrift.route.session import Session
    from tokenthrift.types import Request

EDGE: Final = 1e-3
Z_95: Final = 1.959964
LEAST_SPREAD: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Arm:
    """An action that can serve a request.

    Attributes:
        adequate: P(adequate), with its 95 % interval from ``low`` to ``high``.
    """

    adequate: float
    low: float
    high: float

    def chance(self, floor: float) -> float:
        """The probability that the true P(adequate) reaches a floor, normal in log-odds."""
        spread = max(LEAST_SPREAD, (_logit(self.high) - _logit(self.low)) / (2 * Z_95))
        return 0.5 * math.erfc((_logit(floor) - _logit(self.adequate)) / (spread * math.sqrt(2)))


@dataclass(frozen=True, slots=True)
class Draw:
    """What was drawn for one call.

    Attributes:
        place: of the arm that is taken.
        propensity: with what probability it is taken, exploring or not.
        explored: whether it is another than without exploration.
    """

    place: int
    propensity: float
    explored: bool


def propensities(arms: Sequence[Arm], floor: float, usual: int, share: float) -> list[float]:
    """With what probability each arm is taken; they sum to 1.

    Args:
        arms: the cheapest first.
        floor: P(adequate) that is enough.
        usual: place of the arm that is taken without exploration.
        share: of calls that may explore, 0 to 1.

    Raises:
        ValueError: ``share`` is outside [0, 1], or ``usual`` is no arm.
    """
    if not 0 <= share <= 1 or not 0 <= usual < len(arms):
        raise ValueError(f"share {share} must be in [0, 1], usual {usual} one of {len(arms)} arms")
    left, found = 1.0, []
    for arm in arms:
        chance = arm.chance(floor)
        found.append(left * chance)
        left *= 1 - chance
    ablest = max(range(len(arms)), key=lambda n: (arms[n].adequate, -n))
    found[ablest] += left
    return [share * p + (1 - share) * (n == usual) for n, p in enumerate(found)]


def draw(arms: Sequence[Arm], floor: float, usual: int, *, share: float, call_id: str) -> Draw:
    """The arm of a call, by the `propensities` of its arms.

    Args:
        arms: the cheapest first.
        floor: P(adequate) that is enough.
        usual: place of the arm that is taken without exploration.
        share: of calls that may explore, 0 to 1.
        call_id: the same id draws the same arm.
    """
    chances = propensities(arms, floor, usual, share)
    digest = blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=8, person=b"explore")
    luck = int.from_bytes(digest.digest(), "big") / 2**64
    # The usual arm first: which calls leave it does not depend on the order of the others.
    order = [usual, *(n for n in range(len(arms)) if n != usual)]
    for place in order:
        if luck < chances[place]:
            return Draw(place, chances[place], place != usual)
        luck -= chances[place]
    return Draw(usual, chances[usual], explored=False)


def explored(
    decision: Decision, request: Request, session: Session, *, share: float, call_id: str
) -> Decision:
    """A decision after exploration, with its propensity.

    Only the first call of a conversation explores: later ones would pay for a cold cache, and a
    tool loop is never switched half-way. Actions without a forecast or a price take no part.

    Args:
        decision: as it is without exploration.
        request: that it is about.
        session: the past; a conversation that was served before is left alone.
        share: of calls that may explore; 0 changes nothing.
        call_id: the same id gives the same decision.
    """
    if not share or decision.floor is None or session.kept is not None or in_tool_loop(request):
        return decision
    found = [
        v
        for v in decision.verdicts
        if v.eligible and v.by_forecast and v.net_cost is not None and decision.affords(v)
    ]
    found.sort(key=by_cost)
    if decision.pick not in found or len(found) < 2:
        return decision
    arms = [
        Arm(v.forecast.adequate, v.forecast.low, v.forecast.high)
        for v in found
        if v.forecast is not None
    ]
    usual = found.index(decision.pick)
    drawn = draw(arms, decision.floor, usual, share=share, call_id=call_id)
    if not drawn.explored:
        return replace(decision, propensity=drawn.propensity)
    taken = found[drawn.place]
    others = (decision.chosen, *decision.fallbacks) if decision.fallbacks else ()
    return replace(
        decision,
        chosen=taken.model,
        effort=taken.effort,
        level=taken.level,
        fallbacks=tuple(m for m in dict.fromkeys(others) if m != taken.model),
        propensity=drawn.propensity,
        reason=f"explored instead of {decision.pick.words}; propensity {drawn.propensity:.3f}",
    )


def _logit(p: float) -> float:
    inside = min(1 - EDGE, max(EDGE, p))
    return math.log(inside / (1 - inside))
