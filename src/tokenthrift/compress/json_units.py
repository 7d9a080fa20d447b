"""Where JSON may be cut: between members, and always where a record begins.

A record is an element of the outermost lists of objects that hold most of a document, or an entry
of such a map. Read in one pass over the text, valid or not; what is cut is still verbatim.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.blocks import blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenthrift.compress.blocks import Block

RECORDS_SHARE: Final = 0.5  # of a text, from which on its lists of objects are records
ALIKE: Final = 0.8  # share of a list's elements that must be containers of one shape
FEWEST: Final = 2  # elements of a list of records
FEWEST_ENTRIES: Final = 4  # entries of a map of records
LONG_ROW: Final = 1_200  # characters; a longer row of a table is cut too
SHORT_NAME: Final = 4  # characters; a shorter first cell of a row names nothing
LONG_REST: Final = 40  # characters; what is shorter goes with the name
SHORT: Final = 20  # characters; shorter than that nothing stands alone
DEEPEST_PATH: Final = 8  # keys; a path names no more
LONGEST_KEY: Final = 80  # characters of a key that a path names
ROOT: Final = 0

# A string (with the colon behind it where it is a key), or a sign with the white space after it.
# Possessive: an open string runs to the end of the text and is not tried again.
_TOKEN = re.compile(
    r'(?P<string>"[^"\\]*+(?:\\.?[^"\\]*+)*+"?)(?P<colon>\s*:)?|(?P<sign>[\[{,]\s*|[\]}])',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A place where JSON may be cut: the beginning of an object's member or a list's element.

    Attributes:
        start: where it begins.
        path: keys that lead to it from its record, as in ``user.langs[0].name``; empty for an
            element without a key of its own.
        record: number of the record it is in; 0 outside of records.
        depth: how deep it is nested.
    """

    start: int
    path: str
    record: int
    depth: int


@dataclass(slots=True)
class _Container:
    """A list or an object while it is read."""

    parent: int
    key: str
    is_list: bool
    start: int
    depth: int
    end: int = 0
    children: list[int] = field(default_factory=list)
    members: int = 0
    first_key: str = ""


def members_of(text: str, start: int, end: int, above: str = "") -> list[Member]:
    """Members and elements of the JSON in ``text[start:end]``, in order.

    Args:
        text: holds it.
        start: where it begins.
        end: where it ends.
        above: the path of the whole, for a cell of a table, which is part of a record itself.
    """
    nodes, places = _read(text, start, end)
    tops = set() if above else _record_lists(nodes, end - start)
    records = [0] * len(nodes)
    paths = [above] * len(nodes)
    for n, node in enumerate(nodes[1:], 1):
        if node.parent in tops:
            records[n] = n
            paths[n] = ""
        else:
            records[n] = records[node.parent]
            paths[n] = _joined(paths[node.parent], node.key, node.depth)
    out: list[Member] = []
    for at, owner, key, child in places:
        path = _joined(paths[owner], key, nodes[owner].depth) if key else ""
        record = records[child] if child else records[owner]
        out.append(Member(at, path, record, nodes[owner].depth))
    return out


def _joined(path: str, key: str, depth: int) -> str:
    if depth > DEEPEST_PATH or not key:
        return path
    key = key[:LONGEST_KEY]
    return path + key if key[0] == "[" or not path else f"{path}.{key}"


