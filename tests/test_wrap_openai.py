"""`wrap` around the OpenAI SDK, through real sockets: same types, same answers, a true account."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

import tokenthrift
from tokenthrift.catalog import cost, load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
MODES = ("sync", "async", "sync-stream", "async-stream")
POLICIES = ("off", "lossless", "balanced")
LOG = "\n".join(
    f"2024-03-01 12:{i // 60 % 60:02d}:{i % 60:02d} INFO worker {i} stored item {i * 7} of tenant "
    f"{i % 5}" + (" ERROR disk full" if i == 333 else "")
    for i in range(400)
)
TOOL = {
    "type": "function",
    "function": {
        "name": "read_log",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        },
    },
}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "You look after servers."},
    {"role": "user", "content": "Which worker reported a full disk?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "read_log", "arguments": '{"name": "main"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]
CALL = {"x-simulate-tool-calls": '[{"name": "read_log", "arguments": {"name": "other"}}]'}


@dataclass(frozen=True)
class Seen:
    """What a caller sees of an answer."""

    kind: type
    text: str
    calls: tuple[tuple[str, str], ...]
    usages: tuple[Any, ...]
    receipt: Any


def seen(response: ChatCompletion) -> Seen:
    """A whole answer, as a caller sees it."""
    message = response.choices[0].message
    calls = tuple((c.function.name, c.function.arguments) for c in message.tool_calls or ())
    receipt = getattr(response, "tokenthrift", None)
    return Seen(type(response), message.content or "", calls, (), receipt)


def seen_stream(stream: Any, chunks: list[ChatCompletionChunk]) -> Seen:
    """A streamed answer, as a caller sees it."""
    text, names, arguments = "", [], ""
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                names += [call.function.name] if call.function.name else []
                arguments += call.function.arguments or ""
    kind = next(k for k in (openai.Stream, openai.AsyncStream) if isinstance(stream, k))
    usages = tuple(c.usage for c in chunks)
    calls = tuple((n, arguments) for n in names)
    return Seen(kind, text, calls, usages, getattr(stream, "tokenthrift", None))


async def asked(
    provider: SimulatedProvider, key: str, mode: str, policy: str | None, **body: Any
) -> Seen:
    """One call in one of the four ways, bare (no policy) or wrapped."""
    options: Any = {"base_url": provider.base_url, "api_key": key, "max_retries": 0}
    body = {"model": MODEL, "messages": CONVERSATION, "tools": [TOOL], **body}
    if mode.startswith("sync"):
        with openai.OpenAI(**options) as bare:
            client = bare if policy is None else tokenthrift.wrap(bare, policy)
            if mode == "sync":
                return seen(client.chat.completions.create(**body))
            stream = client.chat.completions.create(**body, stream=True)
            return seen_stream(stream, list(stream))
    async with openai.AsyncOpenAI(**options) as bare:
        client = bare if policy is None else tokenthrift.wrap(bare, policy)
        if mode == "async":
            return seen(await client.chat.completions.create(**body))
        stream = await client.chat.completions.create(**body, stream=True)
        return seen_stream(stream, [chunk async for chunk in stream])


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
async def test_wrapped_answers_are_the_bare_ones(provider, api_key, mode, policy):
    """Types, text and the usage a caller sees are the same with and without the wrapper."""
    plain = await asked(provider, f"{api_key}-bare", mode, None)
    wrapped = await asked(provider, api_key, mode, policy)
    provider.forget(f"{api_key}-bare")
    assert plain.receipt is None
    assert wrapped.receipt.record.status == "ok"
    assert (plain.kind, plain.text, plain.usages) == (wrapped.kind, wrapped.text, wrapped.usages)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
async def test_wrapped_tool_calls_are_the_bare_ones(provider, api_key, mode, policy):
    """Tool calls arrive with the same names and arguments."""
    plain = await asked(provider, f"{api_key}-bare", mode, None, extra_headers=CALL)
    wrapped = await asked(provider, api_key, mode, policy, extra_headers=CALL)
    provider.forget(f"{api_key}-bare")
    assert wrapped.calls == plain.calls == (("read_log", '{"name": "other"}'),)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
async def test_the_ledger_is_the_providers_own_account(provider, api_key, mode, policy):
    """Tokens equal what the provider truly used, and their price, to the nano-dollar."""
    wrapped = await asked(provider, api_key, mode, policy)
    true = provider.totals(api_key)
    (attempt,) = wrapped.receipt.record.attempts
    if policy == "off" and mode.endswith("stream"):  # nobody may ask for the usage
        assert attempt.estimated
    else:
        assert not attempt.estimated
        assert attempt.raw_usage is not None
    assert attempt.usage.input_tokens == true.input_tokens
    assert attempt.usage.output_tokens == true.output_tokens
    assert attempt.usage.cache_read_tokens == true.cache_read_tokens
    price = cost(true, load_catalog().require(MODEL))
    assert price is not None
    assert attempt.cost_nanos == wrapped.receipt.savings.actual_nanos == price.nanos


@pytest.mark.parametrize("mode", MODES)
async def test_off_sends_the_same_bytes(provider, api_key, mode):
    """The body of a call under ``off`` is the bare SDK's, byte for byte, extras included."""
    extras = {"temperature": 0.5, "extra_body": {"metadata": {"a": "b"}, "odd": [1, {"x": None}]}}
    await asked(provider, f"{api_key}-bare", mode, None, **extras)
    saved = await asked(provider, api_key, mode, "off", **extras)
    (plain,) = provider.requests(f"{api_key}-bare")
    (wrapped,) = provider.requests(api_key)
    provider.forget(f"{api_key}-bare")
    assert wrapped.raw == plain.raw
    assert saved.receipt.savings.net_nanos == 0


