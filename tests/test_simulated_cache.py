"""Prefix-cache accounting of the simulated provider against a naive reference."""

from __future__ import annotations

from itertools import count as numbers
from itertools import takewhile
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_cache import ID_BYTES, PrefixCache, render
from tokenthrift.tokens import count_request, counter_for, encoding
from tokenthrift.wire import read

MODEL = "gpt-4o-mini"
KEYS = numbers()
WORDS = st.sampled_from(["alpha ", "beta ", "gamma, ", "δέλτα ", "\n", "12345 "])
TEXTS = st.builds(
    lambda words, times: "".join(words) * times,
    st.lists(WORDS, min_size=1, max_size=4),
    st.integers(1, 200),
)
ROLES = st.sampled_from(["user", "assistant", "system"])
MESSAGES = st.lists(
    st.builds(lambda r, t: {"role": r, "content": t}, ROLES, TEXTS), min_size=1, max_size=6
)


def conversations() -> st.SearchStrategy[list[list[dict[str, str]]]]:
    """Requests of one key: grown, cut, edited or begun anew from the one before."""

    @st.composite
    def build(draw: st.DrawFn) -> list[list[dict[str, str]]]:
        now = draw(MESSAGES)
        requests = [now]
        for _ in range(draw(st.integers(1, 5))):
            kind = draw(st.sampled_from(["grow", "grow", "cut", "edit", "same", "new"]))
            if kind == "grow":
                now = [*now, *draw(MESSAGES)]
            elif kind == "cut":
                now = now[: draw(st.integers(1, len(now)))]
            elif kind == "edit":
                i = draw(st.integers(0, len(now) - 1))
                changed = {**now[i], "content": now[i]["content"] + draw(TEXTS)}
                now = [*now[:i], changed, *now[i + 1 :]]
            elif kind == "new":
                now = draw(MESSAGES)
            requests.append(now)
        return requests

    return build()


def naive_tokens(messages: list[dict[str, str]]) -> list[Any]:
    """The prompt as a plain list: head of four, the content's token ids, a primer of three."""
    tokens: list[Any] = []
    for message in messages:
        tokens += [message["role"], "head", "head", "head"]
        tokens += encoding("o200k_base").encode_ordinary(message["content"])
    return [*tokens, "assistant", "head", "head"]


def naive_cached(before: list[list[Any]], now: list[Any]) -> int:
    """The longest prefix shared with anything before, in whole blocks of 128, from 1024 on."""
    shared = [
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, now, strict=False)))
        for old in before
    ]
    blocks = max(shared, default=0) // 128 * 128
    return blocks if blocks >= 1024 else 0


@settings(max_examples=40)
@given(conversations())
def test_cached_tokens_are_what_was_sent_before(provider, requests):
    """Over the SDK, each request's cached_tokens are the naive reference's, and add up."""
    key = f"sk-cache-{next(KEYS)}"
    sent: list[list[Any]] = []
    reported = 0
    with openai.OpenAI(base_url=provider.base_url, api_key=key, max_retries=0) as client:
        for messages in requests:
            tokens = naive_tokens(messages)
            usage = client.chat.completions.create(model=MODEL, messages=messages).usage
            assert usage.prompt_tokens == len(tokens)
            assert usage.prompt_tokens_details.cached_tokens == naive_cached(sent, tokens)
            reported += usage.prompt_tokens_details.cached_tokens
            sent.append(tokens)
    assert provider.totals(key).cache_read_tokens == reported
    provider.forget(key)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 400)),
        min_size=1,
        max_size=12,
    )
)
def test_lifetimes_are_renewed_by_use(steps):
    """At any time a prompt reads what it shares with prompts sent less than the lifetime ago."""
    cache = PrefixCache(block_tokens=2, min_tokens=4)
    log: list[tuple[float, list[int]]] = []
    now = 0.0
    for branch, length, wait in steps:
        now += wait
        tokens = [*range(branch * 4), *([9] * length)]
        alive = [t for at, t in log if now < at + 300]
        shared = [
            sum(
                1
                for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, tokens, strict=False))
            )
            for old in alive
        ]
        expected = max(shared, default=0) // 2 * 2
        prompt = b"".join(t.to_bytes(ID_BYTES, "little") for t in tokens)
        cached = cache.read_and_write(("key", "model"), prompt, b"", now, 300)
        assert cached == (expected if expected >= 4 else 0)
        log.append((now, tokens))


