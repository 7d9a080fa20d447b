"""What the frozen part of a conversation shows, read once and grown turn by turn.

A view of the first segments of a draft. Views of one conversation share one index, and each sees
only its own segments, so a later turn never shows in an earlier one; a conversation that forks
reads its branch anew.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from tokenthrift.types import Segment

PLACES: Final = 8  # places of one line that are remembered, the first ones
SHORT_LINE: Final = 12  # characters; shorter lines (braces, blanks) are not looked up


@dataclass(slots=True)
class _Index:
    """Everything read so far by any view; each kind of entry is read when first asked for."""

    segments: list[Segment] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    lines: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    names_read: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class History:
    """The first ``size`` segments of a draft, frozen.

    Attributes:
        size: how many segments it covers.
    """

    __slots__ = ("_index", "size")

    def __init__(self) -> None:
        self.size = 0
        self._index = _Index()

    def __reduce__(self) -> tuple[type[History], tuple[()]]:
        """Copies cover nothing: a draft without its history gives the same results, slower."""
        return History, ()

    def grown(self, segments: Sequence[Segment]) -> History:
        """The history of a draft whose first segments this one covers.

        Args:
            segments: all that are frozen, those of this history first.
        """
        new = History()
        new.size = len(segments)
        with self._index.lock:
            if len(self._index.segments) == self.size:
                new._index = self._index
                self._index.segments += segments[self.size :]
                return new
        new._index.segments += segments
        return new

    def first_copy(self, text: str) -> Segment | None:
        """The first segment that reads like this and was not cut."""
        self._read_lines()
        number = self._index.copies.get(text, self.size)
        return self._index.segments[number] if number < self.size else None

    @property
    def known_lines(self) -> Collection[str]:
        """Lines that stand in it; some may stand only in a later turn."""
        self._read_lines()
        return self._index.lines

    def places(self, line: str) -> list[tuple[int, int]]:
        """Where one of the known lines stands: numbers of segments, of lines (0-based) in them."""
        return [p for p in self._index.lines.get(line, ()) if p[0] < self.size]

    def lines(self, number: int) -> Sequence[str]:
        """The lines of a segment as it is sent."""
        return self._index.texts[number]

    def shows(self, names: Iterable[str], read: Callable[[str], Iterable[str]]) -> set[str]:
        """Those of the names that stand in it.

        Args:
            names: that are looked for.
            read: the names of a text, the same function each time.
        """
        index = self._index
        with index.lock:
            for number in range(index.names_read, self.size):
                for name in read(index.segments[number].text):
                    index.names.setdefault(name, number)
            index.names_read = max(index.names_read, self.size)
        first = index.names
        return {name for name in names if first.get(name, self.size) < self.size}

    def _read_lines(self) -> None:
        index = self._index
        if len(index.texts) >= self.size:
            return
        with index.lock:
            for number in range(len(index.texts), self.size):
                segment = index.segments[number]
                if segment.text and segment.level <= 1:
                    index.copies.setdefault(segment.text, number)
                lines = segment.text.splitlines(keepends=True)
                for n, line in enumerate(lines):
                    if len(line) > SHORT_LINE:
                        places = index.lines.setdefault(line, [])
                        if len(places) < PLACES:
                            places.append((number, n))
                index.texts.append(lines)
