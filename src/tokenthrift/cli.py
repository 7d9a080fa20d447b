"""The command line: what a policy would do and save, and what calls did cost.

Thin: it reads arguments, calls the library, prints. Faults of the user are one line on stderr and
exit code 2; anything else keeps its traceback.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from tokenthrift.addresses import shown
from tokenthrift.catalog import load_catalog
from tokenthrift.errors import RecallError, ReplayError, TokenthriftError
from tokenthrift.ledger import open_ledger
from tokenthrift.pipeline import plan as make_plan
from tokenthrift.policy import json_schema, load_policy, shipped_policies
from tokenthrift.recall import answer, open_recall, wish_of
from tokenthrift.replay import DEFAULT_MODEL, Options, replay
from tokenthrift.replay.outcome_view import outcome_json, outcome_view, problem_lines
from tokenthrift.replay.progress_bar import progress_bar
from tokenthrift.replay.request import read_request
from tokenthrift.report import (
    by_words,
    diff_view,
    explain,
    formats,
    grouped,
    grouped_view,
    instant,
    plan_latencies,
    plan_page,
    plan_view,
    totals_json,
    totals_view,
    why_view,
)
from tokenthrift.report.model_view import card_json, card_view, models_view, providers_view
from tokenthrift.report.policy_words import policies_view, policy_json, policy_view
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.ledger import Ledger

USAGE_ERROR: Final = 2
INTERRUPTED: Final = 130  # as shells report a process ended by SIGINT
MODELS_SHOWN: Final = 40
TOKENS_SHOWN: Final = 4_000
LEDGER_FILE: Final = Path("tokenthrift.db")

app = typer.Typer(
    name="tokenthrift",
    help="Make LLM calls cheaper, and see to the nano-dollar what that saved.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
policies = typer.Typer(no_args_is_help=True, help="Look at policies: check, schema, explain, list.")
app.add_typer(policies, name="policy")

PolicyOption = Annotated[
    str, typer.Option("--policy", "-p", help="A policy file, or the name of a shipped policy.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exact data for machines.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Model of requests that name none.")
]
PolicyArgument = Annotated[str, typer.Argument(help="A policy file, or a shipped policy's name.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: instead of the process's own.

    Raises:
        SystemExit: always; 0 when all went well, 2 for a fault of the user.
    """
    try:
        app(args=None if arguments is None else list(arguments))
    except TokenthriftError as error:
        typer.echo(f"tokenthrift: {formats.printable(str(error))}", err=True)
        raise SystemExit(USAGE_ERROR) from error


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tokenthrift {version('tokenthrift')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


# --------------------------------------------------------------------------------------------- plan
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
        _write_page(html, plan_page(made, explained))
    if body:
        _print_json(made.body)
        return
    if as_json:
        _print_json(explained.as_json())
        return
    console = _console()
    console.print(plan_view(explained))
    if why:
        console.print()
        console.print(why_view(explained))
    if diff:
        console.print()
        console.print(diff_view(made))


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        why = f"{path}: cannot be written: {error.strerror or error}"
        raise typer.BadParameter(why, param_hint="--html") from error
    typer.echo(f"{path}: written, {len(page.encode()) / 1000:,.0f} kB", err=True)


def _request(file: str, line: int, model: str) -> Mapping[str, Any]:
    if file == "-":
        return read_request("<stdin>", sys.stdin.buffer.read(), line, model)
    try:
        return read_request(file, Path(file).read_bytes(), line, model)
    except OSError as error:
        raise ReplayError(f"{file}: cannot be read: {error.strerror or error}") from error


# ------------------------------------------------------------------------------------------- replay
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
        _print_json(outcome_json(found, options))
    else:
        _console().print(outcome_view(found, options))


# ------------------------------------------------------------------------------------------- report
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
        _print_json(data)
    elif not totals.calls:
        typer.echo(f"{ledger}: no calls{'' if since is None else f' since {since}'}")
    elif by is None or groups is None:
        _console().print(totals_view(totals, latencies))
    else:
        _console().print(grouped_view(groups, by))


# ------------------------------------------------------------------------------------------- recall
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


# ------------------------------------------------------------------------------------------- models
@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A model.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Show models with this in their name.")
    ] = None,
    cards: Annotated[Path | None, typer.Option(help="Your own model cards (YAML).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show model cards: windows, prices, capabilities, prompt caches."""
    catalog = load_catalog(cards)
    if name is not None:
        card = catalog.require(name)
        if as_json:
            _print_json(card_json(card, catalog.snapshot))
        else:
            _console().print(card_view(card))
        return
    found = [c for c in catalog if search is None or search.lower() in c.name.lower()]
    if as_json:
        _print_json([card_json(card, catalog.snapshot) for card in found])
    elif search is None:
        counts = Counter(card.provider for card in found).most_common()
        _console().print(providers_view(counts, catalog.snapshot))
    else:
        _console().print(models_view(found[:MODELS_SHOWN], len(found), catalog.snapshot))


# ----------------------------------------------------------------------------------------- policies
@policies.command("check")
def policy_check(
    given: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Files or names.")],
) -> None:
    """Say whether policies are valid; exit code 2 at the first that is not."""
    for policy in given:
        _check_policy(policy)


def _check_policy(policy: str) -> None:
    found = load_policy(policy)
    catalog = load_catalog(found.cards_path)
    wanted = [c.model for c in found.routing.candidates]
    unknown = [m for m in (*wanted, found.routing.baseline) if m and catalog.get(m) is None]
    for name in dict.fromkeys(unknown):
        typer.echo(f"note: no model card for {name!r}, so its price is not known", err=True)
    stages = ", ".join(str(getattr(s, "name", s)) for s in found.stages) or "none"
    typer.echo(f"{found.source}: valid; stages: {stages}; digest {found.digest}")


@policies.command("schema")
def policy_schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    _print_json(json_schema())


@policies.command("explain")
def policy_explain(policy: PolicyArgument, as_json: JsonOption = False) -> None:
    """Say in words what a policy does."""
    found = load_policy(policy)
    if as_json:
        _print_json(policy_json(found))
    else:
        _console().print(policy_view(found))


@policies.command("list")
def policy_list(as_json: JsonOption = False) -> None:
    """List the policies that come with the package."""
    found = [load_policy(path) for path in shipped_policies().values()]
    if as_json:
        _print_json([{"name": p.name, "description": p.description} for p in found])
    else:
        _console().print(policies_view(found))


# ----------------------------------------------------------------------------------------- printing
def _console() -> Console:
    return Console(highlight=False)


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, default=str))
