"""Routing across sellers: a client gets its own SDK's types, whoever answered."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

import tokenthrift
from litellm_clients import LITELLM_MARKS, close_litellm
from sdk_forms import (
    CHAT,
    MESSAGES,
    RESPONSES,
    WIRES,
    Found,
    asked,
    body_of,
    client_of,
    conversation,
)
from strategies import PNG
from tokenthrift.catalog import cost, load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

pytestmark = LITELLM_MARKS
OWN = {CHAT: "gpt-4.1", RESPONSES: "gpt-4.1", MESSAGES: "claude-haiku-4-5"}
FOREIGN = {CHAT: "claude-haiku-4-5", RESPONSES: "claude-haiku-4-5", MESSAGES: "gpt-4.1-mini"}
QUESTION = [{"role": "user", "content": "Are you there?"}]
ORDER = {"x-simulate-tool-calls": '[{"name": "read_log", "arguments": {"name": "other"}}]'}


def policy(wire: str) -> dict[str, Any]:
    """Simple requests go to the other seller."""
    candidates = [
        {"model": FOREIGN[wire], "covers": "simple"},
        {"model": OWN[wire], "covers": "expert"},
    ]
    return {"version": 1, "routing": {"candidates": candidates}}


def said(wire: str, messages: Any = QUESTION) -> dict[str, Any]:
    """The arguments of a call that may cross."""
    more = {"store": False} if wire == RESPONSES else {}
    return {"model": OWN[wire], "messages": messages, **more}


def reaching(litellm: Any, url: str, key: str, **more: Any) -> Any:
    """litellm, with other sellers' models at a place."""
    reach = {"api_base": url, "api_key": key, **more}
    return SimpleNamespace(
        completion=partial(litellm.completion, **reach),
        acompletion=partial(litellm.acompletion, **reach),
    )


@pytest.fixture
def others(litellm: Any, provider: SimulatedProvider, api_key: str) -> Iterator[dict[str, Any]]:
    """Where models of other sellers are: the same provider, in the other dialect."""
    key = f"{api_key}-others"
    at_anthropic = reaching(litellm, provider.root_url, key)
    at_openai = reaching(litellm, provider.base_url, key)
    yield {CHAT: at_anthropic, RESPONSES: at_anthropic, MESSAGES: at_openai}
    provider.forget(key)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("way", ["create", "chunks", "parse", "stream"])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_answers_of_others_are_of_the_callers_types(
    provider: SimulatedProvider,
    api_key: str,
    others: dict[str, Any],
    *,
    wire: str,
    mode: str,
    way: str,
) -> None:
    """The foreign model answers in every form with the SDK's types, and is billed as it should."""
    form, foreign, body = (wire, way), FOREIGN[wire], said(wire)
    seen = await asked(
        provider, form, mode, policy(wire), api_key, **body, wrapping={"others": others[wire]}
    )
    plain = await asked(provider, form, mode, None, f"{api_key}-bare", **body)
    provider.forget(f"{api_key}-bare")
    assert seen.kinds == plain.kinds
    assert seen.finish == plain.finish
    assert provider.requests(api_key) == ()
    (entry,) = provider.requests(f"{api_key}-others")
    path = "/v1/chat/completions" if wire == MESSAGES else "/v1/messages"
    assert (entry.path, entry.model) == (path, foreign)
    if way != "parse":
        assert seen.text.startswith(f"[simulated] {foreign} read 1 messages")
    elif wire == CHAT:
        assert isinstance(seen.answer.choices[0].message.parsed, Found)
    else:
        parsed = seen.answer.output_parsed if wire == RESPONSES else seen.answer.parsed_output
        assert isinstance(parsed, Found)
    if seen.receipt is not None:
        (attempt,) = seen.receipt.record.attempts
        price = cost(entry.usage, load_catalog().require(foreign))
        assert price is not None
        assert (attempt.model, attempt.estimated) == (foreign, False)
        assert attempt.cost_nanos == price.nanos
        assert seen.receipt.savings.actual_nanos == price.nanos
    await close_litellm()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("way", ["create", "chunks", "stream"])
