"""The catalog: real cards, exact costs, the user's own cards and what is said of mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tokenthrift.catalog import (
    CAPABILITIES,
    Bucket,
    Catalog,
    ComplexityBucket,
    ModelCard,
    Prices,
    PriceTier,
    cost,
    load_catalog,
)
from tokenthrift.catalog.prices import PriceMap, bundled_prices, card_of, read_prices
from tokenthrift.errors import CatalogError
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = load_catalog()


# ------------------------------------------------------------------------------------ bundled cards
def test_a_known_model_has_its_published_figures() -> None:
    """A well-known entry arrives with window, abilities and exact decimal prices."""
    card = CATALOG.require("gpt-4o")
    assert (card.provider, card.context_window_tokens) == ("openai", 128_000)
    assert card.max_output_tokens == 16_384
    assert {"tools", "vision", "json_schema", "prompt_caching"} <= card.capabilities
    assert card.prices is not None
    assert card.prices.input_usd_per_mtok == Decimal("2.5")
    assert card.prices.output_usd_per_mtok == Decimal(10)
    assert card.cache is not None
    assert (card.cache.mode, card.cache.min_tokens, card.cache.block_tokens) == ("block", 1024, 128)


def test_every_bundled_entry_becomes_a_card() -> None:
    """No entry of the real map is refused, and each uses known words only."""
    cards = list(CATALOG)
    assert len(cards) > 2_000
    assert all(card.capabilities <= CAPABILITIES for card in cards)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("gpt-4o", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("GPT-4o", "gpt-4o"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("moonshot-v1-8k", "moonshot/moonshot-v1-8k"),
        ("mistral-large-latest", "mistral/mistral-large-latest"),
        ("gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
        ("ft:gpt-4o-mini-2024-07-18:my-org::abc", "ft:gpt-4o-mini-2024-07-18"),
    ],
)
def test_names_are_found_with_and_without_a_seller(asked: str, found: str) -> None:
    """A name is found as written, without its seller's prefix, and at its own maker."""
    assert CATALOG.require(asked).name == found


def test_another_seller_never_lends_its_prices() -> None:
    """A prefix that is not the card's seller finds nothing, for its prices would be a guess."""
    assert CATALOG.get("some-reseller/gpt-4o") is None


def test_an_unknown_name_says_what_is_near() -> None:
    """A misspelt model is refused with the nearest names."""
    with pytest.raises(CatalogError, match=r"gpt-4o-minni.*did you mean gpt-4o-mini"):
        CATALOG.require("gpt-4o-minni")


def test_cache_rules_follow_the_family() -> None:
    """A Claude model caches up to marked messages at every seller; its own minimum is kept."""
    for name in ("claude-sonnet-4-5", "vertex_ai/claude-sonnet-4-5"):
        rule = CATALOG.require(name).cache
        assert rule is not None
        assert (rule.mode, rule.min_tokens, rule.ttl_seconds) == ("message", 1024, 300)
    deepseek = CATALOG.require("deepseek/deepseek-chat").cache
    assert deepseek is not None
    assert deepseek.block_tokens == 64


def test_long_requests_have_their_own_prices() -> None:
    """A tier applies to the whole request beyond its threshold, not at it."""
    prices = CATALOG.require("gemini/gemini-2.5-pro").prices
    assert prices is not None
    assert prices.at(200_000).input_usd_per_mtok == Decimal("1.25")
    assert prices.at(200_001).input_usd_per_mtok == Decimal("2.5")


def test_odd_entries_lose_only_what_is_odd() -> None:
    """Unknown stays None: wrong types, negative prices and write discounts are not believed."""
    entry = {
        "litellm_provider": "vertex_ai-language-models",
        "input_cost_per_token": Decimal("0.000001"),
        "output_cost_per_token": -1,
        "cache_creation_input_token_cost": Decimal(0),
        "max_input_tokens": "many",
        "max_output_tokens": Decimal("6144.0"),
        "deprecation_date": "soon",
        "supports_vision": "yes",
    }
    card = card_of("m", entry, "test")
    assert card.provider == "vertex_ai"
    assert card.prices == Prices(input_usd_per_mtok=Decimal(1))
    assert (card.context_window_tokens, card.max_output_tokens) == (None, 6144)
    assert card.capabilities == frozenset()
    assert card.deprecated_on is None


def test_ranged_prices_become_tiers() -> None:
    """Prices given as input ranges are a base and tiers."""
    rows = [
        {"range": [Decimal(1000), 2000], "input_cost_per_token": Decimal("2e-6")},
        {"range": [0, Decimal(1000)], "input_cost_per_token": Decimal("1e-6")},
    ]
    card = card_of("m", {"tiered_pricing": rows}, "test")
    assert card.prices == Prices(
        input_usd_per_mtok=Decimal(1),
        tiers=(PriceTier(above_input_tokens=1000, input_usd_per_mtok=Decimal(2)),),
    )


