"""Every way to ask through the SDKs of OpenAI and Anthropic, as one table.

A form is a wire and a way to call; `ask` and `ask_async` use it on a client, bare or wrapped, and
say what a caller sees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anthropic
import openai
from pydantic import BaseModel

import tokenthrift

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tokenthrift.serve.simulated import SimulatedProvider

CHAT: Final = "openai-chat"
RESPONSES: Final = "openai-responses"
MESSAGES: Final = "anthropic-messages"
WIRES: Final = (CHAT, RESPONSES, MESSAGES)
WAYS: Final = ("create", "chunks", "parse", "stream", "raw", "streaming")
FORMS: Final = tuple((wire, way) for wire in WIRES for way in WAYS)
STREAMED: Final = frozenset({"chunks", "stream"})
MODELS: Final = {CHAT: "gpt-4o-mini", RESPONSES: "gpt-4o-mini", MESSAGES: "claude-haiku-4-5"}
LOG: Final = "\n".join(
    f"12:{i:04d} worker {i} stored item {i * 7} of tenant {i % 5}" for i in range(400)
)
SCHEMA: Final = {"type": "object", "properties": {"name": {"type": "string"}}}


class Found(BaseModel):
    """What an answer is parsed into."""

    worker: int
    why: str


@dataclass(frozen=True)
class Seen:
    """What a caller sees.

    Attributes:
        kinds: of the answer, of a stream, of its chunks.
        dumps: of whole answers and chunks, without what differs between any two calls.
        receipt: None where there is none.
    """

    kinds: tuple[type, ...]
    text: str
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = ""
    usage: Any = None
    receipt: Any = None
    dumps: list[Any] = field(default_factory=list)
    answer: Any = None


def conversation(
    wire: str, result: str = LOG, question: str = "Which worker stored item 700?"
) -> Any:
    """A question and a tool's result, as a body of a wire says it."""
    if wire == RESPONSES:
        call = {"type": "function_call", "call_id": "c1", "name": "read_log", "arguments": "{}"}
        return [
            {"role": "user", "content": question},
            call,
            {"type": "function_call_output", "call_id": "c1", "output": result},
        ]
    if wire == MESSAGES:
        call = {"type": "tool_use", "id": "c1", "name": "read_log", "input": {}}
        back = {"type": "tool_result", "tool_use_id": "c1", "content": result}
        return [
            {"role": "user", "content": question},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [back]},
        ]
    function = {"name": "read_log", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]


def tool(wire: str, name: str = "read_log", schema: Any = None) -> dict[str, Any]:
    """A function tool of a wire."""
    schema = SCHEMA if schema is None else schema
    if wire == RESPONSES:
        return {"type": "function", "name": name, "parameters": schema, "strict": False}
    if wire == MESSAGES:
        return {"name": name, "input_schema": schema}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def body_of(wire: str, messages: Any = None, **more: Any) -> dict[str, Any]:
    """The arguments of a call."""
    said = conversation(wire) if messages is None else messages
    key = "input" if wire == RESPONSES else "messages"
    body = {"model": MODELS[wire], key: said, "tools": [tool(wire)], **more}
    if wire == MESSAGES:
        body.setdefault("max_tokens", 500)
    return body


def client_of(provider: SimulatedProvider, wire: str, key: str, mode: str, **more: Any) -> Any:
    """A bare client, blocking (``sync``) or awaiting."""
    options: dict[str, Any] = {"api_key": key, "max_retries": 0, **more}
    if wire == MESSAGES:
        kind = anthropic.Anthropic if mode == "sync" else anthropic.AsyncAnthropic
        return kind(base_url=provider.root_url, **options)
    kind = openai.OpenAI if mode == "sync" else openai.AsyncOpenAI
    return kind(base_url=provider.base_url, **options)


def _resource(client: Any, wire: str) -> Any:
    if wire == CHAT:
        return client.chat.completions
    return client.responses if wire == RESPONSES else client.messages


def _asked(wire: str, way: str, body: dict[str, Any]) -> dict[str, Any]:
    """The arguments as a way takes them."""
    if way == "chunks":
        return {**body, "stream": True}
    if way != "parse":
        return body
    name = {CHAT: "response_format", RESPONSES: "text_format", MESSAGES: "output_format"}[wire]
    return {**{k: v for k, v in body.items() if k != "tools"}, name: Found}


