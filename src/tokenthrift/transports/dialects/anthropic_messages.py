"""Anthropic Messages: content blocks, and events from ``message_start`` to ``message_stop``.

Thinking is signed and what server tools say is sealed: neither is restored, both go back as they
came. Usage comes in two parts, at the beginning and at the end of a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.route import Answer, CalledTool
from tokenthrift.transports.dialects.anthropic_messages_blocks import Assembly, said_by, without
from tokenthrift.transports.dialects.anthropic_messages_watch import MessagesWatch
from tokenthrift.transports.dialects.seam import Key, Said, Spot
from tokenthrift.transports.reading import (
    at,
    body_of,
    is_stream,
    plain,
    plain_usage,
    put,
    rewritten,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tokenthrift.transports.dialects.seam import Debt

# Pieces of blocks: the delta's type, and the key that holds the piece.
DELTAS: Final = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
}
RESTORED: Final = {"text_delta": "text", "input_json_delta": "partial_json"}
CALLED: Final = "tool_use"
# Why a message ended, in Chat's words.
REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicAnswers:
    """The dialect of ``anthropic-messages`` (source: Anthropic API reference, Messages)."""

    name = "anthropic-messages"
    asks_usage = False
    no_calls: Any = {"type": "none"}  # noqa: RUF012 - it is never changed

    def usage(self, answer: Any, /) -> dict[str, Any] | None:
        """The ``usage`` of a message, or of the ``message_delta`` that ends one."""
        body = body_of(answer)
        usage = plain_usage(at(body, "usage"))
        if usage is None or not any(
            usage.get(key) for key in ("input_tokens", "output_tokens", "cache_read_input_tokens")
        ):
            return None
        return usage

    def opening_usage(self, event: Any, /) -> dict[str, Any] | None:
        """What ``message_start`` says: the input, and how it was served."""
        if at(event, "type") != "message_start":
            return None
        return plain_usage(at(at(event, "message"), "usage"))

    def without_usage(self, _event: Any, /) -> bool:
        """The usage is always the caller's."""
        return True

    def text(self, answer: Any, /) -> str:
        """Texts, thinking, names and inputs; of an event only what it brings anew."""
        body = body_of(answer)
        kind = at(body, "type")
        if kind == "content_block_delta":
            delta = at(body, "delta")
            return str(at(delta, DELTAS.get(str(at(delta, "type")), "")) or "")
        if kind == "content_block_start":
            return "".join(_said_in(at(body, "content_block")))
        return "".join(piece for block in at(body, "content") or () for piece in _said_in(block))

    def answer(self, answer: Any, /) -> Answer | None:
        """A whole message."""
        if answer is None or is_stream(answer):
            return None
        body = body_of(answer)
        return _answer([plain(b) for b in at(body, "content") or ()], at(body, "stop_reason"))

    def answer_of(self, events: Iterable[Any], /) -> Answer:
        """A message put together from its events."""
        made = Assembly()
        for event in events:
            made.feed(event)
        return _answer(made.blocks, made.stop_reason)

    # ------------------------------------------------------------------------------------- recalls
    def said(self, answer: Any, /) -> Said | None:
        """The content of a message that calls tools."""
        if answer is None or is_stream(answer):
            return None
        return said_by([plain(block) for block in at(body_of(answer), "content") or ()])

    def without_calls(self, answer: Any, name: str, /) -> None:
        """Take the calls of a tool out of the content."""
        rewritten(answer, lambda body: without(body, name))

    def debt(self, _answer: Any, _name: str, /) -> None:
        """Nothing: whole conversations are sent."""

    def going_on_from(self, _body: Mapping[str, Any], /) -> str:
        """Nothing."""
        return ""

    def paid(self, body: Mapping[str, Any], _debt: Debt, /) -> Mapping[str, Any]:
        """The body itself."""
        return body

    def exchange(self, said: Said, name: str, results: Sequence[str], /) -> list[dict[str, Any]]:
        """The model's message with the calls of one tool, then the results in a user message.

        Thinking comes back with its signature; blank texts are refused, so they stay behind.
        """
        kept = [
            dict(block)
            for block in said.items
            if (block.get("type") != CALLED or block.get("name") == name)
            and not (block.get("type") == "text" and not str(block.get("text") or "").strip())
        ]
        calls = [c for c in said.calls if c.name == name]
        made = [
            {"type": "tool_result", "tool_use_id": call.call_id, "content": text}
            for call, text in zip(calls, results, strict=True)
        ]
        return [{"role": "assistant", "content": kept}, {"role": "user", "content": made}]

    def going_on(
        self, body: Mapping[str, Any], exchange: Sequence[Mapping[str, Any]], /
    ) -> Mapping[str, Any]:
        """The exchange behind the messages."""
        return {**body, "messages": [*body["messages"], *exchange]}

    def watch(self, name: str, /) -> MessagesWatch:
        """A watch for calls of a tool."""
        return MessagesWatch(name)

    # ----------------------------------------------------------------------------------- restoring
    def spots(self, answer: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Texts, and every text in the inputs of calls."""
        for block in at(answer, "content") or ():
            yield from _of_block(block, json_text=json_text)

    def pieces(self, event: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Deltas of texts and inputs."""
        kind = at(event, "type")
        if kind == "content_block_delta":
            delta = at(event, "delta")
            name = RESTORED.get(str(at(delta, "type")))
            if name is not None:
                in_json = name == "partial_json" or json_text
                yield Spot((at(event, "index"),), delta, name, in_json)
        elif kind == "content_block_start":
            yield from _of_block(at(event, "content_block"), json_text=json_text)

    def ended(self, event: Any, /) -> Iterator[Key]:
        """The block that an event ends."""
        if at(event, "type") == "content_block_stop":
            yield (at(event, "index"),)

    def leftover(self, event: Any, _key: Key, text: str, /) -> Any:
        """A delta like another one."""
        made = deepcopy(event)
        delta = at(made, "delta")
        put(delta, RESTORED[str(at(delta, "type"))], text)
        return made

    def numbered(self, _event: Any, _number: int, /) -> None:
        """Events have no numbers."""


def _said_in(block: Any) -> Iterator[str]:
    yield from (str(at(block, name) or "") for name in ("text", "thinking"))
    if at(block, "type") == CALLED:
        made = at(block, "input")
        yield str(at(block, "name") or "") + (json.dumps(made) if made else "")


def _answer(blocks: Sequence[Mapping[str, Any]], reason: Any) -> Answer:
    text = "".join(str(b.get("text") or "") for b in blocks if b.get("type") == "text")
    return Answer(
        text=text,
        calls=tuple(
            CalledTool(str(b.get("name") or ""), _arguments(b))
            for b in blocks
            if b.get("type") == CALLED
        ),
        finish=REASONS.get(str(reason or ""), str(reason or "")),
        refusal=(text or "refused") if reason == "refusal" else "",
    )


def _arguments(block: Mapping[str, Any]) -> str:
    made = block.get("input")
    return made if isinstance(made, str) else json.dumps(made or {}, ensure_ascii=False)


def _of_block(block: Any, *, json_text: bool) -> Iterator[Spot]:
    kind = at(block, "type")
    if kind == "text":
        yield Spot((), block, "text", json_text)
    elif kind == CALLED:
        yield from _strings(block, "input", at(block, "input"))


def _strings(owner: Any, name: str | int, value: Any) -> Iterator[Spot]:
    """Every text below a value; they are no text of JSON, but its values."""
    if isinstance(value, str):
        yield Spot((), owner, name)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _strings(value, key, below)
    elif isinstance(value, list):
        for n, below in enumerate(value):
            yield from _strings(value, n, below)
