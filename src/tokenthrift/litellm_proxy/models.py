"""Models by the names of a proxy's router, and by the names of their cards.

A proxy gives models names of its own: ``fast`` may be ``openai/gpt-4o-mini``. Prices and abilities
are of the latter, requests are sent to the former.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tokenthrift.catalog import Catalog

ALL: frozenset[str] = frozenset({"*", "all-proxy-models"})
"""Words in a list of models that mean every one."""
OF_TEAM = "all-team-models"


class ProxyModels:
    """What a proxy's router knows, as far as the catalog does too.

    Args:
        catalog: model cards.
        router: gives the proxy's router, which is there once the proxy is up; None before.
    """

    def __init__(self, catalog: Catalog, router: Callable[[], Any]) -> None:
        self._catalog = catalog
        self._router = router

    def card_name(self, name: str) -> str:
        """The name of the card behind a name of the proxy; itself where there is none, or several.

        A card of the user's own for the proxy's name goes first.
        """
        own = self._catalog.get(name)
        if own is not None and own.source != self._bundled_source:
            return own.name
        behind = {self.known(_said(d)) for d in self._deployments(name)} - {None}
        if len(behind) == 1:
            return str(behind.pop())
        return name if own is None else own.name

    def known(self, names: Iterable[str]) -> str | None:
        """The first of some names that has a card, as its card names it."""
        cards = (self._catalog.get(name) for name in names)
        return next((card.name for card in cards if card is not None), None)

    def served_as(self, model: str, allowed: Callable[[str], bool]) -> str | None:
        """The proxy's name for a model, of those that a caller may use; None where there is none.

        A group that shares its load among several models stands for none of them.
        """
        wanted = self._catalog.get(model)
        names = self.names()
        for name in (model, *(n for n in names if n != model)):
            if name not in names or not allowed(name):
                continue
            if name == model or (wanted is not None and self.card_name(name) == wanted.name):
                return name
        return None

    def serves(self, name: str) -> bool:
        """Whether the router knows a name; a proxy without a router takes every one."""
        return self._router() is None or bool(self._deployments(name))

    def names(self) -> tuple[str, ...]:
        """All that the router serves for everybody, in its order."""
        router = self._router()
        return () if router is None else tuple(dict.fromkeys(router.get_model_names()))

    def _deployments(self, name: str) -> Sequence[Mapping[str, Any]]:
        router = self._router()
        return () if router is None else router.get_model_list(model_name=name) or ()

    @property
    def _bundled_source(self) -> str:
        bundled = self._catalog.get("gpt-4o")
        return "" if bundled is None else bundled.source


def may_use(name: str, models: Sequence[str], team_models: Sequence[str]) -> bool:
    """Whether a key with such lists of models may be sent to a model by its name.

    Lists that are empty allow every model. Groups of models are not looked into: what they may
    allow is not taken.
    """
    if OF_TEAM in models:
        models = team_models
    if models and name not in models and not ALL & set(models):
        return False
    return not team_models or name in team_models or bool(ALL & set(team_models))


def _said(deployment: Mapping[str, Any]) -> tuple[str, ...]:
    """What a deployment says its model is: the base model, then the one that is called."""
    info = deployment.get("model_info") or {}
    params = deployment.get("litellm_params") or {}
    said = (info.get("base_model"), params.get("base_model"), params.get("model"))
    return tuple(str(name) for name in said if name)