def test_the_snapshot_names_version_and_content() -> None:
    """Two readings of one map have one snapshot; user cards change it."""
    assert CATALOG.snapshot == bundled_prices().snapshot
    assert CATALOG.snapshot.startswith("litellm-")
    mine = load_catalog({"models": {"m": {"covers": "simple"}}})
    assert mine.snapshot.startswith(CATALOG.snapshot + "+cards-")
    assert mine.snapshot != load_catalog({"models": {"m": {"covers": "expert"}}}).snapshot


def test_importing_reads_nothing() -> None:
    """Importing the catalog imports no litellm and parses no price map."""
    code = (
        "import sys, tokenthrift.catalog.catalog as c, tokenthrift.catalog.prices as p;"
        "assert 'litellm' not in sys.modules;"
        "assert p.bundled_prices.cache_info().currsize == 0;"
        "c.load_catalog().require('gpt-4o'); assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_broken_price_map_is_named(tmp_path: Path, text: str) -> None:
    """A price map that cannot be read is an error that names the file."""
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(CatalogError, match=r"map\.json"):
        read_prices(path, "test 1")


# --------------------------------------------------------------------------------------- user cards
def test_user_cards_extend_and_override(tmp_path: Path) -> None:
    """A user's card inherits what it does not say; one named like a bundled card corrects it."""
    path = tmp_path / "cards.yaml"
    path.write_text(
        """
models:
  my-tune: {extends: gpt-4o-mini, input_usd_per_mtok: 0.30, aliases: [cheap], covers: moderate}
  my-tune-eu: {extends: my-tune, regions: [eu], provider: mine}
  gpt-4o: {covers: complex}
  local: {provider: ollama, context_window_tokens: 8192, input_usd_per_mtok: 0,
          output_usd_per_mtok: 0, capabilities: [tools]}
"""
    )
    catalog = load_catalog(path)
    tune = catalog.require("cheap")
    assert (tune.name, tune.covers, tune.source) == ("my-tune", 2, str(path))
    assert tune.prices is not None
    assert tune.prices.input_usd_per_mtok == Decimal("0.30")
    assert tune.prices.output_usd_per_mtok == Decimal("0.6")
    assert tune.capabilities == CATALOG.require("gpt-4o-mini").capabilities
    eu = catalog.require("my-tune-eu")
    assert (eu.regions, eu.provider, eu.covers, eu.aliases) == (("eu",), "mine", 2, ())
    assert catalog.require("openai/gpt-4o").covers is ComplexityBucket.COMPLEX
    assert cost(Usage(1000, 1000), catalog.require("local")) == Money(0)
    assert {"my-tune", "local", "gpt-4o"} <= set(catalog.names())
    assert CATALOG.require("gpt-4o").covers is None


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"m": {"input_usd_per_mtk": 1}}, r"models\.m\.input_usd_per_mtk: unknown field; did you"),
        ({"m": {"extends": "gpt-4o-minni"}}, r"models\.m\.extends: no model.*gpt-4o-mini"),
        ({"m": {"covers": "hard"}}, r"models\.m\.covers: expected one of trivial, simple"),
        ({"m": {"covers": True}}, r"models\.m\.covers: expected one of"),
        ({"m": {"capabilities": ["tool"]}}, r"models\.m\.capabilities: unknown capabilities tool"),
        ({"m": {"input_usd_per_mtok": -1}}, r"models\.m\.input_usd_per_mtok: .*got -1"),
        ({"m": {"cache": {"mode": "page"}}}, r"models\.m\.cache\.mode"),
        ({"m": 3}, r"models\.m: expected a mapping"),
        ({"a": {"extends": "b"}, "b": {"extends": "a"}}, r"circle a -> b -> a"),
        ({"a": {"aliases": ["x"]}, "b": {"aliases": ["x"]}}, r"'x' already names 'a'"),
        ({"a": {"aliases": ["b"]}, "b": {}}, r"'b' already names 'b'"),
        (
            {"m": {"tiers": [{"above_input_tokens": 2}, {"above_input_tokens": 1}]}},
            r"models\.m\.prices: tiers must have rising thresholds",
        ),
    ],
)
def test_mistakes_are_named(cards: dict[str, object], message: str) -> None:
    """A mistake in a card is an error with the entry, the field and the nearest valid word."""
    with pytest.raises(CatalogError, match=message):
        load_catalog({"models": cards})


@pytest.mark.parametrize(
    ("text", "message"),
    [("modles: {}", "expected one key 'models'"), ("a: [", "not valid YAML"), ("- 1", "one key")],
)
def test_broken_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    """A card file that is not one is an error that names the file."""
    path = tmp_path / "cards.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=rf"cards\.yaml: .*{message}"):
        load_catalog(path)
    with pytest.raises(CatalogError, match=r"missing\.yaml: cannot read"):
        load_catalog(tmp_path / "missing.yaml")


def test_an_empty_file_is_an_empty_set_of_cards(tmp_path: Path) -> None:
    """A card file with nothing in it changes no card."""
    path = tmp_path / "cards.yaml"
    path.write_text("")
    assert load_catalog(path).names() == CATALOG.names()


