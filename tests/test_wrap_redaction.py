"""Redaction through wrapped SDKs and real sockets: providers see placeholders, callers never do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest
from openai.lib.streaming.chat import ContentDoneEvent
from pydantic import BaseModel, Field

import tokenthrift
from litellm_clients import close_litellm
from made_secrets import made
from tokenthrift import wire
from tokenthrift.client import planner as planner_module
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.errors import WireError
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODEL: Final = "gpt-4o-mini"
MODES: Final = ("sync", "async", "sync-stream", "async-stream")
PASSWORD: Final = 'q"7\\w\nz99'  # what must be escaped in JSON
KEY: Final = made("github", 7)[0]
POLICY: Final[dict[str, Any]] = {
    "version": 1,
    "redact": {"patterns": {"odd": r"odd: (.*\n\w+)"}},
}
ASKED: Final = [{"role": "user", "content": f"Use {KEY} and odd: {PASSWORD}."}]
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "log_in",
        "parameters": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "password": {"type": "string"}},
        },
    },
}
ARGUMENTS: Final = {"key": KEY, "password": PASSWORD}


@dataclass
class Model:
    """What the simulated model says to a body; by default it repeats the last user text."""

    says: Callable[[Mapping[str, Any]], Answer] | None = None

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        """The answer to a body."""
        if self.says is not None:
            return self.says(body)
        texts = [m["content"] for m in body["messages"] if m["role"] == "user"]
        return Answer(text=f"You said: {texts[-1]} {'x' * 17}{texts[-1].split()[1]}")


SAYS = Model()


@pytest.fixture(scope="module")
def scripted() -> Iterator[SimulatedProvider]:
    """A provider whose answers `SAYS` gives."""
    with SimulatedProvider(answers=SAYS) as running:
        yield running


@pytest.fixture
def key(request: pytest.FixtureRequest, scripted: SimulatedProvider) -> Iterator[str]:
    """An API key of the test's own, and a model that repeats what it is told."""
    SAYS.says = None
    name = f"sk-{abs(hash(request.node.nodeid))}"
    yield name
    scripted.forget(name)


@pytest.fixture
def bare(scripted: SimulatedProvider, key: str) -> Iterator[openai.OpenAI]:
    """An SDK client."""
    with openai.OpenAI(base_url=scripted.base_url, api_key=key, max_retries=0) as made_client:
        yield made_client


@dataclass
class Seen:
    """What the caller saw."""

    text: str
    calls: list[str]
    record: Any


async def asked(
    scripted: SimulatedProvider, key: str, mode: str, policy: Any = POLICY, **body: Any
) -> Seen:
    """One call in one of the four ways."""
    options: Any = {"base_url": scripted.base_url, "api_key": key, "max_retries": 0}
    body = {"model": MODEL, "messages": ASKED, **body}
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            return whole(tokenthrift.wrap(bare, policy).chat.completions.create(**body))
    if mode == "async":
        async with openai.AsyncOpenAI(**options) as bare:
            return whole(await tokenthrift.wrap(bare, policy).chat.completions.create(**body))
    body["stream"] = True
    if mode == "sync-stream":
        with openai.OpenAI(**options) as bare:
            stream = tokenthrift.wrap(bare, policy).chat.completions.create(**body)
            return put_together(stream, list(stream))
    async with openai.AsyncOpenAI(**options) as bare:
        stream = await tokenthrift.wrap(bare, policy).chat.completions.create(**body)
        return put_together(stream, [chunk async for chunk in stream])


def whole(answer: Any) -> Seen:
    """An answer that came at once."""
    message = answer.choices[0].message
    calls = [c.function.arguments for c in message.tool_calls or ()]
    return Seen(message.content or "", calls, tokenthrift.receipt_of(answer).record)


