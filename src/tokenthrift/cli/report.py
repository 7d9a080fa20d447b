"""`tokenthrift report` and `tokenthrift recall`: what calls cost, and what was cut from them."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tokenthrift.addresses import shown
from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.errors import RecallError
from tokenthrift.ledger import open_ledger
from tokenthrift.recall import answer, open_recall, wish_of
from tokenthrift.replay import DEFAULT_MODEL
from tokenthrift.report import (
    by_words,
    grouped,
    grouped_view,
    instant,
    plan_latencies,
    totals_json,
    totals_view,
)
from tokenthrift.tokens import counter_for

TOKENS_SHOWN: Final = 4_000
LEDGER_FILE: Final = Path("tokenthrift.db")


@app.command()
def report(
    ledger: Annotated[Path, typer.Option(help="The SQLite ledger.")] = LEDGER_FILE,
    by: Annotated[str | None, typer.Option(help=f"Group by: {', '.join(by_words())}.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only calls since a date (2026-01-31) or age (24h, 7d).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what calls cost and what was saved, from a ledger."""
    try:
        start = None if since is None else instant(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    with open_ledger(ledger, create=False) as kept:
        totals = kept.totals(start)
        groups = None if by is None else grouped(kept, by, start)
        latencies = plan_latencies(kept, start) if by is None else None
    if as_json:
        data: dict[str, Any] = {"totals": totals_json(totals)}
        if by is not None and groups is not None:
            data |= {"by": by, "groups": {k: totals_json(t) for k, t in groups.items()}}
        print_json(data)
    elif not totals.calls:
        typer.echo(f"{ledger}: no calls{'' if since is None else f' since {since}'}")
    elif by is None or groups is None:
        console().print(totals_view(totals, latencies))
    else:
        console().print(grouped_view(groups, by))


@app.command("recall")
def recall_command(
    recall_id: Annotated[str, typer.Argument(metavar="ID", help="The id in a mark.")],
    *,
    store: Annotated[str, typer.Option(help="The store of the policy: a file, or redis://...")],
    lines: Annotated[str | None, typer.Option(help="Which lines of it, e.g. 10-40.")] = None,
    query: Annotated[str | None, typer.Option(help="Only lines about this.")] = None,
    tokens: Annotated[int, typer.Option(min=50, help="Show at most so many.")] = TOKENS_SHOWN,
) -> None:
    """Show text that was cut, from the store of a policy's recall."""
    wish = wish_of(json.dumps({"id": recall_id, "lines": lines, "query": query}))
    with closing(open_recall(store, ttl_days=None, create=False)) as kept:
        texts = kept.get(wish.recall_id)
    if texts is None:
        raise RecallError(f"{shown(store)}: nothing is kept under {recall_id!r}")
    typer.echo(answer(wish, texts, tokens, counter_for(DEFAULT_MODEL)))
