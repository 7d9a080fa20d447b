"""What is expected of an action before it is taken: is its answer good enough, and how long is it.

The seam between whoever knows outcomes (a fitted model of difficulty and ability, a user's own log)
and whoever chooses by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import ModelCard
    from tokenthrift.route.effort import Effort
    from tokenthrift.types import Request

__all__ = ["Action", "Forecast", "Forecaster"]


@dataclass(frozen=True, slots=True)
class Action:
    """One way to answer a request.

    Attributes:
        card: of the model.
        effort: that the model is asked for; None leaves it as the request has it.
        level: how hard the request's context is compressed, 0 to 3.
    """

    card: ModelCard
    effort: Effort | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of one action on one request.

    Attributes:
        adequate: P(the answer is good enough), in [0, 1].
        low: lower end of its 95 % interval; wide where little is known.
        high: upper end.
        output_tokens: expected of the answer, reasoning included; None is not known.
        reasoning_tokens: the part of them that is hidden reasoning.
        novelty: how far the request lies from what the forecast was fitted on, in [0, 1].
        basis: where the ability of the model is known from, in words.
        shift: log-odds that feedback has added to ``adequate``.
    """

    adequate: float
    low: float
    high: float
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    novelty: float = 0.0
    basis: str = ""
    shift: float = 0.0


class Forecaster(Protocol):
    """Foretells actions on a request; pure."""

    def __call__(self, request: Request, actions: Sequence[Action], /) -> Sequence[Forecast | None]:
        """One forecast an action, in order; None where nothing at all is known of the model."""
        ...
