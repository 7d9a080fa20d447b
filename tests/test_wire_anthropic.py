"""Messages bodies: every documented block is read, the rest passes through untouched."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from tokenthrift import wire
from tokenthrift.catalog import ModelCard, Prices, cost
from tokenthrift.compress import split
from tokenthrift.errors import WireError
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Money, Usage

NAME: Final = "anthropic-messages"
HI: Final = {"role": "user", "content": "hi"}
CALL: Final = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
RESULT: Final = {"type": "tool_result", "tool_use_id": "t1", "content": "out"}
THINKING: Final = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def read(*messages: Any, **more: Any) -> Any:
    """The request of a body with these messages."""
    body = {"model": "claude-sonnet-4-6", "max_tokens": 64, "messages": list(messages), **more}
    return wire.read(body, NAME)


def says(*blocks: Any) -> dict[str, Any]:
    """A message of the model."""
    return {"role": "assistant", "content": list(blocks)}


def hears(*blocks: Any) -> dict[str, Any]:
    """A message of the user's."""
    return {"role": "user", "content": list(blocks)}


def test_results_are_messages_of_their_own() -> None:
    """Each result is a tool's message; text beside them is the user's, behind them."""
    text = {"type": "text", "text": "and?"}
    second = {**CALL, "id": "t2"}
    lists = [{"type": "text", "text": "a"}, {"type": "image", "source": {}}]
    request = read(
        HI,
        says(THINKING, CALL, second),
        hears(
            {**RESULT, "is_error": True}, {**RESULT, "tool_use_id": "t2", "content": lists}, text
        ),
        system=[{"type": "text", "text": "kind", "cache_control": {"type": "ephemeral"}}],
    )
    roles = ["system", "user", "assistant", "tool", "tool", "user"]
    assert [m.role for m in request.messages] == roles
    found = [[(p.type, p.text, p.call_id) for p in m.parts] for m in request.messages[2:]]
    assert found == [
        [
            ("opaque", None, None),
            ("tool_call", '{"a":1}', "t1"),
            ("tool_call", '{"a":1}', "t2"),
        ],
        [("tool_result", "out", "t1")],
        [("tool_result", "a", "t2"), ("image", None, None)],
        [("text", "and?", None)],
    ]
    groups = [f.group for f in split(request, counter_for("claude")).frames]
    assert groups == [0, 1, 2, 2, 2, 5]
    turns = [f.turn for f in split(request, counter_for("claude")).frames]
    assert turns == [0, 0, 1, 1, 1, 1]


def test_results_go_and_text_stays() -> None:
    """Removing a call with its results leaves what the user said beside them."""
    text = {"type": "text", "text": "and?"}
    request = read(HI, says(CALL), hears(RESULT, text), says({"type": "text", "text": "so"}), HI)
    written = wire.write(request, {("messages", 2, "content", 1, "text"): "und?"}, {1, 2})
    assert written["messages"] == [
        HI,
        hears({"type": "text", "text": "und?"}),
        says({"type": "text", "text": "so"}),
        HI,
    ]
    bare = read(HI, says(CALL), hears(RESULT), HI)
    assert wire.write(bare, {}, {1, 2})["messages"] == [HI, HI]
    assert bare.body["messages"][1:3] == [says(CALL), hears(RESULT)]


