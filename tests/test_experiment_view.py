"""What reports say of experiments, shadows and the cache model."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from test_ledger_trials import START, call
from tokenthrift.cli import app
from tokenthrift.ledger import (
    AttemptRecord,
    Feedback,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    ShadowRecord,
    SQLiteLedger,
    cache_checks,
    measured_savings,
)
from tokenthrift.report.experiment_view import cache_view, measured_view, shadow_view

RUNNER = CliRunner()


def text_of(view: Any) -> str:
    """A view as a terminal of 80 columns shows it."""
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def tried(ledger: Any, factor: float = 0.5, sessions: int = 80) -> None:
    """An experiment in which treated sessions cost ``factor`` times as much."""
    for n in range(sessions):
        treated = n % 2 == 1
        cost = int((1_000_000 + 7_000 * (n % 5)) * (factor if treated else 1))
        arm = "treated" if treated else "holdout"
        ledger.write(call(n, f"s{n}", n, cost, arm=arm, treated_share=0.5))
        said = Feedback(call_id=f"r{n}", created_at=START, outcome=1.0 if n % 3 else 0.0)
        ledger.write_feedback(said)


def shadowed(number: int, saved: int | None) -> LedgerRecord:
    """A call whose shadow would have saved so much."""
    savings = SavingsRecord()
    if saved is not None:
        savings = SavingsRecord(
            baseline_nanos=1_000,
            actual_nanos=1_000 - saved,
            compression_nanos=saved,
            routing_nanos=0,
            cache_nanos=0,
            overhead_nanos=0,
            net_nanos=saved,
            unpriced=False,
        )
    shadow = ShadowRecord(model="m", savings=savings)
    return call(number, f"s{number}", number, 1_000, arm="shadow", treated_share=0.0, shadow=shadow)


def predicted(number: int, session: str, wrong: int) -> LedgerRecord:
    """A call whose cached tokens were predicted wrong by so many."""
    attempt = AttemptRecord(
        model="m",
        number=1,
        status="ok",
        input_tokens=2_000,
        cache_read_tokens=1_000,
        predicted_cache_read_tokens=1_000 + wrong,
        cost_nanos=5,
    )
    return call(number, session, number, None).model_copy(update={"attempts": (attempt,)})


def test_measured_savings_are_shown_with_their_intervals() -> None:
    """Money, shares, outcomes, the estimate beside it; an alarm where there is harm."""
    ledger = MemoryLedger()
    tried(ledger)
    said = text_of(measured_view(measured_savings(ledger)))
    for words in ("95 % intervals over sessions", "saved of a session", "outcome", "40 treated"):
        assert words in said
    assert "Harm" not in said
    dear = MemoryLedger()
    tried(dear, factor=9.0, sessions=400)
    assert "Harm: treated sessions cost more" in text_of(measured_view(measured_savings(dear)))
    assert measured_view(None) is None


def test_too_few_sessions_are_said_to_be_too_few() -> None:
    """No figure is made up."""
    ledger = MemoryLedger()
    tried(ledger, sessions=6)
    assert "Nothing to say yet: 3 treated sessions" in text_of(
        measured_view(measured_savings(ledger))
    )


def test_shadows_are_added_up_the_same_in_every_store(tmp_path: Any) -> None:
    """What would have been saved, and how many have no figure."""
    memory = MemoryLedger()
    with SQLiteLedger(tmp_path / "ledger.db") as file:
        for ledger in (memory, file):
            assert shadow_view(ledger.shadow_totals()) is None
            for n, saved in enumerate((400, -100, None)):
                ledger.write(shadowed(n, saved))
        found = file.shadow_totals()
        assert found == memory.shadow_totals()
        later = START + timedelta(minutes=1)
        assert file.shadow_totals(later) == memory.shadow_totals(later)
    assert (found.calls, found.unpriced_calls) == (3, 1)
    assert (found.spent_nanos, found.saved_nanos) == (2_000, 300)
    assert "15.0" in text_of(shadow_view(found))


def test_the_cache_model_is_checked_by_model(tmp_path: Any) -> None:
    """Mean error with its interval over sessions; the same from every store."""
    memory = MemoryLedger()
    with SQLiteLedger(tmp_path / "ledger.db") as file:
        for n in range(60):
            record = predicted(n, f"s{n % 20}", 128 if n % 4 == 0 else 0)
            memory.write(record)
            file.write(record)
        assert file.predictions() == memory.predictions()
        assert file.predictions(newest=5) == memory.predictions(newest=5)
        found = cache_checks(file)
    (check,) = found.values()
    assert (check.requests, check.sessions) == (60, 20)
    assert check.error_tokens is not None
    assert check.error_tokens.value == pytest.approx(32.0)
    assert check.error_tokens.low < 32 < check.error_tokens.high
    assert "+32.0 [" in text_of(cache_view(found))
    assert cache_view({}) is None


def test_the_report_shows_experiments_by_itself(tmp_path: Any) -> None:
    """In tables and as JSON; alone on demand; and it says where there is none."""
    path = tmp_path / "ledger.db"
    with SQLiteLedger(path) as ledger:
        ledger.write(call(1_000, "plain", 0, 10))
    none = RUNNER.invoke(app, ["report", "--ledger", str(path), "--experiment"])
    assert "no experiment" in none.stdout
    assert "Measured" not in RUNNER.invoke(app, ["report", "--ledger", str(path)]).stdout
    with SQLiteLedger(path) as ledger:
        tried(ledger)
    shown = RUNNER.invoke(app, ["report", "--ledger", str(path)])
    assert shown.exit_code == 0, shown.output
    assert "Measured savings" in shown.stdout
    only = RUNNER.invoke(app, ["report", "--ledger", str(path), "--experiment"])
    assert "Measured savings" in only.stdout
    assert "Tokens" not in only.stdout
    found = json.loads(RUNNER.invoke(app, ["report", "--ledger", str(path), "--json"]).stdout)
    measured = found["measured"]
    assert measured["basis"] == "measured"
    assert measured["share"]["low"] < 0.5 < measured["share"]["high"] + 0.01
    assert measured["harm"]["kind"] == ""
