"""The simulated provider on a real socket, driven by the real OpenAI SDK and by litellm."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from tokenthrift.errors import MissingExtraError
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage
from tokenthrift.wire import read

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


def test_answers_are_labelled_and_a_function_of_the_request(client):
    """The same request gets the same labelled text, another request another text."""
    first, second = chat(client), chat(client)
    other = chat(client, messages=[{"role": "user", "content": "Something else"}])
    text = first.choices[0].message.content
    assert text.startswith("[simulated] ")
    assert text == second.choices[0].message.content != other.choices[0].message.content
    assert first.id != second.id
    assert first.system_fingerprint == "fp_simulated"


def test_every_response_carries_the_label(provider, client):
    """Success, refusal, unknown path and the front page all say who answered."""
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    with httpx.Client(base_url=provider.root_url) as plain:
        responses = [plain.get("/"), plain.get("/nowhere"), plain.post("/v1/chat/completions")]
    for headers in [raw.headers, *(r.headers for r in responses)]:
        assert headers["x-simulated-provider"] == "tokenthrift"
    assert [r.status_code for r in responses] == [200, 404, 401]


def test_models_are_listed_as_simulated(client):
    """The model list and a single model name their simulated owner."""
    assert {m.owned_by for m in client.models.list().data} == {"tokenthrift-simulated"}
    assert client.models.retrieve("anything/at-all").id == "anything/at-all"


def test_usage_is_counted_for_real(client):
    """Prompt and completion tokens are tiktoken's own counts."""
    answer = chat(client, tools=[WEATHER])
    count = counter_for(MODEL)
    request = read({"model": MODEL, "messages": ASK, "tools": [WEATHER]})
    assert answer.usage.prompt_tokens == count_request(request, count)
    assert answer.usage.completion_tokens == count(answer.choices[0].message.content)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"n": 3},
        {"max_tokens": 7},
        {"stop": ["messages"]},
        {"tools": [WEATHER], "tool_choice": "required"},
        {
            "response_format": {"type": "json_object"},
            "messages": [{"role": "user", "content": "json"}],
        },
    ],
    ids=["text", "n", "cap", "stop", "tools", "json"],
)
def test_streams_say_what_whole_answers_say(client, body):
    """The deltas of a stream, put together, are the message of the same request unstreamed."""
    whole = chat(client, **body)
    with chat(client, stream=True, stream_options={"include_usage": True}, **body) as stream:
        chunks = list(stream)
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    for choice in whole.choices:
        mine = [c.choices[0] for c in chunks[:-1] if c.choices[0].index == choice.index]
        assert mine[0].delta.role == "assistant"
        assert [m.finish_reason for m in mine] == [None] * (len(mine) - 1) + [choice.finish_reason]
        text = "".join(m.delta.content or "" for m in mine)
        assert text == (choice.message.content or "")
        calls = [c for m in mine for c in m.delta.tool_calls or []]
        assert "".join(c.function.arguments for c in calls) == "".join(
            c.function.arguments for c in choice.message.tool_calls or []
        )
        assert [c.function.name for c in calls if c.id] == [
            c.function.name for c in choice.message.tool_calls or []
        ]


def test_a_stream_has_no_usage_unless_asked(client):
    """Without include_usage no chunk carries usage and the last one finishes the choice."""
    with chat(client, stream=True) as stream:
        chunks = list(stream)
    assert all(c.usage is None for c in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_the_async_sdk_works_whole_and_streamed(provider, api_key):
    """AsyncOpenAI gets the same text from both ways of answering."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=ASK)
        stream = await client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        async with stream:
            text = "".join([c.choices[0].delta.content or "" async for c in stream])
    assert text == whole.choices[0].message.content
    assert len(provider.requests(api_key)) == 2


def test_litellm_completes_against_it(provider, api_key):
    """To litellm it is an OpenAI-compatible server, whose usage it reads."""
    import litellm

    answer = litellm.completion(
        model="openai/gpt-4o-mini", messages=ASK, api_base=provider.base_url, api_key=api_key
    )
    assert answer.choices[0].message.content.startswith("[simulated]")
    assert answer.usage.prompt_tokens == provider.totals(api_key).input_tokens
    cached = litellm.in_memory_llm_clients_cache
    for kept in [c for c in cached.cache_dict.values() if isinstance(c, openai.OpenAI)]:
        kept.close()  # litellm keeps its clients open for later calls
    cached.flush_cache()


# ------------------------------------------------------------------------------------------- script
def test_headers_script_the_answer(client):
    """Text (percent-encoded), finish reason and reasoning tokens can be ordered by header."""
    control = {
        "answer": "Gr%C3%BC%C3%9Fe",
        "finish-reason": "content_filter",
        "reasoning-tokens": "40",
    }
    answer = chat(client, control=control)
    assert answer.choices[0].message.content == "Grüße"
    assert answer.choices[0].finish_reason == "content_filter"
    details = answer.usage.completion_tokens_details
    assert details.reasoning_tokens == 40
    assert answer.usage.completion_tokens == 40 + counter_for(MODEL)("Grüße")


def test_metadata_scripts_the_answer_where_headers_cannot(client):
    """The body's metadata orders the same, and a header of the same name goes before it."""
    metadata = {"simulate-answer": "from metadata", "trace": "t1"}
    assert chat(client, metadata=metadata).choices[0].message.content == "from metadata"
    both = chat(client, metadata=metadata, control={"answer": "from the header"})
    assert both.choices[0].message.content == "from the header"


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ({"anser": "x"}, "known: answer"),
        ({"reasoning-tokens": "many"}, "whole number"),
        ({"finish-reason": "tired"}, "content_filter"),
        ({"tool-calls": "weather"}, "offered: none"),
        ({"tool-calls": "[1]"}, "JSON list"),
        ({"fault": "flood"}, "known: 400"),
        ({"fault": "429,often"}, "times=N"),
        ({"fault": "timeout:soon"}, "not a number"),
    ],
)
def test_wrong_controls_are_refused(client, control, said):
    """A control that is misspelt or has a bad value is answered with what is allowed."""
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        chat(client, control=control)
    assert "simulate" in caught.value.body["param"]


