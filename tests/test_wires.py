"""Responses and Messages bodies under every policy: the invariants of the core, on both wires."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from strategies import examples
from test_invariants import (
    COMPACTED,
    HARD_TOKENS,
    ON_OVER_BUDGET,
    POLICIES,
    assert_verbatim,
    budgeted,
    level_two_edits,
    planned,
)
from tokenthrift import wire
from tokenthrift.cli import app
from tokenthrift.compress import Memo, join, split
from tokenthrift.errors import OverBudgetError
from tokenthrift.policy import load_policy
from tokenthrift.tokens import count_request, counter_for
from wire_bodies import (
    MESSAGES,
    RESPONSES,
    any_bodies,
    is_the_models,
    items_key,
    proper_bodies,
    refusal,
    resent,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.pipeline import Plan
    from tokenthrift.types import Path, Request

BOTH = pytest.mark.parametrize("name", [RESPONSES, MESSAGES])
SOME: Final = {k: POLICIES[k] for k in ("lossless", "balanced", "frugal", "tight", "one-off")}
EVERY_POLICY = pytest.mark.parametrize("policy", SOME.values(), ids=SOME.keys())
TEXTS: Final = ("text", "tool_result")


def at(root: Any, path: Path) -> Any:
    """The value at a path."""
    for key in path:
        root = root[key]
    return root


def blanked(request: Request, removed: frozenset[int] = frozenset()) -> Any:
    """The conversation with every text that may be rewritten blanked out."""
    texts = {p.path: "text" for m in request.messages for p in m.parts if p.type in TEXTS}
    body = wire.write(request, texts, removed)
    return {k: body.get(k) for k in ("system", "instructions", "messages", "input")}


def opaque(request: Request) -> list[Any]:
    """Everything that must pass as it is, in order."""
    return [p.raw for m in request.messages for p in m.parts if p.type not in TEXTS]


def assert_paired(name: str, body: Mapping[str, Any], given_body: Mapping[str, Any]) -> None:
    """Calls and results belong together as the provider demands it."""
    if name == MESSAGES:
        messages = body["messages"]
        assert messages[0]["role"] == "user"
        for before, after in pairwise([*messages, {"role": "user", "content": ""}]):
            assert before["content"] not in ([], "")
            calls = [
                b["id"]
                for b in before["content"]
                if before["role"] == "assistant" and isinstance(b, dict) and b["type"] == "tool_use"
            ]
            blocks = after["content"] if isinstance(after["content"], list) else []
            results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
            assert calls == results
            assert [b["type"] for b in blocks[: len(results)]] == ["tool_result"] * len(results)
        return
    items = body["input"]
    calls = [i["call_id"] for i in items if str(i.get("type")).endswith("_tool_call")]
    calls += [i["call_id"] for i in items if i.get("type") == "function_call"]
    outputs = [i["call_id"] for i in items if str(i.get("type")).endswith("_output")]
    held = ["call_held"] if "previous_response_id" in body else []
    assert sorted(outputs) == sorted(calls + held)
    whole = given_body["input"]
    for n, item in enumerate(items):
        if item.get("type") == "reasoning":
            follower = whole[whole.index(item) + 1]
            kept = {k: v for k, v in follower.items() if k != "content"}
            assert {k: v for k, v in items[n + 1].items() if k != "content"} == kept


# --------------------------------------------------------------------------------- 1: round trips
@BOTH
@examples(80)
@given(data=st.data())
def test_paths_lead_to_the_texts(name: str, data: st.DataObject) -> None:
    """A part's path leads to its text in the body, or to the opaque item itself."""
    body = data.draw(any_bodies(name))
    request = wire.read(body, name)
    assert [m.index for m in request.messages] == list(range(len(request.messages)))
    for message in request.messages:
        at(body, message.path)
        for part in message.parts:
            if part.type in TEXTS:
                assert at(body, part.path) == part.text
            else:
                assert at(body, part.path) is part.raw
    paths = [p.path for m in request.messages for p in m.parts]
    assert len(set(paths)) == len(paths)


@BOTH
@examples(60)
@given(data=st.data())
def test_join_undoes_split_byte_for_byte(name: str, data: st.DataObject) -> None:
    """Invariant 1: taken apart and put together it is the same; `off` sends the same bytes."""
    body = data.draw(any_bodies(name))
    before = written(body)
    request = wire.read(body, name)
    parts = split(request, counter_for(request.model))
    assert join(request, parts.segments, frozenset()) is request
    assert written(wire.write(request, {})) == before
    made = planned(request, load_policy("off"))
    assert made.body is body
    assert written(made.body) == before
    assert made.tokens_after == made.tokens_before


