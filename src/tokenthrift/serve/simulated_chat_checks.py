"""What OpenAI Chat Completions refuses in a body, in its own words (source: OpenAI API reference).

Checks what middleware could break (unpaired tool messages, emptied lists, a lost schema name) and
the values that answers depend on; the rest of a body is taken as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from tokenthrift.serve.simulated_types import ApiError, Tool, ToolChoice

MAX_CHOICES: Final = 128
MAX_STOPS: Final = 4
RANGES: Final = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "max_tokens": (1, 10**9),
    "max_completion_tokens": (1, 10**9),
    "n": (1, MAX_CHOICES),
}


def check_values(body: Mapping[str, Any]) -> None:
    """Refuse numbers outside their ranges, bad stop sequences and what is not served."""
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        whole = name.startswith("max") or name == "n"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            kind = "an integer" if whole else "a number"
            raise _invalid(
                name, f"expected {kind}, but got {json.dumps(value)} instead", "invalid_type"
            )
        if not low <= value <= high:
            raise _invalid(
                name, f"expected a value from {low} to {high}, got {value}", "out_of_range"
            )
    for name in ("functions", "function_call"):
        if body.get(name):
            problem = "the simulated provider does not serve it; use 'tools' and 'tool_choice'"
            raise _invalid(name, problem, "unsupported_parameter")
    stop = body.get("stop")
    if stop is not None and not isinstance(stop, str):
        listed = isinstance(stop, list) and all(isinstance(s, str) for s in stop)
        if not listed or len(stop) > MAX_STOPS:
            raise _invalid(
                "stop", f"expected a string or at most {MAX_STOPS} of them", "invalid_type"
            )


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Tool calls and their results must stand next to each other and match, id by id."""
    if not messages:
        problem = "empty array. Expected an array with minimum length 1, but got an empty array"
        raise _invalid("messages", f"{problem} instead", "empty_array")
    open_ids: list[str] = []
    caller = 0
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if message["role"] == "tool":
            call_id = message.get("tool_call_id")
            if call_id is None:
                raise ApiError(
                    400,
                    f"Missing required parameter: '{where}.tool_call_id'.",
                    param=f"{where}.tool_call_id",
                    code="missing_required_parameter",
                )
            if call_id not in open_ids:
                problem = (
                    "messages with role 'tool' must be a response to a preceding message with "
                    f"'tool_calls' (no call {call_id!r} is waiting)"
                )
                raise _invalid(f"{where}.role", problem, None)
            open_ids.remove(call_id)
            continue
        _check_answered(open_ids, caller)
        calls = message.get("tool_calls") or ()
        open_ids, caller = [str(c.get("id")) for c in calls if isinstance(c, Mapping)], i
        if message.get("content") is None and not (
            message["role"] in ("assistant", "function") and (calls or _speaks(message))
        ):
            problem = "expected a string or an array of content parts, but got null instead"
            raise _invalid(f"{where}.content", problem, "invalid_type")
    _check_answered(open_ids, caller)


def _speaks(message: Mapping[str, Any]) -> bool:
    return any(message.get(k) is not None for k in ("refusal", "audio", "function_call"))


def _check_answered(open_ids: Sequence[str], caller: int) -> None:
    if open_ids:
        problem = (
            "an assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        )
        where = f"messages[{caller}].tool_calls"
        raise _invalid(where, problem + ", ".join(open_ids), None)


def offered_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools of a body; refuses an empty list and tools without a proper name."""
    raw = body.get("tools")
    if raw is None:
        return ()
    if not isinstance(raw, list) or not raw:
        raise _invalid("tools", "expected an array with at least one tool", "empty_array")
    tools = []
    for i, tool in enumerate(raw):
        where = f"tools[{i}]"
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind == "custom" and isinstance(tool.get("custom"), Mapping):
            tools.append(Tool(str(tool["custom"].get("name"))))
            continue
        function = tool.get("function") if kind == "function" else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ApiError(
                400,
                f"Missing required parameter: '{where}.function.name'.",
                param=f"{where}.function.name",
                code="missing_required_parameter",
            )
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]):
            problem = "string does not match pattern '^[a-zA-Z0-9_-]{1,64}$'"
            raise _invalid(f"{where}.function.name", problem, "invalid_value")
        tools.append(Tool(function["name"], function.get("parameters") or {}))
    return tuple(tools)


def tool_choice(
    body: Mapping[str, Any], tools: Sequence[Tool]
) -> tuple[ToolChoice, tuple[str, ...]]:
    """The choice and the names a forced call is made from."""
    choice = body.get("tool_choice")
    names = tuple(t.name for t in tools)
    if choice is not None and not tools:
        raise _invalid("tool_choice", "it is only allowed when 'tools' are specified", None)
    if choice in (None, "auto", "none", "required"):
        return cast("ToolChoice", choice or "auto"), names
    if isinstance(choice, Mapping):
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, Mapping):
            chosen = [_named(t) for t in allowed.get("tools") or ()]
            forced: ToolChoice = "required" if allowed.get("mode") == "required" else "auto"
        else:
            chosen, forced = [_named(choice)], "named"
        if chosen and all(c in names for c in chosen):
            return forced, tuple(str(c) for c in chosen)
        raise _invalid("tool_choice", f"{chosen} not found in 'tools' ({', '.join(names)})", None)
    raise _invalid("tool_choice", f"expected none, auto, required or a tool, got {choice!r}", None)


def _named(choice: Any) -> str | None:
    for kind in ("function", "custom"):
        if isinstance(choice, Mapping) and isinstance(choice.get(kind), Mapping):
            name = choice[kind].get("name")
            return name if isinstance(name, str) else None
    return None


def json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of ``response_format``; an empty one for any JSON object."""
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        if "json" not in json.dumps(body["messages"]).lower():
            problem = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of "
                "type 'json_object'"
            )
            raise _invalid("messages", problem, None)
        return {}
    inner = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        problem = "expected type 'text', 'json_object', or 'json_schema' with a named 'json_schema'"
        raise _invalid("response_format", problem, "invalid_value")
    schema = inner.get("schema")
    return schema if isinstance(schema, Mapping) and schema else {"type": "object"}


def _invalid(param: str, problem: str, code: str | None) -> ApiError:
    return ApiError(400, f"Invalid '{param}': {problem}.", param=param, code=code)
