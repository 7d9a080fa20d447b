"""What a choice came to: a verdict on every action, and the one that is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenthrift.catalog import ComplexityBucket
    from tokenthrift.route.complexity import Complexity, Measured
    from tokenthrift.route.effort import Effort
    from tokenthrift.route.eligible import Refusal
    from tokenthrift.route.forecast import Forecast
    from tokenthrift.types import Money

__all__ = ["Decision", "Verdict", "by_ability", "by_cost", "is_stronger"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one action.

    Attributes:
        eligible: whether it can serve the request at all.
        adequate: whether it is good enough; False where it is not eligible.
        reason: why, in words.
        expected_cost: of this call, None where its prices are not known.
        covers: the hardest bucket it is good for, None where nobody said.
        refusals: the failed checks.
        effort: that the action adds to the request; None leaves it as it is.
        level: that the context is compressed at, at most; None where there is only the policy's.
        forecast: what is expected of it, None where nothing is known of the model.
        by_forecast: whether the forecast decided on adequacy, not a stated ability.
        net_cost: this call and, on the same model, the requests that are expected to follow.
        cached_tokens: of the input, in the model's cache.
        owed_nanos: what a later return to the model costs for the input that it does not see now.
        latency_s: expected until the whole answer is there, None where nobody knows.
    """

    model: str
    eligible: bool
    adequate: bool
    reason: str
    expected_cost: Money | None = None
    covers: ComplexityBucket | None = None
    refusals: tuple[Refusal, ...] = ()
    effort: Effort | None = None
    level: int | None = None
    forecast: Forecast | None = None
    by_forecast: bool = False
    net_cost: Money | None = None
    cached_tokens: int = 0
    owed_nanos: int = 0
    latency_s: float | None = None

    @property
    def action(self) -> tuple[str, Effort | None, int | None]:
        """What it is about: model, effort, level."""
        return self.model, self.effort, self.level

    @property
    def words(self) -> str:
        """The action in words."""
        effort = "" if self.effort is None else f", effort {self.effort}"
        return f"{self.model}{effort}" + ("" if self.level is None else f", level {self.level}")


@dataclass(frozen=True, slots=True)
class Decision:
    """Which action a request gets, and everything that led there.

    Attributes:
        chosen: the model.
        requested: the one the caller asked for.
        baseline: the one that savings are measured against.
        measured: what `complexity` is measured on.
        verdicts: one for each action, in the policy's order.
        reason: why the chosen one.
        fallbacks: models to go to when the chosen one fails, in order; all of them are eligible.
        effort: that is added to the request; None leaves it as the caller has it.
        level: that the context is compressed at, at most; None where there is only the policy's.
        floor: P(adequate) that was asked for; None where stated abilities decided.
        most: what the baseline costs, where nothing dearer may be chosen; None sets no bound.
        propensity: with what probability exploration takes this action; None without exploration.
    """

    chosen: str
    requested: str
    baseline: str
    measured: Measured = field(repr=False, compare=False)
    verdicts: tuple[Verdict, ...]
    reason: str
    fallbacks: tuple[str, ...] = ()
    effort: Effort | None = None
    level: int | None = None
    floor: float | None = None
    most: Money | None = None
    propensity: float | None = None

    @property
    def complexity(self) -> Complexity:
        """How much the request asks; measured now where nothing needed it before."""
        return self.measured.complexity

    @property
    def rerouted(self) -> bool:
        """Whether the call goes to another model than the caller asked for."""
        return self.chosen != self.requested

    @property
    def pick(self) -> Verdict:
        """The verdict on the action that is taken."""
        action = (self.chosen, self.effort, self.level)
        return next(v for v in self.verdicts if v.action == action)

    def affords(self, verdict: Verdict) -> bool:
        """Whether an action may be chosen for what it costs; the baseline always may."""
        if self.most is None or verdict.model == self.baseline:
            return True
        return verdict.net_cost is not None and verdict.net_cost <= self.most

    def best_of(self, model: str) -> Verdict:
        """The best action on a model, with the context as it is sent."""
        own = [v for v in self.sendable if v.model == model]
        return _best(own)

    def stronger(self, than: Verdict) -> tuple[Verdict, ...]:
        """Eligible actions that are better than one whose answer would not do, cheapest first."""
        found = [v for v in self.sendable if v.eligible and is_stronger(v, than)]
        return tuple(sorted(found, key=by_cost))

    @property
    def sendable(self) -> tuple[Verdict, ...]:
        """The verdicts on the request as it is sent, at the level that was chosen."""
        return tuple(v for v in self.verdicts if v.level == self.level)


def _best(verdicts: list[Verdict]) -> Verdict:
    eligible = [v for v in verdicts if v.eligible] or verdicts
    adequate = [v for v in eligible if v.adequate]
    return min(adequate, key=by_cost) if adequate else min(eligible, key=by_ability)


def is_stronger(one: Verdict, other: Verdict) -> bool:
    """Whether an action is known to be better than another, by what both are judged by."""
    if one.forecast is not None and other.forecast is not None:
        return one.forecast.adequate > other.forecast.adequate
    if one.model == other.model and one.effort is not None and other.effort is not None:
        return one.effort > other.effort
    if one.covers is not None and other.covers is not None:
        return one.covers > other.covers
    return one.adequate and not other.adequate


def by_cost(verdict: Verdict) -> tuple[bool, int]:
    """Known costs first, then the lower; `min` and `sorted` keep the policy's order in ties."""
    known = verdict.net_cost
    return (known is None, 0 if known is None else known.nanos)


def by_ability(verdict: Verdict) -> tuple[bool, float, bool, int]:
    """The ablest first: by the forecast where it decided, then by what is stated, then by cost."""
    if verdict.by_forecast and verdict.forecast is not None:
        return (False, -verdict.forecast.adequate, *by_cost(verdict))
    stated = -1 if verdict.covers is None else int(verdict.covers)
    return (True, -float(stated), *by_cost(verdict))
