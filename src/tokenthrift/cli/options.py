"""Options that several commands share, and how all of them print."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tokenthrift.errors import OutcomeError
from tokenthrift.replay.lines import raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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


def print_json_rows(data: Mapping[str, Any], name: str, rows: Iterable[tuple[str, Any]]) -> None:
    """Print data for machines of which one part may be large: row by row.

    Args:
        data: all the rest of it.
        name: of that part, an object.
        rows: its keys and values.
    """
    head, tail = json.dumps({**data, name: {}}, indent=2, default=str).rsplit("{}", 1)
    lead = "\n"
    typer.echo(head + "{", nl=False)
    for key, value in rows:
        text = textwrap.indent(json.dumps({key: value}, indent=2, default=str)[2:-2], "  ")
        typer.echo(f"{lead}{text}", nl=False)
        lead = ",\n"
    typer.echo(("}" if lead == "\n" else "\n  }") + tail)


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
