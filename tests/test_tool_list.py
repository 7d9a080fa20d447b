"""Tool lists in plans: smaller or as given, the same at every turn, shown, and in the savings."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import openai
import pytest
from hypothesis import given
from rich.console import Console

import tokenthrift
from strategies import NOISY, READ_FILE, TOOL_LISTS, chat_bodies, conversations, examples, resent
from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo, Tools, fit_tools
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.errors import PolicyError
from tokenthrift.pipeline import Plan, plan
from tokenthrift.policy import load_policy
from tokenthrift.report import explain, plan_view

if TYPE_CHECKING:
    from tokenthrift.serve.simulated import SimulatedProvider

COMPACT: Final = load_policy({"tools": {"compact": True}})
CHOOSE: Final = load_policy({"tools": {"choose": {"at_least": 2}}})


def tool(name: str, about: str, *keys: str) -> dict[str, Any]:
    """A function tool."""
    fields = {key: {"type": "string"} for key in keys}
    parameters = {"type": "object", "properties": fields}
    return {
        "type": "function",
        "function": {"name": name, "description": about, "parameters": parameters},
    }


OFFICE: Final = [
    tool("book_flight", "Book a flight for a passenger.", "origin", "destination"),
    tool("cancel_flight", "Cancel a booked flight.", "booking"),
    tool("play_music", "Play a song.", "title"),
    tool("set_alarm", "Set an alarm clock.", "time"),
    tool("draw_chart", "Draw a chart of numbers.", "numbers"),
    {"type": "web_search"},
]
FLIGHT: Final = {"role": "user", "content": "Please book a flight to Oslo."}


def planned(body: dict[str, Any], policy: Any = COMPACT, **more: Any) -> Plan:
    """A plan with the bundled cards."""
    return plan(body, policy, catalog=load_catalog(), **more)


def offered(made: Plan) -> list[str]:
    """Names of the tools that are sent; types of those without one."""
    return [t.get("function", {}).get("name") or t["type"] for t in made.body["tools"]]


def chosen(*messages: dict[str, Any], policy: Any = CHOOSE, **more: Any) -> list[str]:
    """The tools that a conversation is offered."""
    return offered(
        planned({"model": "gpt-4o", "tools": OFFICE, "messages": messages} | more, policy)
    )


# -------------------------------------------------------------------------------------- compacting
def test_a_schema_that_does_not_shrink_is_the_callers_own() -> None:
    """Only what changes is copied, and keys beside the function stay."""
    body = {"model": "gpt-4o", "messages": [FLIGHT], "tools": [READ_FILE, NOISY]}
    made = planned(body)
    assert made.body["tools"][0] is READ_FILE
    assert made.body["tools"][1] == {
        "type": "function",
        "x_vendor": 1,
        "function": {
            "name": "find_orders",
            "description": "Find orders.\n\nNewest first; `limit` at most.",
            "parameters": {
                "type": "object",
                "properties": {
                    "user_id": {"type": "string"},
                    "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
            },
        },
    }
    assert made.body["messages"] is body["messages"]
    assert planned({**body, "tools": [READ_FILE]}).body["tools"][0] is READ_FILE


@pytest.mark.parametrize("tools", TOOL_LISTS)
def test_tools_of_any_form_pass(tools: Any) -> None:
    """What is no function is sent as it came, and no schema is mutated."""
    body = {"model": "gpt-4o", "messages": [FLIGHT], "tools": deepcopy(tools)}
    made = planned(body)
    assert body["tools"] == tools
    for before, after in zip(body["tools"], made.body["tools"], strict=True):
        if not isinstance(before, dict) or before.get("function") is None:
            assert after is before or after == before


def test_legacy_functions_are_compacted_too() -> None:
    """Before there were tools there were functions."""
    body = {"model": "gpt-4o", "messages": [FLIGHT], "functions": [NOISY["function"]]}
    assert planned(body).body["functions"] == [
        planned({**body, "functions": [], "tools": [NOISY]}).body["tools"][0]["function"]
    ]


def test_what_is_sent_can_be_written_into() -> None:
    """An SDK that changes what it sends does not change what the next plan sends."""
    body = {"model": "gpt-4o", "messages": [FLIGHT], "tools": [NOISY]}
    first = planned(body).body["tools"][0]["function"]
    first["parameters"]["properties"].clear()
    assert planned(body).body["tools"][0]["function"]["parameters"]["properties"]


@examples(60)
@given(chat_bodies())
def test_steps_sum_to_the_total(body: dict[str, Any]) -> None:
    """The step of the tools is part of the trace, and of what the plan saved."""
    made = planned(body)
    taken = sum(s.tokens_before - s.tokens_after for s in made.trace)
    assert taken == made.tokens_before - made.tokens_after
    assert made.tokens_after <= made.tokens_before
    request, steps = fit_tools(made.request, COMPACT.tools, made.count)
    assert request.tools_text == made.sent.tools_text
    assert made.trace[: len(steps)] == steps


@examples(20)
@given(conversations(max_turns=4, max_lines=20))
def test_the_list_is_the_same_at_every_turn(body: dict[str, Any]) -> None:
    """Whatever is said later, the same bytes stand ahead of the messages."""
    policy = load_policy({"tools": {"compact": True, "choose": {"at_least": 1}}})
    tools = [*OFFICE, NOISY, READ_FILE]
    memo = Memo()
    sent = [planned({**cut, "tools": tools}, policy, memo=memo) for cut in resent(body)]
    called = {c["function"]["name"] for m in body["messages"] for c in m.get("tool_calls") or ()}
    if not called & {t["function"]["name"] for t in tools if "function" in t}:
        assert len({json.dumps(made.body["tools"]) for made in sent}) == 1
    assert [m.trace for m in sent] == [
        planned({**cut, "tools": tools}, policy).trace for cut in resent(body)
    ]


def test_a_memo_keeps_the_steps_of_tools_apart() -> None:
    """Two lists that are sent alike are told apart in the trace."""
    memo = Memo()
    body = {"model": "gpt-4o", "messages": [FLIGHT], "tools": [NOISY]}
    sent = planned(body, memo=memo)
    again = planned({**body, "tools": sent.body["tools"]}, memo=memo)
    assert again.body["tools"] == sent.body["tools"]
    assert again.trace[0].edits == ()
    assert again.tokens_before == again.tokens_after == sent.tokens_after


def test_a_compaction_of_the_conversation_keeps_the_step() -> None:
    """An epoch forgets what turns did, not what was done to the tools."""
    policy = load_policy(
        {
            "tools": {"compact": True},
            "stages": [{"stage": "select", "keep": 0.5, "min_tokens": 50}],
            "compaction": {"at_tokens": 1_000},
        }
    )
    text = "\n".join(f"line {n} of a long report about things" for n in range(200))
    messages = [FLIGHT, {"role": "assistant", "content": "ok"}, {"role": "user", "content": text}]
    made = planned({"model": "gpt-4o", "tools": [NOISY], "messages": messages}, policy)
    assert made.epoch == 1
    lines = {line.stage: line for line in explain(made, load_catalog()).stages}
    assert lines["tools"].tokens_saved > 0
    assert sum(line.tokens_saved for line in lines.values()) == (
        made.tokens_before - made.tokens_after
    )


def test_a_fault_of_ours_leaves_the_tools_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step says what went wrong and the call goes on, unless the policy wants it raised."""

    def broken(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(wire, "tools_of", broken)
    body = {"model": "gpt-4o", "messages": [FLIGHT], "tools": [NOISY]}
    made = planned(body)
    assert made.body is body
    assert made.trace[0].error == "RuntimeError: no"
    with pytest.raises(RuntimeError):
        planned(body, {"tools": {"compact": True}, "on_stage_error": "raise"})


# ---------------------------------------------------------------------------------------- choosing
def test_the_first_turn_chooses() -> None:
    """So many of the most relevant stay, in the caller's order; what is no function always does."""
    assert chosen(FLIGHT) == ["book_flight", "cancel_flight", "web_search"]
    later = [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "Play a song."}]
    assert chosen(FLIGHT, *later) == chosen(FLIGHT)


