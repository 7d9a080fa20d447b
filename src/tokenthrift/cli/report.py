"""`tokenthrift report` and `tokenthrift recall`: what calls cost, and what was cut from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import typer

from tokenthrift.addresses import shown
from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.errors import RecallError
from tokenthrift.ledger import cache_checks, measured_savings, open_ledger
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
from tokenthrift.report.experiment_view import (
    cache_json,
    cache_view,
    measured_json,
    measured_view,
    shadow_view,
)
from tokenthrift.report.feedback_view import worth_json, worth_of, worth_view
from tokenthrift.report.tables import stacked
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from rich.console import Group

    from tokenthrift.experiment import MeasuredSavings
    from tokenthrift.ledger import CacheCheck, Ledger, ShadowTotals

TOKENS_SHOWN: Final = 4_000
LEDGER_FILE: Final = Path("tokenthrift.db")


@app.command()
def report(
    ledger: Annotated[Path, typer.Option(help="The SQLite ledger.")] = LEDGER_FILE,
    by: Annotated[str | None, typer.Option(help=f"Group by: {', '.join(by_words())}.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only calls since a date (2026-01-31) or age (24h, 7d).")
    ] = None,
    experiment: Annotated[
        bool, typer.Option("--experiment", help="Only what an experiment measured.")
    ] = False,
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
        worth = worth_of(kept) if by is None and since is None else {}
        trial = _Trial.of(kept, start) if by is None else None
    if experiment and trial is not None:
        trial.tell(as_json=as_json)
    elif as_json:
        data: dict[str, Any] = {"totals": totals_json(totals)}
        if worth:
            data["feedback"] = worth_json(worth)
        if by is not None and groups is not None:
            data |= {"by": by, "groups": {k: totals_json(t) for k, t in groups.items()}}
        print_json(data | ({} if trial is None else trial.json()))
    elif not totals.calls:
        typer.echo(f"{ledger}: no calls{'' if since is None else f' since {since}'}")
    elif by is None or groups is None:
        console().print(totals_view(totals, latencies))
        for said in (worth_view(worth), *(() if trial is None else trial.views())):
            if said is not None:
                console().print()
                console().print(said)
    else:
        console().print(grouped_view(groups, by))


@dataclass(frozen=True, slots=True)
class _Trial:
    """What experiments and predictions of caches came to."""

    measured: MeasuredSavings | None
    shadows: ShadowTotals
    caches: Mapping[str, CacheCheck]

    @classmethod
    def of(cls, ledger: Ledger, since: datetime | None) -> Self:
        found = measured_savings(ledger, since)
        return cls(found, ledger.shadow_totals(since), cache_checks(ledger))

    def views(self) -> tuple[Group | None, ...]:
        """As tables; None where there is nothing to say."""
        return measured_view(self.measured), shadow_view(self.shadows), cache_view(self.caches)

    def json(self) -> dict[str, Any]:
        """As plain data, without what there is not."""
        data: dict[str, Any] = {}
        if self.measured is not None:
            data["measured"] = measured_json(self.measured)
        if self.shadows.calls:
            data["shadow"] = asdict(self.shadows)
        if self.caches:
            data["cache"] = cache_json(self.caches)
        return data

    def tell(self, *, as_json: bool) -> None:
        """Only this, or that there is none."""
        views = [view for view in self.views()[:2] if view is not None]
        if as_json:
            print_json({k: v for k, v in self.json().items() if k != "cache"})
        elif views:
            console().print(stacked(*views))
        else:
            typer.echo("no experiment: set holdout.share or holdout.rollout in the policy")


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
