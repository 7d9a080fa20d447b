"""What names a session: the caller, or else how its conversation begins."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from tokenthrift.canonical import canonical
from tokenthrift.opaque import unmarked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tokenthrift.types import Message, Request

TAG: Final = "session"
DIGEST_BYTES: Final = 16


def session_key(request: Request | None, name: str | None, tags: Mapping[str, str]) -> str | None:
    """The name of a call's session: as the caller says, or a digest of how it begins.

    A conversation begins with its system text and first user message, which each of its requests
    holds; so the digest is the same for all turns and on every replica. Conversations that begin
    alike are one session. No text is in it.

    Args:
        request: as the caller gave it; None where it could not be read.
        name: what the call's options say.
        tags: of the call; ``session`` is looked at.

    Returns:
        None where nothing names it.
    """
    named = name or tags.get(TAG)
    if named or request is None:
        return named or None
    parts = [_words(message) for message in _beginning(request)]
    return blake2b(canonical(parts), digest_size=DIGEST_BYTES).hexdigest()


def _beginning(request: Request) -> Iterator[Message]:
    """Messages up to the first of the user; before an answer if there is none."""
    for message in request.messages:
        if message.role == "assistant":
            return
        yield message
        if message.role == "user":
            return


def _words(message: Message) -> list[object]:
    """What a message says, wherever cache marks stand."""
    said = [p.text if p.text is not None else unmarked(p.raw) for p in message.parts]
    return [message.role, said]
