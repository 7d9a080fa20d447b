"""Chat Completions bodies: every documented form is read, the rest passes through untouched."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from strategies import chat_bodies, examples, odd_bodies
from tokenthrift import wire
from tokenthrift.errors import WireError
from tokenthrift.wire.paths import with_values

if TYPE_CHECKING:
    from tokenthrift.types import Path, Request

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def read(*messages: Any, **more: Any) -> Request:
    """The request of a body with these messages."""
    return wire.read({"model": "gpt-4o", "messages": list(messages), **more})


def at(root: Any, path: Path) -> Any:
    """The value at a path."""
    for key in path:
        root = root[key]
    return root


@examples(150)
@given(chat_bodies())
def test_paths_lead_to_the_texts(body: dict[str, Any]) -> None:
    """A part's path leads to its text in the body, or to the opaque item itself."""
    request = wire.read(body)
    assert [m.index for m in request.messages] == list(range(len(body["messages"])))
    for message in request.messages:
        assert at(body, message.path) is body["messages"][message.index]
        for part in message.parts:
            if part.type in ("text", "tool_result"):
                assert at(body, part.path) == part.text
            else:
                assert at(body, part.path) is part.raw


@examples(150)
@given(chat_bodies())
def test_writing_nothing_shares_everything(body: dict[str, Any]) -> None:
    """Without changes the copy equals the body and shares its messages."""
    request = wire.read(body)
    written = wire.write(request, {})
    assert written == body
    assert all(a is b for a, b in zip(written["messages"], body["messages"], strict=True))


@examples(100)
@given(odd_bodies())
def test_texts_are_written_where_they_stood(body: dict[str, Any]) -> None:
    """Replacing every text changes exactly those texts, in a copy; the body stays as it was."""
    before = deepcopy(body)
    request = wire.read(body)
    paths = [p.path for m in request.messages for p in m.parts if p.type in ("text", "tool_result")]
    written = wire.write(request, {path: f"new {n}" for n, path in enumerate(paths)})
    assert body == before
    assert [at(written, path) for path in paths] == [f"new {n}" for n in range(len(paths))]
    restored = wire.write(wire.read(written), {path: at(before, path) for path in paths})
    assert restored == before


def test_removing_messages_keeps_the_texts_of_the_others() -> None:
    """Indices of texts are those of the body as it was given."""
    request = read(*({"role": "user", "content": str(n)} for n in range(4)))
    written = wire.write(
        request, {("messages", 1, "content"): "one", ("messages", 3, "content"): "three"}, {0, 1}
    )
    assert [m["content"] for m in written["messages"]] == ["2", "three"]


def test_the_model_is_set_only_where_it_changes() -> None:
    """A model of the same name adds nothing; another one replaces it in the copy."""
    request = read({"role": "user", "content": "hi"})
    assert wire.write(request, {}, model="gpt-4o") == request.body
    assert wire.write(request, {}, model="o3")["model"] == "o3"
    assert request.body["model"] == "gpt-4o"


def test_roles_are_normalised() -> None:
    """Developer messages are system text, function messages are tool results."""
    request = read(
        {"role": "developer", "content": "a"},
        {"role": "function", "name": "f", "content": "b"},
        {"role": "tool", "tool_call_id": "c1", "content": "c"},
    )
    assert [m.role for m in request.messages] == ["system", "tool", "tool"]
    assert [m.parts[0].type for m in request.messages] == ["text", "tool_result", "tool_result"]
    assert request.messages[2].parts[0].call_id == "c1"


