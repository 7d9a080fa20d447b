"""Faults of the simulated provider, as the real SDK meets them."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_faults import PARAMS, STATUSES, Fault, FaultBook

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "Tell me something that takes a few words to say."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {
            "type": "object",
            "properties": {"where": {"type": "string"}},
            "required": ["where"],
        },
    },
}


@pytest.fixture
def client(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def chat(client: openai.OpenAI, fault: str, **body: Any) -> Any:
    """One call that orders a fault."""
    return client.chat.completions.create(
        **{"model": MODEL, "messages": ASK, **body}, extra_headers={"x-simulate-fault": fault}
    )


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("409", openai.ConflictError),
        ("422", openai.UnprocessableEntityError),
        ("429", openai.RateLimitError),
        ("quota", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("502", openai.InternalServerError),
        ("503", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_statuses_raise_the_sdks_own_errors(provider, client, api_key, fault, error, stream):
    """Each status raises its own type with OpenAI's fields, and nothing is billed."""
    with pytest.raises(error) as caught:
        chat(client, fault, stream=stream)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert caught.value.body["message"].startswith("[simulated]")
    (exchange,) = provider.requests(api_key)
    assert (exchange.status, exchange.usage) == (caught.value.status_code, None)
    assert exchange.fault == str(Fault.parse(fault))


def test_rate_limits_say_when_to_come_back(client):
    """429 carries retry-after in seconds and in milliseconds."""
    with pytest.raises(openai.RateLimitError) as default:
        chat(client, "429")
    with pytest.raises(openai.RateLimitError) as given_s:
        chat(client, "429:2.5")
    assert default.value.response.headers["retry-after"] == "1"
    assert given_s.value.response.headers["retry-after"] == "3"
    assert given_s.value.response.headers["retry-after-ms"] == "2500"


@pytest.mark.parametrize("fault", ["429:0.01,times=2", "500:0.01,times=2", "503:0.01,times=2"])
def test_retries_of_the_sdk_succeed_after_a_number_of_times(provider, client, api_key, fault):
    """With times=2 the SDK's third try is answered, and only that one is billed."""
    answer = chat(client.with_options(max_retries=2), fault)
    statuses = [e.status for e in provider.requests(api_key)]
    assert statuses == [int(fault[:3]), int(fault[:3]), 200]
    assert provider.totals(api_key).input_tokens == answer.usage.prompt_tokens


def test_timeouts_are_the_callers_timeouts(provider, client, api_key):
    """A held request raises APITimeoutError and, never answered, is not billed."""
    with pytest.raises(openai.APITimeoutError):
        chat(client.with_options(timeout=0.1), "timeout:20")
    (exchange,) = provider.requests(api_key)
    assert (exchange.status, exchange.usage) == (None, None)


def test_a_held_request_is_answered_when_its_time_is_over(client):
    """A caller who waits long enough gets the normal answer."""
    assert chat(client, "timeout:0.05").choices[0].finish_reason == "stop"


def test_stopping_does_not_wait_for_held_requests():
    """stop() ends what a timeout holds, and the caller is told."""
    own = SimulatedProvider().start()
    url = f"{own.base_url}/chat/completions"
    headers = {"authorization": "Bearer k", "x-simulate-fault": "timeout:500"}
    with httpx.Client() as plain:
        request = plain.build_request(
            "POST", url, json={"model": MODEL, "messages": ASK}, headers=headers
        )
        stopper = threading.Timer(0.2, own.stop)
        stopper.start()
        response = plain.send(request)
        stopper.join()
    assert response.status_code == 503


def test_a_cut_answer_is_a_connection_error(provider, client, api_key):
    """A response cut in its body raises APIConnectionError; what was generated is billed."""
    with pytest.raises(openai.APIConnectionError):
        chat(client, "broken_stream")
    assert provider.totals(api_key).output_tokens > 0


@pytest.mark.parametrize("pieces", [0, 1, 5])
def test_a_cut_stream_breaks_after_its_pieces(client, pieces):
    """The SDK yields the chunks before the cut, then the transport's error or its own for it."""
    seen = []
    with (
        chat(client, f"broken_stream:{pieces}", stream=True) as stream,
        pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)),
    ):
        seen.extend(stream)  # keeps what came before the error
    assert len(seen) == pieces


def test_a_cut_is_over_after_its_times(provider, client, api_key):
    """The SDK's own retry gets the whole answer after one cut."""
    answer = chat(client.with_options(max_retries=1), "broken_stream,times=1")
    assert answer.choices[0].finish_reason == "stop"
    assert len(provider.requests(api_key)) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_drip_is_slow_but_complete(client, stream):
    """Slow pieces arrive as the same text."""
    whole = chat(client, "no_usage").choices[0].message.content
    answer = chat(client, "drip:0.002", stream=stream)
    if stream:
        with answer:
            text = "".join(c.choices[0].delta.content or "" for c in answer)
    else:
        text = answer.choices[0].message.content
    assert text == whole


