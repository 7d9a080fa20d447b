"""Model cards for a terminal: one in full, or many in a table. What is not known is a dash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.tables import FAINT, Column, note, stacked, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rich.console import Group

    from tokenthrift.catalog import CacheRule, ModelCard, Prices

NOT_KNOWN: Final = "not known"
PRICE_NAMES: Final = {
    "input_usd_per_mtok": "input",
    "output_usd_per_mtok": "output",
    "cache_read_usd_per_mtok": "cache read",
    "cache_write_usd_per_mtok": "cache write",
    "cache_write_1h_usd_per_mtok": "write\n1 h",
    "reasoning_usd_per_mtok": "reasoning",
}
RARE: Final = ("cache_write_1h_usd_per_mtok",)  # shown where it is known


def models_view(cards: Sequence[ModelCard], found: int, snapshot: str) -> Group:
    """Cards in a table.

    Args:
        cards: those to show.
        found: how many there are in all.
        snapshot: which prices.
    """
    rows = [
        [
            card.name,
            _tokens(card.context_window_tokens),
            _price(card.prices, "input_usd_per_mtok"),
            _price(card.prices, "output_usd_per_mtok"),
            _price(card.prices, "cache_read_usd_per_mtok"),
        ]
        for card in cards
    ]
    columns = (
        Column("model", number=False),
        *map(Column, ("window\ntokens", "input\n$/M", "output\n$/M", "cache read\n$/M")),
    )
    more = f"{found - len(cards):,} more; " if found > len(cards) else ""
    return stacked(
        table("", columns, rows), note(f"{len(cards):,} models, {more}prices: {snapshot}")
    )


def providers_view(counts: Sequence[tuple[str, int]], snapshot: str) -> Group:
    """How many models each seller has."""
    rows = [[name or formats.NONE, formats.count(n)] for name, n in counts]
    models = sum(n for _, n in counts)
    return stacked(
        table("", (Column("provider", number=False), Column("models")), rows),
        note(f"{models:,} models, prices: {snapshot}. Look further: models NAME, --search TEXT"),
    )


def card_view(card: ModelCard) -> Group:
    """One card in full."""
    facts: list[tuple[str, str]] = [
        ("provider", card.provider or NOT_KNOWN),
        ("context window", _tokens(card.context_window_tokens, " tokens")),
        ("most output", _tokens(card.max_output_tokens, " tokens")),
        ("capabilities", ", ".join(sorted(card.capabilities)) or NOT_KNOWN),
        ("good up to", NOT_KNOWN if card.covers is None else str(card.covers)),
        ("prompt cache", _cache(card.cache)),
    ]
    if card.regions:
        facts.append(("regions", ", ".join(card.regions)))
    if card.aliases:
        facts.append(("aliases", ", ".join(card.aliases)))
    if card.deprecated_on is not None:
        facts.append(("withdrawn on", card.deprecated_on.isoformat()))
    facts.append(("source", card.source or NOT_KNOWN))
    columns = (Column("", number=False), Column("", number=False))
    return stacked(
        Text(card.name, style="bold"),
        table("", columns, [[Text(name, style=FAINT), value] for name, value in facts]),
        _prices_table(card.prices),
    )


def card_json(card: ModelCard, snapshot: str) -> dict[str, Any]:
    """One card as plain data; prices as decimal texts, exact."""
    return {**card.model_dump(mode="json"), "snapshot": snapshot}


def _prices_table(prices: Prices | None) -> Any:
    if prices is None:
        return note(f"prices: {NOT_KNOWN}")
    tiers = [("any size", prices), *((f"> {t.above_input_tokens:,}", t) for t in prices.tiers)]
    names = [n for n in PRICE_NAMES if n not in RARE or any(getattr(t, n) for _, t in tiers)]
    rows = [[label, *(_price(tier, name) for name in names)] for label, tier in tiers]
    heads = (PRICE_NAMES[name] for name in names)
    columns = (Column("input tokens", number=False), *map(Column, heads))
    return table("Prices, $ per million tokens", columns, rows)


def _cache(rule: CacheRule | None) -> str:
    if rule is None:
        return "none"
    what = (
        "up to marked messages"
        if rule.mode == "message"
        else f"automatic, in blocks of {rule.block_tokens:,} tokens"
    )
    doubt = "" if rule.documented else " (assumed: the provider publishes no figures)"
    return f"{what}, from {rule.min_tokens:,} tokens, for {rule.ttl_seconds:,} s{doubt}"


def _tokens(number: int | None, unit: str = "") -> str:
    return formats.NONE if number is None else f"{number:,}{unit}"


def _price(prices: Any, name: str) -> str:
    value: Decimal | None = getattr(prices, name, None)
    return formats.NONE if value is None else f"{value.normalize():,f}"
