"""Which wire a body is of, told from its form alone.

``input`` without ``messages`` is Responses. Where there are ``messages``, a form that only one wire
knows decides: roles, keys and parts of Chat first, then a ``system`` key, ``input_schema`` or
blocks of Messages. A body that both read alike is Chat, as is anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.wire.reading import listed, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT: Final = "openai-chat"
RESPONSES: Final = "openai-responses"
MESSAGES: Final = "anthropic-messages"

RESPONSES_KEYS: Final = ("input", "previous_response_id", "instructions", "conversation")
CHAT_ROLES: Final = frozenset({"system", "developer", "tool", "function"})
CHAT_KEYS: Final = frozenset({"tool_calls", "function_call", "tool_call_id"})
CHAT_BLOCKS: Final = frozenset({"image_url", "input_audio", "file", "refusal"})
MESSAGES_BLOCKS: Final = frozenset(
    {
        *("tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use"),
        *("document", "image", "search_result", "mcp_tool_use", "mcp_tool_result"),
    }
)


def detect(body: Mapping[str, Any]) -> str:
    """Name of the wire that a body is of."""
    if body.get("messages") is None:
        return RESPONSES if any(body.get(k) is not None for k in RESPONSES_KEYS) else CHAT
    messages = [m for m in listed(body["messages"]) if isinstance(m, Mapping)]
    tools = [t for t in listed(body.get("tools")) if isinstance(t, Mapping)]
    if any(m.get("role") in CHAT_ROLES or not CHAT_KEYS.isdisjoint(m) for m in messages):
        return CHAT
    kinds = {str(b.get("type")) for b in _blocks(messages)}
    if any("function" in t for t in tools) or kinds & CHAT_BLOCKS:
        return CHAT
    if "system" in body or any("input_schema" in t for t in tools) or kinds & MESSAGES_BLOCKS:
        return MESSAGES
    return CHAT


def _blocks(messages: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for message in messages:
        for block in listed(message.get("content")):
            yield mapped(block)
