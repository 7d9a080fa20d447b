"""What a call cost: usage times prices, exact, rounded once.

Unknown prices make an unknown cost (None); they are never counted as zero. All arithmetic is on
whole numbers: the prices of a card are brought to one denominator when it is first used.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Final

from tokenthrift.types import Money

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tokenthrift.catalog.cards import ModelCard, Prices, Rates, ServicePrices
    from tokenthrift.types import Usage

_NANOS_PER_USD_PER_MTOK: Final = 1_000  # 1e9 nano-dollars / 1e6 tokens
_TARIFFS_HELD: Final = 4_096


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
    tariff = _tariff(usual, served, usage.input_tokens)
    if tariff is None:
        return None
    prices, total = tariff.prices, 0
    for tokens, name in _pieces(usage):
        if tokens == 0 and name in _USUALLY:
            continue
        price = prices[name]
        if price is None:
            return None
        total += tokens * price
    return Money(_halves_to_even(total * _NANOS_PER_USD_PER_MTOK, tariff.denominator))


@dataclass(frozen=True, slots=True)
class _Tariff:
    """What requests of a size pay, in whole numbers.

    Attributes:
        prices: numerators of dollars per million tokens, by name; None where a price is not known.
        of: the usual prices of the card and those of the service.
    """

    prices: Mapping[str, int | None]
    denominator: int
    of: tuple[Prices, ServicePrices]


# By identity, as cards are frozen and live as long as their catalog; an entry holds what its key
# names, so that the key never comes to stand for something else.
_tariffs: Final[dict[tuple[int, int, int, int], _Tariff]] = {}


def _tariff(usual: Prices, served: ServicePrices, size: int) -> _Tariff | None:
    """What a request of a size pays; None where the usual service alone says what long ones do."""
    tiers = _crossed(usual, size), _crossed(served, size)
    key = (id(usual), id(served), *tiers)
    found = _tariffs.get(key)
    if found is not None:
        return found
    thresholds = {t.above_input_tokens for t in usual.tiers if size > t.above_input_tokens}
    if thresholds - {t.above_input_tokens for t in served.tiers}:
        return None
    usual_rates = usual.at(size)
    rates = usual_rates if served is usual else served.at(size)
    names = ("input_usd_per_mtok", "output_usd_per_mtok", *_USUALLY)
    priced = {name: _price(name, rates, usual_rates) for name in names}
    exact = {name: None if p is None else Fraction(p) for name, p in priced.items()}
    denominator = lcm(*(p.denominator for p in exact.values() if p is not None))
    prices = {name: None if p is None else int(p * denominator) for name, p in exact.items()}
    if len(_tariffs) >= _TARIFFS_HELD:
        _tariffs.clear()
    return _tariffs.setdefault(key, _Tariff(prices, denominator, (usual, served)))


def _crossed(prices: ServicePrices, size: int) -> int:
    """How many tiers a size is above; their thresholds rise."""
    return sum(size > t.above_input_tokens for t in prices.tiers) if prices.tiers else 0


def _halves_to_even(numerator: int, denominator: int) -> int:
    """The nearest whole number; of two the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def _pieces(usage: Usage) -> tuple[tuple[int, str], ...]:
    """Tokens by the price that they have; each token is in one piece."""
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    if not _is_told_apart(usage):
        plain = max(0, usage.input_tokens - read - write)
        return (
            (plain, "input_usd_per_mtok"),
            (read, "cache_read_usd_per_mtok"),
            (write, "cache_write_usd_per_mtok"),
            (usage.output_tokens, "output_usd_per_mtok"),
        )
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


def _is_told_apart(usage: Usage) -> bool:
    """Whether a usage says more than input, output and what of it was cached."""
    return bool(
        usage.reasoning_tokens
        or usage.cache_write_1h_tokens
        or usage.cache_read_audio_tokens
        or usage.input_audio_tokens
        or usage.input_image_tokens
        or usage.output_audio_tokens
        or usage.output_image_tokens
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