def test_calls_and_media_are_parts() -> None:
    """Each documented form has its type, unknown ones are opaque; all pin their message."""
    request = read(
        {"role": "assistant", "content": None, "tool_calls": [CALL, "what"], "refusal": "no"},
        {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": "{}"}},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "x"}},
                {"type": "input_audio", "input_audio": {}},
                {"type": "file", "file": {}},
                {"type": "novelty"},
                "bare",
            ],
        },
    )
    types = [[p.type for p in m.parts] for m in request.messages]
    assert types == [
        ["tool_call", "opaque", "refusal"],
        ["tool_call"],
        ["image", "audio", "file", "opaque", "text"],
    ]
    call = request.messages[0].parts[0]
    assert (call.name, call.call_id, call.text) == ("f", "c1", '{"a": 1}')
    assert all(m.pinned for m in request.messages)


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({}, set()),
        ({"tools": [{"type": "function"}]}, {"tools"}),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"tools": [{}], "parallel_tool_calls": True}, {"tools", "parallel_tools"}),
        ({"tools": [{}], "tool_choice": "required"}, {"tools", "tool_choice"}),
        ({"tools": [{}], "tool_choice": "auto"}, {"tools"}),
        ({"response_format": {"type": "json_schema"}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"reasoning_effort": "high"}, {"reasoning"}),
        ({"reasoning_effort": "minimal"}, set()),
        ({"modalities": ["text", "audio"]}, {"audio_output"}),
    ],
)
def test_needs_are_what_the_body_asks(more: dict[str, Any], needs: set[str]) -> None:
    """Each feature of a body asks for one capability."""
    assert read({"role": "user", "content": "hi"}, **more).needs == needs


@pytest.mark.parametrize(
    ("item", "need"),
    [
        ({"type": "image_url", "image_url": {"url": "x"}}, "vision"),
        ({"type": "input_audio", "input_audio": {}}, "audio_input"),
        ({"type": "file", "file": {}}, "pdf"),
    ],
)
def test_media_are_needs(item: dict[str, Any], need: str) -> None:
    """Media in any message ask for a model that reads them."""
    assert read({"role": "user", "content": [item]}).needs == {need}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": {"role": "user"}}, "messages"),
        ({"messages": ["hi"]}, "messages.0"),
        ({"messages": [{"role": "user"}, {"content": "x"}]}, "messages.1.role"),
        ({"messages": [{"role": "root", "content": "x"}]}, "messages.0.role"),
    ],
)
def test_malformed_bodies_say_where(body: dict[str, Any], path: str) -> None:
    """The error names the path that is wrong."""
    with pytest.raises(WireError) as caught:
        wire.read(body)
    assert caught.value.path == path


HELLO = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "assistant", "content": "x", "tool_calls": 5}]},
        {"messages": [HELLO], "tools": 5},
        {"messages": [HELLO], "modalities": 5},
        {"messages": [HELLO], "max_tokens": float("nan")},
        {"messages": [HELLO], "max_tokens": float("inf")},
        [HELLO],
    ],
    ids=["tool_calls", "tools", "modalities", "nan", "inf", "no mapping"],
)
def test_no_body_raises_anything_but_wire_errors(body: Any) -> None:
    """Values of the wrong type are passed on or refused as `WireError`, never an accident."""
    try:
        wire.read(body)
    except WireError:
        return


def test_unknown_wires_are_named() -> None:
    """The error lists the wires that are known."""
    with pytest.raises(WireError, match="openai-chat"):
        wire.read({"messages": []}, "telegraph")


@pytest.mark.parametrize(
    ("raw", "figures"),
    [
        ({}, (0, 0, 0, 0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}, (9, 4, 0, 0, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            (9, 4, 5, 2, 3),
        ),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, (9, 0, 0, 0, 0)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cache_creation_tokens": 7}},
            (9, 0, 0, 7, 0),
        ),
    ],
)
def test_usage_is_normalised_and_kept_raw(raw: dict[str, Any], figures: tuple[int, ...]) -> None:
    """Buckets are inclusive; what the provider wrote is kept."""
    usage = wire.wire_of("openai-chat").usage(raw)
    assert figures == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    assert usage.raw == raw
    assert not usage.estimated


def test_values_are_set_by_path_without_copying_the_rest() -> None:
    """Containers on the way are copied, all others are the caller's own."""
    root = {"a": [{"b": 1}, {"c": 2}], "d": {"e": 3}}
    new = with_values(root, {("a", 0, "b"): 9})
    assert new == {"a": [{"b": 9}, {"c": 2}], "d": {"e": 3}}
    assert root["a"][0] == {"b": 1}  # type: ignore[index]
    assert new["a"][1] is root["a"][1]  # type: ignore[index]
    assert new["d"] is root["d"]
    assert with_values(root, {}) is root
    assert with_values(root, {(): 1}) == 1
