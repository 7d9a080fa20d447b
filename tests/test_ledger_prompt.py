"""Prompts as tokens: what requests share inside a message, against the provider's account."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenthrift import wire
from tokenthrift.catalog import CacheRule
from tokenthrift.ledger import ProviderCache, blocks_of
from tokenthrift.ledger.prompt import BlockEnds, Lifetimes, Piece, block_ends
from tokenthrift.serve.simulated_cache import PrefixCache, prompt_seed, render
from tokenthrift.tokens import count_request, counter_for

MODEL = "gpt-4o-mini"
COUNT = counter_for(MODEL)
RULE = CacheRule(mode="block", min_tokens=128, block_tokens=64, ttl_seconds=300)
WORDS = [f"word{n} of the {n * 7919 % 1000} rows\n" for n in range(80)]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}

# Texts that begin alike, and end somewhere else.
texts = st.builds(
    lambda words, end: "".join(WORDS[:words]) + end,
    st.integers(0, len(WORDS)),
    st.sampled_from(["", ".", " and that is all.", " or is it?", "\N{SNOWMAN}" * 30]),
)
contents = st.one_of(
    texts,
    st.lists(texts.map(lambda t: {"type": "text", "text": t}), min_size=1, max_size=2),
    texts.map(lambda t: [{"type": "text", "text": t}, IMAGE]),
)
users = st.fixed_dictionaries(
    {"role": st.just("user"), "content": contents},
    optional={"name": st.sampled_from(["ada", "bob"])},
)
exchanges = st.one_of(
    texts.map(lambda t: [{"role": "assistant", "content": t}]),
    texts.map(
        lambda t: [
            {"role": "assistant", "content": t, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": t[::-1]},
        ]
    ),
)
tools = texts.map(
    lambda t: [{"type": "function", "function": {"name": "look", "description": t}}],
)
bodies = st.builds(
    lambda talk, more: {
        "model": MODEL,
        "messages": [m for user, others in talk for m in (user, *others)],
        **more,
    },
    st.lists(st.tuples(users, exchanges | st.just([])), min_size=1, max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "tools": tools,
            "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        },
    ),
)


@given(st.lists(st.tuples(bodies, st.integers(0, 200)), max_size=8))
@settings(deadline=None)
def test_what_is_read_is_what_the_provider_reports(sent: list[tuple[dict[str, Any], int]]) -> None:
    """To the token, wherever requests part: in tools, parts, names, calls or in a text."""
    ours, theirs, now_s = ProviderCache(RULE), PrefixCache(64, 128), 0.5
    for body, wait_s in sent:
        now_s += wait_s
        request = wire.read(body)
        blocks = blocks_of(request, COUNT)
        assert sum(b.tokens for b in blocks) == count_request(request, COUNT)
        found = ours.simulate(blocks, now_s).read_tokens
        ours.store(blocks, now_s)
        prompt, seed = render(request, COUNT), prompt_seed(request)
        assert found == theirs.read_and_write(("k", MODEL), prompt, seed, now_s, 300.5)


def chat(*given: str, **more: Any) -> dict[str, Any]:
    """A conversation that the user begins."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(given)]
    return {"model": MODEL, "messages": messages, **more}


def read_after(first: dict[str, Any], then: dict[str, Any], model: str = MODEL) -> int:
    """What the second of two requests reads back of the first."""
    cache, count = ProviderCache(RULE), counter_for(model)
    cache.store(blocks_of(wire.read(first), count), 0)
    return cache.simulate(blocks_of(wire.read(then), count), 1).read_tokens


def test_an_estimated_count_shares_its_part_of_a_text() -> None:
    """Ids are stretched to the counted tokens, so half of a text is half of its blocks."""
    for model in (MODEL, "deepseek-chat", "mistral-large"):
        count = counter_for(model)
        half, whole = "".join(WORDS[:40]), "".join(WORDS)
        read = read_after(chat(half + "One."), chat(whole), model)
        assert count(half) - 64 <= read <= count(half) + 8


def test_a_schema_before_the_prompt_breaks_it() -> None:
    """Another shape of the answer shares nothing; the same one does."""
    body = chat("".join(WORDS))
    shaped = {**body, "response_format": {"type": "json_object"}}
    assert read_after(body, shaped) == 0
    assert read_after(shaped, shaped) == read_after(body, body) > 0


@pytest.mark.parametrize(
    ("asked", "lives_s"), [({}, 300), ({"prompt_cache_retention": "24h"}, 86_400)]
)
def test_a_request_may_ask_for_a_day(asked: dict[str, Any], lives_s: int) -> None:
    """Its whole prompt is kept for so long, inside of messages too; a shorter use takes nothing."""
    body, other = chat("".join(WORDS) + "One."), chat("".join(WORDS) + "Two.")
    cache = ProviderCache(RULE)
    cache.store(blocks_of(wire.read({**body, **asked}), COUNT), 0)
    cache.store(blocks_of(wire.read(body), COUNT), 0)
    blocks = blocks_of(wire.read(other), COUNT)
    assert cache.lookup(blocks, lives_s) > 0
    assert cache.lookup(blocks, lives_s + 1) == 0


def test_what_a_report_says_is_held_ends_where_it_says() -> None:
    """A held beginning has no reply behind it, which a longer request could be taken to share."""
    text = "".join(WORDS)
    tokens = next(n for n in range(len(text), 0, -1) if _end(text[:n]) % 64 == 62)
    request = wire.read(chat(text[:tokens], "Yes."))
    blocks = blocks_of(request, COUNT)
    cache = ProviderCache(RULE)
    cache.hold(blocks[:2], 0)
    held = cache.lookup(blocks, 0)
    cache.store(blocks_of(wire.read(chat(text[:tokens])), COUNT), 0)
    assert cache.lookup(blocks, 0) == held + 64


def _end(text: str) -> int:
    """Tokens of a message with a text, without the reply."""
    return sum(b.tokens for b in blocks_of(wire.read(chat(text)), COUNT)[1:])


def test_a_piece_is_made_only_when_a_block_ends_in_it() -> None:
    """Messages that nothing ends in cost nothing, and none is made twice."""
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return np.arange(100, dtype=np.uint32)

    ends = BlockEnds()
    piece = Piece(b"before", MODEL, make)
    first = ends.of(piece, b"after", 20, 64)
    assert first == ends.of(piece, b"after", 20, 64) == block_ends(b"before", 20, make(), 64)
    assert len(first) == 1
    assert len(made) == 2
    small = BlockEnds(held=1)
    small.of(piece, b"after", 20, 64)
    small.of(piece, b"after", 20, 64)
    assert len(made) == 4


@given(st.lists(st.tuples(st.sets(st.binary(max_size=1), max_size=4), st.integers(0, 9))))
def test_lifetimes_keep_the_longest_and_stay_small(kept: list[tuple[set[bytes], int]]) -> None:
    """With room for all they agree with a plain mapping; without, they know less and stay small."""
    plain: dict[bytes, float] = {}
    large, small = Lifetimes(2_000), Lifetimes(8)
    for digests, until_s in kept:
        large.keep(digests, until_s)
        small.keep(digests, until_s)
        plain |= {d: max(until_s, plain.get(d, 0)) for d in digests}
        assert len(small) <= 8 + 4
    for digest, until_s in plain.items():
        assert large.until_s(digest) == until_s
        assert small.until_s(digest) <= until_s
    assert large.until_s(b"unknown") == float("-inf")
