"""Verdicts on the actions that a request may get: who can serve it, how well, at what cost.

An action is a candidate with a reasoning effort and a level of compression. Nothing is chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import ComplexityBucket
from tokenthrift.errors import NoCandidateError
from tokenthrift.route.complexity import Measured
from tokenthrift.route.costs import (
    Answers,
    Load,
    Outlook,
    expected_cost,
    following_cost,
    is_cached,
    owed,
)
from tokenthrift.route.decision import Verdict
from tokenthrift.route.effort import effort_of
from tokenthrift.route.eligible import SOFT, Refusal, need_of, refusals
from tokenthrift.route.forecast import Action
from tokenthrift.route.routing import Candidate
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.route.effort import Effort
    from tokenthrift.route.eligible import Need
    from tokenthrift.route.forecast import Forecast, Forecaster
    from tokenthrift.route.routing import Routing
    from tokenthrift.route.session import Kept, Session, Shape
    from tokenthrift.types import Money, Request

NANOS_PER_USD: Final = 1_000_000_000
NO_SUCH_SHAPE: Final = Refusal("level", "over the hard budget at this level, or not in this loop")


@dataclass(frozen=True, slots=True)
class _Option:
    """An action before its verdict: a candidate, what it adds, and the request it would send."""

    candidate: Candidate
    effort: Effort | None
    level: int | None
    shape: Shape | None


class Judge:
    """Gives verdicts on actions for one request.

    Args:
        request: that the forecast and the stated abilities are about.
        shapes: the request by level; the one that is sent where nothing is listed under None.
        routing: the policy.
        catalog: model cards.
        session: the past.
        forecaster: what is known of outcomes; None leaves it to stated abilities.
    """

    def __init__(
        self,
        request: Request,
        shapes: Mapping[int | None, Shape],
        routing: Routing,
        catalog: Catalog,
        *,
        session: Session,
        forecaster: Forecaster | None,
    ) -> None:
        self.request = request
        self.shapes = shapes
        self.routing = routing
        self.catalog = catalog
        self.session = session
        self.forecaster = forecaster
        taper = routing.tapered(session.spent_share)
        self.floor = routing.floor
        if taper is not None and taper.floor is not None and routing.floor is not None:
            self.floor = taper.floor
        self.easier = 0 if taper is None else taper.easier
        self.measured = Measured(request)

    @property
    def bucket(self) -> ComplexityBucket:
        """What a model must cover."""
        return ComplexityBucket(max(0, self.measured.complexity.bucket - self.easier))

    @cached_property
    def answers(self) -> Answers:
        """How long the conversation's answers were."""
        return Answers.of(self.request)

    def verdicts(self, candidates: Sequence[Candidate]) -> tuple[Verdict, ...]:
        """One verdict for each action of the candidates, in their order."""
        return self._judged([o for c in candidates for o in self._options(c)])

    def kept(self, kept: Kept) -> Verdict:
        """The verdict on the action of the previous call, whether it is a candidate or not."""
        known = next((c for c in self.routing.candidates if c.model == kept.model), None)
        candidate = known or Candidate(model=kept.model)
        level = kept.level if kept.level in self.shapes else next(iter(self.shapes))
        return self._judged([_Option(candidate, kept.effort, level, self.shapes[level])])[0]

    def own(self, model: str) -> Verdict:
        """The verdict on the caller's own model, which is not questioned.

        Raises:
            NoCandidateError: the policy names its providers or regions, and this is not known to
                be one.
        """
        if not model:
            return Verdict("", eligible=True, adequate=True, reason="the body names no model")
        level = next(iter(self.shapes))
        option = _Option(Candidate(model=model), None, level, self.shapes[level])
        card = self.catalog.get(model)
        found = self._found(option, card, self._forecasts([option], [card])[0])
        bound = (self.routing.allow_providers, self.routing.allow_regions)
        barred = any(r.check in ("provider", "region", "card") for r in found.refusals)
        if barred and any(b is not None for b in bound):
            raise NoCandidateError([f"{model}: {found.reason}"])
        remark = f"; note: {found.reason}" if found.refusals else ""
        reason = f"pinned: the caller's own model{remark}"
        by_forecast = not found.refusals and self._is_by_forecast(found)
        return replace(found, eligible=True, adequate=True, reason=reason, by_forecast=by_forecast)

    # ------------------------------------------------------------------------------------- inside
    def _options(self, candidate: Candidate) -> list[_Option]:
        """What may be done with a candidate; a request that states an effort keeps it."""
        stated = effort_of(self.request) is not None
        efforts: Sequence[Effort | None] = candidate.efforts or (None,)
        listed: Sequence[int | None] = candidate.levels or (next(iter(self.shapes)),)
        return [
            _Option(candidate, effort, level, self.shapes.get(level))
            for level in listed
            for effort in ((None,) if stated else efforts)
        ]

    def _judged(self, options: Sequence[_Option]) -> tuple[Verdict, ...]:
        cards = [self.catalog.get(o.candidate.model) for o in options]
        found = self._forecasts(options, cards)
        triples = zip(options, cards, found, strict=True)
        return tuple(self._verdict(option, card, forecast) for option, card, forecast in triples)

    def _forecasts(
        self, options: Sequence[_Option], cards: Sequence[ModelCard | None]
    ) -> list[Forecast | None]:
        """Forecasts of all actions whose model is known, from one question."""
        known = [(n, card) for n, card in enumerate(cards) if card is not None]
        found: list[Forecast | None] = [None] * len(options)
        if self.forecaster is None or not known:
            return found
        actions = [Action(card, options[n].effort, options[n].level or 0) for n, card in known]
        for (n, _), forecast in zip(known, self.forecaster(self.request, actions), strict=True):
            found[n] = forecast
        return found

    def _verdict(
        self, option: _Option, card: ModelCard | None, forecast: Forecast | None
    ) -> Verdict:
        found = self._found(option, card, forecast)
        return found if found.refusals else self._assessed(found)

    def _found(self, option: _Option, card: ModelCard | None, forecast: Forecast | None) -> Verdict:
        candidate, shape, model = option.candidate, option.shape, option.candidate.model
        if shape is None:
            return self._refused(option, (NO_SUCH_SHAPE,))
        tokens = self._tokens(shape, model)
        need = need_of(shape.request, tokens, self.routing, option.effort)
        refused = refusals(need, candidate, card, self.routing)
        if card is None:
            return self._refused(option, refused)
        load = self._load(card, shape.request, need, forecast)
        price = expected_cost(card, load)
        outlook = Outlook.of(shape.request, tokens, self.routing.expected_share)
        following = following_cost(card, load, outlook)
        latency_s = self.session.latency_s.get(model, card.latency_s(load.output_tokens))
        refused += self._limits(model, price, latency_s)
        covers = candidate.covers if candidate.covers is not None else card.covers
        return Verdict(
            model,
            eligible=False,
            adequate=False,
            reason="; ".join(map(str, refused)),
            expected_cost=price,
            covers=covers,
            refusals=refused,
            effort=option.effort,
            level=option.level,
            forecast=forecast,
            net_cost=None if price is None or following is None else price + following,
            cached_tokens=load.cached_tokens,
            owed_nanos=owed(card, load),
            latency_s=latency_s,
        )

    def _refused(self, option: _Option, refused: tuple[Refusal, ...]) -> Verdict:
        return Verdict(
            option.candidate.model,
            eligible=False,
            adequate=False,
            reason="; ".join(map(str, refused)),
            refusals=refused,
            effort=option.effort,
            level=option.level,
        )

    def _tokens(self, shape: Shape, model: str) -> int:
        """Tokens of a request as a model counts them, where both counters share an encoding."""
        counted, own = counter_for(self.request.model), counter_for(model)
        if counted.encoding_name != own.encoding_name or counted.factor == own.factor:
            return shape.tokens
        return ceil(shape.tokens * own.factor / counted.factor)

    def _load(
        self, card: ModelCard, request: Request, need: Need, forecast: Forecast | None
    ) -> Load:
        output, reasoning = need.output_tokens, 0
        if forecast is not None and forecast.output_tokens is not None:
            hidden = min(forecast.reasoning_tokens or 0, forecast.output_tokens)
            visible = self.answers.expected(forecast.output_tokens - hidden)
            output = min(visible + hidden, output)
            reasoning = min(hidden, output)
        caches = is_cached(request, need.input_tokens, card)
        cached = self.session.cached(request, card) if caches else 0
        return Load(need.input_tokens, output, reasoning, min(cached, need.input_tokens), caches)

    def _limits(
        self, model: str, price: Money | None, latency_s: float | None
    ) -> tuple[Refusal, ...]:
        """Refusals by the policy's ceilings, and by what is known of this moment."""
        found: list[Refusal] = []
        ceiling = self.routing.max_usd_per_call
        if ceiling is not None and price is None:
            found.append(Refusal("price", f"may cost at most ${ceiling:g}", "price not known"))
        elif ceiling is not None and price is not None and price.nanos > ceiling * NANOS_PER_USD:
            found.append(Refusal("price", f"may cost at most ${ceiling:g}", f"expected {price}"))
        most_s = self.routing.max_latency_s
        if most_s is not None and latency_s is not None and latency_s > most_s:
            needs, has = f"needs an answer in {most_s:g} s", f"expected after {latency_s:.3g} s"
            found.append(Refusal("latency", needs, has))
        if model in self.session.resting:
            found.append(Refusal("health", f"rests: {self.session.resting[model]}"))
        if model in self.session.unreached:
            found.append(Refusal("crossing", self.session.unreached[model]))
        return tuple(found)

    def waived(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
        """The same, where nobody is eligible, with those that only soft checks refuse let in."""
        if any(v.eligible for v in verdicts):
            return tuple(verdicts)
        return tuple(
            self.let_in(v) if v.refusals and all(r.check in SOFT for r in v.refusals) else v
            for v in verdicts
        )

    def let_in(self, verdict: Verdict) -> Verdict:
        """A verdict as it is without its refusals, which its reason still names."""
        found = self._assessed(replace(verdict, refusals=()))
        return replace(found, reason=f"{found.reason}; although {verdict.reason}")

    def _assessed(self, verdict: Verdict) -> Verdict:
        """Whether an eligible action is good enough, by what is known of it."""
        forecast, covers = verdict.forecast, verdict.covers
        if self.floor is not None and forecast is not None:
            adequate = forecast.adequate >= self.floor
            sign = ">=" if adequate else "<"
            reason = f"P(adequate) {forecast.adequate:.2f} {sign} floor {self.floor:.2f}"
            reason += f"; {forecast.basis}" if forecast.basis else ""
        elif covers is not None:
            adequate = covers >= self.bucket
            reason = f"covers {'' if adequate else 'only '}{covers}, asked {self.bucket}"
        elif verdict.model in (self.request.model, self.routing.baseline):
            # Whoever wrote the call, or the policy's baseline, found this model good enough.
            adequate = True
            reason = "good enough as the model that would be used without routing"
        else:
            adequate = False
            reason = "nobody said what it covers: set covers in the policy or its card"
        reason += "; price not known" if verdict.expected_cost is None else ""
        by_forecast = self._is_by_forecast(verdict)
        return replace(
            verdict, eligible=True, adequate=adequate, reason=reason, by_forecast=by_forecast
        )

    def _is_by_forecast(self, verdict: Verdict) -> bool:
        return self.floor is not None and verdict.forecast is not None
