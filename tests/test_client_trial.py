"""Arms around real calls: what is held out goes as it is, shadows are recorded and never sent."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import openai
import pytest
from hypothesis import given

import tokenthrift
from strategies import conversations, examples
from tokenthrift.client import Outside
from tokenthrift.client.account import Account
from tokenthrift.client.options import CallOptions
from tokenthrift.client.sdk_clients import wrapped_client
from tokenthrift.ledger import MemoryLedger, SQLiteLedger, measured_savings
from tokenthrift.route import Answer, Attempt, Outcome
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tokenthrift.client import Call
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
START = datetime(2026, 3, 1, tzinfo=UTC)
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


class Clock:
    """A clock and a stopwatch that go on by two minutes at each look."""

    def __init__(self) -> None:
        self.minutes = count(step=2)

    @property
    def outside(self) -> Outside:
        """What the account is given."""
        return Outside(
            now=lambda: START + timedelta(minutes=next(self.minutes)),
            stopwatch_s=lambda: 60.0 * next(self.minutes),
        )


DEAR: dict[str, Any] = {
    "routing": {"candidates": [{"model": "gpt-4.1"}], "pin": True},
    "holdout": {"share": 0.5},
}


def talk(bare: openai.OpenAI, account: Account, number: int, text: str = "Say a word.") -> Any:
    """A short call of a session of its own."""
    client = wrapped_client(bare, account)
    return client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": f"{number}: {text}"}], max_tokens=5
    )


def models_of(ledger: Any) -> list[tuple[str, str | None]]:
    """Arm and model of each call."""
    return [(r.arm, r.model_chosen) for r in ledger.records()]


@pytest.mark.parametrize("on_harm", ["stop", "warn"])
def test_a_treatment_that_costs_more_is_stopped(
    bare: Any, tmp_path: Any, caplog: Any, on_harm: str
) -> None:
    """Calls that are sent to a dearer model raise an alarm, which ends that, and is said once."""
    rules = {**DEAR, "holdout": {"share": 0.5, "on_harm": on_harm, "settle_minutes": 1}}
    with SQLiteLedger(tmp_path / "ledger.db") as ledger:
        world = Clock().outside
        account = Account(rules, ledger, outside=world)
        for n in range(150):
            talk(bare, account, n)
        assert {m for a, m in models_of(ledger) if a == "treated"} == {"gpt-4.1"}
        assert account.trial.look().kind == "cost"
        assert account.trial.look().kind == "cost"
        for n in range(150, 170):
            talk(bare, account, n)
        after = models_of(ledger)[150:]
        if on_harm == "stop":
            assert set(after) == {("off", MODEL)}
            assert account.trial.stopped
        else:
            assert {a for a, _ in after} == {"treated", "holdout"}
        found = measured_savings(ledger)
        again = Account(rules, ledger, outside=world)
        again.trial.look()
        assert again.trial.harm.kind == "cost"
    assert found is not None
    assert found.harm.kind == "cost"
    assert found.share is not None
    assert found.share.high < 0
    said = [r.getMessage() for r in caplog.records if "cost more" in r.getMessage()]
    assert len(said) == 2  # by each account once
    assert ("no session is treated any more" in said[0]) is (on_harm == "stop")


def test_looks_are_made_beside_the_calls(bare: Any) -> None:
    """Calls alone come to know of harm: now and then one of them starts a look and goes on."""
    ledger = MemoryLedger()
    rules = {**DEAR, "holdout": {"share": 0.5, "settle_minutes": 1}}
    account = Account(rules, ledger, outside=Clock().outside)
    for n in range(600):
        if account.trial.stopped:
            break
        talk(bare, account, n)
        for thread in threading.enumerate():
            if thread.name == "tokenthrift-trial":
                thread.join()
    assert account.trial.stopped


def test_a_ledger_that_cannot_be_read_stops_no_call(tmp_path: Any) -> None:
    """The error is kept, and everything goes on as before."""
    ledger = SQLiteLedger(tmp_path / "ledger.db")
    account = Account(policy(share=0.5), ledger)
    ledger.close()
    assert not account.trial.look()
    assert "closed" in str(account.sink_errors[-1])
    assert account.begin(asked()).arm in ("treated", "holdout")


def test_a_rollout_is_compared_with_what_it_has_not_reached() -> None:
    """Unless the policy's baseline is another model than calls ask for: then with the holdout."""
    routing = {"candidates": [{"model": "gpt-4.1"}], "pin": True}
    for baseline, shares in ((None, {0.25}), ("gpt-4.1", {0.5, 0.0})):
        rules = {
            "routing": {**routing, "baseline": baseline},
            "holdout": {"share": 0.25, "rollout": 0.25},
        }
        account = Account(rules, MemoryLedger())
        calls = [account.begin(asked(f"{n}")) for n in range(60)]
        arms = {(c.arm, c.assignment.treated_share) for c in calls if c.assignment is not None}
        assert {arm for arm, _ in arms} == {"treated", "holdout", "off"}
        assert {share for _, share in arms} == shares
