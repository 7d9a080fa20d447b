"""Chat Completions, as OpenAI's and litellm's SDKs and plain JSON give them.

Their objects have the same attributes, so this is duck-typed and imports neither.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.route import Answer, CalledTool
from tokenthrift.transports.dialects.openai_chat_pieces import (
    SPOKEN,
    chat_text,
    functions,
    has_nothing_to_say,
    index_of,
    name_of,
    plain_call,
    said_by,
)
from tokenthrift.transports.dialects.openai_chat_watch import ChatWatch
from tokenthrift.transports.dialects.seam import Key, Said, Spot
from tokenthrift.transports.reading import (
    at,
    body_of,
    is_stream,
    plain_usage,
    put,
    rewritten,
    with_tier,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tokenthrift.transports.dialects.seam import Debt

CALLED: Final = (("function", "arguments"), ("custom", "input"))
# What a message must bring back to the provider beside its text and calls (Anthropic's thinking).
CARRIED: Final = ("thinking_blocks",)


class ChatAnswers:
    """The dialect of ``openai-chat`` (source: OpenAI API reference, Chat)."""

    name = "openai-chat"
    asks_usage = True
    no_calls: Any = "none"

    def usage(self, answer: Any, /) -> dict[str, Any] | None:
        """The ``usage`` of an answer or a chunk."""
        body = body_of(answer)
        usage = plain_usage(at(body, "usage"))
        # litellm fills in zeros where the provider said nothing; no prompt has no tokens.
        if usage is None or not (usage.get("prompt_tokens") or usage.get("completion_tokens")):
            return None
        return with_tier(usage, body)

    def opening_usage(self, _event: Any, /) -> None:
        """Nothing: usage comes in one piece."""

    def without_usage(self, event: Any, /) -> bool:
        """Take the usage out of a chunk; OpenAI's and litellm's last ones hold nothing else."""
        if at(event, "usage") is not None:
            if has_nothing_to_say(event):
                return False
            put(event, "usage", None)
        if isinstance(event, dict):
            event.pop("usage", None)
        fields_set = getattr(event, "model_fields_set", None)
        if isinstance(fields_set, set):
            fields_set.discard("usage")  # so that dumps of set fields are what they would be
        return True

    def text(self, answer: Any, /) -> str:
        """Contents, refusals, reasoning, names and arguments of calls."""
        return chat_text(body_of(answer))

    def answer(self, answer: Any, /) -> Answer | None:
        """The first choice of a whole answer."""
        if answer is None or is_stream(answer):
            return None
        choices = list(at(body_of(answer), "choices") or ())
        if not choices:
            return Answer()
        message = at(choices[0], "message")
        return Answer(
            text=str(at(message, "content") or ""),
            calls=tuple(
                CalledTool(str(at(f, "name") or ""), str(at(f, "arguments") or ""))
                for f in functions(message)
            ),
            finish=str(at(choices[0], "finish_reason") or ""),
            refusal=str(at(message, "refusal") or ""),
        )

    def answer_of(self, events: Iterable[Any], /) -> Answer:
        """The first choice of a stream."""
        text, refusal, finish = "", "", ""
        calls: dict[int, tuple[str, str]] = {}
        for event in events:
            for choice in [c for c in at(event, "choices") or () if not at(c, "index")]:
                delta = at(choice, "delta")
                text += str(at(delta, "content") or "")
                refusal += str(at(delta, "refusal") or "")
                finish = str(at(choice, "finish_reason") or finish)
                for n, call in enumerate(at(delta, "tool_calls") or ()):
                    place, function = index_of(call, n), at(call, "function")
                    name, arguments = calls.get(place, ("", ""))
                    calls[place] = (
                        name + str(at(function, "name") or ""),
                        arguments + str(at(function, "arguments") or ""),
                    )
        return Answer(text, tuple(CalledTool(*calls[n]) for n in sorted(calls)), finish, refusal)

    # ------------------------------------------------------------------------------------- recalls
    def said(self, answer: Any, /) -> Said | None:
        """The message of the first choice that calls tools."""
        if answer is None or is_stream(answer):
            return None
        for choice in at(body_of(answer), "choices") or ():
            message = at(choice, "message")
            calls = [plain_call(c) for c in at(message, "tool_calls") or ()]
            if calls:
                carried = {k: at(message, k) for k in CARRIED if at(message, k)}
                content = at(message, "content") or None
                return said_by({"role": "assistant", "content": content, **carried}, calls)
        return None

    def without_calls(self, answer: Any, name: str, /) -> None:
        """Take the calls of a tool out of every choice."""

        def strip(body: Any) -> bool:
            return sum(_strip(choice, name) for choice in at(body, "choices") or ()) > 0

        rewritten(answer, strip)

    def debt(self, _answer: Any, _name: str, /) -> None:
        """Nothing: whole conversations are sent."""

    def going_on_from(self, _body: Mapping[str, Any], /) -> str:
        """Nothing."""
        return ""

    def paid(self, body: Mapping[str, Any], _debt: Debt, /) -> Mapping[str, Any]:
        """The body itself."""
        return body

    def exchange(self, said: Said, name: str, results: Sequence[str], /) -> list[dict[str, Any]]:
        """The assistant's message with the calls of one tool, then a message for each result."""
        (message,) = said.items
        calls = [c for c in message["tool_calls"] if name_of(c) == name]
        made = [
            {"role": "tool", "tool_call_id": call.get("id"), "content": text}
            for call, text in zip(calls, results, strict=True)
        ]
        return [{**message, "tool_calls": calls}, *made]

    def going_on(
        self, body: Mapping[str, Any], exchange: Sequence[Mapping[str, Any]], /
    ) -> Mapping[str, Any]:
        """The exchange behind the messages."""
        return {**body, "messages": [*body["messages"], *exchange]}

    def watch(self, name: str, /) -> ChatWatch:
        """A watch for calls of a tool."""
        return ChatWatch(name)

    # ----------------------------------------------------------------------------------- restoring
    def spots(self, answer: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Contents, refusals, reasoning, arguments of every choice."""
        for n, choice in enumerate(at(answer, "choices") or ()):
            yield from _spots(at(choice, "message"), (n,), json_text=json_text)

    def pieces(self, event: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """The same of every delta."""
        for choice in at(event, "choices") or ():
            key = (at(choice, "index") or 0,)
            yield from _spots(at(choice, "delta"), key, json_text=json_text)

    def ended(self, event: Any, /) -> Iterator[Key]:
        """Choices that say why they ended."""
        for choice in at(event, "choices") or ():
            if at(choice, "finish_reason"):
                yield (at(choice, "index") or 0,)

    def leftover(self, event: Any, key: Key, text: str, /) -> Any:
        """A chunk like another one, with one piece in the delta of one choice."""
        chunk = deepcopy(event)
        choices = [c for c in at(chunk, "choices") if (at(c, "index") or 0) == key[0]]
        put(chunk, "choices", choices)
        for choice in choices:
            put(choice, "finish_reason", None)
            _leave(at(choice, "delta"), key, text)
        if at(chunk, "usage") is not None:
            put(chunk, "usage", None)
        return chunk

    def numbered(self, _event: Any, _number: int, /) -> None:
        """Chunks have no numbers."""


def _strip(choice: Any, name: str) -> bool:
    message = at(choice, "message")
    calls = list(at(message, "tool_calls") or ())
    kept = [c for c in calls if name_of(c) != name]
    if len(kept) == len(calls):
        return False
    put(message, "tool_calls", kept or None)
    if not kept and at(choice, "finish_reason") == "tool_calls":
        put(choice, "finish_reason", "stop")
    return True


def _spots(message: Any, key: Key, *, json_text: bool) -> Iterator[Spot]:
    for name in SPOKEN:
        yield Spot((*key, name), message, name, json_text and name == "content")
    for n, call in enumerate(at(message, "tool_calls") or ()):
        for kind, name in CALLED:
            place = (*key, "tool_calls", index_of(call, n), kind)
            yield Spot(place, at(call, kind), name, kind == "function")
    yield Spot((*key, "function_call"), at(message, "function_call"), "arguments", in_json=True)


def _leave(delta: Any, wanted: Key, text: str) -> None:
    """Make a delta say one thing only."""
    calls = list(at(delta, "tool_calls") or ())
    for spot in _spots(delta, wanted[:1], json_text=False):
        if isinstance(at(spot.owner, str(spot.name)), str):
            put(spot.owner, spot.name, text if spot.key == wanted else None)
    own = [c for n, c in enumerate(calls) if wanted[1:3] == ("tool_calls", index_of(c, n))]
    for call in own:
        put(call, "id", None)
        for kind, _ in CALLED:
            if at(call, kind) is not None:
                put(at(call, kind), "name", None)
    if calls:
        put(delta, "tool_calls", own or None)
    if at(delta, "role") is not None:
        put(delta, "role", None)