def test_opaque_blocks() -> None:
    """Thinking, server tools, cited text, documents and novelties hold no text of ours."""
    blocks = [
        THINKING,
        {"type": "redacted_thinking", "data": "eA=="},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "mcp_tool_use", "id": "m", "name": "q", "server_name": "x", "input": {}},
        {"type": "text", "text": "so", "citations": [{"type": "char_location"}]},
        {"type": "hologram"},
    ]
    request = read(HI, says(*blocks), hears({"type": "document", "source": {}}))
    assert [p.type for p in request.messages[1].parts] == ["opaque"] * 7
    assert [p.raw for p in request.messages[1].parts] == blocks
    assert request.messages[2].parts[0].type == "file"
    assert all(m.pinned for m in request.messages)


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({}, set()),
        ({"tools": [{"name": "f", "input_schema": {}}]}, {"tools"}),
        ({"tools": [{}], "tool_choice": {"type": "any"}}, {"tools", "tool_choice"}),
        ({"tools": [{}], "tool_choice": {"type": "auto"}}, {"tools"}),
        ({"output_config": {"format": {"type": "json_schema"}}}, {"json_schema"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning"}),
        ({"thinking": {"type": "disabled"}}, set()),
    ],
)
def test_needs_are_what_the_body_asks(more: dict[str, Any], needs: set[str]) -> None:
    """Each feature of a body asks for one capability."""
    assert read(HI, **more).needs == needs


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages.0"),
        ({"messages": [HI, {"role": "tool", "content": "x"}]}, "messages.1.role"),
        ([], ""),
    ],
)
def test_malformed_bodies_say_where(body: Any, path: str) -> None:
    """The error names the path that is wrong."""
    with pytest.raises(WireError) as caught:
        wire.read(body, NAME)
    assert caught.value.path == path


def test_tools_are_functions_however_they_are_written() -> None:
    """``input_schema`` reads as parameters; marks and unknown keys stay in place."""
    tool = {
        "name": "f",
        "cache_control": {"type": "ephemeral"},
        "input_schema": {"title": "T"},
        "description": "d",
    }
    server = {"type": "web_search_20250305", "name": "web_search"}
    deferred = {**tool, "name": "later", "defer_loading": True}
    request = read(HI, tools=[tool, server, deferred])
    assert [t.function is None for t in wire.tools_of(request)] == [False, True, True]
    assert wire.tools_of(request)[0].function == {
        "name": "f",
        "description": "d",
        "parameters": {"title": "T"},
    }
    assert "cache_control" not in request.tools_text[0]
    assert request.tools_text[2] == ""
    written = wire.with_tools(request, {0: {"name": "f", "parameters": {}}}, {1})
    assert written["tools"][0] == {
        "name": "f",
        "cache_control": {"type": "ephemeral"},
        "input_schema": {},
    }
    assert written["tools"][1] == deferred
    assert wire.refuses_tool(request, "web_search")
    assert wire.forced_tools(read(HI, tool_choice={"type": "tool", "name": "f"})) == {"f"}


@pytest.mark.parametrize(
    ("messages", "more", "told"),
    [
        ((HI,), {}, ""),
        ((HI, says(CALL), hears(RESULT)), {"tools": [{"name": "f", "input_schema": {}}]}, ""),
        ((HI, says(THINKING, CALL), hears(RESULT)), {}, "thinking"),
        ((HI,), {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ((HI,), {"mcp_servers": [{}]}, "mcp_servers"),
    ],
)
def test_what_only_one_provider_can_serve_is_told(
    messages: tuple[Any, ...], more: dict[str, Any], told: str
) -> None:
    """Signed blocks and the provider's tools hold a request where it is."""
    held = wire.held(read(*messages, **more))
    assert bool(held) == bool(told)
    assert told in held


def test_model_and_effort_are_set_in_a_copy() -> None:
    """Both are written as this wire spells them."""
    request = read(HI, output_config={"format": None})
    written = wire.write(request, {}, model="claude-haiku-4-5", effort="minimal")
    assert written["model"] == "claude-haiku-4-5"
    assert written["output_config"] == {"format": None, "effort": "low"}
    assert wire.write(request, {}, effort="none")["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("raw", "figures"),
    [
        ({}, (0, 0, 0, 0, 0, 0)),
        ({"input_tokens": 9, "output_tokens": 4}, (9, 4, 0, 0, 0, 0)),
        (
            {
                "input_tokens": 9,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 10,
                    "ephemeral_1h_input_tokens": 20,
                },
                "output_tokens": 4,
                "output_tokens_details": {"thinking_tokens": 3},
                "server_tool_use": {"web_search_requests": 1},
            },
            (139, 4, 100, 30, 20, 3),
        ),
        (
            {
                "input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
            },
            (12, 0, 0, 3, 2, 0),
        ),
        (
            {"input_tokens": 9, "cache_read_input_tokens": None, "cache_creation": None},
            (9, 0, 0, 0, 0, 0),
        ),
        ({"input_tokens": 1, "cache_creation_input_tokens": 5}, (6, 0, 0, 5, 0, 0)),
    ],
)
def test_usage_is_normalised_and_kept_raw(raw: dict[str, Any], figures: tuple[int, ...]) -> None:
    """Input becomes inclusive: the provider's own leaves out what the cache read and wrote."""
    usage = wire.wire_of(NAME).usage(raw)
    assert figures == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.reasoning_tokens,
    )
    assert usage.raw == raw