@BOTH
@examples(60)
@given(data=st.data())
def test_texts_are_written_where_they_stood(name: str, data: st.DataObject) -> None:
    """Replacing every text changes those texts in a copy, and putting them back gives the body."""
    body = data.draw(any_bodies(name))
    before = deepcopy(body)
    request = wire.read(body, name)
    paths = [p.path for m in request.messages for p in m.parts if p.type in TEXTS]
    changed = wire.write(request, {path: f"new {n}" for n, path in enumerate(paths)})
    assert body == before
    assert [at(changed, path) for path in paths] == [f"new {n}" for n in range(len(paths))]
    restored = wire.write(wire.read(changed, name), {path: at(before, path) for path in paths})
    assert written(restored) == written(before)


@BOTH
@examples(40)
@given(data=st.data())
def test_listed_texts_can_be_replaced(name: str, data: st.DataObject) -> None:
    """Every text that is listed for redaction stands at its path, and can be written there."""
    body = data.draw(any_bodies(name))
    request = wire.read(body, name)
    listed = wire.texts_of(request)
    assert len({path for path, _ in listed}) == len(listed)
    for path, text in listed:
        assert at(body, path) == text
    rewritten = {p.path for m in request.messages for p in m.parts if p.type in TEXTS and p.text}
    assert rewritten <= {path for path, _ in listed}
    changed = wire.write(request, {path: "x" for path, _ in listed})
    assert all(at(changed, path) == "x" for path, _ in listed)


# ---------------------------------------------------------------------------------- 2: append-only
@BOTH
@pytest.mark.parametrize(
    "policy", [SOME[k] for k in ("balanced", "frugal", "tight")], ids=lambda p: p.name
)
@examples(15)
@given(data=st.data())
def test_plans_are_append_only(name: str, policy: Any, data: st.DataObject) -> None:
    """Invariant 2: inside an epoch what was sent before is a prefix of what is sent now."""
    body = data.draw(proper_bodies(name, 4, 60))
    key = items_key(name)
    memo = Memo()
    plans = []
    for cut in resent(name, body):
        made = planned(wire.read(cut, name), policy)
        assert planned(wire.read(cut, name), policy, memo).body == made.body
        plans.append(made)
    for shorter, longer in pairwise(plans):
        if shorter.epoch == longer.epoch:
            sent = shorter.body[key]
            assert longer.body[key][: len(sent)] == sent
            assert longer.body.get("system") == shorter.body.get("system")
            assert longer.body.get("tools") == shorter.body.get("tools")


