"""`tokenthrift models add`: give a new model its place among those that are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tokenthrift.catalog import load_catalog
from tokenthrift.catalog.adding import with_card
from tokenthrift.cli.models import models
from tokenthrift.cli.options import JsonOption, console, outcome_lines, print_json
from tokenthrift.replay.lines import check_readable
from tokenthrift.report.model_view import placed_json, placed_view
from tokenthrift.route.adequacy import Adequacy, shipped
from tokenthrift.route.outcomes import Outcomes, read_outcomes
from tokenthrift.route.placing import Placed, by_anchors, by_score

if TYPE_CHECKING:
    from tokenthrift.catalog import Catalog

ABILITIES: Final = Path("adequacy.npz")


@models.command("add")
def models_add(
    name: Annotated[str, typer.Argument(help="The model, as the transport takes it.")],
    *,
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", help="Its results on 50 to 200 prompts, one a line."),
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Instead: its mean score, as somebody states it.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="With --score: a known model whose strengths it shares.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="Abilities of the other models; those shipped by default."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the abilities go, for routing.adequacy.")
    ] = ABILITIES,
    cards: Annotated[
        Path | None, typer.Option("--cards", help="Your model cards (YAML); a card is added.")
    ] = None,
    extends: Annotated[
        str | None, typer.Option(help="With --cards: the model whose window and prices it has.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take fewer anchors, and write over --out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Place a new model by anchor results, or by a stated score with a wide interval."""
    if (anchors is None) == (score is None and like is None):
        raise typer.BadParameter("give --anchors FILE, or --score and --like")
    if out.exists() and out != start and not force:
        raise typer.BadParameter(f"{out} exists; name another file with --out, or use --force")
    catalog = load_catalog(cards if cards is not None and cards.exists() else None)
    known = shipped() if start is None else Adequacy.load(start)
    text = None if cards is None else _card(cards, name, extends, catalog)
    if anchors is not None:
        placed = _by_anchors(known, name, anchors, catalog, force=force)
    elif score is None or like is None:
        raise typer.BadParameter("--score and --like go together")
    else:
        placed = by_score(known, name, score, like)
    placed.adequacy.save(out)
    typer.echo(f"{out}: written; name it in a policy as routing.adequacy", err=True)
    if cards is not None and text is not None:
        cards.write_text(text, encoding="utf-8", newline="\n")
        typer.echo(f"{cards}: {name} added", err=True)
    elif catalog.get(name) is None:
        typer.echo(f"note: {name} has no model card; --cards and --extends add one", err=True)
    if as_json:
        print_json(placed_json(placed))
    else:
        console().print(placed_view(placed))


def _by_anchors(
    known: Adequacy, name: str, anchors: Path, catalog: Catalog, *, force: bool
) -> Placed:
    check_readable([anchors])
    rows = read_outcomes(outcome_lines(anchors), catalog, model=name)
    table = Outcomes.of(row for row in rows if row.model == name)
    if not table.prompts:
        raise typer.BadParameter(f"{anchors} holds no results of {name}")
    return by_anchors(known, name, table.prompts, table.scores[:, 0], force=force)


def _card(cards: Path, name: str, extends: str | None, catalog: Catalog) -> str | None:
    """The cards file with the model in it; None where it has a card."""
    if catalog.get(name) is not None:
        return None
    if extends is None:
        raise typer.BadParameter(f"{name} has no card; say with --extends whose window it has")
    return with_card(cards, name, {"extends": extends}, load_catalog())
