"""Stores of limits: both agree with a plain account of all calls, whatever happens."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.errors import LimitStoreError
from tokenthrift.ledger import SQLiteLedger
from tokenthrift.limits import (
    Amount,
    Caps,
    Hold,
    LimitStore,
    Line,
    MemoryLimits,
    SQLiteLimits,
    Window,
    rolling_window,
)
from tokenthrift.limits.store import REMEMBERED_US

NOTHING = Amount()
HOUR_US = 3_600_000_000
CAPS = Caps(requests=6, tokens=100, nanos=1_000)
BY_HOUR = {"all": CAPS, "ann": Caps(tokens=60), "bob": Caps(input_tokens=50)}

AMOUNTS = st.builds(
    Amount, st.integers(0, 2), st.integers(0, 20), st.integers(0, 20), st.integers(0, 400)
)
IDS = st.integers(0, 3).map("lease-{}".format)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            IDS,
            AMOUNTS,
            st.sampled_from([("all",), ("all", "ann"), ("all", "bob"), ("ann", "ann")]),
            st.sampled_from(["charge", "refund"]),
        ),
        st.tuples(st.just("settle"), IDS, AMOUNTS),
        st.tuples(st.just("refund"), IDS),
        st.tuples(st.just("renew"), IDS),
        st.tuples(st.just("wait"), st.sampled_from([1, HOUR_US // 5, HOUR_US // 3, HOUR_US])),
    ),
    max_size=40,
)


def lines_at(now_us: int, accounts: tuple[str, ...]) -> list[Line]:
    """Lines of rolling hours."""
    window = rolling_window("hour", now_us)
    return [Line(name, window, BY_HOUR[name]) for name in accounts]


@dataclass
class Told:
    """A lease as the plain account knows it."""

    hold: Hold
    slice_us: int
    accounts: frozenset[str]
    ends_us: int
    actual: Amount | None = None

    def counts(self, now_us: int) -> tuple[Amount, Amount]:
        """What it is spent and held."""
        if self.actual is not None:
            return self.actual, NOTHING
        if now_us < self.ends_us:
            return NOTHING, self.hold.asked
        return (self.hold.asked if self.hold.on_expiry == "charge" else NOTHING), NOTHING


class PlainAccount:
    """Every lease ever, added up anew for each question."""

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}

    def sums(self, line: Line, now_us: int) -> tuple[Amount, Amount]:
        """Spent and held of a line's account."""
        spent = held = NOTHING
        for told in self.told.values():
            if line.account in told.accounts and told.slice_us >= line.window.since_us:
                more = told.counts(now_us)
                spent, held = spent + more[0], held + more[1]
        return spent, held

    def reserve(self, hold: Hold, lines: list[Line], now_us: int) -> bool:
        """Whether it is admitted."""
        if hold.lease_id in self.told:
            return True
        for line in lines:
            spent, held = self.sums(line, now_us)
            if not line.caps.admit(spent + held + hold.asked):
                return False
        accounts = frozenset(x.account for x in lines)
        slice_us = lines[0].window.slice_us
        self.told[hold.lease_id] = Told(hold, slice_us, accounts, hold.expires_us)
        return True

    def settle(self, lease_id: str, actual: Amount) -> bool:
        """Whether it counts."""
        told = self.told[lease_id]
        if told.actual is not None:
            return False
        told.actual = actual
        return True


