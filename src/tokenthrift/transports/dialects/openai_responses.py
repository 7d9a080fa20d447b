"""OpenAI Responses: output items, and events from ``response.created`` to the one that ends it.

Reasoning, compactions and what the provider's own tools made are opaque: they are neither counted
as text nor restored, and go back as they came.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.route import Answer, CalledTool
from tokenthrift.transports.dialects.openai_responses_items import (
    CALLS,
    ENDS,
    followed,
    is_call_of,
    items_of,
    said_by,
    without_tool,
)
from tokenthrift.transports.dialects.openai_responses_watch import ResponsesWatch
from tokenthrift.transports.dialects.seam import Debt, Key, Said, Spot
from tokenthrift.transports.reading import (
    at,
    body_of,
    is_stream,
    plain,
    plain_usage,
    put,
    rewritten,
    with_tier,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# What comes in pieces: the event, and the key under which its whole text stands in the last one.
DELTAS: Final = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}
UNANSWERED: Final = "Not fetched. Ask again if the answer needs it."
SPOKEN: Final = ("text", "refusal")
THOUGHTS: Final = frozenset(
    {"response.reasoning_text.delta", "response.reasoning_summary_text.delta"}
)
# Why a response is incomplete, in Chat's words.
REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesAnswers:
    """The dialect of ``openai-responses`` (source: OpenAI API reference, Responses)."""

    name = "openai-responses"
    asks_usage = False
    no_calls: Any = "none"

    def usage(self, answer: Any, /) -> dict[str, Any] | None:
        """The ``usage`` of a response, or of the one in the event that ends a stream."""
        body = _response(answer)
        usage = plain_usage(at(body, "usage"))
        if usage is None or not (usage.get("input_tokens") or usage.get("output_tokens")):
            return None
        return with_tier(usage, body)

    def opening_usage(self, _event: Any, /) -> None:
        """Nothing: usage comes at the end."""

    def without_usage(self, _event: Any, /) -> bool:
        """The usage is always the caller's."""
        return True

    def text(self, answer: Any, /) -> str:
        """Texts, refusals, names and arguments; of an event only what it brings anew."""
        body = body_of(answer)
        kind = at(body, "type")
        if kind == "response.output_item.added":
            return str(at(at(body, "item"), "name") or "")
        if isinstance(kind, str) and (kind in THOUGHTS or _delta_of(kind) is not None):
            return str(at(body, "delta") or "")
        return "".join(_texts(at(body, "output") or ()))

    def answer(self, answer: Any, /) -> Answer | None:
        """A whole response."""
        if answer is None or is_stream(answer):
            return None
        return _answer(_response(answer))

    def answer_of(self, events: Iterable[Any], /) -> Answer:
        """The response in the event that ends a stream; what was said so far where none does."""
        text = ""
        for event in events:
            if at(event, "type") in ENDS:
                return _answer(at(event, "response"))
            text += self.text(event)
        return Answer(text)

    # ------------------------------------------------------------------------------------- recalls
    def said(self, answer: Any, /) -> Said | None:
        """The output items of a response that calls functions."""
        if answer is None or is_stream(answer):
            return None
        return said_by([plain(item) for item in at(body_of(answer), "output") or ()])

    def without_calls(self, answer: Any, name: str, /) -> None:
        """Take the calls of a tool out of the output, and the tool out of what was offered."""
        rewritten(answer, lambda body: without_tool(body, name))

    def debt(self, answer: Any, name: str, /) -> Debt | None:
        """Calls of a tool in a response that the provider may hold."""
        body = body_of(answer)
        calls = [i for i in at(body, "output") or () if is_call_of(i, name)]
        held = str(at(body, "id") or "")
        return Debt(held, held, tuple(str(at(c, "call_id")) for c in calls)) if calls else None

    def going_on_from(self, body: Mapping[str, Any], /) -> str:
        """The ``previous_response_id``."""
        return str(body.get("previous_response_id") or "")

    def paid(self, body: Mapping[str, Any], debt: Debt, /) -> Mapping[str, Any]:
        """The id that the provider knows, and a result for every call that nobody answered."""
        made = [
            {"type": "function_call_output", "call_id": call_id, "output": UNANSWERED}
            for call_id in debt.call_ids
        ]
        return {
            **body,
            "previous_response_id": debt.held,
            "input": [*made, *items_of(body)] if made else body.get("input"),
        }

    def exchange(self, said: Said, name: str, results: Sequence[str], /) -> list[dict[str, Any]]:
        """The items as they came, with the calls of one tool only, then their outputs."""
        kept = [dict(i) for i in said.items if i.get("type") not in CALLS or i.get("name") == name]
        calls = [c for c in said.calls if c.name == name]
        made = [
            {"type": "function_call_output", "call_id": call.call_id, "output": text}
            for call, text in zip(calls, results, strict=True)
        ]
        return [*followed(kept), *made]

    def going_on(
        self, body: Mapping[str, Any], exchange: Sequence[Mapping[str, Any]], /
    ) -> Mapping[str, Any]:
        """The exchange behind the input; what the provider holds before it stays where it is.

        Where the provider stores nothing, items that only it can resolve by their id are no use to
        it: reasoning that is not sealed goes, and ids go with it.
        """
        items = list(exchange)
        if body.get("store") is False:
            items = [
                {k: v for k, v in item.items() if k != "id" or item.get("type") == "reasoning"}
                for item in items
                if item.get("type") != "reasoning" or item.get("encrypted_content")
            ]
        return {**body, "input": [*items_of(body), *items]}

    def watch(self, name: str, /) -> ResponsesWatch:
        """A watch for calls of a tool."""
        return ResponsesWatch(name)

    # ----------------------------------------------------------------------------------- restoring
    def spots(self, answer: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Texts, refusals and arguments of every output item."""
        for item in at(answer, "output") or ():
            yield from _of_item(item, json_text=json_text)

    def pieces(self, event: Any, /, *, json_text: bool) -> Iterator[Spot]:
        """Deltas are pieces; everything else stands whole in its event."""
        kind = str(at(event, "type") or "")
        name = _delta_of(kind)
        in_json = kind.startswith("response.function_call") or (
            json_text and kind.startswith("response.output_text")
        )
        if name is not None:
            yield Spot(_key(event), event, "delta", in_json)
        elif _done_of(kind) is not None:
            yield Spot((), event, DELTAS[kind.removesuffix(".done")], in_json)
        elif kind.startswith("response.content_part."):
            yield from _of_part(at(event, "part"), json_text=json_text)
        elif kind.startswith("response.output_item."):
            yield from _of_item(at(event, "item"), json_text=json_text)
        elif kind in ENDS:
            yield from self.spots(at(event, "response"), json_text=json_text)

    def ended(self, event: Any, /) -> Iterator[Key]:
        """The text that an event says is done."""
        if _done_of(str(at(event, "type") or "")) is not None:
            yield _key(event)

    def leftover(self, event: Any, _key: Key, text: str, /) -> Any:
        """A delta like another one."""
        made = deepcopy(event)
        put(made, "delta", text)
        if at(made, "logprobs"):
            put(made, "logprobs", [])
        return made

    def numbered(self, event: Any, number: int, /) -> None:
        """Set the ``sequence_number``."""
        if at(event, "sequence_number") not in (None, number):
            put(event, "sequence_number", number)


def _response(answer: Any) -> Any:
    """The response of an answer; of an event the one in it."""
    body = body_of(answer)
    return at(body, "response") if at(body, "type") in ENDS else body


def _answer(body: Any) -> Answer:
    items = list(at(body, "output") or ())
    parts = [p for i in items if at(i, "type") == "message" for p in at(i, "content") or ()]
    calls = tuple(
        CalledTool(str(at(i, "name") or ""), str(at(i, CALLS[at(i, "type")]) or ""))
        for i in items
        if at(i, "type") in CALLS
    )
    reason = str(at(at(body, "incomplete_details"), "reason") or "")
    finish = REASONS.get(reason, reason) or ("tool_calls" if calls else "stop")
    return Answer(
        text="".join(str(at(p, "text") or "") for p in parts),
        calls=calls,
        finish="error" if at(body, "status") == "failed" else finish,
        refusal="".join(str(at(p, "refusal") or "") for p in parts),
    )


def _texts(items: Iterable[Any]) -> Iterator[str]:
    for item in items:
        for part in at(item, "content") or ():
            yield from (str(at(part, name) or "") for name in SPOKEN)
        if at(item, "type") in CALLS:
            yield str(at(item, "name") or "") + str(at(item, CALLS[at(item, "type")]) or "")


def _of_item(item: Any, *, json_text: bool) -> Iterator[Spot]:
    kind = at(item, "type")
    if kind == "message":
        for part in at(item, "content") or ():
            yield from _of_part(part, json_text=json_text)
    elif kind in CALLS:
        yield Spot((), item, CALLS[kind], in_json=kind == "function_call")


def _of_part(part: Any, *, json_text: bool) -> Iterator[Spot]:
    for name in SPOKEN:
        if at(part, "type") != "reasoning_text":
            yield Spot((), part, name, json_text and name == "text")


def _delta_of(kind: str) -> str | None:
    """The key of the whole text that an event brings a piece of."""
    return DELTAS.get(kind.removesuffix(".delta")) if kind.endswith(".delta") else None


def _done_of(kind: str) -> str | None:
    return DELTAS.get(kind.removesuffix(".done")) if kind.endswith(".done") else None


def _key(event: Any) -> Key:
    """Of the text that an event is about."""
    kind = str(at(event, "type")).rpartition(".")[0]
    return (at(event, "output_index"), at(event, "content_index"), kind)
