"""The choice of an action: hard filter, then adequacy, then expected net cost.

A pure function of the request, its sizes, the policy, the catalog and the session that is passed
in; it knows no clock, no network and no history beyond that. It returns every verdict, so that a
decision can be read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tokenthrift.errors import LoopError, NoCandidateError
from tokenthrift.route.decision import Decision, Verdict, by_ability, by_cost, is_stronger
from tokenthrift.route.judge import Judge
from tokenthrift.route.loops import circle_of
from tokenthrift.route.session import NEW_SESSION, Kept, Shape
from tokenthrift.types import Money

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import Catalog
    from tokenthrift.route.forecast import Forecaster
    from tokenthrift.route.loops import Circle
    from tokenthrift.route.routing import Routing
    from tokenthrift.route.session import Session
    from tokenthrift.types import Request

__all__ = ["choose", "in_tool_loop"]


def choose(  # noqa: PLR0913 - each of them is passed in by somebody else
    request: Request,
    input_tokens: int,
    routing: Routing,
    catalog: Catalog,
    *,
    session: Session = NEW_SESSION,
    forecaster: Forecaster | None = None,
    shapes: Sequence[Shape] = (),
) -> Decision:
    """Choose the cheapest action that is good enough.

    Without a past (no ``session.kept``) the action is eligible, and no cheaper eligible action is
    adequate; equal costs go to the policy's order. Without ``upgrade`` that holds of the actions
    that cost no more than the baseline, as long as that can serve the request. With a past, its
    model stays where it is adequate, unless another saves more than ``switch_margin``, both in all
    and if the conversation comes back with its next request. In a tool loop the action stays as
    long as it can serve the request.

    Args:
        request: what the caller asks; in a tool loop, its latest message answers a tool call.
        input_tokens: of the request as it will be sent.
        routing: the policy.
        catalog: model cards.
        session: what is known of the past.
        forecaster: what is known of outcomes; None leaves adequacy to stated abilities.
        shapes: the request at each level of compression to choose from; none of them is the
            request as it is.

    Raises:
        NoCandidateError: no candidate can serve the request, or the caller's own model is of a
            provider or region that the policy does not allow; it holds every verdict.
        LoopError: the conversation goes round in circles, and the policy says ``error``.
    """
    circle = circle_of(request, routing.loops)
    if circle is not None and routing.loops.then == "error":
        raise LoopError(circle.what, circle.times, str(circle))
    by_level: dict[int | None, Shape] = {s.level: s for s in shapes}
    by_level = by_level or {None: Shape(0, request, input_tokens)}
    judge = Judge(request, by_level, routing, catalog, session=session, forecaster=forecaster)
    model, baseline = request.model, routing.baseline or request.model
    if routing.pinned:
        own = judge.own(model)
        return Decision(model, model, baseline, judge.measured, (own,), own.reason, level=own.level)
    made = Decision(model, model, baseline, judge.measured, (), "")
    verdicts = judge.verdicts(routing.candidates)
    if not routing.upgrade and not any(v.model == baseline for v in verdicts):
        verdicts = (*verdicts, judge.kept(Kept(baseline)))
    chooser = _Chooser(judge, routing, replace(made, floor=judge.floor))
    return chooser.chosen(verdicts, circle)


def in_tool_loop(request: Request) -> bool:
    """Whether the latest message answers a tool call."""
    if not request.messages:
        return False
    last = request.messages[-1]
    return last.role == "tool" or any(p.type == "tool_result" for p in last.parts)


class _Chooser:
    """Takes one of the actions that were judged."""

    def __init__(self, judge: Judge, routing: Routing, made: Decision) -> None:
        self.judge = judge
        self.routing = routing
        self.made = made

    def chosen(self, verdicts: tuple[Verdict, ...], circle: Circle | None) -> Decision:
        """The decision."""
        kept = self._kept(verdicts)
        lost = ""
        if kept is not None and in_tool_loop(self.judge.request):
            verdicts = verdicts if kept in verdicts else (*verdicts, kept)
            can_stay = kept.eligible or self._is_only_slow(kept)
            if circle is None and can_stay:
                held = kept if kept.eligible else self.judge.let_in(kept)
                verdicts = tuple(held if v is kept else v for v in verdicts)
                return self._decision(verdicts, held, "kept: a tool loop is not switched half-way")
            if not can_stay:
                lost = f"; {kept.model} could not be kept in this tool loop: {kept.reason}"
        verdicts = self.judge.waived(verdicts)
        eligible = [v for v in verdicts if v.eligible]
        if not eligible:
            raise NoCandidateError([f"{v.words}: {v.reason}" for v in verdicts])
        if circle is not None and kept is not None:
            abler = [v for v in eligible if is_stronger(v, kept)]
            if abler:
                stronger, _ = self._best(abler)
                return self._decision(verdicts, stronger, f"escalated: {circle}{lost}")
            if kept in eligible:
                return self._decision(verdicts, kept, f"kept: {circle}, and none is stronger")
        eligible, bound = self._afforded(eligible)
        lost = bound + lost
        stays = self._adequate_on(kept, eligible)
        if stays is None:
            best, reason = self._best(eligible)
            return self._decision(verdicts, best, reason + lost)
        paying = [v for v in eligible if self._pays(v, stays)]
        if not paying:
            return self._decision(verdicts, stays, self._why_kept(eligible, stays) + bound)
        best, reason = self._best(paying)
        return self._decision(verdicts, best, f"switched from {stays.model}: {reason}{lost}")

    # ------------------------------------------------------------------------------------- inside
    def _kept(self, verdicts: Sequence[Verdict]) -> Verdict | None:
        """The verdict on the action of the previous call."""
        kept = self.judge.session.kept
        if kept is None:
            return None
        found = self.judge.kept(kept)
        return next((v for v in verdicts if v.action == found.action), found)

    def _afforded(self, eligible: list[Verdict]) -> tuple[list[Verdict], str]:
        """Actions that may be chosen for what they cost, and a remark where there are others."""
        own = [v for v in eligible if v.model == self.made.baseline]
        if self.routing.upgrade or not own:
            return eligible, ""
        known = [v.net_cost for v in own if v.net_cost is not None]
        self.made = replace(self.made, most=min(known, default=Money()))
        found = [v for v in eligible if self.made.affords(v)]
        remark = f"; nothing dearer than {self.made.baseline}"
        return found, remark if len(found) < len(eligible) else ""

    def _is_only_slow(self, kept: Verdict) -> bool:
        return bool(kept.refusals) and kept not in self.judge.waived([kept])

    def _best(self, eligible: Sequence[Verdict]) -> tuple[Verdict, str]:
        """The cheapest adequate action, else the ablest; ties go to the policy's order."""
        adequate = [v for v in eligible if v.adequate]
        complexity = self.made.complexity
        if adequate:
            best = min(adequate, key=by_cost)
            good = f"that cover {complexity.bucket}"
            if best.by_forecast:
                good = f"with P(adequate) >= {self.judge.floor:.2f}"
            return best, f"cheapest of {len(adequate)} {good}{_unpriced(best)}"
        best = min(eligible, key=by_ability)
        if best.by_forecast and best.forecast is not None:
            most = f"the ablest has {best.forecast.adequate:.2f}"
            reason = f"none has P(adequate) >= {self.judge.floor:.2f}; {most}"
        else:
            covers = "nothing stated" if best.covers is None else str(best.covers)
            reason = f"none covers {complexity.bucket}; the ablest covers {covers}"
        return best, reason + _unpriced(best)

    def _adequate_on(self, kept: Verdict | None, eligible: Sequence[Verdict]) -> Verdict | None:
        """The cheapest adequate action on the session's own model."""
        if kept is None:
            return None
        own = [v for v in eligible if v.model == kept.model and v.adequate]
        return min(own, key=by_cost, default=None)

    def _pays(self, other: Verdict, stays: Verdict) -> bool:
        """Whether it pays to leave the session's model for an adequate action.

        It must save more than the margin in all, and also if the conversation comes back with its
        next request: what is new is then written to the model's cache all the same, later.
        """
        if not other.adequate or other.model == stays.model:
            return False
        if stays.net_cost is None or stays.expected_cost is None:
            return other.net_cost is not None
        if other.net_cost is None or other.expected_cost is None:
            return False
        share = 1 - self.routing.switch_margin
        at_once = other.expected_cost.nanos + stays.owed_nanos
        in_all = other.net_cost.nanos < stays.net_cost.nanos * share
        return in_all and at_once < stays.expected_cost.nanos * share

    def _why_kept(self, eligible: Sequence[Verdict], stays: Verdict) -> str:
        best, reason = self._best(eligible)
        if best.model == stays.model or best.net_cost is None or stays.net_cost is None:
            return reason
        saved = 1 - best.net_cost.nanos / max(1, stays.net_cost.nanos)
        margin = self.routing.switch_margin
        if saved <= margin:
            return f"kept: {best.model} saves {saved:.0%}, a switch must save over {margin:.0%}"
        return f"kept: a switch to {best.model} pays only if the conversation stays there"

    def _decision(self, verdicts: tuple[Verdict, ...], chosen: Verdict, reason: str) -> Decision:
        others = [
            v
            for v in verdicts
            if v.eligible and v.model != chosen.model and v.level == chosen.level
        ]
        adequate = sorted((v for v in others if v.adequate), key=by_cost)
        rest = sorted((v for v in others if not v.adequate), key=by_ability)
        models = dict.fromkeys(v.model for v in (*adequate, *rest))
        return replace(
            self.made,
            chosen=chosen.model,
            effort=chosen.effort,
            level=chosen.level,
            verdicts=verdicts,
            reason=reason,
            fallbacks=tuple(models) if self.routing.fallback else (),
        )


def _unpriced(verdict: Verdict) -> str:
    return "; its price is not known" if verdict.expected_cost is None else ""
