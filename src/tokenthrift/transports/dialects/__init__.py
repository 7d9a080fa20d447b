"""Dialects: how providers answer, for each wire. Looked up by the wire's name."""

from __future__ import annotations

from typing import Final

from tokenthrift.errors import WireError
from tokenthrift.transports.dialects.anthropic_messages import AnthropicAnswers
from tokenthrift.transports.dialects.openai_chat import ChatAnswers
from tokenthrift.transports.dialects.openai_responses import ResponsesAnswers
from tokenthrift.transports.dialects.seam import AskedCall, Debt, Dialect, Key, Said, Spot, Watch

__all__ = ["DIALECTS", "AskedCall", "Debt", "Dialect", "Key", "Said", "Spot", "Watch", "dialect_of"]

ALL: Final[tuple[Dialect, ...]] = (ChatAnswers(), ResponsesAnswers(), AnthropicAnswers())
DIALECTS: Final[dict[str, Dialect]] = {dialect.name: dialect for dialect in ALL}


def dialect_of(wire: str) -> Dialect:
    """The dialect of a wire.

    Raises:
        WireError: the name is not known; the message lists those that are.
    """
    try:
        return DIALECTS[wire]
    except KeyError:
        raise WireError("wire", f"unknown wire {wire!r}; known: {', '.join(DIALECTS)}") from None
