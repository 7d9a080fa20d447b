"""Forms of answers across wires: a schema that one provider enforces must be one that others can.

OpenAI enforces a schema only where each object lists all of its properties as required and allows
no others; Anthropic does without the first of the two.
Source: OpenAI, "Structured outputs", supported schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tokenthrift.errors import BridgeError

NAME: Final = "answer"
"""Of a schema that comes without one; OpenAI wants it."""


def strict_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The ``response_format`` of Chat for a form as Messages say it.

    Raises:
        BridgeError: it is no schema, or none that OpenAI enforces.
    """
    schema = wanted.get("schema")
    if wanted.get("type") != "json_schema" or not isinstance(schema, Mapping):
        raise BridgeError(f"the answer's form is of the type {wanted.get('type')!r}")
    if not is_strict(schema):
        raise BridgeError("the answer's schema has optional or open properties")
    named = {"name": NAME, "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}


def is_strict(schema: Any) -> bool:
    """Whether every object in a schema requires all of its properties and allows no others."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        required = schema.get("required") or ()
        if schema.get("additionalProperties") is not False:
            return False
        if set(properties or ()) != set(required):
            return False
    return all(map(is_strict, schema.values()))
