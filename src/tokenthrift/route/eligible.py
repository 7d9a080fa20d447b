"""The hard filter: what rules a model out for a request, before any ranking.

Every failing check is reported, as a value that carries the facts. What is not known of a model
rules it out where a wrong guess would fail the call (its context window), not elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tokenthrift.route.effort import effort_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.catalog import ModelCard
    from tokenthrift.route.effort import Effort
    from tokenthrift.route.routing import Candidate, Routing
    from tokenthrift.types import Request

Check: TypeAlias = Literal["card", "provider", "capability", "context", "output", "effort"]

KILO: Final = 1_000


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
        effort: reasoning effort, where the request states one.
    """

    input_tokens: int
    output_tokens: int
    capabilities: frozenset[str]
    effort: Effort | None

    @property
    def window_tokens(self) -> int:
        """Tokens that must fit into the context window."""
        return self.input_tokens + self.output_tokens


def need_of(request: Request, input_tokens: int, routing: Routing) -> Need:
    """What a request needs, by itself and by the policy's reserve."""
    asked = request.max_output_tokens
    return Need(
        input_tokens=input_tokens,
        output_tokens=routing.reserve_output_tokens if asked is None else asked,
        capabilities=request.needs,
        effort=effort_of(request),
    )


def refusals(
    need: Need, candidate: Candidate, card: ModelCard | None, routing: Routing
) -> tuple[Refusal, ...]:
    """Why a candidate cannot serve the request; empty if it can."""
    if card is None:
        return (Refusal("card", "no model card", "add one to your model cards"),)
    return tuple(_refusals(need, candidate, card, routing.allow_providers))


def _refusals(
    need: Need, candidate: Candidate, card: ModelCard, allowed: frozenset[str] | None
) -> Iterator[Refusal]:
    if allowed is not None and card.provider not in allowed:
        seller = card.provider or "not known"
        yield Refusal("provider", f"provider {seller}", f"allowed {', '.join(sorted(allowed))}")
    for word in sorted(need.capabilities - card.capabilities):
        yield Refusal("capability", f"needs {word}")
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
