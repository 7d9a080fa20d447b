"""Responses bodies: every documented item is read, the rest passes through untouched."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tokenthrift import wire
from tokenthrift.compress import split
from tokenthrift.errors import WireError
from tokenthrift.tokens import counter_for

NAME: Final = "openai-responses"
HI: Final = {"role": "user", "content": "hi"}
CALL: Final = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT: Final = {"type": "function_call_output", "call_id": "c1", "output": "out"}
REASONING: Final = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}


def read(*items: Any, **more: Any) -> Any:
    """The request of a body with these items."""
    return wire.read({"model": "gpt-4.1", "input": list(items), **more}, NAME)


def test_items_are_messages() -> None:
    """Each item is a message of the one it came from; instructions go first."""
    request = read(
        HI,
        REASONING,
        CALL,
        OUTPUT,
        {"type": "web_search_call", "id": "ws_1"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "item_reference", "id": "msg_1"},
        {"role": "developer", "content": "b"},
        instructions="c",
    )
    roles = ["system", "user", "assistant", "assistant", "tool", "assistant"]
    assert [m.role for m in request.messages] == [*roles, "assistant", "assistant", "system"]
    types = [[p.type for p in m.parts] for m in request.messages]
    texts = [["text"], ["text"], ["opaque"], ["tool_call"], ["tool_result"], ["opaque"]]
    assert types == [*texts, ["text"], ["opaque"], ["text"]]
    call, result = request.messages[3].parts[0], request.messages[4].parts[0]
    assert (call.name, call.call_id, call.text) == ("f", "c1", "{}")
    assert result.call_id == "c1"
    assert request.messages[5].role == "assistant"


def test_what_the_model_said_at_once_goes_at_once() -> None:
    """Reasoning, calls and text of one run, with the outputs, are one group; others their own."""
    second = {**CALL, "call_id": "c2"}
    request = read(HI, REASONING, CALL, second, OUTPUT, {**OUTPUT, "call_id": "c2"}, HI)
    assert [m.tied for m in request.messages] == [False, False, True, True, False, False, False]
    groups = [f.group for f in split(request, counter_for("gpt-4.1")).frames]
    assert groups == [0, 1, 1, 1, 1, 1, 6]
    assert all(m.pinned for m in request.messages[1:6])


def test_text_alone_is_the_users() -> None:
    """A string as input, no input at all, and instructions."""
    request = wire.read({"model": "gpt-4.1", "input": "hi", "instructions": "kind"}, NAME)
    assert [m.role for m in request.messages] == ["system", "user"]
    assert wire.write(request, {("input",): "ho", ("instructions",): "x"}) == {
        "model": "gpt-4.1",
        "input": "ho",
        "instructions": "x",
    }
    assert wire.read({"previous_response_id": "resp_1"}, NAME).messages == ()


def test_outputs_of_every_form() -> None:
    """Lists, pictures and what shells print are results with their call's id."""
    request = read(
        {**OUTPUT, "output": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]},
        {
            "type": "shell_call_output",
            "call_id": "c2",
            "output": [{"stdout": "b", "stderr": "c", "outcome": {"type": "exit"}}],
        },
        {
            "type": "computer_call_output",
            "call_id": "c3",
            "output": {"type": "computer_screenshot", "image_url": "https://example.invalid/x"},
        },
        {"type": "mcp_approval_response", "approve": True},
    )
    found = [[(p.type, p.text, p.call_id) for p in m.parts] for m in request.messages]
    assert found == [
        [("tool_result", "a", "c1"), ("image", None, None)],
        [("tool_result", "b", "c2"), ("tool_result", "c", "c2")],
        [("image", None, None)],
        [("opaque", None, None)],
    ]
    assert {m.role for m in request.messages} == {"tool"}


