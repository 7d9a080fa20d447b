"""The service as base URL of the real SDKs: what they get is what the provider gave."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
import pytest

from services import closing, policy_at, records, serving
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.serve.settings import Upstream
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tokenthrift.serve.running import Service

MARK: Final = re.compile(r"recall ([0-9a-f]{8})\]")
CHAT: Final = "gpt-4o-mini"
CLAUDE: Final = "claude-sonnet-4-6"
HELLO: Final[Any] = [{"role": "user", "content": "Hello?"}]
LOG: Final = "\n".join(
    f"12:{i:04d} worker {i} stored {i * 7} of tenant {i % 5}" for i in range(400)
)
CALL: Final = {"id": "c1", "type": "function", "function": {"name": "read_log", "arguments": "{}"}}
LONG: Final[Any] = [
    {"role": "user", "content": "Which worker stored item 700?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]
FORMS: Final = {
    "chat": ("/chat/completions", {"model": CHAT, "messages": HELLO}),
    "responses": ("/responses", {"model": CHAT, "input": "Hello?"}),
    "messages": ("/messages", {"model": CLAUDE, "messages": HELLO, "max_tokens": 64}),
}


@pytest.fixture(scope="module")
def service(provider: SimulatedProvider) -> Iterator[Service]:
    """One service for all tests here."""
    with serving(provider, "balanced", "off") as running:
        yield running


OPEN: list[openai.OpenAI | anthropic.Anthropic] = []
_clients_are_closed = closing(OPEN)


def headers(api_key: str, **more: str) -> dict[str, str]:
    """The headers of a test's calls."""
    ours = {f"x-tokenthrift-{k}": v for k, v in more.items()}
    return {"x-tokenthrift-tags": f"test={api_key}", **ours}


def openai_at(url: str, api_key: str, **more: str) -> openai.OpenAI:
    """The real SDK."""
    given = headers(api_key, **more)
    made = openai.OpenAI(base_url=url, api_key=api_key, max_retries=0, default_headers=given)
    OPEN.append(made)
    return made


def anthropic_at(url: str, api_key: str, **more: str) -> anthropic.Anthropic:
    """The real SDK."""
    given = headers(api_key, **more)
    made = anthropic.Anthropic(base_url=url, api_key=api_key, max_retries=0, default_headers=given)
    OPEN.append(made)
    return made


def post(service: Service, form: str, api_key: str, raw: bytes, **more: str) -> httpx2.Response:
    """A request as bytes."""
    path, _ = FORMS[form]
    given = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
    if form == "messages":
        given |= {"x-api-key": api_key, "anthropic-version": "2023-06-01"}
    return httpx2.post(
        service.base_url + path, content=raw, headers={**given, **headers(api_key, **more)}
    )