@examples(25)
@given(data=st.data())
def test_moving_a_cache_mark_moves_nothing_else(data: st.DataObject) -> None:
    """Invariant 2: callers mark the newest message each turn; what is sent is the same but for it.

    Messages of the model's own calls with and without marks count alike, so that no threshold is
    crossed by a mark.
    """
    body = data.draw(proper_bodies(MESSAGES, 3, 60))
    marked = deepcopy(body)
    for message in marked["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            if block["type"] in ("text", "tool_use", "tool_result", "image"):
                block["cache_control"] = {"type": "ephemeral"}
    plain = planned(wire.read(body, MESSAGES), SOME["tight"])
    with_marks = planned(wire.read(marked, MESSAGES), SOME["tight"])
    assert with_marks.tokens_after == plain.tokens_after
    assert unmarked(with_marks.body["messages"]) == unmarked(plain.body["messages"])


def unmarked(value: Any) -> Any:
    """A value without cache marks at any depth."""
    if isinstance(value, dict):
        return {k: unmarked(v) for k, v in value.items() if k != "cache_control"}
    return [unmarked(v) for v in value] if isinstance(value, list) else value


# --------------------------------------------------------------------------- 3: steps, 4: protected
@BOTH
@EVERY_POLICY
@examples(15)
@given(data=st.data())
def test_only_open_text_changes(name: str, policy: Any, data: st.DataObject) -> None:
    """Invariant 4: opaque items pass byte for byte, and everything but open text is as given."""
    body = data.draw(any_bodies(name))
    before = deepcopy(body)
    request = wire.read(body, name)
    made = planned(request, policy)
    assert body == before
    gone = made.draft.removed
    assert blanked(made.sent) == blanked(request, gone)
    if not gone:
        assert [written({"": o}) for o in opaque(made.sent)] == [
            written({"": o}) for o in opaque(request)
        ]
    keys = {"messages", "input", "system", "instructions", "tools"}
    assert {k: v for k, v in made.body.items() if k not in keys} == {
        k: v for k, v in before.items() if k not in keys
    }
    taken = sum(s.tokens_before - s.tokens_after for s in made.trace)
    if made.epoch == 0:
        assert taken == made.tokens_before - made.tokens_after
    assert count_request(made.sent, made.count) <= made.tokens_after
    for segment in made.draft.segments:
        if segment.role == "system":
            assert segment.text == segment.original
    for _, earlier, later in level_two_edits(made):
        assert_verbatim(earlier, later)


@BOTH
@examples(60)
@given(data=st.data(), hard_tokens=HARD_TOKENS, on_over_budget=ON_OVER_BUDGET)
def test_budgets_keep_the_shape_of_a_conversation(
    name: str, data: st.DataObject, hard_tokens: int, on_over_budget: str
) -> None:
    """Invariants 4 and 7: a budget is met, and no call is torn from its result or its reasoning."""
    body = data.draw(proper_bodies(name, 4, 60))
    request = wire.read(body, name)
    scope = data.draw(st.sampled_from(["conversation", "request"]))
    try:
        made = planned(request, budgeted(hard_tokens, on_over_budget, scope))
    except OverBudgetError:
        return
    assert made.tokens_after <= hard_tokens
    assert blanked(made.sent) == blanked(request, made.draft.removed)
    assert_paired(name, made.body, body)
    assert refusal(name, made.body) == refusal(name, body) == ""


@BOTH
@examples(15)
@given(data=st.data())
def test_compactions_keep_the_shape_of_a_conversation(name: str, data: st.DataObject) -> None:
    """Invariant 4: a compaction of the whole past keeps calls, results and reasoning in place."""
    body = data.draw(proper_bodies(name, 5, 80))
    made = planned(wire.read(body, name), COMPACTED)
    assert_paired(name, made.body, body)
    assert len(made.body[items_key(name)]) <= len(body[items_key(name)])
    assert refusal(name, made.body) == ""


def exchange_of(name: str, text: str, n: int) -> list[dict[str, Any]]:
    """A call and its result, with text of the user beside the result where the wire allows it."""
    if name == RESPONSES:
        return [
            {"type": "reasoning", "id": f"rs_{n}", "summary": [], "encrypted_content": "c2VhbGVk"},
            {"type": "function_call", "call_id": f"c{n}", "name": "read", "arguments": "{}"},
            {"type": "function_call_output", "call_id": f"c{n}", "output": text},
        ]
    call = {"type": "tool_use", "id": f"c{n}", "name": "read", "input": {}}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
    result = {"type": "tool_result", "tool_use_id": f"c{n}", "content": text, "is_error": False}
    beside = {"type": "text", "text": f"and note {n}"}
    return [
        {"role": "assistant", "content": [thinking, call]},
        {"role": "user", "content": [result, beside]},
    ]


def log_of(k: int) -> str:
    """A log that shares no line with the others."""
    rows = (f"2025-11-0{k + 1} 10:{n % 60:02}:00 INFO part {k} took {n} ms" for n in range(300))
    return "\n".join(rows)


@BOTH
def test_results_are_cut_like_those_of_chat(name: str) -> None:
    """What a tool answered is cut as on Chat, to the same text; text beside it is the user's."""
    policy = SOME["tight"].model_copy(update={"scope": "conversation"})
    said = [m for n in range(3) for m in exchange_of(name, log_of(n), n)]
    body = {items_key(name): [{"role": "user", "content": "Which took 17 ms?"}, *said]}
    request = wire.read({"model": "gpt-4.1", "max_tokens": 64, **body}, name)
    tools = [m for m in request.messages if m.role == "tool"]
    assert [m.parts[0].type for m in tools] == ["tool_result"] * 3
    made = planned(request, policy)
    chat: list[dict[str, Any]] = [{"role": "user", "content": "Which took 17 ms?"}]
    for n in range(3):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        chat += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": log_of(n)},
        ]
        if name == MESSAGES:
            chat.append({"role": "user", "content": f"and note {n}"})
    as_chat = planned({"model": "gpt-4.1", "messages": chat}, policy)
    cut = [p.text for m in made.sent.messages for p in m.parts if p.type == "tool_result"]
    assert cut == [m["content"] for m in as_chat.body["messages"] if m["role"] == "tool"]
    assert made.tokens_after < 0.7 * made.tokens_before