def test_cards_survive_json() -> None:
    """A card written to JSON reads back as itself, its bucket as a word."""
    card = CATALOG.require("gpt-5.4").model_copy(update={"covers": ComplexityBucket.EXPERT})
    assert json.loads(card.model_dump_json())["covers"] == "expert"
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def test_buckets_are_words_and_ordered() -> None:
    """Buckets read as words or numbers, write as words and compare by difficulty."""
    adapter = TypeAdapter(Bucket)
    words = [str(b) for b in sorted(ComplexityBucket)]
    assert words == ["trivial", "simple", "moderate", "complex", "expert"]
    assert [adapter.validate_python(w) for w in words] == list(ComplexityBucket)
    assert adapter.validate_python("Complex") is adapter.validate_python(3)
    for wrong in (9, "hard", None, True, 1.5):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


# --------------------------------------------------------------------------------------------- cost
def priced(**prices: object) -> ModelCard:
    """A card with these prices and nothing else."""
    return ModelCard(name="m", prices=Prices.model_validate(prices))


def test_a_worked_example() -> None:
    """Cached and written input, visible and reasoning output are each charged once."""
    card = priced(
        input_usd_per_mtok="3",
        output_usd_per_mtok="15",
        cache_read_usd_per_mtok="0.3",
        cache_write_usd_per_mtok="3.75",
        reasoning_usd_per_mtok="20",
    )
    usage = Usage(
        input_tokens=10_000,
        output_tokens=500,
        cache_read_tokens=6_000,
        cache_write_tokens=1_000,
        reasoning_tokens=100,
    )
    micros = 3_000 * 3 + 6_000 * 0.3 + 1_000 * 3.75 + 400 * 15 + 100 * 20
    assert cost(usage, card) == Money(round(micros * 1000))


def test_unknown_prices_make_unknown_costs() -> None:
    """Without an input or output price the cost is None, never zero."""
    usage = Usage(10, 10)
    assert cost(usage, ModelCard(name="m")) is None
    assert cost(usage, priced(input_usd_per_mtok=1)) is None
    assert cost(usage, priced(output_usd_per_mtok=1)) is None
    assert cost(usage, priced(input_usd_per_mtok=0, output_usd_per_mtok=0)) == Money(0)


def test_the_total_is_rounded_once_half_to_even() -> None:
    """Half a nano-dollar goes to the even neighbour, and only the sum is rounded."""
    card = priced(input_usd_per_mtok="0.0005", output_usd_per_mtok="0.0005")
    assert [cost(Usage(n, 0), card) for n in (1, 2, 3)] == [Money(0), Money(1), Money(2)]
    assert cost(Usage(1, 1), card) == Money(1)


PRICE = st.none() | st.decimals(0, 1000, places=9)
RATES = ("input", "output", "cache_read", "cache_write", "reasoning")
PRICES = st.lists(PRICE, min_size=5, max_size=5)
COUNTS = st.lists(st.integers(0, 10**9), min_size=5, max_size=5)


@given(PRICES, COUNTS, st.integers(1, 3 * 10**9), st.decimals(0, 1000, places=6))
def test_cost_equals_exact_arithmetic(
    prices: list[Decimal | None], counts: list[int], threshold: int, dear: Decimal
) -> None:
    """The cost is the exact rational sum, rounded half to even, and absent iff a price is."""
    tier = {"above_input_tokens": threshold, "input_usd_per_mtok": dear}
    plain, read, write, shown, hidden = counts
    usage = Usage(plain + read + write, shown + hidden, read, write, hidden)
    named = {f"{rate}_usd_per_mtok": price for rate, price in zip(RATES, prices, strict=True)}
    got = cost(usage, priced(**named, tiers=[tier]))
    p_in, p_out, p_read, p_write, p_think = prices
    p_in = dear if usage.input_tokens > threshold else p_in
    if p_in is None or p_out is None:
        assert got is None
        return
    charged = (
        (plain, p_in),
        (read, p_in if p_read is None else p_read),
        (write, p_in if p_write is None else p_write),
        (shown, p_out),
        (hidden, p_out if p_think is None else p_think),
    )
    assert got == Money(round(sum(n * Fraction(price) for n, price in charged) * 1000))


def test_impossible_usage_does_not_go_below_zero() -> None:
    """More cached than input tokens, or more reasoning than output, charge what there is."""
    card = priced(input_usd_per_mtok=1, output_usd_per_mtok=1, cache_read_usd_per_mtok="0.1")
    assert cost(Usage(10, 1, cache_read_tokens=20, reasoning_tokens=9), card) == Money(3000)


def test_a_catalog_of_ones_own() -> None:
    """A catalog can be made of any price map."""
    small = Catalog(PriceMap({"m": {"litellm_provider": "mine"}}, "test-1", "test"))
    assert small.names() == ("m",)
    assert small.require("mine/m").provider == "mine"
