"""Parity of every call form: a wrapped SDK gives the types and the text that the bare one gives."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

import tokenthrift
from sdk_forms import (
    CHAT,
    FORMS,
    MESSAGES,
    MODELS,
    RESPONSES,
    STREAMED,
    WIRES,
    asked,
    body_of,
    client_of,
    conversation,
)
from tokenthrift.catalog import cost, load_catalog

if TYPE_CHECKING:
    from tokenthrift.serve.simulated import SimulatedProvider

MODES = ("sync", "async")
POLICIES = ("off", "balanced")
OFFERED: dict[str, Any] = {
    "version": 1,
    "stages": [{"stage": "select", "keep": 0.3}],
    "recall": {"offer": True},
}
BYTES = "streaming"  # what is read raw as it comes


@pytest.mark.parametrize("policy", [*POLICIES, OFFERED], ids=["off", "balanced", "offered"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_a_wrapped_call_is_the_bare_one(
    provider: SimulatedProvider, api_key: str, form: Any, mode: str, policy: Any
) -> None:
    """Same types, text, finish, chunks; a record of what the provider truly used."""
    plain = await asked(provider, form, mode, None, f"{api_key}-bare")
    seen = await asked(provider, form, mode, policy, api_key)
    true = provider.totals(api_key)
    assert (seen.kinds, seen.text, seen.finish) == (plain.kinds, plain.text, plain.finish)
    assert (len(seen.dumps), plain.receipt) == (len(plain.dumps), None)
    if policy == "off":
        assert seen.dumps == plain.dumps
        (bare,), (sent,) = provider.requests(f"{api_key}-bare"), provider.requests(api_key)
        assert sent.raw == bare.raw
    provider.forget(f"{api_key}-bare")
    if form == (CHAT, "stream"):  # the SDK's helper keeps the stream to itself
        return
    record = seen.receipt.record
    (attempt,) = record.attempts
    assert (record.status, record.wire) == ("ok", form[0])
    assert record.streamed == (form[1] in STREAMED)
    assert attempt.estimated == (policy == "off" and form == (CHAT, "chunks"))
    assert attempt.usage.input_tokens == true.input_tokens
    assert attempt.usage.output_tokens == true.output_tokens
    price = cost(true, load_catalog().require(MODELS[form[0]]))
    assert price is not None
    assert attempt.cost_nanos == price.nanos


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", [f for f in FORMS if f[1] not in ("parse", BYTES)], ids="-".join)
async def test_tool_calls_are_the_bare_ones(
    provider: SimulatedProvider, api_key: str, form: Any, mode: str
) -> None:
    """Names, arguments and the reason to end arrive as they do without the wrapper."""
    order = {"x-simulate-tool-calls": '[{"name": "read_log", "arguments": {"name": "other"}}]'}
    plain = await asked(provider, form, mode, None, f"{api_key}-bare", extra_headers=order)
    seen = await asked(provider, form, mode, OFFERED, api_key, extra_headers=order)
    provider.forget(f"{api_key}-bare")
    assert seen.calls == plain.calls == (("read_log", '{"name": "other"}'),)
    assert (seen.kinds, seen.finish) == (plain.kinds, plain.finish)


@pytest.mark.parametrize("wire", WIRES)
def test_less_is_sent_and_the_whole_is_saved(
    provider: SimulatedProvider, api_key: str, wire: str
) -> None:
    """The provider receives less on every wire; the record says what that saved."""
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare)
        for way in ("create", "chunks"):
            _ = list(_ask(client, wire, way))
    sent = provider.requests(api_key)
    assert all(len(e.raw) < 0.8 * len(json.dumps(conversation(wire))) for e in sent)
    for record in tokenthrift.account_of(client).ledger.records():
        assert record.counted_sent_tokens < 0.8 * record.counted_baseline_tokens
        assert record.savings.net_nanos > 0
        assert record.savings.basis == "measured"


def _ask(client: Any, wire: str, way: str, **more: Any) -> Any:
    body = body_of(wire, stream=way == "chunks", **more)
    if wire == CHAT:
        made = client.chat.completions.create(**body)
    else:
        made = (client.responses if wire == RESPONSES else client.messages).create(**body)
    return made if way == "chunks" else [made]


@pytest.mark.parametrize("wire", WIRES)
def test_with_options_stays_wrapped(provider: SimulatedProvider, api_key: str, wire: str) -> None:
    """Copies are of the same class, on the same ledger; the caller's own client is as it was."""
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare)
        other = client.with_options(timeout=20).copy(max_retries=1)
        assert isinstance(other, type(bare))
        assert (other.max_retries, other.timeout) == (1, 20)
        (answer,) = _ask(other, wire, "create")
        assert tokenthrift.receipt_of(answer).record is not None
        assert tokenthrift.account_of(client).ledger.count() == 1
        (answer,) = _ask(bare, wire, "create")
        assert not hasattr(answer, "tokenthrift")
        with pytest.raises(TypeError, match="wrapped already"):
            tokenthrift.wrap(other)


