"""Which pages no HTML parser reads in linear time: endless tags, deep nesting, endless choices.

Told from the tags alone, in one pass, as a parser would open and close them (HTML Standard, section
13.2.6) but without building anything. Pages that people wrote are far below every limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

# Outside quotes, in one tag: parsers compare each attribute with all before it, and 100,000 in one
# tag take 18 seconds.
TAG_CHARACTERS: Final = 50_000
# As in libxml2: what the parser says of main text looks at all that a tag stands in.
MAX_DEPTH: Final = 256
# In one menu of choices: each makes the parser look at all of them, and 20,000 take 5 seconds.
MAX_OPTIONS: Final = 500
ALIKE_FORMATTING: Final = 3  # of one form are opened again, however many were left open

# Tags that end by themselves, or hold nothing.
_NOT_NESTED: Final = frozenset(
    re.findall(
        r"\w+",
        "area base body br col dd dt embed head hr html img input li link meta option p param "
        "path source td th tr track wbr",
    )
)
# Left open, these are opened again in whatever follows, until the cell of a table ends.
_FORMATTING: Final = frozenset(
    {
        "a",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "nobr",
        "s",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    }
)
_NOT_IN_ITSELF: Final = frozenset({"a", "nobr"})
_ENDS_A_CELL: Final = frozenset({"table", "td", "th", "tr", "caption"})
_CHOICES: Final = frozenset({"select", "option", "optgroup"})

# Possessive, so that a quote that is never closed is looked for once.
_OPENED = re.compile(r"""<[a-zA-Z](?:[^"'>]++|"[^"]*+"|'[^']*+')*+""")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]{0,200})")
_QUOTED = re.compile(r"""("|')[^"']*\1""")


def is_costly(html: str) -> bool:
    """Whether to read a page might take more time than its length explains."""
    return _has_endless_tag(html) or _is_too_deep(html)


def _has_endless_tag(html: str) -> bool:
    long = (t for t in _OPENED.findall(html) if len(t) > TAG_CHARACTERS)
    return any(len(_QUOTED.sub("", t)) > TAG_CHARACTERS for t in long)


def _is_too_deep(html: str) -> bool:
    elements = _Open()
    for closes, tag, attributes in _TAG.findall(html):
        name = tag.lower()
        if name in _ENDS_A_CELL:
            elements.end_cell(name, opens=not closes)
        if name in _CHOICES:
            elements.choose(name, opens=not closes)
        elif name in _FORMATTING:
            elements.format(name, attributes, opens=not closes)
        elif name not in _NOT_NESTED:
            elements.nest(name, opens=not closes)
        if elements.is_over:
            return True
    return False


@dataclass(slots=True)
class _Open:
    """What is open while tags are read from left to right.

    Attributes:
        names: of the elements that nest, the outermost first.
        counts: how many of each name.
        formatting: elements that will be opened again, by name and attributes.
        cells: for each open table, how many names and formats were open where its cells began.
        options: choices of the menu that is open, or -1.
        is_over: whether one of the limits was passed.
    """

    names: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    formatting: list[tuple[str, str]] = field(default_factory=list)
    cells: list[tuple[int, int]] = field(default_factory=list)
    options: int = -1
    is_over: bool = False

    def nest(self, name: str, *, opens: bool) -> None:
        """A tag of an element; its end ends what is open inside it, but for formatting."""
        if opens:
            self._push(name)
        elif self.counts.get(name):
            self._cut(self._last(name))

    def format(self, name: str, attributes: str, *, opens: bool) -> None:
        """A tag of formatting: left open, it goes on in whatever follows.

        Its end leaves what is open inside it; a link ends the link before it.
        """
        if not opens or name in _NOT_IN_ITSELF:
            if self.counts.get(name):
                del self.names[self._last(name)]
                self.counts[name] -= 1
            alike = [n for n, one in enumerate(self.formatting) if one[0] == name]
            if alike:
                del self.formatting[alike[-1]]
        if opens:
            self._push(name)
            if self.formatting.count((name, attributes)) < ALIKE_FORMATTING:
                self.formatting.append((name, attributes))
                self.is_over |= len(self.formatting) > MAX_DEPTH

    def end_cell(self, name: str, *, opens: bool) -> None:
        """A tag of a table or its cells: what was opened in a cell ends with it."""
        if self.cells:
            names, formatting = self.cells[-1]
            if name != "table" or not opens:  # one in a cell ends nothing
                self._cut(names)
                del self.formatting[formatting:]
        if name == "table" and opens:
            self.cells.append((len(self.names) + 1, len(self.formatting)))
            self.is_over |= len(self.cells) > MAX_DEPTH
        elif name == "table" and self.cells:
            self.cells.pop()

    def choose(self, name: str, *, opens: bool) -> None:
        """A tag of a menu of choices."""
        if name == "select":
            self.options = 0 if opens else -1
        elif opens and self.options >= 0:
            self.options += 1
            self.is_over |= self.options > MAX_OPTIONS

    def _push(self, name: str) -> None:
        self.names.append(name)
        self.counts[name] = self.counts.get(name, 0) + 1
        self.is_over |= len(self.names) > MAX_DEPTH

    def _last(self, name: str) -> int:
        return len(self.names) - 1 - self.names[::-1].index(name)

    def _cut(self, size: int) -> None:
        for name in self.names[size:]:
            self.counts[name] -= 1
        del self.names[size:]
