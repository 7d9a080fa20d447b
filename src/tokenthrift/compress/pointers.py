"""What stands in place of lines that an earlier message holds, with an exact decoder.

The first pointer of a text to a message says how the lines begin, for a model cannot count
messages; the next ones to the same message are short::

    [same as m3 lines 10-42: "def main():"]
    a line that was changed
    [m3 lines 44-60]

Further words say what is different: ``numbered from 15`` (and like the lines it points to, or like
``"  15→"``), ``without numbers``, and ``say`` where rows of a written form stand for the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.forms import rows_of
from tokenthrift.compress.numbering import Numbers, bare
from tokenthrift.history import Lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORDS_CHARACTERS: Final = 24

_POINTER = re.compile(
    r"\[(?P<opens>same as |what )?(?P<source>m\d+(?:\.\d+)?)"
    r"(?: lines? (?P<first>\d+)(?:-(?P<last>\d+))?)?(?P<say> say)?"
    r'(?: numbered from (?:(?P<number>\d+)|"(?P<prefix>[^"\n]+)")|(?P<bare> without numbers))?'
    r'(?:: "(?P<words>[^"\n]*)")?\]'
)


def lines_of(text: str) -> Lines:
    """The lines of a text as it is sent, as pointers count them."""
    rows = rows_of(text)
    said = [row.said for row in rows] or text.split("\n")
    if rows and text.endswith("\n"):
        said.append("")
    return Lines(said, [bare(line) for line in said], in_rows=bool(rows))


@dataclass(frozen=True, slots=True)
class Pointer:
    """Lines of an earlier segment, as they read where it stands.

    Attributes:
        source: id of the segment.
        first: the first of its lines (1-based); 0 for the whole, which may hold pointers itself.
        last: the last of them.
        say: whether rows of a written form stand for them.
        numbers: that the lines have here; None: what they have there.
        is_bare: whether they have no numbers here.
        words: how they begin.
    """

    source: str
    first: int = 0
    last: int = 0
    say: bool = False
    numbers: Numbers | None = None
    is_bare: bool = False
    words: str = ""

    def written(self, above: Sequence[str]) -> str:
        """The pointer as it stands in a text.

        Args:
            above: the lines it points to; numbers that look like theirs need not be shown.
        """
        out = [self.source]
        if self.first:
            span = f"s {self.first}-{self.last}" if self.last > self.first else f" {self.first}"
            out.append(f" line{span}")
        if self.say:
            out.append(" say")
        if self.is_bare:
            out.append(" without numbers")
        if self.numbers:
            own = _style(above)
            alike = own and (own.width, own.sign) == (self.numbers.width, self.numbers.sign)
            number = str(self.numbers.first) if alike else f'"{self.numbers.before("", 0)}"'
            out.append(f" numbered from {number}")
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
        if self.numbers:
            return [self.numbers.before(bare(line), n) for n, line in enumerate(there)]
        return [bare(line) for line in there] if self.is_bare else list(there)


def words_of(text: str) -> str:
    """How a text begins, in a few words."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    return " ".join(first.split())[:WORDS_CHARACTERS].strip().replace('"', "'") or "blank"


def holds_pointers(text: str) -> bool:
    """Whether a line of a text reads like a pointer; then none may be put into it."""
    if not any(opening in text for opening in ("[same as m", "[what m", "[m")):
        return False
    return any(_POINTER.fullmatch(line) for line in text.split("\n"))


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
        there = lines_of(sent[source]).said
        if not found["first"]:
            out.append(decode("\n".join(there), sent))
            continue
        out += _read(found, there).lines(there)
    return "\n".join(out)


def _read(found: re.Match[str], source: Sequence[str]) -> Pointer:
    first = int(found["first"] or 0)
    numbers = Numbers.of(found["prefix"]) if found["prefix"] else None
    if found["number"]:
        numbers = _style(source[first - 1 : first])
        numbers = numbers and numbers.moved(int(found["number"]) - numbers.first)
    return Pointer(
        found["source"],
        first,
        int(found["last"] or first),
        say=bool(found["say"]),
        numbers=numbers,
        is_bare=bool(found["bare"]),
        words=found["words"] or "",
    )


def _style(lines: Sequence[str]) -> Numbers | None:
    return Numbers.of(lines[0]) if lines else None