async def asked(
    provider: SimulatedProvider, form: tuple[str, str], mode: str, policy: Any, key: str, **how: Any
) -> Seen:
    """One call in a form, blocking or awaiting, bare (no policy) or wrapped.

    Args:
        provider: that answers.
        form: wire and way.
        mode: ``sync`` or ``async``.
        policy: None for the bare SDK.
        key: of the API.
        how: arguments of the call; ``options`` are the client's, ``ledger`` takes the record,
            ``wrapping`` are further arguments of `tokenthrift.wrap`.
    """
    wire, way = form
    options, ledger = how.pop("options", {}), how.pop("ledger", None)
    more = how.pop("wrapping", {})
    bare = client_of(provider, wire, key, mode, **options)
    client = bare if policy is None else tokenthrift.wrap(bare, policy, ledger=ledger, **more)
    body = _asked(wire, way, body_of(wire, **how))
    try:
        if mode == "sync":
            return ask(client, wire, way, body)
        return await ask_async(client, wire, way, body)
    finally:
        if mode == "sync":
            bare.close()
        else:
            await bare.close()


def ask(client: Any, wire: str, way: str, body: dict[str, Any]) -> Seen:
    """A call through a blocking client."""
    resource = _resource(client, wire)
    match way:
        case "create" | "parse":
            return whole(wire, getattr(resource, way)(**body))
        case "chunks":
            stream = resource.create(**body)
            return chunked(wire, stream, list(stream))
        case "stream":
            with resource.stream(**body) as stream:
                events = list(stream)
                return helped(wire, stream, events, _final(wire, stream))
        case "raw":
            response = resource.with_raw_response.create(**body)
            return whole(wire, response.parse(), response)
        case _:
            with resource.with_streaming_response.create(**body) as response:
                return read_raw(wire, response, response.read())


async def ask_async(client: Any, wire: str, way: str, body: dict[str, Any]) -> Seen:
    """The same through an awaiting one."""
    resource = _resource(client, wire)
    match way:
        case "create" | "parse":
            return whole(wire, await getattr(resource, way)(**body))
        case "chunks":
            stream = await resource.create(**body)
            return chunked(wire, stream, [chunk async for chunk in stream])
        case "stream":
            async with resource.stream(**body) as stream:
                events = [event async for event in stream]
                return helped(wire, stream, events, await _final(wire, stream))
        case "raw":
            response = await resource.with_raw_response.create(**body)
            parsed = response.parse()
            parsed = await parsed if hasattr(parsed, "__await__") else parsed
            return whole(wire, parsed, response)
        case _:
            async with resource.with_streaming_response.create(**body) as response:
                return read_raw(wire, response, await response.read())


def _final(wire: str, stream: Any) -> Any:
    if wire == CHAT:
        return stream.get_final_completion()
    return stream.get_final_response() if wire == RESPONSES else stream.get_final_message()


# ------------------------------------------------------------------------------------ what is seen
def whole(wire: str, answer: Any, holder: Any = None) -> Seen:
    """An answer that came at once; a raw one is its own holder of the receipt."""
    plain = answer.model_dump(mode="json", warnings=False)
    holder = answer if holder is None else holder
    kinds = (type(answer),) if holder is answer else (type(answer), type(holder))
    return Seen(
        kinds,
        raw_text(wire, plain),
        calls_in(wire, plain),
        finish_of(wire, plain),
        plain["usage"],
        getattr(holder, "tokenthrift", None),
        [_same(plain)],
        answer,
    )


def read_raw(wire: str, response: Any, content: bytes) -> Seen:
    """An answer that was read as bytes."""
    text, receipt = raw_text(wire, json.loads(content)), getattr(response, "tokenthrift", None)
    return Seen((type(response),), text, receipt=receipt)


def chunked(wire: str, stream: Any, chunks: list[Any]) -> Seen:
    """An answer in chunks, put together as a caller would; what a caller relies on must hold."""
    plain = [c.model_dump(mode="json", warnings=False) for c in chunks]
    made = put_together(wire, plain)
    kind = next(k for k in type(stream).__mro__ if not k.__module__.startswith("tokenthrift"))
    return Seen(
        (kind, *dict.fromkeys(type(c) for c in chunks)),
        raw_text(wire, made),
        calls_in(wire, made),
        finish_of(wire, made),
        made["usage"],
        getattr(stream, "tokenthrift", None),
        [_same(p) for p in plain],
    )


def helped(wire: str, stream: Any, events: Iterable[Any], final: Any) -> Seen:
    """An answer that the SDK's own helper put together."""
    made = whole(wire, final)
    raw = getattr(stream, "_raw_stream", None)
    kinds = (type(stream), *dict.fromkeys(type(e) for e in events), *made.kinds)
    receipt = getattr(raw, "tokenthrift", None)
    return Seen(kinds, made.text, made.calls, made.finish, made.usage, receipt, made.dumps, final)


def raw_text(wire: str, plain: dict[str, Any]) -> str:
    """The text of an answer."""
    if wire == CHAT:
        return "".join(c["message"]["content"] or "" for c in plain["choices"])
    parts = [p for i in _items(wire, plain) for p in (i.get("content") or [])]
    parts = plain["content"] if wire == MESSAGES else parts
    return "".join(p.get("text") or "" for p in parts)


