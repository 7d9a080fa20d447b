"""Dialects on plain JSON: usage, texts, checks, restoring and watching, whatever the pieces."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_forms import MESSAGES, RESPONSES, WIRES, calls_in, put_together, raw_text
from strategies import examples
from tokenthrift.client.restoring import Restorer
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.errors import WireError
from tokenthrift.transports import dialect_of
from tokenthrift.transports.dialects.metering import Meter

SECRETS: Final = {"[secret-1]": 'a"b\n', "[secret-2]": "[secret-1]", "[secret-12]": "hunter2"}
WORDS = st.sampled_from([*SECRETS, "[secret-3]", "[secret-", "[", "]", "1", "x y", "日本", '\\"'])
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map("".join)
CUTS = st.lists(st.integers(0, 60), max_size=8)
TALKS = (RESPONSES, MESSAGES)
# A piece of an answer: what it is, and its text (of a call the arguments).
PART = st.one_of(
    st.tuples(st.just("text"), TEXTS),
    st.tuples(st.just("thought"), st.just("Hm.")),
    st.tuples(st.just("look"), TEXTS),
    st.tuples(st.just(NAME), st.just("12345678")),
)
PARTS = st.lists(PART, min_size=1, max_size=4)


def cut(text: str, cuts: list[int]) -> list[str]:
    """Pieces of a text."""
    ends = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)] or [""]


def events(wire: str, parts: list[tuple[str, str]], cuts: list[int], name: str) -> list[Any]:
    """The events of a stream of some wire; ``name`` makes its ids its own."""
    made = (_responses if wire == RESPONSES else _messages)(parts, cuts, name)
    copied: list[Any] = json.loads(json.dumps(made))  # no two events share an object
    return copied


def answer(wire: str, parts: list[tuple[str, str]], name: str) -> Any:
    """The same as a whole answer."""
    if wire == MESSAGES:
        return _message(parts, name)
    return events(wire, parts, [], name)[-1]["response"]


def _blocks(parts: list[tuple[str, str]], name: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for n, (kind, text) in enumerate(parts):
        if kind == "text":
            blocks.append({"type": "text", "text": text})
        elif kind == "thought":
            blocks.append({"type": "thinking", "thinking": text, "signature": f"s{name}{n}"})
        else:
            blocks.append(
                {"type": "tool_use", "id": f"{name}{n}", "name": kind, "input": {"id": text}}
            )
    return blocks


def _message(parts: list[tuple[str, str]], name: str) -> dict[str, Any]:
    calls = any(kind in ("look", NAME) for kind, _ in parts)
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": _blocks(parts, name),
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 2, "output_tokens": 7},
    }


def _messages(parts: list[tuple[str, str]], cuts: list[int], name: str) -> list[Any]:
    whole = _message(parts, name)
    opening = {**whole, "content": [], "stop_reason": None}
    opening["usage"] = {**whole["usage"], "output_tokens": 1}
    told: list[Any] = [{"type": "message_start", "message": opening}]
    for n, block in enumerate(whole["content"]):
        key = {"text": "text", "thinking": "thinking", "tool_use": "input"}[block["type"]]
        empty = {**block, key: {} if key == "input" else ""}
        told.append({"type": "content_block_start", "index": n, "content_block": empty})
        text = json.dumps(block[key], ensure_ascii=False) if key == "input" else block[key]
        kind = {"input": "input_json_delta"}.get(key, f"{key}_delta")
        field = "partial_json" if key == "input" else key
        told += [
            {"type": "content_block_delta", "index": n, "delta": {"type": kind, field: piece}}
            for piece in cut(text, cuts)
        ]
        told.append({"type": "content_block_stop", "index": n})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    told.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
    return [*told, {"type": "message_stop"}]


def _items(parts: list[tuple[str, str]], name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for n, (kind, text) in enumerate(parts):
        if kind == "text":
            part = {"type": "output_text", "text": text, "annotations": []}
            items.append(
                {"id": f"m{name}{n}", "type": "message", "role": "assistant", "content": [part]}
            )
        elif kind == "thought":
            items.append({"id": f"r{name}{n}", "type": "reasoning", "summary": []})
        else:
            made = {"id": f"f{name}{n}", "type": "function_call", "call_id": f"{name}{n}"}
            arguments = json.dumps({"id": text}, ensure_ascii=False)
            items.append({**made, "name": kind, "arguments": arguments})
    return items


def _responses(parts: list[tuple[str, str]], cuts: list[int], name: str) -> list[Any]:
    items = _items(parts, name)
    begun = {"id": f"resp_{name}", "status": "in_progress", "output": [], "tools": [{"name": NAME}]}
    told: list[Any] = [{"type": "response.created", "response": begun}]
    for n, item in enumerate(items):
        at: dict[str, Any] = {"output_index": n}
        kind, ids = item["type"], {"output_index": n, "item_id": item["id"]}
        empty = {**item, "content": []} if kind == "message" else dict(item)
        if kind == "function_call":
            empty["arguments"] = ""
        told.append({"type": "response.output_item.added", **at, "item": empty})
        if kind == "message":
            text, place = item["content"][0]["text"], {**ids, "content_index": 0}
            part = {**item["content"][0], "text": ""}
            told.append({"type": "response.content_part.added", **place, "part": part})
            told += [
                {"type": "response.output_text.delta", **place, "delta": piece}
                for piece in cut(text, cuts)
            ]
            told.append({"type": "response.output_text.done", **place, "text": text})
            told.append({"type": "response.content_part.done", **place, "part": item["content"][0]})
        elif kind == "function_call":
            name_of = "response.function_call_arguments"
            told += [
                {"type": f"{name_of}.delta", **ids, "delta": piece}
                for piece in cut(item["arguments"], cuts)
            ]
            told.append({"type": f"{name_of}.done", **ids, "arguments": item["arguments"]})
        told.append({"type": "response.output_item.done", **at, "item": item})
    usage = {"input_tokens": 12, "output_tokens": 7, "total_tokens": 19, "input_tokens_details": {}}
    final = {**begun, "status": "completed", "output": items, "usage": usage}
    told.append({"type": "response.completed", "response": final})
    return [{**e, "sequence_number": n} for n, e in enumerate(told)]


def numbered(wire: str, shown: list[Any]) -> list[Any]:
    """Events with numbers as the caller sees them."""
    for n, event in enumerate(shown):
        dialect_of(wire).numbered(event, n)
    return shown


def expected(text: str) -> str:
    """A text with its secrets, by a single replacement."""
    return Restorer(SECRETS).text(text)


# -------------------------------------------------------------------------------------- restoring
@pytest.mark.parametrize("wire", TALKS)
@examples(100)
@given(parts=PARTS, cuts=CUTS)
def test_streams_are_restored(wire: str, parts: list[tuple[str, str]], cuts: list[int]) -> None:
    """Texts and arguments hold the secrets wherever an event says them; thoughts stay sealed."""
    restorer = Restorer(SECRETS, dialect_of(wire))
    told = events(wire, parts, cuts, "a")
    shown = [seen for event in told for seen in restorer.chunk(event)] + restorer.end()
    made = put_together(wire, numbered(wire, shown))
    texts = [text for kind, text in parts if kind == "text"]
    assert raw_text(wire, made) == "".join(map(expected, texts))
    called = [(kind, text) for kind, text in parts if kind in ("look", NAME)]
    assert [(n, json.loads(a)["id"]) for n, a in calls_in(wire, made)] == [
        (kind, expected(text)) for kind, text in called
    ]


@pytest.mark.parametrize("wire", TALKS)
@examples(50)
@given(parts=PARTS)
def test_whole_answers_are_restored(wire: str, parts: list[tuple[str, str]]) -> None:
    """A whole answer in JSON reads as its stream does."""
    made = answer(wire, parts, "a")
    Restorer(SECRETS, dialect_of(wire)).answer(made)
    told = Restorer(SECRETS, dialect_of(wire))
    shown = [s for event in events(wire, parts, [3], "a") for s in told.chunk(event)]
    streamed = put_together(wire, numbered(wire, shown))
    assert raw_text(wire, made) == raw_text(wire, streamed)
    assert calls_in(wire, made) == calls_in(wire, streamed)


@pytest.mark.parametrize("wire", TALKS)
def test_a_stream_that_breaks_off_shows_what_waits(wire: str) -> None:
    """What may have been the beginning of a placeholder is shown where no more comes."""
    restorer = Restorer(SECRETS, dialect_of(wire))
    told = events(wire, [("text", "It is [secret")], [6], "a")
    last = next(n for n, e in enumerate(told) if "secret" in json.dumps(e))
    seen = [s for e in told[: last + 1] for s in restorer.chunk(e)]
    assert "[secret" not in json.dumps(seen)
    (left,) = restorer.end()
    assert "[secret" in json.dumps(left)
    assert restorer.end() == []


# ------------------------------------------------------------------------------------- watching
@pytest.mark.parametrize("wire", TALKS)
@examples(200)
@given(rounds=st.lists(PARTS, min_size=1, max_size=3), cuts=CUTS)
def test_the_caller_sees_one_stream(
    wire: str, rounds: list[list[tuple[str, str]]], cuts: list[int]
) -> None:
    """Whatever is recalled on the way, one well-formed stream comes out, without a recall in it."""
    dialect = dialect_of(wire)
    watch = dialect.watch(NAME)
    shown: list[Any] = []
    texts: list[str] = []
    own: list[str] = []
    for n, parts in enumerate(rounds):
        over = n == len(rounds) - 1
        if n:
            watch.again(may_recall=not over)
        may_recall = n == 0 or not over
        told = events(wire, parts, cuts, f"r{n}")
        for event in told:
            shown += watch.feed(event)
        left, said = watch.end()
        shown += left
        calls = [kind for kind, _ in parts if kind in ("look", NAME)]
        recalls = bool(calls) and calls[0] == NAME and may_recall
        before = parts[: [k for k, _ in parts].index(NAME)] if recalls else parts
        texts += [text for kind, text in before if kind == "text"]
        assert (said is not None) == recalls
        if said is None:
            own = [text for kind, text in parts if kind == "look"]
            break
        assert [c.name for c in said.calls] == calls
        back = json.dumps(dialect.exchange(said, NAME, ["x"] * calls.count(NAME)))
        assert back.count('"look"') == 0
    else:
        return  # it would go on
    assert NAME not in json.dumps(shown)
    made = put_together(wire, numbered(wire, shown))
    assert raw_text(wire, made) == "".join(texts)
    assert [json.loads(a)["id"] for _, a in calls_in(wire, made)] == own
    if wire == MESSAGES:
        assert made["stop_reason"] == ("tool_use" if own else "end_turn")
        assert made["usage"]["input_tokens"] == 10


@pytest.mark.parametrize("wire", TALKS)
def test_the_first_word_waits_for_nothing(wire: str) -> None:
    """Text is shown with the event that brings it, with all that stands before it."""
    watch = dialect_of(wire).watch(NAME)
    told = events(wire, [("thought", "Hm."), ("text", "first second")], [3], "a")
    for event in told:
        seen = watch.feed(event)
        if "fir" in json.dumps(event):
            assert seen[-1] is event
            break
    assert all(watch.feed(e) == [e] for e in told[told.index(event) + 1 :])


# --------------------------------------------------------------------------------- what is in them
@pytest.mark.parametrize("wire", TALKS)
@examples(50)
@given(parts=PARTS, cuts=CUTS)
def test_a_stream_says_what_its_answer_says(
    wire: str, parts: list[tuple[str, str]], cuts: list[int]
) -> None:
    """Usage, checks and recalls read the same from events and from the whole answer."""
    dialect = dialect_of(wire)
    told, whole = events(wire, parts, cuts, "a"), answer(wire, parts, "a")
    streamed, at_once = Meter.of(dialect, told), Meter.of(dialect, [whole])
    assert streamed.reported == at_once.reported
    assert streamed.reported is not None
    assert streamed.reported["output_tokens"] == 7
    assert dialect.answer_of(told) == dialect.answer(whole)
    found = dialect.answer(whole)
    assert found is not None
    assert [c.name for c in found.calls] == [k for k, _ in parts if k in ("look", NAME)]
    assert found.finish == ("tool_calls" if found.calls else "stop")
    cut_short = Meter.of(dialect, told[:-2])
    assert cut_short.reported is None
    said = dialect.said(whole)
    assert (said is not None) == bool(found.calls)


@pytest.mark.parametrize(
    ("wire", "change", "finish", "refused"),
    [
        (MESSAGES, {"stop_reason": "max_tokens"}, "length", False),
        (MESSAGES, {"stop_reason": "refusal"}, "content_filter", True),
        (MESSAGES, {"stop_reason": "pause_turn"}, "pause_turn", False),
        (RESPONSES, {"incomplete_details": {"reason": "max_output_tokens"}}, "length", False),
        (RESPONSES, {"incomplete_details": {"reason": "content_filter"}}, "content_filter", False),
        (RESPONSES, {"status": "failed"}, "error", False),
    ],
)
def test_endings_have_chats_words(wire: str, change: Any, finish: str, *, refused: bool) -> None:
    """Checks know one set of words for why an answer ended."""
    found = dialect_of(wire).answer({**answer(wire, [("text", "Well")], "a"), **change})
    assert found is not None
    assert (found.finish, bool(found.refusal)) == (finish, refused)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("strange", [None, {}, [], "text", 7, {"type": 3}, {"choices": [None]}])
def test_strange_answers_are_no_error(wire: str, strange: Any) -> None:
    """What is of no dialect has no usage, no text and no calls."""
    dialect = dialect_of(wire)
    assert dialect.usage(strange) is None
    assert dialect.text(strange) == ""
    assert dialect.said(strange) is None
    dialect.without_calls(strange, NAME)
    assert list(dialect.pieces(strange, json_text=False)) == [] or strange == {"choices": [None]}


def test_a_wire_without_a_dialect_is_an_error() -> None:
    """The message lists those that are known."""
    with pytest.raises(WireError, match="openai-responses"):
        dialect_of("telegraph")
