"""How answers are cut for streaming, in every dialect: words, and events that carry them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECE_CHARS: Final = 24  # longest delta; words without blanks are split at this length


def pieces(text: str) -> list[str]:
    """Words with the blanks before them; joined they are the text."""
    return [
        word[i : i + PIECE_CHARS]
        for word in re.findall(r"\s*\S+|\s+$", text)
        for i in range(0, len(word), PIECE_CHARS)
    ]


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event, with its name where the dialect gives events names."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
