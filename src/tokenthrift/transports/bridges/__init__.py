"""Bridges: each wire's way to Chat and back, for calls that go to providers of other wires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.errors import BridgeError
from tokenthrift.transports.bridges.anthropic_messages import MessagesBridge
from tokenthrift.transports.bridges.openai_chat import ChatBridge
from tokenthrift.transports.bridges.openai_responses import ResponsesBridge
from tokenthrift.transports.bridges.seam import Bridge, BrokenAnswerError, Telling
from tokenthrift.wire import held

if TYPE_CHECKING:
    from tokenthrift.types import Request

__all__ = ["BRIDGES", "Bridge", "BrokenAnswerError", "Telling", "stays"]

ALL: Final[tuple[Bridge, ...]] = (ChatBridge(), ResponsesBridge(), MessagesBridge())
BRIDGES: Final[dict[str, Bridge]] = {bridge.name: bridge for bridge in ALL}


def stays(request: Request) -> str:
    """Why a request cannot be answered by providers of other wires; empty if it can."""
    why = held(request)
    if why:
        return why
    try:
        BRIDGES[request.wire].chat(request.body)
    except BridgeError as error:
        return error.problem
    return ""
