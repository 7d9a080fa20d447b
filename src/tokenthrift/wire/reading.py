"""How values of bodies are read; what is not of the kind is the provider's to refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

CACHE_KEY: Final = "cache_control"


def listed(value: Any) -> Sequence[Any]:
    """The value if it is a list, else nothing."""
    return value if isinstance(value, list | tuple) else ()


def mapped(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def whole(value: Any) -> int | None:
    """The value as a whole number, None where it is no finite number."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def compact(value: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def without_mark(item: Any) -> Any:
    """An item without its cache mark, which no model reads; the same object where it has none."""
    if isinstance(item, Mapping) and CACHE_KEY in item:
        return {k: v for k, v in item.items() if k != CACHE_KEY}
    return item
