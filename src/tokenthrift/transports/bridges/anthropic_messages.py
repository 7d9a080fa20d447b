"""Anthropic Messages said in Chat: system first, a message for each result, calls with their text.

Refused: thinking and whatever else is signed or the provider's own (`tokenthrift.wire.held`), stop
sequences and ``top_k`` (Chat cannot say which one struck; others have no such number), documents,
citations, answers that the caller begins, and every key that is not known here. Cache marks and
``metadata`` are hints to Anthropic, and stay behind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import BridgeError
from tokenthrift.transports.bridges.anthropic_messages_answers import MessagesTelling, message_of
from tokenthrift.transports.bridges.schemas import strict_format
from tokenthrift.transports.bridges.seam import STREAM_USAGE, check_keys
from tokenthrift.wire.anthropic_messages import AnthropicMessages
from tokenthrift.wire.reading import CACHE_KEY, listed, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAID: Final = frozenset({"temperature", "top_p", "max_tokens", "model"})
KEYS: Final = SAID | {
    *("messages", "system", "stream", "tools", "tool_choice", "metadata", "service_tier"),
    *("thinking", "output_config", "output_format", CACHE_KEY),
}
TOOL_KEYS: Final = frozenset(
    {"type", "name", "description", "input_schema", "strict", "eager_input_streaming", CACHE_KEY}
)
CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
# Efforts that OpenAI's models know by another word. Source: both API references, "effort".
EFFORTS: Final = {"max": "xhigh"}
FAILED: Final = "[the tool failed]"
"""Said before a result with ``is_error``, for which Chat has no word."""


class MessagesBridge:
    """The bridge of ``POST /v1/messages``."""

    name = AnthropicMessages.name

    def chat(self, body: Mapping[str, Any], /) -> dict[str, Any]:
        """A body as Chat says it.

        Raises:
            BridgeError: Chat cannot say all of it.
        """
        check_keys("the body", (k for k, v in body.items() if v is not None), KEYS)
        made = {key: body[key] for key in SAID if body.get(key) is not None}
        made["messages"] = [*_system(body.get("system")), *_messages(body.get("messages"))]
        made |= STREAM_USAGE if body.get("stream") else {}
        if body.get("tools"):
            made["tools"] = [_tool(mapped(tool)) for tool in listed(body["tools"])]
        return made | _choice(mapped(body.get("tool_choice"))) | _output(body)

    def answer(self, chat: Mapping[str, Any], _body: Mapping[str, Any], /) -> dict[str, Any]:
        """The ``message`` object."""
        return message_of(chat)

    def telling(self, _body: Mapping[str, Any], /) -> MessagesTelling:
        """Retells a stream from ``message_start`` to ``message_stop``."""
        return MessagesTelling()


# --------------------------------------------------------------------------------------- messages
def _system(system: Any) -> Iterator[dict[str, Any]]:
    if system:
        yield {"role": "system", "content": _texts("the system text", system)}


def _texts(what: str, content: Any) -> Any:
    """A content that is nothing but text, in the form that it has."""
    if isinstance(content, str):
        return content
    return [_text(what, mapped(block)) for block in listed(content)]


def _text(what: str, block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type") != "text" or not isinstance(block.get("text"), str):
        raise BridgeError(f"{what} holds {_named(block)}")
    if block.get("citations"):
        raise BridgeError(f"{what} holds citations")
    check_keys("a text", block, {"type", "text", "citations", CACHE_KEY})
    return {"type": "text", "text": block["text"]}


def _named(block: Mapping[str, Any]) -> str:
    return f"a block of the type {block.get('type')!r}"


def _messages(messages: Any) -> Iterator[dict[str, Any]]:
    given = [mapped(message) for message in listed(messages)]
    if given and given[-1].get("role") == "assistant":
        raise BridgeError("the caller begins the answer itself")
    for message in given:
        check_keys("a message", message, {"role", "content"})
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            yield _said(content)
        elif role == "user":
            yield from _asked(content)
        else:
            yield {"role": "system", "content": _texts("a system message", content)}


def _said(content: Any) -> dict[str, Any]:
    """A message of the model; Chat puts calls behind all text."""
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in map(mapped, listed(content)):
        if block.get("type") != "tool_use":
            if calls:
                raise BridgeError("a message goes on behind its calls")
            texts.append(_text("a message", block))
            continue
        check_keys("a call", block, {"type", "id", "name", "input", "caller", CACHE_KEY})
        if mapped(block.get("caller")).get("type") not in (None, "direct"):
            raise BridgeError("a call was made by the provider's own tool")
        arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
        function = {"name": block.get("name"), "arguments": arguments}
        calls.append({"id": block.get("id"), "type": "function", "function": function})
    made: dict[str, Any] = {"role": "assistant", "content": texts or None}
    return {**made, "tool_calls": calls} if calls else made


def _asked(content: Any) -> Iterator[dict[str, Any]]:
    """A message of the user: a message for each result, then what stands behind them."""
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    parts: list[dict[str, Any]] = []
    for block in map(mapped, listed(content)):
        kind = block.get("type")
        if kind == "tool_result":
            if parts:
                raise BridgeError("results stand behind other blocks")
            yield _result(block)
        else:
            parts.append(_image(block) if kind == "image" else _text("a message", block))
    if parts:
        yield {"role": "user", "content": parts}


def _result(block: Mapping[str, Any]) -> dict[str, Any]:
    check_keys("a result", block, {"type", "tool_use_id", "content", "is_error", CACHE_KEY})
    content = _texts("a result", block.get("content") or "")
    if block.get("is_error"):
        texts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        content = [{"type": "text", "text": FAILED}, *texts]
    return {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": content}


def _image(block: Mapping[str, Any]) -> dict[str, Any]:
    check_keys("an image", block, {"type", "source", CACHE_KEY})
    source = mapped(block.get("source"))
    if source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{source.get('data')}"
    elif source.get("type") == "url":
        url = str(source.get("url"))
    else:
        raise BridgeError(f"an image is of the type {source.get('type')!r}")
    return {"type": "image_url", "image_url": {"url": url}}


# -------------------------------------------------------------------------------- tools and output
def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        raise BridgeError(f"it offers the provider's {tool.get('type')}")
    check_keys("a tool", (k for k, v in tool.items() if v is not None), TOOL_KEYS)
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    function |= {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
    return {"type": "function", "function": function}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    if not choice:
        return {}
    check_keys("tool_choice", choice, {"type", "name", "disable_parallel_tool_use"})
    made: dict[str, Any] = {}
    if choice.get("type") == "tool":
        made["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif choice.get("type") in CHOICES:
        made["tool_choice"] = CHOICES[str(choice["type"])]
    else:
        raise BridgeError(f"tool_choice is of the type {choice.get('type')!r}")
    if choice.get("disable_parallel_tool_use"):
        made["parallel_tool_calls"] = False
    return made


def _output(body: Mapping[str, Any]) -> dict[str, Any]:
    """Effort and form of the answer; thinking comes back signed, which nobody else can do."""
    thinking = mapped(body.get("thinking")).get("type")
    if thinking not in (None, "disabled"):
        raise BridgeError("it asks for thinking, which comes back signed")
    output = mapped(body.get("output_config"))
    check_keys("output_config", output, {"effort", "format"})
    made: dict[str, Any] = {}
    effort = output.get("effort")
    if effort is not None:
        made["reasoning_effort"] = EFFORTS.get(str(effort), effort)
    wanted = output.get("format") or body.get("output_format")
    if wanted:
        made["response_format"] = strict_format(mapped(wanted))
    return made
