"""A small value that satisfies a JSON schema, for simulated arguments and structured answers.

Covers what providers accept in strict schemas (objects, arrays, enums, unions, references, bounds,
common formats). It does not solve ``pattern`` or ``not``; such a value may fail its own schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import floor
from operator import ge, gt, le, lt
from typing import Any, Final

# Tried one after the other, so that recursive schemas end as early as they can. One that still
# requires itself at the last depth is taken to have no finite value (providers allow 10 levels).
DEPTHS: Final = (2, 4, 8, 24)

FORMATS: Final = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "simulated@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/simulated",
}
WORD: Final = "simulated"
BOUNDS: Final = {
    "minimum": ge,
    "maximum": le,
    "exclusiveMinimum": gt,
    "exclusiveMaximum": lt,
}


class SchemaError(ValueError):
    """The schema has no value that can be made: says where and why."""


def minimal(schema: Any) -> Any:
    """A value of the schema: required properties only, shortest arrays, first alternatives.

    Raises:
        SchemaError: a reference leads nowhere, or the schema requires itself without end.
    """
    for depth in DEPTHS[:-1]:
        with suppress(SchemaError):
            return _value(schema, schema, depth)
    return _value(schema, schema, DEPTHS[-1])


def _value(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping):  # ``true`` allows anything
        return WORD
    schema = _resolved(schema, root, depth)
    given = [schema[k] for k in ("const", "default") if k in schema] or schema.get("enum")
    if given:
        return given[0]
    for union in ("anyOf", "oneOf"):
        if schema.get(union):
            return _first(schema, union, root, depth)
    return _typed(schema, root, depth)


def _typed(schema: Mapping[str, Any], root: Any, depth: int) -> Any:
    """A value of a schema that names a type, or implies one."""
    match _kind(schema):
        case "object":
            known = schema.get("properties") or {}
            needed = schema.get("required") or ()
            value: Any = {k: _value(known.get(k), root, depth - 1) for k in needed}
        case "array":
            value = _array(schema, root, depth)
        case "integer" | "number" as kind:
            value = _number(schema, whole=kind == "integer")
        case "boolean" | "null" as kind:
            value = False if kind == "boolean" else None
        case _:
            value = _string(schema)
    return value


def _resolved(schema: Mapping[str, Any], root: Any, depth: int) -> Mapping[str, Any]:
    """The schema with its reference followed and its ``allOf`` merged into it."""
    if depth < 0:
        raise SchemaError("the schema requires itself without end; make one property optional")
    hops = 0
    while "$ref" in schema:
        rest = {k: v for k, v in schema.items() if k != "$ref"}
        schema = {**_target(str(schema["$ref"]), root), **rest}
        hops += 1
        if hops > DEPTHS[-1]:
            raise SchemaError("references lead in a circle")
    for branch in schema.get("allOf") or ():
        if not isinstance(branch, Mapping):
            continue
        below = _resolved(branch, root, depth - 1)
        merged = {**schema, **below}
        merged["properties"] = {**(schema.get("properties") or {}), **below.get("properties", {})}
        merged["required"] = [*(schema.get("required") or ()), *(below.get("required") or ())]
        schema = {k: v for k, v in merged.items() if v or k not in ("properties", "required")}
    return schema


def _target(reference: str, root: Any) -> Mapping[str, Any]:
    found = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if name:
            found = found.get(name) if isinstance(found, Mapping) else None
    if not reference.startswith("#") or not isinstance(found, Mapping):
        raise SchemaError(f"$ref {reference!r} leads nowhere; only references inside are followed")
    return found


def _first(schema: Mapping[str, Any], key: str, root: Any, depth: int) -> Any:
    """The first alternative that has a finite value, with what stands beside the union."""
    shared = {k: v for k, v in schema.items() if k != key}
    problem: SchemaError | None = None
    for branch in schema[key]:
        try:
            return _value(
                {**shared, **branch} if isinstance(branch, Mapping) else branch, root, depth - 1
            )
        except SchemaError as exc:
            problem = exc
    raise problem or SchemaError(f"{key} is empty")


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        kind = kind[0] if kind else None
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _array(schema: Mapping[str, Any], root: Any, depth: int) -> list[Any]:
    first = list(schema.get("prefixItems") or ())
    least = max(int(schema.get("minItems") or 0), 0)
    values = [_value(s, root, depth - 1) for s in first[:least]]
    missing = least - len(values)
    if missing and schema.get("uniqueItems"):
        return values + _distinct(schema.get("items"), missing)
    return values + [_value(schema.get("items"), root, depth - 1) for _ in range(missing)]


def _distinct(items: Any, n: int) -> list[Any]:
    """Different values of one item schema: members of its enum, or counted up."""
    options = items.get("enum") if isinstance(items, Mapping) else None
    if options:
        return list(options[:n])
    kind = _kind(items) if isinstance(items, Mapping) else "string"
    if kind in ("integer", "number"):
        return [_number(items, whole=True) + i for i in range(n)]
    return [f"{WORD} {i + 1}" for i in range(n)]


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The first of zero, the bounds, their neighbours and middle that the schema allows."""
    bounds = [schema[k] for k in BOUNDS if isinstance(schema.get(k), int | float)]
    tried = [0, *bounds, *(b + 1 for b in bounds), *(b - 1 for b in bounds)]
    if len(bounds) > 1:
        tried.append((min(bounds) + max(bounds)) / 2)
    step = schema.get("multipleOf") or (1 if whole else 0)
    if step:
        tried = [m * step for t in tried for m in (floor(t / step), floor(t / step) + 1)]
    for number in tried:
        if all(BOUNDS[k](number, schema[k]) for k in BOUNDS if k in schema):
            return int(number) if whole else number
    raise SchemaError(f"no number lies within {dict(schema)}")


def _string(schema: Mapping[str, Any]) -> str:
    made = FORMATS.get(str(schema.get("format")))
    if made is not None:
        return made
    text = WORD.ljust(int(schema.get("minLength") or 0), ".")
    most = schema.get("maxLength")
    return text if most is None else text[: int(most)]
