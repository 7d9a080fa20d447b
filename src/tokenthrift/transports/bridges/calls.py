"""Calls of tools in Chat's answers: whole ones, and the pieces that streams bring."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenthrift.transports.bridges.seam import BrokenAnswerError
from tokenthrift.wire.reading import listed, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a call.

    Attributes:
        index: which of the answer's calls.
        call_id: empty but in a call's first piece, as is its ``name``.
        arguments: JSON, or a part of it.
    """

    index: int
    call_id: str
    name: str
    arguments: str


def pieces_of(message: Mapping[str, Any]) -> Iterator[Piece]:
    """The calls of a message, or of a chunk's ``delta``."""
    for n, call in enumerate(listed(message.get("tool_calls"))):
        function = mapped(mapped(call).get("function"))
        index = call.get("index")
        yield Piece(
            index=n if index is None else int(index),
            call_id=str(call.get("id") or ""),
            name=str(function.get("name") or ""),
            arguments=str(function.get("arguments") or ""),
        )


def arguments_of(piece: Piece, *, is_cut: bool) -> Mapping[str, Any]:
    """The arguments of a whole call as an object.

    Args:
        piece: of a whole answer.
        is_cut: whether the answer ran into its limit, in the middle of the call perhaps.

    Raises:
        BrokenAnswerError: they are none, and not because the answer was cut.
    """
    try:
        found = json.loads(piece.arguments or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    if is_cut:
        return {}
    raise BrokenAnswerError(f"the arguments of a call of {piece.name} are no JSON object")


def choice_of(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice of an answer or a chunk; empty where there is none."""
    return next((mapped(c) for c in listed(said.get("choices"))), {})
