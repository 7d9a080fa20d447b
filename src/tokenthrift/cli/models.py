"""`tokenthrift models`: model cards, their windows, prices, capabilities and prompt caches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

from tokenthrift.catalog import load_catalog
from tokenthrift.cli.app import app
from tokenthrift.cli.options import JsonOption, console, print_json
from tokenthrift.report.model_view import card_json, card_view, models_view, providers_view

MODELS_SHOWN: Final = 40

models = typer.Typer(no_args_is_help=True, help="Look at model cards: list, show.")
app.add_typer(models, name="models")

CardsOption = Annotated[Path | None, typer.Option("--cards", help="Your own model cards (YAML).")]


@models.command("list")
def models_list(
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Only models with this in their name.")
    ] = None,
    cards: CardsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many models each provider has, or those with a text in their name."""
    catalog = load_catalog(cards)
    found = [c for c in catalog if search is None or search.lower() in c.name.lower()]
    if as_json:
        print_json([card_json(card, catalog.snapshot) for card in found])
    elif search is None:
        counts = Counter(card.provider for card in found).most_common()
        console().print(providers_view(counts, catalog.snapshot))
    else:
        console().print(models_view(found[:MODELS_SHOWN], len(found), catalog.snapshot))


@models.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="A model, or an alias.")],
    cards: CardsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the card of one model: windows, prices, capabilities, prompt cache."""
    catalog = load_catalog(cards)
    card = catalog.require(name)
    if as_json:
        print_json(card_json(card, catalog.snapshot))
    else:
        console().print(card_view(card))
