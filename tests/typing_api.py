"""The public API as a user's type checker sees it: ``mypy --strict`` reads this, nothing runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import openai
from litellm.types.utils import ModelResponse, ModelResponseStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import tokenthrift
from tokenthrift.ledger import SavingsRecord, Totals


def blocking(bare: openai.OpenAI) -> None:
    """A wrapped client has the type of the client, and its responses are the SDK's."""
    client = tokenthrift.wrap(bare, "balanced", ledger="ledger.sqlite", tags={"team": "a"})
    assert_type(client, openai.OpenAI)
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
    )
    assert_type(answer, ChatCompletion)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    assert_type(stream, openai.Stream[ChatCompletionChunk])
    receipt = tokenthrift.receipt_of(answer)
    assert_type(receipt, tokenthrift.Receipt)
    assert_type(receipt.plan, tokenthrift.Plan | None)
    assert_type(receipt.record, tokenthrift.LedgerRecord | None)
    assert_type(receipt.savings, SavingsRecord | None)
    assert_type(tokenthrift.account_of(client), tokenthrift.Account)


async def awaiting(bare: openai.AsyncOpenAI) -> None:
    """The same for the async client."""
    client = tokenthrift.wrap(bare, {"version": 1})
    assert_type(client, openai.AsyncOpenAI)
    answer = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
    )
    assert_type(answer, ChatCompletion)


def dry_run() -> None:
    """A plan, and what can be read off it."""
    plan = tokenthrift.plan({"model": "gpt-4o", "messages": []}, "lossless")
    assert_type(plan, tokenthrift.Plan)
    assert_type(plan.tokens_after, int)
    policy = tokenthrift.load_policy("balanced")
    assert_type(policy, tokenthrift.Policy)
    assert_type(tokenthrift.__version__, str)


def own_client() -> None:
    """The clients over litellm give litellm's types."""
    with tokenthrift.Client("balanced", api_key="sk-...") as client:
        answer = client.complete(model="gpt-4o", messages=[])
        assert_type(answer, ModelResponse)
        chunks = client.complete(model="gpt-4o", messages=[], stream=True)
        assert_type(chunks, Iterator[ModelResponseStream])
        assert_type(client.report(), Totals)
        assert_type(client.plan(model="gpt-4o", messages=[]), tokenthrift.Plan)


async def own_async_client() -> None:
    """The same, awaited."""
    async with tokenthrift.AsyncClient() as client:
        assert_type(await client.complete(model="gpt-4o", messages=[]), ModelResponse)
        chunks = await client.complete(model="gpt-4o", messages=[], stream=True)
        assert_type(chunks, AsyncIterator[ModelResponseStream])


def failures() -> None:
    """Errors are caught by their public names."""
    try:
        tokenthrift.load_policy("nonsense")
    except tokenthrift.PolicyError as error:
        assert_type(error.path, str)
    except tokenthrift.TokenthriftError as error:
        assert_type(error.http_status, int)
