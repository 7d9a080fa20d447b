"""Add an entry to a file of user cards, leaving all that is in it as it is, comments included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from tokenthrift.catalog.user_cards import read_user_cards
from tokenthrift.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenthrift.catalog.user_cards import Cards

INDENT = "  "


def with_card(path: Path, name: str, card: Mapping[str, Any], bundled: Cards) -> str:
    """The text of a cards file with one entry more.

    Args:
        path: the file; it need not be there yet.
        name: of the model.
        card: fields of its entry.
        bundled: the cards that ``extends`` may name.

    Raises:
        CatalogError: the file cannot be read, holds the model already, or is written in a form
            that nothing can be added to; says what to do.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else "models:\n"
    known = read_user_cards(path, bundled).cards if path.exists() else {}
    if name in known:
        raise CatalogError(f"{path}: models.{name} is there already; edit it by hand")
    entry = yaml.safe_dump({name: dict(card)}, sort_keys=False, allow_unicode=True)
    lines = [f"{_indent_of(text)}{line}\n" for line in entry.splitlines()]
    if not text.strip():
        text = "models:\n"
    whole = f"{text.rstrip()}\n{''.join(lines)}"
    try:
        made = yaml.safe_load(whole)
        found = read_user_cards(made, bundled).cards
    except (yaml.YAMLError, CatalogError):
        found = {}
    if set(found) != {*known, name}:
        raise CatalogError(f"{path}: nothing can be added at its end; add by hand:\n{entry}")
    return whole


def _indent_of(text: str) -> str:
    """How far the entries of a file stand in."""
    for line in text.splitlines():
        bare = line.lstrip(" ")
        if bare != line and bare and not bare.startswith("#"):
            return line[: len(line) - len(bare)]
    return INDENT
