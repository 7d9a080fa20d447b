"""The marks that stand where text was left out.

A gap reads ``[-12]`` in place; one legend per window says what that means, how much went and under
which id it can be had back. Short, because marks are paid for on every call.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


_PAGE: Final = "[page as text"


def gap(units: int, *, own_line: bool) -> str:
    """The mark of ``units`` lines or sentences left out in one place."""
    return f"[-{units}]\n" if own_line else f"[-{units}]"


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


def recall_id(texts: Iterable[str]) -> str:
    """Content address of texts: 8 hex digits, the same on every replica."""
    digest = blake2b(digest_size=4)
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()