def _read(
    text: str, start: int, end: int
) -> tuple[list[_Container], list[tuple[int, int, str, int]]]:
    """All containers, and of each member: where, in which, under which key, and what it opens."""
    nodes = [_Container(ROOT, "", is_list=True, start=start, depth=0, end=end)]
    places: list[tuple[int, int, str, int]] = []
    here, at, key, child = ROOT, start, "", 0

    def close() -> None:
        """Note the member that has been read."""
        if at < end and (key or child or text[at] not in "]}"):
            places.append((at, here, key, child))
            nodes[here].members += 1

    for match in _TOKEN.finditer(text, start, end):
        string, colon, sign = match.group("string", "colon", "sign")
        if string:
            if colon and not nodes[here].is_list:
                key = string[1:-1]
                nodes[here].first_key = nodes[here].first_key or key
        elif sign[0] == ",":
            close()
            at, key, child = match.end(), "", 0
        elif sign[0] in "[{":
            at = match.start() if at == end else at  # one document right after the other
            name = f"[{nodes[here].members}]" if nodes[here].is_list and here != ROOT else key
            depth = nodes[here].depth + 1
            nodes.append(_Container(here, name, sign[0] == "[", match.start(), depth, end))
            nodes[here].children.append(len(nodes) - 1)
            child = len(nodes) - 1
            close()
            here, at, key, child = child, match.end(), "", 0
        elif here != ROOT:
            close()
            nodes[here].end = match.end()
            here = nodes[here].parent
            at, key, child = end, "", 0
    close()
    return nodes, places


def _record_lists(nodes: list[_Container], size: int) -> set[int]:
    """The outermost containers whose elements are records, if they hold most of the text."""
    tops: set[int] = set()
    inside = [False] * len(nodes)
    held = 0
    for n, node in enumerate(nodes):
        inside[n] = n != ROOT and (inside[node.parent] or node.parent in tops)
        if not inside[n] and _holds_records(node, nodes):
            tops.add(n)
            held += node.end - node.start
    return tops if held >= RECORDS_SHARE * size else set()


