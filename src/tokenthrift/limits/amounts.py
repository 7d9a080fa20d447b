"""What calls take from limits, counted in four exact meters: requests, input, output, money.

Tokens are one pool: `Amount.tokens` is input and output together. Pure arithmetic of integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Money, Usage

MOST: Final = 10**15  # of one meter in one call; thousands of such calls still fit 64 bits

METERS: Final = ("nanos", "tokens", "input_tokens", "output_tokens", "requests")
"""What a limit can cap; ``nanos`` is money in nano-dollars."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What a call takes, or several together."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanos: int = 0

    @classmethod
    def of(cls, usage: Usage, cost: Money | None, *, requests: int = 1) -> Amount:
        """The amount of a usage at a cost; a cost that is not known counts as nothing here.

        Raises:
            ValueError: a count is negative, or far above what any call takes.
        """
        nanos = 0 if cost is None else cost.nanos
        made = cls(requests, usage.input_tokens, usage.output_tokens, nanos)
        for meter in ("requests", "input_tokens", "output_tokens", "nanos"):
            value = getattr(made, meter)
            if not 0 <= value <= MOST:
                raise ValueError(f"{meter} is {value}; a call takes from 0 to {MOST}")
        return made

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __iter__(self) -> Iterator[int]:
        """The four counts in the order of the fields, as stores keep them."""
        yield self.requests
        yield self.input_tokens
        yield self.output_tokens
        yield self.nanos

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(a + b for a, b in zip(self, other, strict=True)))

    def __sub__(self, other: Amount) -> Amount:
        return Amount(*(a - b for a, b in zip(self, other, strict=True)))


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be taken in a window; None is not capped."""

    nanos: int | None = None
    tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    requests: int | None = None

    def admit(self, amount: Amount) -> bool:
        """Whether so much in all is allowed."""
        return not self.broken(amount)

    def broken(self, amount: Amount) -> tuple[str, ...]:
        """The meters of which so much in all is too much."""
        return tuple(m for m, cap in self.set() if getattr(amount, m) > cap)

    def share(self, amount: Amount) -> float:
        """How much of the tightest cap an amount is: 1 is all of it."""
        return max((_share(getattr(amount, m), cap) for m, cap in self.set()), default=0.0)

    def set(self) -> tuple[tuple[str, int], ...]:
        """The meters that are capped, with their caps."""
        caps = ((m, getattr(self, m)) for m in METERS)
        return tuple((m, cap) for m, cap in caps if cap is not None)


def _share(part: int, cap: int) -> float:
    return max(0, part) / cap if cap else 1.0
