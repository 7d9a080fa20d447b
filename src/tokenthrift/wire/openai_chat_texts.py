"""Every text of a Chat Completions body that a model gets to read, by its path.

Names, ids, formats, references, media and signed items are no texts here: altering one of them
would break the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.wire.texts import spoken, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Path

# Parts of a body beside its messages that are read by the model.
SCHEMAS: Final = ("tools", "functions", "response_format", "prediction")
PLAIN: Final = ("content", "refusal", "reasoning_content")


def texts_of_chat(body: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Paths and texts: schemas first, then the messages in their order."""
    for key in SCHEMAS:
        yield from strings(body.get(key), (key,))
    for n, message in enumerate(body.get("messages") or ()):
        here: Path = ("messages", n)
        for key in PLAIN:
            yield from spoken(message.get(key), (*here, key))
        for place, call in _calls(message):
            for key in ("function", "custom"):
                made = call.get(key) if isinstance(call, Mapping) else None
                if isinstance(made, Mapping):
                    for name in ("arguments", "input"):
                        yield from strings(made.get(name), (*here, *place, key, name))
        legacy = message.get("function_call")
        if isinstance(legacy, Mapping):
            yield from strings(legacy.get("arguments"), (*here, "function_call", "arguments"))


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    calls = message.get("tool_calls")
    for n, call in enumerate(calls if isinstance(calls, list | tuple) else ()):
        yield ("tool_calls", n), call