@pytest.mark.parametrize("mode", MODES)
async def test_an_oversized_result_reaches_the_provider_smaller(provider, api_key, mode):
    """The provider receives less, the record says how much less, and the error line is in it."""
    wrapped = await asked(provider, api_key, mode, "balanced")
    (exchange,) = provider.requests(api_key)
    assert len(exchange.raw) < 0.8 * len(json.dumps(CONVERSATION))
    assert "disk full" in exchange.raw.decode()
    record = wrapped.receipt.record
    assert record.counted_sent_tokens == provider.totals(api_key).input_tokens
    assert record.counted_sent_tokens < 0.8 * record.counted_baseline_tokens
    assert record.savings.net_nanos > 0
    assert record.streamed == mode.endswith("stream")


def test_hidden_usage_leaves_no_trace(provider, api_key, bare):
    """Chunks dump as without the wrapper, set fields included; asked for, usage is shown."""
    body: Any = {"model": MODEL, "messages": CONVERSATION, "stream": True}
    plain = list(bare.chat.completions.create(**body))
    client = tokenthrift.wrap(bare)
    chunks = list(client.chat.completions.create(**body))
    assert provider.requests(api_key)[-1].body["stream_options"] == {"include_usage": True}
    drop = {"id", "created"}
    for unset in (False, True):
        left = [c.model_dump(exclude=drop, exclude_unset=unset) for c in plain]
        assert left == [c.model_dump(exclude=drop, exclude_unset=unset) for c in chunks]
    asked_for = list(client.chat.completions.create(**body, stream_options={"include_usage": True}))
    assert asked_for[-1].choices == []
    assert asked_for[-1].usage.prompt_tokens == provider.requests(api_key)[-1].usage.input_tokens


def test_the_callers_client_is_left_alone(provider, api_key, bare):
    """Wrapping makes a new client; the old one sends what it is given and records nothing."""
    client = tokenthrift.wrap(bare)
    answer = bare.chat.completions.create(model=MODEL, messages=CONVERSATION)
    assert not hasattr(answer, "tokenthrift")
    assert provider.requests(api_key)[-1].body["messages"] == CONVERSATION
    assert tokenthrift.account_of(client).ledger.count() == 0
    assert isinstance(client, openai.OpenAI)
    assert client is not bare
    assert (client.api_key, client.base_url) == (bare.api_key, bare.base_url)


def test_with_options_stays_wrapped_on_the_same_account(provider, api_key, bare):
    """``with_options`` and ``copy`` give wrapped clients that share ledger and cache."""
    client = tokenthrift.wrap(bare)
    other = client.with_options(timeout=20).copy(max_retries=1)
    answer = other.chat.completions.create(model=MODEL, messages=CONVERSATION)
    assert tokenthrift.receipt_of(answer).record is not None
    assert tokenthrift.account_of(other) is tokenthrift.account_of(client)
    assert tokenthrift.account_of(client).ledger.count() == 1


