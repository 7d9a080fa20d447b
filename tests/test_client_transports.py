"""What SDKs give back, read without knowing which SDK it is; and work that must be done."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from tokenthrift.client.billing import usage_of
from tokenthrift.client.threads import once_in_thread
from tokenthrift.transports import dialect_of, is_retryable, refuses_stream_usage
from tokenthrift.transports.dialects.openai_chat_pieces import has_nothing_to_say
from tokenthrift.transports.litellm_sdk import Arguments
from tokenthrift.transports.posting import Posting

PATH = "/chat/completions"
CHAT = dialect_of("openai-chat")
REQUEST = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")


def status_error(status: int, message: str = "no", code: str | None = None) -> Any:
    """An OpenAI error of a status."""
    response = httpx.Response(status, request=REQUEST)
    return openai.APIStatusError(message, response=response, body={"code": code})


def test_text_is_all_that_was_generated():
    """Content, refusals, reasoning, names and arguments count; None and absent parts do not."""
    call = {"function": {"name": "look", "arguments": '{"a": 1}'}}
    messages = [
        {"content": "Hello", "tool_calls": [call]},
        {"content": None, "refusal": "No."},
        {"content": None, "reasoning_content": "Hm.", "function_call": call["function"]},
    ]
    response = SimpleNamespace(choices=[{"message": m} for m in messages])
    assert CHAT.text(response) == 'Hellolook{"a": 1}No.Hm.look{"a": 1}'
    assert CHAT.text(SimpleNamespace(choices=None)) == ""
    assert CHAT.text(None) == ""


def test_usage_is_plain_data_or_nothing():
    """Mappings and models become plain dicts; zeros and strange things become None."""
    usage = {"prompt_tokens": 3, "completion_tokens": 0, "extra": {"x": object()}}
    found = CHAT.usage(SimpleNamespace(usage=usage))
    assert found is not None
    assert found["prompt_tokens"] == 3
    assert isinstance(found["extra"]["x"], str)
    zeros = {"prompt_tokens": 0, "completion_tokens": 0}
    for nothing in (None, zeros, 7, object()):
        assert CHAT.usage(SimpleNamespace(usage=nothing)) is None
    raw = SimpleNamespace(http_response=SimpleNamespace(content=b"not json"))
    assert CHAT.usage(raw) is None


def test_only_empty_chunks_have_nothing_to_say():
    """A chunk with a role, text or a finish reason is the caller's, with or without usage."""
    assert has_nothing_to_say({"choices": []})
    assert has_nothing_to_say({"choices": [{"delta": {"content": None}, "finish_reason": None}]})
    for delta, reason in (({"role": "assistant"}, None), ({"content": "x"}, None), ({}, "stop")):
        assert not has_nothing_to_say({"choices": [{"delta": delta, "finish_reason": reason}]})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (status_error(429), True),
        (status_error(408), True),
        (status_error(500), True),
        (status_error(529), True),
        (status_error(400), False),
        (status_error(404), False),
        (status_error(429, code="insufficient_quota"), False),
        (openai.APITimeoutError(REQUEST), True),
        (openai.APIConnectionError(request=REQUEST), True),
        (ValueError("ours"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_retryable_is_what_another_model_may_mend(error, expected):
    """Overload, timeouts and lost connections are; wrong requests and spent accounts are not."""
    assert is_retryable(error) is expected


def test_only_a_refusal_of_the_parameter_is_one():
    """The status must be about the request, and the message about ``stream_options``."""
    assert refuses_stream_usage(status_error(400, "unknown parameter: stream_options"))
    assert not refuses_stream_usage(status_error(400, "unknown parameter: temperature"))
    assert not refuses_stream_usage(status_error(500, "stream_options"))
    assert not refuses_stream_usage(ValueError("stream_options"))


def test_posts_of_other_kinds_are_not_planned():
    """Other paths and bodies that are no JSON objects are left alone; raw streams are bytes."""
    body = {"model": "m", "messages": []}
    raw = {"headers": {"X-Stainless-Raw-Response": "true"}}
    assert Posting.of("/embeddings", {"body": body}) is None
    assert Posting.of(PATH, {"body": b"{}"}) is None
    streamed = {"headers": {"X-Stainless-Raw-Response": "stream"}}
    for given in ({"options": raw, "stream": True}, {"options": streamed}, {"options": raw}):
        posting = Posting.of(PATH, {"body": body, **given})
        assert posting is not None
        assert posting.is_bytes == (given != {"options": raw})


def test_parsing_waits():
    """A parser is left out of what is posted, as it is to run later; never of a raw response."""
    body = {"model": "m", "messages": []}
    given = {"body": body, "options": {"post_parser": str, "timeout": 3}}
    posting = Posting.of(PATH, given)
    assert posting is not None
    assert posting.arguments(body)["options"] == {"timeout": 3}
    assert posting.arguments({"model": "n"})["options"] == {"timeout": 3}
    assert posting.finished(17) == "17"
    raw = {"post_parser": str, "headers": {"X-Stainless-Raw-Response": "true"}}
    posting = Posting.of(PATH, {"body": body, "options": raw})
    assert posting is not None
    assert posting.arguments(body)["options"] == raw
    assert posting.finished(17) == 17


def test_extra_json_is_planned_and_sent_once():
    """``extra_body`` goes into the plan; a changed body holds it, an unchanged call is as given."""
    given = {"body": {"a": 1}, "options": {"extra_json": {"b": 2}, "timeout": 3}}
    posting = Posting.of(PATH, given)
    assert posting is not None
    assert posting.body == {"a": 1, "b": 2}
    assert posting.arguments(posting.body) == given
    changed = posting.arguments({"a": 0, "b": 2})
    assert changed == {"body": {"a": 0, "b": 2}, "options": {"timeout": 3}}


def test_arguments_of_litellm_pass_by_reference():
    """What a plan did not change is the caller's own object; generators are read once."""
    message = {"role": "user", "content": "Hello"}
    callback = object()

    class Schema:
        pass

    given = {"model": "m", "messages": [message], "c": callback, "response_format": Schema}
    arguments = Arguments.of_keywords(given)
    assert arguments.keywords(arguments.body) == given
    assert arguments.keywords(arguments.body)["messages"] is given["messages"]
    assert arguments.body["response_format"] == {"type": "json_schema"}
    changed = arguments.keywords({**arguments.body, "model": "n"})
    assert changed == {**given, "model": "n"}
    once = Arguments.of_keywords({"model": "m", "messages": (m for m in [message])})
    assert once.keywords(once.body)["messages"] == [message]


def test_positional_arguments_have_names():
    """Arguments by position are bound to the function's parameters."""

    def completion(model: str, messages: Any = None, timeout: float = 1.0, **_more: Any) -> None:
        """Like litellm's."""

    arguments = Arguments.of(completion, ("m", [], 3), {"n": 2})
    assert arguments.given == {"model": "m", "messages": [], "timeout": 3, "n": 2}


# ------------------------------------------------------------------------------------------ threads
async def test_work_is_done_in_a_thread():
    """The result comes back, and the work ran elsewhere."""
    assert await once_in_thread(threading.get_ident) != threading.get_ident()


async def test_errors_of_the_work_are_raised_once():
    """Work that raises is not tried again."""
    tries = []

    def work() -> None:
        tries.append(1)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await once_in_thread(work)
    assert tries == [1]


async def test_work_is_done_exactly_once_whoever_cancels():
    """Cancelled before, while or after it runs, the work has been done once."""
    for delay in (0, 1, 2, 5):
        done: list[int] = []
        task = asyncio.create_task(once_in_thread(lambda done=done: done.append(1)))
        for _ in range(delay):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            for _ in range(1_000):
                if done or delay == 0:
                    break
                await asyncio.sleep(0.001)
        assert done == ([1] if delay else [])


def test_how_an_answer_was_served_is_part_of_its_usage():
    """Priority and flex have prices of their own; the usual tiers leave the usage as it came."""
    usage = {"prompt_tokens": 1_000, "completion_tokens": 10}
    for tier in ("priority", "flex"):
        found = CHAT.usage(SimpleNamespace(usage=usage, service_tier=tier))
        assert found == usage | {"service_tier": tier}
        assert usage_of("openai-chat", found, "", "gpt-5").service_tier == tier
    for tier in (None, "auto", "default"):
        assert CHAT.usage(SimpleNamespace(usage=usage, service_tier=tier)) == usage
