"""OpenAI Responses said in Chat: items in a row become messages with their calls.

Refused: what the provider holds or sealed (`tokenthrift.wire.held`), answers that it would store
(their ids lead nowhere else, so ``store`` must be false), its own and custom tools, files, text
behind calls, and every key that is not known here. Hints to OpenAI's caches and logs stay behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import BridgeError
from tokenthrift.transports.bridges.openai_responses_answers import ResponsesTelling, response_of
from tokenthrift.transports.bridges.seam import STREAM_USAGE, check_keys
from tokenthrift.wire.openai_responses import OpenAIResponses
from tokenthrift.wire.reading import listed, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAID: Final = frozenset({"model", "temperature", "top_p", "parallel_tool_calls"})
KEYS: Final = SAID | {
    *("input", "instructions", "max_output_tokens", "stream", "stream_options", "store", "text"),
    *("tools", "tool_choice", "reasoning", "include", "metadata", "user", "safety_identifier"),
    *("prompt_cache_key", "prompt_cache_retention", "service_tier", "truncation", "background"),
}
# Asked to be sent along where there is any; other models seal nothing for OpenAI.
INCLUDED: Final = frozenset({"reasoning.encrypted_content"})
TEXTS: Final = ("input_text", "output_text", "text")
ROLES: Final = {"system": "system", "developer": "system", "user": "user"}


class ResponsesBridge:
    """The bridge of ``POST /v1/responses``."""

    name = OpenAIResponses.name

    def chat(self, body: Mapping[str, Any], /) -> dict[str, Any]:
        """A body as Chat says it.

        Raises:
            BridgeError: Chat cannot say all of it.
        """
        check_keys("the body", (k for k, v in body.items() if v is not None), KEYS)
        _check_values(body)
        made = {key: body[key] for key in SAID if body.get(key) is not None}
        made["messages"] = [*_instructions(body.get("instructions")), *_messages(body)]
        made |= STREAM_USAGE if body.get("stream") else {}
        if body.get("max_output_tokens") is not None:
            made["max_tokens"] = body["max_output_tokens"]
        if body.get("tools"):
            made["tools"] = [_tool(mapped(tool)) for tool in listed(body["tools"])]
        if body.get("tool_choice") is not None:
            made["tool_choice"] = _choice(body["tool_choice"])
        return made | _form(mapped(body.get("text"))) | _effort(mapped(body.get("reasoning")))

    def answer(self, chat: Mapping[str, Any], body: Mapping[str, Any], /) -> dict[str, Any]:
        """The ``response`` object."""
        return response_of(chat, body)

    def telling(self, body: Mapping[str, Any], /) -> ResponsesTelling:
        """Retells a stream from ``response.created`` to ``response.completed``."""
        return ResponsesTelling(body)


def _check_values(body: Mapping[str, Any]) -> None:
    if body.get("store") is not False:
        raise BridgeError("its answer is stored, to go on from by its id (say store=False)")
    if body.get("background"):
        raise BridgeError("it asks for an answer in the background")
    if body.get("truncation") not in (None, "disabled"):
        raise BridgeError("it lets the provider cut the input")
    check_keys("include", listed(body.get("include")), INCLUDED)


# --------------------------------------------------------------------------------------- messages
def _instructions(instructions: Any) -> Iterator[dict[str, Any]]:
    if instructions:
        if not isinstance(instructions, str):
            raise BridgeError("the instructions are items")
        yield {"role": "system", "content": instructions}


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    made: list[dict[str, Any]] = []
    for item in map(mapped, listed(given)):
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if kind == "message":
            _add_message(made, item)
        elif kind == "function_call":
            _add_call(made, item)
        elif kind == "function_call_output":
            made.append(_result(item))
        else:
            raise BridgeError(f"it holds an item of the type {kind!r}")
    return made


def _add_message(made: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    check_keys("a message", item, {"type", "role", "content", "id", "status", "phase"})
    if item.get("role") != "assistant":
        role = ROLES.get(str(item.get("role")))
        if role is None:
            raise BridgeError(f"a message is of the role {item.get('role')!r}")
        made.append({"role": role, "content": _content(item.get("content"))})
        return
    before = made[-1] if made and made[-1]["role"] == "assistant" else {}
    if before.get("tool_calls"):
        raise BridgeError("a message goes on behind its calls")
    made.append({"role": "assistant", "content": _content(item.get("content"))})


def _add_call(made: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    """A call, in the message that leads to it."""
    known = {"type", "id", "call_id", "name", "arguments", "status"}
    check_keys("a call", (k for k, v in item.items() if v is not None), known)
    if not made or made[-1]["role"] != "assistant":
        made.append({"role": "assistant", "content": None})
    function = {"name": item.get("name"), "arguments": item.get("arguments") or "{}"}
    call = {"id": item.get("call_id"), "type": "function", "function": function}
    made[-1].setdefault("tool_calls", []).append(call)


def _result(item: Mapping[str, Any]) -> dict[str, Any]:
    known = {"type", "id", "call_id", "output", "status"}
    check_keys("a result", (k for k, v in item.items() if v is not None), known)
    content = _content(item.get("output"))
    if not isinstance(content, str) and any(part["type"] != "text" for part in content):
        raise BridgeError("a result holds more than text")
    return {"role": "tool", "tool_call_id": item.get("call_id"), "content": content}


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [_part(mapped(part)) for part in listed(content)]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind in TEXTS and not part.get("annotations"):
        check_keys("a text", part, {"type", "text", "annotations", "logprobs"})
        return {"type": "text", "text": part.get("text") or ""}
    if kind == "input_image" and part.get("image_url"):
        check_keys("an image", (k for k, v in part.items() if v is not None), _IMAGE)
        detail = part.get("detail")
        more = {} if detail in (None, "auto") else {"detail": detail}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **more}}
    raise BridgeError(f"a message holds a part of the type {kind!r}, or one with annotations")


_IMAGE: Final = frozenset({"type", "image_url", "detail"})


# -------------------------------------------------------------------------------- tools and output
def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        raise BridgeError(f"it offers a tool of the type {tool.get('type')!r}")
    known = {"type", "name", "description", "parameters", "strict"}
    check_keys("a tool", (k for k, v in tool.items() if v is not None), known)
    function = {"name": tool.get("name"), "parameters": tool.get("parameters") or {}}
    function |= {key: tool[key] for key in ("description",) if tool.get(key) is not None}
    return {"type": "function", "function": function | _strict(tool)}


def _strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Responses enforce schemas unless told not to; Chat does where told to."""
    return {} if tool.get("strict") in (None, False) else {"strict": True}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if mapped(choice).get("type") != "function":
        raise BridgeError(f"tool_choice is of the type {mapped(choice).get('type')!r}")
    return {"type": "function", "function": {"name": choice.get("name")}}


def _form(text: Mapping[str, Any]) -> dict[str, Any]:
    """The form of the answer; ``verbosity`` is a hint."""
    check_keys("text", text, {"format", "verbosity"})
    wanted = mapped(text.get("format"))
    if not wanted or wanted.get("type") == "text":
        return {}
    if wanted.get("type") != "json_schema":
        return {"response_format": dict(wanted)}
    named = {k: v for k, v in wanted.items() if k != "type"}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _effort(reasoning: Mapping[str, Any]) -> dict[str, Any]:
    """The effort; a summary is given where the answer holds reasoning, and this one will not."""
    check_keys("reasoning", reasoning, {"effort", "summary", "generate_summary"})
    effort = reasoning.get("effort")
    return {} if effort is None else {"reasoning_effort": effort}
