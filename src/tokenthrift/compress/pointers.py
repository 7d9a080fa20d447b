"""What stands in place of lines that an earlier message holds, with an exact decoder.

The first pointer of a text to a message says how the lines begin, for a model cannot count
messages; the next ones to the same message are short::

    [same as m3 lines 10-42: "def main():"]
    a line that was changed
    [m3 lines 44-60]

Further words say what is different: ``numbered from 15`` (like those that are pointed at, or as in
``numbered from "  15→"``), ``without numbers``, ``each behind "> "``, ``each without "    "``, and
``what m3 lines 10-42 say`` where rows of a written form stand for the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.compress import forms
from tokenthrift.compress.changes import WORDS, keys_of, read_change
from tokenthrift.history import Lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.compress.changes import Change
    from tokenthrift.types import Unit

WORDS_CHARACTERS: Final = 24
OPENINGS: Final = ("[same as m", "[what m", "[m")

_POINTER = re.compile(
    r"\[(?P<opens>same as |what )?(?P<source>m\d+(?:\.\d+)?)"
    r"(?: lines? (?P<first>\d+)(?:-(?P<last>\d+))?)?(?P<say> say)?"
    rf"(?:{WORDS})?"
    r'(?:: "(?P<words>[^"\n]*)")?\]'
)


def lines_of(text: str) -> Lines:
    """The lines of a text as it is sent, as pointers count them."""
    rows = forms.rows_of(text)
    if not rows:
        return Lines(text.split("\n"), keys_of(text), text)
    said = [row.said for row in rows]
    if text.endswith("\n"):
        said.append("")
    whole = "\n".join(said[sum(row.anchor for row in rows) :])
    return Lines(said, keys_of("\n".join(said)), whole, in_rows=True)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Lines of an earlier segment, as they read where it stands.

    Attributes:
        source: id of the segment.
        first: the first of its lines (1-based); 0 for the whole but a line break at its end, which
            may hold pointers itself.
        last: the last of them.
        say: whether rows of a written form stand for them.
        change: how they differ here.
        words: how they begin.
    """

    source: str
    first: int = 0
    last: int = 0
    say: bool = False
    change: Change | None = None
    words: str = ""

    def written(self, copy: str = "") -> str:
        """The pointer as it stands in a text.

        Args:
            copy: the first line that it points to.
        """
        out = [self.source]
        if self.first:
            span = f"s {self.first}-{self.last}" if self.last > self.first else f" {self.first}"
            out.append(f" line{span}")
        if self.say:
            out.append(" say")
        if self.change:
            out.append(self.change.written(copy))
        if self.words:
            out.insert(0, "what " if self.say else "same as ")
            out.append(f': "{self.words}"')
        return f"[{''.join(out)}]"

    def lines(self, source: Sequence[str]) -> list[str]:
        """The lines it stands for.

        Args:
            source: what the lines of the segment say.

        Raises:
            ValueError: the segment has no such lines.
        """
        if self.last > len(source):
            raise ValueError(f"{self.source} has {len(source)} lines, none is {self.last}")
        there = source[self.first - 1 : self.last]
        if self.change is None:
            return list(there)
        return [self.change.line(copy, n) for n, copy in enumerate(there)]


def words_of(text: str) -> str:
    """How a text begins, in a few words."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    return " ".join(first.split())[:WORDS_CHARACTERS].strip().replace('"', "'") or "blank"


def is_pointer(line: str) -> bool:
    """Whether a line of a text is a reference to an earlier one."""
    return _POINTER.match(line) is not None


def holds_pointers(text: str) -> bool:
    """Whether a line of a text reads like a pointer; then none may be put into it."""
    if not any(opening in text for opening in OPENINGS):
        return False
    return any(_POINTER.fullmatch(line) for line in text.split("\n"))


def with_pointers(text: str, units: Sequence[Unit]) -> list[Unit]:
    """Units of a text of which pointers are anchors: lines that are read by them cost nothing more.

    Args:
        text: of a segment.
        units: its units.
    """
    if not holds_pointers(text):
        return list(units)
    return [unit._replace(anchor=True) if _is_pointer(text, unit) else unit for unit in units]


def _is_pointer(text: str, unit: Unit) -> bool:
    return bool(_POINTER.fullmatch(text[unit.start : unit.end].rstrip("\n")))


def decode(text: str, sent: Mapping[str, str]) -> str:
    """The text that pointers were put into.

    Args:
        text: of a segment as the stage leaves it.
        sent: texts of earlier segments as they are sent, by id.

    Raises:
        ValueError: a pointer points at nothing; says at which line.
    """
    out: list[str] = []
    for n, line in enumerate(text.split("\n"), 1):
        found = _POINTER.fullmatch(line)
        if found is None:
            out.append(line)
            continue
        source = found["source"]
        if source not in sent:
            raise ValueError(f"line {n}: there is no {source} before it")
        there = lines_of(sent[source])
        if found["first"]:
            out += _read(found, there.said).lines(there.said)
        else:
            out.append(decode(there.whole, sent).removesuffix("\n"))
    return "\n".join(out)


def _read(found: re.Match[str], source: Sequence[str]) -> Pointer:
    first = int(found["first"])
    return Pointer(
        found["source"],
        first,
        int(found["last"] or first),
        say=bool(found["say"]),
        change=read_change(found.groupdict(), source[first - 1] if first <= len(source) else ""),
        words=found["words"] or "",
    )
