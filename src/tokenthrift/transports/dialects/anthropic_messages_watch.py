"""Watching a stream of Messages for calls of the recall tool: which events the caller sees.

The beginning flows at once, and so does text; thinking waits until something is said, for the
thinking before a recall belongs to a message that nobody sees. From a recall call on, everything is
held back. Later streams go on in the same message: their blocks are counted on, and its end tells
of their own usage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from tokenthrift.transports.dialects.anthropic_messages_blocks import CALLED, Assembly, said_by
from tokenthrift.transports.reading import at, plain_usage, put

if TYPE_CHECKING:
    from tokenthrift.transports.dialects.seam import Debt, Said

THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})
# Of the input, in the usage of `message_start`; the end of a message may say them again.
INPUTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class MessagesWatch:
    """What is known of the open stream of a call, and of those before it.

    Args:
        name: of the tool.
    """

    debt: Debt | None = None  # whole conversations are sent

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = False  # the caller has seen a `message_start`
        self._next = 0  # index of a block, as the caller counts
        self._begin(may_recall=True)

    def _begin(self, *, may_recall: bool) -> None:
        self._may_recall = may_recall
        self._mode: Literal["open", "own", "recall"] = "open"
        self._made = Assembly()
        self._held: list[Any] = []
        self._spoke = False
        self._hidden: set[Any] = set()  # indexes of recalls
        self._calls_own = False
        self._indexes: dict[Any, int] = {}
        self._opening: dict[str, Any] | None = None  # usage of a beginning that nobody sees

    def again(self, *, may_recall: bool) -> None:
        """The next stream of the same call is open."""
        self._begin(may_recall=may_recall)

    def feed(self, event: Any) -> list[Any]:
        """What the caller is to see now that an event has come."""
        self._made.feed(event)
        kind, block = at(event, "type"), at(event, "content_block")
        if kind == "content_block_start" and at(block, "type") == CALLED:
            mine = at(block, "name") == self._name
            if self._mode == "open":
                self._mode = "recall" if mine and self._may_recall else "own"
            if mine:
                self._hidden.add(at(event, "index"))
            else:
                self._calls_own = True
        if kind == "ping":
            return [event] if self._started else []
        if kind == "message_start":
            return self._start(event)
        if self._mode == "recall":
            self._held.clear()
            return []
        thinks = kind == "content_block_start" and at(block, "type") in THOUGHTS
        if not self._spoke and (thinks or self._held) and not _speaks(event):
            self._held.append(event)
            return []
        return self._pass([*self._held, event])

    def end(self) -> tuple[list[Any], Said | None]:
        """The stream is over: what is left to see, and the recall it asks for, if any."""
        if self._mode == "recall":
            return [], said_by(self._made.blocks)
        return self._pass(self._held), None

    def _start(self, event: Any) -> list[Any]:
        if self._started:
            self._opening = plain_usage(at(at(event, "message"), "usage"))
            return []
        self._started = True
        return [event]

    def _pass(self, events: list[Any]) -> list[Any]:
        self._held = []
        self._spoke = True
        return [e for e in events if self._is_shown(e)]

    def _is_shown(self, event: Any) -> bool:
        """Whether an event is the caller's; it is told as part of the one message."""
        index = at(event, "index")
        if index is not None:
            if index in self._hidden:
                return False
            number = self._indexes.get(index)
            if number is None:
                number = self._indexes[index] = self._next
                self._next += 1
            if number != index:
                put(event, "index", number)
        if at(event, "type") == "message_delta":
            self._finish(event)
        return True

    def _finish(self, event: Any) -> None:
        """The end says why, and what this last stream took."""
        delta = at(event, "delta")
        if at(delta, "stop_reason") == CALLED and self._hidden and not self._calls_own:
            put(delta, "stop_reason", "end_turn")
        usage, opening = at(event, "usage"), self._opening or {}
        for name in INPUTS if usage is not None else ():
            if at(usage, name) is None and opening.get(name) is not None:
                put(usage, name, opening[name])


def _speaks(event: Any) -> bool:
    """Whether an event is of something else than thinking."""
    kind = at(event, "type")
    if kind == "content_block_start":
        return at(at(event, "content_block"), "type") not in THOUGHTS
    return kind in ("message_delta", "message_stop")
