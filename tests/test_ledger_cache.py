"""The provider-cache model against a naive reference on token lists, and its own promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift import wire
from tokenthrift.catalog import CacheRule, ModelCard
from tokenthrift.ledger import (
    CacheBranch,
    CacheSplit,
    ProviderCache,
    blocks_of,
    fingerprint,
    held_blocks,
)
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage

ANTHROPIC = CacheRule(mode="message", min_tokens=1_024, ttl_seconds=300)
OPENAI = CacheRule(mode="block", min_tokens=1_024, block_tokens=128, ttl_seconds=300)

# Messages are numbers; how long each is, is fixed, and no two begin with the same token.
LENGTHS = (1, 7, 60, 128, 200, 333, 512, 900)
messages = st.integers(0, len(LENGTHS) - 1)
rules = st.builds(
    CacheRule,
    mode=st.sampled_from(["message", "block"]),
    min_tokens=st.sampled_from([0, 1, 128, 600, 1_024]),
    block_tokens=st.sampled_from([1, 64, 128]),
    ttl_seconds=st.integers(1, 20),
)


def blocks(*numbers: int):
    """A request of the given messages."""
    return fingerprint((f"message {n}", LENGTHS[n]) for n in numbers)


class NaiveCache:
    """Every request ever sent as a list of tokens, compared token by token."""

    def __init__(self, rule: CacheRule) -> None:
        self.rule = rule
        self.sent: list[tuple[float, list[tuple[int, int]], set[int]]] = []

    def split(self, numbers: list[int], now_s: float) -> CacheSplit:
        """What is read, written and plain of a request, which then counts as sent."""
        new = [(n, i) for n in numbers for i in range(LENGTHS[n])]
        ends = {sum(LENGTHS[n] for n in numbers[: k + 1]) for k in range(len(numbers))}
        read = 0
        for at_s, old, old_ends in self.sent:
            if now_s - at_s > self.rule.ttl_seconds:
                continue
            shared = 0
            while shared < min(len(old), len(new)) and old[shared] == new[shared]:
                shared += 1
            if self.rule.mode == "block":
                usable = shared // self.rule.block_tokens * self.rule.block_tokens
            else:
                usable = max((e for e in ends & old_ends if e <= shared), default=0)
            if usable >= self.rule.min_tokens:
                read = max(read, usable)
        self.sent.append((now_s, new, ends))
        total = len(new)
        if total < self.rule.min_tokens:
            return CacheSplit(0, 0, total)
        whole = total // self.rule.block_tokens * self.rule.block_tokens
        written = max(0, (whole if self.rule.mode == "block" else total) - read)
        return CacheSplit(read, written, total - read - written)


@given(rules, st.lists(st.tuples(st.lists(messages, max_size=6), st.integers(0, 9)), max_size=8))
def test_agrees_with_the_naive_reference(rule, requests):
    """Read, written and plain tokens are those of a token-by-token comparison with all requests."""
    cache, naive, now_s = ProviderCache(rule), NaiveCache(rule), 0.0
    for numbers, wait_s in requests:
        now_s += wait_s
        assert cache.simulate(blocks(*numbers), now_s) == naive.split(numbers, now_s)
        cache.store(blocks(*numbers), now_s)


@given(rules, st.lists(messages, max_size=8), st.lists(st.lists(messages, max_size=8), max_size=4))
def test_splits_are_whole_and_looking_changes_nothing(rule, request_, before):
    """The buckets sum to the input, simulating leaves no trace, forgetting only reads less."""
    cache, small = ProviderCache(rule), ProviderCache(rule, max_prefixes=3)
    for now_s, numbers in enumerate(before):
        cache.store(blocks(*numbers), now_s)
        small.store(blocks(*numbers), now_s)
    split = cache.simulate(blocks(*request_), 5)
    assert split.input_tokens == sum(LENGTHS[n] for n in request_)
    assert min(split.read_tokens, split.write_tokens, split.plain_tokens) >= 0
    assert cache.simulate(blocks(*request_), 5) == split
    assert split.read_tokens == cache.lookup(blocks(*request_), 5)
    assert len(small) <= 3
    assert small.lookup(blocks(*request_), 5) <= split.read_tokens


def test_a_growing_conversation_is_read_back_and_a_changed_start_is_not():
    """Appending reads the whole prefix; altering the first message reads nothing."""
    cache = ProviderCache(ANTHROPIC)
    cache.store(blocks(7, 6), 0)
    assert cache.simulate(blocks(7, 6, 2), 10) == CacheSplit(1_412, 60, 0)
    assert cache.simulate(blocks(5, 7, 6, 2), 10) == CacheSplit(0, 1_805, 0)


def test_block_mode_reads_and_writes_whole_blocks():
    """A block cache leaves the unfinished block plain, on reading and on writing."""
    cache = ProviderCache(OPENAI)
    assert cache.simulate(blocks(7, 6), 0) == CacheSplit(0, 1_408, 4)
    cache.store(blocks(7, 6), 0)
    assert cache.simulate(blocks(7, 6, 3), 10) == CacheSplit(1_408, 128, 4)


def test_a_prefix_lives_from_its_last_use():
    """Each use renews the lifetime; one second past it the prefix is gone."""
    cache, request = ProviderCache(ANTHROPIC), blocks(7, 6)
    cache.store(request, 0)
    cache.store(request, 250)
    cache.store(request, 100)  # a late thread does not turn time back
    assert cache.lookup(request, 550) == 1_412
    assert cache.lookup(request, 551) == 0


def test_below_the_minimum_nothing_is_cached():
    """A short request is plain, and storing it remembers nothing."""
    cache = ProviderCache(ANTHROPIC)
    cache.store(blocks(7), 0)
    assert len(cache) == 0
    assert cache.simulate(blocks(7), 1) == CacheSplit(0, 0, 900)


def test_without_a_rule_nothing_is_cached():
    """A provider without a prompt cache takes everything at the plain price."""
    cache = ProviderCache(None)
    cache.store(blocks(7, 7), 0)
    assert cache.simulate(blocks(7, 7), 1) == CacheSplit(0, 0, 1_800)


def test_the_longest_of_the_least_used_are_forgotten_first():
    """At the bound, prefixes that more requests share outlive those that fewer do."""
    cache = ProviderCache(CacheRule(mode="message", min_tokens=0, ttl_seconds=9), max_prefixes=2)
    cache.store(blocks(1, 2, 3), 0)
    assert cache.lookup(blocks(1, 2, 3), 0) == 67
    with pytest.raises(ValueError, match="at least 1"):
        ProviderCache(ANTHROPIC, max_prefixes=0)


def test_branches_keep_models_apart():
    """Each model has its own cache, one object per branch."""
    branch = CacheBranch()
    small, large = (ModelCard(name=n, cache=ANTHROPIC) for n in ("small", "large"))
    branch.cache_of(small).store(blocks(7, 6), 0)
    assert branch.cache_of(small).lookup(blocks(7, 6), 0) == 1_412
    assert branch.cache_of(large).lookup(blocks(7, 6), 0) == 0
    assert branch.cache_of(ModelCard(name="x")).rule is None


@given(st.lists(st.tuples(st.text(), st.integers(0, 9))), st.integers(0, 9))
def test_fingerprints_chain(pieces, cut):
    """Digests of a prefix are a prefix of the digests, however the blocks were built."""
    whole = fingerprint(pieces, scope="account")
    head = fingerprint(pieces[:cut], scope="account")
    assert whole[:cut] == head
    assert fingerprint(pieces[cut:], scope="account", after=head) == whole
    assert len({b.digest for b in whole}) == len(whole)


def test_fingerprints_differ_by_scope_and_cut():
    """Other accounts share nothing, and moving text between messages changes the digest."""
    assert fingerprint([("ab", 1)], scope="x") != fingerprint([("ab", 1)], scope="y")
    assert fingerprint([("ab", 1), ("c", 1)])[1] != fingerprint([("a", 1), ("bc", 1)])[1]
    with pytest.raises(ValueError, match="piece 1 has -1 tokens"):
        fingerprint([("a", 1), ("b", -1)])


def chat(*texts: str, **more):
    """A request that alternates user and assistant."""
    roles = ("user", "assistant")
    body = {
        "model": "gpt-4o",
        "messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)],
    }
    return wire.read({**body, **more})


def test_blocks_of_a_request_hold_all_its_tokens_and_none_of_its_text():
    """A request's blocks sum to its counted tokens; a longer conversation continues them."""
    count = counter_for("gpt-4o")
    tools = [{"type": "function", "function": {"name": "find", "parameters": {}}}]
    short = blocks_of(chat("hello there", tools=tools), count)
    longer_request = chat("hello there", "hi", "find me\nthat", tools=tools)
    longer = blocks_of(longer_request, count)
    assert sum(b.tokens for b in longer) == count_request(longer_request, count)
    assert longer[: len(short)] == short
    assert blocks_of(chat("hello there"), count)[-1] != short[-1], "tools come first"
    assert b"hello" not in b"".join(b.digest for b in longer)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7))
