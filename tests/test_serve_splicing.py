"""A changed body keeps the bytes of what did not change."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.serve.splicing import spliced

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
BODIES = st.dictionaries(st.text(), VALUES, max_size=5)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Any, Any]:
    """A body, and a copy that shares all but some of its parts with it."""
    given_body = draw(BODIES)

    def changed(value: Any) -> Any:
        if draw(st.booleans()):
            return value
        if isinstance(value, dict):
            kept = {k: changed(v) for k, v in value.items() if draw(st.integers(0, 4))}
            return kept | draw(st.dictionaries(st.text(), SCALARS, max_size=1))
        if isinstance(value, list):
            return [changed(v) for v in value if draw(st.integers(0, 4))]
        return draw(SCALARS)

    return given_body, changed(given_body)


@given(changes(), st.sampled_from([None, 1, 3]), st.booleans())
def test_what_is_written_parses_to_what_was_changed(
    bodies: tuple[Any, Any],
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001 - drawn
) -> None:
    """However the body was written, the new one says exactly what the changed one says."""
    given_body, changed = bodies
    raw = json.dumps(given_body, indent=indent, ensure_ascii=ascii_only)
    parsed = json.loads(raw)
    shared = _shared(given_body, changed, parsed)
    made = spliced(raw.encode("utf-8", "surrogatepass"), parsed, shared)
    assert json.loads(made) == changed
    assert [*json.loads(made)] == [*changed] if isinstance(changed, dict) else True


def _shared(given_body: Any, changed: Any, parsed: Any) -> Any:
    """The changed body with the parsed parts where it has the given ones."""
    if changed is given_body:
        return parsed
    if isinstance(changed, dict) and isinstance(given_body, dict):
        return {
            k: _shared(given_body[k], v, parsed[k]) if k in given_body else v
            for k, v in changed.items()
        }
    if isinstance(changed, list) and isinstance(given_body, list):
        places = {id(v): n for n, v in enumerate(given_body)}
        return [parsed[places[id(v)]] if id(v) in places else v for v in changed]
    return changed


RAW = (
    b'{ "model" : "gpt-4o",\n "messages": [ {"role":"user", "content":"a\\u0062c"}, '
    b'{"role": "user","content":"d"} ], "temperature": 1.0e0 }'
)


def test_only_the_changed_text_is_new() -> None:
    """One message changes; the other one, the model and the number keep their bytes."""
    body = json.loads(RAW)
    messages = [body["messages"][0], {**body["messages"][1], "content": "new"}]
    made = spliced(RAW, body, {**body, "messages": messages})
    assert b'{"role":"user", "content":"a\\u0062c"}' in made
    assert b'{"role": "user","content":"new"}' in made
    assert b'"model" : "gpt-4o"' in made
    assert b'"temperature": 1.0e0' in made


def test_nothing_changed_is_the_same_bytes() -> None:
    """The body itself is sent as it came."""
    body = json.loads(RAW)
    assert spliced(RAW, body, body) is RAW


@pytest.mark.parametrize(
    "raw", [b'{"a": 1, "a": {"b": 2}, "c": 3}', b'{"c": 3, "a": 1, "a": {"b": 2}}']
)
def test_a_key_that_comes_twice(raw: bytes) -> None:
    """Where a key comes twice the last one counts, in the new body as well."""
    body = json.loads(raw)
    changed = {**copy.copy(body), "c": 4}
    assert json.loads(spliced(raw, body, changed)) == {"a": {"b": 2}, "c": 4}


def test_half_of_a_pair_is_escaped() -> None:
    """Text that UTF-8 cannot hold goes out escaped, as it came."""
    raw = b'{"a": "\\ud83d", "b": 1}'
    body = json.loads(raw)
    made = spliced(raw, body, {"a": body["a"] + "!", "b": 1})
    assert json.loads(made) == {"a": "\ud83d!", "b": 1}
