"""LiteLLM's bundled price map, read as a file, and one entry of it as a card.

litellm is found, never imported. Entries stay raw until they are looked up. A card's prices are the
standard list prices, with those of batches, flex and priority beside; regional ones are not read.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from tokenthrift.catalog.cache_rules import cache_rule
from tokenthrift.catalog.cards import EFFORTS, ModelCard, Prices, PriceTier, Service, ServicePrices
from tokenthrift.errors import CatalogError

FILE_NAME: Final = "model_prices_and_context_window_backup.json"
MODES: Final = frozenset({"chat", "completion", "responses"})

# Our field, and the map's key; a tier's key is the same with ``_above_<n>k_tokens``.
PRICE_KEYS: Final = {
    "input_usd_per_mtok": "input_cost_per_token",
    "output_usd_per_mtok": "output_cost_per_token",
    "cache_read_usd_per_mtok": "cache_read_input_token_cost",
    "cache_write_usd_per_mtok": "cache_creation_input_token_cost",
    "cache_write_1h_usd_per_mtok": "cache_creation_input_token_cost_above_1hr",
    "reasoning_usd_per_mtok": "output_cost_per_reasoning_token",
    "cache_read_audio_usd_per_mtok": "cache_read_input_audio_token_cost",
    "input_audio_usd_per_mtok": "input_cost_per_audio_token",
    "input_image_usd_per_mtok": "input_cost_per_image_token",
    "output_audio_usd_per_mtok": "output_cost_per_audio_token",
    "output_image_usd_per_mtok": "output_cost_per_image_token",
}
# How keys of other services end.
SERVICE_ENDS: Final[dict[Service, str]] = {
    "batch": "_batches",
    "flex": "_flex",
    "priority": "_priority",
}
# Whose higher price begins at the threshold, not above it. Source: LiteLLM's cost calculator.
FROM_THE_THRESHOLD: Final = frozenset({"xai"})
CACHE_HIT_KEY: Final = "input_cost_per_token_cache_hit"
TIER_KEY: Final = re.compile(r"^(.+)_above_(\d+)k_tokens$")

CAPABILITY_KEYS: Final = {
    "tools": ("supports_function_calling",),
    "parallel_tools": ("supports_parallel_function_calling", "supports_parallel_tool_use_config"),
    "tool_choice": ("supports_tool_choice",),
    "json_schema": ("supports_response_schema", "supports_native_structured_output"),
    "vision": ("supports_vision", "supports_image_input"),
    "audio_input": ("supports_audio_input",),
    "audio_output": ("supports_audio_output",),
    "pdf": ("supports_pdf_input",),
    "reasoning": ("supports_reasoning",),
    "prompt_caching": ("supports_prompt_caching",),
}
# Efforts that every reasoning model is taken to know unless the map says otherwise; what the map
# says of the others holds where it says something.
USUAL_EFFORTS: Final = ("low", "medium", "high")

# Families whose every tool-calling model may call several tools at once, which the map leaves
# unsaid (sources: Anthropic, "Parallel tool use"; Google, "Function calling").
PARALLEL_FAMILIES: Final = ("claude", "gemini")

# The map splits some sellers by interface; a policy names the seller.
SELLERS: Final = (
    ("vertex_ai-", "vertex_ai"),
    ("bedrock_converse", "bedrock"),
    ("cohere_chat", "cohere"),
    ("text-completion-openai", "openai"),
    ("text-completion-codestral", "codestral"),
)


@dataclass(frozen=True, slots=True)
class PriceMap:
    """Raw entries by model name, and which snapshot of prices they are."""

    entries: Mapping[str, Mapping[str, Any]]
    snapshot: str
    source: str


@lru_cache(maxsize=1)
def bundled_prices() -> PriceMap:
    """The price map in litellm's wheel.

    Raises:
        CatalogError: litellm is not installed, or its map is missing or not JSON.
    """
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise CatalogError("litellm is not installed, so there are no bundled prices: reinstall it")
    source = f"litellm {importlib.metadata.version('litellm')}"
    return read_prices(Path(spec.submodule_search_locations[0]) / FILE_NAME, source)


def read_prices(path: Path, source: str) -> PriceMap:
    """Read a price map of LiteLLM's form.

    Raises:
        CatalogError: it cannot be read, or is no JSON object; the message names the file.
    """
    try:
        data = path.read_bytes()
        raw = json.loads(data, parse_float=Decimal)
    except (OSError, ValueError) as exc:
        raise CatalogError(f"{path}: cannot read the price map: {exc}") from exc
    if not isinstance(raw, dict):
        raise CatalogError(f"{path}: expected an object of models, got {type(raw).__name__}")
    entries = {
        name: entry
        for name, entry in raw.items()
        if isinstance(entry, dict) and name != "sample_spec" and entry.get("mode") in MODES
    }
    digest = blake2b(data, digest_size=4).hexdigest()
    return PriceMap(entries, f"{source.replace(' ', '-')}-{digest}", source)


def card_of(name: str, entry: Mapping[str, Any], source: str) -> ModelCard:
    """An entry of the price map as a card; what it does not say, or says oddly, is None."""
    seller = _seller(str(entry.get("litellm_provider") or ""))
    prices = _prices(entry, seller)
    capabilities = _capabilities(name, entry)
    caches = "prompt_caching" in capabilities or (
        prices is not None and prices.cache_read_usd_per_mtok is not None
    )
    max_output = _count(entry.get("max_output_tokens"))
    window = _count(entry.get("max_input_tokens"))
    if window is None and max_output is None:
        window = _count(entry.get("max_tokens"))  # of old entries; with an output limit it is that
    return ModelCard(
        name=name,
        provider=seller,
        context_window_tokens=window,
        max_output_tokens=max_output,
        capabilities=capabilities,
        prices=prices,
        cache=(
            cache_rule(name, seller, _count(entry.get("prompt_cache_min_tokens")))
            if caches
            else None
        ),
        efforts=_efforts(entry) if "reasoning" in capabilities else None,
        sampling=False if entry.get("supports_sampling_params") is False else None,
        regions=_words(entry.get("supported_regions")),
        deprecated_on=_date(entry.get("deprecation_date")),
        source=source,
    )


def _seller(provider: str) -> str:
    for prefix, seller in SELLERS:
        if provider.startswith(prefix):
            return seller
    return provider


def _capabilities(name: str, entry: Mapping[str, Any]) -> frozenset[str]:
    words = {w for w, keys in CAPABILITY_KEYS.items() if any(entry.get(k) is True for k in keys)}
    if "tools" in words and any(family in name.lower() for family in PARALLEL_FAMILIES):
        words.add("parallel_tools")
    return frozenset(words)


def _efforts(entry: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What efforts a reasoning model takes; None where the map says nothing about it."""
    listed = entry.get("reasoning_effort_levels")
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        return tuple(e for e in EFFORTS if e in listed)
    said = {e: entry.get(f"supports_{e}_reasoning_effort") for e in EFFORTS}
    if all(value is None for value in said.values()):
        return None
    taken = {e for e in USUAL_EFFORTS if said[e] is not False}
    return tuple(e for e in EFFORTS if e in taken or said[e] is True)


