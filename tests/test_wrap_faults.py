"""Faults and fallbacks through the wrapped OpenAI SDK: its own exceptions, one record a call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

import tokenthrift
from tokenthrift.ledger import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
ASK: list[Any] = [{"role": "user", "content": "Say something that takes a few words to say."}]
# The caller's own model is the costliest, so the order is: nano, mini, the caller's.
ROUTED: dict[str, Any] = {
    "version": 1,
    "name": "routed",
    "routing": {
        "candidates": [
            {"model": "gpt-4.1-nano", "covers": "expert"},
            {"model": "gpt-4.1-mini", "covers": "expert"},
            {"model": "gpt-4.1", "covers": "expert"},
        ]
    },
}


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def only_record(client: Any) -> Any:
    """The one record of a client's ledger."""
    (record,) = tokenthrift.account_of(client).ledger.records()
    return record


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("quota", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_provider_errors_are_the_sdks_own(provider, api_key, bare, fault, error, stream):
    """Statuses raise the SDK's types, leave one record of a failed attempt, and cost nothing."""
    client = tokenthrift.wrap(bare)
    provider.set_faults(api_key, fault)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=MODEL, messages=ASK, stream=stream)
    record = only_record(client)
    assert record.status == "error"
    assert record.error == type(caught.value).__name__ == record.attempts[0].error
    assert [a.status for a in record.attempts] == ["error"]
    assert record.attempts[0].cost_nanos == record.savings.net_nanos == 0
    assert not record.attempts[0].estimated


def test_the_sdks_retries_happen_inside_one_attempt(provider, api_key, bare):
    """After a 429 the SDK tries again by itself; the record has one attempt, and it answered."""
    client = tokenthrift.wrap(bare.with_options(max_retries=2))
    provider.set_faults(api_key, "429:0.01,times=1")
    answer = client.chat.completions.create(model=MODEL, messages=ASK)
    assert [e.status for e in provider.requests(api_key)] == [429, 200]
    assert [a.status for a in only_record(client).attempts] == ["ok"]
    assert answer.usage.prompt_tokens == only_record(client).attempts[0].input_tokens


def test_timeouts_are_recorded_as_unknown(provider, api_key, bare):
    """A call nobody answered raises APITimeoutError; what it cost is flagged as estimated."""
    client = tokenthrift.wrap(bare.with_options(timeout=0.1))
    provider.set_faults(api_key, "timeout:20")
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    (attempt,) = only_record(client).attempts
    assert (attempt.status, attempt.error) == ("error", "APITimeoutError")
    assert attempt.estimated
    assert attempt.cost_nanos == 0


def test_a_broken_stream_is_an_error_that_was_paid_for(provider, api_key, bare):
    """The SDK's exception comes through; input and what arrived are overhead, estimated."""
    client = tokenthrift.wrap(bare)
    provider.set_faults(api_key, "broken_stream")
    stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    with pytest.raises((openai.APIError, httpx.HTTPError)) as caught:
        list(stream)
    record = only_record(client)
    (attempt,) = record.attempts
    assert stream.tokenthrift.record == record
    assert (record.status, record.error) == ("error", type(caught.value).__name__)
    assert attempt.input_tokens == provider.totals(api_key).input_tokens
    assert attempt.estimated
    assert attempt.output_tokens > 0
    assert record.savings.net_nanos == -attempt.cost_nanos < 0
    stream.close()
    assert tokenthrift.account_of(client).ledger.count() == 1


async def test_async_faults_leave_one_record(provider, api_key):
    """Errors, broken streams and early ends are settled in async code as in blocking code."""
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key=api_key, max_retries=0
    ) as bare:
        client = tokenthrift.wrap(bare)
        provider.set_faults(api_key, "500,times=1")
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model=MODEL, messages=ASK)
        provider.set_faults(api_key, "broken_stream")
        stream = await client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        with pytest.raises((openai.APIError, httpx.HTTPError)):
            async for _ in stream:
                pass
        records = list(tokenthrift.account_of(client).ledger.records())
    assert [r.status for r in records] == ["error", "error"]
    assert records[0].error == "InternalServerError"


