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

    from tokenthrift.types import Frame, Segment

PLACES: Final = 8  # places of one line that are remembered, the first ones
SHORT_LINE: Final = 12  # characters; shorter lines (braces, blanks) are not looked up


@dataclass(frozen=True, slots=True)
class Lines:
    """A text by its lines.

    Attributes:
        said: what each line says: itself, or the line that a row of a written form stands for.
        keys: the same for lines that may be copies of each other.
        whole: all that the text says.
        in_rows: whether rows of a written form stand for the lines.
    """

    said: Sequence[str]
    keys: Sequence[str]
    whole: str
    in_rows: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """What some turns add up to.

    Attributes:
        frames: messages, sent or not.
        tokens: of segments, and of the frames that are sent.
        model_messages: of the model, items that are tied as one; ``tool_messages`` of tools.
        model_texts: messages of the model with text; ``model_acts`` those of them that hold other
            things than prose.
    """

    frames: int = 0
    tokens: int = 0
    model_messages: int = 0
    tool_messages: int = 0
    model_texts: int = 0
    model_acts: int = 0

    @classmethod
    def of(cls, segments: Sequence[Segment], frames: Sequence[Frame]) -> Sums:
        """The sums over whole messages."""
        tokens = tools = 0
        groups, texts, acts = set(), set(), set()
        for s in segments:
            tokens += s.tokens
            if s.role == "assistant":
                texts.add(s.message)
                if s.kind not in ("prose", "markdown"):
                    acts.add(s.message)
        for f in frames:
            tokens += 0 if f.removed else f.tokens
            if f.role == "assistant":
                groups.add(f.group)
            elif f.role == "tool":
                tools += 1
        return cls(len(frames), tokens, len(groups), tools, len(texts), len(acts))

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.frames + other.frames,
            self.tokens + other.tokens,
            self.model_messages + other.model_messages,
            self.tool_messages + other.tool_messages,
            self.model_texts + other.model_texts,
            self.model_acts + other.model_acts,
        )


@dataclass(slots=True)
class _Index:
    """Everything read so far by any view; each kind of entry is read when first asked for."""

    segments: list[Segment] = field(default_factory=list)
    texts: list[Lines] = field(default_factory=list)
    lines: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    names_read: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class History:
    """The first ``size`` segments of a draft, frozen.

    Attributes:
        size: how many segments it covers.
        sums: what they and their messages add up to.
    """

    __slots__ = ("_index", "size", "sums")

    def __init__(self) -> None:
        self.size = 0
        self.sums = Sums()
        self._index = _Index()

    def __reduce__(self) -> tuple[type[History], tuple[()]]:
        """Copies cover nothing: a draft without its history gives the same results, slower."""
        return History, ()

    def grown(self, segments: Sequence[Segment], sums: Sums) -> History:
        """The history of a draft whose first segments this one covers.

        Args:
            segments: all that are frozen, those of this history first.
            sums: what they and their messages add up to.
        """
        new: History = object.__new__(History)
        new.size = len(segments)
        new.sums = sums
        index = self._index
        with index.lock:
            if len(index.segments) == self.size:
                new._index = index
                index.segments += segments[self.size :]
                return new
        new._index = _Index([*segments])
        return new

    def copies(self, read: Callable[[str], Lines]) -> Copies:
        """Where lines stand in it.

        Args:
            read: the lines of a text as it is sent, the same function each time.
        """
        index = self._index
        with index.lock:
            for number in range(len(index.texts), self.size):
                segment = index.segments[number]
                lines = read(segment.text)
                index.texts.append(lines)
                if segment.text and segment.level <= 1:
                    index.copies.setdefault(lines.whole, number)
                note_places(index.lines, number, lines.keys)
        return Copies(index, self.size)

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


class Copies:
    """Where the lines of a history stand.

    Args:
        index: what it is looked up in.
        size: how many segments there are.
    """

    __slots__ = ("_index", "_size")

    def __init__(self, index: _Index, size: int) -> None:
        self._index = index
        self._size = size

    def first(self, text: str) -> Segment | None:
        """The first segment that says this and was not cut."""
        number = self._index.copies.get(text, self._size)
        return self._index.segments[number] if number < self._size else None

    @property
    def known(self) -> Collection[str]:
        """Keys of its lines; some may stand only in a later turn."""
        return self._index.lines

    def places(self, key: str) -> list[tuple[int, int]]:
        """Where lines of a key stand: numbers of segments, and of lines (0-based) in them."""
        return [p for p in self._index.lines.get(key, ()) if p[0] < self._size]

    def lines(self, number: int) -> Lines:
        """The lines of a segment as it is sent."""
        return self._index.texts[number]


def note_places(places: dict[str, list[tuple[int, int]]], number: int, keys: Sequence[str]) -> None:
    """Note where the lines of a text stand, short ones and what stands everywhere left out.

    Args:
        places: by key.
        number: of the text.
        keys: of its lines.
    """
    for n, key in enumerate(keys):
        if len(key) > SHORT_LINE:
            known = places.setdefault(key, [])
            if len(known) < PLACES:
                known.append((number, n))
