"""Every text of a Chat Completions body that a model gets to read, by its path.

Names, ids, formats, references, media and signed items are no texts here: altering one of them
would break the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Path

# Parts of a body beside its messages that are read by the model.
SCHEMAS: Final = ("tools", "functions", "response_format", "prediction")
# Keys of schemas whose values must stay as they are for the rest to make sense.
FIXED: Final = frozenset(
    {"name", "type", "$ref", "$id", "$schema", "$anchor", "required", "format", "strict", "syntax"}
)
# Keys of content parts under which text stands; in signed parts it must stay as it is.
SPOKEN: Final = frozenset({"text", "content", "input", "output", "arguments", "refusal"})
SIGNED: Final = frozenset({"signature", "encrypted_content", "data"})
PLAIN: Final = ("content", "refusal", "reasoning_content")


def texts_of_chat(body: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Paths and texts: schemas first, then the messages in their order."""
    for key in SCHEMAS:
        yield from _strings(body.get(key), (key,))
    for n, message in enumerate(body.get("messages") or ()):
        here: Path = ("messages", n)
        for key in PLAIN:
            yield from _spoken(message.get(key), (*here, key))
        for place, call in _calls(message):
            for key in ("function", "custom"):
                made = call.get(key) if isinstance(call, Mapping) else None
                if isinstance(made, Mapping):
                    for name in ("arguments", "input"):
                        yield from _strings(made.get(name), (*here, *place, key, name))
        legacy = message.get("function_call")
        if isinstance(legacy, Mapping):
            yield from _strings(legacy.get("arguments"), (*here, "function_call", "arguments"))


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    calls = message.get("tool_calls")
    for n, call in enumerate(calls if isinstance(calls, list | tuple) else ()):
        yield ("tool_calls", n), call


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """All strings below a value, but for those that others refer to."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            if key not in FIXED or isinstance(below, Mapping):  # a parameter may have any name
                yield from _strings(below, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for n, below in enumerate(value):
            yield from _strings(below, (*path, n))


def _spoken(content: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Texts of a message's content: itself, or of its parts as far as they are text."""
    if isinstance(content, str):
        yield path, content
    elif isinstance(content, Mapping):
        if not SIGNED & content.keys():
            for key in SPOKEN & content.keys():
                yield from _spoken(content[key], (*path, key))
    elif isinstance(content, Sequence) and not isinstance(content, bytes):
        for n, part in enumerate(content):
            yield from _spoken(part, (*path, n))
