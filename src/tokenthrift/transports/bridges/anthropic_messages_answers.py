"""Chat's answers retold as Anthropic Messages: a message, or its events.

Source: Anthropic API reference, "Messages" and "Streaming Messages".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.bridges.calls import arguments_of, choice_of, pieces_of
from tokenthrift.transports.bridges.seam import BrokenAnswerError
from tokenthrift.wire.reading import mapped
from tokenthrift.wire.usages import usage_of_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.transports.bridges.calls import Piece

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
TEXT: Final = -1  # of blocks, beside the numbers of calls


def message_of(chat: Mapping[str, Any]) -> dict[str, Any]:
    """A whole answer.

    Raises:
        BrokenAnswerError: it holds no choice, or a call that does not parse.
    """
    choice = choice_of(chat)
    message, finish = mapped(choice.get("message")), str(choice.get("finish_reason"))
    if not message:
        raise BrokenAnswerError("the provider's answer holds no choice")
    texts = [t for t in (message.get("content"), message.get("refusal")) if t]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    blocks += [_called(p, is_cut=finish == "length") for p in pieces_of(message)]
    made = _head(chat) | {"content": blocks, "usage": usage_said(mapped(chat.get("usage")))}
    refused = bool(message.get("refusal"))
    return made | {"stop_reason": _stop_reason(finish, refused=refused)}


def usage_said(usage: Mapping[str, Any]) -> dict[str, Any]:
    """A usage as Messages say it: what is cached stands beside the input."""
    found = usage_of_report(usage)
    cached = found.cache_read_tokens + found.cache_write_tokens
    made: dict[str, Any] = {
        "input_tokens": max(0, found.input_tokens - cached),
        "cache_creation_input_tokens": found.cache_write_tokens,
        "cache_read_input_tokens": found.cache_read_tokens,
        "output_tokens": found.output_tokens,
    }
    if found.reasoning_tokens:
        made["output_tokens_details"] = {"thinking_tokens": found.reasoning_tokens}
    return made


def _called(piece: Piece, *, is_cut: bool) -> dict[str, Any]:
    given = arguments_of(piece, is_cut=is_cut)
    return {"type": "tool_use", "id": piece.call_id, "name": piece.name, "input": given}


def _head(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(said.get("id") or ""),
        "type": "message",
        "role": "assistant",
        "model": str(said.get("model") or ""),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop_reason(finish: str, *, refused: bool) -> str:
    return "refusal" if refused else STOP_REASONS.get(finish, "end_turn")


class MessagesTelling:
    """Retells one stream: one block at a time, in the order in which they begin."""

    def __init__(self) -> None:
        self._begun = False
        self._open: int | None = None  # which block: of text, or a call's number
        self._index = -1  # of the block, among all of them
        self._seen: set[int] = set()
        self._finish = ""
        self._refused = False
        self._usage: Mapping[str, Any] = {}

    def tell(self, chunk: Mapping[str, Any], /) -> list[dict[str, Any]]:
        """The events that a chunk comes to."""
        events: list[dict[str, Any]] = []
        if not self._begun:
            self._begun = True
            events.append({"type": "message_start", "message": _head(chunk) | _NO_USAGE})
        self._usage = mapped(chunk.get("usage")) or self._usage
        choice = choice_of(chunk)
        delta = mapped(choice.get("delta"))
        for key in ("content", "refusal"):
            if delta.get(key):
                self._refused |= key == "refusal"
                events += self._text(str(delta[key]))
        for piece in pieces_of(delta):
            events += self._call(piece)
        self._finish = str(choice.get("finish_reason") or self._finish)
        return events

    def end(self) -> list[dict[str, Any]]:
        """The end of the last block and of the message."""
        if not self._finish:
            raise BrokenAnswerError("the provider's stream ended without an end")
        stop = _stop_reason(self._finish, refused=self._refused)
        return [
            *self._closed(),
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": usage_said(self._usage),
            },
            {"type": "message_stop"},
        ]

    def _text(self, text: str) -> list[dict[str, Any]]:
        events = []
        if self._open != TEXT:
            events += self._opened(TEXT, {"type": "text", "text": ""})
        return [*events, self._piece({"type": "text_delta", "text": text})]

    def _call(self, piece: Piece) -> list[dict[str, Any]]:
        events = []
        if self._open != piece.index:
            if piece.index in self._seen:
                raise BrokenAnswerError("the provider's stream goes back to an earlier call")
            self._seen.add(piece.index)
            block = {"type": "tool_use", "id": piece.call_id, "name": piece.name, "input": {}}
            events += self._opened(piece.index, block)
        if piece.arguments:
            delta = {"type": "input_json_delta", "partial_json": piece.arguments}
            events.append(self._piece(delta))
        return events

    def _opened(self, which: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
        events = self._closed()
        self._open = which
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return [*events, start]

    def _piece(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _closed(self) -> list[dict[str, Any]]:
        if self._open is None:
            return []
        self._open = None
        return [{"type": "content_block_stop", "index": self._index}]


_NO_USAGE: Final = {"usage": {"input_tokens": 0, "output_tokens": 0}}
