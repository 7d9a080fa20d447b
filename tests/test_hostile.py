"""Texts made to break a reader: whatever a tool returns, a plan comes back, sound and no larger.

Nothing is timed here (benchmarks/doubling.py does that); a watchdog ends a run that hangs.
"""

from __future__ import annotations

import base64
import faulthandler
import json
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from strategies import TIMES
from tokenthrift.catalog import load_catalog
from tokenthrift.errors import OverBudgetError
from tokenthrift.pipeline import Plan, plan
from tokenthrift.policy import load_policy
from tokenthrift.tokens import count_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WATCHDOG_S: Final = 1_200 if TIMES > 1 else 240
MEGABYTE: Final = 1_000_000
CATALOG: Final = load_catalog()
NIGHTLY: Final = TIMES > 1
CUTTING: Final = {
    "floor_tokens": 20,
    "stages": [
        {"stage": "json"},
        {"stage": "html"},
        {"stage": "dedupe", "min_tokens": 16},
        {"stage": "log"},
        {"stage": "select", "keep": 0.3, "min_tokens": 40, "roles": ["tool", "user", "assistant"]},
    ],
}
SHIPPED: Final = ("off", "lossless", "quality", "balanced", "frugal")


@pytest.fixture(autouse=True)
def _watchdog() -> Iterator[None]:
    """End the run with a traceback where a plan does not come back."""
    faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def answered(text: str) -> dict[str, Any]:
    """A question and a tool's answer to it."""
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Why did the worker fail?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    return {"model": "gpt-4o", "messages": messages}


def looped(text: str) -> dict[str, Any]:
    """The same answer twice in an agent's loop, and in its arguments."""
    first = answered(text)["messages"]
    function = {"name": "run", "arguments": text}
    call = {"id": "d", "type": "function", "function": function}
    more = [
        {"role": "assistant", "content": text[:2_000], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "d", "content": f"{text}\nand more"},
    ]
    return {"model": "gpt-4o", "messages": [*first, *more]}


def asked(text: str) -> dict[str, Any]:
    """A user who sends it, under system text that holds it too."""
    messages = [{"role": "system", "content": text}, {"role": "user", "content": text}]
    return {"model": "gpt-4o", "messages": messages}


FORMS: Final = (answered, looped, asked)


def assert_sound(body: dict[str, Any], policy: Any) -> Plan:
    """The plan of a body: nothing failed, nothing is larger, the conversation has its shape."""
    made = plan(body, policy if policy in SHIPPED else load_policy(policy), catalog=CATALOG)
    assert [s.error for s in made.trace if s.error] == []
    assert made.tokens_after <= made.tokens_before
    assert count_request(made.sent, made.count) <= made.tokens_after
    sent = [m for n, m in enumerate(body["messages"]) if n not in made.draft.removed]
    assert [m["role"] for m in made.body["messages"]] == [m["role"] for m in sent]
    json.dumps(made.body)
    return made


# ------------------------------------------------------------------------------------- long lines
def _letters(size: int) -> str:
    return "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=size))


