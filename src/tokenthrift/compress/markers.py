"""The marks that stand where text was left out.

A gap reads ``[-12]`` in place; one legend per window says what that means, how much went and under
which id it can be had back. Short, because marks are paid for on every call.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


KILO: Final = 1_000
LONGEST_MARK: Final = 200  # characters of one for what is no text
_BLOB_MARK = re.compile(r"\[[^\[\]\n]{1,160}, \d+ (?:B|kB|MB), recall [0-9a-f]{8}\]")
_PAGE: Final = "[page as text"


def gap(units: int, *, own_line: bool) -> str:
    """The mark of ``units`` lines or sentences left out in one place."""
    return f"[-{units}]\n" if own_line else f"[-{units}]"


def lines_gap(comment: str, lines: tuple[int, int]) -> str:
    """The mark of lines of source left out, as a comment on a line of its own.

    Args:
        comment: what begins one in the language.
        lines: numbers of the first and of the last of them.
    """
    first, last = lines
    named = f"line {first}" if first == last else f"lines {first}-{last}"
    return f"{comment} [-{last - first + 1}: {named}]\n"


def messages_gap(messages: int) -> str:
    """The mark of whole messages left out."""
    return f"[-{messages} messages]\n"


def exchanges_gap(messages: int, recall_id: str) -> str:
    """The mark of tool calls that left together with their results."""
    return f"[-{messages} messages, calls and results, recall {recall_id}]\n"


def legend(recall_id: str) -> str:
    """What the gaps of a window mean, and the id under which all that went is kept."""
    return f"\n[-n: n lines cut, recall {recall_id}]"


def digest_head(tokens: int, recall_id: str) -> str:
    """The line above the skeleton of a result that went."""
    return f"[digest of {tokens} tokens: edges, errors, names; recall {recall_id}]"


def blob_mark(what: str, size_bytes: int, address: str) -> str:
    """What stands for something that is no text: its type, its size and its content address."""
    size = f"{size_bytes} B"
    for unit in ("kB", "MB"):
        if size_bytes >= KILO:
            size_bytes = round(size_bytes / KILO)
            size = f"{size_bytes} {unit}"
    return f"[{what}, {size}, recall {address}]"


def behind_mark(text: str, at: int) -> int:
    """Where such a mark ends that a place stands inside of, or the place: marks are not cut."""
    start = text.rfind("[", max(0, at - LONGEST_MARK), at)
    mark = _BLOB_MARK.match(text, start) if start >= 0 else None
    return max(at, mark.end()) if mark else at


def page_mark(address: str) -> str:
    """The line above a web page that was written as text."""
    return f"{_PAGE}: entities decoded, markup cut, recall {address}]\n"


def is_page_mark(text: str) -> bool:
    """Whether a text begins with that line."""
    return text.startswith(_PAGE)


def recall_id(texts: Iterable[str]) -> str:
    """Content address of texts: 8 hex digits, the same on every replica."""
    digest = blake2b(digest_size=4)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()
