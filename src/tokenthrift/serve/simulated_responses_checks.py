"""What OpenAI Responses refuses in a body, in its own words (source: OpenAI API reference).

Checks what middleware could break: outputs without calls and calls without outputs, reasoning
without the item that followed it, sealed reasoning that was altered, tools, numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, cast

from tokenthrift.serve.simulated_types import ApiError, Tool, ToolChoice

RANGES: Final = {"temperature": (0, 2), "top_p": (0, 1), "max_output_tokens": (16, 10**9)}
OUTPUT_OF: Final = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
}


def sealed(item_id: str) -> str:
    """What stands in for the encrypted content of a reasoning item."""
    return f"gAAAAA-sim-{blake2b(item_id.encode(), digest_size=24).hexdigest()}"


def check_values(body: Mapping[str, Any]) -> None:
    """Refuse numbers outside their ranges."""
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        kinds = int if name.startswith("max") else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise invalid(name, f"expected a number, but got {json.dumps(value)}", "invalid_type")
        if not low <= value <= high:
            raise invalid(
                name, f"expected a value from {low} to {high}, got {value}", "out_of_range"
            )


def check_items(items: Sequence[Any], known: Mapping[str, Any]) -> None:
    """Calls and outputs must match, id by id, and reasoning must keep what followed it.

    Args:
        items: of the whole conversation, with what the provider holds of it.
        known: items that the provider answered with, by id.
    """
    if not items:
        raise invalid("input", "expected at least one item, but got none", "empty_array")
    called: dict[str, str] = {}
    answered: set[str] = set()
    for n, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise invalid(f"input[{n}]", "expected an object", "invalid_type")
        kind, call_id = str(item.get("type")), str(item.get("call_id"))
        if kind in OUTPUT_OF.values():
            called[call_id] = kind
        elif kind in OUTPUT_OF:
            if called.get(call_id) != OUTPUT_OF[kind]:
                what = OUTPUT_OF[kind].replace("_", " ")
                raise ApiError(
                    400, f"No {what} found for output with call_id {call_id}.", param="input"
                )
            answered.add(call_id)
        elif kind == "reasoning":
            _check_reasoning(items, n, known)
        elif kind == "item_reference" or set(item) == {"id"}:
            message = f"Item with id '{item.get('id')}' not found."
            raise ApiError(404, message, param="input")
    open_ids = [i for i in called if i not in answered]
    if open_ids:
        message = f"No tool output found for function call {open_ids[0]}."
        raise ApiError(400, message, param="input")


def _check_reasoning(items: Sequence[Any], n: int, known: Mapping[str, Any]) -> None:
    item = items[n]
    item_id = str(item.get("id"))
    content = item.get("encrypted_content")
    if content is not None and content != sealed(item_id):
        message = f"The encrypted content for item {item_id} could not be verified."
        raise ApiError(400, message, param="input", code="invalid_encrypted_content")
    if content is None and item_id not in known:
        raise ApiError(404, f"Item with id '{item_id}' not found.", param="input")
    follower = items[n + 1] if n + 1 < len(items) else None
    kind = follower.get("type", "message") if isinstance(follower, Mapping) else None
    mine = kind is not None and not str(kind).endswith("_output")
    if kind == "message" and isinstance(follower, Mapping):
        mine = follower.get("role") == "assistant"
    if not mine:
        missing = "was provided without its required following item."
        message = f"Item '{item_id}' of type 'reasoning' {missing}"
        raise ApiError(400, message, param="input")


def offered_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The function and custom tools of a body; those of the provider are not served."""
    raw = body.get("tools")
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise invalid("tools", "expected an array of tools", "invalid_type")
    tools = []
    for i, tool in enumerate(raw):
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind not in ("function", "custom"):
            if isinstance(kind, str):
                continue
            raise _missing(f"tools[{i}].type")
        if not isinstance(tool.get("name"), str) or not tool["name"]:
            raise _missing(f"tools[{i}].name")
        tools.append(Tool(tool["name"], tool.get("parameters") or {}))
    return tuple(tools)


def tool_choice(
    body: Mapping[str, Any], tools: Sequence[Tool]
) -> tuple[ToolChoice, tuple[str, ...]]:
    """The choice and the names a forced call is made from."""
    choice = body.get("tool_choice")
    names = tuple(t.name for t in tools)
    if choice in (None, "auto", "none", "required"):
        return cast("ToolChoice", choice or "auto"), names
    if not isinstance(choice, Mapping):
        problem = f"expected none, auto, required or a tool, got {choice!r}"
        raise invalid("tool_choice", problem, "invalid_value")
    if choice.get("type") == "allowed_tools":
        chosen = [str(t.get("name")) for t in choice.get("tools") or () if isinstance(t, Mapping)]
        forced: ToolChoice = "required" if choice.get("mode") == "required" else "auto"
    elif "name" in choice:
        chosen, forced = [str(choice["name"])], "named"
    else:
        return "auto", names  # a tool of the provider's
    if not all(c in names for c in chosen):
        message = f"Tool choice {chosen} not found in 'tools' parameter."
        raise ApiError(400, message, param="tool_choice")
    return forced, tuple(chosen)


def json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of ``text.format``; an empty one for any JSON object."""
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, Mapping) else None
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if not isinstance(wanted, Mapping) or kind == "text":
        return None
    if kind == "json_object":
        return {}
    if kind != "json_schema" or not isinstance(wanted.get("name"), str):
        raise invalid("text.format", "expected 'json_schema' with a name", "invalid_value")
    schema = wanted.get("schema")
    return schema if isinstance(schema, Mapping) and schema else {"type": "object"}


def _missing(param: str) -> ApiError:
    message = f"Missing required parameter: '{param}'."
    return ApiError(400, message, param=param, code="missing_required_parameter")


def invalid(param: str, problem: str, code: str | None) -> ApiError:
    """A 400 about a parameter."""
    return ApiError(400, f"Invalid '{param}': {problem}.", param=param, code=code)
