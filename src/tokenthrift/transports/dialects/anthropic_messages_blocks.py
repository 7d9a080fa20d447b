"""Content blocks of Messages: put together from events, and without the calls of a tool."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.dialects.seam import AskedCall, Said
from tokenthrift.transports.reading import at, plain, put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CALLED: Final = "tool_use"
# What a delta adds to its block, and where.
ADDED: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
INPUTS: Final = frozenset({CALLED, "server_tool_use", "mcp_tool_use"})


class Assembly:
    """A message as far as its events have come.

    Attributes:
        stop_reason: None until it ends.
    """

    def __init__(self) -> None:
        self.stop_reason: Any = None
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._json: dict[Any, str] = {}

    def feed(self, event: Any) -> None:
        """Add what an event brings."""
        kind, index = at(event, "type"), at(event, "index")
        if kind == "content_block_start":
            self._blocks[index] = deepcopy(plain(at(event, "content_block")))
        elif kind == "content_block_delta" and index in self._blocks:
            self._add(self._blocks[index], index, at(event, "delta"))
        elif kind == "message_delta":
            self.stop_reason = at(at(event, "delta"), "stop_reason")

    def _add(self, block: dict[str, Any], index: Any, delta: Any) -> None:
        kind = str(at(delta, "type"))
        if kind in ADDED:
            name = ADDED[kind]
            block[name] = str(block.get(name) or "") + str(at(delta, name) or "")
        elif kind == "input_json_delta":
            self._json[index] = self._json.get(index, "") + str(at(delta, "partial_json") or "")
        elif kind == "citations_delta":
            cited = plain(at(delta, "citation"))
            block["citations"] = [*(block.get("citations") or ()), cited]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """The content; the input of a call is its text where that is no object."""
        return [
            {**block, "input": _parsed(self._json[index])}
            if self._json.get(index) and block.get("type") in INPUTS
            else block
            for index, block in self._blocks.items()
        ]


def said_by(blocks: Sequence[Mapping[str, Any]]) -> Said | None:
    """What blocks say that call tools; None where they call none.

    An input that is no object, as the model did not finish it, goes back as an empty one.
    """
    calls = tuple(
        AskedCall(str(b.get("id") or ""), str(b.get("name") or ""), _arguments(b.get("input")))
        for b in blocks
        if b.get("type") == CALLED
    )
    items = [
        {**b, "input": {}}
        if b.get("type") == CALLED and not isinstance(b.get("input"), dict)
        else b
        for b in blocks
    ]
    return Said(tuple(items), calls) if calls else None


def without(message: Any, name: str) -> bool:
    """Take the calls of a tool out of a message; whether there was any."""
    blocks = list(at(message, "content") or ())
    kept = [b for b in blocks if at(b, "type") != CALLED or at(b, "name") != name]
    if len(kept) == len(blocks):
        return False
    put(message, "content", kept)
    if at(message, "stop_reason") == CALLED and not any(at(b, "type") == CALLED for b in kept):
        put(message, "stop_reason", "end_turn")
    return True


def _arguments(made: Any) -> str:
    return made if isinstance(made, str) else json.dumps(made or {}, ensure_ascii=False)


def _parsed(text: str) -> Any:
    try:
        made = json.loads(text)
    except ValueError:
        return text
    return made if isinstance(made, dict) else text
