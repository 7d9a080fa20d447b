"""Tools, structured output and refusals of the simulated Chat Completions, through the SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import openai
import pytest

from tokenthrift.serve.simulated import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gpt-4o-mini"
ASK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the capital of Élbonia?"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}


@pytest.fixture
def client(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def chat(client: openai.OpenAI, *, control: dict[str, str] | None = None, **body: Any) -> Any:
    """One call, with controls as headers."""
    headers = {f"x-simulate-{k}": v for k, v in (control or {}).items()}
    return client.chat.completions.create(
        **{"model": MODEL, "messages": ASK, **body}, extra_headers=headers
    )


# -------------------------------------------------------------------------------------------- tools
def test_forced_tools_are_called_with_valid_arguments(client):
    """tool_choice required and named call a tool, each with its own finish reason."""
    required = chat(client, tools=[WEATHER, CLOCK], tool_choice="required").choices[0]
    named = {"type": "function", "function": {"name": "clock"}}
    chosen = chat(client, tools=[WEATHER, CLOCK], tool_choice=named).choices[0]
    call = required.message.tool_calls[0]
    jsonschema.validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])
    assert (call.function.name, required.finish_reason) == ("weather", "tool_calls")
    assert chosen.message.tool_calls[0].function.name == "clock"
    assert chosen.finish_reason == "stop"


def test_a_tool_loop_goes_round(client):
    """Parallel calls, their results and the final answer make a conversation it accepts."""
    first = chat(client, tools=[WEATHER, CLOCK], control={"tool-calls": "weather,clock,weather"})
    calls = first.choices[0].message.tool_calls
    assert len({c.id for c in calls}) == 3
    results = [{"role": "tool", "tool_call_id": c.id, "content": "7"} for c in calls]
    messages = [*ASK, first.choices[0].message.model_dump(exclude_none=True), *results]
    second = chat(client, messages=messages, tools=[WEATHER, CLOCK])
    assert second.choices[0].finish_reason == "stop"
    with pytest.raises(openai.BadRequestError, match=calls[2].id):
        chat(client, messages=messages[:-1], tools=[WEATHER, CLOCK])


def test_structured_output_satisfies_its_schema(client):
    """response_format json_schema is answered with a value of that schema."""
    schema = {
        "type": "object",
        "properties": {
            "mood": {"enum": ["calm", "wild"]},
            "score": {"type": "number", "minimum": 3},
        },
        "required": ["mood", "score"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "m", "strict": True, "schema": schema}}
    answer = chat(client, response_format=wanted)
    jsonschema.validate(json.loads(answer.choices[0].message.content), schema)


# ------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "chef", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (
            {"messages": [*ASK, {"role": "tool", "tool_call_id": "c1", "content": "x"}]},
            "messages[2].role",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": list("abcde")}, "stop"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": {"function": {"name": "no"}}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "messages"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"model": ""}, "model"),
    ],
)
def test_bad_bodies_are_refused_in_openais_shape(client, body, param):
    """A body the real API would refuse raises BadRequestError and names the parameter."""
    with pytest.raises(openai.BadRequestError) as caught:
        chat(client, **body)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_bodies_that_are_no_json_object_are_refused(provider, api_key, raw):
    """Bytes that do not parse are answered with 400, and logged as they came."""
    with httpx.Client(headers={"authorization": f"Bearer {api_key}"}) as plain:
        response = plain.post(f"{provider.base_url}/chat/completions", content=raw)
    assert response.status_code == 400
    assert "JSON body" in response.json()["error"]["message"]
    assert provider.requests(api_key)[0].raw == raw


def test_known_models_have_windows():
    """With a model table, others are not found and prompts beyond the window are refused."""
    with (
        SimulatedProvider(models={MODEL: 64}) as own,
        openai.OpenAI(base_url=own.base_url, api_key="k", max_retries=0) as client,
    ):
        assert [m.id for m in client.models.list()] == [MODEL]
        with pytest.raises(openai.NotFoundError):
            chat(client, model="other")
        with pytest.raises(openai.BadRequestError) as caught:
            chat(client, messages=[{"role": "user", "content": "word " * 100}])
        assert caught.value.code == "context_length_exceeded"
        chat(client)
