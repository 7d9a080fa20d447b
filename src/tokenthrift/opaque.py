"""Tokens of what passes untouched: documents, reasoning, blocks that nobody here knows.

What is sealed (encrypted reasoning, redacted thinking) cannot be read, so its tokens are estimated
by its size: 4 bytes of text a token, in base64. A signature beside the thinking it signs costs
nothing. Pages of a PDF are counted, not read.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenthrift.types import TokenCounter

MARK: Final = "cache_control"  # read by the provider, never by the model
SEALED: Final = frozenset({"encrypted_content", "signature", "encrypted_index"})
CHARACTERS_PER_TOKEN: Final = 16 / 3
# A page is read as text and as an image. Source: Anthropic, "PDF support": 1,500 to 3,000 a page.
PAGE_TOKENS: Final = 2_250
PAGE_BYTES: Final = 50_000  # assumed where a file does not show its pages

_PAGE = re.compile(rb"/Type\s*/Page(?![s\w])")


def opaque_tokens(raw: Any, count: TokenCounter) -> int:
    """Tokens of an item that is sent as it is; of sealed ones and files an estimate."""
    plain, tokens = _opened(raw)
    return tokens + count(as_json(plain))


def unmarked(item: Any) -> Any:
    """An item without its cache mark; the same object where it has none."""
    if isinstance(item, Mapping) and MARK in item:
        return {k: v for k, v in item.items() if k != MARK}
    return item


def as_json(value: Any) -> str:
    """JSON as it is counted."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _opened(value: Any) -> tuple[Any, int]:
    """A value without what cannot be counted as text, and the tokens of that."""
    if isinstance(value, list | tuple):
        pairs = [_opened(v) for v in value]
        return [v for v, _ in pairs], sum(n for _, n in pairs)
    if not isinstance(value, Mapping):
        return value, 0
    plain: dict[str, Any] = {}
    tokens = 0
    for key, below in value.items():
        if key == MARK:
            continue
        if isinstance(below, str) and _is_data(key, value):
            tokens += _tokens_of_data(key, below, value)
            continue
        plain[key], more = _opened(below)
        tokens += more
    return plain, tokens


def _is_data(key: str, owner: Mapping[str, Any]) -> bool:
    if key == "data":
        return owner.get("type") in ("base64", "redacted_thinking")
    return key in SEALED or key == "file_data"


def _tokens_of_data(key: str, data: str, owner: Mapping[str, Any]) -> int:
    if key == "signature" and owner.get("thinking"):
        return 0
    if key == "file_data" or owner.get("type") == "base64":
        return PAGE_TOKENS * _pages(data.rpartition(",")[2])
    return round(len(data) / CHARACTERS_PER_TOKEN)


def _pages(encoded: str) -> int:
    """Pages of a PDF in base64, by what its bytes show or else by its size."""
    try:
        data = binascii.a2b_base64(encoded)
    except (binascii.Error, ValueError):
        return 1
    return len(_PAGE.findall(data)) or 1 + len(data) // PAGE_BYTES
