"""Function tools of wires that write them flat, seen as Chat Completions writes a function.

Stages know one form: name, description, parameters, strict. A wire says under which keys of its
own these stand; all other keys of an entry stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenthrift.wire.paths import with_values

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tokenthrift.types import Path


def as_function(item: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """An entry as a function.

    Args:
        item: of a tool list.
        keys: of a function, by the keys of the entry.
    """
    return {keys[key]: value for key, value in item.items() if key in keys}


def with_function(
    item: Mapping[str, Any], function: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, Any]:
    """A copy of an entry with what a function says; what the function lacks is left out."""
    return {
        key: function[keys[key]] if key in keys else value
        for key, value in item.items()
        if key not in keys or keys[key] in function
    }


def with_tools(
    body: Mapping[str, Any],
    functions: Mapping[int, Mapping[str, Any]],
    removed: Collection[int],
    keys: Mapping[str, str],
) -> dict[str, Any]:
    """A copy of a body with functions replaced and tools removed; the rest is shared."""
    changed: dict[Path, Any] = {
        ("tools", n): with_function(body["tools"][n], f, keys) for n, f in functions.items()
    }
    copy: dict[str, Any] = dict(with_values(body, changed))
    if removed:
        copy["tools"] = [item for n, item in enumerate(copy["tools"]) if n not in removed]
    return copy
