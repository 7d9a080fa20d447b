"""Parts of Chat answers: the functions they call, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.dialects.seam import AskedCall, Said
from tokenthrift.transports.reading import at, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPOKEN: Final = ("content", "refusal", "reasoning_content")


def chat_text(body: Any) -> str:
    """All that was generated in an answer or a chunk."""
    pieces: list[str] = []
    for choice in at(body, "choices") or ():
        message = at(choice, "message") or at(choice, "delta")
        pieces += [str(at(message, name) or "") for name in SPOKEN]
        for function in functions(message):
            pieces += [str(at(function, "name") or ""), str(at(function, "arguments") or "")]
    return "".join(pieces)


def has_nothing_to_say(chunk: Any) -> bool:
    """Whether a chunk of a stream carries no choice, or only empty ones (litellm's usage chunk)."""
    for choice in at(chunk, "choices") or ():
        delta = at(choice, "delta")
        if at(choice, "finish_reason") or at(delta, "role") or chat_text(chunk):
            return False
    return True


def functions(message: Any) -> list[Any]:
    """The functions that a message (or a delta) calls."""
    found = [at(call, "function") for call in at(message, "tool_calls") or ()]
    return [f for f in (*found, at(message, "function_call")) if f is not None]


def name_of(call: Any) -> str:
    """The name of the function that a call (or a piece of one) calls."""
    return str(at(at(call, "function"), "name") or "")


def index_of(call: Any, number: int = 0) -> int:
    """Of a call in its message; whole messages do not say it."""
    index = at(call, "index")
    return number if index is None else int(index)


def plain_call(call: Any) -> dict[str, Any]:
    """A call as plain data, without what SDKs add to it."""
    return {k: v for k, v in plain(call).items() if k != "index"}


def said_by(message: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> Said:
    """What an assistant's message says with its calls."""
    asked = tuple(
        AskedCall(
            str(call.get("id") or ""),
            name_of(call),
            str((call.get("function") or {}).get("arguments") or ""),
        )
        for call in calls
    )
    return Said(({**message, "tool_calls": list(calls)},), asked)
