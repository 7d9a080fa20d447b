"""The account: plans and records of calls, without any SDK or socket."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.client import Account, Outside
from tokenthrift.client.billing import usage_of
from tokenthrift.client.options import CallOptions
from tokenthrift.client.recent import RecentLedger
from tokenthrift.errors import NoCandidateError, PolicyError, WireError
from tokenthrift.ledger import MemoryLedger, SQLiteLedger, totals_of
from tokenthrift.route import Attempt, Outcome
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from tokenthrift.client import Call
    from tokenthrift.ledger import LedgerRecord

MODEL = "gpt-4o-mini"
START = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ROWS = [{"id": i, "name": f"row {i}", "state": "open", "owner": "nobody"} for i in range(300)]
TABLE = str(ROWS).replace("'", '"')


class World:
    """A clock that goes on by a second, and a stopwatch by a millisecond, at each look."""

    def __init__(self) -> None:
        self.seconds, self.looks, self.ids = count(), count(), count(1)

    @property
    def outside(self) -> Outside:
        """What the account is given."""
        return Outside(
            now=lambda: START + timedelta(seconds=next(self.seconds)),
            stopwatch_s=lambda: next(self.looks) / 1000,
            new_id=lambda: f"call-{next(self.ids)}",
        )


def made(policy: Any = "lossless", **options: Any) -> Account:
    """An account with a world of its own."""
    return Account(policy, MemoryLedger(), outside=World().outside, **options)


def body(*texts: str, model: str = MODEL, **more: Any) -> dict[str, Any]:
    """A conversation of alternating user and assistant texts."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)]
    return {"model": model, "messages": messages, **more}


def looked_up(text: str) -> dict[str, Any]:
    """A conversation that ends in the result of a tool call."""
    function = {"name": "rows", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    asked = body("How many rows are open?")
    asked["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": text},
    ]
    return asked


def answered(account: Account, call: Call, usage: Usage) -> LedgerRecord:
    """The record of a call that was answered at once."""
    model = call.model_requested if call.plan is None else call.plan.model
    outcome = Outcome(Attempt(model, 1, ""), response=object(), usage=usage, latency_ms=5.0)
    return account.settle(call, (outcome,))


def reported(sent: int, read: int = 0, out: int = 10) -> Usage:
    """A usage as an OpenAI-like provider reports it."""
    raw = {
        "prompt_tokens": sent,
        "completion_tokens": out,
        "prompt_tokens_details": {"cached_tokens": read},
    }
    return usage_of("openai-chat", raw, "", MODEL)


def test_a_record_has_the_outside_worlds_time_and_id():
    """Clock, stopwatch and ids are the injected ones; planning and total time are told apart."""
    account = made(tags={"team": "a"})
    call = account.begin(body(TABLE), options=CallOptions(tags={"user": "u"}))
    assert call.plan is not None
    record = answered(account, call, reported(call.plan.tokens_after))
    assert (record.record_id, record.created_at) == ("call-1", START)
    assert (record.plan_ms, record.total_ms) == (1.0, 2.0)
    assert record.tags == {"team": "a", "user": "u"}
    assert record.catalog == account.catalog.snapshot
    assert record.policy_digest == account.policy.digest
    assert account.ledger.get("call-1") == record


def test_steps_that_did_nothing_are_left_out():
    """Only the stage that changed something is in the record, with its tokens."""
    account = made()
    call = account.begin(looked_up(TABLE))
    record = answered(account, call, reported(100))
    assert [s.stage for s in record.steps] == ["json"]
    (step,) = record.steps
    assert step.tokens_before - step.tokens_after == (
        record.counted_baseline_tokens - record.counted_sent_tokens
    )


def test_the_baseline_is_rescaled_by_what_the_provider_counted():
    """A provider that counts twice our tokens would have counted twice the baseline's."""
    account = made()
    call = account.begin(looked_up(TABLE))
    assert call.plan is not None
    once = answered(account, call, reported(call.plan.tokens_after))
    other = made()
    call = other.begin(looked_up(TABLE))
    twice = answered(other, call, reported(2 * call.plan.tokens_after, out=20))
    assert once.savings.net_nanos > 0
    assert twice.savings.baseline_nanos == 2 * once.savings.baseline_nanos
    assert twice.savings.net_nanos == 2 * once.savings.net_nanos


