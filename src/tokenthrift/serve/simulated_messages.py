"""Anthropic Messages as the simulated provider speaks it (source: Anthropic API reference).

Prompts are cached up to marked blocks only, for five minutes or an hour, and writes are reported.
Where thinking is asked for, answers begin with a signed thinking block that must come back as it
was. Server tools, MCP, containers and batches are not served.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.simulated_cache import HOUR_TTL_S, TTL_S, PrefixCache, pieces_of
from tokenthrift.serve.simulated_messages_checks import (
    check_messages,
    check_values,
    invalid,
    is_thinking,
    json_schema,
    offered_tools,
    signature_of,
    tool_choice,
)
from tokenthrift.serve.simulated_pieces import event, pieces
from tokenthrift.serve.simulated_types import Answer, ApiError, Ask, CacheUse, Held, Reply
from tokenthrift.wire.anthropic_messages import AnthropicMessages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Path, Request, Usage

ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOP_REASONS: Final = {
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_calls": "tool_use",
}


class Messages:
    """The dialect of ``POST /v1/messages``."""

    wire = AnthropicMessages.name
    path = "/v1/messages"
    id_prefix = "msg_"
    request_header = "request-id"
    only_counts = False

    def key(self, headers: Mapping[str, str], /) -> str | None:
        """The API key, or a bearer token."""
        if headers.get("x-api-key"):
            return headers["x-api-key"]
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    def prepared(self, body: Mapping[str, Any], _held: Held, /) -> Mapping[str, Any]:
        """The body as it is; raises `ApiError` where it has no messages."""
        if "messages" not in body:
            raise invalid("messages: Field required")
        return body

    def ask(self, request: Request, count: TiktokenCounter, /) -> Ask:
        """Validate a body and say what it asks for.

        Raises:
            ApiError: 400 with what is wrong and where, as the real API would answer.
        """
        body = request.body
        check_values(body, answers=not self.only_counts)
        check_messages(body)
        tools = offered_tools(body)
        choice, called = tool_choice(body, tools)
        return Ask(
            request=request,
            count=count,
            tools=tools,
            tool_choice=choice,
            called=called,
            json_schema=json_schema(body),
            stop=tuple(body.get("stop_sequences") or ()),
            stream=body.get("stream") is True and not self.only_counts,
            stream_usage=True,
        )

    def too_long(self, tokens: int, window: int, /) -> ApiError:
        """The error of a prompt that exceeds the model's window."""
        return invalid(f"prompt is too long: {tokens} tokens > {window} maximum")

    def cache_use(
        self, ask: Ask, cache: PrefixCache, owner: tuple[str, str], now_s: float, /
    ) -> CacheUse:
        """What is read up to the marks, and written up to the last of them."""
        found = pieces_of(ask.request, ask.count)
        # A mark is at the end of its block, of which there may be several pieces.
        ends = {_mark(ask.request.body, piece.path): n for n, piece in enumerate(found[:-1])}
        marks = {n: ttl_s for (ttl_s, _), n in ends.items() if ttl_s}
        whole = ask.request.body.get("cache_control")
        if isinstance(whole, Mapping):
            marks.setdefault(len(found) - 2, _ttl_s(whole))
        return cache.read_and_write_marked(owner, [p.ids for p in found], marks, now_s)

    def body(self, reply: Reply, ask: Ask, /) -> dict[str, Any]:
        """The ``message`` object."""
        answer = reply.answers[0]
        return {
            "id": reply.id,
            "type": "message",
            "role": "assistant",
            "model": reply.model,
            "content": [_finished(b) for b in _blocks(answer, ask, reply.id)],
            "stop_reason": _stop_reason(answer),
            "stop_sequence": answer.stopped_by,
            "usage": usage_body(reply.usage),
        }

    def events(self, reply: Reply, ask: Ask, /) -> Sequence[bytes]:
        """Events from ``message_start`` to ``message_stop``, with a ``ping`` between."""
        answer, usage = reply.answers[0], usage_body(reply.usage)
        begun = {
            **self.body(reply, ask),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": min(1, usage["output_tokens"])},
        }
        told: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
        for n, block in enumerate(_blocks(answer, ask, reply.id)):
            own = [{**e, "index": n} for e in _of_block(block)]
            told += [own[0], {"type": "ping"}, *own[1:]] if n == 0 else own
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": answer.stopped_by}
        totals = {k: v for k, v in usage.items() if k not in ("cache_creation", "service_tier")}
        told += [
            {"type": "message_delta", "delta": delta, "usage": totals},
            {"type": "message_stop"},
        ]
        return [event(e, e["type"]) for e in told]

    def keep(self, _reply: Reply, _ask: Ask, _held: Held, /) -> None:
        """Nothing: the caller sends whole conversations."""

    def error(self, error: ApiError, /) -> dict[str, Any]:
        """Anthropic's error object; what it is called depends on the status alone."""
        kind = ERRORS.get(error.status, "api_error" if error.status >= 500 else ERRORS[400])
        return {"type": "error", "error": {"type": kind, "message": error.message}}


