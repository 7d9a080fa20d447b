"""Limits around real calls: what was reserved is settled, refused calls reach no provider."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import openai
import pytest

import tokenthrift
from tokenthrift.errors import LimitError
from tokenthrift.limits import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.limits import Amount
    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
ASK: list[Any] = [{"role": "user", "content": "Say something that takes a few words to say."}]
ROUTED: dict[str, Any] = {
    "candidates": [
        {"model": "gpt-4.1-nano", "covers": "expert"},
        {"model": "gpt-4.1-mini", "covers": "expert"},
    ]
}


def limited(*limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A policy with limits of a day."""
    return {"limits": [{"window": "day", **limit} for limit in limits], **more}


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def used(client: Any, model: str = MODEL, **tags: str) -> tuple[Amount, Amount]:
    """What the first limit has spent and held for such a call."""
    limiter = tokenthrift.account_of(client).allowance._limiter
    assert limiter is not None
    (use, *_) = limiter.uses(Call(model, tags))
    return use.spent, use.held


def said(client: Any, **more: Any) -> Any:
    """One short call."""
    return client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=40, **more)


def test_what_a_call_took_counts_and_nothing_stays_held(bare):
    """Tokens, money and the request are those of the record; its limit is named there."""
    client = tokenthrift.wrap(bare, limited({"name": "all", "usd": 1, "requests": 9}))
    answer = said(client)
    (record,) = tokenthrift.account_of(client).ledger.records()
    spent, held = used(client)
    assert (spent.requests, spent.input_tokens, spent.output_tokens) == (
        1,
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert spent.nanos == record.attempts[0].cost_nanos > 0
    assert tuple(held) == (0, 0, 0, 0)
    assert record.limits == ("all",)


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_call_reaches_no_provider(provider, api_key, bare, stream):
    """The error says which limit, and is in the ledger; the provider sees nothing."""
    client = tokenthrift.wrap(bare, limited({"name": "two", "requests": 2}))
    said(client)
    said(client)
    with pytest.raises(LimitError) as caught:
        said(client, stream=stream)
    assert (caught.value.limit, caught.value.meter) == ("two", "requests")
    receipt = tokenthrift.receipt_of(caught.value)
    refused = tokenthrift.account_of(client).ledger.get(receipt.record_id)
    assert refused is not None
    assert refused.error == "LimitError"
    assert len(provider.requests(api_key)) == 2
    records = list(tokenthrift.account_of(client).ledger.records())
    assert sorted(r.status for r in records) == ["error", "ok", "ok"]
    assert [r.error for r in records if r.status == "error"] == ["LimitError"]


def test_a_stream_counts_when_it_ends(bare):
    """While it is read its amount is held; afterwards what it took is spent."""
    client = tokenthrift.wrap(bare, limited({"name": "all", "tokens": 100_000}))
    stream = said(client, stream=True, stream_options={"include_usage": True})
    spent, held = used(client)
    assert (spent.requests, held.output_tokens) == (0, 40)
    chunks = list(stream)
    spent, held = used(client)
    assert spent.tokens == chunks[-1].usage.total_tokens
    assert held.tokens == 0


def test_users_have_accounts_of_their_own(bare):
    """One user's limit is reached, another's is not."""
    policy = limited({"name": "each", "by": "user", "requests": 1})
    ann = tokenthrift.wrap(bare, policy, tags={"user": "ann"})
    said(ann)
    with pytest.raises(LimitError):
        said(ann)
    assert used(ann, user="ann")[0].requests == 1
    assert used(ann, user="bob")[0].requests == 0


def test_a_file_counts_for_every_client(bare, tmp_path):
    """Two clients with one store share a limit, also when they call at once."""
    policy = limited({"name": "five", "requests": 5}, leases={"store": str(tmp_path / "l.db")})
    clients = [tokenthrift.wrap(bare, policy) for _ in range(2)]
    done: list[str] = []

    def work(client: Any) -> None:
        for _ in range(5):
            try:
                said(client)
                done.append("ok")
            except LimitError:
                done.append("refused")

    threads = [threading.Thread(target=work, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["ok"] * 5 + ["refused"] * 5


def test_a_fallback_holds_an_amount_of_its_own(provider, api_key, bare):
    """What a provider refused took nothing, so there is room for another; it is one request."""
    client = tokenthrift.wrap(bare, limited({"name": "all", "tokens": 90}, routing=ROUTED))
    provider.set_faults(api_key, "500,times=1")
    answer = said(client)
    spent, held = used(client)
    assert len(provider.requests(api_key)) == 2
    assert (spent.requests, spent.tokens) == (1, answer.usage.total_tokens)
    assert tuple(held) == (0, 0, 0, 0)


def test_a_fallback_without_room_is_not_tried(provider, api_key, bare):
    """Nobody knows what a timeout took, so its amount stays held; the caller gets its error."""
    policy = limited({"name": "tight", "tokens": 90}, routing=ROUTED)
    client = tokenthrift.wrap(bare.with_options(timeout=0.5), policy)
    provider.set_faults(api_key, "timeout:20,times=1")
    with pytest.raises(openai.APITimeoutError):
        said(client)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert len(record.attempts) == 1
    spent, held = used(client)
    assert (spent.output_tokens, held.tokens) == (40, 0)


async def test_async_calls_are_limited_too(provider, api_key):
    """Reserving and settling happen off the event loop, with the same outcome."""
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key=api_key, max_retries=0
    ) as bare:
        client = tokenthrift.wrap(bare, limited({"name": "one", "requests": 1}))
        await said(client)
        with pytest.raises(LimitError):
            await said(client)
        assert used(client)[0].requests == 1
    assert len(provider.requests(api_key)) == 1


def test_most_of_a_budget_spent_asks_for_less(bare):
    """Behind the taper's share the router goes to the cheaper model."""
    routing = {
        "candidates": [
            {"model": "gpt-4.1-nano", "covers": "trivial"},
            {"model": "gpt-4.1", "covers": "expert"},
        ],
        "taper": [{"spent": 0.8, "easier": 4}],
    }
    client = tokenthrift.wrap(bare, limited({"name": "ten", "requests": 10}, routing=routing))
    hard = [{"role": "user", "content": "Prove by induction that 1+3+...+(2n-1)=n^2. " * 6}]
    models = [
        client.chat.completions.create(model=MODEL, messages=hard, max_tokens=5).model
        for _ in range(10)
    ]
    assert models[0].startswith("gpt-4.1")
    assert not models[0].startswith("gpt-4.1-nano")
    assert models[-1].startswith("gpt-4.1-nano")


@pytest.mark.parametrize("late", [False, True])
async def test_a_task_that_is_cancelled_while_it_plans_holds_nothing(provider, api_key, late):
    """Whether its thread was done or not, what a cancelled task reserved is given back."""
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client = tokenthrift.wrap(bare, limited({"name": "all", "requests": 9}))
        account = tokenthrift.account_of(client)
        reserve = account.allowance.reserve

        def slowly() -> str:
            begun.set()
            assert go_on.wait(20)
            return "the call"

        def reserved(*given: Any) -> Any:
            try:
                return reserve(*given)
            finally:
                over.set()

        account.outside = replace(account.outside, new_id=slowly)
        account.allowance.reserve = reserved  # to know when the thread got there
        task = asyncio.create_task(said(client))
        assert await asyncio.to_thread(begun.wait, 20)
        if late:
            go_on.set()
            assert over.wait(20)  # the loop does not run meanwhile, so it has not heard of it
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert await asyncio.to_thread(over.wait, 20)
        for _ in range(2_000):
            if tuple(used(client)[1]) == (0, 0, 0, 0):
                break
            await asyncio.sleep(0.01)
        assert tuple(used(client)[1]) == (0, 0, 0, 0)
    assert provider.requests(api_key) == ()
