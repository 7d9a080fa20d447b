"""Bridges between wires: what crosses says the same, and what cannot be said does not cross."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from sdk_forms import CHAT, MESSAGES, RESPONSES, put_together
from strategies import examples, short_texts
from tokenthrift import wire
from tokenthrift.errors import BridgeError
from tokenthrift.serve.simulated_chat_checks import check_messages
from tokenthrift.transports import dialect_of
from tokenthrift.transports.bridges import BRIDGES, BrokenAnswerError, stays
from tokenthrift.transports.bridges.anthropic_messages import FAILED
from wire_bodies import proper_bodies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.types import Request

IMAGE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
# What the strategies put into bodies that no other provider takes.
OWN_KEYS = ("thinking", "x_vendor")


def tamed(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A body without the keys that keep it with its own provider."""
    made = {k: v for k, v in body.items() if k not in OWN_KEYS}
    tools = [t for t in made.get("tools") or () if t and "x_vendor" not in t and "name" in t]
    made["tools"] = [t for t in tools if str(t.get("type", "custom")) in ("custom", "function")]
    if name == RESPONSES:
        made["tools"] = [t for t in made["tools"] if t["type"] == "function"]
        made["store"] = False
    return made if made["tools"] else {k: v for k, v in made.items() if k != "tools"}


def said(request: Request) -> list[tuple[str, str, str | None, str]]:
    """Who says what in a conversation: role, kind, id of the call, text or arguments."""
    found = []
    for message in request.messages:
        for part in message.parts:
            text = part.text or ""
            if part.type == "tool_call":
                text = json.dumps(json.loads(text or "{}") or {}, sort_keys=True)
            if text not in ("", FAILED):
                found.append((message.role, part.type, part.call_id, text))
    return found


@pytest.mark.parametrize("name", [MESSAGES, RESPONSES])
@given(data=st.data())
@examples(60)
def test_what_crosses_says_the_same(name: str, data: st.DataObject) -> None:
    """Every text, call and result arrives in Chat, in order, in a body that Chat takes."""
    body = tamed(name, data.draw(proper_bodies(name, 3, 20)))
    request = wire.read(body, name)
    why = stays(request)
    event(f"stays: {why.partition(' ')[2][:30]}" if why else "crosses")
    if why:
        return
    chat = BRIDGES[name].chat(body)
    assert said(wire.read(chat, CHAT)) == said(request)
    check_messages(chat["messages"])
    assert len(chat.get("tools") or ()) == len(body.get("tools") or ())
    assert chat.get("stream") == (True if body.get("stream") else None)


@pytest.mark.parametrize("name", [MESSAGES, RESPONSES])
@given(data=st.data())
@examples(60)
def test_refusing_loses_nothing(name: str, data: st.DataObject) -> None:
    """A body is refused as a whole, and is as it was; nothing else is raised."""
    body = data.draw(proper_bodies(name, 2, 10))
    before = json.dumps(body)
    why = ""
    try:
        BRIDGES[name].chat(body)
    except BridgeError as error:
        why = error.problem
    assert json.dumps(body) == before
    assert not why or stays(wire.read(body, name))


OWN_MESSAGES: list[dict[str, Any]] = [
    {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
    {"stop_sequences": ["END"]},
    {"top_k": 3},
    {"container": "c"},
    {"mcp_servers": [{"name": "x"}]},
    {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "I"}]},
    {
        "messages": [
            {"role": "user", "content": "a"},
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "t", "signature": "s"}],
            },
            {"role": "user", "content": "b"},
        ]
    },
    {"messages": [{"role": "user", "content": [{"type": "document", "source": IMAGE}]}]},
    {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a", "citations": [{"type": "x"}]}],
            }
        ]
    },
]
OWN_RESPONSES: list[dict[str, Any]] = [
    {"store": True},
    {"store": None},
    {"previous_response_id": "resp_1"},
    {"conversation": "conv_1"},
    {"prompt": {"id": "p"}},
    {"background": True},
    {"truncation": "auto"},
    {"include": ["web_search_call.results"]},
    {"max_tool_calls": 2},
    {"tools": [{"type": "web_search"}]},
    {"tools": [{"type": "custom", "name": "sql"}]},
    {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}]},
    {"input": [{"type": "item_reference", "id": "msg_1"}]},
    {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
]


@pytest.mark.parametrize("own", OWN_MESSAGES)
def test_what_only_anthropic_can_say_stays(own: dict[str, Any]) -> None:
    """Signed, sealed and server-side things do not cross, nor what Chat has no words for."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    assert stays(wire.read(body, MESSAGES)) == ""
    assert stays(wire.read({**body, **own}, MESSAGES))


@pytest.mark.parametrize("own", OWN_RESPONSES)
def test_what_only_openai_can_say_stays(own: dict[str, Any]) -> None:
    """What the provider holds, sealed or runs itself does not cross."""
    body = {"model": "m", "input": "a", "store": False}
    assert stays(wire.read(body, RESPONSES)) == ""
    assert stays(wire.read({**body, **own}, RESPONSES))


def test_forms_of_messages_in_chat() -> None:
    """Images, failed results, forced tools and strict schemas have words in Chat."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    call = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True}
    chat = BRIDGES[MESSAGES].chat(
        {
            "model": "m",
            "max_tokens": 9,
            "system": "s",
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": IMAGE}]},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [result, {"type": "text", "text": "go on"}]},
            ],
            "tools": [{"name": "f", "input_schema": schema}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
            "stream": True,
        }
    )
    url = {"url": "data:image/png;base64,iVBORw0KGgo="}
    function = {"name": "f", "arguments": '{"a": 1}'}
    failed = [{"type": "text", "text": FAILED}, {"type": "text", "text": "no"}]
    assert chat == {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "image_url", "image_url": url}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": failed},
            {"role": "user", "content": [{"type": "text", "text": "go on"}]},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
    }


