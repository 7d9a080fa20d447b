"""The service across dialects: whoever answers, the caller gets its own SDK's types."""

from __future__ import annotations

import gc
import json
import re
import socket
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Final

import anthropic
import httpx2
import openai
import pytest
from pydantic import SecretStr

from sdk_forms import LOG, calls_in, conversation, put_together, raw_text, tool
from services import closing, policy_at, records, serving
from tokenthrift.catalog import cost, load_catalog
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.serve.settings import Upstream
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tokenthrift.serve.running import Service

# litellm leaves event loops, sockets and threads to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]
GPT: Final = "gpt-4.1"
MINI: Final = "gpt-4.1-mini"
CLAUDE: Final = "claude-haiku-4-5"
HELLO: Final[Any] = [{"role": "user", "content": "Are you there?"}]
WIRES: Final = {
    "chat": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
}
FORMS: Final = tuple(WIRES)
# Where the policy sends simple requests: to the other dialect than the caller's.
OTHER: Final = {"chat": CLAUDE, "responses": CLAUDE, "messages": MINI}
OWN: Final = {"chat": GPT, "responses": GPT, "messages": CLAUDE}
ROUTED: Final = """\
routing:
  candidates:
    - {{model: {simple}, covers: simple}}
    - {{model: {hard}, covers: expert}}
"""
MARK: Final = re.compile(r"recall ([0-9a-f]{8})\]")
LETTERS: Final = {"type": "object", "properties": {"name": {"type": "string"}}}


def key_of(model: str) -> str:
    """The service's own key for the seller of a model."""
    return f"sk-own-{'anthropic' if model == CLAUDE else 'openai'}"


def keyed(provider: SimulatedProvider) -> tuple[Upstream, ...]:
    """The simulated provider as both sellers, with the service's own keys."""
    url, keys = provider.base_url, [SecretStr(key_of(model)) for model in (GPT, CLAUDE)]
    return (
        Upstream(name="openai", base_url=url, key=keys[0]),
        Upstream(name="anthropic", base_url=url, speaks="anthropic", key=keys[1]),
    )


@pytest.fixture(scope="module")
def service(provider: SimulatedProvider, tmp_path_factory: Any) -> Iterator[Service]:
    """One service with keys of its own for both providers."""
    folder: Path = tmp_path_factory.mktemp("policies")
    policies = [
        policy_at(folder, "to-claude", ROUTED.format(simple=CLAUDE, hard=GPT)),
        policy_at(folder, "to-gpt", ROUTED.format(simple=MINI, hard=CLAUDE)),
    ]
    with serving(provider, *policies, "off", upstreams=keyed(provider)) as running:
        yield running
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(autouse=True)
def _provider_forgets(provider: SimulatedProvider) -> Iterator[None]:
    """The service's keys are those of every test here."""
    yield
    for model in (GPT, CLAUDE):
        provider.forget(key_of(model))
        provider.set_faults(key_of(model))


OPEN: list[openai.OpenAI | anthropic.Anthropic] = []
_clients_are_closed = closing(OPEN)


def headers(form: str, api_key: str, policy: str = "") -> dict[str, str]:
    """The headers of a test's calls, under the policy that crosses."""
    crossing = "to-gpt" if form == "messages" else "to-claude"
    return {
        "x-tokenthrift-tags": f"test={api_key}",
        "x-tokenthrift-policy": policy or crossing,
    }


def client_at(url: str, form: str, api_key: str, policy: str = "") -> Any:
    """The real SDK of a form."""
    kind: Any = anthropic.Anthropic if form == "messages" else openai.OpenAI
    base = url if form != "messages" else url.removesuffix("/v1")
    given = headers(form, api_key, policy)
    made = kind(base_url=base, api_key=api_key, max_retries=0, default_headers=given)
    OPEN.append(made)
    return made


def asked(client: Any, form: str, model: str = "", **more: Any) -> Any:
    """One call of a form."""
    model = model or OWN[form]
    if form == "chat":
        return client.chat.completions.create(model=model, messages=HELLO, **more)
    if form == "responses":
        return client.responses.create(model=model, input="Are you there?", store=False, **more)
    return client.messages.create(model=model, messages=HELLO, max_tokens=64, **more)


def body_of(form: str, **more: Any) -> tuple[str, dict[str, Any]]:
    """Path and body of one call of a form."""
    paths = {"chat": "/chat/completions", "responses": "/responses", "messages": "/messages"}
    body: dict[str, Any] = {"model": OWN[form], "messages": HELLO}
    if form == "messages":
        body["max_tokens"] = 64
    if form == "responses":
        body = {"model": OWN[form], "input": "Are you there?", "store": False}
    return paths[form], {**body, **more}


