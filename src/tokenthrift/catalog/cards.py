"""What is known of a model: frozen cards, checked at the border.

A field that is None is not known. Cards never derive a value from another model's.
"""

from __future__ import annotations

from datetime import date  # pydantic resolves field types at run time
from decimal import Decimal
from enum import IntEnum
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

CAPABILITIES: Final = frozenset(
    {
        "tools",
        "parallel_tools",
        "tool_choice",
        "json_schema",
        "vision",
        "audio_input",
        "audio_output",
        "pdf",
        "reasoning",
        "prompt_caching",
    }
)
"""The words of `Request.needs`, and ``prompt_caching``, which nothing needs but cost depends on."""


class ComplexityBucket(IntEnum):
    """How much a request asks of a model; a model *covers* buckets up to one of them."""

    TRIVIAL = 0
    SIMPLE = 1
    MODERATE = 2
    COMPLEX = 3
    EXPERT = 4

    def __str__(self) -> str:
        """The word a policy uses."""
        return self.name.lower()

    @classmethod
    def of(cls, word: object) -> ComplexityBucket:
        """The bucket of a word (``simple``) or of a number.

        Raises:
            ValueError: it is neither; the message lists the words.
        """
        if isinstance(word, str) and word.upper() in cls.__members__:
            return cls[word.upper()]
        if isinstance(word, int) and not isinstance(word, bool) and word in list(cls):
            return cls(word)
        raise ValueError(f"expected one of {', '.join(map(str, cls))}, got {word!r}")


Bucket = Annotated[
    ComplexityBucket,
    BeforeValidator(ComplexityBucket.of),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "enum": [str(b) for b in ComplexityBucket]}),
]
"""A bucket as a field of a model: read and written as its word."""

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Words of reasoning effort, lowest first."""

Price = Annotated[Decimal, Field(ge=0)]


class Rates(BaseModel):
    """List prices in US dollars per million tokens; None is not known, or not told apart.

    Attributes:
        cache_write_1h_usd_per_mtok: of what is cached for an hour, where it is not the price of
            other writes.
        cache_read_audio_usd_per_mtok: of cached sound, where it is not that of cached text.
        reasoning_usd_per_mtok: of hidden reasoning, where it is not the price of output.
        input_audio_usd_per_mtok: of sound, where it is not the price of text; images and output
            alike.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_usd_per_mtok: Price | None = None
    output_usd_per_mtok: Price | None = None
    cache_read_usd_per_mtok: Price | None = None
    cache_write_usd_per_mtok: Price | None = None
    cache_write_1h_usd_per_mtok: Price | None = None
    reasoning_usd_per_mtok: Price | None = None
    cache_read_audio_usd_per_mtok: Price | None = None
    input_audio_usd_per_mtok: Price | None = None
    input_image_usd_per_mtok: Price | None = None
    output_audio_usd_per_mtok: Price | None = None
    output_image_usd_per_mtok: Price | None = None


class PriceTier(Rates):
    """Prices of a whole request whose input is longer than ``above_input_tokens``."""

    above_input_tokens: int = Field(gt=0)


class ServicePrices(Rates):
    """Prices of another way to be served.

    Attributes:
        tiers: prices of long requests, by rising threshold; what one does not say is as below it.
    """

    tiers: tuple[PriceTier, ...] = ()

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        thresholds = [t.above_input_tokens for t in self.tiers]
        if thresholds != sorted(set(thresholds)):
            raise ValueError(f"tiers must have rising thresholds, got {thresholds}")
        return self

    def at(self, input_tokens: int) -> Rates:
        """The prices of a request of this size."""
        crossed = [t for t in self.tiers if input_tokens > t.above_input_tokens]
        if not crossed:
            return self
        rates = self.model_dump(include=set(RATE_NAMES))
        for tier in crossed:
            rates |= tier.model_dump(include=set(RATE_NAMES), exclude_none=True)
        return Rates.model_construct(**rates)


RATE_NAMES: Final = frozenset(Rates.model_fields)
Service: TypeAlias = Literal["batch", "flex", "priority"]


class Prices(ServicePrices):
    """Prices of a model as it is usually served, and of other ways to be served.

    Attributes:
        services: prices in batches (hours later), with low priority and with high; a service that
            is not here has no known price.
    """

    services: dict[Service, ServicePrices] = {}

    def served(self, service: str) -> ServicePrices | None:
        """The prices of a service; of the usual one where it is empty."""
        return self.services.get(service) if service else self  # type: ignore[call-overload]  # any text may be asked for


class CacheRule(BaseModel):
    """How a provider caches prompt prefixes.

    Attributes:
        mode: ``message``: up to a marked message; ``block``: whole blocks from the start, unasked.
        min_tokens: shorter prompts are not cached.
        block_tokens: a cached prefix is a multiple of this (1: any length).
        ttl_seconds: how long it lives after its last use, at least.
        documented: False where the provider publishes no figures and these are assumed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["message", "block"]
    min_tokens: int = Field(ge=0)
    block_tokens: int = Field(default=1, ge=1)
    ttl_seconds: int = Field(gt=0)
    documented: bool = True


class ModelCard(BaseModel):
    """One model as one provider sells it.

    Attributes:
        name: as it is asked for.
        provider: the seller, e.g. ``openai``, ``azure``, ``bedrock``.
        context_window_tokens: most input tokens it accepts.
        max_output_tokens: most output tokens it gives.
        capabilities: words of `CAPABILITIES`.
        efforts: reasoning efforts it takes, None where that is not known.
        sampling: whether it takes ``temperature`` and ``top_p``, None where that is not known.
        covers: the hardest bucket it is good enough for, where somebody said so.
        first_token_s: seconds until an answer begins, ``output_tokens_per_s`` how fast it goes on.
        regions: where it is served, empty where not said.
        deprecated_on: when the provider withdraws it.
        source: where the card comes from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    provider: str = ""
    context_window_tokens: int | None = Field(default=None, gt=0)
    max_output_tokens: int | None = Field(default=None, gt=0)
    capabilities: frozenset[str] = frozenset()
    prices: Prices | None = None
    cache: CacheRule | None = None
    efforts: tuple[str, ...] | None = None
    sampling: bool | None = None
    covers: Bucket | None = None
    first_token_s: float | None = Field(default=None, ge=0)
    output_tokens_per_s: float | None = Field(default=None, gt=0)
    aliases: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    deprecated_on: date | None = None
    source: str = ""

    @field_validator("capabilities")
    @classmethod
    def _known_words(cls, value: frozenset[str]) -> frozenset[str]:
        unknown = sorted(value - CAPABILITIES)
        if unknown:
            known = ", ".join(sorted(CAPABILITIES))
            raise ValueError(f"unknown capabilities {', '.join(unknown)}; known: {known}")
        return value

    @field_validator("efforts")
    @classmethod
    def _known_efforts(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = sorted(set(value or ()) - set(EFFORTS))
        if unknown:
            known = ", ".join(EFFORTS)
            raise ValueError(f"unknown efforts {', '.join(unknown)}; known: {known}")
        return None if value is None else tuple(e for e in EFFORTS if e in value)

    def latency_s(self, output_tokens: int) -> float | None:
        """Seconds until an answer of this length is there; None where the card does not say."""
        if self.first_token_s is None or self.output_tokens_per_s is None:
            return None
        return self.first_token_s + output_tokens / self.output_tokens_per_s