def _json_line(size: int) -> str:
    rows = [{"id": n, "name": f"user {n}", "tags": ["a", n % 7, None]} for n in range(size // 45)]
    return json.dumps({"rows": rows, "next": None})


LINES: Final[dict[str, Callable[[int], str]]] = {
    "letters": _letters,
    "json": _json_line,
    "base64": lambda size: base64.b64encode(random.Random(0).randbytes(size * 3 // 4)).decode(),
    "digits": lambda size: "".join(random.Random(0).choices("0123456789", k=size)),
    "brackets": lambda size: "[" * size,
    "quotes": lambda size: '"' * size,
    "cjk": lambda size: "".join(random.Random(0).choices("日本語中文字符号検索結果", k=size)),
    "words": lambda size: "the worker did not answer. " * (size // 27),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_ten_megabytes(name: str) -> None:
    """One line of ten million characters is planned like any other text."""
    assert_sound(answered(LINES[name](10 * MEGABYTE)), "balanced")


@pytest.mark.parametrize("policy", [*SHIPPED, CUTTING], ids=[*SHIPPED, "cutting"])
@pytest.mark.parametrize("name", LINES)
def test_a_long_line_under_every_policy(name: str, policy: Any) -> None:
    """Every shipped policy takes a long line as an answer, in a loop and from a user."""
    text = LINES[name](10 * MEGABYTE if NIGHTLY else MEGABYTE // 10)
    for form in FORMS:
        assert_sound(form(text), policy)


@pytest.mark.parametrize("name", LINES)
def test_a_long_line_under_a_budget(name: str) -> None:
    """A hard budget is met by trimming, whatever the line is made of."""
    budget = {"hard_tokens": 2_000, "on_over_budget": "trim"}
    text = LINES[name](MEGABYTE // 5)
    for scope in ("conversation", "request"):
        policy = {**CUTTING, "scope": scope, "budget": budget}
        assert assert_sound(answered(text), policy).tokens_after <= 2_000


# ---------------------------------------------------------------------------------------- nesting
DEPTH: Final = 100_000
NESTED: Final = {
    "arrays": "[" * DEPTH + "]" * DEPTH,
    "objects": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "records": '[{"a":' * DEPTH + "1" + "}]" * DEPTH,
    "never closed": '{"a":[' * DEPTH,
    "closed only": "]}" * DEPTH,
    "divs": f"<!doctype html><html><body>{'<div>' * DEPTH}x{'</div>' * DEPTH}</body></html>",
    "tables": f"<!doctype html><html><body>{'<table><tr><td>' * DEPTH}x</body></html>",
    "formatting": "<!doctype html><html><body>"
    + "".join(f"<div><b id={n}>x</div>" for n in range(DEPTH)),
    "choices": f"<!doctype html><html><body><select>{'<option>x' * DEPTH}</body></html>",
    "attributes": f"<!doctype html><html {' '.join(f'a{n}=1' for n in range(DEPTH))}><body>x",
    "links": f"<!doctype html><html><body>{'<a href=x>y' * DEPTH}</body></html>",
    "quotes in tags": '<!doctype html><html class="' + '<a b="' * DEPTH,
    "fences": "".join("`" * (3 + n % 40) + "\n" for n in range(DEPTH // 10)),
    "quoted": ">" * DEPTH + " x",
}


@pytest.mark.parametrize("name", NESTED)
def test_deep_nesting(name: str) -> None:
    """What nests a hundred thousand deep neither overflows a stack nor takes the square of that."""
    for form in FORMS if NIGHTLY else (answered,):
        assert_sound(form(NESTED[name]), CUTTING)


# ------------------------------------------------------------------------------------ odd signs
# Each repeated over and over: what regular expressions stumble over, and what encodings do.
SIGNS: Final = (
    *(".", "!?", "-", "_", "/", "\\", "'", '"', "`", "~", "#", "*", "=", "|", ",", ":", "&", "%"),
    *("(", ")", "[", "]", "{", "}", "<", ">", "</", "<!--", "-->", "<a ", "<p>", "&amp;", "&#1"),
    *(" ", "\t", "\n", "\r", "\r\n", " \n", "\n\n\n", "\x0b", "\x0c", "\x85", "\u2028", "\u3000"),
    *("\x00", "\x1b[31m", "\x07", "\x7f", "\ufeff", "\ufffd", "\u202e", "\u2066", "\u200d"),
    *("\ud800", "\udfff", "\udfff\ud800", "\ud83d\ude00", "😀", "👩\u200d👧", "e\u0301", "\u0301"),
    *("日本語。", "ภาษาไทย", "한국어", "मानक ", "وال", "ﬁ", "İ", "ｶﾞ", "\u1100\u1161", "ß"),
    *("```\n", "```x\n", "~~~~\n", "# h\n", "- a\n", "> a\n", "| a | b |\n", "@1 3 rows|a|b\n"),
    *("[-3]\n", "[same as m0]\n", "[same as m0 lines 1-3]\n", "<|endoftext|>", "[page as text]\n"),
    *("a.b.", "a/b/", "aB1", "A", "a", "0", "9.9.", "0x", "a=b ", "x@y.z ", "http://a.b/c "),
    *(" at ", "    at a.b(c.java:1)\n", "Ann: ", "error ", "INFO ", "2025-01-01 10:00:00 INFO x\n"),
    *("src/a.py:1:x\n", "@@ -1 +1 @@\n", '{"a":1}\n', '{"a":1},', "1|2|3\n", "a,b,c\n", "x\n"),
)


@pytest.mark.parametrize("sign", SIGNS, ids=ascii)
def test_one_sign_over_and_over(sign: str) -> None:
    """Tens of thousands of any sign are no more than that; a million in a nightly run."""
    text = sign * (MEGABYTE // (1 if NIGHTLY else 20) // len(sign))
    for form in FORMS:
        assert_sound(form(text), CUTTING)


def test_a_million_empty_lines() -> None:
    """Lines that say nothing are planned, and are no cost to speak of."""
    for policy in SHIPPED if NIGHTLY else ("balanced",):
        assert_sound(answered("\n" * MEGABYTE), policy)


def test_a_million_blanks() -> None:
    """An encoding that refuses a run of a million blanks does not refuse the request."""
    made = assert_sound(answered(" " * MEGABYTE + "x"), "balanced")
    assert made.tokens_before > 1_000


# ------------------------------------------------------------------------------- many, and large
def test_many_tiny_messages() -> None:
    """A conversation of very many very short messages costs what its length is."""
    count = 200_000 if NIGHTLY else 20_000
    messages = [
        {"role": ("user", "assistant")[n % 2], "content": f"message {n}"} for n in range(count)
    ]
    made = assert_sound({"model": "gpt-4o", "messages": messages[:-1]}, "balanced")
    assert len(made.body["messages"]) == count - 1


def test_many_parts_and_calls() -> None:
    """One message of very many parts, and one of very many calls."""
    parts = [{"type": "text", "text": f"part {n}\n" * 20} for n in range(2_000)]
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        for n in range(2_000)
    ]
    results = [
        {"role": "tool", "tool_call_id": c["id"], "content": f"{c['id']} is done\n" * 20}
        for c in calls
    ]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *results,
    ]
    for policy in ("balanced", "frugal", CUTTING):
        assert_sound({"model": "gpt-4o", "messages": messages}, policy)


@pytest.mark.parametrize("name", ["json", "words", "quotes"])
def test_huge_arguments(name: str) -> None:
    """Arguments of megabytes pass untouched, and are no burden on what follows them."""
    body = looped("a line of a result\n" * 400)
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = LINES[name](3 * MEGABYTE)
    made = assert_sound(body, "balanced")
    given = [m.get("tool_calls") for m in body["messages"]]
    assert [m.get("tool_calls") for m in made.body["messages"]] == given


def test_arguments_over_a_budget_say_so() -> None:
    """What no budget can hold is an error that names it, not a crash."""
    body = looped("x")
    body["messages"][1]["tool_calls"][0]["function"]["arguments"] = LINES["json"](MEGABYTE)
    body["messages"].append({"role": "user", "content": "And now?"})
    with pytest.raises(OverBudgetError, match="m1"):
        plan(body, {**CUTTING, "budget": {"hard_tokens": 1_000}}, catalog=CATALOG)
