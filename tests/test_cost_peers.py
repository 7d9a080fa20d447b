"""Costs beside those of others who read price lists: LiteLLM's calculator and genai-prices.

On a grid of models and usages, each difference has an explanation in a table, and each explanation
is needed. Equal means: to the nano-dollar (LiteLLM's floats to half of one).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from strategies import TIMES
from tokenthrift.catalog import ModelCard, cost, load_catalog
from tokenthrift.catalog.prices import bundled_prices
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

SELLERS: Final = (
    *("openai", "anthropic", "gemini", "vertex_ai", "bedrock", "deepseek", "mistral", "xai"),
    "azure",
)
EACH: Final = 1 if TIMES > 1 else 6  # of how many models one is in the grid
ALWAYS: Final = (
    *("deepseek-chat", "deepseek-flash", "gemini-2.5-flash", "azure/eu/gpt-4o", "gpt-4o"),
    "twelvelabs.pegasus-1-2-v1:0",
    *("claude-sonnet-4-5", "gpt-5.4", "gemini-exp-1206", "gemini-2.5-pro"),
)
USAGES: Final = (
    Usage(1_000, 200),
    Usage(5_000, 300, cache_read_tokens=4_096),
    Usage(5_000, 300, cache_read_tokens=2_048, cache_write_tokens=1_024),
    Usage(5_000, 300, cache_write_tokens=2_000, cache_write_1h_tokens=700),
    Usage(1_000, 900, reasoning_tokens=700),
    Usage(300_000, 500, cache_read_tokens=100_000),
    Usage(128_000, 10),
    Usage(200_000, 10),
    Usage(272_001, 10, cache_read_tokens=1_000),
    Usage(2_000, 300, input_audio_tokens=1_500, output_audio_tokens=200),
    Usage(2_000, 1_400, input_image_tokens=500, output_image_tokens=1_290),
    Usage(
        3_000, 30, cache_read_tokens=2_000, cache_read_audio_tokens=1_500, input_audio_tokens=1_800
    ),
)
SERVICES: Final = ("", "priority", "batch")

# Asks LiteLLM, in a process of its own: importing it takes seconds and changes the process.
LITELLM: Final = """
import json, sys
from litellm.cost_calculator import batch_cost_calculator, cost_per_token
from litellm.types.utils import (
    CacheCreationTokenDetails, CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage
)

def usage(u):
    write, hour = u["cache_write_tokens"], u["cache_write_1h_tokens"]
    read, read_audio = u["cache_read_tokens"], u["cache_read_audio_tokens"]
    given = {
        "cached_tokens": read, "cache_creation_tokens": write,
        "audio_tokens": u["input_audio_tokens"], "image_tokens": u["input_image_tokens"],
    }
    if write:
        given["cache_creation_token_details"] = CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=write - hour, ephemeral_1h_input_tokens=hour
        )
    if read_audio:
        given["cached_tokens_details"] = {
            "audio_tokens": read_audio, "text_tokens": read - read_audio
        }
    return Usage(
        prompt_tokens=u["input_tokens"], completion_tokens=u["output_tokens"],
        total_tokens=u["input_tokens"] + u["output_tokens"],
        prompt_tokens_details=PromptTokensDetailsWrapper(**given),
        completion_tokens_details=CompletionTokensDetailsWrapper(
            reasoning_tokens=u["reasoning_tokens"], audio_tokens=u["output_audio_tokens"],
            image_tokens=u["output_image_tokens"],
        ),
    )

found = []
for model, provider, u in json.load(sys.stdin):
    if u["service_tier"] == "batch":
        both = batch_cost_calculator(usage=usage(u), model=model, custom_llm_provider=provider)
    else:
        both = cost_per_token(
            model=model, custom_llm_provider=provider, usage_object=usage(u),
            service_tier=u["service_tier"] or None,
        )
    found.append(sum(both))
print()
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Case:
    """A model, a usage, what it costs by us, and the map's own entry."""

    card: ModelCard
    usage: Usage
    entry: Any

    @property
    def nanos(self) -> int | None:
        """Our cost."""
        found = cost(self.usage, self.card)
        return None if found is None else found.nanos

    @property
    def served(self) -> Any:
        """Our prices of the service."""
        assert self.card.prices is not None
        return self.card.prices.served(self.usage.service_tier)


def cases() -> list[Case]:
    """The grid."""
    entries = bundled_prices().entries
    sold = [c for c in load_catalog() if c.prices is not None and c.provider in SELLERS]
    cards = [c for n, c in enumerate(sold) if n % EACH == 0 or c.name in ALWAYS]
    return [
        Case(card, replace(usage, service_tier=service), entries[card.name])
        for card in cards
        for usage in USAGES
        for service in SERVICES
    ]


def _is_write_below_input(case: Case) -> bool:
    """Whether the map's price of cache writes is below that of input, which we take for a slip."""
    write = case.entry.get("cache_creation_input_token_cost")
    return write is not None and write < case.entry["input_cost_per_token"]


@dataclass(frozen=True)
class Reason:
    """Why costs differ: where it holds, and what is behind it. Our nanos are None where unknown."""

    name: str
    holds: Callable[[Case], bool]
    why: str


