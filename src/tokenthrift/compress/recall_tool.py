"""The tool with which a model has cut text given back: its schema, and where it is offered.

Offered from the first request on, behind the caller's own tools, with the same bytes each time, so
that the prefix that providers cache stays the same. Whether it is offered depends on the policy,
the models in reach and the form of the body, never on what was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tokenthrift import wire
from tokenthrift.addresses import scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tokenthrift.catalog import ModelCard
    from tokenthrift.compress.rules import Rules
    from tokenthrift.types import Request

NAME: Final = "tokenthrift_recall"
SERVERS: Final = ("redis", "rediss", "unix")  # whose addresses may be a store
# Paid for on every request, so every word counts: about 100 tokens.
TOOL: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": "Get back text that was cut from this conversation and marked with "
        "[-n: n lines cut, recall ID]. Use it only if the answer needs what was cut.",
        "parameters": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "description": "the ID of the mark"},
                "lines": {"type": "string", "description": "of the cut text, e.g. 10-40"},
                "query": {"type": "string", "description": "give only the lines about this"},
            },
            "required": ["id"],
        },
    },
}


class Recall(BaseModel):
    """How text that was cut can be had back."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    offer: bool = False
    """Whether models are offered the tool ``tokenthrift_recall``; the client answers its calls."""
    store: str | None = Field(default=None, repr=False)
    """What keeps cut texts: a SQLite file, relative to the policy's file, or a Redis server,
    ``redis://host:port/0`` (extra ``redis``). None: memory, and only where the tool is offered."""
    ttl_days: float = Field(default=7, gt=0)
    """How long it is kept."""
    max_calls: int = Field(default=3, ge=1, le=100)
    """How many times a call may go on with recalled text, each time with a further request."""
    max_tokens: int = Field(default=2000, ge=50)
    """No recall gives back more than this."""

    @field_validator("store")
    @classmethod
    def _of_a_known_kind(cls, store: str | None) -> str | None:
        scheme = scheme_of(store or "")
        if scheme and scheme not in SERVERS:
            raise ValueError(f"no store {scheme}://; use {'://, '.join(SERVERS)}://, or a file")
        return store


@dataclass(frozen=True, slots=True)
class Offer:
    """Whether a request carries the tool, and why (not)."""

    made: bool
    reason: str


NOT_OFFERED: Final = Offer(False, "the policy does not offer it")


def offered(
    request: Request, recall: Recall, rules: Rules, cards: Mapping[str, ModelCard | None]
) -> tuple[Request, Offer]:
    """The request with the tool behind its own ones, or as it was with the reason.

    Args:
        request: the caller's.
        recall: what the policy says.
        rules: of the policy; without a stage that cuts there is nothing to recall.
        cards: of every model the request may go to, by name.
    """
    if not recall.offer:
        return request, NOT_OFFERED
    problem = "" if cuts(rules) else "the policy cuts nothing that could be recalled"
    problem = problem or wire.refuses_tool(request, NAME)
    if not problem and not request.tools_text:
        problem = _without_tools(cards.items())
    if problem:
        return request, Offer(False, problem)
    body = wire.with_tool(request, TOOL)
    return wire.read(body, request.wire), Offer(True, "behind the caller's tools")


def cuts(rules: Rules) -> bool:
    """Whether a policy ever leaves text out."""
    trims = rules.budget.hard_tokens is not None and rules.budget.on_over_budget == "trim"
    return trims or any(stage.level > 1 for stage in rules.stages)


def _without_tools(cards: Iterable[tuple[str, ModelCard | None]]) -> str:
    """Which model is not known to take tools; a wrong guess would cost the caller the call."""
    for name, card in sorted(cards, key=lambda item: item[0]):
        if card is None or "tools" not in card.capabilities:
            return f"{name or 'the model'} is not known to take tools, and the body has none"
    return ""
