"""Feedback stands beside records: said once by each source, never changed, never on no call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from test_ledger_record import sample
from test_ledger_schema import write_version_1
from tokenthrift.client.recent import RecentLedger
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import (
    AttemptRecord,
    Feedback,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
    outcome_of,
    scored_calls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def record(record_id: str, model: str = "gpt-4o-mini", usd: float | None = 0.25) -> LedgerRecord:
    """A call that one attempt answered."""
    nanos = None if usd is None else round(usd * 1e9)
    return LedgerRecord(
        record_id=record_id,
        created_at=AT,
        wire="openai_chat",
        model_requested="gpt-4o",
        model_chosen=model,
        policy="frugal",
        policy_digest="0" * 16,
        attempts=(
            AttemptRecord(model="gpt-4o", number=1, status="error", error="Timeout", cost_nanos=5),
            AttemptRecord(model=model, number=2, status="ok", cost_nanos=nanos),
        ),
        savings=SavingsRecord(),
    )


def said(call_id: str = "c1", outcome: float = 1.0, **more: Any) -> Feedback:
    """What a user says."""
    return Feedback(**{"call_id": call_id, "created_at": AT, "outcome": outcome, **more})


@pytest.fixture(params=["sqlite", "memory", "recent"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each kind of ledger, with two calls in it."""
    kinds = {"memory": MemoryLedger, "recent": RecentLedger}
    if request.param == "sqlite":
        made: Any = SQLiteLedger(tmp_path / "ledger.db")
    else:
        made = kinds[request.param]()
    with made as kept:
        kept.write(record("c1"))
        kept.write(record("c2", usd=None))
        yield kept


def test_it_is_kept_in_order_and_once(ledger):
    """Exactly as given; the same again, at any later time, changes nothing."""
    given = [
        said(value=2.5),
        said("c2", 0.25, source="judge"),
        said("c1", 0.0, source="judge"),
    ]
    for one in (*given, given[0], given[0].model_copy(update={"created_at": AT + timedelta(1)})):
        ledger.write_feedback(one)
    assert list(ledger.feedback()) == given
    assert list(ledger.feedback("c1")) == [given[0], given[2]]
    assert list(ledger.feedback("c9")) == []
    assert ledger.count() == 2


def test_nobody_says_two_things_of_a_call(ledger):
    """The first stands; another source may say otherwise."""
    ledger.write_feedback(said())
    with pytest.raises(LedgerError, match=r"'user' has said 1 of call 'c1' before.*another source"):
        ledger.write_feedback(said(outcome=0.0))
    with pytest.raises(LedgerError, match="never changed"):
        ledger.write_feedback(said(value=3.0))
    ledger.write_feedback(said(outcome=0.0, source="judge"))
    assert [f.outcome for f in ledger.feedback("c1")] == [1.0, 0.0]


def test_there_is_no_feedback_on_no_call(ledger):
    """The error says what to give."""
    with pytest.raises(LedgerError, match="no call 'c9'; use the record_id"):
        ledger.write_feedback(said("c9"))


def test_calls_with_feedback_are_outcomes(ledger):
    """The mean over sources, and the cost of the attempt that answered."""
    ledger.write_feedback(said())
    ledger.write_feedback(said(outcome=0.5, source="judge"))
    ledger.write_feedback(said("c2", 0.0))
    assert scored_calls(ledger) == {
        "c1": {"model": "gpt-4o-mini", "score": 0.75, "cost_usd": 0.25},
        "c2": {"model": "gpt-4o-mini", "score": 0.0, "cost_usd": None},
    }


def test_a_ledger_that_forgets_calls_forgets_what_was_said_of_them():
    """Memory stays bounded."""
    ledger = RecentLedger(records=2)
    for number in range(5):
        ledger.write(record(f"c{number}"))
        ledger.write_feedback(said(f"c{number}"))
    assert [f.call_id for f in ledger.feedback()] == ["c3", "c4"]


def test_older_files_learn_to_keep_it(tmp_path):
    """A file of a version before feedback has its records still, and takes feedback on them."""
    path = tmp_path / "ledger.db"
    write_version_1(path, [sample(1)])
    with SQLiteLedger(path) as kept:
        kept.write_feedback(said(call_id="call-000001"))
        assert list(kept.feedback()) == [said(call_id="call-000001")]
        assert kept.get("call-000001") == sample(1)


@pytest.mark.parametrize(
    ("word", "outcome"), [("good", 1), ("BAD", 0), ("0.5", 0.5), (True, 1), (0, 0), (0.25, 0.25)]
)
def test_outcomes_are_words_or_numbers(word, outcome):
    """As people say them."""
    assert outcome_of(word) == outcome


@pytest.mark.parametrize("word", ["great", "", "2", -1, 1.5, float("nan")])
def test_other_words_are_refused(word):
    """The error lists what can be said."""
    with pytest.raises(ValueError, match="good, bad, or a number"):
        outcome_of(word)


def test_impossible_feedback_is_refused():
    """Outcomes lie in [0, 1]; values are numbers."""
    for wrong in ({"outcome": 2.0}, {"value": float("inf")}, {"source": ""}, {"call_id": ""}):
        with pytest.raises(ValidationError):
            said(**wrong)
