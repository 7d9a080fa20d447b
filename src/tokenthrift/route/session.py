"""What a choice may know of a conversation beside the request: the past that is not in it.

Whoever has made calls knows it (a client, a replay); a plan alone knows nothing, and then every
action starts cold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.catalog import ModelCard
    from tokenthrift.route.effort import Effort
    from tokenthrift.types import Request


class Cached(Protocol):
    """Says how many leading tokens of a request this session has in a model's prompt cache."""

    def __call__(self, request: Request, card: ModelCard, /) -> int:
        """Tokens, by the counter of that model."""
        ...


def nothing_cached(_request: Request, _card: ModelCard, /) -> int:
    """Every cache is cold."""
    return 0


@dataclass(frozen=True, slots=True)
class Kept:
    """The action of a conversation's previous call.

    Attributes:
        effort: that was added to the request; None where it went as the caller wrote it.
        level: that its context was compressed at.
    """

    model: str
    effort: Effort | None = None
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """The past of a conversation, and of the models it may go to.

    Attributes:
        kept: the action of the previous call; tool loops stay on it.
        cached: what the models' prompt caches hold of a request.
        spent_share: of the budget that the call counts against, 0 to 1.
        resting: models that failed just now, and how.
        latency_s: seconds to a whole answer, as observed, by model.
        unreached: models that this request cannot go to from where it came, and why.
    """

    kept: Kept | None = None
    cached: Cached = nothing_cached
    spent_share: float = 0.0
    resting: Mapping[str, str] = field(default_factory=dict)
    latency_s: Mapping[str, float] = field(default_factory=dict)
    unreached: Mapping[str, str] = field(default_factory=dict)


NEW_SESSION: Final = Session()


@dataclass(frozen=True, slots=True)
class Shape:
    """A request as one level of compression leaves it.

    Attributes:
        level: the highest level that was allowed.
        tokens: of the request, by the plan's counter.
    """

    level: int
    request: Request
    tokens: int
