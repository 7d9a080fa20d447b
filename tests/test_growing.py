"""Sequences that grow: each reads as its own items do, whatever others share of them."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.growing import Beginning, Growing

ROWS = st.lists(st.integers(), max_size=4)
SLICES = st.slices(12)


@examples(200)
@given(st.lists(st.tuples(ROWS, st.booleans(), st.integers(0, 12)), max_size=8), SLICES)
def test_it_reads_as_a_tuple(steps: list[tuple[list[int], bool, int]], part: slice) -> None:
    """Branches and longer ones never show; whatever is frozen, it reads like a tuple."""
    known: list[tuple[Growing[int], tuple[int, ...]]] = [(Growing(), ())]
    for more, freezes, at in steps:
        start, items = known[at % len(known)]
        start = start.froze() if freezes else start
        size = at % (len(items) + 1)
        known.append((start, items))
        known.append((start.upto(size, more), (*items[:size], *more)))
    for grown, items in known:
        assert grown == items
        assert tuple(grown) == items
        assert tuple(grown[part]) == items[part]
        assert [grown[n] for n in range(-len(items), len(items))] == [*items, *items]
        assert tuple(reversed(grown)) == items[::-1]
        assert (hash(grown), repr(grown)) == (hash(items), repr(items))
        assert pickle.loads(pickle.dumps(grown)) == copy.deepcopy(grown) == items


def test_freezing_shares_what_is_frozen() -> None:
    """One list serves all turns; only a branch copies."""
    first = Growing([1, 2]).froze()
    second = first.upto(2, [3]).froze()
    branch = first.upto(2, [4]).froze()
    assert first._shared is second._shared
    assert branch._shared is not second._shared
    assert (second.rest, branch.rest) == ((), ())


def test_no_item_behind_the_end() -> None:
    """Indices outside are errors, also where the shared list goes on."""
    first = Growing([1, 2]).froze()
    assert tuple(first.upto(2, [3]).froze()) == (1, 2, 3)
    for index in (2, -3):
        with pytest.raises(IndexError):
            first[index]
        with pytest.raises(IndexError):
            Beginning([1, 2, 3], 2)[index]


@examples(60)
@given(ROWS, st.integers(0, 4), SLICES)
def test_a_beginning_reads_as_a_slice(items: list[int], size: int, part: slice) -> None:
    """The first items of a sequence, without a copy."""
    size = min(size, len(items))
    beginning, expected = Beginning(items, size), items[:size]
    assert list(beginning) == expected
    assert list(reversed(beginning)) == expected[::-1]
    assert list(beginning[part]) == expected[part]
    assert len(beginning) == size
