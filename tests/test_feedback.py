"""Feedback through the library and the command line, and what a router learns from it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import tokenthrift
from outcome_logs import LARGE, SMALL, outcomes, write_log
from test_ledger_feedback import record
from tokenthrift.cli import main
from tokenthrift.client.account import Account
from tokenthrift.client.call import Outside
from tokenthrift.errors import LedgerError, PolicyError
from tokenthrift.ledger import MemoryLedger, lessons_of, open_ledger
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.route import Action, Attempt, Forecast, Kept, Outcome, Session
from tokenthrift.route.learning import Learned
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROUTING: dict[str, Any] = {
    "candidates": [{"model": SMALL}, {"model": LARGE}],
    "baseline": LARGE,
    "floor": 0.75,
    "learn": True,
}
POLICY: dict[str, Any] = {"version": 1, "routing": ROUTING}
BODY: dict[str, Any] = {"model": LARGE, "messages": [{"role": "user", "content": "Say hello."}]}


class Fixed:
    """Foretells 0.8 of the small model, 0.95 of the large one."""

    def __call__(self, request: Any, actions: Sequence[Action], /) -> list[Forecast | None]:
        """The same for every request."""
        del request
        return [
            Forecast(0.8, 0.7, 0.87) if a.card.name == SMALL else Forecast(0.95, 0.9, 0.98)
            for a in actions
        ]


def asked(number: int) -> dict[str, Any]:
    """The body of a conversation of its own."""
    return {**BODY, "messages": [{"role": "user", "content": f"Say hello to guest {number}."}]}


def served(account: Account, model: str | None = None, body: dict[str, Any] = BODY) -> str:
    """Make a call that is answered; gives its id."""
    call = account.begin(body)
    assert call.plan is not None
    attempt = Attempt(model or call.plan.model, 1, "test")
    usage = Usage(input_tokens=10, output_tokens=5)
    account.settle(call, [Outcome(attempt, response={}, usage=usage)])
    return call.record_id


def test_bad_answers_turn_the_router_and_a_restart_remembers():
    """After bad outcomes the small model is not adequate any more, here and in the next process."""
    ledger = MemoryLedger()
    account = Account(POLICY, ledger, forecaster=Fixed())
    assert account.begin(BODY).plan.model == SMALL
    for _ in range(6):
        call_id = served(account, SMALL)
        tokenthrift.feedback(account, call_id, outcome="bad")
    assert account.begin(BODY).plan.model == LARGE
    again = Account(POLICY, ledger, forecaster=Fixed())
    assert again.begin(BODY).plan.model == LARGE
    assert isinstance(account.forecaster, Learned)
    assert isinstance(again.forecaster, Learned)
    before, after = account.forecaster.beliefs, again.forecaster.beliefs
    assert set(before) == set(after)
    for key, belief in before.items():
        assert after[key].shift == pytest.approx(belief.shift)
        assert after[key].count == belief.count == 6


def test_a_call_teaches_once():
    """Said again, or by a second source, it moves nothing more."""
    ledger = MemoryLedger()
    account = Account(POLICY, ledger, forecaster=Fixed())
    call_id = served(account)
    for source in ("user", "user", "judge"):
        tokenthrift.feedback(account, call_id, outcome=0.0, source=source)
    (belief,) = account.forecaster.beliefs.values()
    assert belief.count == 1
    assert len(list(lessons_of(ledger))) == 1
    assert len(list(ledger.feedback())) == 2


def test_nothing_is_learned_unless_the_policy_says_so():
    """Feedback is kept, decisions stay."""
    policy = {**POLICY, "routing": {**ROUTING, "learn": False}}
    account = Account(policy, MemoryLedger(), forecaster=Fixed())
    for _ in range(8):
        tokenthrift.feedback(account, served(account, SMALL), outcome=0)
    assert account.begin(BODY).plan.model == SMALL


def test_calls_of_which_nothing_was_foretold_teach_nothing():
    """A record without a forecast is no lesson."""
    ledger = MemoryLedger()
    ledger.write(record("c1"))
    tokenthrift.feedback(ledger, "c1", outcome=True)
    assert list(lessons_of(ledger)) == []
    assert [f.outcome for f in ledger.feedback()] == [1.0]


def test_it_is_said_to_a_client_a_ledger_or_a_file(tmp_path):
    """Wherever the call is; elsewhere there is no such call, or no such ledger."""
    path = tmp_path / "ledger.db"
    at = datetime(2026, 5, 1, tzinfo=UTC)
    with open_ledger(path) as ledger:
        ledger.write(record("c1"))
        ledger.write(record("c2"))
    said = tokenthrift.feedback(path, "c1", outcome="good", value=3, at=at)
    assert (said.outcome, said.value, said.created_at) == (1.0, 3.0, at)
    client = tokenthrift.Client(POLICY, ledger=path)
    client.feedback("c2", outcome=0.25)
    client.close()
    with open_ledger(path) as ledger:
        assert [f.outcome for f in ledger.feedback()] == [1.0, 0.25]
    with pytest.raises(LedgerError, match="no call 'c9'"):
        tokenthrift.feedback(path, "c9", outcome=1)
    with pytest.raises(LedgerError, match="no such ledger"):
        tokenthrift.feedback(tmp_path / "other.db", "c1", outcome=1)
    with pytest.raises(TypeError, match="not wrapped"):
        tokenthrift.feedback(object(), "c1", outcome=1)


def test_the_command_says_it(tmp_path, capsys):
    """Words and numbers; wrong ones and unknown calls are one line."""
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        ledger.write(record("c1"))

    def run(*arguments: Any) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["feedback", *map(str, arguments), "--ledger", str(path)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out + " ".join(err.replace("│", "").split())

    code, said = run("c1", "--outcome", "good", "--value", 2)
    assert (code, "user says 1 of call c1" in said) == (0, True)
    code, said = run("c1", "--outcome", "bad")
    assert code == 2
    assert "feedback is never changed" in said
    code, said = run("c1", "--outcome", "great", "--source", "me")
    assert code == 2
    assert "say good, bad, or a number" in said
    code, said = run("c9", "--outcome", "good")
    assert code == 2
    assert "no call 'c9'" in said


def test_the_report_says_what_outcomes_cost(tmp_path, capsys):
    """Dollars for a good outcome count every attempt; unpriced calls are not in them."""
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        for number, (usd, outcome) in enumerate([(0.25, 1), (0.25, 0), (None, 1)]):
            ledger.write(record(f"c{number}", usd=usd))
            tokenthrift.feedback(ledger, f"c{number}", outcome=outcome, value=2.0)
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit):
            main(["report", "--ledger", str(path), *options])
    out = capsys.readouterr().out
    assert re.search(r"gpt-4o-mini +3 +0\.667 +0\.5000", out)
    data = json.loads(out[out.index("{") :])["feedback"]["gpt-4o-mini"]
    assert data["nanos_per_success"] == 500_000_010
    assert data["value"] == 6.0


# -------------------------------------------------------------------------------------- exploration
def test_exploration_keeps_its_share_and_records_propensities():
    """Off by default; with a share, some first calls try the other model, and it is recorded."""
    explores = {**POLICY, "routing": {**ROUTING, "floor": 0.85, "explore": 0.5}}
    ledger = MemoryLedger()
    ids = count()
    outside = Outside(new_id=lambda: f"call-{next(ids)}")
    account = Account(explores, ledger, forecaster=Fixed(), outside=outside)
    for number in range(200):
        served(account, body=asked(number))
    records = list(ledger.records())
    tried = [r for r in records if r.model_chosen == SMALL]
    assert 3 <= len(tried) <= 30  # a twentieth is expected
    for number, made in enumerate(records):
        assert made.decision is not None
        assert made.decision.propensity is not None
        rules, call_id = load_policy(explores), made.record_id
        again = plan(asked(number), rules, forecaster=Fixed(), call_id=call_id)
        assert again.model == made.model_chosen
        assert again.decision.propensity == pytest.approx(made.decision.propensity)
    assert "explored instead of gpt-4o" in tried[0].decision.reason
    plain = {**POLICY, "routing": {**ROUTING, "floor": 0.85}}
    made = plan(BODY, load_policy(plain), forecaster=Fixed(), call_id="c1").decision
    assert (made.chosen, made.propensity) == (LARGE, None)


def test_only_first_calls_explore():
    """A tool loop, or a conversation that was served before, stays as it is."""
    policy = load_policy({**POLICY, "routing": {**ROUTING, "floor": 0.85, "explore": 0.5}})
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    loop = [
        *BODY["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "done"},
    ]
    for number in range(60):
        found = plan(
            {**BODY, "messages": loop}, policy, forecaster=Fixed(), call_id=f"call-{number}"
        )
        assert (found.model, found.decision.propensity) == (LARGE, None)
        kept = Session(kept=Kept(LARGE))
        again = plan(BODY, policy, forecaster=Fixed(), session=kept, call_id=f"call-{number}")
        assert again.decision.propensity is None


# -------------------------------------------------------------------------------- calibrated policy
def test_a_calibrated_policy_routes(tmp_path, capsys):
    """What `calibrate` wrote decides calls: easy ones go to the small model, hard ones do not."""
    rows = outcomes(1_500)
    log, out = write_log(tmp_path / "log.jsonl", rows), tmp_path / "mine.yaml"
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", str(log), "--worse", "2", "-o", str(out)])
    assert not ended.value.code, capsys.readouterr().err
    policy = load_policy(out)
    chosen: dict[bool, list[str]] = {True: [], False: []}
    for row in rows[-60::2]:
        body = {"model": LARGE, "messages": [{"role": "user", "content": row["prompt"]}]}
        chosen[len(row["prompt"]) > 60].append(plan(body, policy).model)
    assert chosen[False].count(SMALL) > 0.9 * len(chosen[False])
    assert chosen[True].count(LARGE) > 0.9 * len(chosen[True])


def test_a_pinned_policy_sends_every_call_to_the_best_model(tmp_path):
    """Whatever the caller asked for."""
    path = tmp_path / "pinned.yaml"
    path.write_text(f"version: 1\nrouting: {{pin: true, candidates: [{{model: {LARGE}}}]}}\n")
    assert plan({**BODY, "model": SMALL}, load_policy(path)).model == LARGE
    with pytest.raises(PolicyError, match="exactly one candidate, got 2"):
        load_policy({"version": 1, "routing": {**ROUTING, "pin": True}})


def test_missing_abilities_are_told(tmp_path: Path):
    """The file and what writes it."""
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nrouting: {adequacy: nowhere.npz}\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"routing\.adequacy: .*nowhere\.npz.*calibrate"):
        plan(BODY, load_policy(path))
    (tmp_path / "nowhere.npz").write_bytes(b"no arrays")
    with pytest.raises(PolicyError, match=r"routing\.adequacy"):
        plan(BODY, load_policy(path))