def test_receipts_do_not_change_the_response(bare):
    """Dumps, comparisons, copies and pickles are those of the SDK's model."""
    client = tokenthrift.wrap(bare)
    answer = client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    receipt = answer.tokenthrift
    assert "tokenthrift" not in answer.model_dump()
    assert "tokenthrift" not in answer.model_dump_json()
    assert ChatCompletion.model_validate(answer.model_dump()) == answer
    assert copy.deepcopy(answer).tokenthrift.record == receipt.record
    assert pickle.loads(pickle.dumps(answer)).tokenthrift.record == receipt.record
    assert receipt.record_id == receipt.record.record_id
    assert receipt.plan.tokens_after < receipt.plan.tokens_before
    assert receipt.savings.net_nanos > 0


def test_parse_is_planned_and_typed(provider, api_key, bare):
    """``parse`` gives the caller's own model, and its call is in the ledger."""

    class City(BaseModel):
        name: str

    client = tokenthrift.wrap(bare)
    parsed = client.chat.completions.parse(model=MODEL, messages=CONVERSATION, response_format=City)
    assert isinstance(parsed.choices[0].message.parsed, City)
    assert tokenthrift.receipt_of(parsed).record.status == "ok"
    assert len(provider.requests(api_key)[-1].raw) < len(json.dumps(CONVERSATION))


def test_answers_that_the_parser_refuses_are_paid_for(provider, api_key, bare):
    """A cut-off answer raises the SDK's error, and its tokens are in the record as overhead."""

    class City(BaseModel):
        name: str

    client = tokenthrift.wrap(bare)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model=MODEL, messages=CONVERSATION, response_format=City, max_tokens=1
        )
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert (record.status, record.error) == ("error", "LengthFinishReasonError")
    assert record.attempts[0].input_tokens == provider.totals(api_key).input_tokens
    assert record.savings.net_nanos == -record.attempts[0].cost_nanos < 0


def test_stream_helper_works(bare):
    """The SDK's event stream builds on the wrapped stream and ends up in the ledger."""
    client = tokenthrift.wrap(bare)
    with client.chat.completions.stream(model=MODEL, messages=CONVERSATION) as events:
        kinds = {event.type for event in events}
        final = events.get_final_completion()
    assert {"chunk", "content.delta"} <= kinds
    assert final.usage is None
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert (record.status, record.streamed, record.attempts[0].estimated) == ("ok", True, False)


def test_raw_responses_are_planned_unless_streamed(provider, api_key, bare):
    """``with_raw_response`` keeps its type and headers; raw streams go out as they are."""
    client = tokenthrift.wrap(bare)
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=CONVERSATION)
    assert raw.headers["x-simulated-provider"]
    used = provider.requests(api_key)[-1].usage
    assert raw.parse().usage.prompt_tokens == used.input_tokens
    assert raw.tokenthrift.record.attempts[0].input_tokens == used.input_tokens
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=CONVERSATION
    ) as streamed:
        streamed.read()
    assert provider.requests(api_key)[-1].body["messages"] == CONVERSATION
    (_, record) = tokenthrift.account_of(client).ledger.records()
    assert record == streamed.tokenthrift.record
    assert record.attempts[0].input_tokens == provider.requests(api_key)[-1].usage.input_tokens


def test_other_endpoints_pass_through(provider, bare):
    """Models are listed by the SDK itself, and nothing is recorded."""
    client = tokenthrift.wrap(bare)
    assert client.models.list().data
    assert client.get("/models", cast_to=object)
    assert tokenthrift.account_of(client).ledger.count() == 0


def test_messages_may_be_objects_and_iterators(provider, api_key, bare):
    """The SDK's own message objects and generators are sent as the bare SDK sends them."""
    client = tokenthrift.wrap(bare, "lossless")
    ask: Any = {"role": "user", "content": "Call it."}
    first = client.chat.completions.create(
        model=MODEL, messages=[ask], tools=[TOOL], extra_headers=CALL
    )
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "short"}
    for messages in ([ask, message, result], (m for m in (ask, message, result))):
        client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    bare.chat.completions.create(model=MODEL, messages=[ask, message, result], tools=[TOOL])
    listed, generated, plain = (e.body for e in provider.requests(api_key)[1:])
    assert listed == generated == plain


