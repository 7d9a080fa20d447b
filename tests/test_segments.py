"""Segments and frames: turns, groups, protection, and joining what was taken apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from strategies import chat_bodies, conversations, examples
from tokenthrift import wire
from tokenthrift.compress import join, split
from tokenthrift.compress.question import question_of, trajectory_of
from tokenthrift.compress.segments import protect, turns_of
from tokenthrift.tokens import count_request, counter_for

if TYPE_CHECKING:
    from tokenthrift.types import Request, Segment

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def conversation(roles: str, **texts: str) -> Request:
    """A request of messages by the first letters of their roles; calls before tools."""
    messages: list[dict[str, Any]] = []
    for n, letter in enumerate(roles):
        message: dict[str, Any] = {
            "role": ROLES[letter],
            "content": texts.get(f"m{n}", f"text {n}"),
        }
        if letter == "t":
            message["tool_call_id"] = f"c{n}"
            caller = next(m for m in reversed(messages) if m["role"] == "assistant")
            caller.setdefault("tool_calls", []).append(
                {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            )
        messages.append(message)
    return wire.read({"model": "gpt-4o", "messages": messages})


@pytest.mark.parametrize(
    ("roles", "turns"),
    [
        ("", []),
        ("u", [0]),
        ("suu", [0, 0, 0]),
        ("sua", [0, 0, 1]),
        ("suau", [0, 0, 1, 1]),
        ("suatatu", [0, 0, 1, 1, 2, 2, 2]),
        ("auau", [0, 0, 1, 1]),
        ("uaau", [0, 1, 1, 1]),
    ],
)
def test_turns_are_what_was_first_sent_together(roles: str, turns: list[int]) -> None:
    """A turn begins with the model's messages and runs to its next ones."""
    assert turns_of(conversation(roles).messages) == turns


def test_calls_and_results_are_one_group() -> None:
    """A call and all of its results share a group; every other message has its own."""
    parts = split(conversation("suattuatu"), counter_for("gpt-4o"))
    assert [f.group for f in parts.frames] == [0, 1, 2, 2, 2, 5, 6, 6, 8]


@examples(80)
@given(chat_bodies())
def test_tokens_of_parts_bound_those_of_the_request(body: dict[str, Any]) -> None:
    """Segments, frames and base together are at least the count of the whole."""
    request = wire.read(body)
    count = counter_for(request.model)
    parts = split(request, count)
    total = parts.base_tokens + parts.tokens
    assert total >= count_request(request, count)
    assert parts.end == len(request.messages)


@examples(80)
@given(conversations())
def test_turns_take_the_conversation_apart(body: dict[str, Any]) -> None:
    """The turns hold every segment and frame once, in order; starting later gives the rest."""
    request = wire.read(body)
    count = counter_for(request.model)
    whole = split(request, count)
    turns = list(whole.by_turn())
    assert tuple(s for new in turns for s in new.segments) == whole.segments
    assert tuple(f for new in turns for f in new.frames) == whole.frames
    for turn, new in enumerate(turns):
        assert {turn} == {f.turn for f in new.frames} | {s.turn for s in new.segments}
    later = split(request, count, first_turn=1)
    assert later.segments == tuple(s for s in whole.segments if s.turn >= 1)


def protected(request: Request, **window: Any) -> dict[str, str]:
    """Why each segment is protected, by id."""
    segments = split(request, counter_for(request.model)).segments
    last = max((s.turn for s in segments), default=0)
    rules = {"first_turn": 0, "last_turn": last, "assistant": True, **window}
    return {s.id: s.protected for s in protect(segments, **rules)}


def test_system_latest_user_and_model_text_are_protected() -> None:
    """Everything else is open; the model's own text only where it is asked for."""
    request = conversation("suatu")
    assert protected(request) == {
        "m0": "system text",
        "m1": "",
        "m2": "assistant text",
        "m3": "",
        "m4": "latest user text",
    }
    assert protected(request, assistant=False)["m2"] == ""


def test_segments_before_the_window_stay_as_they_are() -> None:
    """Protection of frozen text is not decided again."""
    segments = tuple(
        replace(s, protected="before")
        for s in split(conversation("suau"), counter_for("gpt-4o")).segments
    )
    after = protect(segments, first_turn=1, last_turn=1, assistant=False)
    assert [s.protected for s in after] == ["before", "before", "", "latest user text"]


