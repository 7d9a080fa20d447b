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
REGISTRY = "registry"
"""What routers of LiteLLM from 1.110 on answer from; those before answer themselves."""


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
        """The name of the card behind a name of the proxy; what is called where that has no card.

        A card of the user's own for the proxy's name goes first. A group of several models, as for
        load balancing, is taken for what its name says.
        """
        own = self._catalog.get(name)
        if own is not None and self._catalog.is_own(name):
            return own.name
        said = [_said(deployment) for deployment in self._deployments(name)]
        behind = {self.known(names) or names[0] for names in said if names}
        if len(behind) == 1:
            return behind.pop()
        return name if own is None else own.name

    def known(self, names: Iterable[str]) -> str | None:
        """The first of some names that has a card, as its card names it."""
        cards = (self._catalog.get(name) for name in names)
        return next((card.name for card in cards if card is not None), None)

    def served_as(self, model: str, allowed: Callable[[str], bool]) -> str | None:
        """The proxy's name for a model, of those that a caller may use; None where there is none.

        A group of several models stands for the one that has its name, or for none.
        """
        wanted = self._catalog.get(model)
        names = self.names()
        for name in (model, *(n for n in names if n != model)):
            if name not in names or not allowed(name):
                continue
            if wanted is not None and self.card_name(name) == wanted.name:
                return name
        return None

    def serves(self, name: str) -> bool:
        """Whether the router knows a name; a proxy without a router takes every one."""
        return self._router() is None or bool(self._deployments(name))

    def names(self) -> tuple[str, ...]:
        """All that the router serves for everybody, in its order."""
        router = self._router()
        if router is None:
            return ()
        new = hasattr(router, REGISTRY)
        listed = (router.registry().names if new else router.get_model_names)()
        return tuple(dict.fromkeys(listed))

    def _deployments(self, name: str) -> Sequence[Mapping[str, Any]]:
        router = self._router()
        if router is None:
            return ()
        new = hasattr(router, REGISTRY)
        return (router.registry().deployments if new else router.get_model_list)(name) or ()


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
