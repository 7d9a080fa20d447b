"""The bytes that digests are of are those of the standard library's JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.canonical import canonical

# Surrogates, controls, separators of lines: what serializers treat each in its own way.
CHARACTERS = st.characters() | st.sampled_from('\ud83d\x00\x1f\x7f\u2028"\\/\n')
LEAVES = st.none() | st.text(CHARACTERS) | st.booleans() | st.integers() | st.floats() | st.binary()
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(CHARACTERS), inner)
)


@examples(200)
@given(VALUES | st.recursive(st.text(CHARACTERS) | st.none(), st.lists))
def test_canonical_bytes_are_compact_json(value: Any) -> None:
    """Whatever the value holds, in every process and version, so that digests stay the same."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    assert canonical(value) == text.encode("utf-8", "surrogatepass")
