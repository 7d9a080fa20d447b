"""Options that several commands share, and how all of them print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tokenthrift.errors import OutcomeError
from tokenthrift.replay.lines import raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PolicyOption = Annotated[
    str, typer.Option("--policy", "-p", help="A policy file, or the name of a shipped policy.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exact data for machines.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Model of requests that name none.")
]


def outcome_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """The lines of a file of outcomes, each with where it stands.

    Raises:
        OutcomeError: a line cannot be had.
    """
    for line in raw_lines(path):
        if line.problem:
            raise OutcomeError(f"{line.where}: {line.problem}")
        yield line.where, line.data


def console() -> Console:
    """Where tables go."""
    return Console(highlight=False)


def print_json(data: Any) -> None:
    """Print data for machines."""
    typer.echo(json.dumps(data, indent=2, default=str))


def write_page(path: Path, page: str) -> None:
    """Write a page where ``--html`` says, and say so.

    Raises:
        BadParameter: it cannot be written.
    """
    try:
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        why = f"{path}: cannot be written: {error.strerror or error}"
        raise typer.BadParameter(why, param_hint="--html") from error
    typer.echo(f"{path}: written, {len(page.encode()) / 1000:,.0f} kB", err=True)
