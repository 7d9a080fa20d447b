"""OpenAI Responses as the simulated provider speaks it (source: OpenAI API reference, Responses).

Responses are stored unless ``store`` is false, so ``previous_response_id`` and item references
work. Tools of the provider's own are accepted and never used; background runs and conversations
are not served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.simulated_openai import OpenAIDialect
from tokenthrift.serve.simulated_pieces import event, pieces
from tokenthrift.serve.simulated_responses_checks import (
    check_items,
    check_values,
    json_schema,
    offered_tools,
    sealed,
    tool_choice,
)
from tokenthrift.serve.simulated_types import ApiError, Ask, Held, Reply
from tokenthrift.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Request, Usage

SEALED_REASONING: Final = "reasoning.encrypted_content"
REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What a response says again of its request, and what it says where the request does not.
ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}
# Under these events an item's text comes: the piece, its end, and the key of the whole.
DELTAS: Final = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


class Responses(OpenAIDialect):
    """The dialect of ``POST /v1/responses``."""

    wire = OpenAIResponses.name
    path = "/v1/responses"
    id_prefix = "resp_"
    prompt_param = "input"

    def prepared(self, body: Mapping[str, Any], held: Held, /) -> Mapping[str, Any]:
        """The body with the items of the response before it, and of references, in place.

        Raises:
            ApiError: what it refers to is not held, or it has no input.
        """
        for name in ("background", "conversation", "prompt"):
            if body.get(name):
                problem = (
                    f"Unsupported parameter: '{name}'; the simulated provider does not serve it."
                )
                raise ApiError(400, problem, param=name, code="unsupported_parameter")
        given = body.get("input")
        before = body.get("previous_response_id")
        if given is None:
            message = "Missing required parameter: 'input'."
            raise ApiError(400, message, param="input", code="missing_required_parameter")
        if before is not None and before not in held.responses:
            message = f"Previous response with id '{before}' not found."
            code = "previous_response_not_found"
            raise ApiError(400, message, param="previous_response_id", code=code)
        if not isinstance(given, list):
            if before is None:
                return body
            given = [{"role": "user", "content": given}]
        items = [held.items.get(_reference(item), item) for item in given]
        items = [*held.responses.get(before or "", ()), *items]
        check_items(items, held.items)
        return {**body, "input": items}

    def ask(self, request: Request, count: TiktokenCounter, /) -> Ask:
        """Validate a body and say what it asks for.

        Raises:
            ApiError: 400 with the offending parameter, as the real API would answer.
        """
        body = request.body
        check_values(body)
        tools = offered_tools(body)
        choice, called = tool_choice(body, tools)
        return Ask(
            request=request,
            count=count,
            tools=tools,
            tool_choice=choice,
            called=called,
            json_schema=json_schema(body),
            stream=body.get("stream") is True,
            stream_usage=True,
        )

    def body(self, reply: Reply, ask: Ask, /) -> dict[str, Any]:
        """The ``response`` object."""
        why = REASONS.get(str(reply.answers[0].finish_reason))
        body = _head(reply, ask, "incomplete" if why else "completed")
        body["incomplete_details"] = {"reason": why} if why else None
        body["output"] = _output(reply, ask)
        if reply.usage is not None:
            body["usage"] = usage_body(reply.usage)
        return body

    def events(self, reply: Reply, ask: Ask, /) -> Sequence[bytes]:
        """Events from ``response.created`` to ``response.completed`` or ``.incomplete``."""
        final = self.body(reply, ask)
        begun = _head(reply, ask, "in_progress")
        told: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
        ]
        for index, item in enumerate(final["output"]):
            told += ({**e, "output_index": index} for e in _of_item(item))
        told.append({"type": f"response.{final['status']}", "response": final})
        return [event({**e, "sequence_number": n}, e["type"]) for n, e in enumerate(told)]

    def keep(self, reply: Reply, ask: Ask, held: Held, /) -> None:
        """Store the conversation so far under the response's id, unless it asks not to."""
        if ask.request.body.get("store") is False:
            return
        output = _output(reply, ask)
        given = ask.request.body["input"]
        items = given if isinstance(given, list) else [{"role": "user", "content": given}]
        held.responses[reply.id] = (*items, *output)
        held.items |= {item["id"]: item for item in output}
        held.bodies[reply.id] = self.body(reply, ask)