def post(service: Service, form: str, api_key: str, policy: str = "", **more: Any) -> Any:
    """The same as plain JSON."""
    path, body = body_of(form, **more)
    given = {"authorization": f"Bearer {api_key}", "x-api-key": api_key}
    return httpx2.post(
        service.base_url + path, json=body, headers=given | headers(form, api_key, policy)
    )


def until(what: Callable[[], Any]) -> Any:
    """Wait until something is there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def text_of(form: str, answer: Any) -> str:
    """The text of an answer of a form."""
    if form == "chat":
        return str(answer.choices[0].message.content)
    return str(answer.output_text if form == "responses" else answer.content[0].text)


def plain(events: Any) -> list[Any]:
    """Events as plain data."""
    return [e.to_dict(mode="json", warnings=False) for e in events]


@pytest.mark.parametrize("form", FORMS)
def test_answers_of_others_are_of_the_callers_dialect(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """The other seller's model answers; the SDK gets its own type, and the bill is what it was."""
    client = client_at(service.base_url, form, api_key)
    answer = asked(client, form)
    bare = asked(client_at(provider.base_url, form, api_key), form)
    assert type(answer) is type(bare)
    assert bare.to_dict().keys() - answer.to_dict().keys() <= {"service_tier", "system_fingerprint"}
    assert text_of(form, answer).startswith(f"[simulated] {OTHER[form]} read 1 messages")
    (sent,) = provider.requests(key_of(OTHER[form]))
    assert sent.path == ("/v1/chat/completions" if form == "messages" else "/v1/messages")
    (record,) = records(service, api_key)
    assert (record.status, record.wire, record.model_chosen) == ("ok", WIRES[form], OTHER[form])
    price = cost(sent.usage, load_catalog().require(OTHER[form]))
    assert price is not None
    assert record.savings.basis == "measured"
    assert record.savings.actual_nanos == price.nanos


