"""How providers cache prompt prefixes, as far as they publish it.

One table. A provider that is not in it, but whose models are sold with a cached price, gets a
cautious assumption that says so.
"""

from __future__ import annotations

import re
from typing import Final

from tokenthrift.catalog.cards import CacheRule

# Up to marked messages, 5 minutes by default. Source: Anthropic, "Prompt caching".
CLAUDE: Final = CacheRule(mode="message", min_tokens=1_024, ttl_seconds=300)
# Cache checkpoints, 5 minutes. Source: Amazon Bedrock, "Prompt caching".
NOVA: Final = CacheRule(mode="message", min_tokens=1_024, ttl_seconds=300)
# From 1,024 tokens in steps of 128; cleared after 5 to 10 idle minutes, so at least 5.
# Source: OpenAI, "Prompt caching".
OPENAI: Final = CacheRule(mode="block", min_tokens=1_024, block_tokens=128, ttl_seconds=300)
# Implicit caching since Gemini 2.5; minimum by model, lifetime "a short time".
# Source: Google, Gemini API, "Context caching".
GEMINI: Final = CacheRule(mode="block", min_tokens=2_048, ttl_seconds=300)
# Units of 64 tokens, "a few hours to a few days". Source: DeepSeek, "Context caching".
DEEPSEEK: Final = CacheRule(mode="block", min_tokens=64, block_tokens=64, ttl_seconds=3_600)
# Minimum 128 to 1,024 by model, two idle hours. Source: Groq, "Prompt caching".
GROQ: Final = CacheRule(mode="block", min_tokens=1_024, ttl_seconds=7_200)
# Most open engines cache blocks of 16 to 64 tokens and promise no lifetime.
ASSUMED: Final = CacheRule(
    mode="block", min_tokens=1_024, block_tokens=64, ttl_seconds=300, documented=False
)

NO_IMPLICIT_CACHE: Final = re.compile(r"gemini-(1|2\.0)")

# By model family first (the same model keeps its manners at every seller), then by seller.
FAMILIES: Final = (
    (re.compile(r"claude"), CLAUDE),
    (re.compile(r"\bnova-"), NOVA),
    (re.compile(r"gemini"), GEMINI),
    (re.compile(r"(^|[/.])(gpt-\d|o[1345](-|$)|chatgpt|codex)"), OPENAI),
)
SELLERS: Final = {"openai": OPENAI, "azure": OPENAI, "deepseek": DEEPSEEK, "groq": GROQ}


def cache_rule(name: str, seller: str, min_tokens: int | None = None) -> CacheRule | None:
    """The rule of a model that is known to be sold with a prompt cache.

    Args:
        name: of the model.
        seller: whose interface it is asked through.
        min_tokens: the model's own minimum, where its card states one.

    Returns:
        None where the cache must be set up by separate calls, which nothing here does.
    """
    bare = name.lower()
    if NO_IMPLICIT_CACHE.search(bare):
        return None
    rule = SELLERS.get(seller, ASSUMED)
    for pattern, known in FAMILIES:
        if pattern.search(bare):
            rule = known
            break
    return rule if min_tokens is None else rule.model_copy(update={"min_tokens": min_tokens})
