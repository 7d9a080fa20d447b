"""Choosing units: the budget is kept with all marks counted, and value decides."""

from __future__ import annotations

from itertools import groupby
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.choosing import GAP_TOKENS, Choices
from tokenthrift.compress.choosing import choose_units as choose


class Choice(NamedTuple):
    """One unit."""

    value: float
    tokens: int
    template: int
    block: int
    opening_tokens: int = 0
    anchor: bool = False
    names: Sequence[int] = ()
    head: int = -1
    core: bool = False
    waits: bool = False


def choose_units(units: list[Choice], budget: int, worth: Sequence[float] = ()) -> list[bool]:
    """The choice among units given one by one."""
    openings = {u.block: u.opening_tokens for u in units}
    choices = Choices(
        values=[u.value for u in units],
        tokens=[u.tokens for u in units],
        templates=[u.template for u in units],
        blocks=[u.block for u in units],
        openings=[openings.get(n, 0) for n in range(1 + max(openings, default=0))],
        anchors=[n for n, u in enumerate(units) if u.anchor],
        heads=[u.head for u in units],
        names=[u.names for u in units],
        name_worth=worth,
        core=[n for n, u in enumerate(units) if u.core],
        waits=[u.waits for u in units],
    )
    return choose(choices, budget)


if TYPE_CHECKING:
    from collections.abc import Sequence


def spent(units: list[Choice], kept: list[bool]) -> int:
    """Tokens of the assembled text: kept units, a mark per gap in opened blocks, openings."""
    total = 0
    at = 0
    for _, group in groupby(units, key=lambda u: u.block):
        own = list(group)
        flags = kept[at : at + len(own)]
        at += len(own)
        if not any(flags):
            continue
        total += own[0].opening_tokens
        total += sum(u.tokens for u, k in zip(own, flags, strict=True) if k)
        total += GAP_TOKENS * sum(not key for key, _ in groupby(flags))
    return total


def unit_lists(*, anchors: bool) -> st.SearchStrategy[list[Choice]]:
    """Blocks of units; the first of a block may be its anchor."""
    unit = st.tuples(
        st.floats(0, 5, allow_nan=False), st.integers(1, 30), st.sampled_from([-1, -1, 0, 1, 2])
    )
    blocks = st.lists(
        st.tuples(st.lists(unit, min_size=1, max_size=6), st.integers(0, 12), st.booleans()),
        max_size=4,
    )

    def made(drawn: list[tuple[list[tuple[float, int, int]], int, bool]]) -> list[Choice]:
        return [
            Choice(value, tokens, template, block, opening, anchors and headed and n == 0)
            for block, (own, opening, headed) in enumerate(drawn)
            for n, (value, tokens, template) in enumerate(own)
        ]

    return blocks.map(made)


@examples(400)
@given(unit_lists(anchors=False), st.integers(-5, 250))
def test_what_is_kept_fits_the_budget(units: list[Choice], budget_tokens: int) -> None:
    """Units, gap marks and openings of the assembled text are within the budget."""
    kept = choose_units(units, budget_tokens)
    assert len(kept) == len(units)
    assert spent(units, kept) <= max(0, budget_tokens)


@examples(400)
@given(unit_lists(anchors=True), st.integers(-5, 250))
def test_anchors_are_paid_for_and_go_with_their_block(
    units: list[Choice], budget_tokens: int
) -> None:
    """A head is kept when and only when something of its block is, inside the budget."""
    kept = choose_units(units, budget_tokens)
    assert spent(units, kept) <= max(0, budget_tokens)
    for n, unit in enumerate(units):
        if unit.anchor:
            others = [
                k
                for m, (u, k) in enumerate(zip(units, kept, strict=True))
                if u.block == unit.block and m != n
            ]
            assert kept[n] == any(others)


def test_anchors_inside_a_block_split_gaps() -> None:
    """A second head in the middle of a block leaves a gap on each side of it."""
    units = [
        Choice(0, 5, -1, 0, 0, anchor=True),
        Choice(1, 5, -1, 0),
        Choice(0, 5, -1, 0, 0, anchor=True),
        Choice(1, 5, -1, 0),
        Choice(9, 5, -1, 0),
    ]
    budget_tokens = 3 * 5 + GAP_TOKENS
    assert spent(units, choose_units(units, budget_tokens)) <= budget_tokens