def card(**prices: Any) -> ModelCard:
    """A card with these prices."""
    return ModelCard(name="c", prices=Prices(**{k: Decimal(v) for k, v in prices.items()}))


def test_an_hours_write_costs_its_own_price() -> None:
    """Writes of either lifetime are charged apart, to the nano-dollar; the unknown is unknown."""
    known = {"input_usd_per_mtok": "3", "output_usd_per_mtok": "15"}
    write = {"cache_write_usd_per_mtok": "3.75", "cache_read_usd_per_mtok": "0.3"}
    usage = Usage(
        input_tokens=1_000,
        output_tokens=10,
        cache_read_tokens=500,
        cache_write_tokens=300,
        cache_write_1h_tokens=100,
    )
    full = card(**known, **write, cache_write_1h_usd_per_mtok="6")
    nanos = 200 * 3_000 + 500 * 300 + 200 * 3_750 + 100 * 6_000 + 10 * 15_000
    assert cost(usage, full) == Money(nanos)
    assert cost(usage, card(**known, **write)) is None
    plain = 500 * 3_000 + 500 * 3_000 + 10 * 15_000
    assert cost(usage, card(**known)) == Money(plain)


def test_marks_and_seals_are_not_counted_as_text() -> None:
    """Cache marks cost nothing, signatures of shown thinking neither; sealed text by its size."""
    count = counter_for("claude-sonnet-4-6")
    signed = {**THINKING, "signature": "c2ln" * 500}
    marked = {**CALL, "cache_control": {"type": "ephemeral"}}
    plain = count_request(read(HI, says(THINKING, CALL), hears(RESULT)), count)
    assert count_request(read(HI, says(signed, marked), hears(RESULT)), count) == plain
    small, large = (
        count_request(read(HI, says({"type": "redacted_thinking", "data": "x" * n})), count)
        for n in (160, 1_600)
    )
    assert large - small == 270


def test_pages_are_counted_not_their_base64() -> None:
    """A PDF costs by the page, whatever its bytes look like."""
    data = {"type": "base64", "media_type": "application/pdf", "data": "L1R5cGUgL1BhZ2UK" * 3}
    one = read(hears({"type": "document", "source": data}))
    assert 3 * 2_250 <= count_request(one, counter_for("claude")) < 3 * 2_250 + 100


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"messages": [HI]}, "openai-chat"),
        ({"input": "hi"}, "openai-responses"),
        ({"previous_response_id": "r"}, "openai-responses"),
        ({"messages": [HI], "system": "x"}, NAME),
        ({"messages": [HI], "tools": [{"name": "f", "input_schema": {}}]}, NAME),
        ({"messages": [HI, says(CALL), hears(RESULT)]}, NAME),
        ({"messages": [{"role": "system", "content": "x"}, HI], "system": "x"}, "openai-chat"),
        ({"messages": [HI], "tools": [{"type": "function", "function": {}}]}, "openai-chat"),
        (
            {"messages": [hears({"type": "image_url", "image_url": {"url": "x"}})], "system": ""},
            "openai-chat",
        ),
        ({"messages": [HI], "input": "both"}, "openai-chat"),
        ({}, "openai-chat"),
        ({"messages": None}, "openai-chat"),
        ({"messages": "hi"}, "openai-chat"),
    ],
)
def test_a_body_tells_its_wire(body: dict[str, Any], name: str) -> None:
    """Forms that one wire alone knows decide; what both read alike is Chat."""
    assert wire.detect(body) == name
