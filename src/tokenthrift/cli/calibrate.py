"""`tokenthrift calibrate`: is routing worth it on your own outcomes, and at which floor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tokenthrift.catalog import load_catalog
from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, outcome_lines, print_json
from tokenthrift.ledger import open_ledger, scored_calls
from tokenthrift.replay.lines import check_readable
from tokenthrift.report import calibration_json, calibration_page, calibration_view, policy_text
from tokenthrift.route.calibration import calibrate
from tokenthrift.route.findings import Promise
from tokenthrift.route.fitting import fit
from tokenthrift.route.outcomes import Outcomes, read_outcomes


@app.command("calibrate")
def calibrate_command(
    log: Annotated[
        Path, typer.Argument(help="Outcomes, one a line: prompt, model, score, cost_usd.")
    ],
    *,
    worse: Annotated[
        float, typer.Option(min=0.1, max=50, help="Per cent of the best model's score to lose.")
    ] = 2.0,
    confidence: Annotated[
        float, typer.Option(min=50, max=99.9, help="Per cent of confidence that it is not more.")
    ] = 95.0,
    baseline: Annotated[
        str | None, typer.Option(help="The model to compare with; the best one by default.")
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="A ledger: lines with a call_id take model, cost and score from it."),
    ] = None,
    cards: Annotated[Path | None, typer.Option(help="Your own model cards (YAML).")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the policy here, and the abilities beside it."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with curves (extra charts).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the parts that the prompts are split into.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove on your own outcomes whether routing pays, and write the policy that says so."""
    abilities = None if out is None else out.with_suffix(".npz")
    if out is not None and out == abilities:
        raise typer.BadParameter(f"{out}: name the policy, e.g. {out.with_suffix('.yaml')}")
    _check_targets([p for p in (out, abilities, html) if p is not None], force=force)
    check_readable([log])
    calls: dict[str, dict[str, Any]] | None = None
    if ledger is not None:
        with open_ledger(ledger, create=False) as kept:
            calls = scored_calls(kept)
    catalog = load_catalog(cards)
    rows = read_outcomes(outcome_lines(log), catalog, calls)
    promise = Promise(worse / 100, confidence / 100, baseline, seed)
    found = calibrate(Outcomes.of(rows), promise, fit=fit)
    for name in found.candidates if found.routes else (found.baseline,):
        if catalog.get(name) is None:
            hint = "calls cannot go there; add one to your model cards"
            typer.echo(f"note: no model card for {name!r}: {hint}", err=True)
    if out is not None and abilities is not None:
        if found.routes:
            found.adequacy.save(abilities)
            typer.echo(f"{abilities}: written", err=True)
        _write(out, policy_text(found, abilities.name, log.name))
    if html is not None:
        _write(html, calibration_page(found))
    if as_json:
        print_json(calibration_json(found))
    else:
        console().print(calibration_view(found))


def _check_targets(paths: list[Path], *, force: bool) -> None:
    """Refuse what cannot be written before minutes are spent."""
    for path in paths:
        if path.exists() and not force:
            raise typer.BadParameter(f"{path} exists; name another file, or use --force")
        if not path.parent.is_dir():
            raise typer.BadParameter(f"{path}: cannot be written: no folder {path.parent}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise typer.BadParameter(f"{path}: cannot be written: {error.strerror or error}") from error
    typer.echo(f"{path}: written", err=True)
