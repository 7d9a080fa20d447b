"""The catalog: model names to cards, the user's own before the bundled ones.

Loading is lazy (the price map is read at the first lookup, a card is made when asked for) and pure:
no network, no clock. A name with a seller in front of it never gets another seller's prices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.catalog.prices import PriceMap, bundled_prices, card_of
from tokenthrift.catalog.user_cards import UserCards, nearest, read_user_cards
from tokenthrift.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tokenthrift.catalog.cards import ModelCard

# Sellers of their own models, in whose name a bare model name is tried. Resellers are not tried:
# their prices differ.
FIRST_PARTY: Final = (
    "openai",
    "anthropic",
    "gemini",
    "deepseek",
    "mistral",
    "xai",
    "groq",
    "cohere",
    "moonshot",
    "dashscope",
    "zai",
    "minimax",
)

# Callers of a service choose the names they ask for, so what is remembered is bounded.
REMEMBERED_NAMES: Final = 8_192


class Catalog:
    """Model cards by name.

    Args:
        bundled: the price map.
        user: the user's own cards, which go first.

    Raises:
        CatalogError: two user cards claim one alias, or an alias is also a user's model.
    """

    def __init__(self, bundled: PriceMap, user: UserCards | None = None) -> None:
        self._bundled = bundled
        self._user: Mapping[str, ModelCard] = user.cards if user is not None else {}
        self._aliases = _aliases(self._user)
        self._made: dict[str, ModelCard | None] = {}
        self.snapshot = bundled.snapshot + (f"+cards-{user.digest}" if user is not None else "")

    def __repr__(self) -> str:
        """Which snapshot it is, and of how many models."""
        return f"Catalog({self.snapshot!r}, {len(self.names())} models)"

    def get(self, name: str) -> ModelCard | None:
        """The card of a model, or None.

        Tried in order: the name, an alias, the name without its seller's prefix
        (``openai/gpt-4o``), the name at its own maker (``deepseek-reasoner``), the base of a
        fine-tune (``ft:gpt-4o-...:org::id``).
        """
        if name in self._made:
            return self._made[name]
        if len(self._made) >= REMEMBERED_NAMES:
            self._made.clear()
        return self._made.setdefault(name, self._find(name))

    def is_own(self, name: str) -> bool:
        """Whether the card of a name is one of the user's."""
        card = self.get(name)
        return card is not None and card.name in self._user

    def require(self, name: str) -> ModelCard:
        """The card of a model.

        Raises:
            CatalogError: there is none; the message lists near names and what to do.
        """
        card = self.get(name)
        if card is None:
            near = nearest(name, (*self.names(), *self._aliases))
            raise CatalogError(
                f"no model card for {name!r}{near or '.'} Or add one to your model cards"
            )
        return card

    def names(self) -> tuple[str, ...]:
        """All model names, sorted; aliases are not in it."""
        return tuple(sorted({*self._user, *self._bundled.entries}))

    def __iter__(self) -> Iterator[ModelCard]:
        """All cards, by name."""
        return (self.require(name) for name in self.names())

    def _find(self, name: str) -> ModelCard | None:
        for candidate in (name, name.lower()):
            card = self._exact(candidate)
            if card is not None:
                return card
        return self._without_prefix(name) or self._at_maker(name) or self._fine_tuned(name)

    def _exact(self, name: str) -> ModelCard | None:
        own = self._user.get(self._aliases.get(name, name))
        if own is not None:
            return own
        entry = self._bundled.entries.get(name)
        return None if entry is None else card_of(name, entry, self._bundled.source)

    def _without_prefix(self, name: str) -> ModelCard | None:
        seller, slash, rest = name.partition("/")
        card = self._exact(rest) if slash else None
        return card if card is not None and card.provider == seller.lower() else None

    def _at_maker(self, name: str) -> ModelCard | None:
        if "/" in name:
            return None
        tried = (self._exact(f"{maker}/{name}") for maker in FIRST_PARTY)
        return next((card for card in tried if card is not None), None)

    def _fine_tuned(self, name: str) -> ModelCard | None:
        if not name.startswith("ft:"):
            return None
        return self._exact(":".join(name.split(":")[:2]))


def _aliases(cards: Mapping[str, ModelCard]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, card in cards.items():
        for alias in card.aliases:
            taken = alias if alias in cards else found.get(alias)
            if taken is not None and taken != name:
                raise CatalogError(
                    f"{card.source}: models.{name}.aliases: {alias!r} already names {taken!r}"
                )
            found[alias] = name
    return found


def load_catalog(user_cards: Path | Mapping[str, Any] | None = None) -> Catalog:
    """The bundled catalog, with the user's cards in front where given.

    Args:
        user_cards: a YAML file, or what one would hold: ``{"models": {name: {...}}}``.

    Raises:
        CatalogError: the price map or the cards cannot be read; says the file and the entry.
    """
    if user_cards is None:
        return _bundled()
    return Catalog(bundled_prices(), read_user_cards(user_cards, _bundled()))


@lru_cache(maxsize=1)
def _bundled() -> Catalog:
    return Catalog(bundled_prices())