def test_everything_is_kept_where_it_fits() -> None:
    """A budget of the whole text leaves nothing out."""
    units = [Choice(1.0, 10, -1, 0) for _ in range(5)]
    assert choose_units(units, 50 + GAP_TOKENS) == [True] * 5


def test_value_decides_and_ties_go_to_the_earlier() -> None:
    """Of equal units the first is kept, of unequal ones the better."""
    alike = [Choice(1.0, 10, -1, 0) for _ in range(4)]
    assert choose_units(alike, 10 + GAP_TOKENS) == [True, False, False, False]
    better = [*alike[:3], Choice(2.0, 10, -1, 0)]
    assert choose_units(better, 10 + GAP_TOKENS) == [False, False, False, True]


def test_a_budget_buys_different_events_before_repeats() -> None:
    """The second unit of a template is worth less than another event of nearly its value."""
    units = [Choice(1.0, 10, 0, 0), Choice(1.0, 10, 0, 0), Choice(0.8, 10, 1, 0)]
    assert choose_units(units, 20 + GAP_TOKENS) == [True, False, True]


def test_what_does_not_fit_is_passed_over() -> None:
    """A unit too large for what is left does not end the choice."""
    units = [Choice(5.0, 1_000, -1, 0), Choice(1.0, 10, -1, 0)]
    assert choose_units(units, 30) == [False, True]


@pytest.mark.parametrize("budget_tokens", [0, -10])
def test_no_budget_keeps_nothing(budget_tokens: int) -> None:
    """Without room nothing is kept."""
    assert choose_units([Choice(1.0, 1, -1, 0)], budget_tokens) == [False]
    assert choose_units([], budget_tokens) == []


def naive_choice(units: list[Choice], budget: int, worth: list[float]) -> list[bool]:
    """The same greedy choice by working out every gain anew before each step."""
    kept = [False] * len(units)
    unseen = list(worth)
    open_ = set(range(len(units)))
    left = budget

    def gain(i: int) -> float:
        beside = any(
            0 <= j < len(units) and kept[j] and units[j].block == units[i].block
            for j in (i - 1, i + 1)
        )
        fresh = sum(unseen[n] for n in units[i].names)
        return (units[i].value + fresh) / sqrt(units[i].tokens + 2) * (1.12 if beside else 1.0)

    while open_ and left > 0:
        best = max(open_, key=lambda i: (gain(i), -i))
        open_.discard(best)
        before = spent(units, kept)
        kept[best] = True
        cost = spent(units, kept) - before
        if cost > left:
            kept[best] = False
            continue
        left -= cost
        for name in units[best].names:
            unseen[name] = 0.0
    return kept


