"""Arms around real calls: what is held out goes as it is, shadows are recorded and never sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from hypothesis import given

import tokenthrift
from strategies import conversations, examples
from tokenthrift.client.account import Account
from tokenthrift.client.options import CallOptions
from tokenthrift.ledger import MemoryLedger, SQLiteLedger
from tokenthrift.route import Answer, Attempt, Outcome
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tokenthrift.client import Call
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
TABLE = json.dumps([{"id": n, "state": "open", "owner": "nobody"} for n in range(300)])
ALL_HELD: dict[str, Any] = {"share": 0.999999}
BASE: dict[str, Any] = {
    "stages": [{"stage": "json"}, {"stage": "dedupe"}, {"stage": "select", "keep": 0.3}],
}


def policy(**holdout: Any) -> dict[str, Any]:
    """A policy that compresses, with a holdout."""
    return {**BASE, "holdout": holdout}


def asked(text: str = "Which?", model: str = MODEL) -> dict[str, Any]:
    """A request that compression makes smaller."""
    return {"model": model, "messages": [{"role": "user", "content": f"{text}\n{TABLE}"}]}


def answered(account: Account, call: Call, usage: Usage) -> LedgerRecord:
    """The record of a call that was answered at once."""
    assert call.plan is not None
    outcome = Outcome(Attempt(call.plan.model, 1, ""), response=object(), usage=usage, latency_ms=1)
    return account.settle(call, (outcome,))


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


@given(conversations())
@examples(40)
def test_what_is_held_out_or_shadowed_goes_byte_for_byte(body: Mapping[str, Any]) -> None:
    """The body of every arm but the treated one is the caller's own object.

    A stream that is compared is asked for its usage, as treated ones are; nothing else is added.
    """
    for holdout, arm in ((ALL_HELD, "holdout"), ({"rollout": "shadow"}, "shadow")):
        account = Account(policy(**holdout), MemoryLedger())
        call = account.begin(body)
        assert call.plan is not None
        assert call.arm == arm
        sent = call.body_for(call.plan.model, add_usage=call.adds_usage)
        if call.adds_usage:
            assert (arm, body["stream"]) == ("holdout", True)
            assert {**sent, "stream_options": body.get("stream_options")} == {
                **body,
                "stream_options": body.get("stream_options"),
            }
        else:
            assert sent is body
        assert (call.shadow is not None) == (arm == "shadow")


def test_a_holdout_is_recorded_as_one(bare: Any, provider: Any, api_key: str) -> None:
    """The provider gets what the caller wrote; the record says arm, probability and session."""
    client = tokenthrift.wrap(bare, policy(**ALL_HELD))
    client.chat.completions.create(**asked())
    (sent,) = provider.requests(api_key)
    assert sent.body["messages"] == asked()["messages"]
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert (record.arm, record.holdout, record.shadow) == ("holdout", True, None)
    assert record.treated_share == pytest.approx(1e-6)
    assert record.session
    assert record.savings.net_nanos == 0
    assert record.counted_sent_tokens == record.counted_baseline_tokens


def test_a_shadow_says_what_would_have_been_saved(
    bare: Any, provider: Any, api_key: str, tmp_path: Any
) -> None:
    """The original is sent and saves nothing; the plan stands in the record, with its money."""
    with SQLiteLedger(tmp_path / "ledger.db") as ledger:
        client = tokenthrift.wrap(bare, policy(rollout="shadow"), ledger=ledger)
        plain = tokenthrift.wrap(bare, BASE)
        client.chat.completions.create(**asked())
        plain.chat.completions.create(**asked())
        (record,) = ledger.records()
    sent, planned = (r.body for r in provider.requests(api_key))
    assert sent["messages"] == asked()["messages"] != planned["messages"]
    (real,) = tokenthrift.account_of(plain).ledger.records()
    assert record.arm == "shadow"
    assert record.savings.net_nanos == 0
    assert record.shadow is not None
    assert record.shadow.model == MODEL
    assert record.shadow.counted_sent_tokens == real.counted_sent_tokens
    assert record.shadow.steps == real.steps
    assert record.shadow.savings.net_nanos == pytest.approx(real.savings.net_nanos, rel=0.02)
    assert record.shadow.savings.net_nanos > 0
    assert "open" not in record.model_dump_json(include={"shadow": {"steps", "savings"}})


def test_shadows_have_caches_of_their_own() -> None:
    """The next turn of a shadow finds the prefix that the shadow would have sent."""
    account = Account(policy(rollout="shadow"), MemoryLedger())
    body = asked()
    first = account.begin(body)
    one = answered(account, first, Usage(input_tokens=4_000, output_tokens=5))
    more = [*body["messages"], {"role": "assistant", "content": "7"}]
    body = {**body, "messages": [*more, {"role": "user", "content": "And?"}]}
    second = account.begin(body)
    two = answered(
        account, second, Usage(input_tokens=4_020, output_tokens=5, cache_read_tokens=3_968)
    )
    assert one.shadow is not None
    assert two.shadow is not None
    assert 0 < two.shadow.savings.net_nanos < one.shadow.savings.net_nanos
    for record in (one, two):
        savings = record.shadow.savings
        assert savings.baseline_nanos == record.savings.actual_nanos


def test_a_shadow_that_breaks_costs_no_call() -> None:
    """What planning would have refused is in the record, by its name; the call goes."""
    account = Account({**policy(rollout="shadow"), "budget": {"hard_tokens": 10}}, MemoryLedger())
    call = account.begin(asked())
    record = answered(account, call, Usage(input_tokens=4_000, output_tokens=5))
    assert record.status == "ok"
    assert record.shadow is not None
    assert (record.shadow.error, record.shadow.model) == ("OverBudgetError", None)
    assert record.shadow.savings.unpriced


def test_holdouts_are_not_routed_but_go_to_the_baseline_model() -> None:
    """The model is the policy's baseline where it names one, else the caller's own."""
    routing = {"candidates": [{"model": "gpt-4.1-nano", "covers": "expert"}, {"model": "gpt-4.1"}]}
    for baseline, model in ((None, MODEL), ("gpt-4.1", "gpt-4.1"), ("no-such-model", MODEL)):
        account = Account(
            {**policy(**ALL_HELD), "routing": {**routing, "baseline": baseline}}, MemoryLedger()
        )
        call = account.begin(asked())
        assert call.plan is not None
        assert call.plan.model == call.plan.decision.baseline == model
        body = call.body_for(model, add_usage=False)
        assert body["messages"] == asked()["messages"]
        assert (body is call.body) == (model == MODEL)


def test_a_client_of_one_seller_holds_out_on_models_of_that_seller() -> None:
    """A baseline that the client does not reach is not asked for."""
    routing = {"candidates": [{"model": "gpt-4.1"}], "baseline": "claude-sonnet-4-5", "pin": True}
    account = Account({**policy(**ALL_HELD), "routing": routing}, MemoryLedger(), provider="openai")
    call = account.begin(asked())
    assert call.plan is not None
    assert call.plan.model == MODEL


def test_holdouts_are_redacted_and_limited() -> None:
    """Secrets do not leave for an experiment, and limits hold in every arm."""
    pytest.importorskip("kingfisher_sdk")
    rules = {
        **policy(**ALL_HELD),
        "redact": {"patterns": {"badge": r"EMP-\d{6}"}},
        "limits": [{"name": "one", "window": "day", "requests": 1}],
    }
    account = Account(rules, MemoryLedger())
    call = account.begin(asked("EMP-123456"))
    assert call.plan is not None
    assert call.arm == "holdout"
    assert "EMP-123456" not in json.dumps(call.body_for(call.plan.model, add_usage=False))
    with pytest.raises(tokenthrift.LimitError):
        account.begin(asked("EMP-123456"))
    (record,) = account.ledger.records()
    assert (record.arm, record.error) == ("holdout", "LimitError")


def test_streams_that_are_compared_are_asked_for_their_usage() -> None:
    """A holdout is measured as treated calls are; what is only watched stays as it was."""
    for holdout, asks in ((ALL_HELD, True), ({"rollout": "shadow"}, False), ({}, True)):
        account = Account(policy(**holdout), MemoryLedger())
        assert account.begin({**asked(), "stream": True}).adds_usage is asks


def test_all_calls_of_a_session_have_its_arm() -> None:
    """By name or by how the conversation begins, whatever else the calls say."""
    account = Account(policy(share=0.5), MemoryLedger())
    arms = set()
    for n in range(60):
        body = asked(f"Question {n}")
        again = [*body["messages"], {"role": "assistant", "content": "1"}, *asked()["messages"]]
        one, two = account.begin(body), account.begin({**body, "messages": again})
        off = account.begin(body, options=CallOptions(off=True))
        assert one.session == two.session == off.session
        assert one.arm == two.arm == off.arm
        arms.add(one.arm)
        named = [
            account.begin(asked(f"{n} {k}"), options=CallOptions(session=f"s{n}")).arm
            for k in (1, 2)
        ]
        assert named[0] == named[1]
    assert arms == {"treated", "holdout"}


def test_answers_of_holdouts_are_not_checked() -> None:
    """Verifiers are part of the treatment."""
    refused: list[str] = []

    def never(answer: Any, request: Any) -> str:
        refused.append("x")
        return "never good enough"

    for holdout, checked in ((ALL_HELD, False), ({}, True)):
        account = Account(policy(**holdout), MemoryLedger(), verifiers=[never])
        call = account.begin(asked())
        assert bool(account.objection(call, Answer("yes"))) is checked
    assert len(refused) == 1
