"""Sessions of experiments in ledgers: every store adds up the same, and late words count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.experiment import Holdout
from tokenthrift.ledger import (
    AttemptRecord,
    Feedback,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
    harm_seen,
    measured_savings,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def call(number: int, session: str, minutes: float, cost: int | None, **more: Any) -> LedgerRecord:
    """A call of a session; without a cost it is unpriced."""
    savings = SavingsRecord()
    if cost is not None:
        saved = 500
        savings = SavingsRecord(
            baseline_nanos=cost + saved,
            actual_nanos=cost,
            compression_nanos=saved,
            routing_nanos=0,
            cache_nanos=0,
            overhead_nanos=0,
            net_nanos=saved,
            unpriced=False,
        )
    attempt = AttemptRecord(model="m", number=1, status="ok", cost_nanos=cost)
    made: dict[str, Any] = {
        "record_id": f"r{number}",
        "created_at": START + timedelta(minutes=minutes),
        "wire": "openai-chat",
        "model_requested": "m",
        "policy": "p",
        "policy_digest": "d1",
        "attempts": (attempt,),
        "savings": savings,
        "session": session,
        **more,
    }
    return LedgerRecord(**made)


@st.composite
def trials(draw: st.DrawFn) -> tuple[list[LedgerRecord], list[Feedback]]:
    """Calls of a few sessions in and out of experiments, and feedback on some."""
    records, said = [], []
    for number in range(draw(st.integers(0, 10))):
        arm = draw(st.sampled_from(["treated", "holdout", "off", "shadow", ""]))
        share = {"off": 0.0, "shadow": 0.0, "": None}.get(arm, draw(st.sampled_from([0.5, 0.9])))
        records.append(
            call(
                number,
                draw(st.sampled_from(["a", "b", "c", ""])),
                draw(st.integers(0, 200)),
                draw(st.none() | st.integers(0, 10**6)),
                arm=arm,
                treated_share=share,
                asked_tokens=draw(st.integers(0, 100)),
                policy_digest=draw(st.sampled_from(["d1", "d2"])),
            )
        )
    for record in records:
        said += [
            Feedback(
                call_id=record.record_id,
                created_at=START + timedelta(minutes=draw(st.integers(0, 500))),
                outcome=draw(st.sampled_from([0.0, 0.25, 1.0])),
                source=source,
            )
            for source in draw(st.sets(st.sampled_from(["u", "v"])))
        ]
    return records, said


@given(
    trials(), st.none() | st.integers(0, 200), st.sampled_from([None, "d1"]), st.integers(0, 100)
)
@examples(100)
def test_stores_agree_on_sessions(
    made: tuple[list[LedgerRecord], list[Feedback]],
    since: int | None,
    digest: str | None,
    settle: int,
) -> None:
    """A database and a list give the same rows, whatever is asked."""
    memory, records = MemoryLedger(), made[0]
    with SQLiteLedger(":memory:") as file:
        for record in records:
            memory.write(record)
            file.write(record)
        for said in made[1]:
            memory.write_feedback(said)
            file.write_feedback(said)
        start = None if since is None else START + timedelta(minutes=since)
        one = memory.sessions(start, digest, float(settle))
        assert file.sessions(start, digest, float(settle)) == one
    known = {r.session for r in records if r.treated_share in (0.5, 0.9)}
    assert {row.session for row in one} <= known


def test_a_session_is_drawn_once_and_all_its_calls_count(tmp_path: Any) -> None:
    """Its first drawn call says the arm; calls of other arms, failures and late ones are in it."""
    drawn = {"arm": "treated", "treated_share": 0.5, "asked_tokens": 70}
    records = [
        call(1, "s", 0, 100, arm="shadow", treated_share=0.0),
        call(2, "s", 10, 1_000, **drawn),
        call(3, "s", 20, 50, arm="off", treated_share=0.0),
        call(4, "s", 90, 7, arm="holdout", treated_share=0.9, status="error"),
        call(5, "other", 90, 7, arm="", treated_share=None),
    ]
    with SQLiteLedger(tmp_path / "ledger.db") as ledger:
        for record in records:
            ledger.write(record)
        ledger.write_feedback(Feedback(call_id="r3", created_at=START, outcome=1.0, source="a"))
        ledger.write_feedback(Feedback(call_id="r3", created_at=START, outcome=0.5, source="b"))
        ledger.write_feedback(Feedback(call_id="r4", created_at=START, outcome=0.0))
        (row,) = ledger.sessions(settle_minutes=60)
    assert (row.session, row.treated, row.treated_share) == ("s", True, 0.5)
    assert (row.calls, row.spent_nanos, row.early_nanos) == (3, 1_057, 1_050)
    assert (row.baseline_nanos, row.asked_tokens) == (2_557, 70)
    assert (row.rated_calls, row.outcomes, row.first_outcome) == (2, 0.75, 1.0)


def test_savings_are_measured_from_a_ledger() -> None:
    """Treated sessions that cost half as much; without an experiment there is nothing to say."""
    ledger = MemoryLedger()
    assert measured_savings(ledger) is None
    for n in range(80):
        arm = "treated" if n % 2 else "holdout"
        cost = (500 if n % 2 else 1_000) + 7 * (n % 5)
        ledger.write(call(n, f"s{n}", n, cost, arm=arm, treated_share=0.5))
    found = measured_savings(ledger)
    assert found is not None
    assert found.share is not None
    assert 0.45 < found.share.low < found.share.high < 0.55
    assert (found.treated, found.held) == (40, 40)
    later = measured_savings(ledger, START + timedelta(minutes=70))
    assert later is not None
    assert "needed" in later.problem


def test_harm_is_looked_for_in_the_policys_own_sessions() -> None:
    """What another policy did is no harm of this one; what has not settled is not looked at."""
    ledger = MemoryLedger()
    for n in range(400):
        arm = "treated" if n % 2 else "holdout"
        cost = (9_000 if n % 2 else 1_000) + 7 * (n % 5)
        ledger.write(call(n, f"s{n}", n, cost, arm=arm, treated_share=0.5))
    end_us = int((START + timedelta(days=2)).timestamp() * 1e6)
    assert harm_seen(ledger, Holdout(share=0.5), "d1", end_us).kind == "cost"
    assert not harm_seen(ledger, Holdout(share=0.5), "d2", end_us)
    early_us = int((START + timedelta(minutes=90)).timestamp() * 1e6)
    assert harm_seen(ledger, Holdout(share=0.5), "d1", early_us).sessions == 31
