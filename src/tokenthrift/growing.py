"""Sequences that grow turn by turn and share what they have in common.

A draft of a long conversation is one turn longer than the one before it. Its beginning is frozen,
so both read it in one list; a turn costs what it adds, not what stands before it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)

_lock = threading.Lock()  # held while a list is made longer


class Beginning(Sequence[T_co]):
    """The first items of a longer sequence, without a copy.

    Args:
        items: the sequence; its first ``size`` items do not change.
        size: how many of them.
    """

    __slots__ = ("_items", "_size")

    def __init__(self, items: Sequence[T_co], size: int) -> None:
        self._items = items
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> T_co: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T_co]: ...
    def __getitem__(self, at: int | slice) -> T_co | Sequence[T_co]:
        if isinstance(at, slice):
            return tuple(self._items[n] for n in range(*at.indices(self._size)))
        if not -self._size <= at < self._size:
            raise IndexError(f"no item {at} among {self._size}")
        return self._items[at % self._size]

    def __iter__(self) -> Iterator[T_co]:
        return islice(self._items, self._size)


class Growing(Sequence[T_co]):
    """Items of which the first are frozen and shared, and the last its own.

    Args:
        items: all of them its own at first.

    Attributes:
        rest: those that are not frozen.
    """

    __slots__ = ("_frozen", "_shared", "rest")

    def __init__(self, items: Iterable[T_co] = ()) -> None:
        self._shared: list[T_co] = []
        self._frozen = 0
        self.rest: tuple[T_co, ...] = tuple(items)

    @classmethod
    def of(cls, items: Iterable[T_co]) -> Growing[T_co]:
        """The items themselves if they are such a sequence, else one of them."""
        return items if isinstance(items, Growing) else Growing(items)

    def froze(self) -> Growing[T_co]:
        """The same items, all of them frozen; costs as much as there are in ``rest``.

        Where another sequence has gone on from here already, this one is a branch with a copy.
        """
        new: Growing[T_co] = object.__new__(Growing)
        new._frozen, new.rest = self._frozen + len(self.rest), ()
        shared = self._shared
        with _lock:
            if len(shared) == self._frozen:
                new._shared = shared
                shared += self.rest
                return new
        new._shared = list(self)
        return new

    def upto(self, size: int, then: Iterable[T_co]) -> Growing[T_co]:
        """The first ``size`` items, and others behind them; a copy only of what is not frozen."""
        if size < self._frozen:
            return Growing([*self[:size], *then])
        new = Growing([*self.rest[: size - self._frozen], *then])
        new._shared, new._frozen = self._shared, self._frozen
        return new

    def then(self, more: Iterable[T_co]) -> Growing[T_co]:
        """The items, and others behind them."""
        new: Growing[T_co] = object.__new__(Growing)
        new._shared, new._frozen, new.rest = self._shared, self._frozen, (*self.rest, *more)
        return new

    def __len__(self) -> int:
        return self._frozen + len(self.rest)

    @overload
    def __getitem__(self, at: int) -> T_co: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T_co]: ...
    def __getitem__(self, at: int | slice) -> T_co | Sequence[T_co]:
        size = self._frozen + len(self.rest)
        if isinstance(at, slice):
            if at.start == self._frozen and at.stop is None and at.step is None:
                return self.rest  # what is new in a turn, as every stage asks for it
            start, stop, step = at.indices(size)
            if start >= self._frozen and step > 0:
                return self.rest[start - self._frozen : stop - self._frozen : step]
            return tuple(self[n] for n in range(start, stop, step))
        if not -size <= at < size:
            raise IndexError(f"no item {at} among {size}")
        at %= size
        return self._shared[at] if at < self._frozen else self.rest[at - self._frozen]

    def __iter__(self) -> Iterator[T_co]:
        return chain(islice(self._shared, self._frozen), self.rest)

    def __reversed__(self) -> Iterator[T_co]:
        return chain(reversed(self.rest), map(self._shared.__getitem__, range(self._frozen)[::-1]))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[type[Growing[T_co]], tuple[tuple[T_co, ...]]]:
        """A copy shares nothing."""
        return Growing, (tuple(self),)
