"""Limits as calls meet them: reserve, settle, refund; rules; errors that say when there is room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.errors import LimitError, LimitStoreError, PolicyError
from tokenthrift.limits import Call, Leases, Limiter, LimitRule, SQLiteLimits
from tokenthrift.policy import json_schema, load_policy
from tokenthrift.report.policy_words import policy_sections
from tokenthrift.types import Money, Usage

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
USD = 1_000_000_000
ANN, BOB = Call("gpt-4o", {"user": "ann"}), Call("gpt-4o", {"user": "bob"})


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def wait(self, **amount: float) -> None:
        """Let time pass, as `timedelta` counts it."""
        self.now += timedelta(**amount)


def rule(name: str = "r", **said: Any) -> LimitRule:
    """A limit, of a day where nothing else is said."""
    return LimitRule.model_validate({"name": name, "window": "day", **said})


def limiter(*rules: LimitRule, clock: Clock | None = None, **leases: Any) -> Limiter:
    """Limits in memory at a clock of the test's own."""
    return Limiter(rules, clock=clock or Clock(), leases=Leases(**leases))


# ------------------------------------------------------------------------------ reserve and settle
def test_what_is_held_counts_until_what_was_taken_is_known():
    """A reservation fills the limit; settling frees what was not taken; a refund frees all."""
    limits = limiter(rule(usd=1, tokens=1_000))
    lease = limits.reserve(ANN, Usage(500, 400), Money(USD))
    with pytest.raises(LimitError):
        limits.reserve(BOB, Usage(1, 0), Money(1))
    assert lease.settle(Usage(500, 100), Money(USD // 2))
    second = limits.reserve(BOB, Usage(300, 100), Money(USD // 2))
    with pytest.raises(LimitError):
        limits.reserve(BOB, Usage(0, 1), Money(0))
    assert second.refund()
    (use,) = limits.uses(ANN)
    assert (use.spent.tokens, use.spent.nanos, use.spent.requests) == (600, USD // 2, 1)
    assert use.held.tokens == 0


def test_the_first_word_counts():
    """Settling or refunding again changes nothing, also through another object."""
    limits = limiter(rule(requests=5, tokens=100))
    lease = limits.reserve(ANN, Usage(10, 10), None, lease_id="call-1")
    same = limits.reserve(ANN, Usage(10, 10), None, lease_id="call-1")
    assert limits.uses(ANN)[0].held.tokens == 20
    assert lease.settle(Usage(5, 5), None)
    assert not lease.settle(Usage(9, 9), None)
    assert not same.settle(Usage(9, 9), None)
    assert not same.refund()
    assert limits.uses(ANN)[0].spent.tokens == 10


def test_all_or_nothing():
    """A call that one of its limits refuses takes nothing from the others."""
    limits = limiter(rule("all", requests=10), rule("each", by="user", requests=1))
    limits.reserve(ANN, Usage(), None)
    for _ in range(3):
        with pytest.raises(LimitError, match="'each': user ann may take 1 request a day") as caught:
            limits.reserve(ANN, Usage(), None)
        assert caught.value.limit == "each"
    assert limits.reserve(BOB, Usage(), None).limits == ("all", "each")
    assert limits.uses(BOB)[0].held.requests == 2


def test_a_call_that_took_more_is_counted_as_it_was():
    """The overrun is kept, shown as pressure above 1, and the next call is refused."""
    limits = limiter(rule(tokens=100))
    limits.reserve(ANN, Usage(50, 10), None).settle(Usage(50, 90), None)
    assert limits.pressure(ANN).share == 1.4
    with pytest.raises(LimitError, match=r"140 tokens spent, 0 tokens held"):
        limits.reserve(ANN, Usage(1, 0), None)


def test_a_cost_that_is_not_known_afterwards_counts_as_reserved():
    """An answer from a model without a price does not make the limit leak."""
    limits = limiter(rule(usd=1))
    limits.reserve(ANN, Usage(1, 1), Money(700)).settle(Usage(1, 1), None)
    assert limits.uses(ANN)[0].spent.nanos == 700


def test_a_further_attempt_counts_no_further_request():
    """Attempts of one call hold money and tokens of their own."""
    limits = limiter(rule(requests=1, tokens=100))
    limits.reserve(ANN, Usage(10, 10), None)
    limits.reserve(ANN, Usage(10, 10), None, requests=0)
    (use,) = limits.uses(ANN)
    assert (use.held.requests, use.held.tokens) == (1, 40)


# ----------------------------------------------------------------------------------------- leases
@pytest.mark.parametrize(("on_expiry", "spent"), [("charge", 60), ("refund", 0)])
def test_a_lease_ends_as_the_policy_says_and_a_late_word_still_counts(on_expiry, spent):
    """A dead process's amount is charged or given back; one that was only slow is put right."""
    clock = Clock()
    limits = limiter(rule(tokens=100), clock=clock, seconds=60, on_expiry=on_expiry)
    lease = limits.reserve(ANN, Usage(30, 30), None)
    clock.wait(seconds=59)
    with pytest.raises(LimitError):
        limits.reserve(ANN, Usage(41, 0), None)
    clock.wait(seconds=1)
    (use,) = limits.uses(ANN)
    assert (use.spent.tokens, use.held.tokens) == (spent, 0)
    assert not lease.renew()
    assert lease.settle(Usage(30, 5), None)
    assert limits.uses(ANN)[0].spent.tokens == 35


def test_a_lease_can_be_renewed():
    """A long stream keeps its amount."""
    clock = Clock()
    limits = limiter(rule(tokens=100), clock=clock, seconds=60, on_expiry="refund")
    lease = limits.reserve(ANN, Usage(60, 0), None)
    for _ in range(5):
        clock.wait(seconds=50)
        assert lease.renew()
    assert limits.uses(ANN)[0].held.tokens == 60


def test_a_call_counts_in_the_window_in_which_it_began():
    """Settled after midnight, it is yesterday's; today is whole."""
    clock = Clock(datetime(2026, 3, 28, 23, 59, tzinfo=UTC))
    limits = limiter(rule(tokens=100), clock=clock)
    lease = limits.reserve(ANN, Usage(100, 0), None)
    clock.wait(minutes=2)
    limits.reserve(ANN, Usage(100, 0), None)
    assert lease.settle(Usage(70, 0), None)
    (use,) = limits.uses(ANN)
    assert (use.spent.tokens, use.held.tokens) == (0, 100)


def test_as_a_context_a_lease_is_never_left_open():
    """An error gives back; leaving without a word, or by a cancellation, counts what was held."""
    limits = limiter(rule(tokens=100))
    with pytest.raises(RuntimeError), limits.reserve(ANN, Usage(10, 0), None):
        raise RuntimeError
    assert limits.uses(ANN)[0].spent.tokens == 0
    with pytest.raises(asyncio.CancelledError), limits.reserve(ANN, Usage(20, 0), None):
        raise asyncio.CancelledError
    with limits.reserve(ANN, Usage(5, 0), None):
        pass
    with limits.reserve(ANN, Usage(40, 0), None) as lease:
        lease.settle(Usage(7, 0), None)
    (use,) = limits.uses(ANN)
    assert (use.spent.tokens, use.held.tokens) == (32, 0)


async def test_async_calls_reserve_in_a_thread():
    """Fifty coroutines and one limit of twenty."""
    limits = limiter(rule(requests=20))

    async def call() -> bool:
        try:
            lease = await asyncio.to_thread(limits.reserve, ANN, Usage(1, 1), None)
        except LimitError:
            return False
        return await asyncio.to_thread(lease.settle, Usage(1, 1), None)

    assert sum(await asyncio.gather(*(call() for _ in range(50)))) == 20


def test_a_store_that_cannot_be_written_refuses(tmp_path):
    """Nothing is promised that cannot be counted."""
    limits = Limiter([rule(requests=1)], SQLiteLimits(tmp_path / "limits.db"))
    lease = limits.reserve(ANN, Usage(), None)
    limits.close()
    with pytest.raises(LimitStoreError, match="closed"):
        limits.reserve(ANN, Usage(), None)
    with pytest.raises(LimitStoreError, match="closed"):
        lease.settle(Usage(), None)


# ------------------------------------------------------------------------------------------ rules
def test_accounts_are_kept_apart_by_what_the_limit_says():
    """By user, by team and model, by a tag, by key; who does not say shares an account."""
    limits = limiter(
        rule("user", by="user", requests=1),
        rule("pair", by=["team", "model"], requests=2),
        rule("tag", by="tag:app", requests=3),
        rule("key", by="key", requests=4),
    )

    def admitted(call: Call) -> int:
        count = 0
        while count < 9:
            try:
                limits.reserve(call, Usage(), None)
            except LimitError:
                return count
            count += 1
        return count

    assert admitted(Call("m", {"user": "a", "team": "t", "app": "x"}, "k")) == 1
    assert admitted(Call("m", {"user": "b", "team": "t", "app": "x"}, "k")) == 1
    assert admitted(Call("m", {"user": "c", "team": "t", "app": "x"}, "k")) == 0
    assert admitted(Call("n", {"user": "c", "team": "t", "app": "x"}, "k")) == 1
    assert admitted(Call("o", {"user": "d", "team": "t", "app": "x"}, "k")) == 0
    assert admitted(Call("o", {"user": "d", "team": "t", "app": "y"}, "k")) == 1
    assert admitted(Call("o", {"user": "e", "team": "t", "app": "y"}, "k")) == 0
    assert admitted(Call("p", {"user": "e", "app": "y"}, "l")) == 1
    assert admitted(Call("q", {}, "l")) == 1
    assert admitted(Call("q", {}, "l")) == 0


def test_only_some_calls_count():
    """Patterns of models, values of tags; a call that no limit touches needs no store."""
    limits = limiter(rule(only={"model": ["gpt-*", "o3"], "team": "research"}, requests=0))
    free = [Call("claude", {"team": "research"}), Call("gpt-4o", {"team": "sales"}), Call("gpt-4o")]
    limits.close()
    for call in free:
        lease = limits.reserve(call, Usage(10, 10), None)
        assert lease.limits == ()
        assert not lease.settle(Usage(), None)
    for model in ("gpt-4o", "o3"):
        with pytest.raises(LimitError, match="may take 0 requests a day"):
            limits.reserve(Call(model, {"team": "research"}), Usage(), None)


def test_two_caps_of_one_pool_keep_a_rest_for_the_higher_one():
    """Free calls may take the pool to 80, paid ones to 100, each out of what the other left."""
    limits = limiter(
        rule("free", pool="shared", only={"tag:plan": "free"}, tokens=80),
        rule("all", pool="shared", tokens=100),
    )
    free, paid = Call("m", {"plan": "free"}), Call("m", {"plan": "paid"})
    limits.reserve(free, Usage(30, 20), None)
    limits.reserve(paid, Usage(30, 0), None)
    with pytest.raises(LimitError, match="'free'"):
        limits.reserve(free, Usage(1, 0), None)
    limits.reserve(paid, Usage(0, 20), None)
    with pytest.raises(LimitError, match="'all'"):
        limits.reserve(paid, Usage(1, 0), None)


def test_a_key_is_kept_as_a_digest_only(tmp_path):
    """Neither the file nor an error tells the key."""
    path = tmp_path / "limits.db"
    limits = Limiter([rule(by="key", requests=1)], SQLiteLimits(path))
    call = Call("m", {}, "sk-very-secret-key")
    limits.reserve(call, Usage(), None)
    with pytest.raises(LimitError) as caught:
        limits.reserve(call, Usage(), None)
    limits.close()
    assert "secret" not in str(caught.value)
    assert b"very-secret" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_an_unknown_price_is_refused_where_money_is_limited_unless_it_may_pass():
    """Money that cannot be told cannot be limited; limits of tokens do not care."""
    with pytest.raises(LimitError, match="the price of gpt-4o is not known") as caught:
        limiter(rule(usd=1)).reserve(ANN, Usage(1, 1), None)
    assert caught.value.resets_at is None
    assert limiter(rule(usd=1, unpriced="free")).reserve(ANN, Usage(1, 1), None).limits == ("r",)
    assert limiter(rule(tokens=9)).reserve(ANN, Usage(1, 1), None).limits == ("r",)


# ------------------------------------------------------------------------------ pressure and errors
def test_pressure_rises_in_steps():
    """Below the first share nothing; then one step a share, of the limit that asks for the most."""
    limits = limiter(
        rule("wide", tokens=1_000, taper=[0.5]), rule("narrow", requests=100, usd=1, by="user")
    )
    assert limits.pressure(ANN).step == 0
    steps = []
    for _ in range(20):
        lease = limits.reserve(ANN, Usage(1, 0), Money(USD // 20))
        steps.append((lease.pressure.step, lease.pressure.limit))
    assert steps == [(0, "narrow")] * 15 + [(1, "narrow")] * 3 + [(2, "narrow")] * 2
    assert limits.pressure(ANN).share == 1.0
    assert limits.pressure(BOB).step == 0


@pytest.mark.parametrize(
    ("said", "resets_at"),
    [
        ({"zone": "Europe/Berlin"}, datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ({"window": "month", "zone": "Europe/Berlin"}, datetime(2026, 3, 31, 22, tzinfo=UTC)),
        ({"window": "minute"}, NOON + timedelta(minutes=1)),
        ({"window": "hour", "rolling": True}, NOON + timedelta(minutes=61)),
    ],
)
def test_the_error_says_when_there_is_room_and_then_there_is(said, resets_at):
    """Refused until a microsecond before, admitted at that time."""
    clock = Clock()
    limits = limiter(rule(tokens=10, **said), clock=clock)
    limits.reserve(ANN, Usage(10, 0), None).settle(Usage(10, 0), None)
    with pytest.raises(LimitError) as caught:
        limits.reserve(ANN, Usage(10, 0), None)
    error = caught.value
    assert error.http_status == 429
    assert (error.limit, error.meter) == ("r", "tokens")
    assert error.resets_at == resets_at
    assert error.retry_after_s == (resets_at - NOON).total_seconds()
    clock.now = resets_at - timedelta(microseconds=1)
    with pytest.raises(LimitError):
        limits.reserve(ANN, Usage(10, 0), None)
    clock.now = resets_at
    limits.reserve(ANN, Usage(10, 0), None)


def test_of_a_rolling_window_only_as_much_must_leave_as_is_asked_for():
    """A small call is let in when the first slices leave, a large one later."""
    clock = Clock()
    limits = limiter(rule(window="hour", rolling=True, tokens=30), clock=clock)
    for _ in range(3):
        limits.reserve(ANN, Usage(10, 0), None).settle(Usage(10, 0), None)
        clock.wait(minutes=10)
    times = []
    for tokens in (5, 15, 25):
        with pytest.raises(LimitError) as caught:
            limits.reserve(ANN, Usage(tokens, 0), None)
        times.append(caught.value.resets_at)
    assert times == [NOON + timedelta(minutes=m) for m in (61, 71, 81)]


def test_a_call_above_the_limit_itself_is_never_admitted_and_says_so():
    """There is no time to wait for; of several limits the one that lets it in last is named."""
    limits = limiter(rule("minute", window="minute", tokens=10), rule("month", usd=5))
    with pytest.raises(LimitError, match="one call asks for more than the limit") as caught:
        limits.reserve(ANN, Usage(11, 0), Money(1))
    assert caught.value.resets_at is caught.value.retry_after_s is None
    limits = limiter(rule("hour", window="hour", requests=1), rule("day", requests=1))
    limits.reserve(ANN, Usage(), None)
    with pytest.raises(LimitError) as caught:
        limits.reserve(ANN, Usage(), None)
    assert caught.value.limit == "day"


def test_counts_that_cannot_be_are_refused():
    """Negative and absurd counts are mistakes of the caller."""
    limits = limiter(rule(requests=5))
    with pytest.raises(ValueError, match="input_tokens is -1"):
        limits.reserve(ANN, Usage(-1, 0), None)
    with pytest.raises(ValueError, match="nanos"):
        limits.reserve(ANN, Usage(1, 0), Money(10**18))


# A little, a part of the hour, and nearly all of it, where a slice too few would show.
WAITS_S = (0.4, 7, 31, 600, 1_790, 1_801, 3_541, 3_559, 3_590, 3_599.9, 3_660)


@examples(150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.integers(0, 40), st.floats(0, 1), st.sampled_from(WAITS_S)
        ),
        max_size=60,
    )
)
def test_no_hour_anywhere_holds_more_than_a_rolling_limit(calls):
    """Of any sixty minutes, wherever they begin, what began in them fits the limit."""
    clock, admitted = Clock(), []
    limits = limiter(rule(window="hour", rolling=True, tokens=100), clock=clock)
    for tokens, answer, share, wait_s in calls:
        try:
            lease = limits.reserve(ANN, Usage(tokens, answer), None)
        except LimitError:
            pass
        else:
            lease.settle(Usage(tokens, int(answer * share)), None)
            admitted.append((clock.now, tokens + int(answer * share)))
        clock.wait(seconds=wait_s)
    for end, _ in admitted:
        begin = end - timedelta(hours=1)
        assert sum(took for when, took in admitted if begin < when <= end) <= 100


# ----------------------------------------------------------------------------------------- policy
@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ({"by": "users"}, "limits.0.by.0", "did you mean 'user'?"),
        ({"by": "tag:"}, "limits.0.by.0", "tag:NAME"),
        ({"only": {"modell": "x"}}, "limits.0.only", "did you mean 'model'?"),
        ({"requests": None}, "limits.0", "caps nothing"),
        ({"window": "fortnight"}, "limits.0.window", "'month'"),
        ({"zone": "Europe/Berln"}, "limits.0.zone", "did you mean 'Europe/Berlin'?"),
        ({"zone": "Europe/Berlin", "rolling": True}, "limits.0", "days and months of the calendar"),
        ({"usd": "0.0000000001"}, "limits.0.usd", "at most 9 digits"),
        ({"usd": -1}, "limits.0.usd", "greater than or equal to 0"),
        ({"taper": [0.9, 0.8]}, "limits.0.taper", "must rise"),
        ({"token": 5}, "limits.0.token", "did you mean 'tokens'?"),
    ],
)
def test_mistakes_in_a_policy_say_where_and_what_to_do(said, path, words):
    """Each names the place inside the file."""
    with pytest.raises(PolicyError) as caught:
        load_policy({"limits": [{"name": "a", "window": "day", "requests": 5, **said}]})
    assert caught.value.path.startswith(path)
    assert words in str(caught.value)


def test_limits_that_get_in_each_others_way_are_refused():
    """Names are unique; limits of one pool have one window."""
    one = {"name": "a", "window": "day", "requests": 5}
    with pytest.raises(PolicyError, match="two limits have the name 'a'"):
        load_policy({"limits": [one, one]})
    pool = {"pool": "p"}
    with pytest.raises(PolicyError, match="need the same window"):
        load_policy({"limits": [one | pool, {**one, **pool, "name": "b", "window": "month"}]})
    with pytest.raises(PolicyError, match=r"leases\.store.*name a file"):
        load_policy({"leases": {"store": "redis://localhost"}})


def test_a_policy_tells_its_limits_in_words_and_in_its_digest():
    """Rules change the digest, where they are counted does not; none leave it as it was."""
    said = {"name": "a", "by": "user", "window": "day", "zone": "Europe/Berlin", "usd": 0.5}
    policy = load_policy({"limits": [said], "leases": {"store": "limits.db", "seconds": 90}})
    assert load_policy(policy.model_dump(mode="json")).digest == policy.digest
    assert policy.digest != load_policy({"limits": [said | {"usd": 0.6}]}).digest
    assert load_policy({"limits": [said]}).digest == (
        load_policy({"limits": [said], "leases": {"store": "x.db"}}).digest
    )
    assert load_policy({"leases": {"store": "x.db"}}).digest == load_policy({}).digest
    (section,) = [s for s in policy_sections(policy) if s.name == "limit a"]
    assert section.does == "each user: at most $0.50 a day (Europe/Berlin)"
    assert [line.key for line in section.settings] == ["by", "window", "zone", "usd"]
    assert str(policy.limits_store) == "limits.db"
    words = rule(by=["team", "model"], window="month", rolling=True, requests=1, pool="p").words
    assert words == "each team and model: at most 1 request in any 30 days, out of the pool p"


def test_the_schema_knows_limits():
    """Editors complete what a limit may say."""
    assert set(json_schema()["$defs"]["LimitRule"]["required"]) == {"name", "window"}