def test_a_python_script_answers_or_leaves_it():
    """The in-process callable sees the body; None falls back to the default answer."""

    def answers(body: Any) -> Answer | None:
        if body["messages"][-1]["content"] == "call":
            return Answer(tool_calls=(ToolCall("clock", '{"zone": "UTC"}'),), reasoning_tokens=5)
        return None

    with (
        SimulatedProvider(answers=answers) as own,
        openai.OpenAI(base_url=own.base_url, api_key="k", max_retries=0) as client,
    ):
        called = chat(client, messages=[{"role": "user", "content": "call"}], tools=[CLOCK])
        default = chat(client)
    call = called.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("clock", '{"zone": "UTC"}')
    assert called.choices[0].finish_reason == "tool_calls"
    assert default.choices[0].message.content.startswith("[simulated]")


def test_answers_can_be_made_long(client):
    """An ordered length is met to within one filler sentence and never exceeded."""
    for wanted in (60, 500):
        usage = chat(client, control={"answer-tokens": str(wanted)}).usage
        assert wanted - 1 <= usage.completion_tokens <= wanted


@pytest.mark.parametrize("model", [MODEL, "claude-sonnet-4", "qwen-3"])
@pytest.mark.parametrize("cap", [1, 3, 10])
def test_caps_cut_the_text_and_say_length(client, model, cap):
    """max_completion_tokens bounds what is billed, also where counts are estimates."""
    text = "Zażółć gęślą jaźń 漢字かな交じり文 \N{FAMILY} and then some more words to be cut"
    answer = chat(
        client, model=model, max_completion_tokens=cap, metadata={"simulate-answer": text}
    )
    said = answer.choices[0].message.content
    assert text.startswith(said)
    assert len(said) < len(text)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == counter_for(model)(said) <= cap


def test_reasoning_uses_the_cap_first(client):
    """Where reasoning takes the whole cap nothing is said, as with a real reasoning model."""
    answer = chat(client, max_completion_tokens=50, control={"reasoning-tokens": "80"})
    assert answer.choices[0].message.content == ""
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 50


# ----------------------------------------------------------------------------------------- accounts
def test_the_log_holds_what_was_sent(provider, client, api_key):
    """Bytes, parsed body, status and response are kept, credentials are not."""
    answer = chat(client, user="é")
    (exchange,) = provider.requests(api_key)
    assert json.loads(exchange.raw) == exchange.body
    assert exchange.body["user"] == "é"
    assert (exchange.status, exchange.model) == (200, MODEL)
    assert json.loads(exchange.response)["id"] == answer.id
    assert api_key not in str(exchange.headers)


def test_accounts_are_kept_per_key_and_model(provider, client, api_key):
    """Totals are the sums of what was answered, to the token, over HTTP as in process."""
    one, two = chat(client), chat(client, model="gpt-4o")
    expected = one.usage.prompt_tokens + two.usage.prompt_tokens
    assert provider.totals(api_key).input_tokens == expected
    assert provider.by_model(api_key)["gpt-4o"].output_tokens == two.usage.completion_tokens
    with httpx.Client(headers={"authorization": f"Bearer {api_key}"}) as plain:
        account = plain.get(f"{provider.root_url}/simulate/account").json()
        assert account["requests"] == 2
        assert account["totals"]["input_tokens"] == expected
        plain.delete(f"{provider.root_url}/simulate/account")
    assert provider.requests(api_key) == ()
    assert provider.totals(api_key) == Usage()


# ------------------------------------------------------------------------------------------ running
def test_starting_twice_or_reading_the_url_too_early_is_an_error():
    """A provider that is not running has no URL; one that runs cannot be started again."""
    own = SimulatedProvider()
    with pytest.raises(RuntimeError, match="call start"):
        _ = own.base_url
    with own, pytest.raises(RuntimeError, match="running already"):
        own.start()
    own.stop()


def test_a_provider_can_be_started_again_on_its_port():
    """After stop the port is free, and the same object runs again."""
    own = SimulatedProvider()
    with own:
        port = int(own.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
    own.start(port=port)
    try:
        with httpx.Client() as plain:
            assert plain.get(own.root_url).json()["simulated"] is True
    finally:
        own.stop()


def test_a_missing_extra_is_named(monkeypatch):
    """Without starlette the error says what to install."""
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[serve\]"):
        SimulatedProvider()


def test_the_foreground_server_announces_itself():
    """Run with python -m, it prints the banner and answers until it is interrupted."""
    command = [sys.executable, "-m", "tokenthrift.serve.simulated", "--port", "0"]
    source = str(Path(__file__).parents[1] / "src")
    process = subprocess.Popen(
        [*command, "--fault", "503,times=1"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": source, "PATH": ""},
    )
    try:
        banner = "".join(process.stderr.readline() for _ in range(3))
        assert "SIMULATED" in banner
        base_url = re.search(r"http://127\.0\.0\.1:\d+/v1", banner).group()
        with httpx.Client(timeout=20) as plain:
            response = plain.get(f"{base_url}/models")
        assert response.headers["x-simulated-provider"] == "tokenthrift"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_the_network_is_out_of_reach():
    """Tests cannot connect or resolve beyond loopback."""
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="loopback only"):
        socket.getaddrinfo("example.com", 80)
