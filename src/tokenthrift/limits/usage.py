"""How much of every limit is used, by everyone who has an account, and what past windows left over.

What was paid for in advance and not used is a cost like any other: it stands here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenthrift.limits.amounts import NOTHING, Amount
from tokenthrift.limits.store import Use
from tokenthrift.limits.windows import PAST_WINDOWS, at, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from tokenthrift.limits.rules import LimitRule
    from tokenthrift.limits.store import LimitStore


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A window of the calendar that is over, and what was spent in it."""

    begins_at: datetime
    ends_at: datetime
    spent: Amount

    def unused(self, meter: str, cap: int) -> int:
        """How much of a cap expired without being used."""
        return max(0, cap - int(getattr(self.spent, meter)))


@dataclass(frozen=True, slots=True)
class AccountUse:
    """One account of a limit.

    Attributes:
        owner: whose it is by the words of the limit; empty where all calls share one.
        spent: in the window as it is now; ``held`` by calls that still run.
        resets_at: when all that counts now has left the window.
        past: windows before this one, the newest first; of rolling limits none.
    """

    rule: LimitRule
    owner: Mapping[str, str]
    spent: Amount
    held: Amount
    resets_at: datetime
    past: tuple[PastWindow, ...]

    @property
    def share(self) -> float:
        """Of the tightest cap, spent and held together; 1 is all of it."""
        return self.rule.caps.share(self.spent + self.held)

    def left(self, meter: str, cap: int) -> int:
        """How much of a cap may still be taken."""
        return max(0, cap - int(getattr(self.spent + self.held, meter)))

    def expired_share(self, meter: str, cap: int) -> float | None:
        """The share of a cap that past windows left unused, on average; None without any."""
        if not self.past or not cap:
            return None
        return sum(w.unused(meter, cap) for w in self.past) / (cap * len(self.past))


def usage(
    rules: Iterable[LimitRule], store: LimitStore, now: datetime, past: int = PAST_WINDOWS
) -> list[AccountUse]:
    """Every account of every limit, limits in their order, the fullest accounts first.

    A limit that all calls share is there before its first call, too. Limits of one pool each show
    the whole account, against their own caps.

    Args:
        rules: the limits.
        store: what counts for them.
        now: the time, aware.
        past: how many windows that are over are looked at; stores keep `PAST_WINDOWS`.

    Raises:
        LimitStoreError: the store cannot be read.
    """
    now_us = microseconds(now)
    accounts = [(json.loads(name), use) for name, use in store.accounts(now_us).items()]
    found: list[AccountUse] = []
    for rule in rules:
        own = [
            _account(rule, dict(owners), use, now_us, past)
            for (name, period, *owners), use in accounts
            if (name, period) == (rule.pool or rule.name, rule.period)
        ]
        if not own and not rule.by:
            own = [_account(rule, {}, Use(), now_us, past)]
        found += sorted(own, key=lambda a: (-a.share, tuple(a.owner.values())))
    return found


def _account(
    rule: LimitRule, owner: Mapping[str, str], use: Use, now_us: int, past: int
) -> AccountUse:
    window = rule.window_at(now_us)
    current = Use(tuple(s for s in use.slices if s.slice_us >= window.since_us))
    latest = max((s.slice_us for s in current.slices), default=window.slice_us)
    return AccountUse(
        rule,
        owner,
        current.spent,
        current.held,
        at(window.leaves_us(latest)),
        () if rule.rolling else tuple(_past(rule, use, window.slice_us, past)),
    )


def _past(rule: LimitRule, use: Use, until_us: int, most: int) -> Iterator[PastWindow]:
    """Windows that are over, back to the first in which anything was counted."""
    spent = {s.slice_us: s.spent for s in use.slices}
    first = min(spent, default=until_us)
    for _ in range(most):
        if until_us <= first:
            return
        window = rule.window_at(until_us - 1)
        begins, until_us = window.slice_us, window.slice_us
        ends = window.leaves_us(begins)
        yield PastWindow(at(begins), at(ends), spent.get(begins, NOTHING))
