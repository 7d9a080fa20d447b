"""Where source text stands in what a tool printed, and in which language.

Numbers of lines, tags and notes around it are no part of the source. Told from the text alone; a
wrong guess does not parse, and costs a cut by lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.languages import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FEWEST_LINES: Final = 5
NUMBERED_SHARE: Final = 0.5  # of the lines of a text, from which on numbers are those of lines
HEAD_LINES: Final = 80  # in which numbers begin
LINES_ABOVE: Final = 4  # in which a path may name the language

_NUMBER = re.compile(r"[ \t]*(\d{1,7})(\t|:|→| ?\|)")
_TAG = re.compile(r"</?([A-Za-z][\w-]*)(?: [^<>]*)?>[^<>]*(?:</\1>)?$")
# Blank lines, lines in brackets, prompts, rules, and sentences above or below a listing.
_NOTE = re.compile(
    r"\s*$|\([^()]*\)$|\[(?:[Ff]ile|[Pp]ath)\b.*\]$|(?:bash|sh)?[-$#>]*[$#>] ?$|[-=*_]{4,}$|"
    r"[A-Z]\w* [^({=;]* [^({=;]*[:.]$"
)
_MARKUP_TAGS: Final = """
a abbr article aside b body br button canvas code dd div dl dt em footer form h1 h2 h3 h4 h5 h6 head
header hr html i iframe img input label li link main meta nav ol option p pre script section select
small span strong style svg table tbody td template textarea th thead title tr ul video
"""
_MARKUP: Final = frozenset(_MARKUP_TAGS.split())


@dataclass(frozen=True, slots=True)
class Listing:
    """Lines of source that stand together in a text.

    Attributes:
        line: of the text that the first of them is, from 0.
        rows: them, without line breaks and without the numbers that stand before them.
        number: that its first line has in the file, or in the text (from 1).
        languages: that it may be in, the likeliest first.
    """

    line: int
    rows: Sequence[str]
    number: int
    languages: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The line behind its last one."""
        return self.line + len(self.rows)


def listings(text: str, before: str = "", *, surely: bool = False) -> Iterator[Listing]:
    """The listings of a text, in order; a later one may lie inside an earlier one.

    Args:
        text: of a segment.
        before: what stands directly before it; a fence or a path there names the language.
        surely: whether the text is known to be code.
    """
    lines = text.split("\n")
    numbered = [*_numbered(lines)]
    for listing in numbered or _plain(lines):
        above = "\n".join(lines[max(0, listing.line - LINES_ABOVE) : listing.line])
        found = candidates(
            "\n".join(listing.rows),
            f"{before}{above}\n",
            surely=surely or bool(numbered),
        )
        if found:
            yield replace(listing, languages=found)


def _numbered(lines: Sequence[str]) -> Iterator[Listing]:
    """Runs of lines whose numbers rise by one, where most lines are in such a run."""
    if sum(_NUMBER.match(line) is not None for line in lines[:HEAD_LINES]) < FEWEST_LINES:
        return
    runs: list[tuple[int, int, int]] = []  # first line, last line, number of the first
    expected = -1
    for n, line in enumerate(lines):
        found = _NUMBER.match(line)
        number = int(found[1]) if found else -2
        if number == expected:
            runs[-1] = (runs[-1][0], n, runs[-1][2])
        elif found:
            runs.append((n, n, number))
        expected = number + 1
    long = [run for run in runs if run[1] - run[0] + 1 >= FEWEST_LINES]
    filled = sum(bool(line.strip()) for line in lines)
    if sum(last - first + 1 for first, last, _ in long) < NUMBERED_SHARE * filled:
        return
    for first, last, number in long:
        rows = [_NUMBER.sub("", line, count=1) for line in lines[first : last + 1]]
        if all(row[:1] in ("", " ") for row in rows):  # a space that is part of the mark
            rows = [row[1:] for row in rows]
        yield Listing(first, rows, number)


def _plain(lines: Sequence[str]) -> Iterator[Listing]:
    """The whole text without the tags and notes around it, then what stands between tags."""
    whole = _trimmed(lines, 0, len(lines))
    if whole is None:
        return
    yield whole
    inner = [n for n in range(whole.line, whole.end) if _is_tag(lines[n])]
    for before, after in pairwise([whole.line - 1, *inner, whole.end]) if inner else ():
        part = _trimmed(lines, before + 1, after)
        if part is not None:
            yield part


def _trimmed(lines: Sequence[str], first: int, last: int) -> Listing | None:
    while first < last and (_NOTE.match(lines[first]) or _is_tag(lines[first])):
        first += 1
    while last > first and (_NOTE.match(lines[last - 1]) or _is_tag(lines[last - 1])):
        last -= 1
    enough = last - first >= FEWEST_LINES
    return Listing(first, lines[first:last], first + 1) if enough else None


def _is_tag(line: str) -> bool:
    found = _TAG.match(line) if line.startswith("<") else None
    return found is not None and found[1].lower() not in _MARKUP