async def test_loops_of_others_go_on(
    provider: SimulatedProvider, api_key: str, litellm: Any, *, wire: str, way: str
) -> None:
    """Calls of a foreign model arrive as the SDK's, and it takes their results."""
    key = f"{api_key}-others"
    url = provider.base_url if wire == MESSAGES else provider.root_url
    through = reaching(litellm, url, key, extra_headers=ORDER)
    seen = await asked(
        provider, (wire, way), "sync", policy(wire), api_key, **said(wire),
        wrapping={"others": through},
    )  # fmt: skip
    assert [(n, json.loads(a)) for n, a in seen.calls] == [("read_log", {"name": "other"})]
    assert seen.finish == {CHAT: "tool_calls", RESPONSES: "completed", MESSAGES: "tool_use"}[wire]
    loop = said(wire, conversation(wire, "the worker is 7", "Which one?"))
    seen = await asked(
        provider, (wire, way), "sync", policy(wire), api_key, **loop,
        wrapping={"others": reaching(litellm, url, key)},
    )  # fmt: skip
    assert FOREIGN[wire] in seen.text
    assert provider.requests(api_key) == ()
    assert len(provider.requests(key)) == 2
    provider.forget(key)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_failing_foreign_model_is_replaced(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any], *, wire: str, stream: bool
) -> None:
    """Fallback comes back to the client's own models."""
    provider.set_faults(f"{api_key}-others", "500:0.001")
    more = {"stream": True} if stream else {}
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, policy(wire), others=others[wire])
        answer = resource(client, wire).create(**body_of(wire, **said(wire), **more))
        if stream:
            assert list(answer)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.attempts[0].model == FOREIGN[wire]
    assert [a.status for a in record.attempts] == ["error", "ok"]
    assert [e.model for e in provider.requests(api_key)] == [OWN[wire]]


ERRORS = {
    "400": "BadRequestError",
    "429:2": "RateLimitError",
    "500": "InternalServerError",
    "timeout:2": "APITimeoutError",
}


@pytest.mark.parametrize("fault", ERRORS)
@pytest.mark.parametrize("wire", WIRES)
def test_errors_of_others_are_the_sdks_kinds(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any], *, wire: str, fault: str
) -> None:
    """What litellm raises arrives as the SDK's own exceptions, status and retry-after included."""
    sdk = anthropic if wire == MESSAGES else openai
    routing = {**policy(wire)["routing"], "fallback": False}
    provider.set_faults(f"{api_key}-others", fault)
    with client_of(provider, wire, api_key, "sync", timeout=1.0) as bare:
        client = tokenthrift.wrap(bare, {"version": 1, "routing": routing}, others=others[wire])
        with pytest.raises(getattr(sdk, ERRORS[fault])) as raised:
            resource(client, wire).create(**body_of(wire, **said(wire)), timeout=1.0)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.status == "error"
    assert tokenthrift.receipt_of(raised.value).record_id == record.record_id
    if wire == MESSAGES and fault == "429:2":
        error: Any = raised.value
        assert error.response.headers["retry-after"] == "2"
        assert error.body["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_of_others_that_is_cut(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any], wire: str
) -> None:
    """A broken stream is an error of the SDK, and its record says so."""
    sdk: Any = anthropic if wire == MESSAGES else openai
    provider.set_faults(f"{api_key}-others", "broken_stream:6")
    with client_of(provider, wire, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, policy(wire), others=others[wire])
        stream = resource(client, wire).create(**body_of(wire, **said(wire), stream=True))
        seen = [next(stream)]
        with pytest.raises(sdk.APIError):
            seen.extend(stream)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.status == "error"


def test_what_only_one_seller_can_say_stays(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any]
) -> None:
    """Raw responses, and parameters of one seller alone, are served by the own models, and why."""
    with client_of(provider, CHAT, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, policy(CHAT), others=others[CHAT])
        asks: Any = {"model": "gpt-4.1", "messages": QUESTION}
        client.chat.completions.create(**asks, logprobs=True)
        client.chat.completions.create(**asks, n=2)
        client.chat.completions.with_raw_response.create(**asks)
        client.responses.create(model="gpt-4.1", input="Are you there?")  # which is stored
        client.chat.completions.create(**asks, extra_body={"tokenthrift": {"off": True}})
    assert [e.model for e in provider.requests(api_key)] == ["gpt-4.1"] * 5
    whys = ["'logprobs'", "'n'", "raw response", "store=False"]
    records = tokenthrift.account_of(client).ledger.records()
    for record, why in zip(records, whys, strict=False):
        (verdict,) = (v for v in record.decision.verdicts if v["model"] == FOREIGN[CHAT])
        assert verdict["refused"] == ["crossing"]
        assert why in verdict["reason"]
    assert provider.requests(f"{api_key}-others") == ()


THINKING = {"type": "enabled", "budget_tokens": 1_024}