def _prices(entry: Mapping[str, Any], seller: str) -> Prices | None:
    ranges = entry.get("tiered_pricing")
    if isinstance(ranges, Sequence) and not isinstance(ranges, str):
        return _ranged_prices([r for r in ranges if isinstance(r, Mapping)])
    base = _rates(entry)
    if "cache_read_usd_per_mtok" not in base:
        base |= _rates({PRICE_KEYS["cache_read_usd_per_mtok"]: entry.get(CACHE_HIT_KEY)})
    if not base:
        return None
    services = {}
    for service, end in SERVICE_ENDS.items():
        named = {k.removesuffix(end): v for k, v in entry.items() if k.endswith(end)}
        rates = _rates(named)
        if {"input_usd_per_mtok", "output_usd_per_mtok"} <= rates.keys():
            services[service] = ServicePrices(**rates, tiers=_tiers(named, seller))
    return Prices(**base, tiers=_tiers(entry, seller), services=services)


def _tiers(entry: Mapping[str, Any], seller: str) -> tuple[PriceTier, ...]:
    """Prices of long requests."""
    tiers: dict[int, dict[str, Any]] = {}
    for key, value in entry.items():
        match = TIER_KEY.match(key)
        if match is not None and match[1] in PRICE_KEYS.values():
            above = int(match[2]) * 1_000 - (seller in FROM_THE_THRESHOLD)
            tiers.setdefault(above, {})[match[1]] = value
    return tuple(
        PriceTier(above_input_tokens=above, **_rates(tiers[above])) for above in sorted(tiers)
    )


def _ranged_prices(ranges: Sequence[Mapping[str, Any]]) -> Prices | None:
    """Prices given as a list of input ranges: the first is the base, the others are tiers."""
    rows = []
    for row in ranges:
        span = row.get("range")
        start = span[0] if isinstance(span, Sequence) and not isinstance(span, str) and span else 0
        if isinstance(start, int | Decimal):
            rows.append((int(start), row))
    rows.sort(key=lambda item: item[0])
    if not rows or not _rates(rows[0][1]):
        return None
    return Prices(
        **_rates(rows[0][1]),
        tiers=tuple(
            PriceTier(above_input_tokens=start, **_rates(row)) for start, row in rows[1:] if start
        ),
    )


def _rates(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The prices that a mapping of the map's keys holds, per million tokens."""
    rates = {field: _usd_per_mtok(raw.get(key)) for field, key in PRICE_KEYS.items()}
    write, plain = rates["cache_write_usd_per_mtok"], rates["input_usd_per_mtok"]
    if write is not None and plain is not None and write < plain:
        # Writing is input that is also stored, so it never costs less. Lower figures in the map are
        # surcharges (often 0), storage fees or misplaced read prices.
        rates["cache_write_usd_per_mtok"] = None
    return {field: price for field, price in rates.items() if price is not None}


def _usd_per_mtok(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    price = Decimal(value).scaleb(6)
    return Decimal(f"{price:f}") if price.is_finite() and price >= 0 else None  # 10, not 1E+1


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        return None
    return int(value)


def _words(value: Any) -> tuple[str, ...]:
    return (
        tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    )


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
