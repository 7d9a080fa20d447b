"""What a bridge does: a body of its wire as Chat Completions say it, and Chat's answer back.

Chat is what litellm speaks to every provider, so calls of all wires meet there. A bridge is pure,
and says no rather than lose something: what Chat has no words for is refused before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from tokenthrift.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

STREAM_USAGE: Final = {"stream": True, "stream_options": {"include_usage": True}}


class Telling(Protocol):
    """One stream, retold in the events of a bridge's wire."""

    def tell(self, chunk: Mapping[str, Any], /) -> list[dict[str, Any]]:
        """The events that a chunk of Chat's stream comes to."""
        ...

    def end(self) -> list[dict[str, Any]]:
        """The events that end the stream; raises `BrokenAnswerError` where it was cut."""
        ...


class Bridge(Protocol):
    """One wire's way to Chat and back."""

    name: str
    """Of the wire."""

    def chat(self, body: Mapping[str, Any], /) -> dict[str, Any]:
        """A body as Chat says it; raises `BridgeError` where Chat cannot say all of it."""
        ...

    def answer(self, chat: Mapping[str, Any], body: Mapping[str, Any], /) -> dict[str, Any]:
        """An answer of Chat's to a body; raises `BrokenAnswerError` where it makes no sense."""
        ...

    def telling(self, body: Mapping[str, Any], /) -> Telling:
        """Retells the stream that answers a body."""
        ...


class BrokenAnswerError(Exception):
    """An answer that came cannot be handed on: it was cut, or holds calls that do not parse."""


def check_keys(what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse keys that nobody here knows how to say in Chat.

    Raises:
        BridgeError: names the first of them.
    """
    for key in given:
        if key not in known:
            raise BridgeError(f"{what} has {key!r}, which other providers do not know")