def test_omitted_parameters_stay_omitted(provider, api_key, bare):
    """Sentinels, extra headers, extra bodies and timeouts go where the SDK puts them."""
    client = tokenthrift.wrap(bare)
    client.chat.completions.create(
        model=MODEL,
        messages=CONVERSATION,
        temperature=openai.omit,
        stop=openai.NOT_GIVEN,
        top_p=None,
        extra_headers={"x-mine": "1"},
        extra_body={"metadata": {"a": "b"}, "max_tokens": 7},
        timeout=30,
    )
    (exchange,) = provider.requests(api_key)
    assert set(exchange.body) == {"messages", "model", "top_p", "metadata", "max_tokens"}
    assert exchange.body["max_tokens"] == 7
    assert exchange.headers["x-mine"] == "1"


def test_a_body_we_cannot_read_goes_out_as_it_is(provider, api_key, bare):
    """What is not of the wire is for the provider to judge; the call is recorded unplanned."""
    client = tokenthrift.wrap(bare)
    strange: Any = [{"role": "wizard", "content": "Abracadabra"}]
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=strange)
    assert provider.requests(api_key)[0].body["messages"] == strange
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert (record.status, record.steps[0].error) == ("error", "WireError")


# ------------------------------------------------------------------------------------------ streams
def test_a_stream_closed_early_is_cancelled_and_estimated(provider, api_key, bare):
    """Closing after some chunks leaves one record with the input and what was received."""
    client = tokenthrift.wrap(bare)
    with client.chat.completions.create(model=MODEL, messages=CONVERSATION, stream=True) as stream:
        next(stream)
        next(stream)
        assert stream.tokenthrift.record is None
        assert stream.tokenthrift.savings is None
    record = stream.tokenthrift.record
    assert (record.status, record.error) == ("cancelled", "")
    assert record.attempts[0].estimated
    assert record.attempts[0].input_tokens == provider.totals(api_key).input_tokens
    assert 0 < record.attempts[0].output_tokens < provider.totals(api_key).output_tokens
    assert record.attempts[0].time_to_first_chunk_ms is not None
    assert tokenthrift.account_of(client).ledger.count() == 1


def test_a_stream_dropped_unread_is_settled_by_the_next_call(bare):
    """Whoever breaks out of the loop and forgets the stream still leaves a record."""
    client = tokenthrift.wrap(bare)
    for _chunk in client.chat.completions.create(model=MODEL, messages=CONVERSATION, stream=True):
        break
    del _chunk
    gc.collect()
    account = tokenthrift.account_of(client)
    account.settle_abandoned()
    assert [r.status for r in account.ledger.records()] == ["cancelled"]


async def test_an_async_stream_closed_early_is_cancelled(provider, api_key):
    """The async twin of closing early, by ``async with``."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client = tokenthrift.wrap(bare)
        async with await client.chat.completions.create(
            model=MODEL, messages=CONVERSATION, stream=True
        ) as stream:
            await anext(stream)
        assert stream.tokenthrift.record.status == "cancelled"
        assert tokenthrift.account_of(client).ledger.count() == 1


def test_streams_measure_their_pace(bare):
    """A stream's record says when the first chunk came and how fast the others followed."""
    client = tokenthrift.wrap(bare)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=CONVERSATION,
        stream=True,
        extra_headers={"x-simulate-fault": "drip:0.002"},
    )
    assert stream.response.status_code == 200
    assert sum(1 for _ in stream) > 3
    (attempt,) = stream.tokenthrift.record.attempts
    assert 0 < attempt.time_to_first_chunk_ms < attempt.latency_ms
    assert attempt.inter_chunk_ms >= 1


# -------------------------------------------------------------------------------------------- cache
def grown(turns: int) -> list[dict[str, Any]]:
    """A conversation with so many questions, each with a log to read."""
    messages = list(CONVERSATION)
    for n in range(turns - 1):
        messages += [
            {"role": "assistant", "content": f"It was worker {n}."},
            {"role": "user", "content": f"And which one after worker {n * 3}?\n{LOG[n:]}"},
        ]
    return messages