def _holds_records(node: _Container, nodes: list[_Container]) -> bool:
    containers = len(node.children)
    if containers < (FEWEST if node.is_list else FEWEST_ENTRIES):
        return False
    if containers < ALIKE * node.members:
        return False
    shapes = Counter((nodes[c].is_list, nodes[c].first_key) for c in node.children)
    return node.is_list or shapes.most_common(1)[0][1] >= ALIKE * containers


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a JSON text that is kept or dropped whole.

    Attributes:
        start: where it begins.
        end: where it ends.
        carry: the paths of its members that its own text does not show in full.
        opens: whether a record, or what follows the records, begins with it.
        anchor: whether the rows behind it cannot be read without it.
        row: whether it is a row of a table or the plain cells of one, which no one may cut.
        rest: whether it is what stands in a row behind the cell that names it.
    """

    start: int
    end: int
    carry: str = ""
    opens: bool = False
    anchor: bool = False
    row: bool = False
    rest: bool = False


def json_pieces(text: str, longest: int, *, names_alone: bool = False) -> Iterator[Piece]:
    """Cut a JSON document: lines, long ones between members.

    Args:
        text: minified or not, or in the form of `tables`.
        longest: characters of a line from which on it is cut, and of a piece where members allow.
        names_alone: whether the cell that names a row may stay without the rest of it.
    """
    blocks = list(blocks_of(text)) if text.count("\n") > 2 else []
    first = blocks[0].start if blocks else len(text)
    members = members_of(text, 0, first)
    starts = [m.start for m in members]
    record = 0
    for start, end in _lines(text, 0, first):
        own = members[bisect_left(starts, start) : bisect_left(starts, end)]
        anchor = first < len(text) and end - start <= longest
        ends = cut_line(own, (start, end), longest) if end - start > longest else [end]
        for a, b in pairwise([start, *ends]):
            n = bisect_left(starts, a + SHORT) - 1
            now = members[n].record if n >= 0 and starts[n] >= a else record
            opens = now != record or a == 0
            yield Piece(a, b, _read_under(members, starts, (a, b)), opens=opens, anchor=anchor)
            record = now
    for block in blocks:
        yield Piece(block.start, block.body, opens=True, anchor=True)
        if block.is_text:
            yield from (Piece(a, b) for a, b in _lines(text, block.body, block.end))
        else:
            yield from _rows(text, block, longest, names_alone=names_alone)
    if blocks:
        yield from (Piece(a, b) for a, b in _lines(text, blocks[-1].end, len(text)))


def _rows(text: str, block: Block, longest: int, *, names_alone: bool) -> Iterator[Piece]:
    head = text[block.start : block.body].rstrip("\n")
    columns = [h for h in head.split("|")[1:] if "=" not in h]
    for start, end in _lines(text, block.body, block.end):
        if end - start <= LONG_ROW:
            yield from _row(text, (start, end), names_alone=names_alone)
        else:
            yield from _cells(text, (start, end), columns, longest)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    while at < end:
        stop = text.find("\n", at, end) + 1 or end
        yield at, stop
        at = stop


def _row(text: str, span: tuple[int, int], *, names_alone: bool) -> Iterator[Piece]:
    """A row: the cell that names it, and the rest where that is long enough to go alone."""
    start, end = span
    cut = text.find("|", start, end) + 1
    if names_alone and cut - start > SHORT_NAME and end - cut > LONG_REST:
        yield Piece(start, cut, opens=True, row=True)
        yield Piece(cut, end, row=True, rest=True)
    else:
        yield Piece(start, end, opens=True, row=True)


def _cells(
    text: str, span: tuple[int, int], columns: Sequence[str], longest: int
) -> Iterator[Piece]:
    """Cut a long row: its long lists and objects between members, what is around them whole."""
    start, end = span
    at = cell = start
    for column in columns:
        stop = text.find("|", cell, end)
        stop = stop if stop >= 0 else end
        if stop - cell > longest and text[cell] in "[{":
            if at < cell:
                yield Piece(at, cell, opens=at == start, row=True)
            members = members_of(text, cell, stop, column)
            starts = [m.start for m in members]
            ends = cut_line(members, (cell, stop), longest)
            for a, b in pairwise([cell, *ends]):
                yield Piece(a, b, _read_under(members, starts, (a, b)), opens=a == start)
            at = stop
        cell = stop + 1
        if cell >= end:
            break
    if at < end:
        yield Piece(at, end, opens=at == start, row=True)


def cut_line(members: Sequence[Member], span: tuple[int, int], longest: int) -> list[int]:
    """Cut a line at members into pieces of about ``longest`` characters where members allow it.

    Short records go together, a longer one begins a piece, and one that is too long is cut.

    Returns:
        Where the pieces end.
    """
    changes = [n for n in range(1, len(members)) if members[n].record != members[n - 1].record]
    stops = [*changes, len(members)]
    places = [*(members[n].start for n in changes), span[1]]
    ends: list[int] = []
    at = before = span[0]
    first = last = 0
    for n, stop in zip(stops, places, strict=True):
        short = stop - before < longest // 2
        if before > at and before - at >= (longest // 2 if short else SHORT):
            ends += _cut_record(members[first:last], (at, before), longest)
            at, first = before, last
        before, last = stop, n
    return ends + _cut_record(members[first:], (at, span[1]), longest)


def _cut_record(members: Sequence[Member], span: tuple[int, int], longest: int) -> list[int]:
    """Cut at the shallowest places that leave pieces of half the length or more.

    Small objects so stay in one piece with their key.
    """
    at, end = span
    half = longest // 2
    ends: list[int] = []
    best: Member | None = None
    for member in members if end - at > longest else ():
        if best is not None and member.start - at > longest:
            ends.append(best.start)
            at, best = best.start, None
        size = member.start - at
        if size >= SHORT and (best is None or (size >= half and member.depth <= best.depth)):
            best = member
    if best is not None and end - at > longest:
        ends.append(best.start)
    return [*ends, end]


def _read_under(members: Sequence[Member], starts: Sequence[int], span: tuple[int, int]) -> str:
    """The paths of the members of a piece that its own text does not show in full.

    Args:
        members: of the whole, in order.
        starts: where they begin.
        span: of the piece.
    """
    first, last = bisect_left(starts, span[0]), bisect_left(starts, span[1])
    if first == last or (starts[first] > span[0] and first > 0):
        first = max(0, first - 1)  # the piece begins in the middle of a member
    paths = (m.path for m in members[first:last])
    return " ".join(p for p in paths if "." in p or "[" in p)
