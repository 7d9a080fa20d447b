"""The simulated provider's Responses API, spoken to by the real OpenAI SDK over sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest
from pydantic import BaseModel

from tokenthrift import wire
from tokenthrift.tokens import count_request, counter_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

MODEL: Final = "gpt-4.1-mini"
TOOL: Final[Any] = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
CUSTOM: Final[Any] = {"type": "custom", "name": "sql"}
LONG: Final = "\n".join(f"line {n} of a long document about ledgers and locks" for n in range(200))


@pytest.fixture
def client(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """The real SDK, pointed at the simulated provider."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def usage_of(response: Any) -> Any:
    """What the wire makes of a response's usage."""
    return wire.wire_of("openai-responses").usage(response.usage.model_dump())


def test_an_answer_and_its_usage(
    client: openai.OpenAI, provider: SimulatedProvider, api_key: str
) -> None:
    """The SDK reads the answer, and the usage it reports is the one that is billed."""
    response = client.responses.create(model=MODEL, input="Say hi.", instructions="Be brief.")
    assert response.status == "completed"
    assert response.output_text.startswith("[simulated]")
    assert response.instructions == "Be brief."
    true = provider.totals(api_key)
    assert usage_of(response) == true
    body = {"model": MODEL, "input": "Say hi.", "instructions": "Be brief."}
    request = wire.read(body, "openai-responses")
    assert true.input_tokens == count_request(request, counter_for(MODEL))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-simulate-reasoning-tokens": "30"},
        {"x-simulate-tool-calls": "weather,sql"},
        {"x-simulate-refusal": "No."},
        {"x-simulate-answer": "one two three", "x-simulate-finish-reason": "content_filter"},
    ],
    ids=["text", "reasoning", "calls", "refusal", "filter"],
)
def test_streams_say_what_whole_answers_say(client: openai.OpenAI, headers: dict[str, str]) -> None:
    """The events of a stream add up to the response that they end with."""
    asked: dict[str, Any] = {"model": MODEL, "input": "Hello?", "tools": [TOOL, CUSTOM]}
    whole = client.responses.create(**asked, extra_headers=headers)
    events = list(client.responses.create(**asked, stream=True, extra_headers=headers))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert [e.type for e in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type == f"response.{whole.status}"
    assert plain(last.response) == plain(whole)
    texts: dict[str, str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            texts[event.item_id] = texts.get(event.item_id, "") + event.delta
    for item in last.response.output:
        if item.type == "function_call":
            assert texts[item.id] == item.arguments
        elif item.type == "custom_tool_call":
            assert texts[item.id] == item.input
        elif item.type == "message":
            part = item.content[0]
            assert texts[item.id] == (part.refusal if part.type == "refusal" else part.text)


def plain(response: Any) -> Any:
    """A response without what differs from one request to the next."""

    def cleared(value: Any) -> Any:
        if isinstance(value, dict):
            gone = ("id", "call_id", "created_at")
            return {k: cleared(v) for k, v in value.items() if k not in gone}
        return [cleared(v) for v in value] if isinstance(value, list) else value

    return cleared(response.model_dump())


def test_the_sdks_stream_helper_accumulates(client: openai.OpenAI) -> None:
    """``responses.stream`` ends with the parsed response."""
    with client.responses.stream(model=MODEL, input="Hello?") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text.startswith("[simulated]")


async def test_async_and_async_streams(provider: SimulatedProvider, api_key: str) -> None:
    """The asynchronous client gets the same."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as client:
        whole = await client.responses.create(model=MODEL, input="Hello?")
        stream = await client.responses.create(model=MODEL, input="Hello?", stream=True)
        events = [event async for event in stream]
    assert plain(events[-1].response) == plain(whole)  # type: ignore[union-attr]


class City(BaseModel):
    """A structured answer."""

    name: str
    people: int


def test_structured_answers_satisfy_their_schema(client: openai.OpenAI) -> None:
    """``responses.parse`` gives the caller's own type."""
    response = client.responses.parse(model=MODEL, input="Which city?", text_format=City)
    assert isinstance(response.output_parsed, City)


def test_a_cut_answer_is_incomplete(client: openai.OpenAI) -> None:
    """An answer that meets the cap says why it ends."""
    response = client.responses.create(
        model=MODEL,
        input="Hello?",
        max_output_tokens=16,
        extra_headers={"x-simulate-answer-tokens": "99"},
    )
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens <= 16


def test_a_conversation_goes_on_from_a_stored_response(client: openai.OpenAI) -> None:
    """What is held counts as input; what is not held is refused."""
    first = client.responses.create(model=MODEL, input=LONG)
    second = client.responses.create(model=MODEL, input="And then?", previous_response_id=first.id)
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.usage.input_tokens_details.cached_tokens >= 1_024
    unkept = client.responses.create(model=MODEL, input="Hi", store=False)
    for unknown in ("resp_nobody", unkept.id):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=MODEL, input="Hm", previous_response_id=unknown)
        assert caught.value.code == "previous_response_not_found"


def called(client: openai.OpenAI, **more: Any) -> tuple[list[Any], list[Any]]:
    """What was sent, and the items of an answer with a call."""
    sent: list[Any] = [{"role": "user", "content": "Weather?"}]
    response = client.responses.create(
        model=MODEL,
        input=sent,
        tools=[TOOL],
        include=["reasoning.encrypted_content"],
        extra_headers={"x-simulate-tool-calls": "weather", "x-simulate-reasoning-tokens": "8"},
        **more,
    )
    return sent, [item.model_dump(exclude_none=True) for item in response.output]


def test_a_loop_with_sealed_reasoning(client: openai.OpenAI) -> None:
    """Reasoning, call and output go back as they came, without anything stored."""
    sent, items = called(client, store=False)
    output = {"type": "function_call_output", "call_id": items[1]["call_id"], "output": "rain"}
    response = client.responses.create(
        model=MODEL, input=[*sent, *items, output], tools=[TOOL], store=False
    )
    assert response.status == "completed"


def test_references_are_followed(client: openai.OpenAI) -> None:
    """Items that are held may be named by their ids."""
    sent, items = called(client)
    references: list[Any] = [{"type": "item_reference", "id": item["id"]} for item in items]
    output: Any = {"type": "function_call_output", "call_id": items[1]["call_id"], "output": "rain"}
    response = client.responses.create(
        model=MODEL, input=[*sent, *references, output], tools=[TOOL]
    )
    assert response.status == "completed"


def test_what_would_break_a_conversation_is_refused(client: openai.OpenAI) -> None:
    """Torn pairs, altered reasoning, lost followers and unknown ids are the caller's errors."""
    sent, (reasoning, call) = called(client)
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    altered = {**reasoning, "encrypted_content": "gAAAAA-other"}
    broken = {
        "No tool output found": [*sent, reasoning, call],
        "No function call found": [*sent, output],
        "could not be verified": [*sent, altered, call, output],
        "required following item": [*sent, reasoning, *sent],
        "not found": [*sent, {"type": "item_reference", "id": "msg_nobody"}],
        "Missing required parameter: 'input'": None,
        "at least one item": [],
        "unknown role": [{"role": "king", "content": "hi"}],
    }
    for says, items in broken.items():
        with pytest.raises(openai.APIStatusError, match=says) as caught:
            client.responses.create(model=MODEL, input=items)  # type: ignore[arg-type]
        assert caught.value.status_code in (400, 404)
        assert caught.value.body["type"] == "invalid_request_error"  # type: ignore[index]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429:0", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("404", openai.NotFoundError),
    ],
)
def test_faults_raise_the_sdks_own_errors(
    provider: SimulatedProvider, api_key: str, client: openai.OpenAI, fault: str, error: Any
) -> None:
    """Faults strike here as they do for Chat."""
    provider.set_faults(api_key, fault)
    with pytest.raises(error):
        client.responses.create(model=MODEL, input="hi")


def test_a_stream_can_break(provider: SimulatedProvider, api_key: str) -> None:
    """A cut stream ends before its response does."""
    provider.set_faults(api_key, "broken_stream:4")
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as client:
        seen: list[str] = []
        events = client.responses.create(model=MODEL, input="hi", stream=True)
        with pytest.raises(Exception, match=r"peer closed|incomplete|[Cc]onnection"):
            seen.extend(event.type for event in events)
    assert seen[0] == "response.created"
    assert "response.completed" not in seen
    assert len(seen) <= 4


def test_forced_calls_are_made(client: openai.OpenAI) -> None:
    """A named tool is called with arguments of its schema."""
    response = client.responses.create(
        model=MODEL, input="hi", tools=[TOOL], tool_choice={"type": "function", "name": "weather"}
    )
    (item,) = response.output
    assert item.type == "function_call"
    assert json.loads(item.arguments).keys() == {"city"}
