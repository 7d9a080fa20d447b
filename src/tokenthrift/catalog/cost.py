"""What a call cost: usage times prices, exact, rounded once.

Unknown prices make an unknown cost (None); they are never counted as zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

from tokenthrift.types import Money

if TYPE_CHECKING:
    from tokenthrift.catalog.cards import ModelCard
    from tokenthrift.types import Usage

# Wide enough that no product or sum of token counts and list prices is ever rounded, whatever
# context the caller's thread has set; the only rounding is the last step.
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)
_NANOS_PER_USD_PER_MTOK: Final = Decimal(1_000)  # 1e9 nano-dollars / 1e6 tokens
_ONE: Final = Decimal(1)


def cost(usage: Usage, card: ModelCard) -> Money | None:
    """The list price of a call, to the nano-dollar; None where the price is not known.

    A missing cache price is the input price (the provider gives no discount, or takes no premium),
    a missing reasoning price the output price. Writes that are kept for an hour have no price where
    only that of shorter ones is known.

    Args:
        usage: inclusive buckets; a provider's report whose cached tokens exceed its input counts
            as all cached.
        card: the model that answered.
    """
    if card.prices is None:
        return None
    rates = card.prices.at(usage.input_tokens)
    price_in, price_out = rates.input_usd_per_mtok, rates.output_usd_per_mtok
    if price_in is None or price_out is None:
        return None
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    hour = min(usage.cache_write_1h_tokens, write)
    write_price = _first(rates.cache_write_usd_per_mtok, price_in)
    hour_price = rates.cache_write_1h_usd_per_mtok
    if hour and hour_price is None:
        if rates.cache_write_usd_per_mtok is not None:
            return None  # it costs more than other writes, and how much is not known
        hour_price = price_in
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    total = Decimal(0)
    for tokens, price in (
        (max(0, usage.input_tokens - read - write), price_in),
        (read, _first(rates.cache_read_usd_per_mtok, price_in)),
        (write - hour, write_price),
        (hour, _first(hour_price, write_price)),
        (usage.output_tokens - reasoning, price_out),
        (reasoning, _first(rates.reasoning_usd_per_mtok, price_out)),
    ):
        total = _EXACT.fma(Decimal(tokens), price, total)
    nanos = _EXACT.multiply(total, _NANOS_PER_USD_PER_MTOK)
    return Money(int(nanos.quantize(_ONE, context=_EXACT)))


def _first(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price