@examples(300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(1, 20),
            st.lists(st.integers(0, 7), max_size=4, unique=True),
        ),
        max_size=12,
    ),
    st.lists(st.integers(1, 9), min_size=8, max_size=8),
    st.integers(0, 90),
)
def test_a_lazy_choice_of_names_is_the_eager_one(
    drawn: list[tuple[int, int, list[int]]], worth: list[int], budget: int
) -> None:
    """Stale gains worked out only at the top give what working all of them out gives."""
    units = [
        Choice(float(value), tokens, -1, n // 4, names=names)
        for n, (value, tokens, names) in enumerate(drawn)
    ]
    kept = choose_units(units, budget, [float(w) for w in worth])
    assert kept == naive_choice(units, budget, [float(w) for w in worth])


def test_a_name_is_bought_once() -> None:
    """Of two units with the same name one is kept before a third brings another name."""
    units = [Choice(0.1, 5, -1, 0, names=n) for n in ([0], [0], [1])]
    assert choose_units(units, 5 + 5 + GAP_TOKENS, [4.0, 1.0]) == [True, False, True]


def test_a_unit_is_kept_with_its_head() -> None:
    """What cannot be read without another unit brings it along, or does not fit."""
    units = [Choice(0.1, 5, -1, 0), Choice(0.2, 5, -1, 0), Choice(9.0, 5, -1, 0, head=0)]
    assert choose_units(units, 10 + GAP_TOKENS) == [True, False, True]
    assert choose_units(units, 5 + GAP_TOKENS) == [True, False, False]


@examples(300)
@given(unit_lists(anchors=True), st.lists(st.integers(0, 9), max_size=24), st.integers(0, 250))
def test_heads_fit_the_budget_and_are_never_missing(
    units: list[Choice], heads: list[int], budget_tokens: int
) -> None:
    """Whatever hangs on what, the budget is met, and no unit stands without its head."""
    made = []
    for n, unit in enumerate(units):
        head = n - 1 - heads[n] if n < len(heads) else -1
        alike = head >= 0 and units[head].block == unit.block
        made.append(unit._replace(head=head if alike else -1))
    kept = choose_units(made, budget_tokens)
    assert spent(made, kept) <= max(0, budget_tokens)
    assert all(kept[u.head] for u, k in zip(made, kept, strict=True) if k and u.head >= 0)


def headed_lists() -> st.SearchStrategy[list[Choice]]:
    """Blocks with units that hang on anchors or on each other, some core, some that wait."""
    unit = st.tuples(
        st.integers(0, 9), st.integers(1, 20), st.sampled_from(["", "core", "waits", "head"]),
        st.integers(0, 5), st.lists(st.integers(0, 3), max_size=2, unique=True),
    )  # fmt: skip
    blocks = st.lists(st.lists(unit, min_size=1, max_size=9), max_size=3)

    def made(drawn: list[list[tuple[int, int, str, int, list[int]]]]) -> list[Choice]:
        out: list[Choice] = []
        for block, own in enumerate(drawn):
            first = len(out)
            for n, (value, tokens, part, back, names) in enumerate(own):
                head = first + n - 1 - back
                out.append(
                    Choice(
                        float(value),
                        tokens,
                        -1,
                        block,
                        -GAP_TOKENS,
                        part == "head",
                        names=names,
                        head=head if head >= first else -1,
                        core=part == "core",
                        waits=part == "waits",
                    )
                )
        heads = {u.head for u in out}
        return [u._replace(anchor=u.anchor and n in heads) for n, u in enumerate(out)]

    return blocks.map(made)


@examples(400)
@given(headed_lists(), st.integers(0, 200), st.integers(0, 1))
def test_nothing_is_kept_without_what_it_hangs_on(
    units: list[Choice], budget_tokens: int, named: int
) -> None:
    """Heads go with their units, inside the budget; a mere heading never stands alone."""
    kept = choose_units(units, budget_tokens, [3.0 * named] * 4)
    assert spent(units, kept) <= budget_tokens
    below: dict[int, list[bool]] = {}
    for n, unit in enumerate(units):
        if unit.head >= 0:
            below.setdefault(unit.head, []).append(kept[n])
            assert kept[unit.head] or not kept[n]
    for head, keeps in below.items():
        if units[head].anchor:
            assert kept[head] == any(keeps)


@examples(400)
@given(headed_lists(), st.integers(0, 200))
def test_what_waits_comes_behind_the_core(units: list[Choice], budget_tokens: int) -> None:
    """Nothing that waits is kept in a block whose core is not, but as the head of something."""
    kept = choose_units(units, budget_tokens, [0.0] * 4)
    heads = {u.head for u in units}
    lacking = {u.block for u, k in zip(units, kept, strict=True) if u.core and not k}
    for n, unit in enumerate(units):
        if unit.waits and unit.block in lacking and n not in heads:
            assert not kept[n]


def test_units_that_hang_on_a_kept_one_still_fit() -> None:
    """What was kept as a head is neither paid for nor chosen again."""
    units = [Choice(1.0, 10, 0, 0), Choice(9.0, 10, 1, 0, head=0), Choice(0.5, 10, 0, 0)]
    assert choose_units(units, 30 + GAP_TOKENS) == [True, True, True]


def test_calls_of_an_exchange_are_paid_for_once() -> None:
    """Where the calls of an exchange and one of its units do not fit, the next exchange is kept."""
    free, kept_whole = -GAP_TOKENS, 10 - GAP_TOKENS  # no mark where nothing is missing
    units = Choices(
        values=[3.0, 3.0, 1.0],
        tokens=[10, 10, 10],
        templates=[-1, -1, -1],
        blocks=[0, 1, 2],
        openings=[free, free, free],
        exchanges=[0, 0, 1],
        shells=[40, 5],
    )
    assert choose(units, 2 * kept_whole + 40) == [True, True, False]
    assert choose(units, kept_whole + 39) == [False, False, True]
    assert choose(units, 3 * kept_whole + 45) == [True, True, True]