def put_together(stream: Any, chunks: list[Any]) -> Seen:
    """An answer that came in chunks."""
    text, calls = "", {}
    for choice in (c for chunk in chunks for c in chunk.choices):
        text += choice.delta.content or ""
        for call in choice.delta.tool_calls or ():
            calls[call.index] = calls.get(call.index, "") + (call.function.arguments or "")
    return Seen(text, list(calls.values()), tokenthrift.receipt_of(stream).record)


def check_nothing_left(scripted: SimulatedProvider, key: str, *records: Any) -> None:
    """No secret was sent, and none is in a record."""
    for entry in scripted.requests(key):
        text = entry.raw.decode()
        assert KEY not in text
        assert json.dumps(PASSWORD)[1:-1] not in text
    for record in records:
        assert KEY not in record.model_dump_json()


@pytest.mark.parametrize("mode", MODES)
async def test_answers_have_the_secrets_back(scripted, key, mode):
    """The provider reads and says placeholders; the caller sees what they stand for."""
    seen = await asked(scripted, key, mode)
    (entry,) = scripted.requests(key)
    assert entry.body["messages"][0]["content"] == "Use [secret-1] and odd: [secret-2]."
    said = ASKED[0]["content"]
    assert seen.text == f"You said: {said} {'x' * 17}{KEY}"
    check_nothing_left(scripted, key, seen.record)
    (step,) = seen.record.steps
    assert (step.stage, step.edits) == ("redact", 1)
    assert seen.record.counted_sent_tokens == entry.usage.input_tokens
    assert seen.record.attempts[0].output_tokens == entry.usage.output_tokens


@pytest.mark.parametrize("mode", MODES)
async def test_tools_are_called_with_the_secrets(scripted, key, mode):
    """Arguments are JSON with the secrets in them, escaped; the next turn is redacted alike."""
    placed = json.dumps({"key": "[secret-1]", "password": "[secret-2]"})
    SAYS.says = lambda _: Answer(tool_calls=(ToolCall("log_in", placed),))
    seen = await asked(scripted, key, mode, tools=[TOOL])
    assert [json.loads(a) for a in seen.calls] == [ARGUMENTS]
    SAYS.says = None
    call = {"name": "log_in", "arguments": seen.calls[0]}
    history = [
        *ASKED,
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "c", "content": f"Welcome, {KEY}"},
    ]
    await asked(scripted, key, mode, tools=[TOOL], messages=history)
    first, second = (e.body["messages"] for e in scripted.requests(key))
    assert second[: len(first)] == first
    assert second[1]["tool_calls"][0]["function"]["arguments"] == placed
    check_nothing_left(scripted, key)


@pytest.mark.parametrize("mode", MODES)
async def test_a_recall_goes_on_with_placeholders(scripted, key, mode):
    """What a model has back, and the exchange around it, is as redacted as the rest."""
    lines = [f"{n} stored by {KEY} of tenant {n % 7}" for n in range(300)]
    policy = {
        **POLICY,
        "stages": [{"stage": "select", "keep": 0.2, "min_tokens": 50}],
        "recall": {"offer": True, "max_tokens": 300},
    }

    def says(body: Mapping[str, Any]) -> Answer:
        if len(body["messages"]) == 3:
            mark = json.dumps(body["messages"]).rpartition("recall ")[2][:8]
            wish = json.dumps({"id": mark, "query": "[secret-1]"})
            return Answer(text="I look for [secret-1]. ", tool_calls=(ToolCall(NAME, wish),))
        return Answer(text="It is [secret-1].")

    SAYS.says = says
    call = {"id": "c", "type": "function", "function": {"name": "log", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Who stored 17?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "\n".join(lines)},
    ]
    seen = await asked(scripted, key, mode, policy, messages=messages, tools=[TOOL])
    assert seen.text.endswith(f"It is {KEY}.")
    assert "[secret" not in seen.text
    _, second = scripted.requests(key)
    assert "[secret-1]" in second.body["messages"][-1]["content"]
    check_nothing_left(scripted, key, seen.record)
    assert [a.status for a in seen.record.attempts] == ["recall", "ok"]


