"""Chat's answers retold as OpenAI Responses: a response, or its events.

Source: OpenAI API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.bridges.calls import choice_of, pieces_of
from tokenthrift.transports.bridges.seam import BrokenAnswerError
from tokenthrift.wire.reading import mapped
from tokenthrift.wire.usages import usage_of_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.transports.bridges.calls import Piece

REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What a response says again of its request, and what it says where the request does not.
ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
}
# Of message parts: where their texts stand.
PARTS: Final = {"output_text": "text", "refusal": "refusal"}


def response_of(chat: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """A whole answer.

    Raises:
        BrokenAnswerError: it holds no choice.
    """
    choice = choice_of(chat)
    message, finish = mapped(choice.get("message")), str(choice.get("finish_reason"))
    if not message:
        raise BrokenAnswerError("the provider's answer holds no choice")
    told = _Items(str(chat.get("id") or ""), "incomplete" if finish in REASONS else "completed")
    told.add_parts(message)
    for piece in pieces_of(message):
        told.items.append(told.call(piece, piece.arguments))
    return _ended(_head(chat, body), told.items, finish, mapped(chat.get("usage")))


def usage_said(usage: Mapping[str, Any]) -> dict[str, Any]:
    """A usage as Responses say it."""
    found = usage_of_report(usage)
    return {
        "input_tokens": found.input_tokens,
        "input_tokens_details": {
            "cached_tokens": found.cache_read_tokens,
            "cache_write_tokens": found.cache_write_tokens,
        },
        "output_tokens": found.output_tokens,
        "output_tokens_details": {"reasoning_tokens": found.reasoning_tokens},
        "total_tokens": found.input_tokens + found.output_tokens,
    }


def _head(said: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    echoed = {k: v if body.get(k) is None else body[k] for k, v in ECHOED.items()}
    return {
        "id": f"resp_{said.get('id') or ''}",
        "object": "response",
        "created_at": said.get("created") or 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": str(said.get("model") or ""),
        "output": [],
        "previous_response_id": None,
        "service_tier": "default",
        "store": False,
        "truncation": "disabled",
        **echoed,
        "usage": None,
    }


def _ended(
    head: Mapping[str, Any],
    items: list[dict[str, Any]],
    finish: str,
    usage: Mapping[str, Any],
) -> dict[str, Any]:
    why = REASONS.get(finish)
    return {
        **head,
        "status": "incomplete" if why else "completed",
        "incomplete_details": {"reason": why} if why else None,
        "output": items,
        "usage": usage_said(usage) if usage else None,
    }


class _Items:
    """The output items of one answer, in order."""

    def __init__(self, answer_id: str, status: str) -> None:
        self._id = answer_id
        self._status = status
        self.items: list[dict[str, Any]] = []

    def message(self, parts: list[dict[str, Any]], status: str = "") -> dict[str, Any]:
        """A message at the end of the list."""
        return {
            "id": f"msg_{self._id}_{len(self.items)}",
            "type": "message",
            "role": "assistant",
            "status": status or self._status,
            "content": parts,
        }

    def call(self, piece: Piece, arguments: str, status: str = "") -> dict[str, Any]:
        """A call at the end of the list."""
        return {
            "id": f"fc_{self._id}_{len(self.items)}",
            "type": "function_call",
            "call_id": piece.call_id,
            "name": piece.name,
            "arguments": arguments,
            "status": status or self._status,
        }

    def add_parts(self, message: Mapping[str, Any]) -> None:
        """The text and the refusal of a whole message, as one item."""
        found = [("output_text", message.get("content")), ("refusal", message.get("refusal"))]
        parts = [part_of(kind, str(text)) for kind, text in found if text]
        if parts:
            self.items.append(self.message(parts))


def part_of(kind: str, text: str) -> dict[str, Any]:
    """A part of a message."""
    more: dict[str, Any] = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
    return {"type": kind, PARTS[kind]: text, **more}


class ResponsesTelling:
    """Retells one stream: one item at a time, in the order in which they begin.

    Args:
        body: that it answers.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._head: dict[str, Any] = {}
        self._items = _Items("", "completed")
        self._part = ""  # the kind of the part that is open
        self._call: Piece | None = None  # that is open
        self._text = ""  # of what is open
        self._seen: set[int] = set()
        self._finish = ""
        self._usage: Mapping[str, Any] = {}
        self._told = 0

    def tell(self, chunk: Mapping[str, Any], /) -> list[dict[str, Any]]:
        """The events that a chunk comes to."""
        events: list[dict[str, Any]] = []
        if not self._head:
            self._head = _head(chunk, self._body)
            self._items = _Items(str(chunk.get("id") or ""), "completed")
            begun = ("response.created", "response.in_progress")
            events += ({"type": name, "response": dict(self._head)} for name in begun)
        self._usage = mapped(chunk.get("usage")) or self._usage
        choice = choice_of(chunk)
        delta = mapped(choice.get("delta"))
        for kind, key in (("output_text", "content"), ("refusal", "refusal")):
            if delta.get(key):
                events += self._said(kind, str(delta[key]))
        for piece in pieces_of(delta):
            events += self._called(piece)
        self._finish = str(choice.get("finish_reason") or self._finish)
        return self._numbered(events)

    def end(self) -> list[dict[str, Any]]:
        """The end of the last item and of the response."""
        if not self._finish:
            raise BrokenAnswerError("the provider's stream ended without an end")
        events = self._closed("incomplete" if self._finish in REASONS else "completed")
        response = _ended(self._head, self._items.items, self._finish, self._usage)
        events.append({"type": f"response.{response['status']}", "response": response})
        return self._numbered(events)

    # ------------------------------------------------------------------------------------ inside
    def _numbered(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = [{**e, "sequence_number": n} for n, e in enumerate(events, self._told)]
        self._told += len(events)
        return made

    def _said(self, kind: str, text: str) -> list[dict[str, Any]]:
        events = []
        if self._part != kind:
            events += self._closed("completed")
            self._part, self._text = kind, ""
            events.append(self._added(self._items.message([], "in_progress")))
            events.append(
                {"type": "response.content_part.added", **self._at, "part": part_of(kind, "")}
            )
        self._text += text
        return [
            *events,
            {"type": f"{_PREFIX[kind]}.delta", **self._at, "delta": text, **self._more},
        ]

    def _called(self, piece: Piece) -> list[dict[str, Any]]:
        events = []
        if self._call is None or self._call.index != piece.index:
            if piece.index in self._seen:
                raise BrokenAnswerError("the provider's stream goes back to an earlier call")
            events += self._closed("completed")
            self._seen.add(piece.index)
            self._call, self._text = piece, ""
            events.append(self._added(self._items.call(piece, "", "in_progress")))
        if piece.arguments:
            self._text += piece.arguments
            name = "response.function_call_arguments.delta"
            events.append({"type": name, **self._place, "delta": piece.arguments})
        return events

    def _closed(self, status: str) -> list[dict[str, Any]]:
        """The events that end what is open, which then is an item of the response."""
        if self._call is not None:
            item = self._items.call(self._call, self._text, status)
            done = {"arguments": self._text, "name": self._call.name}
            name = "response.function_call_arguments.done"
            events = [{"type": name, **self._place, **done}]
        elif self._part:
            part = part_of(self._part, self._text)
            item = self._items.message([part], status)
            said = {PARTS[self._part]: self._text, **self._more}
            events = [
                {"type": f"{_PREFIX[self._part]}.done", **self._at, **said},
                {"type": "response.content_part.done", **self._at, "part": part},
            ]
        else:
            return []
        events.append({"type": "response.output_item.done", **self._index, "item": item})
        self._items.items.append(item)
        self._call, self._part = None, ""
        return events

    def _added(self, item: dict[str, Any]) -> dict[str, Any]:
        self._item_id = item["id"]
        return {"type": "response.output_item.added", **self._index, "item": item}

    @property
    def _index(self) -> dict[str, Any]:
        return {"output_index": len(self._items.items)}

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item_id, **self._index}

    @property
    def _at(self) -> dict[str, Any]:
        return {**self._place, "content_index": 0}

    @property
    def _more(self) -> dict[str, Any]:
        return {"logprobs": []} if self._part == "output_text" else {}


_PREFIX: Final = {"output_text": "response.output_text", "refusal": "response.refusal"}