@pytest.mark.parametrize(
    "own",
    [
        {"thinking": THINKING, "max_tokens": 2_000},
        {"stop_sequences": ["END"]},
        {"extra_body": {"context_management": {"edits": []}}},
    ],
)
def test_what_only_anthropic_can_say_stays(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any], own: dict[str, Any]
) -> None:
    """Thinking comes back signed, so nobody else is asked for it."""
    with client_of(provider, MESSAGES, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, policy(MESSAGES), others=others[MESSAGES])
        answer = client.messages.create(**{**body_of(MESSAGES, **said(MESSAGES)), **own})
    assert [e.model for e in provider.requests(api_key)] == [OWN[MESSAGES]]
    assert provider.requests(f"{api_key}-others") == ()
    plan = tokenthrift.receipt_of(answer).plan
    assert plan is not None
    assert plan.model == OWN[MESSAGES]
    reasons = [plan.decision.reason, *(v.reason for v in plan.decision.verdicts)]
    assert any(word in reason for reason in reasons for word in (*own, "context_management"))


def test_without_anybody_in_reach_the_reason_is_said(
    provider: SimulatedProvider, api_key: str, others: dict[str, Any]
) -> None:
    """A request that stays, with no candidate of its own seller, goes where its caller asked."""
    routing = {"candidates": [{"model": "gpt-4.1"}, {"model": "gpt-4.1-mini"}]}
    with client_of(provider, MESSAGES, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, {"version": 1, "routing": routing}, others=others[MESSAGES])
        body = body_of(MESSAGES, **said(MESSAGES))
        receipt = tokenthrift.receipt_of(client.messages.create(**body, extra_body={"top_k": 3}))
    assert receipt.plan is not None
    assert receipt.plan.model == OWN[MESSAGES]
    assert "'top_k'" in receipt.plan.decision.reason


def test_images_cross(provider: SimulatedProvider, api_key: str, others: dict[str, Any]) -> None:
    """An image of Messages arrives as one of Chat."""
    source = {"type": "base64", "media_type": "image/png", "data": PNG.partition(",")[2]}
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    with client_of(provider, MESSAGES, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, policy(MESSAGES), others=others[MESSAGES])
        client.messages.create(
            model=OWN[MESSAGES], max_tokens=64, messages=[{"role": "user", "content": content}]
        )
    (entry,) = provider.requests(f"{api_key}-others")
    sent = json.loads(entry.raw)["messages"][0]["content"][1]
    assert sent == {"type": "image_url", "image_url": {"url": PNG}}


@pytest.mark.parametrize(
    ("more", "thinks"),
    [
        ({}, True),
        ({"max_output_tokens": 500}, False),
        ({"max_output_tokens": 2_000}, True),
        ({"temperature": 0.5}, False),
        ({"tool_choice": "required"}, False),
        ({"input": conversation(RESPONSES, "it is 7")}, False),
    ],
)
def test_claude_thinks_where_it_can(
    provider: SimulatedProvider,
    api_key: str,
    others: dict[str, Any],
    *,
    more: dict[str, Any],
    thinks: bool,
) -> None:
    """An effort of the caller's never makes a foreign model refuse the call."""
    asks = {**body_of(RESPONSES, **said(RESPONSES)), "reasoning": {"effort": "low"}, **more}
    candidates = [{"model": m, "covers": "expert"} for m in (FOREIGN[RESPONSES], "o3")]
    routing = {"candidates": candidates, "fallback": False}
    with client_of(provider, RESPONSES, api_key, "sync") as bare:
        client = tokenthrift.wrap(
            bare, {"version": 1, "routing": routing}, others=others[RESPONSES]
        )
        answer = client.responses.create(**{**asks, "model": "o3"})
    assert answer.model == FOREIGN[RESPONSES]
    (entry,) = provider.requests(f"{api_key}-others")
    assert ("thinking" in json.loads(entry.raw)) == thinks
    assert {item.type for item in answer.output} <= {"message", "function_call"}


def resource(client: Any, wire: str) -> Any:
    """Where calls of a wire are made."""
    if wire == CHAT:
        return client.chat.completions
    return client.responses if wire == RESPONSES else client.messages


def test_others_is_litellm_beside_a_client(
    provider: SimulatedProvider, api_key: str, litellm: Any
) -> None:
    """What cannot be crossed from or to says so when it is wrapped."""
    with pytest.raises(TypeError, match="Anthropic's SDKs"):
        tokenthrift.wrap(litellm, policy(CHAT), others=litellm)
    with client_of(provider, CHAT, api_key, "sync") as bare:
        with pytest.raises(TypeError, match="litellm module"):
            tokenthrift.wrap(bare, policy(CHAT), others=object())
        assert tokenthrift.wrap(bare, policy(CHAT), others=litellm)
