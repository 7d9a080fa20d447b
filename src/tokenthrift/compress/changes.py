"""How lines differ from their copies: by a number before each, or by the same few signs.

Numbers are those that ``cat -n``, ``grep -n`` and tools that read files print; signs are indents
and the marks of a quotation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNS: Final = " \t>"

# As in "    12<tab>a line", "12→a line", "12:a line", "12-a line" and "12 | a line".
_NUMBER = re.compile(r"( *)([0-9]{1,7})(\t|→|:|-| ?\| ?)")

# As words in a pointer; `read_change` takes the groups.
WORDS: Final = (
    r' numbered from (?:(?P<number>\d+)|"(?P<numbered>[^"\n]+)")|(?P<bare> without numbers)'
    r'| each behind "(?P<behind>[ \t>]+)"| each without "(?P<without>[ \t>]+)"'
)


def key_of(line: str) -> str:
    """What lines share that may be copies of each other."""
    return bare(line).lstrip(SIGNS)


def keys_of(text: str) -> list[str]:
    """The keys of the lines of a text."""
    return [
        key_of(line) if "0" <= (key := line.lstrip(SIGNS)) < ":" else key
        for line in text.split("\n")
    ]


def bare(line: str) -> str:
    """A line without the number it begins with, if any."""
    found = _NUMBER.match(line)
    return line[found.end() :] if found else line


@dataclass(frozen=True, slots=True)
class Numbered:
    """The lines have numbers here, rising by one, and there others or none.

    Attributes:
        first: of the first line.
        width: characters that spaces and digits take at least; 0 where none are filled up.
        sign: what stands between a number and its line.
    """

    first: int
    width: int
    sign: str

    @classmethod
    def like(cls, line: str) -> Numbered | None:
        """Numbers that begin as a line does; None where it has no number."""
        found = _NUMBER.match(line)
        if found is None or (found[2][0] == "0" and len(found[2]) > 1):
            return None
        return cls(int(found[2]), found.end(2) if found[1] else 0, found[3])

    def line(self, copy: str, offset: int) -> str:
        """The line here whose copy is ``offset`` lines behind the first."""
        return f"{self.first + offset:{self.width or 1}}{self.sign}{bare(copy)}"

    def moved(self, lines: int) -> Numbered:
        """The same for lines that begin so many later, or earlier."""
        return replace(self, first=self.first + lines)

    def written(self, copy: str) -> str:
        """As words in a pointer; the look of the numbers only where it is not that of the copy."""
        there = Numbered.like(copy)
        if there and (there.width, there.sign) == (self.width, self.sign):
            return f" numbered from {self.first}"
        return f' numbered from "{self.line("", 0)}"'


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """Only there the lines have numbers."""

    def line(self, copy: str, _offset: int) -> str:
        """The line here."""
        return bare(copy)

    def moved(self, _lines: int) -> Unnumbered:
        """The same for all lines."""
        return self

    def written(self, _copy: str) -> str:
        """As words in a pointer."""
        return " without numbers"


@dataclass(frozen=True, slots=True)
class Behind:
    """The lines stand behind signs here; empty ones behind as many as are not blanks."""

    signs: str

    def line(self, copy: str, _offset: int) -> str:
        """The line here."""
        return self.signs + copy if copy else self.signs.rstrip()

    def moved(self, _lines: int) -> Behind:
        """The same for all lines."""
        return self

    def written(self, _copy: str) -> str:
        """As words in a pointer."""
        return f' each behind "{self.signs}"'


@dataclass(frozen=True, slots=True)
class Without:
    """The lines stand behind signs there."""

    signs: str

    def line(self, copy: str, _offset: int) -> str:
        """The line here."""
        return "" if copy == self.signs.rstrip() else copy.removeprefix(self.signs)

    def moved(self, _lines: int) -> Without:
        """The same for all lines."""
        return self

    def written(self, _copy: str) -> str:
        """As words in a pointer."""
        return f' each without "{self.signs}"'


Change: TypeAlias = Numbered | Unnumbered | Behind | Without


def change_between(line: str, copy: str) -> Change | None:
    """What makes a line of its copy, where they are not the same; None where nothing does."""
    made: Change | None = None
    if bare(line) == bare(copy):
        made = Unnumbered() if bare(line) == line else Numbered.like(line)
    elif line.endswith(copy):
        made = Behind(line[: len(line) - len(copy)])
    elif copy.endswith(line):
        made = Without(copy[: len(copy) - len(line)])
    signs = getattr(made, "signs", "")
    return None if signs.strip(SIGNS) or (made and made.line(copy, 0) != line) else made


def read_change(found: Mapping[str, str | None], copy: str) -> Change | None:
    """The change that words in a pointer tell of.

    Args:
        found: the groups of `WORDS`.
        copy: the first line that is pointed at.
    """
    number, numbered, behind, without = map(found.get, ("number", "numbered", "behind", "without"))
    if numbered:
        return Numbered.like(numbered)
    if number:
        there = Numbered.like(copy)
        return replace(there, first=int(number)) if there else None
    if behind:
        return Behind(behind)
    if without:
        return Without(without)
    return Unnumbered() if found["bare"] else None
