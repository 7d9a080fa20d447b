"""What a call cost: usage times prices, exact, rounded once.

Unknown prices make an unknown cost (None); they are never counted as zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

from tokenthrift.types import Money

if TYPE_CHECKING:
    from tokenthrift.catalog.cards import ModelCard, Rates
    from tokenthrift.types import Usage

# Wide enough that no product or sum of token counts and list prices is ever rounded, whatever
# context the caller's thread has set; the only rounding is the last step.
_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)
_NANOS_PER_USD_PER_MTOK: Final = Decimal(1_000)  # 1e9 nano-dollars / 1e6 tokens
_ONE: Final = Decimal(1)


# What may have a price of its own, and the price that it otherwise has.
_USUALLY: Final = {
    "cache_read_usd_per_mtok": "input_usd_per_mtok",
    "cache_write_usd_per_mtok": "input_usd_per_mtok",
    "cache_write_1h_usd_per_mtok": "cache_write_usd_per_mtok",
    "cache_read_audio_usd_per_mtok": "cache_read_usd_per_mtok",
    "input_audio_usd_per_mtok": "input_usd_per_mtok",
    "input_image_usd_per_mtok": "input_usd_per_mtok",
    "reasoning_usd_per_mtok": "output_usd_per_mtok",
    "output_audio_usd_per_mtok": "output_usd_per_mtok",
    "output_image_usd_per_mtok": "output_usd_per_mtok",
}


def cost(usage: Usage, card: ModelCard) -> Money | None:
    """The list price of a call, to the nano-dollar; None where the price is not known.

    A missing cache price is the input price (the provider gives no discount, or takes no premium),
    a missing reasoning price the output price, and a missing price of sound or images that of text.
    Writes that are kept for an hour have no price where only that of shorter ones is known. Another
    service (batch, flex, priority) has the prices that the card says, and no price for what the
    card prices apart in the usual service only: long requests, cached tokens, sound.

    Args:
        usage: inclusive buckets; a provider's report whose cached tokens exceed its input counts
            as all cached.
        card: the model that answered.
    """
    usual = card.prices
    served = usual.served(usage.service_tier) if usual is not None else None
    if usual is None or served is None:
        return None
    size = usage.input_tokens
    if {t.above_input_tokens for t in usual.tiers if size > t.above_input_tokens} - {
        t.above_input_tokens for t in served.tiers
    }:
        return None
    usual_rates = usual.at(size)
    rates = usual_rates if served is usual else served.at(size)
    total = Decimal(0)
    for tokens, name in _pieces(usage):
        if tokens == 0 and name in _USUALLY:
            continue
        price = _price(name, rates, usual_rates)
        if price is None:
            return None
        total = _EXACT.fma(Decimal(tokens), price, total)
    nanos = _EXACT.multiply(total, _NANOS_PER_USD_PER_MTOK)
    return Money(int(nanos.quantize(_ONE, context=_EXACT)))


def _pieces(usage: Usage) -> tuple[tuple[int, str], ...]:
    """Tokens by the price that they have; each token is in one piece."""
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    read_audio = min(usage.cache_read_audio_tokens, read)
    write_1h = min(usage.cache_write_1h_tokens, write)
    plain = max(0, usage.input_tokens - read - write)
    audio = min(max(0, usage.input_audio_tokens - read_audio), plain)
    image = min(usage.input_image_tokens, plain - audio)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens)
    spoken = min(usage.output_audio_tokens, usage.output_tokens - reasoning)
    drawn = min(usage.output_image_tokens, usage.output_tokens - reasoning - spoken)
    return (
        (plain - audio - image, "input_usd_per_mtok"),
        (audio, "input_audio_usd_per_mtok"),
        (image, "input_image_usd_per_mtok"),
        (read - read_audio, "cache_read_usd_per_mtok"),
        (read_audio, "cache_read_audio_usd_per_mtok"),
        (write - write_1h, "cache_write_usd_per_mtok"),
        (write_1h, "cache_write_1h_usd_per_mtok"),
        (usage.output_tokens - reasoning - spoken - drawn, "output_usd_per_mtok"),
        (reasoning, "reasoning_usd_per_mtok"),
        (spoken, "output_audio_usd_per_mtok"),
        (drawn, "output_image_usd_per_mtok"),
    )


def _price(name: str, rates: Rates, usual: Rates) -> Decimal | None:
    """The price of a piece: its own, else the one it usually has, if nothing sets them apart."""
    own: Decimal | None = getattr(rates, name)
    if own is not None or name not in _USUALLY:
        return own
    other = _USUALLY[name]
    if name == "cache_write_1h_usd_per_mtok" and rates.cache_write_usd_per_mtok is not None:
        return None  # it costs more than other writes, and how much is not known
    apart = getattr(usual, name)
    if rates is not usual and apart is not None and apart != getattr(usual, other):
        return None
    return _price(other, rates, usual)