def test_wrong_usage_differs_from_the_account(provider, client, api_key):
    """The response reports a multiple of what the account truly holds."""
    answer = chat(client, "wrong_usage:3")
    assert answer.usage.prompt_tokens == 3 * provider.totals(api_key).input_tokens
    assert answer.usage.completion_tokens == 3 * provider.totals(api_key).output_tokens
    (exchange,) = provider.requests(api_key)
    assert exchange.reported.input_tokens == answer.usage.prompt_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_no_usage_is_reported_but_accounted(provider, client, api_key, stream):
    """Neither a whole answer nor a stream that asked for it carries usage."""
    if stream:
        options = {"include_usage": True}
        with chat(client, "no_usage", stream=True, stream_options=options) as chunks:
            assert [c.usage for c in chunks if c.usage] == []
    else:
        assert chat(client, "no_usage").usage is None
    assert provider.totals(api_key).input_tokens > 0
    assert provider.requests(api_key)[0].reported is None


def test_answers_can_be_truncated_empty_or_refused(client):
    """Faults of the answer itself come with status 200 and their own marks."""
    normal = chat(client, "no_usage").choices[0].message.content
    cut = chat(client, "truncate").choices[0]
    assert (cut.message.content, cut.finish_reason) == (normal[: len(normal) // 2], "length")
    empty = chat(client, "empty")
    assert (empty.choices[0].message.content, empty.usage.completion_tokens) == ("", 0)
    refused = chat(client, "refusal").choices[0].message
    assert refused.content is None
    assert refused.refusal.startswith("[simulated]")


def test_refusals_stream_too(client):
    """A refusal arrives in refusal deltas."""
    with chat(client, "refusal", stream=True) as stream:
        deltas = [c.choices[0].delta for c in stream]
    assert "".join(d.refusal or "" for d in deltas).startswith("[simulated]")
    assert not any(d.content for d in deltas)


def test_malformed_json_does_not_parse(client):
    """Text, structured output and tool arguments are all broken where JSON was due."""
    wanted = {"response_format": {"type": "json_object"}, "tools": [TOOL]}
    messages = [{"role": "user", "content": "in json, please"}]
    text = chat(client, "malformed_json").choices[0].message.content
    structured = chat(client, "malformed_json", messages=messages, **wanted).choices[0].message
    called = chat(client, "malformed_json", tools=[TOOL], tool_choice="required").choices[0]
    for broken in (text, structured.content, called.message.tool_calls[0].function.arguments):
        with pytest.raises(json.JSONDecodeError):
            json.loads(broken)


@pytest.mark.parametrize("stream", [False, True])
def test_a_malformed_body_does_not_parse(client, stream):
    """A 200 whose body is no JSON surfaces as the SDK's decoding error."""
    with pytest.raises(json.JSONDecodeError):  # noqa: PT012 - the stream must be closed as well
        answer = chat(client, "malformed_body", stream=stream)
        with answer as chunks:
            list(chunks)


def test_faults_of_a_key_are_switched_over_http(provider, client, api_key):
    """PUT sets, GET shows and DELETE clears the faults of the caller's key only."""
    url = f"{provider.root_url}/simulate/faults"
    with httpx.Client(headers={"authorization": f"Bearer {api_key}"}) as plain:
        said = plain.put(url, json={"faults": ["500,rate=0.5"], "seed": 3}).json()
        assert said == plain.get(url).json() == {"faults": ["500,rate=0.5"], "seed": 3}
        assert plain.put(url, json={"faults": ["flood"]}).status_code == 400
        assert plain.put(url, json={"faults": 1, "seed": []}).status_code == 400
        assert {_struck(client) for _ in range(20)} == {None, 500}
        plain.delete(url)
        assert plain.get(url).json()["faults"] == []
    assert [_struck(client) for _ in range(5)] == [None] * 5


def _struck(client: openai.OpenAI) -> int | None:
    try:
        client.chat.completions.create(model=MODEL, messages=ASK)
    except openai.InternalServerError as exc:
        return exc.status_code
    return None


def test_faults_for_everyone_leave_a_key_its_own():
    """Constructor faults strike every key except one that was given its own."""
    with (
        SimulatedProvider(faults=["503"]) as own,
        openai.OpenAI(base_url=own.base_url, api_key="a", max_retries=0) as one,
        openai.OpenAI(base_url=own.base_url, api_key="b", max_retries=0) as two,
    ):
        own.set_faults("b")
        assert (_struck(one), _struck(two)) == (503, None)
        own.forget("b")
        assert _struck(two) == 503


def test_a_rate_is_met_and_repeatable():
    """Over many requests a rate strikes about its share, the same ones for the same seed."""
    rule = (Fault.parse("500,rate=0.3"),)

    def run(seed: int) -> list[bool]:
        book = FaultBook(rule, seed)
        return [book.pick("k", i, None) is not None for i in range(2000)]

    struck = run(1)
    assert struck == run(1) != run(2)
    assert 500 < sum(struck) < 700


@given(
    name=st.sampled_from([*STATUSES, *PARAMS]),
    param=st.none() | st.integers(0, 1000).map(lambda n: n / 8),
    times=st.none() | st.integers(1, 99),
    rate=st.integers(0, 16).map(lambda n: n / 16),
)
def test_faults_are_written_as_they_are_read(name, param, times, rate):
    """Parsing the text of a fault gives the fault back."""
    fault = Fault(name, PARAMS.get(name) if param is None else param, times, rate)
    assert Fault.parse(str(fault)) == fault
