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
from tokenthrift.ledger import Totals, open_account
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
from tokenthrift.report.feedback_view import worth_json, worth_of, worth_view
from tokenthrift.report.gone import gone_words
from tokenthrift.report.tables import note
from tokenthrift.tokens import counter_for

TOKENS_SHOWN: Final = 4_000
LEDGER_FILE: Final = Path("tokenthrift.db")


@app.command()
def report(
    exports: Annotated[
        str | None,
        typer.Argument(
            metavar="[LEDGER|EXPORT]",
            help="A ledger, a folder of `ledger export`, or a pattern of them.",
        ),
    ] = None,
    *,
    ledger: Annotated[Path, typer.Option(help="The SQLite ledger.")] = LEDGER_FILE,
    by: Annotated[str | None, typer.Option(help=f"Group by: {', '.join(by_words())}.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only calls since a date (2026-01-31) or age (24h, 7d).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what calls cost and what was saved, from a ledger or its exports."""
    try:
        start = None if since is None else instant(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    where = exports or ledger
    with open_account(where) as kept:
        groups = None if by is None else grouped(kept, by, start)
        totals = kept.totals(start) if groups is None else sum(groups.values(), Totals())
        latencies = plan_latencies(kept, start) if by is None else None
        gone = gone_words(kept.folded(), start)
        worth = worth_of(kept) if by is None and since is None else {}
    if as_json:
        data: dict[str, Any] = {"totals": totals_json(totals)}
        if gone:
            data["without_details"] = gone
        if worth:
            data["feedback"] = worth_json(worth)
        if by is not None and groups is not None:
            data |= {"by": by, "groups": {k: totals_json(t) for k, t in groups.items()}}
        print_json(data)
    elif not totals.calls:
        typer.echo(f"{where}: no calls{'' if since is None else f' since {since}'}")
    elif by is None or groups is None:
        console().print(totals_view(totals, latencies))
        said = worth_view(worth)
        if said is not None:
            console().print()
            console().print(said)
    else:
        console().print(grouped_view(groups, by))
    if gone and not as_json:
        console().print(note(gone))


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
