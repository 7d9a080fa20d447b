"""Whether it pays to compress a conversation's past again, by what its provider's cache costs.

A compaction writes the prefix anew and makes each later request cheaper. How many requests will
follow is not known; a conversation that has had n is taken to have a policy's share of n to come
(the rule of Lindy: what has lasted long lasts on).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STEP: Final = 1.3  # a compaction is looked at each time a request has grown by this factor


@dataclass(frozen=True, slots=True)
class CachePrices:
    """What tokens cost that a provider's prompt cache holds, relative to others.

    Attributes:
        read: of a cached token.
        write: of a token that is written to the cache.
    """

    read: float = 1.0
    write: float = 1.0


@dataclass(frozen=True, slots=True)
class Bargain:
    """What an advance of the epoch costs now and saves later, in uncached input tokens.

    Attributes:
        cost: what this request costs more; below 0 where it costs less.
        saves: what each later request costs less.
        turns: how many are expected.
    """

    cost: float
    saves: float
    turns: float

    @property
    def pays(self) -> bool:
        """Whether the expected savings exceed the cost."""
        return self.saves * self.turns > self.cost


def bargain(
    cached_tokens: int, tokens: int, compacted_tokens: int, turns: float, prices: CachePrices
) -> Bargain:
    """Weigh a compaction.

    Args:
        cached_tokens: of the previous request, all of them taken to be cached.
        tokens: of this request without a compaction.
        compacted_tokens: of this request after one; all of them taken to be written.
        turns: how many requests are expected to follow.
        prices: of the provider's cache.
    """
    cached = min(cached_tokens, tokens)
    now = prices.read * cached + prices.write * (tokens - cached)
    return Bargain(
        cost=prices.write * compacted_tokens - now,
        saves=prices.read * (tokens - compacted_tokens),
        turns=turns,
    )


def crosses(before_tokens: int, tokens: int, least_tokens: int) -> bool:
    """Whether a request grew over the next size at which a compaction is looked at.

    The sizes are ``least_tokens`` times powers of `STEP`: known without a memory of earlier looks.
    """
    size = float(least_tokens)
    while size <= before_tokens:
        size *= STEP
    return tokens > size