def test_text_that_others_point_into_stays() -> None:
    """Annotations count characters, so annotated text is opaque."""
    part = {"type": "output_text", "text": "a", "annotations": [{"start_index": 0}]}
    request = read({"type": "message", "role": "assistant", "content": [part]})
    assert request.messages[0].parts[0].type == "opaque"


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({}, set()),
        ({"tools": [{"type": "web_search"}]}, {"tools"}),
        ({"tools": [{}], "parallel_tool_calls": True}, {"tools", "parallel_tools"}),
        ({"tools": [{}], "tool_choice": "required"}, {"tools", "tool_choice"}),
        ({"text": {"format": {"type": "json_schema"}}}, {"json_schema"}),
        ({"reasoning": {"effort": "high"}}, {"reasoning"}),
        ({"reasoning": {"effort": "minimal"}}, set()),
    ],
)
def test_needs_are_what_the_body_asks(more: dict[str, Any], needs: set[str]) -> None:
    """Each feature of a body asks for one capability."""
    assert read(HI, **more).needs == needs


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"input": 5}, "input"),
        ({"input": ["hi"]}, "input.0"),
        ({"input": [HI, {"role": "king"}]}, "input.1.role"),
        ([], ""),
    ],
)
def test_malformed_bodies_say_where(body: Any, path: str) -> None:
    """The error names the path that is wrong."""
    with pytest.raises(WireError) as caught:
        wire.read(body, NAME)
    assert caught.value.path == path


def test_tools_are_functions_however_they_are_written() -> None:
    """Flat entries read as functions; what stages make of them is written flat, keys in place."""
    tool = {"type": "function", "name": "f", "x": 1, "parameters": {"title": "T"}, "strict": False}
    deferred = {**tool, "name": "later", "defer_loading": True}
    body = {"tools": [tool, {"type": "web_search"}, deferred], "tool_choice": "auto"}
    request = read(HI, **body)
    assert [t.function is None for t in wire.tools_of(request)] == [False, True, True]
    assert wire.tools_of(request)[0].function == {
        "name": "f",
        "parameters": {"title": "T"},
        "strict": False,
    }
    written = wire.with_tools(request, {0: {"name": "f", "parameters": {}, "strict": False}}, {1})
    assert written["tools"] == [{**tool, "parameters": {}}, deferred]
    assert list(written["tools"][0]) == list(tool)
    allowed = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "f"}],
    }
    assert wire.forced_tools(read(HI, tool_choice=allowed)) == {"f"}
    assert wire.forced_tools(read(HI, tool_choice={"type": "function", "name": "f"})) == {"f"}
    assert wire.refuses_tool(request, "f")
    assert wire.refuses_tool(read(HI, background=True), "g")
    assert not wire.refuses_tool(request, "g")


@pytest.mark.parametrize(
    ("items", "more", "says"),
    [
        ((HI,), {}, ""),
        ((HI, CALL, OUTPUT), {"tools": [{"type": "function", "name": "f"}]}, ""),
        ((HI,), {"previous_response_id": "resp_1"}, "response"),
        ((HI,), {"tools": [{"type": "web_search"}]}, "tool"),
        ((HI, REASONING, CALL, OUTPUT), {}, "reasoning"),
    ],
)
def test_what_only_one_provider_can_serve_is_told(
    items: tuple[Any, ...], more: dict[str, Any], says: str
) -> None:
    """References, sealed items and the provider's tools hold a request where it is."""
    held = wire.held(read(*items, **more))
    assert bool(held) == bool(says)
    assert says in held


def test_model_and_effort_are_set_in_a_copy() -> None:
    """Both are written as this wire spells them."""
    request = read(HI, reasoning={"summary": "auto"})
    written = wire.write(request, {}, model="o4-mini", effort="low")
    assert written["model"] == "o4-mini"
    assert written["reasoning"] == {"summary": "auto", "effort": "low"}
    assert request.body["reasoning"] == {"summary": "auto"}


@pytest.mark.parametrize(
    ("raw", "figures"),
    [
        ({}, (0, 0, 0, 0, 0)),
        ({"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}, (9, 4, 0, 0, 0)),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            (9, 4, 5, 2, 3),
        ),
        ({"input_tokens": 9, "input_tokens_details": None}, (9, 0, 0, 0, 0)),
        ({"input_tokens": None, "output_tokens": float("nan")}, (0, 0, 0, 0, 0)),
    ],
)
def test_usage_is_normalised_and_kept_raw(raw: dict[str, Any], figures: tuple[int, ...]) -> None:
    """Buckets are inclusive; what the provider wrote is kept."""
    usage = wire.wire_of(NAME).usage(raw)
    assert figures == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    assert usage.raw == raw