@pytest.mark.parametrize("form", FORMS)
def test_streams_of_others_are_of_the_callers_dialect(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """Events make up one well-formed stream, with its usage, and the ledger knows what it cost."""
    more = {"stream_options": {"include_usage": True}} if form == "chat" else {}
    stream = asked(client_at(service.base_url, form, api_key), form, stream=True, **more)
    events = list(stream)
    whole = put_together(WIRES[form], plain(events))
    assert OTHER[form] in json.dumps(whole)
    bare = asked(client_at(provider.base_url, form, api_key), form, stream=True, **more)
    assert {type(e) for e in bare} <= {type(e) for e in events}
    (sent,) = provider.requests(key_of(OTHER[form]))
    (record,) = records(service, api_key)
    assert (record.status, record.streamed) == ("ok", True)
    price = cost(sent.usage, load_catalog().require(OTHER[form]))
    assert price is not None
    assert record.savings.actual_nanos == price.nanos
    assert record.attempts[0].time_to_first_chunk_ms is not None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("400", 400, "BadRequestError"),
        ("429:2", 429, "RateLimitError"),
        ("500", 500, "InternalServerError"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_errors_of_others_are_of_the_callers_dialect(
    service: Service,
    provider: SimulatedProvider,
    api_key: str,
    *,
    form: str,
    fault: str,
    status: int,
    name: str,
    stream: bool,
) -> None:
    """Status, shape and retry-after are those of the caller's dialect; nothing is tried again."""
    provider.set_faults(key_of(OTHER[form]), fault)
    provider.set_faults(key_of(OWN[form]), fault)
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
        asked(client_at(service.base_url, form, api_key), form, stream=stream)
    assert (type(raised.value).__name__, raised.value.status_code) == (name, status)
    said = raised.value.response.json()
    assert (said.get("type") == "error") == (form == "messages")
    assert said["error"]["message"]
    (record,) = records(service, api_key)
    assert record.status == "error"
    assert record.attempts[0].error == name
    assert raised.value.response.headers["x-tokenthrift-record"] == record.record_id
    assert (raised.value.response.headers.get("retry-after") == "2") == (fault == "429:2")


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_of_others_that_is_cut(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """The caller's stream breaks as the provider's did, and is recorded as broken, once."""
    provider.set_faults(key_of(OTHER[form]), "broken_stream:6")
    stream = asked(client_at(service.base_url, form, api_key), form, stream=True)
    seen = [next(stream)]
    with pytest.raises((openai.APIError, anthropic.APIError, httpx2.TransportError)):
        seen.extend(stream)
    (record,) = records(service, api_key)
    assert (record.status, record.error) == ("error", "APIConnectionError")


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_of_others_that_is_cut(
    service: Service, provider: SimulatedProvider, api_key: str, form: str
) -> None:
    """Fallback comes back to the caller's own seller."""
    provider.set_faults(key_of(OTHER[form]), "broken_stream:3")
    answer = asked(client_at(service.base_url, form, api_key), form)
    assert OWN[form] in text_of(form, answer)
    (record,) = records(service, api_key)
    assert [a.status for a in record.attempts] == ["error", "ok"]
    assert record.attempts[0].error == "APIConnectionError"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_the_callers_own_choice_crosses(
    service: Service, provider: SimulatedProvider, api_key: str, *, form: str, stream: bool
) -> None:
    """A model that its caller's dialect does not reach is asked for all the same, policy or not."""
    client = client_at(service.base_url, form, api_key, "off")
    answer = asked(client, form, OTHER[form], stream=stream)
    if stream:
        assert list(answer)
    (sent,) = provider.requests(key_of(OTHER[form]))
    assert sent.model == OTHER[form]
    (record,) = records(service, api_key)
    assert (record.status, record.policy) == ("ok", "off")


# --------------------------------------------------------------------------------- what stays
@pytest.mark.parametrize(
    ("form", "own", "why"),
    [
        ("chat", {"logprobs": True}, "'logprobs'"),
        ("responses", {"store": True}, "store=False"),
        ("messages", {"stop_sequences": ["END"]}, "'stop_sequences'"),
    ],
)
def test_what_cannot_be_said_elsewhere_stays(
    service: Service,
    provider: SimulatedProvider,
    api_key: str,
    *,
    form: str,
    own: dict[str, Any],
    why: str,
) -> None:
    """The caller's own seller serves it, and the verdict says what kept it there."""
    assert post(service, form, api_key, **own).status_code == 200
    assert provider.requests(key_of(OTHER[form])) == ()
    (record,) = records(service, api_key)
    assert record.decision is not None
    (verdict,) = (v for v in record.decision.verdicts if v["model"] == OTHER[form])
    assert verdict["refused"] == ["crossing"]
    assert why in verdict["reason"]


@pytest.mark.parametrize("form", FORMS)
def test_without_litellm_nothing_crosses(
    service: Service,
    provider: SimulatedProvider,
    api_key: str,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """Where it is not installed, that is the verdict; whoever asks for such a model is told so."""
    monkeypatch.setitem(sys.modules, "litellm", None)
    assert post(service, form, api_key).status_code == 200
    assert provider.requests(key_of(OTHER[form])) == ()
    (record,) = records(service, api_key)
    assert record.decision is not None
    (verdict,) = (v for v in record.decision.verdicts if v["model"] == OTHER[form])
    assert verdict["refused"] == ["crossing"]
    assert "litellm" in verdict["reason"]
    asked_for = post(service, form, api_key, "off", model=OTHER[form])
    assert asked_for.status_code == 422
    assert "not installed" in asked_for.json()["error"]["message"]


@pytest.mark.parametrize("form", FORMS)
def test_without_a_key_nothing_crosses(
    provider: SimulatedProvider, api_key: str, tmp_path: Path, form: str
) -> None:
    """Callers' keys are for their own provider; without one of the service's, a seller is out."""
    simple, hard = OTHER[form], OWN[form]
    policy = policy_at(tmp_path, "crossing", ROUTED.format(simple=simple, hard=hard))
    with serving(provider, policy, "off") as keyless:
        assert post(keyless, form, api_key, "crossing").status_code == 200
        (record,) = records(keyless, api_key)
        assert record.decision is not None
        (verdict,) = (v for v in record.decision.verdicts if v["model"] == OTHER[form])
        variable = "OPENAI_API_KEY" if form == "messages" else "ANTHROPIC_API_KEY"
        assert (verdict["refused"], variable in verdict["reason"]) == (["crossing"], True)
        refused = post(keyless, form, api_key, "off", model=OTHER[form])
        assert (refused.status_code, variable in refused.text) == (422, True)
    assert {entry.model for entry in provider.requests(api_key)} == {OWN[form]}


def test_what_cannot_be_said_and_was_asked_for_is_refused(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """A model of another dialect, asked for with what that has no words for, is a 422."""
    answer = post(service, "chat", api_key, "off", model=CLAUDE, logprobs=True)
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "BridgeError"
    assert "'logprobs'" in answer.json()["error"]["message"]
    assert provider.requests(key_of(CLAUDE)) == ()


# ------------------------------------------------------------------------------- calls that leave
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_caller_that_leaves(
    service: Service, provider: SimulatedProvider, api_key: str, *, form: str, stream: bool
) -> None:
    """The provider's answer is given up, and the record says cancelled."""
    provider.set_faults(key_of(OTHER[form]), "drip:5" if stream else "timeout:60")
    host, port = service.root_url.removeprefix("http://").split(":")
    path, body = body_of(form, stream=stream)
    raw = json.dumps(body).encode()
    given = {"content-length": str(len(raw)), "host": "x", "x-api-key": api_key}
    lines = [f"POST /v1{path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items())]
    lines += [f"{k}: {v}" for k, v in headers(form, api_key).items()]
    with socket.create_connection((host, int(port)), 20) as caller:
        caller.sendall("\r\n".join([*lines, "", ""]).encode() + raw)
        until(lambda: provider.requests(key_of(OTHER[form])))
        if stream:
            assert caller.recv(4_096)
    (record,) = until(lambda: records(service, api_key))
    assert (record.status, record.streamed) == ("cancelled", stream)
    assert until(lambda: service.desk.under_way == 0)


# ------------------------------------------------------------------------------------ whole loops
async def test_an_agent_on_messages_works_on_other_models(
    service: Service, provider: SimulatedProvider, api_key: str
) -> None:
    """Calls, results and recalls cross both ways, awaited and streamed, in one conversation."""
    given = headers("messages", api_key)
    tools: Any = [{"name": "read_log", "input_schema": LETTERS}]
    async with anthropic.AsyncAnthropic(
        base_url=service.root_url, api_key=api_key, max_retries=0, default_headers=given
    ) as client:
        asks: Any = {"model": CLAUDE, "max_tokens": 500, "tools": tools}
        call: Any = {"type": "tool", "name": "read_log"}
        messages: list[Any] = [{"role": "user", "content": "Which worker stored item 700?"}]
        async with client.messages.stream(**asks, messages=messages, tool_choice=call) as stream:
            first = await stream.get_final_message()
        assert first.stop_reason == "tool_use"
        (block,) = [b for b in first.content if b.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": block.id, "content": LOG}
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [result]},
        ]
        second = await client.messages.create(**asks, messages=messages)
    assert MINI in second.content[0].text  # type: ignore[union-attr]
    sent = provider.requests(key_of(MINI))
    assert [entry.path for entry in sent] == ["/v1/chat/completions"] * 2
    assert json.loads(sent[1].raw)["messages"][1]["tool_calls"][0]["id"] == block.id
    both = records(service, api_key)
    assert [r.model_chosen for r in both] == [MINI] * 2
    assert [r.status for r in both] == ["ok"] * 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_recalls_cross(tmp_path: Path, *, form: str, stream: bool) -> None:
    """What was cut is fetched back for a model of the other dialect; the caller sees no call."""

    def script(body: Mapping[str, Any]) -> Answer:
        text = json.dumps(body["messages"])
        if NAME in text:
            return Answer(text="Worker 100.")
        marked = [m for m in MARK.findall(text) if m != "00000000"][-1]
        return Answer(tool_calls=(ToolCall(NAME, json.dumps({"id": marked})),))

    wire = WIRES[form]
    stages = "stages: [{stage: select, keep: 0.3}]\nrecall: {offer: true, max_tokens: 400}\n"
    routing = ROUTED.format(simple=OTHER[form], hard=OWN[form]).replace("simple}", "expert}")
    key = "input" if form == "responses" else "messages"
    path, body = body_of(form, tools=[tool(wire)], stream=stream, **{key: conversation(wire)})
    with (
        SimulatedProvider(answers=script) as scripted,
        serving(
            scripted, policy_at(tmp_path, "recalls", stages + routing), upstreams=keyed(scripted)
        ) as service,
    ):
        answer = httpx2.post(service.base_url + path, json=body, headers={"x-api-key": "k"})
        assert answer.status_code == 200, answer.text
        (record,) = service.desk.ledger.records()
        assert len(scripted.requests(key_of(OTHER[form]))) == 2
    assert [a.status for a in record.attempts] == ["recall", "ok"]
    assert {a.model for a in record.attempts} == {OTHER[form]}
    said = [json.loads(x[6:]) for x in answer.text.splitlines() if x.startswith("data: {")]
    whole = put_together(wire, said) if stream else answer.json()
    assert raw_text(wire, whole) == "Worker 100."
    assert calls_in(wire, whole) == ()