def test_scaling_keeps_the_total_and_empty_buckets(read, write, plain, total):
    """A scaled split sums to the new total exactly, and what was empty stays empty."""
    split = CacheSplit(read, write, plain, read + write // 2)
    scaled = split.scaled(total)
    assert 0 <= scaled.write_1h_tokens <= scaled.write_tokens
    assert scaled.input_tokens == total
    assert min(scaled.read_tokens, scaled.write_tokens, scaled.plain_tokens) >= 0
    if split.input_tokens:
        assert abs(scaled.hour_tokens - split.hour_tokens * total / split.input_tokens) <= 1
        for old, new in ((read, scaled.read_tokens), (write, scaled.write_tokens)):
            assert old or not new
            assert abs(new - old * total / split.input_tokens) <= 1
    assert split.scaled(split.input_tokens) == split


def test_a_split_becomes_a_usage():
    """A split is an estimated usage with inclusive buckets."""
    usage = CacheSplit(5, 3, 2).usage(7, 4)
    assert usage == Usage(10, 7, 5, 3, 4, estimated=True)


@pytest.mark.parametrize(
    ("usage", "held"),
    [
        (Usage(input_tokens=1_472), 0),
        (Usage(), 0),
        (Usage(input_tokens=1_472, cache_read_tokens=1_472), 3),
        (Usage(input_tokens=1_472, cache_read_tokens=1_408), 2),  # whole blocks of 1,412
        (Usage(input_tokens=1_600, cache_read_tokens=1_535), 2),  # the provider counts 9 % more
        (Usage(input_tokens=1_472, cache_read_tokens=900), 1),
        (Usage(input_tokens=1_472, cache_read_tokens=1_442), 3),  # a tie claims less
    ],
)
def test_a_reported_read_says_what_the_provider_held(usage, held):
    """The leading blocks that a reported cache read covers are those up to the nearest boundary."""
    assert held_blocks(blocks(7, 6, 2), usage) == held


def test_a_read_by_another_replica_does_not_pass_for_a_saving():
    """A cold baseline that is told what the provider held is simulated warm."""
    baseline = ProviderCache(ANTHROPIC)
    original, sent = blocks(7, 6, 5, 2), blocks(7, 6, 1, 2)
    usage = Usage(input_tokens=1_479, cache_read_tokens=1_412)
    assert baseline.simulate(original, 0).read_tokens == 0
    baseline.store(original[: held_blocks(sent, usage)], 0)
    assert baseline.simulate(original, 0).read_tokens == 1_412
