"""Options that several commands share, and how all of them print."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

PolicyOption = Annotated[
    str, typer.Option("--policy", "-p", help="A policy file, or the name of a shipped policy.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exact data for machines.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Model of requests that name none.")
]


def console() -> Console:
    """Where tables go."""
    return Console(highlight=False)


def print_json(data: Any) -> None:
    """Print data for machines."""
    typer.echo(json.dumps(data, indent=2, default=str))
