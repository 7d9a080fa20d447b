"""`tokenthrift feedback`: say what the answer of a call was worth."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tokenthrift.cli.app import app
from tokenthrift.cli.report import LEDGER_FILE
from tokenthrift.ledger import Feedback, open_ledger, outcome_of


@app.command("feedback")
def feedback_command(
    call_id: Annotated[str, typer.Argument(help="The record_id of the call's receipt.")],
    *,
    outcome: Annotated[str, typer.Option(help="good, bad, or a number from 0 to 1.")],
    value: Annotated[
        float | None, typer.Option(help="What the answer was worth, in a unit of your own.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Who says so; each source says it once for a call.")
    ] = "user",
    ledger: Annotated[Path, typer.Option(help="The SQLite ledger.")] = LEDGER_FILE,
) -> None:
    """Say what the answer of a call was worth; calibrate and report read it."""
    try:
        said = Feedback(
            call_id=call_id,
            created_at=datetime.now(UTC),
            outcome=outcome_of(outcome),
            value=value,
            source=source,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with open_ledger(ledger, create=False) as kept:
        kept.write_feedback(said)
    typer.echo(f"{ledger}: {said.source} says {said.outcome:g} of call {said.call_id}")
