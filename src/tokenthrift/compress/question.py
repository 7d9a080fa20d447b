"""What a turn is about: its latest user text, and where the work was going when it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Message

QUESTION_CHARACTERS: Final = 4_000  # of a long user text its beginning and end are the question
CONTEXT_CHARACTERS: Final = 1_500  # from the end of each of the last assistant messages
CONTEXT_MESSAGES: Final = 2


def question_of(messages: Sequence[Message], end: int) -> tuple[str, str]:
    """The question and the trajectory of ``messages[:end]``.

    Returns:
        ``(question, context)``: the latest user text; and the last texts and calls of the model,
        newest first. Results are no context: what is being cut must not vote for itself.
    """
    seen = messages[:end]
    latest = next((m for m in reversed(seen) if m.role == "user"), None)
    question = _shortened("\n".join(_texts(latest)), QUESTION_CHARACTERS) if latest else ""
    context = []
    for message in [m for m in seen if m.role == "assistant"][-CONTEXT_MESSAGES:]:
        for part in message.parts:
            if part.type == "tool_call":
                context.append(f"{part.name} {part.text}")
            elif part.text:
                context.append(part.text[-CONTEXT_CHARACTERS:])
    return question, "\n".join(reversed(context))


def _texts(message: Message) -> list[str]:
    return [p.text for p in message.parts if p.text and p.type in ("text", "tool_result")]


def _shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    half = characters // 2
    return f"{text[:half]}\n{text[-half:]}"
