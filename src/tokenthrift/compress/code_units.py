"""Units of source text along its syntax, and the marks that stand where some of it went.

A unit is a whole statement, a run of short ones, or what holds others together: a signature with
its decorators and the head of its docstring, an `else`, a closing bracket. What is left of a file
parses: a mark is a comment on a line of its own, and fills a block that would be empty. What does
not parse as any language is cut by lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from tokenthrift.compress import markers
from tokenthrift.compress.grammars import GRAMMARS
from tokenthrift.compress.listings import listings
from tokenthrift.compress.outline import Piece, outline
from tokenthrift.compress.pointers import is_pointer
from tokenthrift.compress.syntax import error_share, parse
from tokenthrift.types import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenthrift.compress.grammars import Grammar
    from tokenthrift.compress.listings import Listing
    from tokenthrift.compress.outline import PieceRole
    from tokenthrift.compress.syntax import Node
    from tokenthrift.draft import Draft
    from tokenthrift.types import Kind, Segment, TokenCounter

# Kinds that a source may pass for; PHP passes for HTML.
CODE_KINDS: Final = frozenset({"code", "prose", "markdown", "html"})
MOST_ERRORS: Final = 0.03  # share of a text that may not fit the grammar
MARK_TOKENS: Final = 12  # of "    # [-12: lines 40-51]\n"
CHARACTERS_BEFORE: Final = 300
QUOTES: Final = '"""'

_INDENT = re.compile(r"[ \t]*")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a unit stands in its file.

    Attributes:
        lines: numbers of its first and its last line.
        indent: of its first statement.
        comment: what begins a comment; empty for a line that is no source.
        filler: what an emptied block needs.
        filled_to: the unit up to which all of its block must go for that.
        role: what it is.
    """

    lines: tuple[int, int]
    indent: str = ""
    comment: str = ""
    filler: str = ""
    filled_to: int = -1
    role: PieceRole = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was cut along its syntax.

    Attributes:
        units: cover the text without gaps; each says what it hangs on.
        places: of the units.
    """

    units: Sequence[Unit]
    places: Sequence[_Place]

    def of(self, segment: Segment) -> Segment:
        """The segment that it is the text of, told to be code."""
        return replace(segment, kind="code")

    @property
    def loose(self) -> list[Unit]:
        """The units as if none hung on another."""
        return [unit._replace(head=-1, anchor=False) for unit in self.units]

    @property
    def comment(self) -> str:
        """What begins a comment in the last of its languages."""
        return next(place.comment for place in reversed(self.places) if place.comment)

    @property
    def roles(self) -> list[PieceRole]:
        """What each unit is."""
        return [place.role for place in self.places]

    @property
    def lines(self) -> list[int]:
        """How many lines each unit is."""
        return [last - first + 1 for first, last in (place.lines for place in self.places)]

    def gap(self, first: int, end: int) -> str:
        """The mark in place of units from ``first`` to before ``end``."""
        inside = [p for p in self.places[first:end] if p.comment]
        if not inside:
            return markers.gap(end - first, own_line=True)
        place = inside[0]
        filler = place.filler if 0 <= place.filled_to < end else ""
        lines = (inside[0].lines[0], inside[-1].lines[1])
        return f"{place.indent}{filler}{markers.lines_gap(place.comment, lines)}"


def source_of(text: str, kind: Kind, count: TokenCounter, before: str = "") -> Source | None:
    """Cut a text along its syntax; None where it is not the source of a program.

    Args:
        text: of a segment.
        kind: of it.
        count: sizes of the units come from one count of the whole.
        before: what stands before it, where a fence or a path may name the language.

    Raises:
        MissingExtraError: the extra ``code`` is not installed.
    """
    if kind not in CODE_KINDS or (kind == "html" and not text.lstrip().startswith("<?php")):
        return None
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    cut = _Cut(starts, text)
    for listing in listings(text, before, surely=kind == "code"):
        cut.add(listing)
    if not cut.has_source:
        return None
    return cut.finished(count)


def sources_of(draft: Draft, segments: Sequence[Segment]) -> list[Source | None]:
    """Segments of a draft cut along their syntax, None for those that are no source."""
    out = []
    for segment in segments:
        whole = draft.request.messages[segment.message].parts[segment.part].text or ""
        begin = segment.span[0]
        before = whole[max(0, begin - CHARACTERS_BEFORE) : begin]
        out.append(source_of(segment.text, segment.kind, draft.count, before))
    return out


