"""How texts lie in a store: one compressed JSON list, so that they come back exactly."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL: Final = 6
DAY_S: Final = 86_400.0


def pack(texts: Sequence[str]) -> bytes:
    """Texts as bytes; ASCII escapes carry halves of surrogate pairs through."""
    return zlib.compress(json.dumps(list(texts)).encode(), LEVEL)


def unpack(data: bytes) -> tuple[str, ...]:
    """The texts of `pack`.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        return tuple(json.loads(zlib.decompress(data)))
    except zlib.error as exc:
        raise ValueError(f"damaged: {exc}") from exc
