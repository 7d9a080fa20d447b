"""The plan: the whole product on one page, pure and inspectable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from strategies import chat_bodies, examples
from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Memo
from tokenthrift.errors import NoCandidateError, OverBudgetError, PolicyError, WireError
from tokenthrift.pipeline import plan

CATALOG = load_catalog()
RECORDS = json.dumps(
    [{"id": n, "state": "open", "title": f"ticket {n}", "owner": None} for n in range(80)], indent=1
)
CALL = {"id": "c1", "type": "function", "function": {"name": "tickets", "arguments": "{}"}}
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "temperature": 0,
    "messages": [
        {"role": "system", "content": "You answer in one line."},
        {"role": "user", "content": "How many tickets are open?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": RECORDS},
    ],
}
ROUTING = {
    "candidates": [
        {"model": "gpt-4.1-nano", "covers": "expert"},
        {"model": "gpt-4.1", "covers": "expert"},
    ]
}


def test_a_plan_shows_what_is_sent_and_why() -> None:
    """Body, model, figures, trace and policy are all there; unknown and other keys are as given."""
    made = plan(BODY, "lossless", catalog=CATALOG)
    assert made.model == "gpt-4o"
    assert made.tokens_after < 0.6 * made.tokens_before
    assert [step.stage for step in made.trace] == ["json", "search", "dedupe", "log"] * 2
    assert made.body["messages"][:3] == BODY["messages"][:3]
    assert made.body["messages"][3]["content"].startswith("@1\n@1 80 rows|id|")
    assert made.body["temperature"] == 0
    assert made.policy.name == "lossless"
    assert made.epoch == 0


def test_off_sends_the_callers_own_body() -> None:
    """Nothing is done, and nothing is copied."""
    made = plan(BODY, "off", catalog=CATALOG)
    assert made.body is BODY
    assert made.trace == ()


def test_nothing_to_do_sends_the_callers_own_body() -> None:
    """A short request passes as the object it came as."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    assert plan(body, "balanced", catalog=CATALOG).body is body


def test_a_request_may_be_given_in_place_of_a_body() -> None:
    """A request read before gives the same plan."""
    request = wire.read(BODY)
    assert plan(request, "lossless", catalog=CATALOG).body == plan(BODY, "lossless").body


def test_routing_changes_the_model_in_a_copy() -> None:
    """The cheapest adequate candidate is sent; the caller's body keeps its own."""
    made = plan(BODY, {"routing": ROUTING}, catalog=CATALOG)
    assert made.model == made.body["model"] == "gpt-4.1-nano"
    assert BODY["model"] == "gpt-4o"
    assert made.request.model == "gpt-4o"
    assert made.sent.model == "gpt-4.1-nano"


def test_compression_comes_before_routing() -> None:
    """A request that only fits a window after compression is routed there."""
    text = "".join(f"line {n} of a log that nobody needs to read in full\n" for n in range(9_000))
    body = {
        "model": "gpt-4.1",
        "messages": [{"role": "user", "content": f"Why?\n\n{text}\n\nWhy?"}],
    }
    routing = {
        "candidates": [
            {"model": "gpt-3.5-turbo", "covers": "expert"},
            {"model": "gpt-4.1", "covers": "expert"},
        ]
    }
    stages = [{"stage": "select", "keep": 0.02, "min_tokens": 100}]
    assert plan(body, {"routing": routing}, catalog=CATALOG).model == "gpt-4.1"
    made = plan(body, {"routing": routing, "stages": stages}, catalog=CATALOG)
    assert made.tokens_after < 10_000
    assert made.model == "gpt-3.5-turbo"


def test_faults_have_their_own_errors() -> None:
    """Caller, policy and routing are told apart, each with its status."""
    with pytest.raises(WireError) as caller:
        plan({"messages": "hi"}, "off", catalog=CATALOG)
    with pytest.raises(PolicyError) as policy:
        plan(BODY, {"stage": []}, catalog=CATALOG)
    with pytest.raises(OverBudgetError) as budget:
        plan(BODY, {"budget": {"hard_tokens": 3}}, catalog=CATALOG)
    unknown = {"candidates": [{"model": "no-such-a"}, {"model": "no-such-b"}]}
    with pytest.raises(NoCandidateError) as routing:
        plan(BODY, {"routing": unknown}, catalog=CATALOG)
    statuses = [e.value.http_status for e in (caller, policy, budget, routing)]
    assert statuses == [400, 500, 413, 422]


@examples(40)
@given(chat_bodies())
def test_any_body_can_be_planned(body: dict[str, Any]) -> None:
    """Proper or odd, with a memo or without, the default policy makes a plan that is JSON."""
    made = plan(body, catalog=CATALOG)
    json.dumps(made.body)
    assert made.tokens_after <= made.tokens_before
    if body["messages"]:
        assert plan(body, catalog=CATALOG, memo=Memo()).body == made.body


def test_a_body_without_a_model_is_planned() -> None:
    """The provider decides about what the body leaves out."""
    made = plan({"messages": BODY["messages"]}, "lossless", catalog=CATALOG)
    assert "model" not in made.body
    assert made.tokens_after < made.tokens_before
