"""The marks that stand where text was left out.

A gap reads ``[-12]`` in place; one legend per window says what that means, how much went and under
which id it can be had back. Short, because marks are paid for on every call.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


POINTER_CHARACTERS: Final = 24
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


def legend(recall_id: str) -> str:
    """What the gaps of a window mean, and the id under which all that went is kept."""
    return f"\n[-n: n lines cut, recall {recall_id}]"


def page_mark(address: str) -> str:
    """The line above a web page that was written as text."""
    return f"{_PAGE}: entities decoded, markup cut, recall {address}]\n"


def is_page_mark(text: str) -> bool:
    """Whether a text begins with that line."""
    return text.startswith(_PAGE)


def pointer(segment_id: str, text: str, lines: tuple[int, int] | None = None) -> str:
    """A reference to text that an earlier message holds word for word.

    Args:
        segment_id: where; a model cannot count messages, so the text's beginning is named too.
        text: what stands there.
        lines: which lines of it (1-based), or all.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    words = first.strip()[:POINTER_CHARACTERS].replace('"', "'")
    if lines is None:
        return f'[same as {segment_id}: "{words}"]'
    return f'[same as {segment_id} lines {lines[0]}-{lines[1]}: "{words}"]\n'


def is_pointer(line: str) -> bool:
    """Whether a line of a text is a reference to an earlier one."""
    return line.startswith("[same ")


def recall_id(texts: Iterable[str]) -> str:
    """Content address of texts: 8 hex digits, the same on every replica."""
    digest = blake2b(digest_size=4)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()
