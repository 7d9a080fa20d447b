"""Restoring answers in pieces: whatever the cuts, the caller sees the whole, as early as can be."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from strategies import examples
from tokenthrift.client.restoring import Restorer
from tokenthrift.compress.redaction import PLACEHOLDER

SECRETS: Final = {"[secret-1]": 'a"b\n', "[secret-2]": "[secret-1]", "[secret-12]": "hunter2"}
WORDS = st.sampled_from(
    [*SECRETS, "[secret-3]", "[secret-", "[", "]", "1", "x y", "日本", '\\"', ""]
)
TEXTS = st.lists(WORDS, max_size=8).map("".join)


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> ChatCompletionChunk:
    """A chunk of the SDK's type."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return ChatCompletionChunk.model_validate({**body, "choices": [choice]})


def call(arguments: str, index: int, **more: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}, **more}]}


def expected(text: str, *, in_json: bool = False) -> str:
    """The text with its secrets, by a single replacement."""

    def original(match: Any) -> str:
        secret = SECRETS.get(match[0], match[0])
        return json.dumps(secret, ensure_ascii=False)[1:-1] if in_json else secret

    return PLACEHOLDER.sub(original, text)


def waits(text: str) -> str:
    """The longest end of a text that may be the beginning of a placeholder."""
    tails = (text[n:] for n in range(len(text)))
    return next((t for t in tails if any(s.startswith(t) and s != t for s in SECRETS)), "")


def cut(text: str, cuts: list[int]) -> list[str]:
    """Pieces of a text."""
    ends = sorted({min(c, len(text)) for c in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)] or [""]


@examples(300)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 60), max_size=12), finish=st.booleans())
def test_a_stream_of_text_is_restored(text: str, cuts: list[int], *, finish: bool) -> None:
    """At each moment all is shown that cannot be the beginning of a placeholder."""
    restorer = Restorer(SECRETS)
    seen, given_so_far = "", ""
    for piece in cut(text, cuts):
        given_so_far += piece
        for shown in restorer.chunk(chunk({"role": "assistant", "content": piece})):
            seen += shown.choices[0].delta.content or ""
        held = waits(given_so_far)
        assert seen == expected(given_so_far[: len(given_so_far) - len(held)])
    last = restorer.chunk(chunk({}, "stop")) if finish else restorer.end()
    assert seen + "".join(c.choices[0].delta.content or "" for c in last) == expected(text)
    assert [c.choices[0].finish_reason for c in last if c.choices[0].finish_reason] == (
        ["stop"] if finish else []
    )
    assert all(c.choices[0].delta.role is None for c in last)
    assert restorer.end() == []


@examples(100)
@given(
    texts=st.lists(st.lists(WORDS, max_size=5).map("".join), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_arguments_are_restored_as_json(texts: list[str], cuts: list[int]) -> None:
    """Each call by itself, and what is put in is escaped; ids and names come once."""
    restorer = Restorer(SECRETS)
    calls: dict[int, list[str]] = {}
    arguments = [json.dumps({"a": text}) for text in texts]
    for n, whole in enumerate(arguments):
        pieces = cut(whole, cuts)
        for m, piece in enumerate(pieces):
            first = {"id": f"c{n}", "function": {"name": "f", "arguments": piece}} if not m else {}
            for shown in restorer.chunk(chunk(call(piece, n, **first))):
                for made in shown.choices[0].delta.tool_calls or ():
                    own = calls.setdefault(made.index, ["", "", ""])
                    own[0] += made.id or ""
                    own[1] += made.function.name or ""
                    own[2] += made.function.arguments or ""
    assert restorer.chunk(chunk({}, "tool_calls"))[-1].choices[0].finish_reason == "tool_calls"
    for n, text in enumerate(texts):
        assert calls[n][:2] == [f"c{n}", "f"]
        assert json.loads(calls[n][2]) == {"a": expected(text)}


def test_what_waits_of_a_call_is_not_lost() -> None:
    """Arguments that end in the middle of a placeholder are shown to their last character."""
    restorer = Restorer(SECRETS)
    first = call('{"a": "[sec', 1, id="c1", type="function")
    first["tool_calls"][0]["function"]["name"] = "f"
    assert len(restorer.chunk(chunk({"role": "assistant", **first}))) == 1
    left, last = restorer.chunk(chunk({}, "length"))
    assert left.choices[0].delta.model_dump(exclude_none=True) == {
        "tool_calls": [{"index": 1, "function": {"arguments": "[sec"}, "type": "function"}]
    }
    assert last.choices[0].finish_reason == "length"


def test_choices_and_kinds_of_text_wait_apart() -> None:
    """What one choice (or its refusal) is about to say says nothing of another."""
    restorer = Restorer(SECRETS)
    seen = {0: ["", ""], 1: ["", ""]}
    for index, piece in ((0, "[secret-"), (1, "[secret-1"), (0, "12] a"), (1, "] b")):
        given_delta = {"content": piece, "refusal": piece[-2:]}
        (shown,) = restorer.chunk(chunk(given_delta, index=index))
        delta = shown.choices[0].delta
        seen[index][0] += delta.content
        seen[index][1] += delta.refusal
    assert seen == {0: ["hunter2 a", "t- a"], 1: ['a"b\n b', "-1 b"]}


def test_the_last_text_may_come_with_the_end() -> None:
    """Some providers say the last word and the reason in one chunk."""
    restorer = Restorer(SECRETS)
    (shown,) = restorer.chunk(chunk({"content": "[secret-2] and [secret"}, "stop"))
    assert shown.choices[0].delta.content == "[secret-1] and [secret"


@pytest.mark.parametrize("kind", ["json_object", "json_schema", "text"])
def test_answers_in_json_stay_json(kind: str) -> None:
    """Where the body asks for JSON, what is put into the text is escaped."""
    restorer = Restorer(SECRETS, json_content=kind != "text")
    message = {"content": '{"a": "[secret-1]"}', "reasoning_content": "[secret-1]"}
    restorer.answer({"choices": [{"message": message}]})
    assert message["reasoning_content"] == 'a"b\n'
    if kind == "text":
        assert message["content"] == '{"a": "a"b\n"}'
    else:
        assert json.loads(message["content"]) == {"a": 'a"b\n'}