async def test_a_cancelled_task_is_a_cancelled_call(provider, api_key):
    """Cancelling while the provider holds the request leaves a cancelled record."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client = tokenthrift.wrap(bare)
        provider.set_faults(api_key, "timeout:20")
        call = client.chat.completions.create(model=MODEL, messages=ASK)
        task = asyncio.create_task(call)
        for _ in range(1_000):
            if provider.requests(api_key):
                break
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        record = only_record(client)
    assert (record.status, record.savings.net_nanos) == ("cancelled", 0)


def test_wrong_usage_is_what_is_billed(provider, api_key, bare):
    """The provider's report is the bill, also where it is not what we counted."""
    client = tokenthrift.wrap(bare)
    provider.set_faults(api_key, "wrong_usage:2")
    client.chat.completions.create(model=MODEL, messages=ASK)
    (attempt,) = only_record(client).attempts
    assert attempt.input_tokens == 2 * attempt.counted_tokens
    assert only_record(client).savings.net_nanos == 0


# ----------------------------------------------------------------------------------------- fallback
@pytest.mark.parametrize("fault", ["429", "500", "503", "timeout:20"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_model_is_replaced_by_the_next(provider, api_key, bare, fault, stream):
    """Retryable errors go on to the next candidate; all attempts are in one record."""
    client = tokenthrift.wrap(bare.with_options(timeout=0.5), ROUTED)
    provider.set_faults(api_key, f"{fault},times=1")
    answer = client.chat.completions.create(model="gpt-4.1", messages=ASK, stream=stream)
    if stream:
        assert list(answer)
    models = [e.model for e in provider.requests(api_key)]
    record = only_record(client)
    assert models == ["gpt-4.1-nano", "gpt-4.1-mini"]
    assert [(a.model, a.number, a.status) for a in record.attempts] == [
        ("gpt-4.1-nano", 1, "error"),
        ("gpt-4.1-mini", 2, "ok"),
    ]
    assert (record.model_requested, record.model_chosen) == ("gpt-4.1", "gpt-4.1-mini")
    assert record.savings.routing_nanos == record.savings.net_nanos > 0


@pytest.mark.parametrize("fault", ["400", "quota"])
def test_errors_that_no_model_can_mend_are_raised_at_once(provider, api_key, bare, fault):
    """A bad request or a spent account is not tried elsewhere."""
    client = tokenthrift.wrap(bare, ROUTED)
    provider.set_faults(api_key, fault)
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="gpt-4.1", messages=ASK)
    assert len(provider.requests(api_key)) == 1


def test_when_all_fail_the_last_error_is_raised(provider, api_key, bare):
    """The caller sees the SDK's own exception of the last attempt, and one record has all three."""
    client = tokenthrift.wrap(bare, ROUTED)
    provider.set_faults(api_key, "503")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="gpt-4.1", messages=ASK)
    record = only_record(client)
    assert [a.status for a in record.attempts] == ["error"] * 3
    assert record.model_chosen == "gpt-4.1"


def test_a_stream_that_broke_is_not_started_again(provider, api_key, bare):
    """Once the caller may have seen something, no other model is asked."""
    client = tokenthrift.wrap(bare, ROUTED)
    provider.set_faults(api_key, "broken_stream:3")
    stream = client.chat.completions.create(model="gpt-4.1", messages=ASK, stream=True)
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        list(stream)
    assert len(provider.requests(api_key)) == 1


# ------------------------------------------------------------------------------------------ routing
def test_candidates_of_other_sellers_are_not_sent_to_openai(provider, api_key, bare):
    """An OpenAI client only goes to OpenAI's models; with none of them it stays on the caller's."""
    names = ["claude-haiku-4-5", "claude-sonnet-4-5"]
    foreign = [{"model": n, "covers": "expert"} for n in names]
    mixed = [*foreign, {"model": "gpt-4.1-nano", "covers": "expert"}]
    for candidates, expected in ((mixed, "gpt-4.1-nano"), (foreign, "gpt-4.1")):
        policy = {"version": 1, "routing": {"candidates": candidates}}
        client = tokenthrift.wrap(bare, policy)
        client.chat.completions.create(model="gpt-4.1", messages=ASK)
        assert provider.requests(api_key)[-1].model == expected
        assert only_record(client).policy_digest == tokenthrift.load_policy(policy).digest


def test_the_policys_own_restriction_is_obeyed(provider, api_key, bare):
    """Where the policy names its sellers and none can serve, the call is refused and recorded."""
    routing = {**ROUTED["routing"], "allow_providers": ["anthropic"]}
    client = tokenthrift.wrap(bare, {"version": 1, "routing": routing})
    with pytest.raises(tokenthrift.NoCandidateError, match="provider openai"):
        client.chat.completions.create(model="gpt-4.1", messages=ASK)
    record = only_record(client)
    assert provider.requests(api_key) == ()
    assert (record.status, record.error, record.attempts) == ("error", "NoCandidateError", ())
    assert record.model_chosen is None


