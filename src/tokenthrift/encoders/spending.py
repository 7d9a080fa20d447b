"""What encoders spend while a plan is made: told by those that cost money, collected by the plan.

A collector is a context variable, so calls that are planned at the same time do not mix.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Money

__all__ = ["Spend", "collect_spending", "report_spend"]


@dataclass(frozen=True, slots=True)
class Spend:
    """One request to a provider that was paid for beside the call itself.

    Attributes:
        model: as it was asked for.
        input_tokens: as the provider reported them.
        cost: None where the price is not known.
        estimated: the provider reported no usage.
    """

    model: str
    input_tokens: int
    cost: Money | None
    estimated: bool = False


_COLLECTOR: Final[ContextVar[list[Spend] | None]] = ContextVar("spending", default=None)


@contextmanager
def collect_spending() -> Iterator[list[Spend]]:
    """A list of what is spent inside the block; an outer collector gets it as well."""
    outer = _COLLECTOR.get()
    spent: list[Spend] = []
    token = _COLLECTOR.set(spent)
    try:
        yield spent
    finally:
        _COLLECTOR.reset(token)
        if outer is not None:
            outer.extend(spent)


def report_spend(spend: Spend) -> None:
    """Tell the collector, if there is one."""
    spent = _COLLECTOR.get()
    if spent is not None:
        spent.append(spend)
