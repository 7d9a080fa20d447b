"""Marks in a body that ask a provider to cache what stands before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CACHE_MARK: Final = "cache_control"


def marks_cache(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for its prefix to be cached, as providers of marked messages want it."""
    if CACHE_MARK in body:
        return True
    for place in ("system", "messages", "tools"):
        for item in _items(body.get(place)):
            inner = [*_items(item.get("content")), item.get("function")]
            if any(isinstance(i, Mapping) and CACHE_MARK in i for i in (item, *inner)):
                return True
    return False


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list | tuple) else []
