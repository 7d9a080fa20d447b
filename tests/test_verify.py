"""Checks of answers: what each of them rejects, and that none of them quotes or loses an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift import wire
from tokenthrift.route import Answer, CalledTool
from tokenthrift.types import Request
from tokenthrift.verify import BUILT_IN, checks_of, first_objection

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
    },
    "required": ["n"],
    "$defs": {"row": {"type": "string"}},
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}


def asked(**body: Any) -> Request:
    """A request with these keys."""
    return wire.read({"model": "m", "messages": [{"role": "user", "content": "?"}], **body})


STRUCTURED = asked(response_format={"type": "json_schema", "json_schema": {"schema": SCHEMA}})
WITH_TOOL = asked(tools=[TOOL])


def called(arguments: str, name: str = "look") -> Answer:
    """An answer that calls a tool."""
    return Answer(calls=(CalledTool(name, arguments),), finish="tool_calls")


@pytest.mark.parametrize(
    ("word", "answer", "request_", "found"),
    [
        ("truncated", Answer("a", finish="length"), asked(), "ended with length"),
        ("truncated", Answer("a", finish="length"), asked(max_tokens=3), ""),
        ("truncated", Answer("a", finish="stop"), asked(), ""),
        ("empty", Answer(" \n"), asked(), "neither text nor a tool call"),
        ("empty", called("{}"), asked(), ""),
        ("refusal", Answer(refusal="no"), asked(), "the model refused"),
        (
            "refusal",
            Answer("x", finish="content_filter"),
            asked(),
            "the provider's filter ended it",
        ),
        ("refusal", Answer("I'm sorry"), asked(), ""),
        ("schema", Answer('{"n": 3, "rows": ["a"]}'), STRUCTURED, ""),
        ("schema", Answer('{"n": 3, "rows": ["a", 1]}'), STRUCTURED, "at rows.1: fails type"),
        ("schema", Answer("{}"), STRUCTURED, "at the top: fails required"),
        ("schema", Answer('{"n": 3'), STRUCTURED, "not JSON"),
        ("schema", Answer("[1]"), asked(response_format={"type": "json_object"}), "no JSON object"),
        ("schema", Answer("words"), asked(), ""),
        ("schema", called("{}"), STRUCTURED, ""),
        ("tool_arguments", called('{"n": 1}'), WITH_TOOL, ""),
        ("tool_arguments", called('{"n": "1"}'), WITH_TOOL, "call 0, at n: fails type"),
        ("tool_arguments", called('{"n": '), WITH_TOOL, "the arguments of call 0 are not JSON"),
        ("tool_arguments", called("{}", "hop"), WITH_TOOL, "call 0 is of no tool that was offered"),
        ("tool_arguments", Answer("words"), WITH_TOOL, ""),
        ("code", Answer("```python\nx = 1\n```"), asked(), ""),
        ("code", Answer("As said:\n```py\ndef f(:\n```"), asked(), "block 0 is no valid python"),
        ("code", Answer("```\ndef f(:\n```"), asked(), ""),
        ("code", Answer("```python\ndef f():\n    ...\n    return (\n```"), asked(), ""),
        ("code", Answer("~~~rust\nfn f() -> u8 { 1 }\n~~~"), asked(), ""),
        ("code", Answer("```rust\nfn f( {\n```"), asked(), "block 0 is no valid rust"),
        ("code", Answer("```klingon\n)(\n```"), asked(), ""),
    ],
)
def test_each_check_rejects_what_it_is_for(
    word: str, answer: Answer, request_: Request, found: str
) -> None:
    """The objection is in our own words; what the request did not ask for is not checked."""
    assert BUILT_IN[word](answer, request_) == found


def test_the_first_objection_counts_and_faults_of_checks_do_not() -> None:
    """Checks run in one order; one that raises is reported and counts as passed."""

    def mine(answer: Answer, _request: Request) -> str:
        if answer.text == "boom":
            raise KeyError("x")
        return "too short" if len(answer.text) < 4 else ""

    checks = checks_of(("schema", "empty"), [mine])
    assert list(checks) == ["empty", "schema", "mine"]
    seen: list[Exception] = []
    assert first_objection(checks, Answer("abc"), asked(), seen.append) == "mine: too short"
    assert first_objection(checks, Answer("abcd"), asked(), seen.append) == ""
    assert first_objection(checks, Answer("boom"), asked(), seen.append) == ""
    assert [type(e) for e in seen] == [KeyError]


TEXT = st.text(max_size=60)


@given(TEXT, TEXT, st.sampled_from(["stop", "length", ""]))
def test_any_answer_is_judged_without_being_quoted(text: str, arguments: str, finish: str) -> None:
    """No check raises on odd text, and no objection holds what was answered."""
    for request_ in (STRUCTURED, WITH_TOOL):
        answer = Answer(text, (CalledTool("look", arguments),) if arguments else (), finish)
        found = first_objection(checks_of(tuple(BUILT_IN)), answer, request_, pytest.fail)
        assert len(found) < 80
        assert len(text) < 12 or text not in found
