"""Tool schemas without what says nothing: the same validates, and a model is told the same.

Every rule leaves a keyword out that no validator heeds and that repeats what stands beside it, or
folds white space in a description. Only a configured size cuts text, and says so with an ellipsis.
Values of ``enum``, ``const`` and ``default``, names and types are never altered.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.compress.descriptions import CAMEL, Descriptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tokenthrift.types import TokenCounter

DEEPEST: Final = 60  # levels of schemas; what lies deeper stays as it is

# Where schemas stand in a schema. Whatever else a keyword holds is data and is not looked into.
DEFINITIONS: Final = ("$defs", "definitions")
MAPS: Final = frozenset({"properties", "patternProperties", *DEFINITIONS})
LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLE: Final = frozenset(
    {"items", "additionalProperties", "contains", "not", "if", "then", "else"}
)
# Keywords that say nothing at these values. Source: JSON Schema 2020-12, validation.
IDLE: Final[Mapping[str, Any]] = {
    "minLength": 0,
    "minItems": 0,
    "minProperties": 0,
    "uniqueItems": False,
    "deprecated": False,
    "readOnly": False,
    "writeOnly": False,
}
# Dialects that agree on every keyword but those below, which are read one way or the other (or not
# at all) depending on `$schema`. Source: the migration notes of the drafts.
DIALECTS: Final = re.compile(
    r"https?://json-schema\.org/(draft-0[67]|draft/2019-09|draft/2020-12)/schema#?"
)
DEPENDENT: Final = frozenset(
    {
        *("$ref", "$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"),
        *("$recursiveAnchor", "$vocabulary", "prefixItems", "additionalItems", "contains"),
        *("dependencies", "dependentSchemas", "dependentRequired"),
        *("unevaluatedProperties", "unevaluatedItems"),
    }
)
# Keywords that heed more than the objects they stand in, or name places in other ways.
FAR: Final = frozenset({"unevaluatedProperties", "unevaluatedItems"}) | {
    *("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
}
# What generators append to a function's name to title its parameters.
TITLE_TAILS: Final = ("arguments", "args", "inputs", "input", "parameters", "params", "schema")

_PLAIN_REF = re.compile(r"#(/(\$defs|definitions)/[^/~%]+)?")
_LETTERS = re.compile(r"[\W_]+")
_WORD = re.compile(r"[^\W_]+")
_ARTICLES: Final = frozenset({"the", "a", "an"})


@dataclass(frozen=True, slots=True)
class Compacted:
    """A function with a smaller schema.

    Attributes:
        function: what is sent in place of the given one.
        rules: how often each rule took something, by the words that name it.
        shortened: descriptions that were cut, which is all that may be missed.
    """

    function: Mapping[str, Any]
    rules: Mapping[str, int]
    shortened: int = 0

    @property
    def reason(self) -> str:
        """What was done, in words."""
        return ", ".join(f"{rule} ({n})" if n > 1 else rule for rule, n in self.rules.items())


def compacted(
    function: Mapping[str, Any],
    count: TokenCounter,
    *,
    strict: bool = False,
    description_tokens: int | None = None,
) -> Compacted | None:
    """A function's schema without what says nothing; None where there is nothing of that kind.

    Args:
        function: name, description and parameters; never mutated.
        count: counts the tokens of descriptions.
        strict: the provider holds the model to the schema and wants every keyword that shapes
            objects, so those stay.
        description_tokens: longer descriptions are cut at the end of a sentence; None cuts nothing.
    """
    name = str(function.get("name") or "")
    about = function.get("description")
    told = Descriptions(count, description_tokens)
    changed: dict[str, Any] = {}
    rules: Counter[str] = Counter()
    if isinstance(about, str):
        changed["description"] = told(about, name)
    parameters = function.get("parameters")
    if isinstance(parameters, Mapping):
        used, unused = _without_unused(parameters)
        walk = _Walk(
            told,
            about=_flat(about) if isinstance(about, str) else "",
            shapes=not strict and _is_plain(used),
            dialect=_is_common(used),
        )
        changed["parameters"] = walk.schema(used, _Place(name, root=True))
        rules = walk.rules + Counter({"definitions nothing refers to": unused})
    after = {**function, **changed}
    if all(after[key] is function[key] for key in changed):
        return None
    return Compacted(after, dict(rules + told.rules), told.rules["descriptions cut"])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema stands: the key that names it, and how."""

    key: str
    root: bool = False
    optional: bool = False
    depth: int = 0


