"""Cut a text into units: lines; long lines into sentences; long sentences into pieces.

Units cover the text without gaps, so keeping all of them is keeping the text, and what is kept is
verbatim.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache, partial
from itertools import accumulate, repeat
from statistics import median
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.diffs import diff_lines
from tokenthrift.compress.forms import rows_of
from tokenthrift.compress.html_units import html_spans
from tokenthrift.compress.json_units import json_pieces
from tokenthrift.compress.markers import behind_mark, is_page_mark
from tokenthrift.compress.searches import search_lines
from tokenthrift.compress.traces import log_lines, trace_lines
from tokenthrift.types import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tokenthrift.compress.json_units import Piece
    from tokenthrift.compress.outlines import Line
    from tokenthrift.types import Kind, TokenCounter

# Characters: a longer line is cut into sentences, a longer sentence into pieces of at least half of
# that. Prose is left in larger units: half a sentence seldom answers anything.
LONG: Final = (240, 240)
LONG_PROSE: Final = (400, 600)
LONG_NAMED: Final = (100, 100)  # of JSON, where a piece is kept for the names in it
PASSAGE_CHARACTERS: Final = 300  # median length of a line from which lines are passages
SHORT_SENTENCE: Final = 20  # characters; a shorter one goes with the next
# A Han, Kana or Hangul character says about what three Latin letters do.
DENSITY: Final = 3

# Ends of sentences. Before white space: western marks, danda, and those of Arabic, Urdu, Armenian,
# Ethiopic, Khmer, Myanmar and Tibetan. Anywhere: full-width and CJK marks, which no space follows.
# A run of marks is looked at once, from its first.
_MARKS = ".!?…‼⁇⁈⁉"
_CLOSING = "\"'”’»)\\]"
_WIDE_CLOSING = "”’」』】》〉）］\"'"
_SENTENCE_END = re.compile(
    rf"(?<![{_MARKS}])[{_MARKS}]++[{_CLOSING}]*+\s+"
    rf"|[।॥؟۔։።፧។៕။།][{_CLOSING}]*\s*"
    rf"|[。｡！？．](?<!\d．)[。｡！？．]*[{_WIDE_CLOSING}]*\s*"
)
# The same where only western marks can stand; a run is known by the mark it begins with.
_ASCII_SENTENCE_END = re.compile(r"[.!?](?<![.!?]{2})[.!?]*+[\"')\]]*+\s+")
# Good places to cut what has no sentences: after commas and closing brackets, else white space.
_PIECE_END = re.compile(r"[,;>}\]，、；،؛፣၊]\s*|\s+")
_HEADING = re.compile(r"(?P<marks>#{1,6}) (?P<words>[^\n]*)")
_SPEAKER = re.compile(r"(?P<name>[^\W\d_][\w .'’-]{0,40}): ")
# A unit of its values: its own constructor takes three times as long.
_made: Final[Callable[[Iterable[object]], Unit]] = partial(tuple.__new__, Unit)
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


OUTLINES: Final[Mapping[str, Callable[[str], Sequence[Line]]]] = {
    "diff": diff_lines,
    "search": search_lines,
    "trace": trace_lines,
    "log": log_lines,
}


def units_of(
    text: str, kind: Kind, count: TokenCounter, *, names_alone: bool = False
) -> list[Unit]:
    """The units of a segment's text, in order.

    Args:
        text: the current text of the segment.
        kind: its kind; tables are cut by rows only, their heads are anchors, as is the mark above
            a page written as text.
        count: sizes of the units come from one count of the whole.
        names_alone: whether data may be cut down to the names in it: the cell that names a row is
            a unit of its own, and pieces of JSON are short.
    """
    if kind == "json":
        return _json_units(text, count, names_alone=names_alone)
    rows = rows_of(text) if kind == "log" else []
    if rows:
        sizes = count.pieces(text, [row.end for row in rows])
        return [
            Unit(row.start, row.end, tokens, anchor=row.anchor, opens=True, head=row.head)
            for row, tokens in zip(rows, sizes, strict=True)
        ]
    lines = OUTLINES[kind](text) if kind in OUTLINES else ()
    if lines:
        return _outlined(text, lines, count)
    if kind == "html" and is_page_mark(text):
        kind = "markdown"
    rows_only = kind == "table"
    limits = LONG_PROSE if kind == "prose" and is_passages(text) else LONG
    cut = html_spans(text) if kind == "html" else _spans(text, limits, rows_only=rows_only)
    spans = list(cut)
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    opens = [start == 0 or text[start - 1] == "\n" for start in starts]
    carries = carried(text, spans, opens, kind)
    sizes = [count(text)] if len(spans) == 1 else count.pieces(text, ends)
    anchors = [False] * len(spans)
    anchors[:1] = [rows_only or is_page_mark(text)] * len(anchors[:1])
    return [*map(_made, zip(starts, ends, sizes, carries, anchors, opens, repeat(-1), repeat("")))]


def _outlined(text: str, lines: Sequence[Line], count: TokenCounter) -> list[Unit]:
    """Lines whose form is known; a single one that is long is cut like any other.

    A heading under which nothing stands is a line like others.
    """
    cuts = []
    heads = {line.head for line in lines}
    for line in lines:
        density = _density(text, line.start, line.end, LONG[0])
        whole = line.end - line.start <= LONG[0] // density or line.anchor
        whole = whole or "\n" in text[line.start : line.end - 1]
        span = (line.start, line.end)
        cuts.append([span] if whole else [*_sentences(text, span, LONG[1] // density, density)])
    firsts = [0, *accumulate(map(len, cuts))]
    ends = [end for cut in cuts for _, end in cut]
    sizes = iter([count(text)] if len(ends) == 1 else count.pieces(text, ends))
    return [
        Unit(
            start,
            end,
            next(sizes),
            line.carry,
            line.anchor and n in heads,
            line.opens and start == line.start,
            firsts[line.head] if line.head >= 0 else -1,
            line.part,
        )
        for n, (line, cut) in enumerate(zip(lines, cuts, strict=True))
        for start, end in cut
    ]


def _json_units(text: str, count: TokenCounter, *, names_alone: bool) -> list[Unit]:
    pieces: list[Piece] = []
    limits = LONG_NAMED if names_alone else LONG
    for piece in json_pieces(text, limits[0], names_alone=names_alone):
        density = _density(text, piece.start, piece.end, limits[0])
        longest = limits[1] // density
        if piece.anchor or piece.row or piece.end - piece.start <= 2 * longest:
            pieces.append(piece)
            continue
        cut = _sentences(text, (piece.start, piece.end), longest, density)
        pieces += [
            replace(piece, start=a, end=b, opens=piece.opens and a == piece.start) for a, b in cut
        ]
    sizes = [count(text)] if len(pieces) == 1 else count.pieces(text, [p.end for p in pieces])
    return [
        Unit(
            p.start,
            p.end,
            tokens,
            carry=p.carry,
            anchor=p.anchor,
            opens=p.opens,
            head=n - 1 if p.rest else -1,
        )
        for n, (p, tokens) in enumerate(zip(pieces, sizes, strict=True))
    ]


def carried(
    text: str, spans: Sequence[tuple[int, int]], opens: Sequence[bool], kind: Kind
) -> list[str]:
    """What each unit is read under: the headings above it, and who speaks in a line cut to pieces.

    Args:
        text: of the segment.
        spans: its units.
        opens: whether each begins a line.
        kind: headings are looked for in markdown, speakers in running text.
    """
    may_head = kind == "markdown" and (text.startswith("#") or "\n#" in text)
    may_speak = kind in ("markdown", "prose") and ": " in text and not all(opens)
    if not (may_head or may_speak):
        return [""] * len(spans)
    headings: list[tuple[int, str]] = []
    line, speaker, above = (0, 0), "", ""
    out = []
    for span, begins in zip(spans, opens, strict=True):
        if not begins:  # who speaks is asked for in lines of several units only
            said = _SPEAKER.match(text, *line) if not speaker else None
            speaker = said["name"] if said else speaker
            out.append(f"{above} {speaker}".strip())
            continue
        line, speaker = span, ""
        heading = _HEADING.match(text, *span) if may_head else None
        if heading is None:
            out.append(above.strip())
            continue
        level = len(heading["marks"])
        headings = [h for h in headings if h[0] < level]
        out.append(" ".join([words for _, words in headings]).strip())
        headings.append((level, heading["words"].strip()))
        above = " ".join([words for _, words in headings])
    return out


@lru_cache(maxsize=64)
def is_passages(text: str) -> bool:
    """Whether a text is a list of passages: nearly all of it in long lines."""
    lines = [len(line) for line in text.split("\n") if line and not line.isspace()]
    if 2 * sum([n >= PASSAGE_CHARACTERS for n in lines]) < len(lines):
        return False
    return len(lines) > 2 and median(lines) >= PASSAGE_CHARACTERS


def _spans(text: str, limits: tuple[int, int], *, rows_only: bool) -> Iterator[tuple[int, int]]:
    """Lines, and what long ones are cut into."""
    sizes = [len(line) + 1 for line in text.split("\n")]
    sizes[-1] -= 1  # no line break behind it
    at = 0
    # A line that is short as it stands is so whatever its letters stand for.
    short = limits[0] if text.isascii() else limits[0] // DENSITY
    if rows_only or max(sizes) <= short:
        ends = [*accumulate(sizes)]
        yield from zip([0, *ends], ends if sizes[-1] else ends[:-1], strict=False)
        return
    for size in sizes:
        end = at + size
        if size <= short:
            if size:
                yield at, end
        else:
            density = _density(text, at, end, limits[0])
            if size <= limits[0] // density:
                yield at, end
            else:
                yield from _sentences(text, (at, end), limits[1] // density, density)
        at = end


def _density(text: str, start: int, end: int, long_line: int) -> int:
    """How many Latin letters a character stands for: `DENSITY` where a third or more is dense."""
    if end - start <= long_line // DENSITY or text.isascii():
        return 1
    line = text[start:end]
    return DENSITY if 3 * len(_DENSE.findall(line)) >= len(line) else 1


def _sentences(
    text: str, span: tuple[int, int], longest: int, density: int
) -> Iterator[tuple[int, int]]:
    at, end = span
    least = SHORT_SENTENCE // density
    ending = _ASCII_SENTENCE_END if text.isascii() else _SENTENCE_END
    for match in ending.finditer(text, at, end):
        stop = match.end()
        if stop - at < least and stop != end:
            continue
        if stop - at <= longest:
            yield at, stop
        else:
            yield from _cut(text, at, stop, longest)
        at = stop
    if at < end:
        yield from _cut(text, at, end, longest)


def _cut(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    at = start
    while end - at > longest:
        match = _PIECE_END.search(text, at + longest // 2, at + longest)
        stop = match.end() if match else _character_border(text, at + longest)
        stop = min(end, behind_mark(text, stop))
        yield at, stop
        at = stop
    if at < end:  # marks of the last letter may reach to the end
        yield at, end


def _character_border(text: str, at: int) -> int:
    """The next place that does not part a letter from its marks."""
    while at < len(text) and unicodedata.category(text[at]) in ("Mn", "Mc", "Me"):
        at += 1
    return at
