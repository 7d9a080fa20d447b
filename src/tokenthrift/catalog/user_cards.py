"""The user's own cards: YAML that adds models or corrects bundled ones.

    models:
      my-finetune:
        extends: gpt-4o-mini          # everything not said here is as there
        input_usd_per_mtok: 0.30
        covers: moderate

Mistakes are errors that name the file, the entry and the nearest valid word; nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokenthrift.catalog.cards import (
    Bucket,
    CacheRule,
    ModelCard,
    Price,
    Prices,
    PriceTier,
    Service,
    ServicePrices,
)
from tokenthrift.errors import CatalogError


class Cards(Protocol):
    """Cards to extend: the bundled catalog."""

    def get(self, name: str, /) -> ModelCard | None:
        """The card of a model, or None."""
        ...

    def names(self) -> tuple[str, ...]:
        """All model names."""
        ...


PRICE_FIELDS: Final = frozenset(Prices.model_fields)


class UserCard(BaseModel):
    """One entry of the YAML. What is not written is inherited, or not known.

    An entry named like a bundled card corrects it, as if it extended it. Inherited ``tiers`` stay
    unless they are written too (``tiers: []`` clears them).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    extends: str | None = None
    provider: str = ""
    context_window_tokens: int | None = Field(default=None, gt=0)
    max_output_tokens: int | None = Field(default=None, gt=0)
    capabilities: frozenset[str] = frozenset()
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
    tiers: tuple[PriceTier, ...] = ()
    services: dict[Service, ServicePrices] = {}
    cache: CacheRule | None = None
    efforts: tuple[str, ...] | None = None
    sampling: bool | None = None
    covers: Bucket | None = None
    first_token_s: float | None = Field(default=None, ge=0)
    output_tokens_per_s: float | None = Field(default=None, gt=0)
    aliases: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserCards:
    """The cards of one file, resolved, and the digest of what they say."""

    cards: Mapping[str, ModelCard]
    digest: str


def read_user_cards(source: Path | Mapping[str, Any], bundled: Cards) -> UserCards:
    """Read and resolve user cards.

    Args:
        source: a YAML file, or what one would hold.
        bundled: the cards that ``extends`` may name.

    Raises:
        CatalogError: the file cannot be read, an entry is wrong, or ``extends`` leads nowhere.
    """
    label = str(source) if isinstance(source, Path) else "<cards>"
    raw = _load(source, label)
    models = raw.get("models", {}) if isinstance(raw, Mapping) else None
    if not isinstance(models, Mapping) or set(raw) - {"models"}:
        raise CatalogError(f"{label}: expected one key 'models' with a mapping of model cards")
    entries = {str(name): _entry(label, str(name), body) for name, body in models.items()}
    resolver = _Resolver(label, entries, bundled)
    cards = {name: resolver.card(name) for name in entries}
    written = "\n".join(f"{n}: {cards[n].model_dump_json()}" for n in sorted(cards))
    return UserCards(cards, blake2b(written.encode(), digest_size=4).hexdigest())


def _load(source: Path | Mapping[str, Any], label: str) -> Any:
    if not isinstance(source, Path):
        return source
    try:
        return yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except OSError as exc:
        raise CatalogError(f"{label}: cannot read the model cards: {exc.strerror or exc}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise CatalogError(f"{label}: not valid YAML: {exc}") from exc


def _entry(label: str, name: str, body: Any) -> UserCard:
    if not isinstance(body, Mapping):
        raise CatalogError(
            f"{label}: models.{name}: expected a mapping of card fields, got {body!r}"
        )
    try:
        return UserCard.model_validate(dict(body))
    except ValidationError as exc:
        raise CatalogError(f"{label}: {problem(f'models.{name}', exc, UserCard)}") from exc


def problem(where: str, exc: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake in words: where, what, and the nearest field for an unknown one."""
    first = exc.errors(include_url=False)[0]
    place = ".".join([where, *map(str, first["loc"])])
    if first["type"] == "extra_forbidden":
        near = nearest(str(first["loc"][-1]), model.model_fields)
        return f"{place}: unknown field{near}"
    if first["type"] == "value_error":  # our own words, which say what was given
        return f"{place}: {first['msg'].removeprefix('Value error, ')}"
    return f"{place}: {first['msg']}, got {first['input']!r}"


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean ...`` for the closest known words, or nothing."""
    close = get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


class _Resolver:
    """Follows ``extends`` through the user's cards into the bundled ones."""

    def __init__(self, label: str, entries: Mapping[str, UserCard], bundled: Cards) -> None:
        self.label = label
        self.entries = entries
        self.bundled = bundled
        self.done: dict[str, ModelCard] = {}

    def card(self, name: str, asked_by: tuple[str, ...] = ()) -> ModelCard:
        """The resolved card of an entry; ``asked_by`` is the chain that led to it."""
        if name in self.done:
            return self.done[name]
        if name in asked_by:
            chain = " -> ".join((*asked_by, name))
            raise CatalogError(f"{self.label}: models.{asked_by[0]}.extends: circle {chain}")
        entry = self.entries[name]
        base = self._base(name, entry, asked_by)
        said = {field: getattr(entry, field) for field in entry.model_fields_set}
        said.pop("extends", None)
        prices = {field: said.pop(field) for field in PRICE_FIELDS & said.keys()}
        if prices:
            known = base.prices if base is not None and base.prices is not None else Prices()
            said["prices"] = {**known.model_dump(), **prices}
        inherited = {} if base is None else base.model_dump(exclude={"aliases"})
        try:
            card = ModelCard.model_validate(
                {**inherited, **said, "name": name, "source": self.label}
            )
        except ValidationError as exc:
            raise CatalogError(f"{self.label}: {problem(f'models.{name}', exc, UserCard)}") from exc
        self.done[name] = card
        return card

    def _base(self, name: str, entry: UserCard, asked_by: tuple[str, ...]) -> ModelCard | None:
        if entry.extends is None:
            return self.bundled.get(name)
        if entry.extends in self.entries and entry.extends != name:
            return self.card(entry.extends, (*asked_by, name))
        base = self.bundled.get(entry.extends)
        if base is None:
            near = nearest(entry.extends, (*self.entries, *self.bundled.names()))
            raise CatalogError(
                f"{self.label}: models.{name}.extends: no model {entry.extends!r}{near}"
            )
        return base
