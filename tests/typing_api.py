"""The public API as a user's type checker sees it: mypy and pyright, both strict, read this.

Nothing runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from litellm.types.utils import ModelResponse, ModelResponseStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import ParsedResponse, Response, ResponseStreamEvent
from pydantic import BaseModel

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


class Found(BaseModel):
    """What an answer is parsed into."""

    worker: int


def responses(bare: openai.OpenAI) -> None:
    """Responses of a wrapped client are the SDK's, parsed ones included."""
    client = tokenthrift.wrap(bare)
    answer = client.responses.create(model="gpt-5-mini", input="Hello")
    assert_type(answer, Response)
    stream = client.responses.create(model="gpt-5-mini", input="Hello", stream=True)
    assert_type(stream, openai.Stream[ResponseStreamEvent])
    parsed = client.responses.parse(model="gpt-5-mini", input="Hello", text_format=Found)
    assert_type(parsed, ParsedResponse[Found])
    assert_type(client.with_options(timeout=3), openai.OpenAI)
    asks: dict[str, Any] = {"tokenthrift": {"tags": {"user": "u1"}}}
    client.responses.create(model="gpt-5-mini", input="Hello", extra_body=asks)


async def messages(bare: anthropic.Anthropic, awaited: anthropic.AsyncAnthropic) -> None:
    """Wrapped clients of Anthropic have the types of the client, and so have their answers."""
    client = tokenthrift.wrap(bare)
    assert_type(client, anthropic.Anthropic)
    answer = client.messages.create(
        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
    )
    assert_type(answer, Message)
    assert_type(tokenthrift.receipt_of(answer), tokenthrift.Receipt)
    stream = await tokenthrift.wrap(awaited).messages.create(
        model="claude-haiku-4-5",
        max_tokens=9,
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
    )
    assert_type(stream, anthropic.AsyncStream[RawMessageStreamEvent])


def ask(model: str, messages: list[dict[str, str]]) -> dict[str, int]:
    """A function of one's own."""
    return {model: len(messages)}


def functions() -> None:
    """A wrapped function takes and gives what the function does."""
    wrapped = tokenthrift.wrap(ask)
    assert_type(wrapped("gpt-4o", [{"role": "user", "content": "Hello"}]), dict[str, int])
    assert_type(tokenthrift.account_of(wrapped), tokenthrift.Account)


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
