"""OpenAI Chat Completions as the simulated provider speaks it (source: OpenAI API reference, Chat).

Bodies become an `Ask`, replies become bodies or events. Log probabilities, audio and the deprecated
``functions`` are not served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.simulated_chat_checks import (
    MAX_STOPS,
    check_messages,
    check_values,
    json_schema,
    offered_tools,
    tool_choice,
)
from tokenthrift.serve.simulated_openai import OpenAIDialect
from tokenthrift.serve.simulated_pieces import event, pieces
from tokenthrift.serve.simulated_types import Answer, ApiError, Ask, Held, Reply
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Request, Usage

FINGERPRINT: Final = "fp_simulated"


class ChatCompletions(OpenAIDialect):
    """The dialect of ``POST /v1/chat/completions``."""

    wire = OpenAIChat.name
    path = "/v1/chat/completions"
    id_prefix = "chatcmpl-"
    prompt_param = "messages"

    def prepared(self, body: Mapping[str, Any], _held: Held, /) -> Mapping[str, Any]:
        """The body as it is; raises `ApiError` where it has no messages."""
        if "messages" not in body:
            message = "Missing required parameter: 'messages'."
            raise ApiError(400, message, param="messages", code="missing_required_parameter")
        return body

    def ask(self, request: Request, count: TiktokenCounter, /) -> Ask:
        """Validate a body and say what it asks for.

        Raises:
            ApiError: 400 with the offending parameter, as the real API would answer.
        """
        body = request.body
        check_values(body)
        check_messages(body["messages"])
        tools = offered_tools(body)
        choice, called = tool_choice(body, tools)
        stop = body.get("stop") or ()
        options = body.get("stream_options")
        stream = body.get("stream") is True
        if options is not None and not stream:
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise ApiError(400, message, param="stream_options")
        return Ask(
            request=request,
            count=count,
            tools=tools,
            tool_choice=choice,
            called=called,
            json_schema=json_schema(body),
            stop=(stop,) if isinstance(stop, str) else tuple(stop)[:MAX_STOPS],
            choices=body.get("n") or 1,
            stream=stream,
            stream_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        )

    def body(self, reply: Reply, _ask: Ask, /) -> dict[str, Any]:
        """The ``chat.completion`` object."""
        choices = [
            {
                "index": i,
                "message": _message(a, reply.id, i),
                "logprobs": None,
                "finish_reason": a.finish_reason,
            }
            for i, a in enumerate(reply.answers)
        ]
        body = {**_head(reply, "chat.completion"), "choices": choices}
        if reply.usage is not None:
            body["usage"] = usage_body(reply.usage)
        return body

    def events(self, reply: Reply, ask: Ask, /) -> Sequence[bytes]:
        """``chat.completion.chunk`` events, choices interleaved, then usage, then ``[DONE]``."""
        head = _head(reply, "chat.completion.chunk")
        if ask.stream_usage and reply.usage is not None:
            head["usage"] = None
        streams = [_deltas(a, reply.id, i) for i, a in enumerate(reply.answers)]
        rounds = chain.from_iterable(zip_longest(*streams))
        events = [event({**head, "choices": [c]}) for c in rounds if c is not None]
        if ask.stream_usage and reply.usage is not None:
            events.append(event({**head, "choices": [], "usage": usage_body(reply.usage)}))
        return [*events, b"data: [DONE]\n\n"]


def usage_body(usage: Usage) -> dict[str, Any]:
    """The ``usage`` object of a usage."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# ---------------------------------------------------------------------------------------- rendering
def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": kind,
        "created": reply.created,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _calls(answer: Answer, reply_id: str, choice: int) -> list[dict[str, Any]]:
    calls = []
    for j, call in enumerate(answer.tool_calls):
        digest = blake2b(f"{reply_id}|{choice}|{j}".encode(), digest_size=9).hexdigest()
        function = {"name": call.name, "arguments": call.arguments}
        calls.append({"id": f"call_sim{digest}", "type": "function", "function": function})
    return calls


def _message(answer: Answer, reply_id: str, choice: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    if answer.tool_calls:
        message["tool_calls"] = _calls(answer, reply_id, choice)
    return message


def _deltas(answer: Answer, reply_id: str, choice: int) -> list[dict[str, Any]]:
    """The choices of one stream: role, text or refusal, calls, finish reason."""
    first: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if answer.text is not None:
        first["content"] = ""
    deltas = [first]
    deltas += [{"refusal": p} for p in pieces(answer.refusal or "")]
    deltas += [{"content": p} for p in pieces(answer.text or "")]
    for j, call in enumerate(_calls(answer, reply_id, choice)):
        opened = {**call, "index": j, "function": {**call["function"], "arguments": ""}}
        deltas.append({"tool_calls": [opened]})
        for piece in pieces(call["function"]["arguments"]):
            deltas.append({"tool_calls": [{"index": j, "function": {"arguments": piece}}]})
    chunk = {"index": choice, "logprobs": None, "finish_reason": None}
    chunks = [{**chunk, "delta": d} for d in deltas]
    return [*chunks, {**chunk, "delta": {}, "finish_reason": answer.finish_reason}]
