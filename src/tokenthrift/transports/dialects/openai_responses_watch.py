"""Watching a stream of Responses for calls of the recall tool: which events the caller sees.

What comes before the first word is held back, and reasoning until it is known what it led to. If a
recall comes first, that stream leaves no trace. If the caller has seen words of it, later streams
go on under its id: their items are counted on, and the last event holds all that was shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tokenthrift.transports.dialects.openai_responses_items import (
    BEGINS,
    CALLS,
    ENDS,
    said_by,
    without_tool,
)
from tokenthrift.transports.dialects.seam import Debt
from tokenthrift.transports.reading import at, plain, put

if TYPE_CHECKING:
    from tokenthrift.transports.dialects.seam import Said


class ResponsesWatch:
    """What is known of the open stream of a call, and of those before it.

    Args:
        name: of the tool.

    Attributes:
        debt: calls that the caller does not see, and the id of the response that ended the call
            where the caller knows it by another one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._id: Any = None
        self._next = 0  # output index, as the caller counts
        self._spoke = False  # the caller has seen events of an earlier stream of this call
        self._shown: list[Any] = []  # finished items of those streams
        self.debt: Debt | None = None
        self._begin(may_recall=True)

    def _begin(self, *, may_recall: bool) -> None:
        self._may_recall = may_recall
        self._mode: Literal["open", "own", "recall"] = "open"
        self._held: list[Any] = []
        self._passed = False
        self._items: list[dict[str, Any]] = []
        self._own: list[Any] = []  # finished items of this stream that the caller sees
        self._hidden: dict[Any, str] = {}  # ids of recalls by their output indexes
        self._indexes: dict[Any, int] = {}
        self._response: Any = None

    def again(self, *, may_recall: bool) -> None:
        """The next stream of the same call is open."""
        if self._passed:
            self._spoke = True
            self._shown += self._own
        self._begin(may_recall=may_recall)

    def feed(self, event: Any) -> list[Any]:
        """What the caller is to see now that an event has come."""
        kind = str(at(event, "type") or "")
        item = at(event, "item")
        if kind == "response.output_item.done":
            self._items.append(plain(item))
        if kind in ENDS:
            self._response = at(event, "response")
        if kind == "response.output_item.added" and at(item, "type") in CALLS:
            if self._mode == "open":
                mine = at(item, "name") == self._name and self._may_recall
                self._mode = "recall" if mine else "own"
            if at(item, "name") == self._name:
                self._hidden[at(event, "output_index")] = str(at(item, "call_id"))
        if self._mode == "recall":
            self._held.clear()
            return []
        if at(event, "output_index") in self._hidden:
            return []
        if kind in ENDS and self._hidden:  # what led to a recall leads nowhere
            self._held = [e for e in self._held if not _thinks(e)]
        if _thinks(event) or (not self._passed and _waits(kind, item)):
            self._held.append(event)
            return []
        return self._pass([*self._held, event])

    def end(self) -> tuple[list[Any], Said | None]:
        """The stream is over: what is left to see, and the recall it asks for, if any."""
        if self._mode == "recall":
            final = [plain(item) for item in at(self._response, "output") or ()]
            return [], said_by(final or self._items)
        return self._pass(self._held), None

    def _pass(self, events: list[Any]) -> list[Any]:
        self._held = []
        shown = [e for e in events if self._is_shown(e)]
        self._passed = self._passed or bool(shown)
        return shown

    def _is_shown(self, event: Any) -> bool:
        """Whether an event is the caller's; it is told as part of the one stream."""
        kind = str(at(event, "type") or "")
        index = at(event, "output_index")
        if index is not None:
            number = self._indexes.get(index)
            if number is None:
                number = self._indexes[index] = self._next
                self._next += 1
            if number != index:
                put(event, "output_index", number)
        if kind == "response.output_item.done":
            self._own.append(at(event, "item"))
        response = at(event, "response")
        if response is None:
            return True
        return self._is_told(kind, response)

    def _is_told(self, kind: str, response: Any) -> bool:
        """Of what an event says of its response; there is one beginning, and one id."""
        without_tool(response, self._name)
        own = at(response, "id")
        if kind in BEGINS and self._spoke:
            return False
        if not self._spoke:
            self._id = own
        elif own != self._id:
            put(response, "id", self._id)
        if kind in ENDS and (own != self._id or self._hidden):
            self.debt = Debt(str(self._id), str(own), tuple(self._hidden.values()))
        if kind in ENDS and self._spoke:
            put(response, "output", [*self._shown, *(at(response, "output") or ())])
        return True


def _waits(kind: str, item: Any) -> bool:
    """Whether an event may yet turn out to belong to a recall that nobody sees."""
    if kind in BEGINS or kind == "response.content_part.added":
        return True
    items = ("response.output_item.added", "response.output_item.done")
    return kind in items and at(item, "type") == "message"


def _thinks(event: Any) -> bool:
    """Whether an event is of reasoning, which belongs to whatever follows it."""
    kind = str(at(event, "type") or "")
    return kind.startswith("response.reasoning") or at(at(event, "item"), "type") == "reasoning"