class _Cut:
    """Collects units on the way through a text."""

    def __init__(self, starts: Sequence[int], text: str) -> None:
        self._starts = starts
        self._text = text
        self._first: list[int] = []  # lines
        self._pieces: list[Piece] = []
        self._places: list[_Place] = []
        self._line = 0  # up to which lines are in units
        self.has_source = False

    def add(self, listing: Listing) -> None:
        """The units of a listing, and of the lines before it."""
        if listing.line < self._line:
            return  # inside another
        parsed = _pieces(listing)
        if parsed is None:
            return
        pieces, grammar = parsed
        self._plain_up_to(listing.line)
        base = len(self._first)
        rows = listing.rows
        for piece, end in zip(pieces, [*(p.first for p in pieces[1:]), len(rows)], strict=True):
            first = piece.first
            indent = _INDENT.match(rows[_first_statement(rows, first, end, grammar.comment)])
            self._places.append(
                _Place(
                    (listing.number + first, listing.number + end - 1),
                    indent[0] if indent else "",
                    grammar.comment,
                    grammar.filler,
                    piece.filled_to + base if piece.filled_to >= 0 else -1,
                    piece.role,
                )
            )
            piece.head += base if piece.head >= 0 else 0
            self._first.append(listing.line + first)
            self._pieces.append(piece)
        self._line = listing.line + len(rows)
        self.has_source = True

    def _plain_up_to(self, line: int) -> None:
        for n in range(self._line, line):
            self._first.append(n)
            self._pieces.append(Piece(n))
            self._places.append(_Place((n + 1, n + 1)))
        self._line = line

    def finished(self, count: TokenCounter) -> Source:
        """The units of the whole text."""
        text = self._text
        lines = len(self._starts) - 1
        self._plain_up_to(lines if self._starts[lines - 1] < len(text) else lines - 1)
        starts = [self._starts[n] for n in self._first]
        ends = [*starts[1:], len(text)]
        sizes = [count(text)] if len(ends) == 1 else count.pieces(text, ends)
        units = [
            Unit(a, b, n, carry=p.carry, anchor=p.anchor, opens=True, head=p.head)
            for a, b, n, p in zip(starts, ends, sizes, self._pieces, strict=True)
        ]
        return Source(units, self._places)


def _first_statement(rows: Sequence[str], first: int, end: int, comment: str) -> int:
    """The first row that is not blank and no comment, or the first one."""
    for row in range(first, end):
        bare = rows[row].lstrip()
        if bare and not bare.startswith(comment):
            return row
    return first


def _pieces(listing: Listing) -> tuple[list[Piece], Grammar] | None:
    """The pieces of a listing in the language that fits it best; None where none fits."""
    best: tuple[Node, bytes, int, Grammar] | None = None
    least = MOST_ERRORS
    for source, above, grammar in _readings(listing):
        root = parse(source, grammar.name)
        share = 1.0 if root is None else error_share(root, len(source))
        if root is not None and (share < least or (best is None and share == least)):
            best, least = (root, source, above, grammar), share
        if share == 0:
            break
    if best is None:
        return None
    root, source, above, grammar = best
    found = outline(root, source, grammar, above)
    return (found, grammar) if found else None


def _readings(listing: Listing) -> Iterator[tuple[bytes, int, Grammar]]:
    """A listing as it may be parsed: with what a part of a file lacks above its first line."""
    for language in listing.languages:
        grammar = GRAMMARS[language]
        rows = [grammar.comment if is_pointer(row) else row for row in listing.rows]
        above = _openers(rows) if language == "python" else []
        yield "\n".join([*above, *rows]).encode("utf-8", "replace"), len(above), grammar
        if language == "python" and "\n".join(rows).count(QUOTES) % 2:  # begins in a docstring
            yield "\n".join([QUOTES, *rows]).encode("utf-8", "replace"), 1, grammar


def _openers(rows: Sequence[str]) -> list[str]:
    """Heads of the blocks that a part of a Python file begins in the middle of."""
    levels: list[str] = []
    least = -1
    for row in rows:
        bare = row.lstrip()
        if not bare or bare.startswith("#"):
            continue
        indent = row[: len(row) - len(bare)]
        if least < 0 or len(indent) < least:
            least = len(indent)
            levels.append(indent)
        if not indent:
            break
    if levels and levels[-1]:
        levels.append("")
    return [f"{indent}if 1:" for indent in reversed(levels[1:])]