def test_who_says_nothing_gets_everything() -> None:
    """Where the first turn tells nothing, all tools stay."""
    everything = offered(planned({"tools": OFFICE, "messages": [FLIGHT]}, "off"))
    system = {"role": "system", "content": "Be brief."}
    assert chosen({"role": "user", "content": "Hello!"}) == everything
    assert chosen(system) == everything
    assert chosen(system, {"role": "assistant", "content": "Yes?"}) == everything
    assert chosen(FLIGHT, policy=load_policy({"tools": {"choose": {}}})) == everything


def test_what_is_named_stays() -> None:
    """By the body's choice, by a call in the messages, or in the words of the first turn."""
    one = {"type": "function", "function": {"name": "set_alarm"}}
    several = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one]}}
    assert "set_alarm" in chosen(FLIGHT, tool_choice=one)
    assert "set_alarm" in chosen(FLIGHT, tool_choice=several)
    call = {"id": "c", "type": "function", "function": {"name": "draw_chart", "arguments": "{}"}}
    assert "draw_chart" in chosen(FLIGHT, {"role": "assistant", "tool_calls": [call]})
    assert "play_music" in chosen({"role": "system", "content": "Never use play_music."}, FLIGHT)


def test_room_keeps_more() -> None:
    """Beyond the floor tools stay while they fit, if the first turn has to do with them."""
    wide = load_policy({"tools": {"choose": {"at_least": 1, "max_tokens": 10_000}}})
    tight = load_policy({"tools": {"choose": {"at_least": 1, "max_tokens": 10}}})
    assert chosen(FLIGHT, policy=wide) == ["book_flight", "cancel_flight", "web_search"]
    assert len(chosen(FLIGHT, policy=tight)) == 2