class MessageCounts(Messages):
    """The dialect of ``POST /v1/messages/count_tokens``."""

    path = "/v1/messages/count_tokens"
    only_counts = True


def usage_body(usage: Usage | None) -> dict[str, Any]:
    """The ``usage`` object; input leaves out what is cached. None is all zeros: SDKs need one."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read, write, hour = (
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
    )
    return {
        "input_tokens": usage.input_tokens - read - write,
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": write - hour,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": None,
        "service_tier": "standard",
    }


# ------------------------------------------------------------------------------------------ caching
def _mark(body: Mapping[str, Any], path: Path) -> tuple[float, Path]:
    """Seconds for which a mark on the block at a path asks, and where it stands; 0 without one."""
    value: Any = body
    for n, key in enumerate(path):
        value = value[key]
        mark = value.get("cache_control") if isinstance(value, Mapping) else None
        if isinstance(mark, Mapping):
            return _ttl_s(mark), path[: n + 1]
    return 0.0, ()


def _ttl_s(mark: Mapping[str, Any]) -> float:
    return HOUR_TTL_S if mark.get("ttl") == "1h" else TTL_S


# ---------------------------------------------------------------------------------------- rendering
def _stop_reason(answer: Answer) -> str:
    if answer.refusal is not None:
        return "refusal"
    if answer.finish_reason == "stop" and answer.tool_calls:
        return "tool_use"
    if answer.finish_reason == "stop" and answer.stopped_by is not None:
        return "stop_sequence"
    return STOP_REASONS.get(str(answer.finish_reason), "end_turn")


def _blocks(answer: Answer, ask: Ask, reply_id: str) -> list[dict[str, Any]]:
    """Content blocks; the input of a call is still text, as it is streamed."""
    blocks: list[dict[str, Any]] = []
    if is_thinking(ask.request.body):
        n = answer.reasoning_tokens
        thought = f"[simulated] {n} tokens of thinking" if n else ""
        blocks.append({"type": "thinking", "thinking": thought, "signature": signature_of(thought)})
    blocks += [{"type": "text", "text": t} for t in (answer.refusal, answer.text) if t]
    for n, call in enumerate(answer.tool_calls):
        digest = blake2b(f"{reply_id}|{n}".encode(), digest_size=12).hexdigest()
        head = {"type": "tool_use", "id": f"toolu_sim{digest}", "name": call.name}
        blocks.append({**head, "input": call.arguments})
    return blocks


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    """A block as a whole answer holds it: the input of a call is an object."""
    if block["type"] != "tool_use":
        return block
    try:
        made = json.loads(block["input"])
    except ValueError:
        made = None
    return {**block, "input": made if isinstance(made, dict) else {"INVALID_JSON": block["input"]}}


def _of_block(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one content block."""
    kind = block["type"]
    key, delta = {
        "thinking": ("thinking", "thinking_delta"),
        "tool_use": ("input", "input_json_delta"),
    }.get(kind, ("text", "text_delta"))
    start: dict[str, Any] = {**block, key: {} if kind == "tool_use" else ""}
    if kind == "thinking":
        start["signature"] = ""
    name = "partial_json" if kind == "tool_use" else key
    yield {"type": "content_block_start", "content_block": start}
    for piece in pieces(block[key]):
        yield {"type": "content_block_delta", "delta": {"type": delta, name: piece}}
    if kind == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        yield {"type": "content_block_delta", "delta": signed}
    yield {"type": "content_block_stop"}
