"""`wrap` around litellm, and the clients built on it, through real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import tokenthrift
from litellm_clients import LITELLM_MARKS, close_litellm
from tokenthrift.catalog import cost, load_catalog

if TYPE_CHECKING:
    pass

# litellm leaves event loops, sockets and threads to the garbage collector.
pytestmark = LITELLM_MARKS

MODEL = "openai/gpt-4o-mini"
LOG = "\n".join(f"12:{i // 60:02d}:{i % 60:02d} worker {i} stored item {i * 7}" for i in range(400))
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": "Which worker stored item 700?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "read_log", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]


@pytest.fixture
def reach(provider: Any, api_key: str) -> dict[str, Any]:
    """The arguments that make litellm talk to the simulated provider."""
    return {"api_base": provider.base_url, "api_key": api_key, "max_retries": 0}


def check_account(provider: Any, key: str, account: Any) -> None:
    """The ledger's sums are the provider's own, and priced as they should be."""
    true, totals = provider.totals(key), account.ledger.totals()
    assert totals.input_tokens == true.input_tokens
    assert totals.output_tokens == true.output_tokens
    assert totals.cache_read_tokens == true.cache_read_tokens
    assert totals.estimated_calls == 0
    card = load_catalog().require(MODEL)
    bills = [cost(e.usage, card) for e in provider.requests(key) if e.usage]
    assert totals.spent_nanos == sum(b.nanos for b in bills if b is not None)


def text_of(chunks: Any) -> str:
    """What a stream said."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_the_module_wrapped_is_the_module(litellm, provider, api_key, reach):
    """``completion``, blocking and streamed: litellm's types, the same text, a true account."""
    wrapped = tokenthrift.wrap(litellm)
    body = {"model": MODEL, "messages": CONVERSATION, **reach}
    plain = litellm.completion(**{**body, "api_key": f"{api_key}-bare"})
    plain_chunks = list(litellm.completion(**{**body, "api_key": f"{api_key}-bare"}, stream=True))
    answer = wrapped.completion(MODEL, CONVERSATION, **reach)
    stream = wrapped.completion(**body, stream=True)
    chunks = list(stream)
    sent = provider.requests(api_key)
    assert type(answer) is type(plain)
    assert answer.choices[0].message.content == plain.choices[0].message.content
    assert "tokenthrift" not in answer.model_dump()
    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert text_of(chunks) == text_of(plain_chunks)
    assert len(chunks) == len(plain_chunks)
    assert all(getattr(c, "usage", None) is None for c in chunks)
    assert sent[1].body["stream_options"] == {"include_usage": True}
    assert len(sent[0].raw) < 0.9 * len(provider.requests(f"{api_key}-bare")[0].raw)
    assert answer.tokenthrift.savings.net_nanos > 0
    assert stream.tokenthrift.record.streamed
    check_account(provider, api_key, tokenthrift.account_of(wrapped))
    provider.forget(f"{api_key}-bare")


async def test_acompletion_is_wrapped_too(litellm, provider, api_key, reach):
    """``acompletion``, whole, streamed and closed early."""
    wrapped = tokenthrift.wrap(litellm, "lossless")
    body = {"model": MODEL, "messages": CONVERSATION, **reach}
    answer = await wrapped.acompletion(**body)
    stream = await wrapped.acompletion(**body, stream=True)
    chunks = [c async for c in stream]
    assert text_of(chunks) == answer.choices[0].message.content
    assert isinstance(stream, litellm.CustomStreamWrapper)
    check_account(provider, api_key, tokenthrift.account_of(wrapped))
    early = await wrapped.acompletion(**body, stream=True)
    await anext(early)
    await early.aclose()
    assert early.tokenthrift.record.status == "cancelled"
    await close_litellm()


def test_off_passes_the_callers_objects_on(litellm, provider, api_key, reach):
    """Under ``off`` litellm gets its own message objects and options, and sends the same bytes."""
    wrapped = tokenthrift.wrap(litellm, "off")
    message = litellm.Message(role="user", content="Hello there.")
    for module in (litellm, wrapped):
        module.completion(
            model=MODEL,
            messages=[message],
            temperature=0.1,
            metadata={"not": "sent"},
            drop_params=True,
            **reach,
        )
    plain, ours = provider.requests(api_key)
    assert plain.raw == ours.raw


