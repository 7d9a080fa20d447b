"""Marks in a body that ask a provider to cache what stands before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenthrift.wire.reading import CACHE_KEY, listed


def marks_cache(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for its prefix to be cached, as providers of marked messages want it."""
    if CACHE_KEY in body:
        return True
    for place in ("system", "messages", "tools"):
        for item in listed(body.get(place)):
            if not isinstance(item, Mapping):
                continue
            inner = (*listed(item.get("content")), item.get("function"))
            if any(isinstance(i, Mapping) and CACHE_KEY in i for i in (item, *inner)):
                return True
    return False