def test_settings_that_do_nothing_are_refused() -> None:
    """A size of descriptions without compaction would be ignored."""
    with pytest.raises(PolicyError, match="needs compact: true"):
        load_policy({"tools": {"description_tokens": 40}})
    assert Tools().changes_nothing


# ------------------------------------------------------------------------------ shown and counted
def test_a_plan_shows_its_tools() -> None:
    """As text and as data: each tool with its size before and after, and what was done."""
    policy = load_policy({"tools": {"compact": True, "choose": {"at_least": 2}}})
    made = planned({"model": "gpt-4o", "messages": [FLIGHT], "tools": [*OFFICE, NOISY]}, policy)
    explained = explain(made, load_catalog())
    data = explained.as_json()
    states = {line["name"]: line["state"] for line in data["tools"]}
    assert states["book_flight"] == "kept"
    assert states["play_music"] == "left out"
    framing = data["framing_tokens_before"] - data["framing_tokens_after"]
    assert (
        framing == data["tokens_before"] - data["tokens_after"] == data["stages"][0]["tokens_saved"]
    )
    assert framing == sum(t["tokens_before"] - t["tokens_after"] for t in data["tools"])
    assert "left out: the first turn has little to do with it" in console_text(made)
    assert "titles (3)" in console_text(planned({"messages": [FLIGHT], "tools": [NOISY]}))


def console_text(made: Plan) -> str:
    """A plan as it is printed."""
    out = io.StringIO()
    Console(width=200, file=out).print(plan_view(explain(made, load_catalog())))
    return out.getvalue()


def test_the_recall_tool_stands_behind_compacted_tools() -> None:
    """Its size is told apart from what compaction saved."""
    policy = load_policy(
        {
            "tools": {"compact": True},
            "stages": [{"stage": "select", "keep": 0.5}],
            "recall": {"offer": True},
        }
    )
    made = planned({"model": "gpt-4o", "messages": [FLIGHT], "tools": [NOISY]}, policy)
    assert [t["function"]["name"] for t in made.body["tools"]] == ["find_orders", NAME]
    plain = planned({"model": "gpt-4o", "messages": [FLIGHT], "tools": [NOISY]})
    assert made.tokens_before == plain.tokens_before
    assert made.tokens_after == plain.tokens_after + made.tool_tokens


def test_the_ledger_has_it(provider: SimulatedProvider, api_key: str) -> None:
    """The provider bills the smaller list; the record has the step, and its savings the money."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        client = tokenthrift.wrap(bare, COMPACT)
        answer = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Hello"}],
            tools=[NOISY],
            tool_choice="none",
        )
    record = tokenthrift.receipt_of(answer).record
    assert record is not None
    (step,) = record.steps
    saved = step.tokens_before - step.tokens_after
    assert (step.stage, step.edits) == ("tools", 1)
    assert saved > 40
    assert record.counted_baseline_tokens - record.counted_sent_tokens == saved
    assert record.savings.compression_nanos == saved * 2_500
    (entry,) = provider.requests(api_key)
    assert "$schema" not in json.dumps(entry.body["tools"])
    assert entry.usage is not None
    assert entry.usage.input_tokens == record.counted_sent_tokens
