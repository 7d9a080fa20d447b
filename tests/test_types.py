"""The values: money is exact, and nothing can be changed in place."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift import types
from tokenthrift.types import Money, Usage

NANOS = st.integers(-(10**15), 10**15)


@examples(100)
@given(st.lists(NANOS, max_size=8))
def test_money_adds_up_exactly(amounts: list[int]) -> None:
    """A sum of amounts is the amount of the sum, to the nano-dollar."""
    assert sum(map(Money, amounts), Money()) == Money(sum(amounts))
    assert sum(map(Money, amounts)) == (Money(sum(amounts)) if amounts else 0)


@examples(100)
@given(NANOS, NANOS)
def test_money_is_a_signed_ordered_amount(a: int, b: int) -> None:
    """Differences, signs and order are those of the integers; dollars are exact."""
    assert Money(a) - Money(b) == Money(a - b) == -(Money(b) - Money(a))
    assert (Money(a) < Money(b)) == (a < b)
    assert Money(a).usd * 10**9 == a
    assert Decimal(str(Money(a)).replace("$", "")) == Money(a).usd


def test_money_shows_nine_decimals() -> None:
    """An amount is written in full, the sign before the currency."""
    assert str(Money(1)) == "$0.000000001"
    assert str(Money(-1_500_000_000)) == "-$1.500000000"


def test_money_does_not_add_numbers() -> None:
    """An integer is not an amount of money."""
    with pytest.raises(TypeError):
        5 + Money(1)


def test_usage_compares_by_its_buckets() -> None:
    """What the provider wrote beside the figures does not make two usages different."""
    assert Usage(3, 4, raw={"a": 1}) == Usage(3, 4, raw=None)
    assert Usage(3, 4) != Usage(3, 5)


VALUES = [
    v for v in vars(types).values() if isinstance(v, type) and is_dataclass(v) and v is not Money
]


@pytest.mark.parametrize("value", [*VALUES, Money], ids=lambda v: v.__name__)
def test_values_are_frozen_and_slotted(value: type) -> None:
    """No value can be changed, or given a field it does not have."""
    made = object.__new__(value)
    assert not hasattr(made, "__dict__")
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(value)[0].name, 1)