@pytest.mark.parametrize("policy", POLICIES)
def test_our_cache_model_is_the_providers(provider, api_key, bare, policy):
    """Where usage is not reported, simulated cache reads equal the provider's own account."""
    client = tokenthrift.wrap(bare, policy)
    for turns in range(1, 5):
        client.chat.completions.create(
            model=MODEL,
            messages=grown(turns),
            extra_headers={"x-simulate-fault": "no_usage"},
        )
    records = list(tokenthrift.account_of(client).ledger.records())
    assert all(r.attempts[0].estimated for r in records)
    true = [e.usage.cache_read_tokens for e in provider.requests(api_key)]
    assert [r.attempts[0].cache_read_tokens for r in records] == true
    assert true[0] == 0
    assert all(n > 1_000 for n in true[1:])


@pytest.mark.parametrize("policy", POLICIES)
def test_savings_are_what_a_bare_twin_pays_more(provider, api_key, bare, policy):
    """Baseline and actual of a conversation equal two true bills: a bare client's, and ours."""
    client = tokenthrift.wrap(bare, policy)
    same: Any = {"model": MODEL, "extra_headers": {"x-simulate-answer": "Always the same."}}
    with openai.OpenAI(base_url=provider.base_url, api_key=f"{api_key}-bare") as twin:
        for turns in range(1, 5):
            client.chat.completions.create(messages=grown(turns), **same)
            twin.chat.completions.create(messages=grown(turns), **same)
    card = load_catalog().require(MODEL)
    bills = [
        sum(cost(e.usage, card).nanos for e in provider.requests(key))
        for key in (f"{api_key}-bare", api_key)
    ]
    provider.forget(f"{api_key}-bare")
    totals = tokenthrift.account_of(client).ledger.totals()
    assert [totals.baseline_nanos, totals.actual_nanos] == bills
    assert totals.net_nanos == bills[0] - bills[1]
    assert (totals.net_nanos == 0) == (policy == "off")


def test_a_prefix_that_somebody_else_cached_is_no_saving_of_ours(provider, api_key, bare):
    """A second account on a warm provider expects the baseline to be warm as well."""
    body: Any = {"model": MODEL, "messages": CONVERSATION}
    tokenthrift.wrap(bare, "off").chat.completions.create(**body)
    late = tokenthrift.wrap(bare, "off").chat.completions.create(**body)
    assert provider.requests(api_key)[-1].usage.cache_read_tokens > 0
    assert late.tokenthrift.savings.net_nanos == 0


# ---------------------------------------------------------------------------------------- wrapping
def test_what_cannot_be_wrapped_says_so(bare):
    """Wrapping twice, or wrapping something else, is a TypeError that names what is expected."""
    with pytest.raises(TypeError, match="wrapped already"):
        tokenthrift.wrap(tokenthrift.wrap(bare))
    for thing in (object(), json, openai.OpenAI):
        with pytest.raises(TypeError, match=r"openai\.OpenAI"):
            tokenthrift.wrap(thing)
    with pytest.raises(TypeError, match="not wrapped"):
        tokenthrift.account_of(bare)
    with pytest.raises(TypeError, match="no receipt"):
        tokenthrift.receipt_of(object())


def test_azure_clients_keep_their_class_and_seller():
    """A wrapped Azure client is an Azure client, and so is its copy."""
    with openai.AzureOpenAI(
        api_key="k", api_version="2024-10-21", azure_endpoint="https://example.invalid"
    ) as azure:
        client = tokenthrift.wrap(azure).with_options(timeout=3)
        assert isinstance(client, openai.AzureOpenAI)
        assert tokenthrift.account_of(client).policy.name == "balanced"


def test_records_go_where_they_are_told(bare, tmp_path):
    """A path opens a SQLite file that holds records with tags after the client has gone."""
    path = tmp_path / "ledger.sqlite"
    client = tokenthrift.wrap(bare, ledger=path, tags={"team": "a"})
    client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    tokenthrift.account_of(client).ledger.close()
    with tokenthrift.open_ledger(path, create=False) as ledger:
        (record,) = ledger.records(tags={"team": "a"})
    assert record.policy == "balanced"


def test_nothing_is_written_unless_asked(bare, tmp_path, monkeypatch):
    """Without a ledger no file appears."""
    monkeypatch.chdir(tmp_path)
    client = tokenthrift.wrap(bare)
    client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    assert list(tmp_path.iterdir()) == []
