"""The simulated provider's Messages API, spoken to by the real Anthropic SDK over sockets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import anthropic
import pytest

from tokenthrift import wire
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.tokens import count_request, counter_for

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL: Final = "claude-sonnet-4-6"
TOOL: Final[Any] = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
LONG: Final = "\n".join(f"line {n} of a long document about ledgers and locks" for n in range(200))
HELLO: Final[Any] = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def client(provider: SimulatedProvider, api_key: str) -> Iterator[anthropic.Anthropic]:
    """The real SDK, pointed at the simulated provider."""
    with anthropic.Anthropic(base_url=provider.root_url, api_key=api_key, max_retries=0) as made:
        yield made


def usage_of(message: Any) -> Any:
    """What the wire makes of a message's usage."""
    return wire.wire_of("anthropic-messages").usage(message.usage.model_dump())


def test_an_answer_and_its_usage(
    client: anthropic.Anthropic, provider: SimulatedProvider, api_key: str
) -> None:
    """The SDK reads the answer; usage and count are those that are billed."""
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO, "system": "Be brief."}
    message = client.messages.create(max_tokens=64, **asked)
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    true = provider.totals(api_key)
    assert usage_of(message) == true
    request = wire.read(asked, "anthropic-messages")
    assert true.input_tokens == count_request(request, counter_for(MODEL))
    counted = client.messages.count_tokens(**asked)
    assert counted.input_tokens == true.input_tokens
    assert provider.totals(api_key) == true


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "end_turn"),
        ({"x-simulate-tool-calls": "weather"}, "tool_use"),
        ({"x-simulate-refusal": "No."}, "refusal"),
        ({"x-simulate-answer": "one two STOP three"}, "stop_sequence"),
        ({"x-simulate-answer-tokens": "999"}, "max_tokens"),
    ],
    ids=["text", "call", "refusal", "stop", "cut"],
)
@pytest.mark.parametrize("thinks", [False, True])
def test_streams_say_what_whole_answers_say(
    client: anthropic.Anthropic, headers: dict[str, str], reason: str, *, thinks: bool
) -> None:
    """What the SDK gathers from the events is the whole answer."""
    asked: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 2_000 if thinks else 200,
        "messages": HELLO,
        "tools": [TOOL],
        "stop_sequences": ["STOP"],
    }
    if thinks:
        asked["thinking"] = {"type": "enabled", "budget_tokens": 1_024}
        headers = {
            **headers,
            "x-simulate-reasoning-tokens": "1800" if reason == "max_tokens" else "9",
        }
    whole = client.messages.create(**asked, extra_headers=headers)
    with client.messages.stream(**asked, extra_headers=headers) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert whole.stop_reason == final.stop_reason == reason
    assert (
        whole.stop_sequence
        == final.stop_sequence
        == ("STOP" if reason == "stop_sequence" else None)
    )
    assert plain(final) == plain(whole)
    assert usage_of(final) == usage_of(whole)
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert (whole.content[0].type == "thinking") is thinks
    raw = list(client.messages.create(**asked, stream=True, extra_headers=headers))
    assert raw[-1].type == "message_stop"


def plain(message: Any) -> Any:
    """A message without what differs from one request to the next."""
    made = message.model_dump(exclude={"id", "usage"})
    made["content"] = [
        {
            k: v
            for k, v in b.items()
            if v is not None and not (b["type"] == "tool_use" and k == "id")
        }
        for b in made["content"]
    ]
    return {k: v for k, v in made.items() if v is not None}


async def test_async_and_async_streams(provider: SimulatedProvider, api_key: str) -> None:
    """The asynchronous client gets the same."""
    async with anthropic.AsyncAnthropic(base_url=provider.root_url, api_key=api_key) as client:
        whole = await client.messages.create(model=MODEL, max_tokens=64, messages=HELLO)
        async with client.messages.stream(model=MODEL, max_tokens=64, messages=HELLO) as stream:
            final = await stream.get_final_message()
    assert plain(final) == plain(whole)


def marked(text: str, **more: str) -> dict[str, Any]:
    """A text block with a cache mark."""
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", **more}}


def test_marked_prefixes_are_written_and_read(
    client: anthropic.Anthropic, provider: SimulatedProvider, api_key: str
) -> None:
    """Writes and reads are reported apart from input, as they are billed; unmarked, none is."""
    system: list[Any] = [marked(LONG)]
    first = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, system=system)
    second = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, system=system)
    bare = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, system=LONG)
    assert first.usage.cache_creation_input_tokens
    assert first.usage.cache_read_input_tokens == 0
    assert second.usage.cache_read_input_tokens == first.usage.cache_creation_input_tokens
    assert second.usage.cache_creation_input_tokens == 0
    assert first.usage.input_tokens == second.usage.input_tokens < 100
    assert bare.usage.input_tokens > 2_000
    assert not bare.usage.cache_read_input_tokens
    total = usage_of(first).input_tokens
    assert total == usage_of(second).input_tokens == usage_of(bare).input_tokens
    assert provider.totals(api_key).input_tokens == 3 * total


def test_an_hours_cache_is_reported_apart() -> None:
    """What is kept for an hour is told from what is kept for minutes, and outlives it."""
    now = [time.time()]
    with (
        SimulatedProvider(clock=lambda: now[0]) as provider,
        anthropic.Anthropic(base_url=provider.root_url, api_key="k", max_retries=0) as client,
    ):
        body: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 64,
            "system": [marked(LONG, ttl="1h")],
            "messages": [{"role": "user", "content": [marked(LONG + "\nWhich line is the last?")]}],
        }
        first = usage_of(client.messages.create(**body))
        assert 0 < first.cache_write_1h_tokens < first.cache_write_tokens
        now[0] += 600
        second = usage_of(client.messages.create(**body))
    assert second.cache_read_tokens == first.cache_write_1h_tokens
    assert second.cache_write_tokens == first.cache_write_tokens - first.cache_write_1h_tokens
    assert second.cache_write_1h_tokens == 0


