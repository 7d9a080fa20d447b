"""What a turn is about: its latest user text, and where the work was going when it was asked."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.names import recurring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenthrift.types import Message

QUESTION_CHARACTERS: Final = 4_000  # of a long user text its beginning and end are the question
CONTEXT_CHARACTERS: Final = 1_500  # from the end of each of the last assistant messages
CONTEXT_MESSAGES: Final = 2
TRAJECTORY_MESSAGES: Final = 10  # the model's messages in which names may recur
NAMES: Final = 24


def question_of(messages: Sequence[Message]) -> str:
    """What messages ask: their latest user text."""
    latest = next((m for m in reversed(messages) if m.role == "user"), None)
    return _shortened("\n".join(_texts(latest)), QUESTION_CHARACTERS) if latest else ""


def trajectory_of(messages: Sequence[Message]) -> str:
    """Where the work was going.

    The last texts and calls of the model, newest first, and the names that recur in its earlier
    ones. Results are no part of it: what is being cut must not vote for itself.
    """
    own = (m for m in reversed(messages) if m.role == "assistant")
    said = ["\n".join(_said(m)) for m in islice(own, TRAJECTORY_MESSAGES)]
    return "\n".join([*said[:CONTEXT_MESSAGES], " ".join(recurring(said, NAMES))]).strip()


def _said(message: Message) -> Iterator[str]:
    """Calls and the ends of texts of one message of the model, the last first."""
    for part in reversed(message.parts):
        if part.type == "tool_call":
            yield f"{part.name} {part.text}"
        elif part.text:
            yield part.text[-CONTEXT_CHARACTERS:]


def _texts(message: Message) -> list[str]:
    return [p.text for p in message.parts if p.text and p.type in ("text", "tool_result")]


def _shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    half = characters // 2
    return f"{text[:half]}\n{text[-half:]}"