@BOTH
def test_trimming_drops_old_exchanges_whole(name: str) -> None:
    """Under a hard budget old calls go with results and reasoning; what the user said stays."""
    said = [m for n in range(9) for m in exchange_of(name, f"file {n}", n)]
    body = {
        "model": "gpt-4.1",
        "max_tokens": 64,
        items_key(name): [{"role": "user", "content": "Read them."}, *said],
    }
    request = wire.read(body, name)
    before = count_request(request, counter_for("gpt-4.1"))
    made = planned(request, budgeted(before // 2, "trim", "request"))
    assert made.tokens_after <= before // 2
    assert made.draft.removed
    assert_paired(name, made.body, body)
    if name == MESSAGES:
        assert all(f"and note {n}" in written(made.body) for n in range(9))


def calls_and_results(made: Plan) -> tuple[int, int]:
    """How many calls and results are sent."""
    kinds = [p.type for m in made.sent.messages for p in m.parts]
    return kinds.count("tool_call"), sum(m.role == "tool" for m in made.sent.messages)


def test_outputs_of_calls_that_the_provider_holds_stay() -> None:
    """An output that answers a call of the response before is never dropped."""
    items = [
        {"type": "function_call_output", "call_id": f"h{n}", "output": f"held {n}"}
        for n in range(6)
    ]
    body = {"model": "gpt-4.1", "previous_response_id": "resp_1", "input": items}
    try:
        made = planned(wire.read(body, RESPONSES), budgeted(60, "trim", "request"))
    except OverBudgetError:
        return
    assert calls_and_results(made) == (0, 6)


@BOTH
@pytest.mark.parametrize("policy", ["balanced", "frugal"])
def test_the_recall_tool_is_offered_in_the_wires_own_form(name: str, policy: str) -> None:
    """Where the policy offers it, the tool stands behind the caller's, as the wire writes it."""
    recall = {"offer": True}
    rules = SOME[policy].model_copy(
        update={"recall": SOME[policy].recall.model_copy(update=recall)}
    )
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    own: dict[str, Any] = (
        {"type": "function", "name": "read", "parameters": schema}
        if name == RESPONSES
        else {"name": "read", "input_schema": schema}
    )
    body = {
        "model": "gpt-4.1",
        "max_tokens": 9,
        "tools": [own],
        items_key(name): [{"role": "user", "content": "hi"}],
    }
    made = planned(wire.read(body, name), rules)
    assert made.offer.made
    assert made.body["tools"][0]["name"] == "read"
    tool = made.body["tools"][1]
    assert tool["name"] == "tokenthrift_recall"
    if name == RESPONSES:
        assert tool["type"] == "function"
        assert tool["strict"] is False
        assert tool["parameters"]["required"] == ["id"]
    else:
        assert tool.keys() == {"name", "description", "input_schema"}
    again = planned(wire.read(made.body, name), rules)
    assert not again.offer.made


def test_own_items_are_told_from_the_users() -> None:
    """The tests' own reading of who sent an item agrees with the wire's."""
    items = [i for run in (exchange_of(RESPONSES, "x", 0),) for i in run]
    request = wire.read({"input": items}, RESPONSES)
    assert [m.role == "assistant" for m in request.messages] == [is_the_models(i) for i in items]


@BOTH
def test_a_body_is_cut_where_a_message_begins(name: str) -> None:
    """What was asked before an answer of the model is a body of the same wire."""
    said = [m for n in range(3) for m in exchange_of(name, f"file {n}", n)]
    body = {"model": "m", items_key(name): [{"role": "user", "content": "Read them."}, *said]}
    request = wire.read({**body, "system": "x", "instructions": "x"}, name)
    for message in request.messages:
        if message.role == "assistant" and not message.tied:
            before = wire.upto(request, message.index)
            assert before[items_key(name)] == body[items_key(name)][: message.path[1]]  # type: ignore[misc]
    assert wire.upto(request, len(request.messages)) is request.body


@BOTH
def test_the_command_plans_bodies_of_every_wire(name: str, tmp_path: Any) -> None:
    """``tokenthrift plan`` takes a body as it is, and one with its answer as the recorded past."""
    lines = log_of(0)
    said = [m for n in range(3) for m in exchange_of(name, f"file {n}\n{lines}", n)]
    body = {
        "model": "gpt-4.1",
        items_key(name): [{"role": "user", "content": "Which took 17 ms?"}, *said],
    }
    answer = {"role": "assistant", "content": "None."}
    for n, sent in enumerate((body, {**body, items_key(name): [*body[items_key(name)], answer]})):  # type: ignore[misc]
        file = tmp_path / f"{n}.json"
        file.write_text(json.dumps(sent))
        result = CliRunner().invoke(app, ["plan", str(file), "--body"])
        assert result.exit_code == 0, result.output
        made = json.loads(result.stdout)
        assert made == planned(wire.read(body, name), load_policy("balanced")).body
        assert len(result.stdout) < 0.8 * len(json.dumps(body))


SEEDS: Final = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_wires import MESSAGES, RESPONSES, exchange_of, items_key, log_of
from tokenthrift import wire
from tokenthrift.pipeline import plan
for name in (RESPONSES, MESSAGES):
    said = [m for n in range(3) for m in exchange_of(name, log_of(n), n)]
    asked = [{"role": "user", "content": "Which took 17 ms?"}, *said]
    request = wire.read({"model": "m", items_key(name): asked}, name)
    print(wire.texts_of(request), json.dumps(plan(request, "frugal").body))
"""


def test_plans_are_the_same_on_every_hash_seed() -> None:
    """Invariant 8: two processes with different hash seeds list and send the same bytes."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SEEDS, str(Path(__file__).parent)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert "[-" in outputs[0]
