"""A web page as lines of text: headings, paragraphs, items, rows of tables, in the page's order.

Reading HTML is resiliparse's work. Nothing is rewritten: a line is text of the page, white space
folded and entities decoded. Pages that no HTML5 parser reads in linear time are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from html import unescape
from typing import Final, Literal, TypeAlias

from tokenthrift.compress.page_limits import is_costly

LineKind: TypeAlias = Literal["heading", "paragraph", "item", "row", "code", "other"]

REMEMBERED_PAGES: Final = 4  # the stage that writes a page and the selection read it one by one
_START = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*|<!--(?:(?!-->).){0,4000}-->\s*)*", re.DOTALL)
_ROOT = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MARKUP = re.compile(r"<(/?)(h[1-6]|p|ul|ol|li|a|pre|br)\b[^<>]*>")
_CELLS = re.compile(r"\t[\t ]*")
_WORD = re.compile(r"\w+")
_KINDS: Final[dict[str, LineKind]] = {"p": "paragraph", "li": "item", "pre": "code"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page.

    Attributes:
        kind: of the block it stands in.
        text: as it is written, with the mark of a heading or an item before it.
        plain: the page's own text.
        words: how many; ``linked`` of them are text of links.
    """

    kind: LineKind
    text: str
    plain: str
    words: int
    linked: int

    @property
    def is_title(self) -> bool:
        """Whether it is a heading of the first rank."""
        return self.text.startswith("# ")


@dataclass(frozen=True)
class Page:
    """All text of a page.

    Attributes:
        html: the whole page.
        lines: in order; those of ``main`` are among them, save for single words inside a line.
    """

    html: str
    lines: tuple[Line, ...]

    @cached_property
    def main(self) -> tuple[Line, ...]:
        """What the parser takes for its main part; only a selection asks for it."""
        return _lines(_extracted(self.html, main=True))


def is_page(text: str) -> bool:
    """Whether a text is a whole HTML page: not XML, not a fragment."""
    start = _START.match(text)
    return _ROOT.match(text, start.end() if start else 0) is not None


@lru_cache(maxsize=REMEMBERED_PAGES)
def read_page(html: str) -> Page | None:
    """The lines of a page, or None where it cannot be read.

    Args:
        html: the whole page.
    """
    if not is_page(html) or is_costly(html):
        return None
    try:
        html.encode()
    except UnicodeEncodeError:  # half a surrogate pair: no parser takes it
        return None
    return Page(html, _lines(_extracted(html, main=False)))


def _extracted(html: str, *, main: bool) -> str:
    """Text with the markup of headings, paragraphs, lists and links."""
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(
        html,
        preserve_formatting="minimal_html",
        main_content=main,
        alt_texts=False,
        links=True,
    )


def _lines(marked: str) -> tuple[Line, ...]:
    reader = _Reader()
    at = 0
    for match in _MARKUP.finditer(marked):
        reader.add(marked[at : match.start()])
        reader.mark(match[2], closes=bool(match[1]))
        at = match.end()
    reader.add(marked[at:])
    reader.end_line()
    return tuple(reader.lines)


class _Reader:
    """Puts lines together while markup is read from left to right."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._block = ""
        self._in_link = False
        self._parts: list[str] = []
        self._linked = 0

    def add(self, marked: str) -> None:
        """Text between two tags; it may hold ends of lines."""
        for n, part in enumerate(marked.split("\n")):
            if n:
                self.end_line()
            self._parts.append(part)
            if self._in_link:
                self._linked += len(_WORD.findall(part))

    def mark(self, tag: str, *, closes: bool) -> None:
        """A tag: of a link, or of a block, which ends the line."""
        if tag == "a":
            self._in_link = not closes
            return
        self.end_line()
        if tag == "p" or tag.startswith("h"):
            self._in_link = False  # one that was not closed would swallow the page
        if tag != "br":
            self._block = "" if closes else tag

    def end_line(self) -> None:
        """Close the line, if it says anything."""
        block, text = self._block, unescape("".join(self._parts))
        linked, self._parts, self._linked = self._linked, [], 0
        if block != "pre":
            text = text.strip()
            text = _CELLS.sub("\t", text) if "\t" in text else text
        text = text.rstrip()
        if not text:
            return
        kind = _KINDS.get(block, "row" if "\t" in text else "other")
        before = ""
        if block.startswith("h"):
            kind, before = "heading", "#" * int(block[1]) + " "
        elif kind == "item":
            before = "- "
        words = len(_WORD.findall(text))
        self.lines.append(Line(kind, before + text, text, words, min(linked, words)))