def test_a_hard_budget_that_cannot_be_met_is_refused(provider, api_key, bare):
    """Over budget nothing is sent, the typed error says what is too large, and a record is left."""
    client = tokenthrift.wrap(bare, {"version": 1, "budget": {"hard_tokens": 5}})
    with pytest.raises(tokenthrift.OverBudgetError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    assert provider.requests(api_key) == ()
    assert only_record(client).error == "OverBudgetError"


def test_a_tool_loop_stays_on_its_model(provider, api_key, bare):
    """The answer to a tool call goes where the call came from, however hard the rest looks."""
    candidates = [
        {"model": "gpt-4.1-nano", "covers": "trivial"},
        {"model": "gpt-4.1", "covers": "expert"},
    ]
    client = tokenthrift.wrap(bare, {"version": 1, "routing": {"candidates": candidates}})
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": {}}}
    hard = " ".join(f"Prove lemma {i}: $x^{i} + y^{i} = z^{i} \\le {i * i}$?" for i in range(60))
    messages: list[Any] = [{"role": "user", "content": hard}]
    order = {"x-simulate-tool-calls": "look"}
    for _ in range(2):
        answer = client.chat.completions.create(
            model="gpt-4.1", messages=messages, tools=[tool], extra_headers=order
        )
        message = answer.choices[0].message
        messages += [
            message,
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "ok"},
        ]
    reasons = [r.decision.reason for r in tokenthrift.account_of(client).ledger.records()]
    assert len({e.model for e in provider.requests(api_key)}) == 1
    assert reasons[1].startswith("kept")


# ------------------------------------------------------------------------------------ odd providers
def answered_by(handler: Callable[[httpx.Request], httpx.Response]) -> openai.OpenAI:
    """An SDK client whose requests a function answers."""
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return openai.OpenAI(base_url="http://127.0.0.1/v1", api_key="k", http_client=http)


def test_a_provider_that_refuses_stream_usage_is_asked_without_it():
    """A 400 for ``stream_options`` costs one more request once, and never the caller's stream."""
    bodies: list[Any] = []

    def old(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        if "stream_options" in bodies[-1]:
            error = {"error": {"message": "Unrecognized request argument: stream_options"}}
            return httpx.Response(400, json=error)
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        delta = {"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}
        event = json.dumps({**chunk, "choices": [delta]})
        return httpx.Response(
            200,
            content=f"data: {event}\n\ndata: [DONE]\n\n".encode(),
            headers={"content-type": "text/event-stream"},
        )

    with answered_by(old) as bare:
        client = tokenthrift.wrap(bare)
        for _ in range(2):
            stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
            assert [c.choices[0].delta.content for c in stream] == ["Hello"]
    assert ["stream_options" in b for b in bodies] == [True, False, False]
    records = list(tokenthrift.account_of(client).ledger.records())
    assert [(r.status, len(r.attempts), r.attempts[0].estimated) for r in records] == [
        ("ok", 1, True),
        ("ok", 1, True),
    ]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": "many", "completion_tokens": 3, "total_tokens": 3},
        {"prompt_tokens": -5, "completion_tokens": 3, "total_tokens": -2},
        {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": [1]},
        {"prompt_tokens": 10**30, "completion_tokens": 3, "total_tokens": 3},
    ],
)
def test_nonsense_in_usage_does_not_lose_the_answer(usage):
    """Whatever a provider reports, the caller gets the answer and the ledger a record."""
    message = {"role": "assistant", "content": "Hello"}
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    with answered_by(lambda _request: httpx.Response(200, json=body)) as bare:
        client = tokenthrift.wrap(bare)
        answer = client.chat.completions.create(model=MODEL, messages=ASK)
    assert answer.choices[0].message.content == "Hello"
    assert only_record(client).status == "ok"


def test_a_failing_ledger_does_not_lose_the_answer(bare, caplog):
    """A sink that raises costs nobody an answer: it is logged once and kept to be read."""

    class Full(MemoryLedger):
        def write(self, record: Any) -> None:
            raise tokenthrift.LedgerError("disk full")

    client = tokenthrift.wrap(bare, ledger=Full())
    for _ in range(2):
        answer = client.chat.completions.create(model=MODEL, messages=ASK)
        assert answer.choices[0].message.content
    errors = tokenthrift.account_of(client).sink_errors
    assert [str(e) for e in errors] == ["disk full", "disk full"]
    assert sum("disk full" in r.message for r in caplog.records) == 1
