"""`tokenthrift plan`: what would be sent for one request, to which model, and why."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokenthrift.catalog import load_catalog
from tokenthrift.cli.app import app
from tokenthrift.cli.options import (
    JsonOption,
    ModelOption,
    PolicyOption,
    console,
    print_json,
    write_page,
)
from tokenthrift.errors import ReplayError
from tokenthrift.pipeline import plan as make_plan
from tokenthrift.policy import load_policy
from tokenthrift.replay import DEFAULT_MODEL
from tokenthrift.replay.request import read_request
from tokenthrift.report import diff_view, explain, plan_page, plan_view, why_view

if TYPE_CHECKING:
    from collections.abc import Mapping


@app.command()
def plan(
    file: Annotated[
        str, typer.Argument(help="A request body or a recording; - reads standard input.")
    ],
    *,
    policy: PolicyOption = "balanced",
    model: ModelOption = DEFAULT_MODEL,
    line: Annotated[int, typer.Option(min=1, help="Which line of a JSON Lines file.")] = 1,
    diff: Annotated[bool, typer.Option("--diff", help="Show what is kept and dropped.")] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Show why units were kept or dropped.")
    ] = False,
    body: Annotated[
        bool, typer.Option("--body", help="Print only the body that would be sent, as JSON.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a page that shows all of it, kept and dropped text."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be sent for one request, to which model, and why. Sends nothing."""
    rules = load_policy(policy)
    catalog = load_catalog(rules.cards_path)
    resources = replace(rules.resources, explain=why or as_json or html is not None)
    request = _request(file, line, model)
    made = make_plan(request, rules, catalog=catalog, resources=resources)
    explained = explain(made, catalog)
    if html is not None:
        write_page(html, plan_page(made, explained))
    if body:
        print_json(made.body)
        return
    if as_json:
        print_json(explained.as_json())
        return
    screen = console()
    screen.print(plan_view(explained))
    if why:
        screen.print()
        screen.print(why_view(explained))
    if diff:
        screen.print()
        screen.print(diff_view(made))


def _request(file: str, line: int, model: str) -> Mapping[str, Any]:
    if file == "-":
        return read_request("<stdin>", sys.stdin.buffer.read(), line, model)
    try:
        return read_request(file, Path(file).read_bytes(), line, model)
    except OSError as error:
        raise ReplayError(f"{file}: cannot be read: {error.strerror or error}") from error