def calls_in(wire: str, plain: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and arguments of the calls in an answer."""
    if wire == CHAT:
        made = plain["choices"][0]["message"].get("tool_calls") or ()
        return tuple((c["function"]["name"], c["function"]["arguments"]) for c in made)
    if wire == RESPONSES:
        items = [i for i in plain["output"] if i["type"] == "function_call"]
        return tuple((i["name"], i["arguments"]) for i in items)
    blocks = [b for b in plain["content"] if b["type"] == "tool_use"]
    return tuple((b["name"], json.dumps(b["input"])) for b in blocks)


def finish_of(wire: str, plain: dict[str, Any]) -> str:
    """Why an answer ended."""
    if wire == CHAT:
        return str(plain["choices"][0]["finish_reason"])
    return str(plain["status"] if wire == RESPONSES else plain["stop_reason"])


def _items(wire: str, plain: dict[str, Any]) -> list[Any]:
    return [i for i in plain.get("output") or () if i["type"] == "message"] if wire else []


CHANGING: Final = frozenset(
    {
        "id",
        "created",
        "created_at",
        "completed_at",
        "item_id",
        "call_id",
        "tool_calls",
        "obfuscation",
    }
)


def _same(value: Any) -> Any:
    """Without what differs between any two calls."""
    if isinstance(value, dict):
        return {k: _same(v) for k, v in value.items() if k not in CHANGING}
    return [_same(v) for v in value] if isinstance(value, list) else value


# ----------------------------------------------------------------------------------------- streams
def put_together(wire: str, events: list[Any]) -> dict[str, Any]:
    """The answer that plain chunks or events make up, if they are one well-formed stream."""
    return {CHAT: _of_chat, RESPONSES: _of_responses, MESSAGES: _of_messages}[wire](events)


def _of_chat(chunks: list[Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    calls: dict[int, dict[str, Any]] = {}
    finish, roles = [], 0
    for choice in (c for chunk in chunks for c in chunk["choices"]):
        message["content"] += choice["delta"].get("content") or ""
        roles += choice["delta"].get("role") is not None
        finish += [choice["finish_reason"]] if choice["finish_reason"] else []
        for piece in choice["delta"].get("tool_calls") or ():
            own = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
            own["name"] += piece["function"]["name"] or ""
            own["arguments"] += piece["function"]["arguments"] or ""
    assert (len({c["id"] for c in chunks}), roles, len(finish)) == (1, 1, 1)
    assert sorted(calls) == list(range(len(calls)))
    message["tool_calls"] = [{"function": calls[n]} for n in sorted(calls)]
    usages = [c["usage"] for c in chunks if c.get("usage")]
    assert len(usages) <= 1
    return {
        "choices": [{"message": message, "finish_reason": finish[0]}],
        "usage": usages[0] if usages else None,
    }


def _of_responses(events: list[Any]) -> dict[str, Any]:
    """The response of the last event; pieces must make up what it says."""
    kinds = [e["type"] for e in events]
    assert kinds.count("response.created") == 1
    assert kinds[0] == "response.created"
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    final = events[-1]["response"]
    assert events[0]["response"]["id"] == final["id"]
    done = [e for e in events if e["type"] == "response.output_item.done"]
    assert [e["output_index"] for e in done] == list(range(len(done)))
    assert [e["item"] for e in done] == final["output"]
    pieces: dict[Any, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            key = (event["output_index"], event.get("content_index"))
            pieces[key] = pieces.get(key, "") + event["delta"]
    for (n, m), text in pieces.items():
        item = final["output"][n]
        part = item["content"][m] if m is not None else item
        assert text == (part.get("text") or part.get("arguments") or part.get("refusal"))
    result: dict[str, Any] = final
    return result


def _of_messages(events: list[Any]) -> dict[str, Any]:
    """The message that events make up."""
    kinds = [e["type"] for e in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("message_start") == kinds.count("message_delta") == 1
    message: dict[str, Any] = events[0]["message"]
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            else:
                name = delta["type"].removesuffix("_delta")
                block[name] = (block.get(name) or "") + delta[name]
        elif event["type"] == "message_delta":
            message.update(event["delta"])
            known = {k: v for k, v in event["usage"].items() if v is not None}
            message["usage"] = {**message["usage"], **known}
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text)
    return message


async def drained(stream: Any) -> list[Any]:
    """What is left of a stream of either kind."""
    if hasattr(stream, "__anext__"):
        return [chunk async for chunk in _all(stream)]
    return list(stream)


async def _all(stream: Any) -> AsyncIterator[Any]:
    async for chunk in stream:
        yield chunk