def test_without_a_report_the_usage_is_estimated_and_flagged():
    """Counts stand in for a missing report, and the basis says so."""
    account = made()
    call = account.begin(body(TABLE))
    record = answered(account, call, usage_of("openai-chat", None, "four words of answer", MODEL))
    assert call.plan is not None
    (attempt,) = record.attempts
    assert (attempt.input_tokens, attempt.output_tokens) == (call.plan.tokens_after, 4)
    assert attempt.estimated
    assert record.savings.basis == "estimated"


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**5)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["off", "lossless", "balanced"]),
)
def test_whatever_is_reported_the_account_adds_up(reports, policy):
    """For any usage, parts sum to net, records sum to totals, and ``off`` saves exactly nothing."""
    account = made(policy)
    texts: list[str] = []
    for n, (sent, read, out) in enumerate(reports):
        texts += [f"Question {n}? {TABLE[: 400 * n]}", "An answer."]
        call = account.begin(body(*texts[:-1]))
        record = answered(account, call, reported(sent, read, out))
        parts = record.savings.model_dump(
            include={"compression_nanos", "routing_nanos", "cache_nanos", "overhead_nanos"}
        )
        assert sum(parts.values()) == record.savings.net_nanos
        if policy == "off":
            assert record.savings.net_nanos == 0
    assert account.ledger.totals() == totals_of(account.ledger.records())


def test_an_unknown_price_stays_unknown():
    """A model without a card is recorded unpriced; nothing is guessed."""
    account = made()
    call = account.begin(body(TABLE, model="nobodys-model"))
    record = answered(account, call, reported(50))
    assert record.savings.unpriced
    assert record.savings.net_nanos is None
    assert account.ledger.totals().unpriced_calls == 1


def test_marked_messages_are_cached_and_others_are_not():
    """Where providers cache only what is marked, an unmarked body is billed in full both ways."""
    model = "claude-sonnet-4-5"
    for mark, cached in ((None, False), ({"type": "ephemeral"}, True)):
        account = made("off")
        part = {"type": "text", "text": TABLE, **({"cache_control": mark} if mark else {})}
        message = {"role": "user", "content": [part]}
        records = []
        for _ in range(2):
            call = account.begin({"model": model, "messages": [message]})
            usage = usage_of("openai-chat", None, "Yes.", model)
            records.append(answered(account, call, usage))
        assert (records[0].attempts[0].cache_write_tokens > 0) == cached
        assert (records[1].attempts[0].cache_read_tokens > 0) == cached
        assert records[1].savings.net_nanos == 0


def test_routing_is_measured_against_the_baseline_model():
    """Going to a cheaper model is a saving of routing, not of compression."""
    candidates = [{"model": "gpt-4.1-nano", "covers": "expert"}, {"model": "gpt-4.1"}]
    account = made({"version": 1, "routing": {"candidates": candidates, "baseline": "gpt-4.1"}})
    call = account.begin(body("Hello?", model="gpt-4o"))
    record = answered(account, call, reported(1_000, out=100))
    assert (record.model_requested, record.model_baseline) == ("gpt-4o", "gpt-4.1")
    assert record.model_chosen == "gpt-4.1-nano"
    assert record.savings.compression_nanos == 0
    assert record.savings.routing_nanos == record.savings.net_nanos > 0
    assert record.decision is not None
    assert [v["model"] for v in record.decision.verdicts] == ["gpt-4.1-nano", "gpt-4.1"]


def test_failed_attempts_are_overhead():
    """An attempt that was paid for before the answer came is in the bill, as overhead."""
    account = made()
    call = account.begin(body("Hello?"))
    failed = Outcome(Attempt(MODEL, 1, ""), error=TimeoutError(), usage=reported(100))
    unknown = Outcome(Attempt(MODEL, 2, ""), error=TimeoutError())
    good = Outcome(Attempt(MODEL, 3, ""), response=object(), usage=reported(100))
    record = account.settle(call, (failed, unknown, good))
    assert [a.status for a in record.attempts] == ["error", "error", "ok"]
    assert [a.estimated for a in record.attempts] == [False, True, False]
    assert record.savings.overhead_nanos == -record.attempts[0].cost_nanos < 0


def test_a_wrong_body_is_sent_as_it_is():
    """What the wire cannot read, or what breaks the planner, goes out unplanned and is recorded."""
    account = made()
    deep: Any = "end"
    for _ in range(20_000):
        deep = [deep]
    for wrong, problem in (
        ({"model": MODEL}, WireError),
        ({"model": MODEL, "messages": [], "tools": [deep]}, RecursionError),
    ):
        call = account.begin(wrong)
        assert call.plan is None
        assert call.body_for(MODEL, add_usage=False) is wrong
        record = answered(account, call, reported(100))
        assert record.steps[0].error == problem.__name__
        assert record.savings.net_nanos == 0


def test_a_policy_may_ask_to_hear_of_its_stages_errors():
    """With ``on_stage_error: raise`` a failing planner is not passed over."""
    deep: Any = "end"
    for _ in range(20_000):
        deep = [deep]
    account = made({"version": 1, "on_stage_error": "raise"})
    with pytest.raises(RecursionError):
        account.begin({"model": MODEL, "messages": [], "tools": [deep]})


def test_a_wrong_policy_is_told_at_once():
    """A policy that cannot be read fails when the account is made, not at the first call."""
    with pytest.raises(PolicyError, match="stage"):
        made({"version": 1, "stages": [{"stage": "dedup"}]})


