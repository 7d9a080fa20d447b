"""Reserve before a call, settle or refund after it: limits hold for calls that run at once.

A call counts in the windows in which it began. What is reserved should be the most that it can
take (its input and its longest answer): then what was spent and what is held never exceed a limit.
Where a call took more than it had asked for, that is counted as it was, and the next is refused.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from tokenthrift.limits.amounts import NOTHING, Amount
from tokenthrift.limits.memory import MemoryLimits
from tokenthrift.limits.refusals import Refused, refuse_unpriced
from tokenthrift.limits.rules import Leases, check_rules
from tokenthrift.limits.sqlite import SQLiteLimits
from tokenthrift.limits.store import Hold, Line
from tokenthrift.limits.windows import SECOND_US, at, microseconds

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from tokenthrift.limits.rules import Call, LimitRule
    from tokenthrift.limits.store import LimitStore
    from tokenthrift.types import Money, Usage


@dataclass(frozen=True, slots=True)
class Pressure:
    """How near calls are to a limit.

    Attributes:
        share: of the tightest cap, spent and held together; 1 is all of it.
        step: how many of that limit's taper shares are reached: 0 asks for nothing, each further
            one for cheaper actions.
        limit: the name of the limit that asks for the most, or empty.
    """

    share: float = 0.0
    step: int = 0
    limit: str = ""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit as one caller sees it: what was spent, what is held, until when."""

    rule: LimitRule
    owner: str
    spent: Amount
    held: Amount
    resets_at: datetime

    @property
    def pressure(self) -> Pressure:
        """How near it is to its caps."""
        share = self.rule.caps.share(self.spent + self.held)
        return Pressure(share, sum(share >= t for t in self.rule.taper), self.rule.name)


UNPRESSED: Final = Pressure()


class Lease:
    """An amount held for one call. As a context, it is never left open.

    Left by an error, the amount is given back; left without a word, or by a cancellation, which
    says nothing of what the provider charges, the call counts as what was reserved.

    Attributes:
        lease_id: unique.
        limits: names of the limits that the call touches, for its record.
        pressure: of the nearest limit, this call included.
    """

    def __init__(
        self, limiter: Limiter, hold: Hold, limits: tuple[str, ...], pressure: Pressure
    ) -> None:
        self._limiter = limiter
        self._hold = hold
        self._done = not limits
        self.lease_id = hold.lease_id
        self.limits = limits
        self.pressure = pressure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if self._done:
            return
        if kind is not None and issubclass(kind, Exception):
            self.refund()
        else:
            self.charge()

    def settle(self, usage: Usage, cost: Money | None, *, requests: int | None = None) -> bool:
        """Count what the call took. The first word counts: settling again changes nothing.

        Args:
            usage: of all of its attempts.
            cost: None where it is not known: then the reserved money counts.
            requests: how many there were; as many as reserved where that is not said.

        Returns:
            Whether it was counted by this call.

        Raises:
            LimitStoreError: the store cannot be written; the amount stays held until it expires.
            ValueError: a count is negative.
        """
        asked = self._hold.asked
        many = asked.requests if requests is None else requests
        actual = Amount.of(usage, cost, requests=many)
        return self._close(actual if cost is not None else replace(actual, nanos=asked.nanos))

    def charge(self) -> bool:
        """Count what was reserved: nobody knows what the call took."""
        return self._close(self._hold.asked)

    def refund(self) -> bool:
        """Give everything back: the call has cost nothing."""
        return self._close(NOTHING)

    def renew(self) -> bool:
        """Hold the amount for as long again from now; False where its time was over."""
        return self._done or self._limiter._renew(self.lease_id)  # noqa: SLF001 - one object in two

    def _close(self, actual: Amount) -> bool:
        if self._done:
            return False
        counted = self._limiter._settle(self.lease_id, actual)  # noqa: SLF001 - one object in two
        self._done = True
        return counted


