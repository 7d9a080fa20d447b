"""`tokenthrift ledger`: export, import, verify, erase and prune a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from tokenthrift.cli.app import app
from tokenthrift.ledger import open_ledger, open_reader
from tokenthrift.ledger.export import Export, Exported, export_ledger, import_export
from tokenthrift.ledger.files import Format  # noqa: TC001 - typer reads annotations at run time
from tokenthrift.ledger.focus import write_focus
from tokenthrift.ledger.verify import verify_export
from tokenthrift.report import instant

FOUND: Final = 1
ledger = typer.Typer(
    no_args_is_help=True, help="Keep a ledger: export, import, verify, erase, prune."
)
app.add_typer(ledger, name="ledger")


class ExportFormat(StrEnum):
    """What an export is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    FOCUS = "focus"


LedgerArgument = Annotated[Path, typer.Argument(metavar="LEDGER", help="The SQLite ledger.")]
FolderOption = Annotated[Path, typer.Option("--to", help="The folder to write to.")]
TagsOption = Annotated[list[str] | None, typer.Option("--tag", help="NAME=VALUE; all must match.")]


@ledger.command("export")
def export_command(
    path: LedgerArgument,
    to: FolderOption,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="Files by day, or a FOCUS 1.2 bill.")
    ] = ExportFormat.PARQUET,
    since: Annotated[
        str | None, typer.Option(help="From the day of a date (2026-01-31) or age (30d) on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Up to the day of a date or age, with that day.")
    ] = None,
    account: Annotated[
        str, typer.Option("--billing-account", help="BillingAccountId of a FOCUS bill.")
    ] = "tokenthrift",
) -> None:
    """Write whole UTC days as Parquet or CSV, or as a bill in FOCUS columns."""
    first, last = _day(since, "--since"), _day(until, "--until")
    if file_format is ExportFormat.FOCUS:
        with open_reader(path) as kept:
            rows = write_focus(kept, to, account, first, last)
        typer.echo(f"{to}: {rows:,} charges in FOCUS 1.2 columns")
        return
    with open_ledger(path, create=False) as kept:
        form: Format = "csv" if file_format is ExportFormat.CSV else "parquet"
        _say_exported(to, export_ledger(kept, to, form, first, last))


@ledger.command("import")
def import_command(
    source: Annotated[Path, typer.Argument(metavar="EXPORT", help="An export, or its calls file.")],
    *,
    to: Annotated[Path, typer.Option("--to", help="The SQLite ledger; made if missing.")],
) -> None:
    """Take an export into a ledger; what is there already is left as it is."""
    export = Export(source)
    with open_ledger(to) as kept:
        found = import_export(export, kept)
    typer.echo(
        f"{to}: {found.records:,} records read, {found.new_records:,} of them new; "
        f"{found.new_feedback:,} new feedback"
    )


@ledger.command("verify")
def verify_command(
    path: LedgerArgument,
    export: Annotated[
        Path | None, typer.Option("--export", help="An export to compare with the ledger.")
    ] = None,
) -> None:
    """Check that rows, sums and records agree; exit code 1 where something is found."""
    with open_ledger(path, create=False) as kept:
        findings = list(kept.verify())
        records, gone = kept.count(), sum(s.calls for s in kept.folded().calls.values())
        if export is not None:
            findings += verify_export(kept, Export(export))
    for finding in findings:
        typer.echo(finding)
    checked = f"{records:,} records" + (f", {gone:,} calls as sums" if gone else "")
    against = "" if export is None else f", against {export}"
    typer.echo(f"{path}: {checked}{against}: {len(findings) or 'nothing'} found")
    if findings:
        raise typer.Exit(FOUND)


@ledger.command("erase")
def erase_command(
    path: LedgerArgument,
    tag: TagsOption = None,
    session: Annotated[str | None, typer.Option(help="Calls of this session.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep-tag", help="A tag of no person that stays in the sums, e.g. team."),
    ] = None,
) -> None:
    """Erase whose calls they were: they become sums by day and model, and all totals stay."""
    tags = dict(_pair(one) for one in tag or ())
    with open_ledger(path, create=False) as kept:
        try:
            done = kept.erase(tags, session, keep or ())
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--tag, --session") from error
    typer.echo(f"{path}: {done:,} calls erased; exports made before still hold them")


@ledger.command("prune")
def prune_command(
    path: LedgerArgument,
    *,
    older_than: Annotated[str, typer.Option(help="An age (90d) or a date (2026-01-31).")],
    export: Annotated[
        Path | None, typer.Option("--export", help="Write these days to a folder first.")
    ] = None,
    file_format: Annotated[
        Format, typer.Option("--format", help="Of the files of --export.")
    ] = "parquet",
) -> None:
    """Keep of old days only sums by day; reports of all time stay exact."""
    before = _day(older_than, "--older-than") or ""
    with open_ledger(path, create=False) as kept:
        if export is not None:
            last = (datetime.fromisoformat(before) - timedelta(days=1)).date().isoformat()
            done = export_ledger(kept, export, file_format, None, last)
            _say_exported(export, done)
            if done.days and (findings := list(verify_export(kept, Export(export), until=last))):
                typer.echo("\n".join((*findings, f"{path}: nothing was pruned")))
                raise typer.Exit(FOUND)
        pruned = kept.prune(before)
    typer.echo(f"{path}: {pruned:,} calls before {before} are sums by day now")


def _say_exported(folder: Path, done: Exported) -> None:
    kept = f"; {done.archived:,} pruned days are kept as they were" if done.archived else ""
    typer.echo(f"{folder}: {done.records:,} records of {done.days:,} days{kept}")


def _day(text: str | None, option: str) -> str | None:
    """The UTC day of a date or an age."""
    if text is None:
        return None
    try:
        return instant(text, datetime.now(UTC)).astimezone(UTC).date().isoformat()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--tag")
    return name, value