def test_litellms_errors_come_through(litellm, provider, api_key, reach):
    """Exceptions of litellm are raised as they are; another model is tried where that may help."""
    candidates = [
        {"model": "openai/gpt-4.1-nano", "covers": "expert"},
        {"model": "openai/gpt-4.1", "covers": "expert"},
    ]
    wrapped = tokenthrift.wrap(litellm, {"version": 1, "routing": {"candidates": candidates}})
    provider.set_faults(api_key, "500,times=1")
    wrapped.completion(model="openai/gpt-4.1", messages=CONVERSATION, **reach)
    assert [e.model for e in provider.requests(api_key)] == ["gpt-4.1-nano", "gpt-4.1"]
    provider.set_faults(api_key, "400")
    with pytest.raises(litellm.BadRequestError):
        wrapped.completion(model="openai/gpt-4.1", messages=CONVERSATION, **reach)
    records = list(tokenthrift.account_of(wrapped).ledger.records())
    assert [r.status for r in records] == ["ok", "error"]


def test_settings_are_read_and_written_through(litellm):
    """Whatever is not ours is litellm's own, both ways; the module itself is not wrapped."""
    wrapped = tokenthrift.wrap(litellm)
    before = litellm.drop_params
    wrapped.drop_params = not before
    assert litellm.drop_params is (not before)
    litellm.drop_params = before
    assert wrapped.drop_params is before
    assert wrapped.RateLimitError is litellm.RateLimitError
    assert {"completion", "token_counter", "tokenthrift"} <= set(dir(wrapped))
    assert not hasattr(litellm, "tokenthrift")
    with pytest.raises(TypeError, match="wrapped already"):
        tokenthrift.wrap(wrapped)


def test_client_completes_plans_and_reports(litellm, provider, api_key, reach, tmp_path):
    """`Client`: defaults, per-call tags, streams, a dry run, and sums from its own file."""
    path = tmp_path / "calls.sqlite"
    with tokenthrift.Client(ledger=path, tags={"app": "x"}, **reach) as client:
        plan = client.plan(model=MODEL, messages=CONVERSATION)
        answer = client.complete(model=MODEL, messages=iter(CONVERSATION), tags={"user": "u1"})
        text = text_of(client.complete(model=MODEL, messages=CONVERSATION, stream=True))
        assert text == answer.choices[0].message.content
        assert plan.tokens_after == provider.requests(api_key)[0].usage.input_tokens
        assert client.report().calls == 2
        check_account(provider, api_key, client.tokenthrift)
    with tokenthrift.open_ledger(path, create=False) as ledger:
        assert ledger.totals(tags={"app": "x", "user": "u1"}).calls == 1
        assert ledger.totals(tags={"app": "x"}).calls == 2


async def test_async_client_completes(litellm, provider, api_key, reach):
    """`AsyncClient`: whole and streamed answers, with receipts."""
    async with tokenthrift.AsyncClient("off", **reach) as client:
        answer = await client.complete(model=MODEL, messages=CONVERSATION)
        stream = await client.complete(
            model=MODEL,
            messages=CONVERSATION,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [c async for c in stream]
    assert text_of(chunks) == answer.choices[0].message.content
    assert chunks[-1].usage.prompt_tokens == provider.totals(api_key).input_tokens / 2
    assert tokenthrift.receipt_of(answer).savings.net_nanos == 0
    check_account(provider, api_key, client.tokenthrift)


@pytest.mark.parametrize(("times", "requests"), [(1, 2), (0, 3)])
def test_a_policys_retries_take_the_place_of_litellms(
    provider: Any, api_key: str, litellm: Any, reach: dict[str, Any], times: int, requests: int
) -> None:
    """Without a policy's retries litellm does as it is told; with them it tries once a time."""
    retry = {"times": times, "base_s": 0.001}
    client = tokenthrift.wrap(litellm, {"version": 1, "routing": {"retry": retry}})
    provider.set_faults(api_key, "503:0.001")
    with pytest.raises(litellm.ServiceUnavailableError):
        client.completion(
            model=MODEL,
            messages=[{"role": "user", "content": "hi"}],
            **{**reach, "max_retries": 2},
        )
    assert len(provider.requests(api_key)) == requests
