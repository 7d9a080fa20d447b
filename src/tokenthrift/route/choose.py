"""The choice of a model: hard filter, then adequacy, then expected cost.

A pure function of the request, its size, the policy and the catalog; it knows no clock, no network
and no history beyond what is passed in. It returns every verdict, so that a decision can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tokenthrift.catalog import ComplexityBucket, cost
from tokenthrift.errors import NoCandidateError
from tokenthrift.route.complexity import Complexity, measure
from tokenthrift.route.eligible import Need, Refusal, need_of, refusals
from tokenthrift.route.routing import Candidate, Routing
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.types import Request

__all__ = ["Candidate", "Decision", "Routing", "Verdict", "choose", "expected_cost"]

NOTHING_CACHED: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one candidate.

    Attributes:
        eligible: whether it can serve the request at all.
        adequate: whether it is good enough; False where it is not eligible.
        reason: why, in words.
        expected_cost: of this call, None where its prices are not known.
        covers: the hardest bucket it is good for, None where nobody said.
        refusals: the failed checks.
    """

    model: str
    eligible: bool
    adequate: bool
    reason: str
    expected_cost: Money | None = None
    covers: ComplexityBucket | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model a request goes to, and everything that led there.

    Attributes:
        chosen: the model.
        requested: the one the caller asked for.
        baseline: the one that savings are measured against.
        verdicts: one for each candidate, in the policy's order.
        reason: why the chosen one.
        fallbacks: where to go when the chosen one fails, in order; all of them are eligible.
    """

    chosen: str
    requested: str
    baseline: str
    complexity: Complexity
    verdicts: tuple[Verdict, ...]
    reason: str
    fallbacks: tuple[str, ...] = ()

    @property
    def rerouted(self) -> bool:
        """Whether the call goes to another model than the caller asked for."""
        return self.chosen != self.requested


def choose(
    request: Request,
    input_tokens: int,
    routing: Routing,
    catalog: Catalog,
    *,
    cached_tokens: Mapping[str, int] = NOTHING_CACHED,
    keep_model: str | None = None,
) -> Decision:
    """Choose the cheapest model that is good enough.

    Args:
        request: what the caller asks; in a tool loop, its latest message answers a tool call.
        input_tokens: of the request as it will be sent.
        routing: the policy.
        catalog: model cards.
        cached_tokens: how much of the request this session has in each model's prompt cache.
        keep_model: the model that this session's previous call went to.

    Raises:
        NoCandidateError: no candidate can serve the request, or the caller's own model is of a
            provider that the policy does not allow; it holds every verdict.
    """
    complexity = measure(request)
    judge = _Judge(request, input_tokens, routing, catalog, complexity.bucket, cached_tokens)
    baseline = routing.baseline or request.model
    if routing.pinned:
        own = judge.own(request.model)
        return Decision(request.model, request.model, baseline, complexity, (own,), own.reason)
    verdicts = tuple(judge.verdict(c) for c in routing.candidates)
    lost = ""
    if keep_model is not None and in_tool_loop(request):
        kept = next((v for v in verdicts if v.model == keep_model), None)
        kept = kept or judge.verdict(Candidate(model=keep_model))
        verdicts = verdicts if kept in verdicts else (*verdicts, kept)
        if kept.eligible:
            choice = (keep_model, "kept: a tool loop is not switched half-way")
            return _decision(
                request, baseline, complexity, verdicts, choice, fallback=routing.fallback
            )
        lost = f"; {keep_model} could not be kept in this tool loop: {kept.reason}"
    eligible = [v for v in verdicts if v.eligible]
    if not eligible:
        raise NoCandidateError([f"{v.model}: {v.reason}" for v in verdicts])
    best, reason = _best(eligible, complexity)
    choice = (best.model, reason + lost)
    return _decision(request, baseline, complexity, verdicts, choice, fallback=routing.fallback)


def in_tool_loop(request: Request) -> bool:
    """Whether the latest message answers a tool call."""
    if not request.messages:
        return False
    last = request.messages[-1]
    return last.role == "tool" or any(p.type == "tool_result" for p in last.parts)


def expected_cost(
    card: ModelCard, need: Need, cached_tokens: int, *, session_caches: bool
) -> Money | None:
    """What the call is expected to cost on a model.

    Args:
        card: of the model.
        need: what the request needs; the output it leaves room for is the output predicted.
        cached_tokens: of the input, in this model's cache.
        session_caches: whether the session uses prompt caches: what it does not read, it writes
            (where the model charges for that).
    """
    read = min(max(0, cached_tokens), need.input_tokens)
    writes = (
        session_caches and card.cache is not None and need.input_tokens >= card.cache.min_tokens
    )
    return cost(
        Usage(
            input_tokens=need.input_tokens,
            output_tokens=need.output_tokens,
            cache_read_tokens=read,
            cache_write_tokens=need.input_tokens - read if writes else 0,
            estimated=True,
        ),
        card,
    )


class _Judge:
    """Gives verdicts on candidates for one request."""

    def __init__(
        self,
        request: Request,
        input_tokens: int,
        routing: Routing,
        catalog: Catalog,
        bucket: ComplexityBucket,
        cached_tokens: Mapping[str, int],
    ) -> None:
        self.requested = request.model
        self.need = need_of(request, input_tokens, routing)
        self.routing = routing
        self.catalog = catalog
        self.bucket = bucket
        self.cached_tokens = cached_tokens
        self.session_caches = any(n > 0 for n in cached_tokens.values())

    def verdict(self, candidate: Candidate) -> Verdict:
        """The verdict on one candidate."""
        card = self.catalog.get(candidate.model)
        refused = refusals(self.need, candidate, card, self.routing)
        if card is None or refused:
            reason = "; ".join(map(str, refused))
            return Verdict(candidate.model, False, False, reason, refusals=refused)
        price = expected_cost(
            card,
            self.need,
            self.cached_tokens.get(candidate.model, 0),
            session_caches=self.session_caches,
        )
        covers = candidate.covers if candidate.covers is not None else card.covers
        adequate, reason = self._adequate(candidate.model, covers)
        if price is None:
            reason += "; price not known"
        return Verdict(candidate.model, True, adequate, reason, price, covers)

    def own(self, model: str) -> Verdict:
        """The verdict on the caller's own model, which is not questioned.

        Raises:
            NoCandidateError: the policy names its providers, and this is not known to be one.
        """
        if not model:
            return Verdict("", eligible=True, adequate=True, reason="the body names no model")
        found = self.verdict(Candidate(model=model))
        barred = any(r.check in ("provider", "card") for r in found.refusals)
        if barred and self.routing.allow_providers is not None:
            raise NoCandidateError([f"{model}: {found.reason}"])
        remark = f"; note: {found.reason}" if found.refusals else ""
        reason = f"pinned: the caller's own model{remark}"
        return replace(found, eligible=True, adequate=True, reason=reason)

    def _adequate(self, model: str, covers: ComplexityBucket | None) -> tuple[bool, str]:
        if covers is not None:
            word = "covers" if covers >= self.bucket else "covers only"
            return covers >= self.bucket, f"{word} {covers}, asked {self.bucket}"
        # Whoever wrote the call, or the policy's baseline, found this model good enough.
        if model in (self.requested, self.routing.baseline):
            return True, "good enough as the model that would be used without routing"
        return False, "nobody said what it covers: set covers in the policy or its card"


def _best(eligible: Sequence[Verdict], complexity: Complexity) -> tuple[Verdict, str]:
    """The cheapest adequate verdict, else the ablest; ties go to the policy's order."""
    adequate = [v for v in eligible if v.adequate]
    if adequate:
        best = min(adequate, key=_by_cost)
        return best, f"cheapest of {len(adequate)} that cover {complexity.bucket}{_unpriced(best)}"
    best = min(eligible, key=_by_ability)
    covers = "nothing stated" if best.covers is None else str(best.covers)
    return best, f"none covers {complexity.bucket}; the ablest covers {covers}{_unpriced(best)}"


def _unpriced(verdict: Verdict) -> str:
    return "; its price is not known" if verdict.expected_cost is None else ""


def _by_cost(verdict: Verdict) -> tuple[bool, int]:
    """Known costs first, then the lower; `min` and `sorted` keep the policy's order in ties."""
    known = verdict.expected_cost
    return (known is None, 0 if known is None else known.nanos)


def _by_ability(verdict: Verdict) -> tuple[int, bool, int]:
    return (-1 if verdict.covers is None else -int(verdict.covers) - 2, *_by_cost(verdict))


def _decision(
    request: Request,
    baseline: str,
    complexity: Complexity,
    verdicts: tuple[Verdict, ...],
    choice: tuple[str, str],
    *,
    fallback: bool,
) -> Decision:
    chosen, reason = choice
    others = [v for v in verdicts if v.eligible and v.model != chosen]
    adequate = sorted((v for v in others if v.adequate), key=_by_cost)
    rest = sorted((v for v in others if not v.adequate), key=_by_ability)
    return Decision(
        chosen=chosen,
        requested=request.model,
        baseline=baseline,
        complexity=complexity,
        verdicts=verdicts,
        reason=reason,
        fallbacks=tuple(v.model for v in (*adequate, *rest)) if fallback else (),
    )