def usage_body(usage: Usage) -> dict[str, Any]:
    """The ``usage`` object of a usage."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _reference(item: Any) -> str:
    """The id that an item refers to, or nothing."""
    is_one = isinstance(item, Mapping) and item.get("type", "item_reference") == "item_reference"
    return str(item.get("id")) if is_one and "role" not in item else ""


# ---------------------------------------------------------------------------------------- rendering
def _head(reply: Reply, ask: Ask, status: str) -> dict[str, Any]:
    asked = ask.request.body
    said = {k: v if asked.get(k) is None else asked[k] for k, v in ECHOED.items()}
    return {
        "id": reply.id,
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": reply.model,
        "output": [],
        "service_tier": "default",
        **said,
        "usage": None,
    }


def _output(reply: Reply, ask: Ask) -> list[dict[str, Any]]:
    """Items: reasoning, the message, the calls."""
    answer, body = reply.answers[0], ask.request.body
    cut = answer.finish_reason == "length"
    items: list[dict[str, Any]] = []
    if answer.reasoning_tokens:
        item = {"id": _id("rs", reply.id, 0), "type": "reasoning", "summary": []}
        if SEALED_REASONING in (body.get("include") or ()):
            item["encrypted_content"] = sealed(str(item["id"]))
        items.append(item)
    parts: list[dict[str, Any]] = []
    if answer.refusal is not None:
        parts.append({"type": "refusal", "refusal": answer.refusal})
    if answer.text is not None:
        parts.append(
            {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        )
    status = "incomplete" if cut else "completed"
    if parts:
        items.append(
            {
                "id": _id("msg", reply.id, 0),
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": parts,
            }
        )
    custom = {t.get("name") for t in body.get("tools") or () if t.get("type") == "custom"}
    for n, call in enumerate(answer.tool_calls):
        head = {"call_id": _id("call", reply.id, n), "name": call.name, "status": status}
        if call.name in custom:
            made = {"id": _id("ctc", reply.id, n), "type": "custom_tool_call"}
            items.append({**made, **head, "input": call.arguments})
        else:
            made = {"id": _id("fc", reply.id, n), "type": "function_call"}
            items.append({**made, **head, "arguments": call.arguments})
    return items


def _id(prefix: str, reply_id: str, n: int) -> str:
    digest = blake2b(f"{prefix}|{reply_id}|{n}".encode(), digest_size=12).hexdigest()
    return f"{prefix}_sim{digest}"


def _of_item(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one output item."""
    kind, item_id = item["type"], item["id"]
    empty = {**item, "status": "in_progress"}
    if kind == "message":
        yield {"type": "response.output_item.added", "item": {**empty, "content": []}}
        for n, part in enumerate(item["content"]):
            yield from _of_part(part, {"item_id": item_id, "content_index": n})
    elif kind in DELTAS:
        name, key = DELTAS[kind]
        yield {"type": "response.output_item.added", "item": {**empty, key: ""}}
        for piece in pieces(item[key]):
            yield {"type": f"{name}.delta", "item_id": item_id, "delta": piece}
        done = {"type": f"{name}.done", "item_id": item_id, key: item[key]}
        yield {**done, "name": item["name"]} if kind == "function_call" else done
    else:
        yield {"type": "response.output_item.added", "item": dict(item)}
    yield {"type": "response.output_item.done", "item": dict(item)}


def _of_part(part: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    key = "refusal" if part["type"] == "refusal" else "text"
    name = "response.refusal" if key == "refusal" else "response.output_text"
    more: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
    yield {"type": "response.content_part.added", **at, "part": {**part, key: ""}}
    for piece in pieces(part[key]):
        yield {"type": f"{name}.delta", **at, "delta": piece, **more}
    yield {"type": f"{name}.done", **at, key: part[key], **more}
    yield {"type": "response.content_part.done", **at, "part": dict(part)}
