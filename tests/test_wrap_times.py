"""Times of real calls and streams, sync and async: what was waited for, and how fast it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import openai
import pytest

import tokenthrift
from tokenthrift.client.account import Account
from tokenthrift.client.call import Outside
from tokenthrift.client.recent import RecentLedger
from tokenthrift.client.sdk_clients import wrapped_client
from tokenthrift.limits import Call
from tokenthrift.telemetry import Speed

if TYPE_CHECKING:
    from tokenthrift.ledger import AttemptRecord
    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
ASK: list[Any] = [{"role": "user", "content": "Say something that takes a few words to say."}]
DRIP_S = 0.03  # between the pieces of a response
MODES = ("sync", "async")


async def streamed(
    provider: SimulatedProvider, key: str, mode: str, policy: Any = "off", **body: Any
) -> tuple[AttemptRecord, ...]:
    """The attempts of one stream that was read to its end."""
    options: Any = {"base_url": provider.base_url, "api_key": key, "max_retries": 0}
    body = {"model": MODEL, "messages": ASK, "stream": True, "max_tokens": 12, **body}
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            client: Any = tokenthrift.wrap(bare, policy)
            assert list(client.chat.completions.create(**body))
    else:
        async with openai.AsyncOpenAI(**options) as bare:
            client = tokenthrift.wrap(bare, policy)
            assert [c async for c in await client.chat.completions.create(**body)]
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.total_ms >= record.attempts[-1].started_ms + record.attempts[-1].latency_ms
    return record.attempts


@pytest.mark.parametrize("mode", MODES)
async def test_the_times_of_a_stream_are_measured(provider, api_key, mode):
    """A stream that drips has a first chunk, a pace between chunks and a speed, all of the drip."""
    provider.set_faults(api_key, f"drip:{DRIP_S}")
    asked = {"stream_options": {"include_usage": True}}
    (attempt,) = await streamed(provider, api_key, mode, **asked)
    speed = Speed.of(attempt)
    assert attempt.started_ms >= 0
    assert 0 < attempt.time_to_first_chunk_ms < attempt.latency_ms
    assert attempt.inter_chunk_ms >= DRIP_S * 1000 / 2  # chunks that come together are read at once
    rest_s = (attempt.latency_ms - attempt.time_to_first_chunk_ms) / 1000
    assert speed.per_token_s == pytest.approx(rest_s / (attempt.output_tokens - 1))
    assert speed.tokens_per_s == pytest.approx((attempt.output_tokens - 1) / rest_s)


@pytest.mark.parametrize("mode", MODES)
async def test_a_stream_that_was_checked_first_has_no_pace(provider, api_key, mode):
    """Its chunks come from memory: the first one is late, and nothing is said of a speed."""
    provider.set_faults(api_key, f"drip:{DRIP_S}")
    policy = {"routing": {"verify": ["empty"], "verify_streams": True}}
    attempts = await streamed(provider, api_key, mode, policy, max_tokens=400)
    speed = Speed.of(attempts[-1])
    assert speed.first_chunk_s >= attempts[-1].latency_ms / 1000 / 2
    assert (speed.inter_chunk_s, speed.tokens_per_s) == (None, None)


@pytest.mark.parametrize("mode", MODES)
async def test_tokens_that_nobody_reported_make_no_speed(provider, api_key, mode):
    """Where the usage is an estimate, times are known and tokens a second are not."""
    (attempt,) = await streamed(provider, api_key, mode)
    assert attempt.estimated
    assert Speed.of(attempt).inter_chunk_s is not None
    assert Speed.of(attempt).tokens_per_s is None


@pytest.mark.parametrize("mode", MODES)
async def test_whole_answers_have_no_chunks(provider, api_key, mode):
    """What comes at once took its time, and that is all that is known."""
    options: Any = {"base_url": provider.base_url, "api_key": api_key}
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            client: Any = tokenthrift.wrap(bare, "off")
            client.chat.completions.create(model=MODEL, messages=ASK)
    else:
        async with openai.AsyncOpenAI(**options) as bare:
            client = tokenthrift.wrap(bare, "off")
            await client.chat.completions.create(model=MODEL, messages=ASK)
    (record,) = tokenthrift.account_of(client).ledger.records()
    (attempt,) = record.attempts
    assert attempt.latency_ms > 0
    assert Speed.of(attempt) == Speed()


# ----------------------------------------------------------------------------- what is held for it
class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 28, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now


def limited(clock: Clock, **leases: Any) -> Account:
    """An account with one limit, at a clock of the test's own."""
    limits = [{"name": "all", "window": "day", "tokens": 500}]
    policy = {"limits": limits, "leases": {"seconds": 60, "on_expiry": "refund", **leases}}
    return Account(policy, RecentLedger(), provider="openai", outside=Outside(now=clock))


def held(account: Account) -> int:
    """Output tokens that are held."""
    assert account.allowance._limiter is not None
    return account.allowance._limiter.uses(Call(MODEL))[0].held.output_tokens


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("store", [False, True])
async def test_what_is_held_for_a_long_stream_does_not_expire(
    provider, api_key, tmp_path, mode, store
):
    """Read for many times as long as a lease lasts, its amount is held until it ends."""
    clock = Clock()
    account = limited(clock, **({"store": str(tmp_path / "limits.db")} if store else {}))
    body: Any = {"model": MODEL, "messages": ASK, "stream": True, "max_tokens": 60}
    options: Any = {"base_url": provider.base_url, "api_key": api_key}
    seen = []
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            for _ in wrapped_client(bare, account).chat.completions.create(**body):
                clock.now += timedelta(seconds=35)
                seen.append(held(account))
    else:
        async with openai.AsyncOpenAI(**options) as bare:
            stream = await wrapped_client(bare, account).chat.completions.create(**body)
            async for _ in stream:
                clock.now += timedelta(seconds=35)
                seen.append(held(account))
    assert len(seen) * 35 > 3 * 60
    assert set(seen) == {60}
    assert held(account) == 0
    spent = account.ledger.totals()
    limiter = account.allowance._limiter
    assert limiter is not None
    assert limiter.uses(Call(MODEL))[0].spent.tokens == spent.input_tokens + spent.output_tokens
    assert not account.sink_errors


def test_what_is_held_for_a_stream_that_stands_still_expires(provider, api_key):
    """Nobody reads it any more, as after a crash: the amount is free, and counts if it goes on."""
    clock = Clock()
    account = limited(clock)
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        stream = wrapped_client(bare, account).chat.completions.create(
            model=MODEL, messages=ASK, stream=True, max_tokens=60
        )
        next(stream)
        clock.now += timedelta(seconds=61)
        assert held(account) == 0
        assert list(stream)
    limiter = account.allowance._limiter
    assert limiter is not None
    assert limiter.uses(Call(MODEL))[0].spent.tokens > 0
