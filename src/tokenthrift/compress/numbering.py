"""Lines that begin with their number, as ``cat -n``, ``grep -n`` and tools that read files print.

Two such lines are the same text if they are equal but for the number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

# "    12<tab>code", "12→code", "12:code", "12-code", "12 | code"
_NUMBER = re.compile(r"( *)(\d{1,7})(\t|→|:|-| ?\| ?)")


def bare(line: str) -> str:
    """A line without the number it begins with, if any."""
    found = _NUMBER.match(line)
    return line[found.end() :] if found else line


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers that rise by one from line to line.

    Attributes:
        first: of the first line.
        width: characters that spaces and digits take at least; 0 where none are filled up.
        sign: what stands between a number and its line.
    """

    first: int
    width: int
    sign: str

    @classmethod
    def of(cls, line: str) -> Numbers | None:
        """Numbers that begin as a line does; None where it has no number."""
        found = _NUMBER.match(line)
        if found is None or (found[2][0] == "0" and len(found[2]) > 1):
            return None
        return cls(int(found[2]), found.end(2) if found[1] else 0, found[3])

    def before(self, line: str, offset: int) -> str:
        """A line that has no number, behind that of the line ``offset`` lines on."""
        return f"{self.first + offset:{self.width or 1}}{self.sign}{line}"

    def moved(self, lines: int) -> Numbers:
        """The numbers that begin some lines later, or earlier."""
        return replace(self, first=self.first + lines)