LONG = "The quick brown fox jumps over the lazy dog. " * 150
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"where": "under the table"}'},
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
RICH = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": LONG}, IMAGE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    {"role": "tool", "tool_call_id": "call_2", "content": LONG},
    {"role": "assistant", "content": None, "refusal": "No."},
    {"role": "user", "content": ""},
]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4", "claude-sonnet-4", "mistral-large"])
def test_a_rendered_prompt_is_as_long_as_it_is_billed(model):
    """For every kind of part and counter, the sequence has exactly the billed number of tokens."""
    request = read({"model": model, "messages": RICH, "tools": [TOOL, TOOL]})
    count = counter_for(model)
    assert len(render(request, count)) == ID_BYTES * count_request(request, count)


def test_the_next_turn_begins_with_the_whole_last_prompt():
    """The primed reply is the head of the assistant message that follows, so nothing is lost."""
    count = counter_for(MODEL)
    first = render(read({"model": MODEL, "messages": RICH}), count)
    grown = [*RICH, {"role": "assistant", "content": "Well."}, {"role": "user", "content": "So?"}]
    assert render(read({"model": MODEL, "messages": grown}), count).startswith(first)


@pytest.mark.parametrize(
    ("change", "hit"),
    [
        ({}, True),
        ({"temperature": 0.5}, True),
        ({"model": "gpt-4o"}, False),
        ({"tools": [TOOL]}, False),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {}},
                }
            },
            False,
        ),
    ],
    ids=["same", "temperature", "model", "tools", "schema"],
)
def test_what_breaks_the_prefix(provider, api_key, change, hit):
    """Model, tools and schema stand before the messages; sampling settings do not."""
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": LONG}]}
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as client:
        client.chat.completions.create(**body)
        usage = client.chat.completions.create(**{**body, **change}).usage
    assert (usage.prompt_tokens_details.cached_tokens > 0) is hit


def test_keys_do_not_share_a_cache_and_errors_do_not_fill_it(provider, api_key):
    """Only answered requests of the same key are read from the cache."""
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": LONG}]}
    fault = {"x-simulate-fault": "500"}
    with openai.OpenAI(base_url=provider.base_url, api_key=f"{api_key}-b", max_retries=0) as other:
        other.chat.completions.create(**body)
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**body, extra_headers=fault)
        cached = [
            client.chat.completions.create(**body).usage.prompt_tokens_details.cached_tokens
            for _ in range(2)
        ]
    provider.forget(f"{api_key}-b")
    assert cached[0] == 0 < cached[1]


def test_the_clock_ends_the_cache():
    """After the lifetime without use nothing is cached, unless 24 h retention was asked for."""
    now = [1_000_000.0]
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": LONG}]}
    with (
        SimulatedProvider(clock=lambda: now[0]) as own,
        openai.OpenAI(base_url=own.base_url, api_key="k", max_retries=0) as client,
    ):

        def cached(wait_s: float, **more: Any) -> int:
            now[0] += wait_s
            answer = client.chat.completions.create(**body, **more)
            assert answer.created == int(now[0])
            return answer.usage.prompt_tokens_details.cached_tokens

        assert cached(0) == 0
        full = cached(299)
        assert full > 1024
        assert cached(299) == full  # renewed by the use before
        assert cached(301) == 0
        assert cached(1, prompt_cache_retention="24h") == full
        assert cached(80_000) == full
