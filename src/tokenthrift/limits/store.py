"""What a store of limits keeps, and the protocol that Redis or PostgreSQL can fill.

A store knows accounts, slices of time and leases, and nothing of rules, models or clocks. Each
method is one atomic step for all threads and processes that share the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from tokenthrift.limits.amounts import NOTHING, Amount, Caps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.limits.windows import Window

OnExpiry: TypeAlias = Literal["charge", "refund"]
REMEMBERED_US: Final = 7 * 86_400 * 1_000_000
"""How long a closed lease is remembered, so that it is never counted twice."""


@dataclass(frozen=True, slots=True)
class Line:
    """One limit that a call counts in: the account, the window as it is now, and the caps."""

    account: str
    window: Window
    caps: Caps


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount that is held for a call until it says what it took, or ``expires_us``."""

    lease_id: str
    asked: Amount
    expires_us: int
    on_expiry: OnExpiry = "charge"

    @property
    def charged(self) -> Amount:
        """What the call counts as once its time is over."""
        return self.asked if self.on_expiry == "charge" else NOTHING


@dataclass(frozen=True, slots=True)
class Slice:
    """What was taken in one slice of an account: spent, and held by calls that still run."""

    slice_us: int
    spent: Amount
    held: Amount


@dataclass(frozen=True, slots=True)
class Use:
    """What counts of an account in a window, by slices in order of time."""

    slices: tuple[Slice, ...] = ()

    @property
    def spent(self) -> Amount:
        """By calls that are over."""
        return sum((s.spent for s in self.slices), NOTHING)

    @property
    def held(self) -> Amount:
        """For calls that still run."""
        return sum((s.held for s in self.slices), NOTHING)

    @property
    def total(self) -> Amount:
        """Both."""
        return self.spent + self.held


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an amount is held now, and what each line's account held before."""

    admitted: bool
    uses: tuple[Use, ...]


def admits(lines: Sequence[Line], uses: Sequence[Use], asked: Amount) -> bool:
    """Whether every line has room for an amount."""
    return all(line.caps.admit(use.total + asked) for line, use in zip(lines, uses, strict=True))


class LimitStore(Protocol):
    """Counts for everyone who shares it. All times are microseconds since 1970."""

    def reserve(self, hold: Hold, lines: Sequence[Line], now_us: int) -> Answer:
        """Hold an amount in all lines, or in none.

        Leases whose time is over are closed first. Lines with one account count once. A lease id
        that is known already changes nothing and is admitted.
        """
        ...

    def settle(self, lease_id: str, actual: Amount, now_us: int) -> bool:
        """Count what a call took instead of what was held; nothing, to give all of it back.

        Returns:
            False where the call had said so before: it counts once. After its time it still counts.

        Raises:
            LimitStoreError: no such lease is remembered.
        """
        ...

    def renew(self, lease_id: str, expires_us: int) -> bool:
        """Hold an amount for longer; False where it is not held any more."""
        ...

    def uses(self, lines: Sequence[Line], now_us: int) -> tuple[Use, ...]:
        """What counts now in each line's account."""
        ...

    def accounts(self, now_us: int) -> dict[str, Use]:
        """All that is remembered of every account, windows that are over too, sorted by account."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...
