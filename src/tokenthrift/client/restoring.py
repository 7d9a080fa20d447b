"""Secrets put back into answers: whole ones, and streams where a placeholder comes in pieces.

Only what the caller gets is restored. What goes back to the provider (a recall's exchange) and what
is written down (usage, records) has the answer as the model gave it. Signed and opaque items stay.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tokenthrift.transports.answers import at
from tokenthrift.transports.calls import put, rewritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tokenthrift.pipeline import Plan

Place: TypeAlias = "tuple[str | int, ...]"
"""A text in a message: its key, or the number and kind of a call."""
Key: TypeAlias = "tuple[Any, ...]"
"""A place behind the number of its choice."""

SPOKEN: Final = ("content", "refusal", "reasoning_content")
CALLED: Final = (("function", "arguments"), ("custom", "input"))
OPENING: Final = "["  # of every placeholder, and nowhere else in one
JSON_ANSWERS: Final = frozenset({"json_schema", "json_object"})


class Restorer:
    """Knows what the placeholders of a call stand for.

    Args:
        secrets: by placeholder.
        json_content: whether the answer's text is JSON, so that what is put in must be escaped.
    """

    def __init__(self, secrets: Mapping[str, str], *, json_content: bool = False) -> None:
        self._secrets = secrets
        self._pattern = re.compile("|".join(map(re.escape, secrets)))
        self._json_content = json_content
        self._held: dict[Key, str] = {}
        self._latest: dict[Key, Any] = {}  # chunk in which a piece of it came

    @classmethod
    def of(cls, plan: Plan | None) -> Restorer | None:
        """The restorer of a plan; None where nothing was replaced."""
        if plan is None or not plan.secrets:
            return None
        asked = plan.request.body.get("response_format")
        kind = asked.get("type") if isinstance(asked, dict) else None
        return cls(plan.secrets, json_content=kind in JSON_ANSWERS)

    def text(self, text: str, *, in_json: bool = False) -> str:
        """A text with what its placeholders stand for, escaped where it is inside JSON."""

        def original(match: re.Match[str]) -> str:
            found = self._secrets[match.group()]
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return self._pattern.sub(original, text)

    # ------------------------------------------------------------------------------ whole answers
    def answer(self, response: Any) -> None:
        """Restore a response in place; of a raw one its JSON."""
        rewritten(response, self._message)

    def _message(self, choice: Any) -> None:
        for _, owner, name, in_json in self._places(at(choice, "message")):
            value = at(owner, name)
            if isinstance(value, str):
                after = self.text(value, in_json=in_json)
                if after != value:
                    put(owner, name, after)

    def _places(self, message: Any) -> Iterator[tuple[Place, Any, str, bool]]:
        """Where texts stand in a message or a delta, and whether they are inside JSON."""
        for name in SPOKEN:
            yield (name,), message, name, self._json_content and name == "content"
        for n, call in enumerate(at(message, "tool_calls") or ()):
            for kind, name in CALLED:
                place = ("tool_calls", _index(call, n), kind)
                yield place, at(call, kind), name, kind == "function"
        yield ("function_call",), at(message, "function_call"), "arguments", True

    # ------------------------------------------------------------------------------------ streams
    def chunk(self, chunk: Any) -> list[Any]:
        """What the caller is to see of a chunk; it is restored in place.

        What may be the beginning of a placeholder waits until the next piece of the same text, or
        the end of its choice, tells.
        """
        left: list[Any] = []
        for choice in at(chunk, "choices") or ():
            number, final = at(choice, "index") or 0, bool(at(choice, "finish_reason"))
            for place, owner, name, in_json in self._places(at(choice, "delta")):
                value = at(owner, name)
                if isinstance(value, str):
                    key = (number, *place)
                    put(owner, name, self._fed(key, value, in_json=in_json, final=final))
                    self._latest[key] = chunk
            if final:
                left += self._left(number)
        return [*left, chunk]

    def end(self) -> list[Any]:
        """Chunks with what still waits where a stream is over without a finish reason."""
        return [chunk for key in list(self._held) for chunk in self._left(key[0])]

    def _fed(self, key: Key, piece: str, *, in_json: bool, final: bool) -> str:
        """What the caller may see of a text now that a piece has come."""
        text = self._held.pop(key, "") + piece
        start = text.rfind(OPENING)
        tail = "" if start < 0 or final else text[start:]
        if tail and any(len(tail) < len(name) and name.startswith(tail) for name in self._secrets):
            self._held[key], text = tail, text[:start]
        return self.text(text, in_json=in_json)

    def _left(self, number: int) -> list[Any]:
        """Chunks like the latest, with nothing in them but what waits of a choice."""
        chunks = []
        for key in [key for key in self._held if key[0] == number]:
            chunk = deepcopy(self._latest.pop(key))
            choices = [c for c in at(chunk, "choices") if (at(c, "index") or 0) == number]
            put(chunk, "choices", choices)
            for choice in choices:
                put(choice, "finish_reason", None)
                self._leave(at(choice, "delta"), key[1:], self._held.pop(key))
            if at(chunk, "usage") is not None:
                put(chunk, "usage", None)
            chunks.append(chunk)
        return chunks

    def _leave(self, delta: Any, wanted: Place, held: str) -> None:
        """Make a delta say one thing only."""
        calls = list(at(delta, "tool_calls") or ())
        for place, owner, name, _ in self._places(delta):
            if isinstance(at(owner, name), str):
                put(owner, name, held if place == wanted else None)
        own = [c for n, c in enumerate(calls) if wanted[:2] == ("tool_calls", _index(c, n))]
        for call in own:
            put(call, "id", None)
            for kind, _ in CALLED:
                if at(call, kind) is not None:
                    put(at(call, kind), "name", None)
        if calls:
            put(delta, "tool_calls", own or None)
        if at(delta, "role") is not None:
            put(delta, "role", None)


def _index(call: Any, number: int) -> int:
    """Of a call in its message; whole messages do not say it."""
    index = at(call, "index")
    return number if index is None else int(index)