def test_anthropic_counts_pass_through(provider: SimulatedProvider, api_key: str) -> None:
    """``count_tokens`` counts what the caller gives it, and is no call."""
    with client_of(provider, MESSAGES, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare)
        body = {k: v for k, v in body_of(MESSAGES).items() if k != "max_tokens"}
        assert client.messages.count_tokens(**body) == bare.messages.count_tokens(**body)
        assert tokenthrift.account_of(client).ledger.count() == 0


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_beta_is_planned_alike(
    provider: SimulatedProvider, api_key: str, *, stream: bool
) -> None:
    """``beta.messages`` gives its own types, and is recorded."""
    with client_of(provider, MESSAGES, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare)
        body = body_of(MESSAGES, stream=stream)
        plain, answer = bare.beta.messages.create(**body), client.beta.messages.create(**body)
        if stream:
            kinds = [[type(e) for e in made] for made in (plain, answer)]
            assert kinds[0] == kinds[1]
        else:
            assert type(answer) is type(plain)
        record = tokenthrift.receipt_of(answer).record
    assert record is not None
    assert record.savings.net_nanos > 0
    assert record.attempts[0].input_tokens == provider.requests(api_key)[-1].usage.input_tokens


def test_a_clients_credentials_stay_with_its_copies() -> None:
    """Anthropic's copies ask for their own class, so that no credential is lost on the way."""
    with anthropic.Anthropic(auth_token="t", base_url="http://127.0.0.1") as bare:
        copied = tokenthrift.wrap(bare).with_options(timeout=3)
        assert (copied.api_key, copied.auth_token) == (bare.api_key, "t")


@pytest.mark.parametrize("name", ["AnthropicBedrock", "AsyncAnthropicBedrock"])
def test_clients_of_clouds_keep_their_class(name: str) -> None:
    """A wrapped Bedrock client is a Bedrock client, and its models are Bedrock's."""
    keys: Any = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
    bare = getattr(anthropic, name)(**keys)
    wrapped = tokenthrift.wrap(bare).with_options(timeout=3)
    assert isinstance(wrapped, getattr(anthropic, name))
    assert tokenthrift.account_of(wrapped).policy.name == "balanced"


@pytest.mark.parametrize("wire", WIRES)
def test_blocks_of_an_answer_go_back_as_objects(
    provider: SimulatedProvider, api_key: str, wire: str
) -> None:
    """SDKs take their own objects, generators and tuples in bodies; the plan reads them."""
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, OFFERED)
        order = {"x-simulate-tool-calls": "read_log"}
        (answer,) = _ask(client, wire, "create", extra_headers=order)
        said = conversation(wire)
        if wire == CHAT:
            message = answer.choices[0].message
            back = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "ok"}
            said = [*said, message, back]
        elif wire == RESPONSES:
            output = {"type": "function_call_output", "output": "ok"}
            said = [*said, *answer.output, {**output, "call_id": answer.output[-1].call_id}]
        else:
            result = {"type": "tool_result", "tool_use_id": answer.content[-1].id, "content": "ok"}
            said = [*said, {"role": "assistant", "content": answer.content}]
            said = [*said, {"role": "user", "content": (b for b in [result])}]
        (second,) = _ask(client, wire, "create", messages=said)
    records = list(tokenthrift.account_of(client).ledger.records())
    assert [(r.status, [s.error for s in r.steps if s.error]) for r in records] == [("ok", [])] * 2
    assert tokenthrift.receipt_of(second).plan is not None