def test_the_store_never_holds_a_secret(scripted, key, bare, tmp_path):
    """What was cut lies in the store as it was sent; ledger and store are files without it."""
    text = "\n".join(f"line {n} with {KEY}" for n in range(400))
    policy = tmp_path / "policy.json"
    rules = {
        **POLICY,
        "stages": [{"stage": "select", "keep": 0.2, "min_tokens": 50}],
        "recall": {"store": "recall.sqlite"},
    }
    policy.write_text(json.dumps(rules))
    client = tokenthrift.wrap(bare, policy, ledger=tmp_path / "ledger.sqlite")
    messages = [{"role": "user", "content": f"{text}\n\nWhich line?"}]
    answer = client.chat.completions.create(model=MODEL, messages=messages)
    omitted = tokenthrift.receipt_of(answer).plan.omitted
    (recall_id,) = omitted
    account = tokenthrift.account_of(client)
    assert "[secret-1]" in str(account.recall_store.get(recall_id))
    assert KEY not in str(account.recall_store.get(recall_id))
    account.recall_store.close()
    account.ledger.close()
    for file in tmp_path.glob("*.sqlite*"):
        assert KEY.encode() not in file.read_bytes()


class Login(BaseModel):
    """What a model is to say; no placeholder would pass."""

    key: str = Field(pattern="^ghp_")
    password: str


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_parsed_answers_are_the_callers_own(scripted, key, mode):
    """``parse`` validates what the caller gets: the text with its secrets, as JSON."""
    placed = json.dumps({"key": "[secret-1]", "password": "[secret-2]"})
    SAYS.says = lambda _: Answer(text=placed)
    options: Any = {"base_url": scripted.base_url, "api_key": key, "max_retries": 0}
    given = {"model": MODEL, "messages": ASKED, "response_format": Login}
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            answer = tokenthrift.wrap(bare, POLICY).chat.completions.parse(**given)
    else:
        async with openai.AsyncOpenAI(**options) as bare:
            answer = await tokenthrift.wrap(bare, POLICY).chat.completions.parse(**given)
    assert answer.choices[0].message.parsed == Login(**ARGUMENTS)
    assert json.loads(answer.choices[0].message.content) == ARGUMENTS
    assert tokenthrift.receipt_of(answer).record.status == "ok"
    check_nothing_left(scripted, key)


def test_a_parser_that_refuses_raises_its_own_error(scripted, key, bare):
    """The answer was paid for, and the caller gets the SDK's error with it."""
    SAYS.says = lambda _: Answer(text='{"key": "[secret-1]", "pass', finish_reason="length")
    client = tokenthrift.wrap(bare, POLICY)
    with pytest.raises(openai.LengthFinishReasonError) as raised:
        client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=Login)
    assert KEY in raised.value.completion.choices[0].message.content
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.status == "error"
    assert record.attempts[0].output_tokens > 0


def test_the_sdks_stream_helper_reads_restored_chunks(scripted, key, bare):
    """``stream`` puts together and parses what the caller is to see."""
    placed = json.dumps({"key": "[secret-1]", "password": "[secret-2]"})
    SAYS.says = lambda _: Answer(text=placed)
    client = tokenthrift.wrap(bare, POLICY)
    given = {"model": MODEL, "messages": ASKED, "response_format": Login}
    with client.chat.completions.stream(**given) as stream:
        events = list(stream)
    done = [e for e in events if isinstance(e, ContentDoneEvent)]
    assert done[0].parsed == Login(**ARGUMENTS)


