"""Secrets put back into answers: whole ones, and streams where a placeholder comes in pieces.

Only what the caller gets is restored. What goes back to the provider (a recall's exchange) and what
is written down (usage, records) has the answer as the model gave it. Signed and opaque items stay.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports import dialect_of
from tokenthrift.transports.reading import put, rewritten, value_at
from tokenthrift.wire import answer_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.pipeline import Plan
    from tokenthrift.transports.dialects import Dialect, Key, Spot

OPENING: Final = "["  # of every placeholder, and nowhere else in one
JSON_ANSWERS: Final = frozenset({"json_schema", "json_object"})
CHAT: Final = "openai-chat"


class Restorer:
    """Knows what the placeholders of a call stand for.

    Args:
        secrets: by placeholder.
        dialect: of the answers.
        json_content: whether the answer's text is JSON, so that what is put in must be escaped.
    """

    def __init__(
        self,
        secrets: Mapping[str, str],
        dialect: Dialect | None = None,
        *,
        json_content: bool = False,
    ) -> None:
        self._secrets = secrets
        self._dialect = dialect_of(CHAT) if dialect is None else dialect
        self._pattern = re.compile("|".join(map(re.escape, secrets)))
        self._json_content = json_content
        self._held: dict[Key, str] = {}
        self._latest: dict[Key, Any] = {}  # chunk in which a piece of it came

    @classmethod
    def of(cls, plan: Plan | None, dialect: Dialect) -> Restorer | None:
        """The restorer of a plan; None where nothing was replaced."""
        if plan is None or not plan.secrets:
            return None
        kind = answer_format(plan.request).get("type")
        return cls(plan.secrets, dialect, json_content=kind in JSON_ANSWERS)

    def text(self, text: str, *, in_json: bool = False) -> str:
        """A text with what its placeholders stand for, escaped where it is inside JSON."""

        def original(match: re.Match[str]) -> str:
            found = self._secrets[match.group()]
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return self._pattern.sub(original, text)

    # ------------------------------------------------------------------------------ whole answers
    def answer(self, response: Any) -> None:
        """Restore a response in place; of a raw one its JSON."""
        rewritten(response, self._restored)

    def _restored(self, body: Any) -> bool:
        spots = self._dialect.spots(body, json_text=self._json_content)
        return sum(self._filled(spot) for spot in spots) > 0

    def _filled(self, spot: Spot) -> bool:
        """Restore a text that stands whole; whether it held anything."""
        value = value_at(spot.owner, spot.name)
        if not isinstance(value, str):
            return False
        after = self.text(value, in_json=spot.in_json)
        if after != value:
            put(spot.owner, spot.name, after)
        return after != value

    # ------------------------------------------------------------------------------------ streams
    def chunk(self, chunk: Any) -> list[Any]:
        """What the caller is to see of a chunk; it is restored in place.

        What may be the beginning of a placeholder waits until the next piece of the same text, or
        its end, tells.
        """
        over = tuple(self._dialect.ended(chunk))
        for spot in list(self._dialect.pieces(chunk, json_text=self._json_content)):
            value = value_at(spot.owner, spot.name)
            if not spot.key:
                self._filled(spot)
            elif isinstance(value, str):
                final = any(_begins(spot.key, end) for end in over)
                put(spot.owner, spot.name, self._fed(spot, value, final=final))
                self._latest[spot.key] = chunk
        left = [key for key in self._held if any(_begins(key, end) for end in over)]
        return [*map(self._left, left), chunk]

    def end(self) -> list[Any]:
        """Chunks with what still waits where a stream is over without its end."""
        return [self._left(key) for key in list(self._held)]

    def _fed(self, spot: Spot, piece: str, *, final: bool) -> str:
        """What the caller may see of a text now that a piece has come."""
        text = self._held.pop(spot.key, "") + piece
        start = text.rfind(OPENING)
        tail = "" if start < 0 or final else text[start:]
        if tail and any(len(tail) < len(name) and name.startswith(tail) for name in self._secrets):
            self._held[spot.key], text = tail, text[:start]
        return self.text(text, in_json=spot.in_json)

    def _left(self, key: Key) -> Any:
        """A chunk like the latest, with nothing in it but what waits of a text."""
        return self._dialect.leftover(self._latest.pop(key), key, self._held.pop(key))


def _begins(key: Key, beginning: Key) -> bool:
    return key[: len(beginning)] == beginning