@dataclass(slots=True)
class _Walk:
    """One way through a schema; counts what each rule took.

    Attributes:
        about: the function's own description, white space folded.
        shapes: whether keywords that shape objects may go where they say nothing.
        dialect: whether the schema means the same without `$schema`.
    """

    told: Descriptions
    about: str
    shapes: bool
    dialect: bool
    rules: Counter[str] = field(default_factory=Counter)

    def schema(self, given: Any, place: _Place) -> Any:
        """The schema without what says nothing; the same object where that is all of it."""
        if not isinstance(given, Mapping) or place.depth > DEEPEST:
            return given
        kept: dict[str, Any] = {}
        for key, value in given.items():
            rule = self._idle(key, value, given, place)
            if rule:
                self.rules[rule] += 1
            else:
                kept[key] = self._below(key, value, given, place)
        same = len(kept) == len(given) and all(kept[key] is given[key] for key in kept)
        return given if same else kept

    def _below(self, key: str, value: Any, schema: Mapping[str, Any], place: _Place) -> Any:
        inner = replace(place, root=False, optional=False, depth=place.depth + 1)
        if key == "description" and isinstance(value, str):
            return self.told(value, "" if place.root else place.key)
        if key in MAPS and isinstance(value, Mapping):
            needed = schema.get("required")
            needed = needed if isinstance(needed, list | tuple) else ()
            return _shared(
                value,
                {
                    name: self.schema(
                        below,
                        replace(
                            inner,
                            key=str(name),
                            optional=key == "properties" and name not in needed,
                        ),
                    )
                    for name, below in value.items()
                },
            )
        if key in LISTS or (key == "items" and isinstance(value, list | tuple)):
            if not isinstance(value, list | tuple):
                return value
            items = [self.schema(below, inner) for below in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return self.schema(value, inner) if key in SINGLE else value

    def _idle(self, key: str, value: Any, schema: Mapping[str, Any], place: _Place) -> str:
        """The rule by which a keyword says nothing where it stands; empty if it says something."""
        if key in IDLE:
            same = type(value) is type(IDLE[key]) and value == IDLE[key]
            return "keywords at their default" if same else ""
        rule = RULES.get(key)
        if rule is None or not isinstance(value, rule.type):
            return ""
        return rule.words if rule.says_nothing(self, value, schema, place) else ""

    def repeats_about(self, value: str, _schema: Mapping[str, Any], place: _Place) -> bool:
        """Whether a description says what the name, or the function's description, says."""
        flat = _flat(value)
        return not flat or (place.root and flat == self.about) or _says(value) == _says(place.key)

    def is_needless(self, value: Any, _schema: Mapping[str, Any], place: _Place) -> bool:
        """Whether an empty list or map may go; an empty root is what providers insist on."""
        return self.shapes and not value and not place.root

    def is_free(self, value: Any, schema: Mapping[str, Any], _place: _Place) -> bool:
        """Whether it allows what is allowed anyway; alone it is what says so."""
        return self.shapes and value in (True, {}) and bool(schema.get("properties"))


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a keyword goes, and how that is called."""

    type: type | tuple[type, ...]
    words: str
    says_nothing: Callable[[_Walk, Any, Mapping[str, Any], _Place], bool]


RULES: Final[Mapping[str, _Rule]] = {
    "$schema": _Rule(str, "$schema", lambda walk, _v, _s, at: at.root and walk.dialect),
    "$comment": _Rule(str, "comments", lambda *_: True),
    "title": _Rule(str, "titles", lambda _, value, schema, at: _repeats(value, at, schema)),
    "description": _Rule(str, "descriptions that repeat the name", _Walk.repeats_about),
    "default": _Rule(type(None), "defaults of null", lambda _w, _v, _s, at: at.optional),
    "examples": _Rule(
        (list, tuple), "examples of the enum", lambda _w, value, schema, _: _listed(value, schema)
    ),
    "required": _Rule(
        (list, tuple), "empty required", lambda walk, v, _s, _: walk.shapes and not v
    ),
    "properties": _Rule(Mapping, "empty properties", _Walk.is_needless),
    "additionalProperties": _Rule(
        (bool, Mapping), "additionalProperties that allow all", _Walk.is_free
    ),
}


def _shared(given: Mapping[str, Any], made: dict[str, Any]) -> Mapping[str, Any]:
    return given if all(made[key] is given[key] for key in given) else made


def _repeats(title: str, place: _Place, schema: Mapping[str, Any]) -> bool:
    """Whether a title says what the key beside it, or the description, says."""
    said, key = _letters(title), _letters(place.key)
    tail = next((t for t in TITLE_TAILS if said.endswith(t)), "") if place.root else ""
    stem = said.removesuffix(tail)
    if said == key or (stem and tail and key.endswith(stem)):
        return True
    description = schema.get("description")
    return isinstance(description, str) and said == _letters(description)


def _letters(text: str) -> str:
    return _LETTERS.sub("", text).casefold()


def _says(text: str) -> list[str]:
    """The words of a name or a description, without articles."""
    words = [w.casefold() for w in _WORD.findall(CAMEL.sub(" ", text))]
    return [w for w in words if w not in _ARTICLES]


def _flat(text: str) -> str:
    return " ".join(text.split())


def _listed(examples: Iterable[Any], schema: Mapping[str, Any]) -> bool:
    listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if not isinstance(listed, list | tuple):
        return False
    known = {_json(value) for value in listed}
    return all(_json(value) in known for value in examples)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _without_unused(root: Any) -> tuple[Any, int]:
    """A schema without definitions that nothing in it refers to, and how many those were."""
    held = {key: root[key] for key in DEFINITIONS if isinstance(root.get(key), Mapping)}
    if not held or not _is_plain(root):
        return root, 0
    reached: set[str] = set()
    waiting = [*_references({key: value for key, value in root.items() if key not in held})]
    while waiting:
        reference = waiting.pop()
        if reference != "#" and reference not in reached:
            reached.add(reference)
            _, key, name = reference.split("/")
            waiting += _references(held.get(key, {}).get(name))
    after = dict(root)
    unused = 0
    for key, schemas in held.items():
        kept = {name: schemas[name] for name in schemas if f"#/{key}/{name}" in reached}
        unused += len(schemas) - len(kept)
        after[key] = kept
    after = {key: value for key, value in after.items() if key not in held or value}
    return (after, unused) if unused else (root, 0)


def _references(schema: Any) -> Iterator[str]:
    return (value for key, value in _keywords(schema) if key == "$ref" and isinstance(value, str))


def _is_plain(schema: Any) -> bool:
    """Whether keywords are heeded where they stand only, and references name definitions."""
    for key, value in _keywords(schema):
        if key in FAR:
            return False
        if key == "$ref" and not (isinstance(value, str) and _PLAIN_REF.fullmatch(value)):
            return False
    return True


def _is_common(schema: Any) -> bool:
    """Whether a schema means the same in all drafts from 6 on."""
    if not isinstance(schema, Mapping) or not isinstance(schema.get("$schema"), str):
        return False
    if not DIALECTS.fullmatch(schema["$schema"]):
        return False
    return not any(
        key in DEPENDENT or (key == "items" and not isinstance(value, Mapping | bool))
        for key, value in _keywords(schema)
    )


def _keywords(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values at any depth; those of data among them, which can only make us careful."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            for key, below in found.items():
                yield str(key), below
                waiting.append(below)
        elif isinstance(found, list | tuple):
            waiting.extend(found)
