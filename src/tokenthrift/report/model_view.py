"""Model cards for a terminal: one in full, or many in a table. What is not known is a dash."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.tables import FAINT, Column, note, stacked, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rich.console import Group

    from tokenthrift.catalog import CacheRule, ModelCard, Prices, ServicePrices
    from tokenthrift.route.placing import Placed

NOT_KNOWN: Final = "not known"
WIDE: Final = 0.3  # of an interval of P(adequate): a known model's is a tenth as wide
PRICE_NAMES: Final = {
    "input_usd_per_mtok": "input",
    "output_usd_per_mtok": "output",
    "cache_read_usd_per_mtok": "cache read",
    "cache_write_usd_per_mtok": "cache write",
    "cache_write_1h_usd_per_mtok": "1 h write",
    "reasoning_usd_per_mtok": "reasoning",
    "cache_read_audio_usd_per_mtok": "cached audio",
    "input_audio_usd_per_mtok": "audio in",
    "input_image_usd_per_mtok": "images in",
    "output_audio_usd_per_mtok": "audio out",
    "output_image_usd_per_mtok": "images out",
}
USUAL_PRICES: Final = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cache_read_usd_per_mtok",
    "cache_write_usd_per_mtok",
    "reasoning_usd_per_mtok",
)
"""Shown in any case, so that what is not known is seen."""


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
        note(f"{models:,} models, prices: {snapshot}. Next: models list -s TEXT, models show NAME"),
    )


def card_view(card: ModelCard) -> Group:
    """One card in full."""
    facts: list[tuple[str, str]] = [
        ("provider", card.provider or NOT_KNOWN),
        ("context window", _tokens(card.context_window_tokens, " tokens")),
        ("most output", _tokens(card.max_output_tokens, " tokens")),
        ("capabilities", ", ".join(sorted(card.capabilities)) or NOT_KNOWN),
        ("reasoning efforts", NOT_KNOWN if card.efforts is None else ", ".join(card.efforts)),
        ("good up to", NOT_KNOWN if card.covers is None else str(card.covers)),
        ("prompt cache", _cache(card.cache)),
    ]
    if card.sampling is False:
        facts.append(("parameters", "takes no temperature, no top_p"))
    if card.first_token_s is not None and card.output_tokens_per_s is not None:
        pace = f"{card.output_tokens_per_s:g} tokens a second"
        facts.append(("latency", f"{card.first_token_s:g} s until the answer begins, then {pace}"))
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


def placed_view(placed: Placed) -> Group:
    """A new model's place, and how sure it is."""
    found = placed.foretold
    span = f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
    basis = f"{placed.anchors:,} anchor results" if placed.anchors else "a stated score"
    rows = [("basis", basis), ("mean score", f"{placed.observed:.3f}"), ("foretold", span)]
    if placed.before is not None:
        rows.append(("without them", f"{placed.before:.3f}, as a model like the others"))
    columns = (Column("", number=False), Column("", number=False))
    made = table(f"{formats.printable(placed.model)} among others", columns, rows)
    wide = found.high - found.low > WIDE
    said = "The interval is wide: it will be chosen only where the floor is low." if wide else ""
    return stacked(made, note(said) if said else None)


def placed_json(placed: Placed) -> dict[str, Any]:
    """The same for machines."""
    return {
        "model": placed.model,
        "anchors": placed.anchors,
        "observed": placed.observed,
        "foretold": asdict(placed.foretold),
        "before": placed.before,
        "models": len(placed.adequacy.models),
    }


def _prices_table(prices: Prices | None) -> Any:
    if prices is None:
        return note(f"prices: {NOT_KNOWN}")
    usual = _service_table("Prices, $ per million tokens", prices, USUAL_PRICES)
    others = [_service_table(s, p, ()) for s, p in sorted(prices.services.items())]
    return stacked(usual, *others)


def _service_table(title: str, prices: ServicePrices, at_least: Sequence[str]) -> Any:
    """A row for each size of requests; columns for prices that are known, or shown in any case."""
    tiers = [("any size", prices), *((f"> {t.above_input_tokens:,}", t) for t in prices.tiers)]
    names = [
        name
        for name in PRICE_NAMES
        if name in at_least or any(getattr(rates, name) is not None for _, rates in tiers)
    ]
    rows = [[label, *(_price(rates, name) for name in names)] for label, rates in tiers]
    columns = [Column("request", number=False), *(Column(PRICE_NAMES[n]) for n in names)]
    return table(title, columns, rows)


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
