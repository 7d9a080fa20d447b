"""Parse source text with tree-sitter (extra ``code``).

The grammars are in the wheels that the extra names; nothing is ever downloaded. What a parser would
take more than linear time or memory for is not parsed. Its limits are counted in its own steps, so
that they fall the same on every machine.
"""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from tokenthrift.compress.grammars import GRAMMARS
from tokenthrift.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTRA: Final = "code"
LONGEST_TEXT: Final = 200_000  # bytes
LONGEST_LINE: Final = 2_000  # a longer one is minified or data
# Calls of tree-sitter's progress callback (one for each 100 of its steps): sources take 0.006 a
# byte, dense ones 0.03; text that is no source can take as many as the square of its bytes.
FEWEST_CALLS: Final = 200
CALLS_A_BYTE: Final = 0.03
# Type arguments that never close take the square of their number in memory.
OPEN_ANGLES: Final = 40
_ANGLED: Final = frozenset({"java", "c_sharp"})
_STRETCH = re.compile(r"[;{}]")
# A comment that never closes is looked for to the end of the text, each time one opens.
OPEN_COMMENTS: Final = 20
PIECE: Final = 65_536


class Node(Protocol):
    """What is used of tree-sitter's nodes."""

    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def start_byte(self) -> int: ...  # noqa: D102
    @property
    def end_byte(self) -> int: ...  # noqa: D102
    @property
    def is_named(self) -> bool: ...  # noqa: D102
    @property
    def is_error(self) -> bool: ...  # noqa: D102
    @property
    def is_missing(self) -> bool: ...  # noqa: D102
    @property
    def has_error(self) -> bool: ...  # noqa: D102
    @property
    def children(self) -> Sequence[Node]: ...  # noqa: D102
    def child_by_field_name(self, name: str, /) -> Node | None: ...  # noqa: D102


def check() -> None:
    """Say where the extra is missing.

    Raises:
        MissingExtraError: a library that parses is not installed.
    """
    for name in GRAMMARS:
        _language(name)


@lru_cache(maxsize=len(GRAMMARS))
def _language(name: str) -> tuple[Any, Any]:
    """The class of parsers, and the language for one."""
    grammar = GRAMMARS[name]
    try:
        library: Any = importlib.import_module("tree_sitter")
        package: Any = importlib.import_module(grammar.package)
    except ImportError as error:
        raise MissingExtraError(error.name or grammar.package, EXTRA) from error
    return library.Parser, library.Language(getattr(package, grammar.function)())


def parse(source: bytes, language: str) -> Node | None:
    """The root of a text's syntax; None where it is too long or too odd to be parsed.

    Args:
        source: UTF-8.
        language: name of a grammar.

    Raises:
        MissingExtraError: the extra is not installed.
    """
    parser, grammar = _language(language)
    if len(source) > LONGEST_TEXT or _is_odd(source, language):
        return None
    left = FEWEST_CALLS + int(CALLS_A_BYTE * len(source))

    def read(at: int, _: object) -> bytes:
        return source[at : at + PIECE]

    def is_too_much(_at: int, _error: bool) -> bool:  # noqa: FBT001 - tree-sitter's own interface
        nonlocal left
        left -= 1
        return left < 0

    try:
        root: Node = parser(grammar).parse(read, progress_callback=is_too_much).root_node
    except ValueError:  # stopped
        return None
    return root


def _is_odd(source: bytes, language: str) -> bool:
    """Whether a text has what parsers take long for and sources never hold."""
    text = source.decode("utf-8", "replace")
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        return True
    if text.count("/*", text.rfind("*/") + 1) > OPEN_COMMENTS:
        return True
    return language in _ANGLED and any(
        part.count("<") - part.count(">") > OPEN_ANGLES for part in _STRETCH.split(text)
    )


def error_share(root: Node, size: int) -> float:
    """Share of a text that does not fit the grammar.

    Args:
        root: of its syntax.
        size: in bytes.
    """
    wrong = 0
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            wrong += max(1, node.end_byte - node.start_byte)
        elif node.has_error:
            stack.extend(node.children)
    return wrong / max(1, size)