def test_streams_are_asked_for_usage_unless_nothing_may_change():
    """The question is added where the caller streams, did not ask, and the policy may change."""
    options = {"stream": True}
    asking = {"stream": True, "stream_options": {"include_usage": True}}
    for policy, more, adds in (
        ("lossless", options, True),
        ("off", options, False),
        ("lossless", asking, False),
        ("lossless", {}, False),
    ):
        call = made(policy).begin(body("Hello?", **more))
        assert call.adds_usage is adds
    told = made().begin(body("Hello?", stream=True, stream_options={"x": 1}))
    sent = told.body_for(MODEL, add_usage=True)
    assert sent["stream_options"] == {"x": 1, "include_usage": True}
    assert told.body["stream_options"] == {"x": 1}


def test_a_refused_call_is_recorded():
    """No candidate: nothing was sent, and the ledger says why."""
    candidates = [{"model": "no-such-model"}, {"model": "nor-this"}]
    account = made({"version": 1, "routing": {"candidates": candidates}})
    with pytest.raises(NoCandidateError):
        account.begin(body("Hello?"))
    (record,) = account.ledger.records()
    assert (record.status, record.error, record.attempts) == ("error", "NoCandidateError", ())


def test_every_sink_gets_every_record_whatever_others_do(caplog):
    """A sink that raises is reported once; the ones after it still get their records."""
    account = made()
    got: list[LedgerRecord] = []

    def broken(_record: LedgerRecord) -> None:
        raise OSError("no route to host")

    account.add_sink(broken)
    account.add_sink(got.append)
    for _ in range(3):
        answered(account, account.begin(body("Hello?")), reported(10))
    assert len(got) == account.ledger.count() == len(account.sink_errors) == 3
    assert sum("no route to host" in r.message for r in caplog.records) == 1


def test_threads_share_an_account(tmp_path):
    """Calls from many threads all end up in the ledger, and the sums are exact."""
    with SQLiteLedger(tmp_path / "ledger.sqlite") as ledger:
        account = Account("balanced", ledger)

        def work(number: int) -> None:
            for turn in range(5):
                texts = [f"{number} {turn} {TABLE}", "Yes.", "And then?"]
                answered(account, account.begin(body(*texts)), reported(1_000, 100))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        totals = ledger.totals()
    assert not account.sink_errors
    assert (totals.calls, totals.input_tokens, totals.cache_read_tokens) == (30, 30_000, 3_000)


def test_what_is_named_again_stays_for_as_long_as_it_is_told(tmp_path):
    """A conversation that lives longer than ``ttl_days`` can still recall what it cut first."""
    days = [0.0]
    outside = Outside(
        now=lambda: START + timedelta(days=days[0]),
        stopwatch_s=lambda: 0.0,
        new_id=iter(map(str, count())).__next__,
    )
    policy = {
        "recall": {"offer": True, "ttl_days": 4},
        "stages": [{"stage": "select", "keep": 0.3, "min_tokens": 100}],
    }
    account = Account(policy, MemoryLedger(), outside=outside)
    put: list[tuple[float, set[str]]] = []
    account.recall_store.put = lambda omitted: put.append((days[0], set(omitted)))  # type: ignore[method-assign]
    for days[0] in (0.0, 0.5, 1.5, 2.0):
        call = account.begin(looked_up(TABLE))
    assert call.plan is not None
    assert put == [(0.0, set(call.plan.omitted)), (1.5, set(call.plan.omitted))]


def test_records_hold_no_prompt_text():
    """Nothing of what was asked, called or answered is in the record."""
    account = made("balanced")
    secret = "xylophone"
    call = account.begin(body(f"{secret}? {TABLE}", secret, secret))
    record = answered(account, call, usage_of("openai-chat", None, secret, MODEL))
    assert secret not in record.model_dump_json()


# ------------------------------------------------------------------------------------ recent ledger
@given(st.integers(1, 5), st.integers(0, 12))
def test_a_recent_ledger_forgets_records_but_not_sums(most, calls):
    """At most so many records are kept, and the totals are those of all calls."""
    ledger, everything = RecentLedger(most), MemoryLedger()
    account = Account("off", ledger, outside=World().outside, tags={"a": "b"})
    account.add_sink(everything)
    for _ in range(calls):
        answered(account, account.begin(body("Hello?")), reported(100))
    assert ledger.count() == min(most, calls)
    assert ledger.totals() == everything.totals()
    assert ledger.totals(tags={"a": "b"}).calls == ledger.count()
    newest = list(everything.records())[-ledger.count() :] if calls else []
    assert list(ledger.records()) == newest


def test_a_recent_ledger_keeps_at_least_one():
    """Zero records would be no ledger."""
    with pytest.raises(ValueError, match="at least 1"):
        RecentLedger(0)


def test_the_callers_body_is_never_changed():
    """Planning and accounting leave the caller's objects as they were."""
    account = made("balanced")
    given_body = looked_up(TABLE)
    before = str(given_body)
    answered(account, account.begin(given_body), reported(100))
    assert str(given_body) == before
