"""`tokenthrift replay`: recorded requests, priced as they were and as a policy would send them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, ModelOption, PolicyOption, console, print_json
from tokenthrift.ledger import open_ledger
from tokenthrift.policy import load_policy
from tokenthrift.replay import DEFAULT_MODEL, Options, replay
from tokenthrift.replay.outcome_view import outcome_json, outcome_view, problem_lines
from tokenthrift.replay.progress_bar import progress_bar

if TYPE_CHECKING:
    from tokenthrift.ledger import Ledger

INTERRUPTED: Final = 130  # as shells report a process ended by SIGINT


@app.command("replay")
def replay_command(
    files: Annotated[list[Path], typer.Argument(help="Recordings: .jsonl, .jsonl.gz or .json.")],
    *,
    policy: PolicyOption = "balanced",
    model: ModelOption = DEFAULT_MODEL,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 takes one per processor.")] = 0,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what is done; run again to go on.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Write one record per request to this SQLite ledger.")
    ] = None,
    split: Annotated[
        str,
        typer.Option("--as", help="Read lines as: auto, conversation (as it grew), request."),
    ] = "auto",
    pause: Annotated[
        float, typer.Option(min=0, help="Seconds between two requests of a conversation.")
    ] = 0.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Price recorded requests as they were and as a policy would send them. Sends nothing."""
    rules = load_policy(policy)
    if split not in ("auto", "conversation", "request"):
        raise typer.BadParameter("use auto, conversation or request", param_hint="--as")
    options = Options(
        rules,
        at=datetime.now(UTC),
        model=model,
        split=split,  # type: ignore[arg-type]  # checked above
        pause_s=pause,
        keep_records=ledger is not None,
    )
    kept: Ledger | None = None if ledger is None else open_ledger(ledger)
    try:
        with progress_bar(Console(stderr=True), shown=not quiet) as advance:
            found = replay(
                files,
                options,
                workers=workers or os.cpu_count() or 1,
                state=state,
                ledger=kept,
                on_progress=advance,
            )
    except KeyboardInterrupt:
        hint = "run the same command again to go on" if state else "with --state it could go on"
        typer.echo(f"tokenthrift: interrupted; {hint}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if kept is not None:
            kept.close()
    for problem in problem_lines(found):
        typer.echo(problem, err=True)
    if as_json:
        print_json(outcome_json(found, options))
    else:
        console().print(outcome_view(found, options))
