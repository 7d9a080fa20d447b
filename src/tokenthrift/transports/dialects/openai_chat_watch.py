"""Watching a stream of Chat for calls of the recall tool: which chunks the caller sees, and when.

Text flows at once. Only what comes before the first word is held back, and everything from a recall
call on: the answer then goes on with another stream. Once a call of the caller's own tools has come
first, calls flow as well, and recalls beside it are taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tokenthrift.transports.dialects.openai_chat_pieces import (
    chat_text,
    index_of,
    name_of,
    plain_call,
    said_by,
)
from tokenthrift.transports.reading import at, put

if TYPE_CHECKING:
    from tokenthrift.transports.dialects.seam import Debt, Said


class ChatWatch:
    """What is known of the open stream of a call, and of those before it.

    Args:
        name: of the tool.
    """

    debt: Debt | None = None  # whole conversations are sent

    def __init__(self, name: str) -> None:
        self._name = name
        self._spoke = False  # the caller has seen chunks of an earlier stream of this call
        self._id: Any = None
        self._begin(may_recall=True)

    def _begin(self, *, may_recall: bool) -> None:
        self._may_recall = may_recall
        self._mode: Literal["open", "own", "recall"] = "open"
        self._held: list[Any] = []
        self._passed = False
        self._text: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._numbers: dict[int, int] = {}  # of the caller's own calls, as the caller counts them

    def again(self, *, may_recall: bool) -> None:
        """The next stream of the same call is open."""
        self._spoke = self._spoke or self._passed
        self._begin(may_recall=may_recall)

    def feed(self, chunk: Any) -> list[Any]:
        """What the caller is to see now that a chunk has come."""
        choice = next(iter(at(chunk, "choices") or ()), None)
        delta = at(choice, "delta")
        pieces = list(at(delta, "tool_calls") or ())
        self._collect(pieces)
        if self._mode == "recall":
            return []
        if pieces and self._mode == "open":
            first = name_of(next(iter(self._calls.values())))
            if len(first) < len(self._name) and self._name.startswith(first):
                self._held.append(chunk)  # names may come in pieces
                return []
            self._mode = "recall" if first == self._name and self._may_recall else "own"
            if self._mode == "recall":
                self._held.clear()
                return []
        finished = at(choice, "finish_reason")
        if not (self._passed or pieces or finished or chat_text(chunk)):
            self._held.append(chunk)
            return []
        self._text.append(str(at(delta, "content") or ""))
        return self._pass([*self._held, chunk])

    def end(self) -> tuple[list[Any], Said | None]:
        """The stream is over: what is left to see, and the recall it asks for, if any."""
        if self._mode == "recall":
            message = {"role": "assistant", "content": "".join(self._text) or None}
            return [], said_by(message, list(self._calls.values()))
        return self._pass(self._held), None

    def _collect(self, pieces: list[Any]) -> None:
        for piece in pieces:
            new = plain_call(piece)
            known = self._calls.setdefault(index_of(piece), new)
            if known is new:
                continue
            function, more = known.setdefault("function", {}), new.get("function") or {}
            for key in ("name", "arguments"):
                if more.get(key):
                    function[key] = (function.get(key) or "") + more[key]
            known.update({k: v for k, v in new.items() if k != "function" and not known.get(k)})

    def _pass(self, chunks: list[Any]) -> list[Any]:
        self._held = []
        seen = [c for c in chunks if self._is_seen(c)]
        for chunk in seen:
            self._id = self._id or at(chunk, "id")
            if self._spoke and at(chunk, "id") != self._id:
                put(chunk, "id", self._id)
        self._passed = self._passed or bool(seen)
        return seen

    def _is_seen(self, chunk: Any) -> bool:
        """Whether anything of a chunk is the caller's; recall calls are taken out of it."""
        choice = next(iter(at(chunk, "choices") or ()), None)
        delta = at(choice, "delta")
        pieces = list(at(delta, "tool_calls") or ())
        own = [p for p in pieces if name_of(self._calls[index_of(p)]) != self._name]
        for piece in own:
            number = self._numbers.setdefault(index_of(piece), len(self._numbers))
            if number != index_of(piece):
                put(piece, "index", number)
        finish = at(choice, "finish_reason")
        if len(own) < len(pieces):
            put(delta, "tool_calls", own or None)
            if not own and not finish and not chat_text(chunk):
                return False
        if finish == "tool_calls" and self._calls and not self._numbers:
            put(choice, "finish_reason", "stop")
        opens = choice is not None and not (own or finish or chat_text(chunk))
        return not (self._spoke and not self._passed and opens)  # one role is enough
