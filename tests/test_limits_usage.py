"""How full limits are: every account, now and in windows that are over, as the calls were."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.cli import main
from tokenthrift.limits import (
    Amount,
    Call,
    Limiter,
    LimitRule,
    MemoryLimits,
    SQLiteLimits,
    open_limits,
    usage,
)
from tokenthrift.limits.windows import PAST_WINDOWS
from tokenthrift.policy import load_policy
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)  # clocks change in Berlin two days later
BERLIN = "Europe/Berlin"
RULES = (
    LimitRule(name="all", window="month", usd="1"),
    LimitRule(name="each", by="user", window="day", zone=BERLIN, tokens=1_000, requests=50),
    LimitRule(name="burst", window="minute", rolling=True, requests=1_000),
)


def spend(limiter: Limiter, user: str, tokens: int, nanos: int) -> None:
    """One call that is over."""
    call = Call("m", {"user": user})
    with limiter.reserve(call, Usage(), Money()) as lease:
        lease.settle(Usage(input_tokens=tokens), Money(nanos))


@pytest.mark.parametrize("kind", [MemoryLimits, lambda: SQLiteLimits(":memory:")])
@examples(60)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["ann", "bob"]), st.integers(0, 20)),
        max_size=30,
    )
)
def test_usage_is_that_of_the_calls(kind, calls):
    """Now and in each past day, what was spent is the sum of the calls that began in it."""
    store = kind()
    now = START
    limiter = Limiter(RULES, store, clock=lambda: now)
    made: list[tuple[datetime, str, int]] = []
    for hours, user, tokens in calls:
        now += timedelta(hours=hours)
        spend(limiter, user, tokens, tokens)
        made.append((now, user, tokens))
    found = usage(RULES, store, now)
    for rule in RULES:
        own = [a for a in found if a.rule.name == rule.name]
        assert len(own) == (len({u for _, u, _ in made}) if rule.by else 1)
    for account in found:
        if account.rule.name != "each":
            continue
        user = account.owner["user"]
        days: dict[Any, int] = {}
        for at, who, tokens in made:
            if who == user:
                day = at.astimezone(ZoneInfo(BERLIN)).date()
                days[day] = days.get(day, 0) + tokens
        today = now.astimezone(ZoneInfo(BERLIN)).date()
        assert account.spent.tokens == days.pop(today, 0)
        past = {w.begins_at.astimezone(ZoneInfo(BERLIN)).date(): w for w in account.past}
        assert len(past) == len(account.past) <= PAST_WINDOWS
        for day, window in past.items():
            assert window.spent.tokens == days.get(day, 0)
            assert window.unused("tokens", 1_000) == 1_000 - days.get(day, 0)
            assert window.ends_at.astimezone(ZoneInfo(BERLIN)).date() == day + timedelta(days=1)
        if days:
            # Back to the first day of a call, days without any among them, as far as is kept.
            assert len(past) == min(PAST_WINDOWS, (today - min(days)).days)
    (everyone,) = (a for a in found if a.rule.name == "all")
    month = [t for at, _, t in made if at.month == now.month and at.year == now.year]
    assert everyone.spent.nanos == sum(month)
    (burst,) = (a for a in found if a.rule.name == "burst")
    assert burst.past == ()


def test_past_windows_are_kept_as_long_as_is_said():
    """Twelve of the calendar, and no more than a few beside them; both stores alike."""
    for store in (MemoryLimits(), SQLiteLimits(":memory:")):
        now = START
        limiter = Limiter(RULES[1:2], store, clock=lambda: now)  # noqa: B023 - called in the loop
        for _ in range(40):
            now += timedelta(days=1)
            spend(limiter, "ann", 100, 0)
        (account,) = usage(RULES[1:2], store, now)
        assert [w.spent.tokens for w in account.past] == [100] * PAST_WINDOWS
        assert account.expired_share("tokens", 1_000) == pytest.approx(0.9)
        (kept,) = store.accounts(0).values()
        assert len(kept.slices) <= PAST_WINDOWS + 3


def test_limits_of_a_pool_show_one_account_against_their_own_caps():
    """What one of them took is taken from the other as well."""
    rules = (
        LimitRule(name="free", pool="p", only={"tag:plan": "free"}, window="day", tokens=80),
        LimitRule(name="all", pool="p", window="day", tokens=100),
    )
    limiter = Limiter(rules, clock=lambda: START)
    with limiter.reserve(Call("m"), Usage(input_tokens=40), Money()):
        free, everyone = usage(rules, limiter.store, START)
    assert free.held == everyone.held == Amount(1, 40)
    assert (free.share, everyone.share) == (0.5, 0.4)
    assert (free.left("tokens", 80), everyone.left("tokens", 100)) == (40, 60)


def test_a_limit_before_its_first_call_is_all_there():
    """One that all share is shown; one of each user has nobody yet."""
    found = usage(RULES, MemoryLimits(), START)
    assert [(a.rule.name, a.share, a.past) for a in found] == [("all", 0, ()), ("burst", 0, ())]
    assert found[0].resets_at == datetime(2026, 4, 1, tzinfo=UTC)


POLICY = """
version: 1
name: limited
limits:
  - {name: pool, window: month, tokens: 1000, usd: 2}
  - {name: each, by: [user, model], window: day, requests: 2}