DATA = "".join(f"line {n} of a long listing with some words in it\n" for n in range(200))


def open_text(text: str) -> list[str]:
    """The open segments of a single user message."""
    request = wire.read({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]})
    segments = split(request, counter_for("gpt-4o")).segments
    return [
        s.text
        for s in protect(segments, first_turn=0, last_turn=0, assistant=True)
        if not s.protected
    ]


def test_the_ask_around_long_data_is_protected() -> None:
    """First and last paragraph of a long user message are the ask; what is between is open."""
    (between,) = open_text(f"What failed?\n\n{DATA}\n\nAnswer in one line.")
    assert between.strip() == DATA.strip()


def test_a_short_user_message_is_protected_whole() -> None:
    """Fences and JSON in a short message do not open it."""
    assert open_text("Explain:\n```json\n[1, 2, 3]\n```\nplease") == []


def test_some_of_a_long_ask_is_always_protected() -> None:
    """Of a long paragraph with data behind it not everything is open: the question is in it."""
    ask = "Please find out why the parser times out when the ledger is large. " * 25
    text = f"{ask}\n```\n{DATA}```\n"
    assert not any(ask in open_segment for open_segment in open_text(text))


def ids(segments: tuple[Segment, ...]) -> list[str]:
    """Their ids, in order."""
    return [s.id for s in segments]


def test_ids_name_messages_and_pieces() -> None:
    """A message with one segment has its number, several are numbered behind it."""
    request = conversation("uu", m1="Look:\n```json\n[1, 2]\n```\nok")
    assert ids(split(request, counter_for("gpt-4o")).segments) == ["m0", "m1.0", "m1.1", "m1.2"]


def test_join_writes_changed_texts_only() -> None:
    """Changed parts are replaced, removed messages are gone, the rest is the caller's own."""
    request = conversation("suatu")
    segments = [
        replace(s, text="new") if s.id == "m3" else s
        for s in split(request, counter_for("gpt-4o")).segments
    ]
    sent = join(request, segments, frozenset({1})).body["messages"]
    given_messages = request.body["messages"]
    assert [m["content"] for m in sent] == ["text 0", "text 2", "new", "text 4"]
    assert sent[0] is given_messages[0]
    assert sent[2]["tool_call_id"] == "c3"


def shouted(request: Request) -> Request:
    """The request put together from segments in capitals."""
    parts = split(request, counter_for(request.model))
    return join(request, [replace(s, text=s.text.upper()) for s in parts.segments], frozenset())


@examples(40)
@given(chat_bodies())
def test_what_is_joined_is_what_its_body_says(body: dict[str, Any]) -> None:
    """A request with other texts is the one that is read from its body."""
    sent = shouted(wire.read(body))
    assert wire.read(sent.body, sent.wire) == sent


RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "rows"}]}
OTHER_WIRES: list[dict[str, Any]] = [
    {"model": "gpt-4o", "input": "one question"},
    {
        "model": "gpt-4o",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "one question"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "rows"},
        ],
    },
    {
        "model": "claude-sonnet-4-5",
        "system": "be brief",
        "messages": [
            {"role": "user", "content": "one question"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}],
            },
            {"role": "user", "content": [RESULT]},
        ],
    },
]


@pytest.mark.parametrize("body", OTHER_WIRES)
def test_what_is_joined_is_what_its_body_says_on_other_wires(body: dict[str, Any]) -> None:
    """The same of texts, items and blocks."""
    sent = shouted(wire.read(body, wire.detect(body)))
    assert sent.body != body
    assert wire.read(sent.body, sent.wire) == sent


def test_the_question_is_the_latest_user_text() -> None:
    """The question is what the user last said, the trajectory what the model last did."""
    messages = conversation("suatu").messages
    assert question_of(messages[:4]) == "text 1"
    assert trajectory_of(messages[:4]).splitlines() == ["f {}", "text 2"]
    assert question_of(messages) == "text 4"
    alone = conversation("s").messages
    assert (question_of(alone), trajectory_of(alone)) == ("", "")
