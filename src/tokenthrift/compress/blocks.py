"""Where the tables and texts stand that JSON written by `tables` refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BREAK: Final = "\n"
TEXT_HEAD: Final = re.compile(r"@(\d+) (\d+) lines")


@dataclass(frozen=True, slots=True)
class Block:
    """A table or a text below the JSON that refers to it.

    Attributes:
        start: where its head begins.
        body: where what stands under the head begins.
        end: where that ends.
        is_text: whether it is a text that stands as it is.
    """

    start: int
    body: int
    end: int
    is_text: bool


def blocks_of(text: str) -> Iterator[Block]:
    """What stands below the JSON in an encoded document, in order."""
    at = text.find("\n@") + 1
    while 0 < at < len(text) and text[at] == "@":
        body = text.find(BREAK, at) + 1 or len(text)
        head = TEXT_HEAD.fullmatch(text[at:body].rstrip(BREAK))
        if head is None:
            end = text.find("\n@", body - 1) + 1 or len(text)
        else:  # fewer lines than its head says where pointers stand for some
            end = body
            following = f"@{int(head[1]) + 1} "
            for _ in range(int(head[2])):
                if text.startswith(following, end):
                    break
                end = text.find(BREAK, end) + 1 or len(text)
        yield Block(at, body, end, head is not None)
        at = end
