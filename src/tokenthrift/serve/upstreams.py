"""Reaching providers: whom a model is asked of, over which connections, and what can go wrong.

Connections are httpx2's, the client that the SDKs of both providers use. What goes wrong is named
as those SDKs name it, so that retries, fallbacks and records tell failures apart alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.headers import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import httpx2

    from tokenthrift.catalog import Catalog
    from tokenthrift.serve.settings import Settings, Upstream

ANTHROPIC_VERSION: Final = "2023-06-01"  # required by Anthropic; its SDKs send it
CONNECTIONS: Final = 1_000


class APIStatusError(Exception):
    """A provider answered with an error; it goes back to the caller as it came.

    Attributes:
        status_code: of HTTP.
        response: with its headers; its content has been read.
        code: the provider's word for it, where there is one.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.status_code = response.status_code
        self.code = _code(response.content)
        super().__init__(response.content[:2_000].decode("utf-8", "replace"))


class APIConnectionError(Exception):
    """A provider could not be reached, or left in the middle; nobody knows what it did."""


class APITimeoutError(APIConnectionError):
    """A provider said nothing for too long."""


class NoUpstreamError(APIConnectionError):
    """No provider that is configured speaks the call's dialect for a model."""


class Upstreams:
    """The providers that a service reaches.

    Args:
        upstreams: in order; of those that speak a dialect, the first serves what no other does.
        catalog: says who sells a model.
        passes_keys: whether a caller's own key goes on to the first provider of its dialect, where
            the service has none for it; only for services that have no keys themselves.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], catalog: Catalog, *, passes_keys: bool = False
    ) -> None:
        self._upstreams = tuple(upstreams)
        self._named = {u.name: u for u in upstreams}
        self._catalog = catalog
        self._passes_keys = passes_keys

    def speaking(self, wire: str) -> tuple[Upstream, ...]:
        """Those that speak a dialect."""
        return tuple(u for u in self._upstreams if wire in u.wires)

    def of(self, model: str, wire: str) -> tuple[Upstream, str]:
        """Whom a model is asked of in a dialect, and under which name.

        ``groq/llama-4`` names the provider ``groq`` itself, where there is one of that name.

        Raises:
            NoUpstreamError: nobody speaks the dialect for it.
        """
        prefix, _, rest = model.partition("/")
        named = self._named.get(prefix) if rest else None
        if named is not None:
            return self._checked(named, wire, model), rest
        card = self._catalog.get(model)
        seller = None if card is None else self._named.get(card.provider)
        if seller is not None:
            return self._checked(seller, wire, model), model
        speaking = self.speaking(wire)
        if not speaking:
            raise NoUpstreamError(f"no provider that speaks {wire} is configured")
        return speaking[0], model

    def _checked(self, upstream: Upstream, wire: str, model: str) -> Upstream:
        if wire not in upstream.wires:
            raise NoUpstreamError(
                f"{model} is sold by {upstream.name}, which does not speak {wire} here; call it in "
                f"its own dialect ({', '.join(upstream.wires)})"
            )
        return upstream

    def headers(
        self, upstream: Upstream, wire: str, given: Iterable[tuple[str, str]], caller_key: Any
    ) -> list[tuple[str, str]]:
        """The headers of a request to a provider.

        Args:
            upstream: that it goes to.
            wire: of the request.
            given: the caller's, without credentials.
            caller_key: the caller's headers with credentials, in case they go on.
        """
        headers = [*given, ("accept-encoding", "identity")]
        if upstream.speaks == "anthropic" and not any(k == "anthropic-version" for k, _ in headers):
            headers.append(("anthropic-version", ANTHROPIC_VERSION))
        if upstream.key is not None:
            headers.append(_credential(upstream, upstream.key.get_secret_value()))
        elif self._passes_keys and upstream is next(iter(self.speaking(wire)), None):
            headers += [(k, caller_key[k]) for k in sorted(CREDENTIALS) if k in caller_key]
        return headers


def _credential(upstream: Upstream, key: str) -> tuple[str, str]:
    if upstream.speaks == "anthropic":
        return "x-api-key", key
    return "authorization", f"Bearer {key}"


def client_of(settings: Settings) -> httpx2.AsyncClient:
    """The connections of a service."""
    import httpx2

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(settings.upstream_timeout_s, connect=settings.connect_timeout_s),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS),
        follow_redirects=False,
        headers={"user-agent": "tokenthrift"},
    )


def failure_of(error: Exception) -> Exception:
    """What an error of the HTTP client means, in the words of the SDKs."""
    import httpx2

    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, httpx2.TimeoutException):
        return APITimeoutError(f"the provider did not answer in time ({what})")
    if isinstance(error, httpx2.TransportError):
        return APIConnectionError(f"the provider could not be reached ({what})")
    return error


def _code(content: bytes) -> str | None:
    try:
        error: Mapping[str, Any] = json.loads(content)["error"]
        return str(error["code"]) if error.get("code") else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
