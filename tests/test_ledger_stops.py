"""Caches on demand: what is marked is written, read back near marks, and kept as long as asked."""

from __future__ import annotations

from typing import Any

import pytest

from tokenthrift.catalog.cache_rules import CLAUDE
from tokenthrift.ledger import CacheSplit, ProviderCache, blocks_of
from tokenthrift.ledger.cache import LOOK_BACK
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.wire import read

MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}
HOUR: dict[str, Any] = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
SYSTEM = "Look at every row before you answer. " * 300
COUNT = counter_for("claude-sonnet-4-5")
TOOL = {"name": "look", "description": "Looks. " * 800, "input_schema": {"type": "object"}}


def body(*texts: str, mark: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A conversation; the last message is marked if asked."""
    roles = ("user", "assistant")
    messages: list[dict[str, Any]] = [
        {"role": roles[n % 2], "content": [{"type": "text", "text": text}]}
        for n, text in enumerate(texts)
    ]
    messages[-1]["content"][-1].update(mark or {})
    return {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": messages, **more}


def marked_system(mark: dict[str, Any]) -> list[dict[str, Any]]:
    """System text with a mark."""
    return [{"type": "text", "text": SYSTEM, **mark}]


def split(cache: ProviderCache, given: dict[str, Any], now_s: float) -> CacheSplit:
    """What a cache makes of a request, which is in there afterwards."""
    request = read(given, "anthropic-messages")
    blocks = blocks_of(request, COUNT, as_marked=True)
    assert sum(b.tokens for b in blocks) == count_request(request, COUNT)
    assert [b.digest for b in blocks] == [b.digest for b in blocks_of(request, COUNT)]
    found = cache.simulate(blocks, now_s)
    cache.store(blocks, now_s)
    assert found.input_tokens == count_request(request, COUNT)
    return found


def test_only_what_is_marked_is_written_and_read() -> None:
    """Without a mark nothing is; with one on the system text that much, whatever comes after."""
    cache = ProviderCache(CLAUDE)
    plain = split(cache, body("Hi", system=marked_system({})), 0)
    assert (plain.read_tokens, plain.write_tokens) == (0, 0)
    first = split(cache, body("Hi", system=marked_system(MARK)), 1)
    other = split(cache, body("Hello", system=marked_system(MARK)), 2)
    assert first.read_tokens == other.write_tokens == 0
    assert other.read_tokens == first.write_tokens > 1_024


def test_a_moving_mark_reads_up_to_where_it_stood() -> None:
    """The next turn reads all of the one before, and writes what has come since."""
    cache = ProviderCache(CLAUDE)
    first = split(cache, body("Which?", mark=MARK, system=marked_system({})), 0)
    second = split(cache, body("Which?", "That.", "Why?", mark=MARK, system=marked_system({})), 1)
    assert second.read_tokens == first.write_tokens
    assert second.write_tokens > 0
    assert second.plain_tokens == first.plain_tokens


def test_a_prefix_is_looked_for_so_far_before_a_mark() -> None:
    """What was written more than so many blocks before the next mark is not found."""
    for turns, found in ((LOOK_BACK - 2, True), (LOOK_BACK + 2, False)):
        cache = ProviderCache(CLAUDE)
        split(cache, body("Which?", mark=MARK, system=marked_system({})), 0)
        texts = ["Which?", *("And?" for _ in range(turns))]
        later = split(cache, body(*texts, mark=MARK, system=marked_system({})), 1)
        assert (later.read_tokens > 0) is found


@pytest.mark.parametrize(("mark", "lives_s"), [(MARK, 300), (HOUR, 3_600)])
def test_a_mark_says_how_long(mark: dict[str, Any], lives_s: int) -> None:
    """Five minutes, or an hour."""
    for later_s, read_back in ((lives_s - 1, True), (lives_s + 1, False)):
        cache = ProviderCache(CLAUDE)
        split(cache, body("Which?", mark=mark, system=marked_system({})), 0)
        again = split(cache, body("Which?", mark=mark, system=marked_system({})), later_s)
        assert (again.read_tokens > 0) is read_back


def test_what_is_kept_for_an_hour_is_written_for_an_hour() -> None:
    """Up to the last mark that says so; what is read of it is written no more."""
    cache = ProviderCache(CLAUDE)
    given = body("Which?", mark=MARK, system=marked_system(HOUR))
    first = split(cache, given, 0)
    assert 1_024 < first.write_1h_tokens < first.write_tokens
    assert first.usage().cache_write_1h_tokens == first.write_1h_tokens
    again = split(cache, given, 400)
    assert (again.read_tokens, again.write_1h_tokens) == (first.write_1h_tokens, 0)
    assert again.write_tokens == first.write_tokens - first.write_1h_tokens
    assert split(ProviderCache(CLAUDE), body("x", system=marked_system(MARK)), 0).hour_tokens == 0


def test_marks_stand_on_tools_parts_and_the_whole_body() -> None:
    """Each of them ends a prefix of its own."""
    tools = split(ProviderCache(CLAUDE), body("Hi", tools=[{**TOOL, **MARK}]), 0)
    whole = split(ProviderCache(CLAUDE), body("Hi", tools=[TOOL], **MARK), 0)
    assert 1_024 < tools.write_tokens < whole.write_tokens
    parts = [{"type": "text", "text": SYSTEM, **MARK}, {"type": "text", "text": "Which?"}]
    given = {**body("x"), "messages": [{"role": "user", "content": parts}]}
    part = split(ProviderCache(CLAUDE), given, 0)
    assert part.write_tokens > 1_024
    assert part.plain_tokens > 0


def test_what_is_too_short_is_not_cached() -> None:
    """A mark before the minimum asks for nothing."""
    found = split(ProviderCache(CLAUDE), body("Hi", mark=MARK), 0)
    assert (found.read_tokens, found.write_tokens) == (0, 0)


def test_what_a_report_says_is_held_is_read_wherever_marks_stand_now() -> None:
    """Another replica wrote it; the next request of the conversation finds it here, too."""
    cache = ProviderCache(CLAUDE)
    given = body("Which?", "That.", "Why?", mark=MARK, system=marked_system({}))
    request = read(given, "anthropic-messages")
    blocks = blocks_of(request, COUNT, as_marked=True)
    cache.hold(blocks[:3], 0)
    assert cache.simulate(blocks, 1).read_tokens == sum(b.tokens for b in blocks[:3]) - 3