# ---------------------------------------------------------------------------------------- answers
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Whole answers of Chat."""
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": "run", "arguments": json.dumps({"a": draw(short_texts())})},
        }
        for n in range(draw(st.integers(0, 3)))
    ]
    message: dict[str, Any] = {"role": "assistant", "content": draw(short_texts()) or None}
    refused = draw(st.integers(0, 5)) == 0
    if refused:
        message |= {"content": None, "refusal": "I will not."}
    elif calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls and not refused else draw(st.sampled_from(["stop", "length"]))
    return {
        "id": "chatcmpl-1",
        "created": 1,
        "model": "gpt-4.1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
    }


def chunks_of(chat: Mapping[str, Any], cuts: list[int]) -> list[dict[str, Any]]:
    """An answer as a stream would bring it, its texts cut at places."""
    message, finish = chat["choices"][0]["message"], chat["choices"][0]["finish_reason"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for key in ("content", "refusal"):
        deltas += ({key: piece} for piece in pieces(message.get(key) or "", cuts))
    for n, call in enumerate(message.get("tool_calls") or ()):
        head = {"index": n, **call, "function": {"name": call["function"]["name"], "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        for piece in pieces(call["function"]["arguments"], cuts):
            deltas.append({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    head = {k: chat[k] for k in ("id", "created", "model")}
    told = [{**head, "choices": [{"index": 0, "delta": d}]} for d in deltas]
    told.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return [*told, {**head, "choices": [], "usage": chat["usage"]}]


def pieces(text: str, cuts: list[int]) -> list[str]:
    """A text, cut."""
    places = sorted({0, len(text), *(min(c, len(text)) for c in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


def checked(answer: Any) -> Any:
    """What checks read of an answer; arguments are the same JSON, not the same text."""
    calls = [(call.name, json.loads(call.arguments)) for call in answer.calls]
    return answer.text, answer.finish, answer.refusal, calls


@pytest.mark.parametrize("name", [CHAT, MESSAGES, RESPONSES])
@given(chat=answers(), cuts=st.lists(st.integers(0, 40), max_size=4))
@examples(80)
def test_streams_say_what_answers_say(name: str, chat: dict[str, Any], cuts: list[int]) -> None:
    """Events are well formed, make up the whole answer, and say the usage; so does the dialect."""
    body: dict[str, Any] = {"model": "m"}
    whole = BRIDGES[name].answer(chat, body)
    telling = BRIDGES[name].telling(body)
    events = [e for chunk in chunks_of(chat, cuts) for e in telling.tell(chunk)]
    events += telling.end()
    dialect = dialect_of(name)
    assert dialect.answer_of(events) == dialect.answer(whole)
    if "refusal" not in chat["choices"][0]["message"]:  # which ends otherwise in Messages
        assert checked(dialect.answer(whole)) == checked(dialect_of(CHAT).answer(chat))
    usage = wire.wire_of(name).usage(dialect.usage(whole) or {})
    assert (usage.input_tokens, usage.output_tokens) == (100, 20)
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (60, 5)
    if name != CHAT:
        made = put_together(name, json.loads(json.dumps(events)))
        assert made == whole


@pytest.mark.parametrize("name", [CHAT, MESSAGES, RESPONSES])
@given(chat=answers(), share=st.floats(0, 0.99))
@examples(30)
def test_a_cut_stream_has_no_end(name: str, chat: dict[str, Any], share: float) -> None:
    """Where a stream stops before it says why, nothing says that it is over."""
    telling = BRIDGES[name].telling({"model": "m"})
    told = chunks_of(chat, [5])[:-2]
    for chunk in told[: int(share * len(told))]:
        telling.tell(chunk)
    with pytest.raises(BrokenAnswerError, match="without an end"):
        telling.end()


def test_calls_that_make_no_sense() -> None:
    """Arguments that are no object are a broken answer, unless the answer ran into its limit."""
    function = {"name": "f", "arguments": '{"a": '}
    message = {"tool_calls": [{"id": "c", "type": "function", "function": function}]}
    chat: dict[str, Any] = {"id": "x", "choices": [{"message": message, "finish_reason": "length"}]}
    assert BRIDGES[MESSAGES].answer(chat, {})["content"][0]["input"] == {}
    chat["choices"][0]["finish_reason"] = "tool_calls"
    with pytest.raises(BrokenAnswerError, match="no JSON object"):
        BRIDGES[MESSAGES].answer(chat, {})
    for name in (MESSAGES, RESPONSES):
        with pytest.raises(BrokenAnswerError, match="no choice"):
            BRIDGES[name].answer({"id": "x", "choices": []}, {})
