"""The hard filter: what rules an action out for a request, before any ranking.

Every failing check is reported, as a value that carries the facts. What is not known of a model
rules it out where a wrong guess would fail the call (its context window) or break a promise (where
it is served), not elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tokenthrift.route.effort import Effort, effort_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.catalog import ModelCard
    from tokenthrift.route.routing import Candidate, Routing
    from tokenthrift.types import Request

Check: TypeAlias = Literal[
    "card",
    "provider",
    "crossing",
    "region",
    "capability",
    "parameter",
    "context",
    "output",
    "effort",
    "level",
    "price",
    "latency",
    "health",
]

# Checks that are waived where nobody else is left: a slow answer, or one more try of a model that
# failed, is better than none.
SOFT: Final = frozenset({"latency", "health"})

KILO: Final = 1_000
SAMPLING: Final = ("temperature", "top_p")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a model cannot serve a request.

    Attributes:
        check: which check failed.
        needs: what the request needs.
        has: what the model offers, empty where it offers nothing.
    """

    check: Check
    needs: str
    has: str = ""

    def __str__(self) -> str:
        """As it is shown: ``needs 48k tokens, window 16k``."""
        return f"{self.needs}, {self.has}" if self.has else self.needs


@dataclass(frozen=True, slots=True)
class Need:
    """What a request needs of any model.

    Attributes:
        input_tokens: after compression, as sent.
        output_tokens: the caller's limit, or the reserve.
        capabilities: words of the catalog.
        effort: reasoning effort that it asks for, by itself or as the action adds it.
        parameters: of sampling, that the request sets.
    """

    input_tokens: int
    output_tokens: int
    capabilities: frozenset[str]
    effort: Effort | None
    parameters: tuple[str, ...] = ()

    @property
    def window_tokens(self) -> int:
        """Tokens that must fit into the context window."""
        return self.input_tokens + self.output_tokens


def need_of(
    request: Request, input_tokens: int, routing: Routing, effort: Effort | None = None
) -> Need:
    """What a request needs, by itself, by the policy's reserve and by the effort an action adds."""
    asked = request.max_output_tokens
    capabilities = request.needs
    if effort is not None and effort > Effort.MINIMAL:
        capabilities |= {"reasoning"}
    return Need(
        input_tokens=input_tokens,
        output_tokens=routing.reserve_output_tokens if asked is None else asked,
        capabilities=capabilities,
        effort=effort_of(request) if effort is None else effort,
        parameters=tuple(p for p in SAMPLING if request.body.get(p) is not None),
    )


def refusals(
    need: Need, candidate: Candidate, card: ModelCard | None, routing: Routing
) -> tuple[Refusal, ...]:
    """Why a candidate cannot serve the request; empty if it can."""
    if card is None:
        return (Refusal("card", "no model card", "add one to your model cards"),)
    return (*_places(card, routing), *_abilities(need, candidate, card))


def _places(card: ModelCard, routing: Routing) -> Iterator[Refusal]:
    sellers, regions = routing.allow_providers, routing.allow_regions
    if sellers is not None and card.provider not in sellers:
        seller = card.provider or "not known"
        yield Refusal("provider", f"provider {seller}", f"allowed {', '.join(sorted(sellers))}")
    if regions is not None and not regions & set(card.regions):
        served = ", ".join(card.regions) or "not known"
        yield Refusal("region", f"served in {served}", f"allowed {', '.join(sorted(regions))}")


def _abilities(need: Need, candidate: Candidate, card: ModelCard) -> Iterator[Refusal]:
    for word in sorted(need.capabilities - card.capabilities):
        yield Refusal("capability", f"needs {word}")
    if need.parameters and card.sampling is False:
        yield Refusal("parameter", f"sets {' and '.join(need.parameters)}", "takes none of them")
    window = card.context_window_tokens
    if window is None:
        yield Refusal("context", f"needs {short(need.window_tokens)} tokens", "window not known")
    elif window < need.window_tokens:
        needs, has = _apart(need.window_tokens, window)
        yield Refusal("context", f"needs {needs} tokens", f"window {has}")
    most = card.max_output_tokens
    if most is not None and most < need.output_tokens:
        needs, has = _apart(need.output_tokens, most)
        yield Refusal("output", f"needs {needs} output tokens", f"gives at most {has}")
    limit = candidate.max_effort
    if limit is not None and need.effort is not None and need.effort > limit:
        yield Refusal("effort", f"asks effort {need.effort}", f"allowed up to {limit}")
    takes = card.efforts
    if takes is not None and need.effort is not None and str(need.effort) not in takes:
        offer = f"takes {', '.join(takes)}" if takes else "takes none"
        yield Refusal("effort", f"asks effort {need.effort}", offer)


def short(tokens: int) -> str:
    """A token count as one reads it: ``812``, ``48k``, ``1.05M``."""
    if tokens < KILO:
        return str(tokens)
    if tokens < KILO * KILO:
        return f"{tokens / KILO:.3g}k"
    return f"{tokens / KILO / KILO:.3g}M"


def _apart(needed: int, offered: int) -> tuple[str, str]:
    """Two counts, short unless they would read the same."""
    if short(needed) == short(offered):
        return f"{needed:,}", f"{offered:,}"
    return short(needed), short(offered)