# ------------------------------------------------------------------------------------------ bytes
@pytest.mark.parametrize("policy", ["off", "balanced"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_bytes_go_through(
    service: Service,
    provider: SimulatedProvider,
    api_key: str,
    *,
    form: str,
    stream: bool,
    policy: str,
) -> None:
    """A body in which nothing changes goes out byte for byte, and the answer comes back so."""
    body = {**FORMS[form][1], **({"stream": True} if stream else {})}
    if form == "chat" and stream:
        body["stream_options"] = {"include_usage": True}
    raw = json.dumps(body, indent=1).encode()
    answer = post(service, form, api_key, raw, policy=policy)
    assert answer.status_code == 200, answer.text
    (sent,) = provider.requests(api_key)
    assert sent.raw == raw
    assert answer.content == sent.response
    (record,) = records(service, api_key)
    assert record.status == "ok"
    assert record.streamed is stream
    assert answer.headers["x-tokenthrift-record"] == record.record_id
    assert answer.headers["x-tokenthrift-policy"] == policy == record.policy
    assert record.attempts[0].usage.input_tokens == provider.totals(api_key).input_tokens
    assert record.savings.basis == "measured"


def test_usage_that_nobody_asked_for_is_hidden(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """A stream that is asked for its usage looks as if it were not, byte for byte."""
    raw = json.dumps({**FORMS["chat"][1], "stream": True}).encode()
    seen = post(service, "chat", api_key, raw).content
    (record,) = records(service, api_key)
    assert record.savings.basis == "measured"
    (sent,) = provider.requests(api_key)
    assert json.loads(sent.raw)["stream_options"] == {"include_usage": True}
    assert b'"usage"' in (sent.response or b"")
    provider.forget(api_key)
    bare = post(service, "chat", api_key, raw, policy="off").content
    volatile = re.compile(rb'"(id|created)": ?("[^"]*"|[0-9]+)')
    assert volatile.sub(b"", seen) == volatile.sub(b"", bare)


def test_only_what_is_cut_changes(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """Compression rewrites the long text; every other byte of the body is the caller's."""
    body = {"model": CHAT, "messages": LONG, "temperature": 0.5}
    text = json.dumps(body).replace('"temperature": 0.5', '"temperature": 5.0e-1 ')
    head, _, tail = text.partition(json.dumps(LOG))
    answer = post(service, "chat", api_key, text.encode())
    (sent,) = provider.requests(api_key)
    assert sent.raw.startswith(head.encode())
    assert sent.raw.endswith(tail.encode())
    assert len(sent.raw) < len(text)
    before, after = (int(answer.headers[f"x-tokenthrift-tokens-{w}"]) for w in ("before", "after"))
    assert after < before
    assert int(answer.headers["x-tokenthrift-savings-nanos"]) > 0


def test_headers_of_both_sides(service: Service, provider: SimulatedProvider, api_key: str) -> None:
    """Credentials of the service's, cookies and our headers stay; the SDK's own go on."""
    client = openai_at(service.base_url, api_key)
    given = {"cookie": "a=b", "x-forwarded-for": "10.0.0.1", "openai-beta": "x=1"}
    client.chat.completions.create(model=CHAT, messages=HELLO, extra_headers=given)
    (sent,) = provider.requests(api_key)
    names = {k.lower() for k in sent.headers}
    assert sent.headers["openai-beta"] == "x=1"
    assert sent.headers["user-agent"].startswith("OpenAI/Python")
    assert not names & {"cookie", "x-forwarded-for", "x-tokenthrift-tags"}


# ------------------------------------------------------------------------------------------- SDKs
@pytest.mark.parametrize("policy", ["off", "balanced"])
def test_the_openai_sdk(
    service: Service, provider: SimulatedProvider, api_key: str, policy: str
) -> None:
    """Its answers and streams are those it gets from the provider itself."""
    ours = openai_at(service.base_url, api_key, policy=policy)
    bare = openai_at(provider.base_url, api_key)
    volatile = {"id", "created", "created_at", "item_id"}

    def looked(value: Any) -> Any:
        if isinstance(value, list):
            return [looked(v) for v in value]
        if isinstance(value, dict):
            return {k: looked(v) for k, v in value.items() if k not in volatile}
        return value

    expected: Any = None
    for client in (ours, bare):
        provider.forget(api_key)
        chat = client.chat.completions.create(model=CHAT, messages=HELLO)
        chunks = list(client.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
        response = client.responses.create(model=CHAT, input="Hello?")
        with client.responses.stream(model=CHAT, input="Hello?") as stream:
            events = [e.to_dict(warnings=False) for e in stream]
        found = looked([chat.to_dict(), [c.to_dict() for c in chunks], response.to_dict(), events])
        expected = expected or found
        assert found == expected
    assert len(records(service, api_key)) == 4


async def test_the_async_sdks(service: Service, provider: SimulatedProvider, api_key: str) -> None:
    """Awaited calls and streams of both SDKs."""
    given = headers(api_key)
    async with (
        openai.AsyncOpenAI(
            base_url=service.base_url, api_key=api_key, max_retries=0, default_headers=given
        ) as one,
        anthropic.AsyncAnthropic(
            base_url=service.root_url, api_key=api_key, max_retries=0, default_headers=given
        ) as other,
    ):
        chat = await one.chat.completions.create(model=CHAT, messages=HELLO)
        assert "Hello?" in (chat.choices[0].message.content or "")
        stream = await one.chat.completions.create(model=CHAT, messages=HELLO, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream])
        assert "Hello?" in text
        message = await other.messages.create(model=CLAUDE, messages=HELLO, max_tokens=64)
        async with other.messages.stream(model=CLAUDE, messages=HELLO, max_tokens=64) as events:
            assert await events.get_final_text() == message.content[0].text  # type: ignore[union-attr]
    wires = [r.wire for r in records(service, api_key)]
    assert wires == ["openai-chat"] * 2 + ["anthropic-messages"] * 2
    assert len(provider.requests(api_key)) == 4


def test_the_anthropic_sdk(service: Service, provider: SimulatedProvider, api_key: str) -> None:
    """Messages, streams and counts; counts are in no ledger."""
    client = anthropic_at(service.root_url, api_key)
    message = client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=64)
    counted = client.messages.count_tokens(model=CLAUDE, messages=HELLO)
    assert counted.input_tokens == message.usage.input_tokens
    with client.messages.stream(model=CLAUDE, messages=HELLO, max_tokens=64) as stream:
        assert stream.get_final_message().usage == message.usage
    assert len(records(service, api_key)) == 2
    assert len(provider.requests(api_key)) == 3


# ----------------------------------------------------------------------------------------- faults
STATUSES: Final = {
    "400": openai.BadRequestError,
    "401": openai.AuthenticationError,
    "429:2": openai.RateLimitError,
    "quota": openai.RateLimitError,
    "500": openai.InternalServerError,
    "529": openai.InternalServerError,
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", STATUSES)
@pytest.mark.parametrize("form", FORMS)
def test_errors_of_the_provider_pass(
    service: Service,
    provider: SimulatedProvider,
    api_key: str,
    *,
    form: str,
    fault: str,
    stream: bool,
) -> None:
    """The SDK raises what it would have raised; status, body and retry-after are the provider's."""
    provider.set_faults(api_key, fault)
    error: Any
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
        _call(service, api_key, form, stream=stream)
    error = raised.value
    name = STATUSES[fault].__name__
    assert type(error).__name__ in (name, "OverloadedError")
    (sent,) = provider.requests(api_key)
    assert error.response.content == sent.response
    assert error.response.headers.get("retry-after") == ("2" if ":" in fault else None)
    (record,) = records(service, api_key)
    assert (record.status, record.error) == ("error", name)
    assert record.attempts[0].input_tokens == 0
    assert error.response.headers["x-tokenthrift-record"] == record.record_id


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_that_is_cut(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """The caller's stream breaks where the provider's did; what came before it has come."""
    provider.set_faults(api_key, "broken_stream:3")
    seen: list[Any] = []
    with pytest.raises((openai.APIError, anthropic.APIError, httpx2.TransportError)):
        seen.extend(_events(service, api_key, form, seen))
    assert seen
    (record,) = records(service, api_key)
    assert (record.status, record.error) == ("error", "APIConnectionError")


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_is_cut(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """A whole answer that breaks off is a 502 in the dialect's shape."""
    provider.set_faults(api_key, "broken_stream:3")
    with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as raised:
        _call(service, api_key, form)
    assert raised.value.response.status_code == 502
    said = raised.value.response.json()["error"]
    assert said["type"] == ("api_error" if form == "messages" else "UpstreamConnectionError")
    (record,) = records(service, api_key)
    assert (record.status, record.error) == ("error", "APIConnectionError")


@pytest.mark.parametrize("form", FORMS)
def test_a_body_that_is_no_json_passes(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """What the provider garbles arrives garbled, and is in the ledger once."""
    provider.set_faults(api_key, "malformed_body")
    raw = json.dumps(FORMS[form][1]).encode()
    answer = post(service, form, api_key, raw)
    assert answer.status_code == 200
    (record,) = records(service, api_key)
    assert record.savings.basis == "estimated"
    streamed = post(service, form, api_key, json.dumps({**FORMS[form][1], "stream": True}).encode())
    assert streamed.status_code == 200
    assert len(records(service, api_key)) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", ["drip:0.002", "no_usage", "wrong_usage:3", "empty", "truncate"])
def test_slow_and_odd_answers_pass(
    service: Service, provider: SimulatedProvider, api_key: str, form: str, fault: str
) -> None:
    """What is slow, empty, cut short or miscounted passes, once in the ledger for each call."""
    provider.set_faults(api_key, fault)
    _call(service, api_key, form)
    assert list(_events(service, api_key, form, []))
    assert [r.status for r in records(service, api_key)] == ["ok", "ok"]


def test_a_provider_that_says_nothing(provider: SimulatedProvider, api_key: str) -> None:
    """After the timeout it is a 504, and the record does not know what was billed."""
    provider.set_faults(api_key, "timeout:20")
    with serving(provider, upstream_timeout_s=0.3) as service:
        with pytest.raises(openai.InternalServerError) as raised:
            _call(service, api_key, "chat")
        assert raised.value.response.status_code == 504
        (record,) = service.desk.ledger.records()
    assert record.error == "APITimeoutError"
    assert record.attempts[0].cost_nanos is None or record.savings.basis == "estimated"


def test_a_provider_that_is_not_there(provider: SimulatedProvider, api_key: str) -> None:
    """It is a 502 that says so."""
    nobody = (Upstream(name="openai", base_url="http://127.0.0.1:9/v1"),)
    with serving(provider, upstreams=nobody) as service:
        with pytest.raises(openai.InternalServerError, match="could not be reached") as raised:
            _call(service, api_key, "chat")
        assert raised.value.response.status_code == 502
        with pytest.raises(anthropic.UnprocessableEntityError, match="no provider that speaks"):
            _call(service, api_key, "messages")
        assert len(list(service.desk.ledger.records())) == 2


def _call(service: Service, api_key: str, form: str, *, stream: bool = False) -> Any:
    body: dict[str, Any] = {**FORMS[form][1]}
    if stream:
        body["stream"] = True
    if form == "messages":
        return anthropic_at(service.root_url, api_key).messages.create(**body)
    client = openai_at(service.base_url, api_key)
    made = client.responses if form == "responses" else client.chat.completions
    return made.create(**body)  # type: ignore[attr-defined]


def _events(service: Service, api_key: str, form: str, seen: list[Any]) -> Iterator[Any]:
    for event in _call(service, api_key, form, stream=True):
        seen.append(event)
        yield event


# ------------------------------------------------------------------------- retries, routes, recall
def test_the_policy_tries_again(provider: SimulatedProvider, api_key: str, tmp_path: Path) -> None:
    """With retries in the policy a passing fault is not seen by the caller."""
    policy = policy_at(tmp_path, "again", "routing: {retry: {times: 2, base_s: 0.01}}\n")
    provider.set_faults(api_key, "500,times=1")
    with serving(provider, policy) as service:
        answer = _call(service, api_key, "chat")
        assert "Hello?" in answer.choices[0].message.content
        (record,) = service.desk.ledger.records()
    assert [a.status for a in record.attempts] == ["error", "ok"]


def test_routing_stays_with_those_who_speak_the_dialect(
    provider: SimulatedProvider, api_key: str, tmp_path: Path
) -> None:
    """Of candidates of several sellers those are chosen that the call's dialect reaches."""
    candidates = f"[{{model: {CLAUDE}}}, {{model: gpt-4.1-nano}}]"
    text = f"routing: {{candidates: {candidates}, baseline: gpt-4o}}\n"
    with serving(provider, policy_at(tmp_path, "routes", text)) as service:
        answer = openai_at(service.base_url, api_key).chat.completions.create(
            model="gpt-4o", messages=HELLO
        )
        assert answer.model == "gpt-4.1-nano"
        anthropic_at(service.root_url, api_key).messages.create(
            model="claude-opus-4-6", messages=HELLO, max_tokens=9
        )
        chosen = [r.model_chosen for r in service.desk.ledger.records()]
    assert chosen == ["gpt-4.1-nano", CLAUDE]


def test_a_name_in_front_says_who_is_asked(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """``openai/gpt-4o-mini`` goes to the provider of that name, under its own name."""
    raw = json.dumps({"model": f"openai/{CHAT}", "messages": HELLO}).encode()
    assert post(service, "chat", api_key, raw, policy="off").status_code == 200
    (sent,) = provider.requests(api_key)
    assert sent.raw == raw.replace(b"openai/", b"")


@pytest.mark.parametrize("stream", [False, True])
def test_secrets_do_not_leave(
    provider: SimulatedProvider, api_key: str, tmp_path: Path, *, stream: bool
) -> None:
    """Where the policy redacts the provider sees none, and the caller's answer has them."""
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    body = {"model": CHAT, "messages": [{"role": "user", "content": f"Use {secret} now"}]}
    raw = json.dumps({**body, "stream": stream}).encode()
    with serving(provider, policy_at(tmp_path, "redacts", "redact: {}\n")) as service:
        answer = post(service, "chat", api_key, raw)
        (sent,) = provider.requests(api_key)
        assert secret not in sent.raw.decode()
        if not stream:
            assert secret in answer.text
        else:
            lines = [x[6:] for x in answer.text.splitlines() if x.startswith("data: {")]
            deltas = [c["delta"] for x in lines for c in json.loads(x)["choices"]]
            assert secret in "".join(d.get("content") or "" for d in deltas)
            assert answer.text.endswith("data: [DONE]\n\n")
        refused = httpx2.post(
            service.base_url + "/embeddings", json={"model": "m", "input": secret}
        )
        assert refused.status_code == 422


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_cut_can_be_recalled(tmp_path: Path, *, stream: bool) -> None:
    """The service answers the recall tool itself: the caller sees the last answer alone."""

    def script(body: Mapping[str, Any]) -> Answer:
        text = json.dumps(body["messages"])
        if NAME in text:
            return Answer(text="Worker 100.")
        marked = [m for m in MARK.findall(text) if m != "00000000"][-1]
        return Answer(tool_calls=(ToolCall(NAME, json.dumps({"id": marked})),))

    text = "stages: [{stage: select, keep: 0.3}]\nrecall: {offer: true, max_tokens: 400}\n"
    tools = [
        {"type": "function", "function": {"name": "read_log", "parameters": {"type": "object"}}}
    ]
    body = {"model": CHAT, "messages": LONG, "tools": tools, "stream": stream}
    with (
        SimulatedProvider(answers=script) as scripted,
        serving(scripted, policy_at(tmp_path, "recalls", text)) as service,
    ):
        answer = post(service, "chat", "sk-recall", json.dumps(body).encode())
        (record,) = service.desk.ledger.records()
        assert len(scripted.requests("sk-recall")) == 2
    assert [a.status for a in record.attempts] == ["recall", "ok"]
    assert NAME not in answer.text
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        chunks = [json.loads(x[6:]) for x in answer.text.splitlines() if x.startswith("data: {")]
        said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)
        assert said == "Worker 100."
        assert not any("usage" in c for c in chunks)
    else:
        assert answer.json()["choices"][0]["message"]["content"] == "Worker 100."


def test_stored_responses_are_the_providers(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """They are read, listed and deleted by id, and what fails there fails here."""
    ours, bare = (openai_at(url, api_key) for url in (service.base_url, provider.base_url))
    made = ours.responses.create(model=CHAT, input="Hello?")
    assert ours.responses.retrieve(made.id) == bare.responses.retrieve(made.id)
    (item,) = ours.responses.input_items.list(made.id).data
    assert item.content == "Hello?"  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match="background"):
        ours.responses.cancel(made.id)
    ours.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        ours.responses.retrieve(made.id)
    assert len(records(service, api_key)) == 1