class Limiter:
    """Limits of a policy over a store. Safe with threads; in async code use a thread.

    Args:
        rules: the limits; a call counts in all that it touches, or in none.
        store: what counts; memory of this process where none is given.
        leases: how long amounts are held, and what becomes of them then.
        clock: the time, aware; processes that share a store must agree on it.

    Raises:
        ValueError: two limits have the same name, or share a pool but not its window.
    """

    def __init__(
        self,
        rules: Iterable[LimitRule],
        store: LimitStore | None = None,
        *,
        leases: Leases | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.rules = check_rules(tuple(rules))
        self.store = MemoryLimits() if store is None else store
        self._leases = leases or Leases()
        self._clock = clock

    def reserve(
        self,
        call: Call,
        usage: Usage,
        cost: Money | None,
        *,
        requests: int = 1,
        lease_id: str | None = None,
    ) -> Lease:
        """Hold what a call is expected to take in every limit that it touches, or in none.

        Args:
            call: whose it is, and the model that is about to be asked.
            usage: the most that it can take; input and longest answer.
            cost: of that; None where the price is not known.
            requests: 0 for a further attempt that is not to count as a call.
            lease_id: reserving again under one id is the same lease. New where none is given.

        Raises:
            LimitError: a limit has no room for it. Waiting, not trying again, is what helps.
            LimitStoreError: the store cannot be read or written, so that nothing can be promised.
            ValueError: a count is negative.
        """
        asked = Amount.of(usage, cost, requests=requests)
        now_us = microseconds(self._clock())
        expires_us = now_us + round(self._leases.seconds * SECOND_US)
        hold = Hold(lease_id or uuid.uuid4().hex, asked, expires_us, self._leases.on_expiry)
        rules = self._touched(call)
        if cost is None:
            refuse_unpriced(rules, call)
        if not rules:
            return Lease(self, hold, (), UNPRESSED)
        lines = _lines(rules, call, now_us)
        answer = self.store.reserve(hold, lines, now_us)
        if not answer.admitted:
            raise Refused(call, asked, now_us).error(rules, lines, answer.uses)
        uses = [u.total + asked for u in answer.uses]
        return Lease(self, hold, tuple(r.name for r in rules), _pressure(rules, uses))

    def pressure(self, call: Call) -> Pressure:
        """How near a call is to its limits, before it is made: what a router goes by."""
        return max(
            (use.pressure for use in self.uses(call)),
            key=lambda p: (p.step, p.share),
            default=UNPRESSED,
        )

    def uses(self, call: Call) -> tuple[LimitUse, ...]:
        """Every limit that a call touches, as it is now."""
        rules = self._touched(call)
        if not rules:
            return ()
        now_us = microseconds(self._clock())
        lines = _lines(rules, call, now_us)
        found = zip(rules, lines, self.store.uses(lines, now_us), strict=True)
        return tuple(
            LimitUse(
                rule,
                rule.owner(call),
                use.spent,
                use.held,
                at(line.window.leaves_us(line.window.slice_us)),
            )
            for rule, line, use in found
        )

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def _touched(self, call: Call) -> tuple[LimitRule, ...]:
        return tuple(rule for rule in self.rules if rule.touches(call))

    def _settle(self, lease_id: str, actual: Amount) -> bool:
        return self.store.settle(lease_id, actual, microseconds(self._clock()))

    def _renew(self, lease_id: str) -> bool:
        now_us = microseconds(self._clock())
        return self.store.renew(lease_id, now_us + round(self._leases.seconds * SECOND_US))


def open_limits(where: str | os.PathLike[str] | None, *, create: bool = True) -> LimitStore:
    """The store in a SQLite file, or in the memory of this process where none is named.

    Raises:
        LimitStoreError: the file cannot be opened.
    """
    return MemoryLimits() if where is None else SQLiteLimits(where, create=create)


def _lines(rules: Sequence[LimitRule], call: Call, now_us: int) -> tuple[Line, ...]:
    return tuple(Line(r.account(call), r.window_at(now_us), r.caps) for r in rules)


def _pressure(rules: Sequence[LimitRule], totals: Sequence[Amount]) -> Pressure:
    found = []
    for rule, total in zip(rules, totals, strict=True):
        share = rule.caps.share(total)
        found.append(Pressure(share, sum(share >= t for t in rule.taper), rule.name))
    return max(found, key=lambda p: (p.step, p.share), default=UNPRESSED)