# ------------------------------------------------------------------------------------ what is asked
@pytest.mark.parametrize("way", ["create", "chunks"])
@pytest.mark.parametrize("wire", WIRES)
def test_a_call_says_what_it_wants(
    provider: SimulatedProvider, api_key: str, wire: str, way: str
) -> None:
    """``extra_body={"tokenthrift": ...}`` is read, obeyed, and never sent."""
    asks = {"off": True, "tags": {"user": "u1"}, "session": "s1"}
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, tags={"app": "a"})
        extra = {"tokenthrift": asks, "metadata": {"a": "b"}}
        _ = list(_ask(client, wire, way, extra_body=extra))
        _ = list(_ask(client, wire, way, extra_body={"tokenthrift": {}}))
    off, planned = provider.requests(api_key)
    assert "tokenthrift" not in off.raw.decode() + planned.raw.decode()
    assert off.body["metadata"] == {"a": "b"}
    assert len(off.raw) > 1.3 * len(planned.raw)
    first, second = tokenthrift.account_of(client).ledger.records()
    assert (first.tags, first.session) == ({"app": "a", "user": "u1"}, "s1")
    assert second.tags == {"app": "a"}
    assert second.session not in ("s1", None)
    assert first.counted_sent_tokens == first.counted_baseline_tokens
    assert second.counted_sent_tokens < second.counted_baseline_tokens


@pytest.mark.parametrize(
    ("asks", "error", "says"),
    [
        ({"of": True}, ValueError, "unknown option 'of'"),
        ({"off": "yes"}, TypeError, "'off'"),
        ("off", TypeError, "mapping, not str"),
        ({"floor": 2}, ValueError, "floor is 2"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    provider: SimulatedProvider, api_key: str, asks: Any, error: Any, says: str
) -> None:
    """A misspelt option is the caller's error, with what would be right."""
    with client_of(provider, CHAT, api_key, "sync") as bare:
        with pytest.raises(error, match=says):
            _ask(tokenthrift.wrap(bare), CHAT, "create", extra_body={"tokenthrift": asks})
        assert provider.requests(api_key) == ()


def test_azure_plans_what_it_posts() -> None:
    """An Azure client's calls go to its deployment, planned."""
    import httpx

    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, json.loads(request.content)))
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini"}
        return httpx.Response(200, json={**body, "choices": [choice], "usage": usage})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    with openai.AzureOpenAI(
        api_key="k", api_version="2024-10-21", azure_endpoint="http://127.0.0.1", http_client=http
    ) as bare:
        client = tokenthrift.wrap(bare)
        made = client.chat.completions.create(**body_of(CHAT))
    ((path, body),) = seen
    assert path == "/openai/deployments/gpt-4o-mini/chat/completions"
    assert len(json.dumps(body)) < 0.8 * len(json.dumps(conversation(CHAT)))
    assert tokenthrift.receipt_of(made).record is not None


@pytest.mark.parametrize("way", ["lines", "parsed", "left", "dropped"])
@pytest.mark.parametrize("wire", WIRES)
def test_streams_that_are_opened_raw_are_recorded(
    provider: SimulatedProvider, api_key: str, wire: str, way: str
) -> None:
    """Events that the caller reads as bytes are its own, and are read along once."""
    asks = body_of(wire, stream=True)
    with client_of(provider, wire, api_key, "sync") as bare:
        client: Any = tokenthrift.wrap(bare, OFFERED)
        resource = client.chat.completions if wire == CHAT else None
        resource = resource or (client.responses if wire == RESPONSES else client.messages)
        if way == "dropped":
            raw = resource.with_raw_response.create(**asks)
            del raw
            gc.collect()
            tokenthrift.account_of(client).settle_abandoned()
        elif way == "parsed":
            assert list(resource.with_raw_response.create(**asks).parse())
        else:
            with resource.with_streaming_response.create(**asks) as response:
                lines = response.iter_lines()
                seen = [next(lines)] if way == "left" else list(lines)
            sent = provider.requests(api_key)[0].response or b""
            assert "\n".join(seen) in sent.decode()
            assert b"usage" in sent or wire == CHAT  # nothing is asked for that nobody wants
    (record,) = tokenthrift.account_of(client).ledger.records()
    whole = way in ("lines", "parsed")
    assert (record.status, record.streamed) == ("ok" if whole else "cancelled", True)
    (attempt,) = record.attempts
    assert attempt.estimated == (not whole or wire == CHAT)
    if whole and wire != CHAT:
        assert attempt.usage.output_tokens == provider.totals(api_key).output_tokens
    assert provider.requests(api_key)[0].model == MODELS[wire]
