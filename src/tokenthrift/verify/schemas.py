"""Whether JSON in an answer is JSON, and matches what the request says it must.

Schemas are checked by jsonschema (extra ``verify``), imported when the first one is. References
inside a schema are followed; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import MissingExtraError
from tokenthrift.wire import answer_format, tools_of

if TYPE_CHECKING:
    from tokenthrift.route import Answer
    from tokenthrift.types import Request

EXTRA: Final = "verify"
# A schema is the caller's own, but a deep one could take the stack; no real one is near this.
DEEPEST: Final = 64


def need_jsonschema() -> None:
    """Say where the extra is missing.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import jsonschema  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("jsonschema", EXTRA) from error


def schema(answer: Answer, request: Request, /) -> str:
    """The text is JSON and matches the format asked for; answers that call tools are none."""
    wanted = answer_format(request)
    if answer.calls or answer.refusal:
        return ""
    if wanted.get("type") not in ("json_schema", "json_object"):
        return ""
    found, value = _parsed(answer.text)
    if not found:
        return "not JSON"
    if wanted["type"] == "json_object":
        return "" if isinstance(value, dict) else "no JSON object"
    inner = wanted.get("json_schema")
    return _mismatch(value, inner.get("schema") if isinstance(inner, Mapping) else None)


def tool_arguments(answer: Answer, request: Request, /) -> str:
    """Every call names a tool that was offered, with arguments that match its schema."""
    if not answer.calls:
        return ""
    offered = {tool.name: tool.function for tool in tools_of(request)}
    for n, call in enumerate(answer.calls):
        if call.name not in offered:
            return f"call {n} is of no tool that was offered"
        found, value = _parsed(call.arguments or "{}")
        if not found:
            return f"the arguments of call {n} are not JSON"
        wrong = _mismatch(value, (offered[call.name] or {}).get("parameters"))
        if wrong:
            return f"call {n}, {wrong}"
    return ""


def _parsed(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _mismatch(value: Any, wanted: Any) -> str:
    """Where a value does not match a schema, by place and keyword; values are not quoted."""
    if not isinstance(wanted, Mapping) or _depth(wanted) > DEEPEST:
        return ""
    import jsonschema

    validator = jsonschema.validators.validator_for(wanted, default=jsonschema.Draft202012Validator)
    error = jsonschema.exceptions.best_match(validator(dict(wanted)).iter_errors(value))
    if error is None:
        return ""
    place = ".".join(str(p) for p in error.absolute_path) or "the top"
    return f"at {place}: fails {error.validator}"


def _depth(value: Any, depth: int = 0) -> int:
    if depth > DEEPEST:
        return depth
    if isinstance(value, Mapping):
        return max((_depth(v, depth + 1) for v in value.values()), default=depth)
    if isinstance(value, list):
        return max((_depth(v, depth + 1) for v in value), default=depth)
    return depth
