"""A store of limits in memory: for one process, and the plain reference that others are held to."""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tokenthrift.errors import LimitStoreError
from tokenthrift.limits.amounts import NOTHING, Amount
from tokenthrift.limits.store import REMEMBERED_US, Answer, Hold, Slice, Use, admits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.limits.store import Line


@dataclass(slots=True)
class _Lease:
    hold: Hold
    places: tuple[tuple[str, int], ...]
    state: Literal["held", "expired", "closed"]
    ends_us: int
    """When its time is over; once it is closed, when it is forgotten."""


class MemoryLimits:
    """Accounts and leases of this process; safe with threads, gone with the process."""

    def __init__(self) -> None:
        self._slices: dict[str, dict[int, tuple[Amount, Amount]]] = {}
        self._leases: dict[str, _Lease] = {}
        self._ends: list[tuple[int, str]] = []  # a heap; what is out of date in it is passed over
        self._lock = threading.Lock()

    def reserve(self, hold: Hold, lines: Sequence[Line], now_us: int) -> Answer:
        """See `LimitStore.reserve`."""
        with self._lock:
            self._sweep(now_us)
            uses = tuple(self._use(line) for line in lines)
            if hold.lease_id in self._leases:
                return Answer(True, uses)
            if not admits(lines, uses, hold.asked):
                return Answer(False, uses)
            places = tuple(dict.fromkeys((x.account, x.window.slice_us) for x in lines))
            for line in lines:
                self._forget(line)
            for place in places:
                self._add(place, NOTHING, hold.asked)
            self._leases[hold.lease_id] = lease = _Lease(hold, places, "held", hold.expires_us)
            self._end(lease, hold.expires_us)
            return Answer(True, uses)

    def settle(self, lease_id: str, actual: Amount, now_us: int) -> bool:
        """See `LimitStore.settle`."""
        with self._lock:
            lease = self._leases.get(lease_id)
            if lease is None:
                raise LimitStoreError(f"lease {lease_id!r} is not known, or no longer")
            if lease.state == "closed":
                return False
            held = NOTHING
            if lease.state == "held":
                held = NOTHING - lease.hold.asked
            else:
                actual -= lease.hold.charged
            for place in lease.places:
                self._add(place, actual, held)
            lease.state = "closed"
            self._end(lease, now_us + REMEMBERED_US)
            return True

    def renew(self, lease_id: str, expires_us: int) -> bool:
        """See `LimitStore.renew`."""
        with self._lock:
            lease = self._leases.get(lease_id)
            if lease is None or lease.state != "held":
                return False
            self._end(lease, max(lease.ends_us, expires_us))
            return True

    def uses(self, lines: Sequence[Line], now_us: int) -> tuple[Use, ...]:
        """See `LimitStore.uses`."""
        with self._lock:
            self._sweep(now_us)
            return tuple(self._use(line) for line in lines)

    def accounts(self, now_us: int) -> dict[str, Use]:
        """See `LimitStore.accounts`."""
        with self._lock:
            self._sweep(now_us)
            return {
                account: Use(tuple(Slice(at, *slices[at]) for at in sorted(slices)))
                for account, slices in sorted(self._slices.items())
            }

    def close(self) -> None:
        """Nothing is held open."""

    def _use(self, line: Line) -> Use:
        known = self._slices.get(line.account, {})
        since = line.window.since_us
        return Use(tuple(Slice(at, *known[at]) for at in sorted(known) if at >= since))

    def _add(self, place: tuple[str, int], spent: Amount, held: Amount) -> None:
        account, slice_us = place
        slices = self._slices.setdefault(account, {})
        before = slices.get(slice_us, (NOTHING, NOTHING))
        slices[slice_us] = (before[0] + spent, before[1] + held)

    def _forget(self, line: Line) -> None:
        """Drop slices of an account that count no more, but for those of `kept_since_us`."""
        slices = self._slices.get(line.account, {})
        oldest = line.window.kept_since_us
        for slice_us in [at for at, (_, held) in slices.items() if at < oldest and held == NOTHING]:
            del slices[slice_us]

    def _end(self, lease: _Lease, ends_us: int) -> None:
        lease.ends_us = ends_us
        heapq.heappush(self._ends, (ends_us, lease.hold.lease_id))

    def _sweep(self, now_us: int) -> None:
        while self._ends and self._ends[0][0] <= now_us:
            ends_us, lease_id = heapq.heappop(self._ends)
            lease = self._leases.get(lease_id)
            if lease is None or lease.ends_us != ends_us:
                continue
            if lease.state != "held":
                del self._leases[lease_id]
                continue
            for place in lease.places:
                self._add(place, lease.hold.charged, NOTHING - lease.hold.asked)
            lease.state = "expired"
            self._end(lease, now_us + REMEMBERED_US)
