"""Bills: what an answered request cost, and what the unmodified one would have cost."""

from __future__ import annotations

from typing import Any

import pytest

from tokenthrift.catalog import load_catalog
from tokenthrift.client.billing import Branches, bill, is_marked, usage_of
from tokenthrift.ledger import CacheBranch
from tokenthrift.pipeline import plan
from tokenthrift.types import Usage
from tokenthrift.wire import read

MODEL = "gpt-4o-mini"
LONG = "\n".join(f"{i}: the quick brown fox jumps over the lazy dog number {i}" for i in range(300))
TRIM = {
    "version": 1,
    "stages": [{"stage": "select", "keep": 0.5, "min_tokens": 500, "roles": ["tool", "user"]}],
}


def branches() -> Branches:
    """Two empty caches."""
    return Branches(CacheBranch(), CacheBranch())


def body(*texts: str) -> dict[str, Any]:
    """A conversation of alternating user and assistant texts."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)]
    return {"model": MODEL, "messages": messages}


def test_a_report_that_is_no_usage_counts_as_none():
    """What cannot be true, or is not of the wire, is estimated from the text instead."""
    for report in (
        None,
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 10**12, "completion_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": 5, "prompt_tokens_details": ["odd"]},
    ):
        assert usage_of("openai-chat", report, "one two", MODEL) == Usage(
            output_tokens=2, estimated=True
        )


def test_an_unchanged_request_costs_what_it_cost():
    """Where nothing was changed the provider's report is the baseline, whatever it says."""
    planned = plan(body(LONG), "off")
    usage = Usage(input_tokens=5_000, output_tokens=7, cache_read_tokens=1_024)
    made = bill(planned, MODEL, usage, branches(), load_catalog(), 0.0)
    assert made.baseline.usage == usage == made.compressed
    assert made.counted_given == made.counted_sent == planned.tokens_after


def test_both_branches_remember():
    """A second turn reads the first from the cache in both branches, each its own size."""
    caches = branches()
    first, second = body(LONG), body(LONG, "Yes.", "And?")
    bill(plan(first, TRIM), MODEL, Usage(estimated=True), caches, load_catalog(), 0.0)
    made = bill(plan(second, TRIM), MODEL, Usage(estimated=True), caches, load_catalog(), 10.0)
    assert 0 < made.usage.cache_read_tokens < made.baseline.usage.cache_read_tokens
    assert made.usage.input_tokens == made.counted_sent
    assert made.baseline.usage.input_tokens == made.counted_given


def test_a_cache_that_forgot_would_have_forgotten_the_baseline():
    """Where the provider reports no cache read though we expect one, so would the baseline."""
    caches = branches()
    catalog = load_catalog()
    bill(plan(body(LONG), TRIM), MODEL, Usage(estimated=True), caches, catalog, 0.0)
    planned = plan(body(LONG, "Yes.", "And?"), TRIM)
    evicted = Usage(input_tokens=planned.tokens_after, output_tokens=5)
    made = bill(planned, MODEL, evicted, caches, catalog, 10.0)
    assert made.baseline.usage.cache_read_tokens == 0


def test_an_hour_in_the_cache_is_priced_as_one_in_the_baseline():
    """A baseline that asks for an hour writes for an hour, whatever of the request was cut."""
    model = "claude-sonnet-4-5"
    made = {}
    for ttl in ("5m", "1h"):
        mark = {"cache_control": {"type": "ephemeral", "ttl": ttl}}
        parts = [{"type": "text", "text": LONG}, {"type": "text", "text": "Which fox?", **mark}]
        asked = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": parts}]}
        planned = plan(read(asked, "anthropic-messages"), TRIM)
        assert planned.sent != planned.request
        usage = Usage(estimated=True)
        made[ttl] = bill(planned, model, usage, branches(), load_catalog(), 0.0)
    for branch in ("usage", "baseline"):
        short, hour = (getattr(made[ttl], branch) for ttl in ("5m", "1h"))
        if branch == "baseline":
            assert hour.cost.nanos > short.cost.nanos
            short, hour = short.usage, hour.usage
        assert hour.cache_write_1h_tokens == hour.cache_write_tokens > 1_024
        assert short.cache_write_1h_tokens == 0 < short.cache_write_tokens


def test_a_prefix_held_for_somebody_else_is_held_for_the_baseline():
    """A report of a cache we never wrote warms the baseline's cache by the same messages."""
    planned = plan(body(LONG, "Yes.", "And?"), TRIM)
    caches = branches()
    first = plan(body(LONG), TRIM).tokens_after
    usage = Usage(
        input_tokens=planned.tokens_after,
        output_tokens=5,
        cache_read_tokens=first // 128 * 128,
    )
    made = bill(planned, MODEL, usage, caches, load_catalog(), 0.0)
    share = usage.cache_read_tokens / usage.input_tokens
    baseline = made.baseline.usage
    assert baseline.cache_read_tokens > usage.cache_read_tokens
    assert baseline.cache_read_tokens / baseline.input_tokens == pytest.approx(share, abs=0.05)


def test_another_family_is_counted_by_its_own_counter():
    """A baseline of another family is our count for it, not rescaled by this family's report."""
    policy = {
        "version": 1,
        "routing": {
            "baseline": "claude-sonnet-4-5",
            "candidates": [{"model": "gpt-4.1-nano", "covers": "expert"}, {"model": "gpt-4.1"}],
        },
    }
    planned = plan(body(LONG), policy)
    usage = Usage(input_tokens=2 * planned.tokens_after, output_tokens=5)
    made = bill(planned, planned.model, usage, branches(), load_catalog(), 0.0)
    assert made.usage.input_tokens == 2 * planned.tokens_after
    assert made.baseline.usage.input_tokens < 1.3 * planned.tokens_after
    assert made.baseline.usage.input_tokens == made.compressed.input_tokens
    assert made.baseline.usage.output_tokens == 5


@pytest.mark.parametrize(
    ("more", "marked"),
    [
        ({}, False),
        ({"cache_control": {}}, True),
        ({"tools": [{"function": {"name": "f", "cache_control": {}}}]}, True),
        ({"tools": [{"name": "f", "cache_control": {}}]}, True),
        ({"system": [{"type": "text", "text": "x", "cache_control": {}}]}, True),
        ({"messages": [{"role": "user", "content": None, "cache_control": {}}]}, True),
        ({"messages": [{"role": "user", "content": [{"cache_control": {}}]}]}, True),
        ({"messages": [{"role": "user", "content": "cache_control"}]}, False),
    ],
)
def test_marks_are_found_wherever_providers_allow_them(more, marked):
    """A breakpoint may stand on the body, a tool, a system block, a message or a part."""
    assert is_marked(read({"model": MODEL, "messages": [], **more})) is marked
