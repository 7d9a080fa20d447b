"""Copy-on-write updates of JSON-like values by path; untouched branches are shared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.types import Path


def with_values(root: Any, values: Mapping[Path, Any]) -> Any:
    """Return ``root`` with ``values`` set at their paths.

    Containers on the way to a changed value are copied (as plain dicts and lists), all others are
    the caller's own objects. An empty mapping returns ``root`` itself.
    """
    if not values:
        return root
    if () in values:
        return values[()]
    branches: dict[str | int, dict[Path, Any]] = {}
    for path, value in values.items():
        branches.setdefault(path[0], {})[path[1:]] = value
    copy: Any = dict(root) if hasattr(root, "keys") else list(root)
    for key, below in branches.items():
        copy[key] = with_values(copy[key], below)
    return copy
