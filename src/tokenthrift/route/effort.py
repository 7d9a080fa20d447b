"""Reasoning effort as a request states it, in any of the wires' spellings.

Only what is written counts; nothing is inferred from the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

if TYPE_CHECKING:
    from tokenthrift.types import Request


class Effort(IntEnum):
    """How long a model is asked to think, lowest first."""

    NONE = 0
    MINIMAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    XHIGH = 5
    MAX = 6

    def __str__(self) -> str:
        """The word that the wires use."""
        return self.name.lower()

    @property
    def share(self) -> float:
        """Its place between none (0) and high or more (1)."""
        return min(1.0, self.value / Effort.HIGH.value)

    @classmethod
    def of(cls, word: object) -> Effort:
        """The effort of a word.

        Raises:
            ValueError: it is not one; the message lists them.
        """
        if isinstance(word, cls):
            return word
        if isinstance(word, str) and word.upper() in cls.__members__:
            return cls[word.upper()]
        raise ValueError(f"expected one of {', '.join(map(str, cls))}, got {word!r}")


EffortField = Annotated[
    Effort,
    BeforeValidator(Effort.of),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "enum": [str(e) for e in Effort]}),
]
"""An effort as a field of a model: read and written as its word."""


def effort_of(request: Request) -> Effort | None:
    """The effort that a request asks for, or None where it does not say (or says it unreadably)."""
    body = request.body
    for word in (
        body.get("reasoning_effort"),  # OpenAI Chat
        _inner(body, "reasoning", "effort"),  # OpenAI Responses
        _inner(body, "output_config", "effort"),  # Anthropic Messages
    ):
        if isinstance(word, str) and word.upper() in Effort.__members__:
            return Effort[word.upper()]
    return None


def _inner(body: Mapping[str, Any], outer: str, inner: str) -> Any:
    value = body.get(outer)
    return value.get(inner) if isinstance(value, Mapping) else None
