"""Output items of Responses: the calls among them, and what is left without those of a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.dialects.seam import AskedCall, Said
from tokenthrift.transports.reading import at, put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGINS: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


def said_by(items: Sequence[Mapping[str, Any]]) -> Said | None:
    """What output items say that call functions; None where they call none."""
    calls = tuple(
        AskedCall(
            str(item.get("call_id") or ""),
            str(item.get("name") or ""),
            str(item.get(CALLS[item["type"]]) or ""),
        )
        for item in items
        if item.get("type") in CALLS
    )
    return Said(tuple(items), calls) if calls else None


def without_tool(response: Any, name: str) -> bool:
    """Take a tool and its calls out of a response; whether there was any."""
    items, tools = list(at(response, "output") or ()), list(at(response, "tools") or ())
    kept = [i for i in items if not is_call_of(i, name)]
    own = [tool for tool in tools if at(tool, "name") != name]
    if len(kept) < len(items):
        put(response, "output", followed(kept))
    if len(own) < len(tools):
        put(response, "tools", own)
    return len(kept) < len(items) or len(own) < len(tools)


def is_call_of(item: Any, name: str) -> bool:
    """Whether an item calls a function of a name."""
    return bool(at(item, "type") == "function_call" and at(item, "name") == name)


def items_of(body: Mapping[str, Any]) -> list[Any]:
    """The input of a body as items."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return list(given or ())


def followed(items: Sequence[Any]) -> list[Any]:
    """Items without reasoning that nothing follows any more: the provider would refuse it."""
    left = list(items)
    while left and at(left[-1], "type") == "reasoning":
        left.pop()
    return left
