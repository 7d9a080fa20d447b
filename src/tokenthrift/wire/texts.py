"""Texts in the values of bodies, by their paths: of schemas, and of what is said.

Names, ids, formats, references, media and signed items are no texts here: altering one of them
would break the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Path

# Keys of schemas whose values must stay as they are for the rest to make sense.
FIXED: Final = frozenset(
    {"name", "type", "$ref", "$id", "$schema", "$anchor", "required", "format", "strict", "syntax"}
)
# Keys of content parts under which text stands; in signed parts it must stay as it is.
SPOKEN: Final = frozenset({"text", "content", "input", "output", "arguments", "refusal"})
SIGNED: Final = frozenset({"signature", "encrypted_content", "data"})


def strings(value: Any, path: Path, fixed: frozenset[str] = FIXED) -> Iterator[tuple[Path, str]]:
    """All strings below a value of a schema, but for those that others refer to.

    Args:
        value: of a body.
        path: where it stands.
        fixed: keys whose strings others refer to; none in what a call says.
    """
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            if key not in fixed or isinstance(below, Mapping):  # a parameter may have any name
                yield from strings(below, (*path, key), fixed)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for n, below in enumerate(value):
            yield from strings(below, (*path, n), fixed)


def spoken(content: Any, path: Path, keys: frozenset[str] = SPOKEN) -> Iterator[tuple[Path, str]]:
    """Texts of a content: itself, or of its parts as far as they are text.

    Args:
        content: a text, a part, or a list of parts.
        path: where it stands.
        keys: of parts, under which text stands.
    """
    if isinstance(content, str):
        yield path, content
    elif isinstance(content, Mapping):
        if not SIGNED & content.keys():
            for key in content:
                if key in keys:
                    yield from spoken(content[key], (*path, key), keys)
    elif isinstance(content, Sequence) and not isinstance(content, bytes):
        for n, part in enumerate(content):
            yield from spoken(part, (*path, n), keys)
