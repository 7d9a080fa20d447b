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
from tokenthrift.cli.limits import limit_uses
from tokenthrift.cli.options import JsonOption, console, print_json, print_json_rows, write_page
from tokenthrift.errors import RecallError
from tokenthrift.ledger import (
    ParquetLedger,
    ShadowTotals,
    cache_checks,
    measured_savings,
    open_reader,
)
from tokenthrift.policy import load_policy
from tokenthrift.recall import answer, open_recall, wish_of
from tokenthrift.replay import DEFAULT_MODEL
from tokenthrift.report import (
    by_words,
    grouped,
    grouped_view,
    instant,
    largest,
    overview,
    overview_json,
    overview_page,
    overview_view,
    totals_json,
    worth_by,
)
from tokenthrift.report.experiment_view import (
    cache_json,
    cache_view,
    measured_json,
    measured_view,
    shadow_view,
)
from tokenthrift.report.feedback_view import worth_json, worth_view
from tokenthrift.report.gone import gone_words
from tokenthrift.report.overview import Measured
from tokenthrift.report.tables import note, stacked
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from rich.console import Group

    from tokenthrift.experiment import MeasuredSavings
    from tokenthrift.ledger import CacheCheck, SQLiteLedger

TOKENS_SHOWN: Final = 4_000
GROUPS_SHOWN: Final = 50
LEDGER_FILE: Final = Path("tokenthrift.db")


@app.command()
def report(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[LEDGER|EXPORT]",
            help="A ledger, a folder of `ledger export`, or a pattern of them.",
        ),
    ] = None,
    *,
    ledger: Annotated[
        Path, typer.Option(help="The same, as other commands name it.")
    ] = LEDGER_FILE,
    by: Annotated[str | None, typer.Option(help=f"Group by: {', '.join(by_words())}.")] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"With --by: so many groups, those on which most was spent [{GROUPS_SHOWN}; "
            "with --json all].",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only calls since a date (2026-01-31) or age (24h, 7d).")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with charts (extra charts).")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="With --html or --json: how full this policy's limits are.")
    ] = None,
    experiment: Annotated[
        bool, typer.Option("--experiment", help="Only what an experiment measured.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what calls cost and what was saved, from a ledger or its exports."""
    where = Path(file or ledger)
    try:
        start = None if since is None else instant(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    if by is not None and html is not None:
        raise typer.BadParameter("the page holds all groups; leave out --by", param_hint="--html")
    limits = () if policy is None else limit_uses(load_policy(policy))
    with open_reader(where) as kept:
        if by is not None:
            _report_groups(kept, by, start, top, as_json=as_json)
            return
        trial = _Trial.of(kept, start)
        if experiment:
            trial.tell(as_json=as_json)
            return
        short = html is None and not as_json
        found = overview(kept, where.name, start, trial.for_overview(), limits=limits, short=short)
    if html is not None:
        write_page(html, overview_page(found))
    if as_json:
        print_json(overview_json(found) | trial.json())
    elif not found.totals.calls:
        typer.echo(f"{where}: no calls{'' if since is None else f' since {since}'}")
    elif html is None:
        console().print(stacked(overview_view(found), *trial.views()))


def _report_groups(
    kept: SQLiteLedger | ParquetLedger,
    by: str,
    start: datetime | None,
    top: int | None,
    *,
    as_json: bool,
) -> None:
    others = None
    if as_json and top is None:
        shown = grouped(kept, by, start)
    else:
        others = largest(kept, by, top or GROUPS_SHOWN, start)
        in_order = by == "day" or not others.left_out
        shown = dict(sorted(others.groups.items())) if in_order else dict(others.groups)
    worth = {name: w for name, w in worth_by(kept, by, start).items() if name in shown}
    gone = gone_words(kept.folded(), start)
    if as_json:
        data: dict[str, Any] = {"by": by, "totals": totals_json(kept.totals(start))}
        if others is not None:
            data["others"] = {"groups": others.left_out, "totals": totals_json(others.rest)}
        data["feedback"] = worth_json(worth)
        rows = ((name, totals_json(sums)) for name, sums in shown.items())
        print_json_rows(data | ({"without_details": gone} if gone else {}), "groups", rows)
        return
    if not shown:
        typer.echo(f"{kept.path}: no calls")
    else:
        console().print(stacked(grouped_view(shown, by, others), worth_view(worth, by)))
    if others is not None and others.left_out:
        console().print(note(f"The {len(shown):,} on which most was spent; --top N shows N."))
    if gone:
        console().print(note(gone))


@dataclass(frozen=True, slots=True)
class _Trial:
    """What experiments and predictions of caches came to."""

    measured: MeasuredSavings | None
    shadows: ShadowTotals
    caches: Mapping[str, CacheCheck]

    @classmethod
    def of(cls, ledger: SQLiteLedger | ParquetLedger, since: datetime | None) -> Self:
        if isinstance(ledger, ParquetLedger):
            return cls(None, ShadowTotals(), {})
        found = measured_savings(ledger, since)
        return cls(found, ledger.shadow_totals(since), cache_checks(ledger))

    def for_overview(self) -> Measured | None:
        """What a report says of it beside its estimates."""
        found = self.measured
        if found is None or found.share is None:
            return None
        return Measured(found.share, found.outcome, found.treated, found.held)

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