leases: {store: limits.db}
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Callable[..., Any]:
    """Run a command; gives exit code, output and error output."""
    monkeypatch.setenv("COLUMNS", "100")

    def called(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


def test_the_command_shows_what_is_used_and_what_expired(run, tmp_path: Path):
    """In tables and as data; hostile names are written out."""
    policy = tmp_path / "limited.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    rules = load_policy(policy)
    now = datetime.now(UTC)
    with open_limits(tmp_path / "limits.db") as store:
        for days in (45, 0):
            limiter = Limiter(rules.limits, store, clock=lambda: now - timedelta(days=days))  # noqa: B023
            spend(limiter, "\x1b[31mann", 250, 500_000_000)
    code, out, err = run("limits", policy)
    assert (code, err) == (0, "")
    for words in (
        "pool",
        "all calls",
        "1,000 tokens",
        "25.0",
        "$0.5000",
        "$2.00",
        "Expired unused",
    ):
        assert words in out, words
    assert "\\x1b[31mann" in out
    assert "\x1b[31m" not in out
    data = json.loads(run("limits", policy, "--json", "--past", 1)[1])
    pool = data[0]
    assert pool["meters"]["tokens"] == {
        "cap": 1_000,
        "spent": 250,
        "held": 0,
        "left": 750,
        "expired_unused_share": pool["past"][0]["unused"]["tokens"] / 1_000,
    }
    assert len(pool["past"]) == 1
    assert data[1]["owner"] == {"user": "\x1b[31mann", "model": "m"}


def test_what_cannot_be_shown_is_said(run, tmp_path: Path):
    """No limits, no store, no file."""
    policy = tmp_path / "limited.yaml"
    assert "no limits" in run("limits", "balanced")[1]
    policy.write_text(POLICY.replace("leases: {store: limits.db}", ""), encoding="utf-8")
    code, _, err = run("limits", policy)
    assert code == 2
    assert "leases.store" in err
    policy.write_text(POLICY, encoding="utf-8")
    code, _, err = run("limits", policy)
    assert code == 2
    assert "no such store of limits" in err
    assert not (tmp_path / "limits.db").exists()
    open_limits(tmp_path / "limits.db").close()
    code, out, _ = run("limits", policy)
    assert code == 0
    assert "pool" in out


def test_many_accounts_are_cut_to_the_fullest(run, tmp_path: Path):
    """And the table says how many there are."""
    policy = tmp_path / "limited.yaml"
    policy.write_text(POLICY.replace("tokens: 1000, usd: 2", "tokens: 99999"), encoding="utf-8")
    with open_limits(tmp_path / "limits.db") as store:
        limiter = Limiter(load_policy(policy).limits, store)
        for number in range(30):
            spend(limiter, f"u{number}", 1, 0)
        spend(limiter, "u29", 1, 0)
    out = run("limits", policy)[1]
    assert "u29" in out
    assert "18 accounts that are less full are in --json" in " ".join(out.split())
