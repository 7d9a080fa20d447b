"""An answer as checks read it, whatever SDK it came through."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "CalledTool"]


@dataclass(frozen=True, slots=True)
class CalledTool:
    """One tool call of an answer, with its arguments as the model wrote them."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        text: its content.
        calls: its tool calls, in order.
        finish: why it ended, in the wire's own word, e.g. ``stop`` or ``length``.
        refusal: what it says where it refuses, in the field that the wire has for it.
    """

    text: str = ""
    calls: tuple[CalledTool, ...] = ()
    finish: str = ""
    refusal: str = ""