def loop(client: anthropic.Anthropic, **more: Any) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """What was sent, the blocks of an answer with a call, and the call's result."""
    message = client.messages.create(
        model=MODEL,
        max_tokens=2_048,
        messages=HELLO,
        tools=[TOOL],
        extra_headers={"x-simulate-tool-calls": "weather", "x-simulate-reasoning-tokens": "9"},
        **more,
    )
    blocks = [b.model_dump(exclude_none=True) for b in message.content]
    call = next(b for b in blocks if b["type"] == "tool_use")
    assert call["input"].keys() == {"city"}
    return HELLO, blocks, {"type": "tool_result", "tool_use_id": call["id"], "content": "rain"}


THINKING: Final[Any] = {"type": "enabled", "budget_tokens": 1_024}


def test_a_loop_with_thinking(client: anthropic.Anthropic) -> None:
    """Thinking, call and result go back as they came."""
    sent, blocks, result = loop(client, thinking=THINKING)
    assert [b["type"] for b in blocks] == ["thinking", "tool_use"]
    message = client.messages.create(
        model=MODEL,
        max_tokens=2_048,
        tools=[TOOL],
        thinking=THINKING,
        messages=[
            *sent,
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [result, {"type": "text", "text": "And now?"}]},
        ],
    )
    assert message.stop_reason == "end_turn"


def test_what_would_break_a_conversation_is_refused(client: anthropic.Anthropic) -> None:
    """Torn pairs, altered thinking, blank texts and missing fields are the caller's errors."""
    sent, (thinking, call), result = loop(client, thinking=THINKING)
    text = {"type": "text", "text": "so"}
    said = {"role": "assistant", "content": [thinking, call]}
    altered = {**thinking, "thinking": "other"}
    broken: dict[str, Any] = {
        "without `tool_result` blocks immediately after": [*sent, said, *HELLO],
        "tool_use` ids were found": [*sent, said],
        "unexpected `tool_use_id`": [*sent, {"role": "user", "content": [result]}],
        "blocks immediately after: toolu": [
            *sent,
            said,
            {"role": "user", "content": [text, result]},
        ],
        "Invalid `signature`": [*sent, {"role": "assistant", "content": [altered, text]}, *HELLO],
        "non-whitespace": [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        "non-empty content": [{"role": "user", "content": []}, said],
        'must use the "user" role': [{"role": "assistant", "content": "hi"}],
        "start with a thinking block": [
            *sent,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
        "maximum of 4 blocks": [{"role": "user", "content": [marked("a")] * 5}],
    }
    for says, messages in broken.items():
        with pytest.raises(anthropic.BadRequestError, match=says) as caught:
            client.messages.create(
                model=MODEL, max_tokens=2_048, messages=messages, thinking=THINKING
            )
        assert caught.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        client.messages.create(
            model=MODEL, messages=HELLO, max_tokens=9, extra_body={"max_tokens": None}
        )


def test_turns_of_one_role_are_read_as_one(client: anthropic.Anthropic) -> None:
    """The provider joins messages of one role that follow each other."""
    message = client.messages.create(model=MODEL, max_tokens=64, messages=[*HELLO, *HELLO])
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("429:0", anthropic.RateLimitError, "rate_limit_error"),
        ("500", anthropic.InternalServerError, "api_error"),
        ("529", anthropic.InternalServerError, "overloaded_error"),
        ("401", anthropic.AuthenticationError, "authentication_error"),
        ("403", anthropic.PermissionDeniedError, "permission_error"),
    ],
)
def test_faults_raise_the_sdks_own_errors(
    provider: SimulatedProvider,
    api_key: str,
    client: anthropic.Anthropic,
    fault: str,
    error: Any,
    kind: str,
) -> None:
    """Faults strike here as they do for Chat, in this provider's words."""
    provider.set_faults(api_key, fault)
    asked: dict[str, Any] = {"model": MODEL, "messages": HELLO}
    for call, more in (
        (client.messages.create, {"max_tokens": 9}),
        (client.messages.count_tokens, {}),
    ):
        with pytest.raises(error) as caught:
            call(**asked, **more)
        assert caught.value.body["error"]["type"] == kind
        assert caught.value.request_id


def test_a_stream_can_break(provider: SimulatedProvider, api_key: str) -> None:
    """A cut stream ends before its message does."""
    provider.set_faults(api_key, "broken_stream:4")
    with anthropic.Anthropic(base_url=provider.root_url, api_key=api_key, max_retries=0) as client:
        seen: list[str] = []
        events = client.messages.create(model=MODEL, max_tokens=64, messages=HELLO, stream=True)
        with pytest.raises(Exception, match=r"peer closed|incomplete|[Cc]onnection"):
            seen.extend(event.type for event in events)
    assert seen[0] == "message_start"
    assert "message_stop" not in seen


def test_wrong_usage_is_reported_in_every_bucket(
    provider: SimulatedProvider, api_key: str, client: anthropic.Anthropic
) -> None:
    """The fault multiplies what is reported, not what is true."""
    provider.set_faults(api_key, "wrong_usage:3")
    message = client.messages.create(
        model=MODEL, max_tokens=64, messages=HELLO, system=[marked(LONG)]
    )
    true = provider.totals(api_key)
    told = usage_of(message)
    assert told.input_tokens == 3 * true.input_tokens
    assert told.cache_write_tokens == 3 * true.cache_write_tokens > 0