# In this order: the first that holds is the reason.
EXPLAINED: Final = (
    Reason(
        "no such service",
        lambda c: c.served is None,
        "The map has no prices of that service for the model. LiteLLM takes half of the usual "
        "price (batch) or all of it; we say that the cost is not known.",
    ),
    Reason(
        "no such price in the service",
        lambda c: c.nanos is None and c.usage.service_tier != "",
        "The service has prices, but none for long requests, cached tokens or sound, which have "
        "their own in the usual service. LiteLLM mixes that in; we do not know the cost.",
    ),
    Reason(
        "no price of tokens",
        lambda c: c.nanos is None and "input_cost_per_token" not in c.entry,
        "The model is sold by the second. LiteLLM counts its input as free; we do not.",
    ),
    Reason(
        "no price of an hour",
        lambda c: c.nanos is None and c.usage.cache_write_1h_tokens > 0,
        "Writes for five minutes have a price, those for an hour, which cost more, have none. "
        "LiteLLM takes the former (or none); we do not know the cost.",
    ),
    Reason(
        "off-peak",
        lambda c: "off_peak_pricing" in c.entry and c.usage.service_tier == "",
        "LiteLLM reads the clock for discounts by the hour; ours is the list price, the same of "
        "one record at any time.",
    ),
    Reason(
        "write below input",
        lambda c: _is_write_below_input(c) and c.usage.cache_write_tokens > 0,
        "A cache write that is cheaper than input is a surcharge, a storage fee or a slip in the "
        "map: we charge the input price, which is part of it.",
    ),
    Reason(
        "sound in the service",
        lambda c: c.usage.service_tier == "priority" and _sees_or_hears(c),
        "LiteLLM charges sound and images of a priority call at their usual price, as it does not "
        "read their priority price, or text has another one; we charge the priority price.",
    ),
    Reason(
        "another entry",
        lambda c: f"{c.card.provider}/{c.card.name}" in bundled_prices().entries,
        "LiteLLM puts the provider before the name and finds another entry of the map, with other "
        "prices; a card is of the entry that is asked for.",
    ),
)


def _sees_or_hears(case: Case) -> bool:
    usage, prices = case.usage, case.card.prices
    assert prices is not None
    return (usage.input_audio_tokens > 0 and prices.input_audio_usd_per_mtok is not None) or (
        usage.input_image_tokens > 0 and prices.input_image_usd_per_mtok is not None
    )


def test_costs_equal_litellms_or_the_difference_is_explained():
    """Over models of nine sellers, with caches, tiers of length and service, sound and images."""
    grid = cases()
    asked = [
        (
            c.card.name,
            c.entry["litellm_provider"],
            {k: v for k, v in asdict(c.usage).items() if k != "raw"},
        )
        for c in grid
    ]
    done = subprocess.run(
        [sys.executable, "-c", LITELLM],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    reasons: Counter[str] = Counter()
    equal: Counter[tuple[int, str]] = Counter()
    unexplained = []
    for number, (case, dollars) in enumerate(zip(grid, theirs, strict=True)):
        if case.nanos is not None and abs(case.nanos - dollars * 1e9) <= 0.501:
            place = number // len(SERVICES) % len(USAGES)
            equal[place, case.usage.service_tier] += 1
            continue
        reason = next((r.name for r in EXPLAINED if r.holds(case)), None)
        if reason is None:
            unexplained.append((case.card.name, case.usage, case.nanos, dollars * 1e9))
        else:
            reasons[reason] += 1
    assert unexplained == []
    assert set(reasons) == {r.name for r in EXPLAINED}
    # Each usage is equal in each service for some models, and usual ones for nearly all.
    assert set(equal) == {(n, s) for n in range(len(USAGES)) for s in SERVICES}
    usual = sum(count for (_, service), count in equal.items() if service == "")
    assert usual >= 0.95 * len(grid) / len(SERVICES)


# ------------------------------------------------------------------------------------ genai-prices
# Our name, and the provider there.
SHARED: Final = (
    *((f"gpt-{n}", "openai") for n in ("4o", "4o-mini", "4.1", "5", "5-mini", "5.4", "5.6")),
    ("o3", "openai"),
    ("gpt-audio", "openai"),
    *((f"claude-{n}", "anthropic") for n in ("haiku-4-5", "opus-4-5", "opus-4-6", "sonnet-4-6")),
    ("claude-sonnet-4-5", "anthropic"),
    *((f"gemini/gemini-{n}", "google") for n in ("2.5-pro", "2.5-flash", "2.5-flash-lite")),
    ("deepseek/deepseek-chat", "deepseek"),
    ("mistral/mistral-large-latest", "mistral"),
    ("xai/grok-4.20-0309-reasoning", "x-ai"),
)
OTHER_LISTS: Final = {
    "deepseek/deepseek-chat": "its list is older: 0.27 and 1.10 dollars, before the price was cut",
    "mistral/mistral-large-latest": "there the name still stands for the model before",
    "claude-sonnet-4-5": "it has prices above 200,000 tokens, which the map gives for Bedrock only",
}
GENAI_KEYS: Final = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("input_audio_tokens", "output_audio_tokens"),
)


def test_costs_equal_those_of_genai_prices_or_the_lists_differ():
    """Two independent lists and formulas; where they differ, it is the list."""
    peer = pytest.importorskip("genai_prices")
    catalog = load_catalog()
    differing, compared = set(), 0
    for name, provider in SHARED:
        card = catalog.get(name)
        if card is None:
            continue  # another version of the map
        for usage in (USAGES[n] for n in (0, 1, 2, 5, 7, 8, 9)):
            counts = {k: getattr(usage, k) for k in GENAI_KEYS if getattr(usage, k)}
            found = peer.calc_price(
                peer.Usage(**counts), model_ref=name.rpartition("/")[2], provider_id=provider
            )
            ours = cost(usage, card)
            assert ours is not None
            compared += 1
            if found.total_price * 10**9 != Decimal(ours.nanos):
                differing.add(name)
    assert compared >= 100
    assert differing <= set(OTHER_LISTS)