def test_raw_answers_are_restored_and_raw_streams_are_only_redacted(scripted, key, bare):
    """What is read byte by byte cannot be restored, but nothing leaves with it."""
    client = tokenthrift.wrap(bare, POLICY)
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
    assert KEY in raw.parse().choices[0].message.content
    assert KEY in json.loads(raw.http_response.content)["choices"][0]["message"]["content"]
    streaming = client.chat.completions.with_streaming_response
    with streaming.create(model=MODEL, messages=ASKED) as response:
        assert "[secret-1]" in response.read().decode()
    assert len(scripted.requests(key)) == 2
    check_nothing_left(scripted, key)


def test_a_refused_body_is_sent_again_without_secrets(scripted, key, bare):
    """Where the provider refuses the tool, the body goes as given, but never with its secrets."""
    policy = {**POLICY, "stages": [{"stage": "select"}], "recall": {"offer": True}}
    scripted.set_faults(key, "400,times=1")
    client = tokenthrift.wrap(bare, policy)
    answer = client.chat.completions.create(model=MODEL, messages=ASKED, tools=[TOOL])
    assert KEY in answer.choices[0].message.content
    first, second = scripted.requests(key)
    assert len(first.body["tools"]) == 2
    assert len(second.body["tools"]) == 1
    check_nothing_left(scripted, key)


def test_a_fault_of_ours_does_not_let_a_secret_out(scripted, key, bare, monkeypatch):
    """A plan that breaks is replaced by one that redacts only, and the record says so."""
    real = planner_module.plan

    def broken(request: Any, policy: Any, **more: Any) -> Any:
        if policy.stages:
            raise RuntimeError("no")
        return real(request, policy, **more)

    monkeypatch.setattr(planner_module, "plan", broken)
    client = tokenthrift.wrap(bare, {**POLICY, "stages": [{"stage": "json"}]})
    answer = client.chat.completions.create(model=MODEL, messages=ASKED)
    assert KEY in answer.choices[0].message.content
    record = tokenthrift.receipt_of(answer).record
    assert [(s.stage, s.error) for s in record.steps] == [("redact", ""), ("plan", "RuntimeError")]
    check_nothing_left(scripted, key, record)


def test_a_body_that_cannot_be_read_is_refused(scripted, key, bare):
    """It may hold anything, so it is the caller's error instead of the provider's."""
    client = tokenthrift.wrap(bare, POLICY)
    messages: Any = [{"role": "nobody", "content": KEY}]
    with pytest.raises(WireError, match="unknown role"):
        client.chat.completions.create(model=MODEL, messages=messages)
    assert not scripted.requests(key)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.error == "WireError"


def test_without_secrets_nothing_is_different(scripted, key, bare):
    """A body without secrets goes out as the caller's own object."""
    messages = [{"role": "user", "content": "Say hello there"}]
    client = tokenthrift.wrap(bare, POLICY)
    answer = client.chat.completions.create(model=MODEL, messages=messages)
    plan = tokenthrift.receipt_of(answer).plan
    assert plan.body is plan.request.body
    assert tokenthrift.receipt_of(answer).record.steps == ()
    assert wire.read(plan.body).messages == plan.request.messages


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
async def test_litellm_is_served_by_the_same_path(scripted, key, mode):
    """Answers of litellm's own types have the secrets back, its own arguments are as given."""
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_aiohttp_transport = True
    client = tokenthrift.wrap(litellm, POLICY)
    given: Any = {
        "model": f"openai/{MODEL}",
        "messages": ASKED,
        "api_base": scripted.base_url,
        "api_key": key,
        "max_retries": 0,
        "stream": mode.endswith("stream"),
    }
    if mode.startswith("async"):
        answer = await client.acompletion(**given)
        if mode == "async-stream":
            seen = put_together(answer, [chunk async for chunk in answer])
        else:
            seen = whole(answer)
    else:
        answer = client.completion(**given)
        seen = put_together(answer, list(answer)) if given["stream"] else whole(answer)
    assert seen.text == f"You said: {ASKED[0]['content']} {'x' * 17}{KEY}"
    check_nothing_left(scripted, key, seen.record)
    await close_litellm()
