"""The outline of source text: which lines are whole statements, and which hold them together.

A statement that is opened leaves *holders* (signature, `else`, closing brackets), which stay or go
together, and between them its inner statements, which may go one by one: what is left parses.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.grammars import Grammar
    from tokenthrift.compress.syntax import Node

PieceRole: TypeAlias = Literal["", "signature", "import"]

# Bytes: short statements that stand together are one piece up to this; a longer one is opened if
# there are statements in it. A definition is opened sooner, for its signature to stay.
RUN: Final = 120
LONG_STATEMENT: Final = 240
LONG_DEFINITION: Final = 160
IMPORT_RUN: Final = 2_000
SHORT_TEXT: Final = 3  # lines; so few are not worth a mark
LONG_TEXT: Final = 6  # lines; of a longer comment or docstring the first paragraph is the head
LONG_LIST: Final = 12  # lines, from which a literal is opened between its items
DEEPEST: Final = 12  # openings inside each other; what is deeper stays in one piece
MOST_NODES: Final = 50_000  # looked at for one opening
NAME_BYTES: Final = 80
SEPARATORS: Final = (",", ";")

_IMPORT = re.compile(
    r"(?:const|let|var) .*\brequire\(|require(?:_relative|_once)?\b|include(?:_once)?\b|"
    r"if TYPE_CHECKING|mod \w+;|using namespace|namespace [\w\\.]+;|package "
)
_SIGNS: Final = " \t\r/*#!\"'"
_NAMES: Final = ("name", "declarator", "key", "left")


@dataclass(slots=True)
class Piece:
    """Lines that stay or go together.

    Attributes:
        first: row; a piece reaches to the next one.
        head: number of the piece that stays with it, or -1.
        anchor: it stays for what hangs on it only: a holder that is not the last of its statement.
        carry: names of what it is in.
        role: what it is.
        filled_to: of the first piece of a block that must not be empty, the number of the last.
    """

    first: int
    head: int = -1
    anchor: bool = False
    carry: str = ""
    role: PieceRole = ""
    filled_to: int = -1


@dataclass(slots=True)
class _Span:
    """Rows from first to last that belong together.

    Attributes:
        hard: cannot go without what is around it.
        node: the statement that it is; None where it is none, or several.
        block: the node that it is a child of.
        soft: it goes with what follows: a comment, an attribute.
        text: lines of a comment or of a docstring.
    """

    first: int
    last: int
    hard: bool = False
    node: Node | None = None
    block: str = ""
    soft: bool = False
    text: bool = False


@dataclass(slots=True)
class _Inside:
    """What a node is made of."""

    spans: list[_Span] = field(default_factory=list)
    name: str = ""
    defines: bool = False


@dataclass(frozen=True, slots=True)
class _Names:
    """What is said of the pieces of a statement.

    Attributes:
        carry: names of what it is in.
        inner: the same for what is in it.
        role: of its first holder.
    """

    carry: str = ""
    inner: str = ""
    role: PieceRole = ""


def outline(root: Node, source: bytes, grammar: Grammar, above: int = 0) -> list[Piece]:
    """The pieces of a source, in order; together they cover its rows.

    Args:
        root: of its syntax.
        source: UTF-8, as it was parsed.
        grammar: of its language.
        above: rows at the top that were only added so that it parses.
    """
    maker = _Maker(source, grammar, above)
    maker.file(root)
    return maker.pieces


class _Maker:
    """Collects pieces on the way through a tree."""

    def __init__(self, source: bytes, grammar: Grammar, above: int) -> None:
        self.pieces: list[Piece] = []
        # Of each opened statement the last holder, and of each piece the statement that it is in.
        self._last_holders: list[int] = []
        self._owners: list[int] = []
        self._grammar = grammar
        self._source = source
        self._rows = source.decode("utf-8", "replace").split("\n")[above:]
        self._starts = [0, *accumulate(len(row) + 1 for row in source.split(b"\n"))]
        self._added = above

    def file(self, root: Node) -> None:
        """Take a whole file apart."""
        spans = self._inside(root, is_file=True).spans
        held = len(spans) if any(s.hard for s in spans) else 0
        if held and self._grammar.filler:  # the docstring of a file stands on its own
            held = next((n for n, s in enumerate(spans) if s.node and not s.soft), held)
        self._holders(spans[:held], -1, _Names(role="signature"), 0)
        self._stretch(spans[held:], -1, "", 0)
        for piece, owner in zip(self.pieces, self._owners, strict=True):
            if piece.head < 0 <= owner:
                piece.head = self._last_holders[owner]
        if self.pieces:
            self.pieces[0].first = 0

    # ------------------------------------------------------------------------------- the tree
    def _rows_of(self, node: Node) -> tuple[int, int]:
        """First and last row of a node, without those that were added."""
        start, end = node.start_byte, node.end_byte - 1
        first = bisect_right(self._starts, start) - 1
        last = first if end < self._starts[first + 1] else bisect_right(self._starts, end) - 1
        return first - self._added, last - self._added

    def _inside(self, node: Node, *, is_file: bool = False) -> _Inside:
        """What a statement (or file) is made of, in order; what shares a row is one span."""
        grammar = self._grammar
        out = _Inside()
        stack = self._entered(node, out, is_block=is_file)
        for _ in range(MOST_NODES):
            if not stack:
                out.spans = self._with_leads(out.spans, is_file=is_file)
                return out
            child, block = stack.pop()
            kind = child.type
            first, last = self._rows_of(child)
            if last < 0:
                continue
            if block and child.is_named and kind not in grammar.clauses and first >= 0:
                if self._is_docstring(child, out.spans):
                    out.spans += self._text(first, last, closing=True)
                else:
                    soft = kind in grammar.comments or kind in grammar.leads
                    _join(out.spans, _Span(first, last, node=child, block=block, soft=soft))
            elif kind in SEPARATORS and out.spans:
                out.spans[-1].last = max(out.spans[-1].last, last)
            elif last > first and "parameter" not in kind and child.children:
                stack += self._entered(child, out)
            else:
                _join(out.spans, _Span(max(first, 0), last, hard=True))
        return _Inside()

    def _entered(
        self, node: Node, out: _Inside, *, is_block: bool = False
    ) -> list[tuple[Node, str]]:
        """The children of a node, the first one last, each with the block that it is a child of."""
        grammar, kind = self._grammar, node.type
        out.defines |= kind in grammar.definitions
        out.name = out.name or self._name(node)
        block = is_block or kind in grammar.blocks
        if kind in grammar.lists:
            first, last = self._rows_of(node)
            block = last - first >= LONG_LIST
        return [(child, kind if block else "") for child in reversed(node.children)]

    def _is_docstring(self, node: Node, before: Sequence[_Span]) -> bool:
        if not self._grammar.filler or node.type != "expression_statement":
            return False
        first = all(s.hard or s.soft for s in before)
        return first and len(node.children) == 1 and node.children[0].type == "string"

    def _name(self, node: Node) -> str:
        found = next((f for n in _NAMES if (f := node.child_by_field_name(n)) is not None), None)
        inner = found
        while inner is not None:
            found, inner = inner, inner.child_by_field_name("declarator")
        if found is None:
            return ""
        text = self._source[found.start_byte : found.end_byte][:NAME_BYTES]
        return text.decode("utf-8", "replace").split("\n")[0].split("(")[0]

    def _with_leads(self, spans: Sequence[_Span], *, is_file: bool) -> list[_Span]:
        """Comments and attributes joined with what they belong to.

        In a file a comment with a blank line below it stands on its own.
        """
        out: list[_Span] = []
        waiting: _Span | None = None
        for span in spans:
            if waiting is not None:
                apart = is_file and span.first > waiting.last + 1 and self._is_comment(waiting)
                if not apart and not span.hard:
                    span.first = waiting.first
                else:
                    _trail(out, waiting, apart=is_file)
            waiting = span if span.soft and not span.hard else None
            if waiting is None:
                out.append(span)
        if waiting is not None:
            _trail(out, waiting, apart=is_file)
        return out

    def _is_comment(self, span: _Span) -> bool:
        return span.node is not None and span.node.type in self._grammar.comments

    def _text(self, first: int, last: int, *, closing: bool) -> list[_Span]:
        """A comment or docstring: its first paragraph and its end stay, what is between can go."""
        filled = [bool(row.strip(_SIGNS)) for row in self._rows[first : last + 1]]
        start = filled.index(True) if True in filled else 0
        head = first + (filled.index(False, start) if False in filled[start:] else len(filled))
        tail = last if closing else last + 1
        if last - first < LONG_TEXT or tail - head < SHORT_TEXT:
            return [_Span(first, last, hard=True)]
        spans = [_Span(first, head - 1, hard=True), _Span(head, tail - 1, text=True)]
        return [*spans, _Span(last, last, hard=True)] if closing else spans

    def _above(self, first: int, last: int) -> list[_Span]:
        """What stands directly above a statement that is opened."""
        rows = [row.lstrip() for row in self._rows[first : last + 1]]
        if rows and rows[0].startswith("/*") and not any("*/" in row for row in rows[:-1]):
            return self._text(first, last, closing=True)
        if rows and all(row.startswith(("//", "#")) and row[:2] != "#[" for row in rows):
            return self._text(first, last, closing=False)
        return [_Span(first, last, hard=True)] if rows else []

    # ----------------------------------------------------------------------------- the pieces
    def _add(self, first: int, owner: int, carry: str, role: PieceRole = "") -> None:
        self.pieces.append(Piece(first, carry=carry, role=role))
        self._owners.append(owner)

    def _size(self, first: int, last: int) -> int:
        return self._starts[last + 1 + self._added] - self._starts[first + self._added]

    def _stretch(self, spans: Sequence[_Span], owner: int, carry: str, depth: int) -> None:
        """Statements one after the other: long ones are opened, short ones stand together."""
        room = 0  # bytes that the last piece may still take
        end = -2
        for span in spans:
            role = self._role(span)
            size = self._size(span.first, span.last)
            if span.text:
                self._paragraphs(span, owner, carry)
                room = 0
            elif role != "import" and self._opened(span, size, (owner, carry), depth):
                room = 0
            elif (
                size <= room
                and role == self.pieces[-1].role
                and (role == "import" or (role == "" and span.first == end + 1))
            ):
                room -= size
            else:
                self._add(span.first, owner, carry, role)
                room = (IMPORT_RUN if role == "import" else RUN) - size
            end = span.last

    def _paragraphs(self, span: _Span, owner: int, carry: str) -> None:
        """Lines of a text, cut where lines are blank."""
        at = -1
        before = True
        for row in range(span.first, span.last + 1):
            blank = not self._rows[row].strip(_SIGNS)
            if at < 0 or (before and not blank and self._size(at, row) > RUN):
                self._add(row, owner, carry)
                at = row
            before = blank

    def _role(self, span: _Span) -> PieceRole:
        if span.node is None:
            return ""
        if span.node.type in self._grammar.imports:
            return "import"
        if span.node.type in self._grammar.definitions:
            return "signature"
        row = self._rows[self._rows_of(span.node)[0]]
        return "import" if _IMPORT.match(row.lstrip()) else ""

    def _opened(self, span: _Span, size: int, under: tuple[int, str], depth: int) -> bool:
        """Take a long statement apart; whether there was anything in it to go by itself."""
        if span.node is None or size <= LONG_DEFINITION or depth >= DEEPEST:
            return False
        inside = self._inside(span.node)
        if size <= LONG_STATEMENT and not inside.defines:
            return False
        row = self._rows_of(span.node)[0]
        spans = self._above(span.first, row - 1)
        spans += inside.spans or [_Span(row, span.last, hard=True)]
        if all(s.hard for s in spans):
            return False
        owner, carry = under
        inner = f"{carry} {inside.name}".strip() if inside.defines else carry
        names = _Names(carry, inner, "signature" if inside.defines else "")
        self._holders(spans, owner, names, depth)
        return True

    def _holders(self, spans: Sequence[_Span], owner: int, names: _Names, depth: int) -> None:
        """What is hard as holders that stay together, what is between as pieces that hang on them.

        A chain of heads leads from what is inside to the last holder, and from there to the first
        one; so the last one stands for all.
        """
        own = owner
        if any(s.hard for s in spans):
            own = len(self._last_holders)
            self._last_holders.append(-1)
        last = -1
        for is_hard, group in groupby(spans, lambda s: s.hard):
            inner = list(group)
            first = len(self.pieces)
            if not is_hard:
                self._stretch(inner, own, names.inner, depth + 1)
                if self._grammar.filler and inner[0].block in self._grammar.blocks:
                    self.pieces[first].filled_to = len(self.pieces) - 1
                continue
            self._add(inner[0].first, owner, names.carry)
            if last >= 0:
                self.pieces[last].anchor = True
                self.pieces[first].head = last
            self._last_holders[own] = last = first
        if last >= 0:
            self.pieces[last].role = names.role


def _join(spans: list[_Span], span: _Span) -> None:
    """Add a span; what shares a row with the one before is part of it, and holders run together."""
    last = spans[-1] if spans else None
    if last is not None and (span.first <= last.last or (span.hard and last.hard)):
        if not span.soft:
            last.node = span.node if last.soft else None
        last.soft &= span.soft
        last.hard |= span.hard
        last.last = max(last.last, span.last)
    else:
        spans.append(span)


def _trail(spans: list[_Span], comment: _Span, *, apart: bool) -> None:
    """Add a comment that nothing follows."""
    if apart or not spans:
        spans.append(comment)
    else:
        spans[-1].last = comment.last