def run(store: LimitStore, steps: list[Any]) -> None:
    """Take the steps on a store and on the plain account; they must say the same all along."""
    plain, now_us = PlainAccount(), 10**15
    overrun = False
    for kind, *step in steps:
        if kind == "reserve":
            lease_id, asked, accounts, on_expiry = step
            hold = Hold(lease_id, asked, now_us + HOUR_US // 4, on_expiry)
            lines = lines_at(now_us, accounts)
            answer = store.reserve(hold, lines, now_us)
            assert [(u.spent, u.held) for u in answer.uses] == [
                plain.sums(line, now_us) for line in lines
            ]
            assert answer.admitted == plain.reserve(hold, lines, now_us)
        elif kind == "wait":
            now_us += step[0]
        elif step[0] not in plain.told:
            with pytest.raises(LimitStoreError, match="not known"):
                store.settle(step[0], NOTHING, now_us)
        elif kind == "renew":
            told = plain.told[step[0]]
            # A store closes leases when it next looks; a renewal before that still holds.
            store.uses([], now_us)
            alive = told.actual is None and now_us < told.ends_us
            assert store.renew(step[0], now_us + HOUR_US // 4) == alive
            if alive:
                told.ends_us = max(told.ends_us, now_us + HOUR_US // 4)
        else:
            actual = step[1] if kind == "settle" else NOTHING
            told = plain.told[step[0]]
            overrun |= any(a > b for a, b in zip(actual, told.hold.asked, strict=True))
            # What was refunded at expiry and turns up later may be more than there is room for.
            overrun |= told.hold.on_expiry == "refund" and now_us >= told.ends_us
            assert store.settle(step[0], actual, now_us) == plain.settle(step[0], actual)
        for line, use in zip(
            lines_at(now_us, ("all", "ann", "bob")),
            store.uses(lines_at(now_us, ("all", "ann", "bob")), now_us),
            strict=True,
        ):
            assert (use.spent, use.held) == plain.sums(line, now_us)
            assert overrun or line.caps.admit(use.total)


@examples(300)
@given(STEPS)
def test_memory_agrees_with_a_plain_account(steps):
    """Nothing is lost or doubled, and spent and held stay within the caps."""
    run(MemoryLimits(), steps)


@examples(150)
@given(STEPS)
def test_sqlite_agrees_with_a_plain_account(steps):
    """Nothing is lost or doubled, and spent and held stay within the caps."""
    with SQLiteLimits(":memory:") as store:
        run(store, steps)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    """One of each kind."""
    made: LimitStore = (
        MemoryLimits() if request.param == "memory" else SQLiteLimits(tmp_path / "limits.db")
    )
    yield made
    made.close()


def test_a_lease_is_forgotten_a_week_after_it_was_closed(store):
    """Until then settling again counts nothing; then its id is unknown, and its sums are kept."""
    window = Window(0, 0, 10 * REMEMBERED_US)
    line = Line("a", window, Caps(requests=5))
    store.reserve(Hold("x", Amount(1), 100), [line], 0)
    assert store.settle("x", Amount(2), 50)
    store.uses([], REMEMBERED_US)
    assert not store.settle("x", Amount(3), REMEMBERED_US)
    (use,) = store.uses([line], 50 + REMEMBERED_US)
    assert use.spent == Amount(2)
    with pytest.raises(LimitStoreError, match="'x' is not known"):
        store.settle("x", Amount(3), REMEMBERED_US)


def test_old_slices_are_dropped_once_nothing_is_held_in_them(store):
    """An account keeps two windows; what is held for longer stays until its lease ends."""
    for hour in range(200):
        now_us = hour * HOUR_US
        lines = [Line("a", rolling_window("hour", now_us), Caps(requests=1_000))]
        lasts = 1_000 * HOUR_US if hour == 0 else 60
        store.reserve(Hold(f"{hour}", Amount(1), now_us + lasts), lines, now_us)
    everything = Line("a", Window(0, 0, 0), Caps(requests=0))
    (use,) = store.uses([everything], 200 * HOUR_US)
    assert len(use.slices) <= 5
    assert use.slices[0].held == Amount(1)
    assert store.settle("0", Amount(1), 200 * HOUR_US)


def test_lines_with_one_account_count_once(store):
    """Two limits of one pool: the lower cap refuses, and a call is in the pool once."""
    window = Window(0, 0, HOUR_US)
    low, high = Line("p", window, Caps(requests=1)), Line("p", window, Caps(requests=2))
    assert store.reserve(Hold("1", Amount(1), 10), [low, high], 0).admitted
    assert not store.reserve(Hold("2", Amount(1), 10), [low, high], 0).admitted
    assert store.reserve(Hold("3", Amount(1), 10), [high], 0).admitted
    assert store.uses([high], 0)[0].held == Amount(2)


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path):
    """A ledger, a text and a newer version are no stores; each error names the file."""
    ledger, text, newer = tmp_path / "ledger.db", tmp_path / "notes.txt", tmp_path / "newer.db"
    SQLiteLedger(ledger).close()
    text.write_text("nothing of the kind" * 100)
    SQLiteLimits(newer).close()
    db = sqlite3.connect(newer)
    db.execute("PRAGMA user_version = 99")
    db.close()
    for path, words in ((ledger, "another kind"), (text, "not a database"), (newer, "version 99")):
        before = path.read_bytes()
        with pytest.raises(LimitStoreError, match=words) as caught:
            SQLiteLimits(path)
        assert str(path) in str(caught.value)
        assert path.read_bytes() == before
