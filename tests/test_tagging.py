"""Tags of a block: on every call that begins in it, in tasks and threads, and nowhere else."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio
import openai
import pytest
from anyio.to_thread import run_sync
from hypothesis import given
from hypothesis import strategies as st

import tokenthrift
from strategies import examples
from tokenthrift.client.options import CallOptions
from tokenthrift.client.tagging import context_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

ASK: list[Any] = [{"role": "user", "content": "Say something."}]
NAMES = st.sampled_from(["user", "team", "cost-centre", "日本"])
TAGS = st.dictionaries(NAMES, st.text(max_size=5), max_size=3)


def said(client: Any, **more: Any) -> dict[str, str]:
    """The tags of the record of one call."""
    client.chat.completions.create(model="gpt-4o-mini", messages=ASK, max_tokens=9, **more)
    *_, record = tokenthrift.account_of(client).ledger.records()
    return dict(record.tags)


@pytest.fixture
def client(provider: SimulatedProvider, api_key: str) -> Iterator[Any]:
    """A wrapped client with tags of its own."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        yield tokenthrift.wrap(bare, "off", tags={"team": "core", "app": "shop"})


@examples(200)
@given(st.lists(TAGS, max_size=5))
def test_blocks_merge_and_restore(blocks):
    """In nested blocks the inner value counts; leaving one brings back what was."""

    def enter(left: list[dict[str, str]], expected: dict[str, str]) -> None:
        assert context_tags() == expected
        if left:
            with tokenthrift.tags(left[0]) as inside:
                assert inside == context_tags() == {**expected, **left[0]}
                enter(left[1:], {**expected, **left[0]})
        assert context_tags() == expected

    enter(blocks, {})


def test_an_error_restores_too():
    """However the block is left."""
    with pytest.raises(KeyError), tokenthrift.tags(user="u1"):
        raise KeyError
    assert context_tags() == {}


@pytest.mark.parametrize("wrong", [{"user": 7}, {"user": None}, {7: "user"}])
def test_what_is_no_text_is_refused_at_once(wrong):
    """The message names the tag, and nothing is tagged."""
    with pytest.raises(TypeError, match="names and values of tags are texts"):
        tokenthrift.tags(wrong).__enter__()
    assert context_tags() == {}


def test_they_come_between_the_clients_tags_and_the_calls(client):
    """Account, then block, then call; the block does not change what the account has."""
    with tokenthrift.tags({"cost-centre": "7"}, team="search", user="u1"):
        assert said(client) == {
            "team": "search",
            "app": "shop",
            "user": "u1",
            "cost-centre": "7",
        }
        account = tokenthrift.account_of(client)
        options = CallOptions(tags={"user": "u2"})
        call = account.begin({"model": "m", "messages": ASK}, options=options)
        assert call.tags["user"] == "u2"
    assert said(client) == {"team": "core", "app": "shop"}


def test_a_stream_keeps_the_tags_it_began_with(client):
    """Read and settled after the block."""
    with tokenthrift.tags(user="u1"):
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=ASK, max_tokens=9, stream=True
        )
    assert list(stream)
    *_, record = tokenthrift.account_of(client).ledger.records()
    assert record.tags["user"] == "u1"


async def test_tasks_have_tags_of_their_own(provider, api_key):
    """Tasks at once do not see each other's, and inherit those they were started in."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client = tokenthrift.wrap(bare, "off")

        async def ask(user: str) -> None:
            with tokenthrift.tags(user=user):
                await asyncio.sleep(0)
                await client.chat.completions.create(
                    model="gpt-4o-mini", messages=ASK, max_tokens=9
                )

        with tokenthrift.tags(team="search"):
            await asyncio.gather(*(ask(f"u{n}") for n in range(6)))
        records = list(tokenthrift.account_of(client).ledger.records())
    assert sorted(r.tags["user"] for r in records) == [f"u{n}" for n in range(6)]
    assert {r.tags["team"] for r in records} == {"search"}
    assert context_tags() == {}


async def test_threads_of_asyncio_and_anyio_inherit_them():
    """And a bare thread does where its context is copied."""
    with tokenthrift.tags(user="u1"):
        assert await asyncio.to_thread(context_tags) == {"user": "u1"}
        assert await run_sync(context_tags) == {"user": "u1"}
        found: list[Any] = []
        async with anyio.create_task_group() as group:

            async def look() -> None:
                found.append(dict(context_tags()))

            group.start_soon(look)
        assert found == [{"user": "u1"}]
        copied = copy_context()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(copied.run, context_tags).result() == {"user": "u1"}


def test_a_bare_thread_starts_without_any():
    """What the documents say of `threading.Thread`; tags of its own stay there."""
    found: list[Any] = []

    def work() -> None:
        found.append(dict(context_tags()))
        with tokenthrift.tags(user="u2"):
            found.append(dict(context_tags()))

    with tokenthrift.tags(user="u1"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert context_tags() == {"user": "u1"}
    # Builds of Python that were told to (3.14 on) hand the context on.
    inherited = {"user": "u1"} if getattr(sys.flags, "thread_inherit_context", 0) else {}
    assert found == [inherited, {"user": "u2"}]


def test_limits_by_user_count_the_blocks_user(client, provider, api_key):
    """A limit of each user is that of the user in the block."""
    policy = {"limits": [{"name": "each", "by": "user", "window": "day", "requests": 1}]}
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        limited = tokenthrift.wrap(bare, policy)
        for user in ("u1", "u2"):
            with tokenthrift.tags(user=user):
                said(limited)
        with tokenthrift.tags(user="u1"), pytest.raises(tokenthrift.LimitError):
            said(limited)
