"""Reaching providers: whom a model is asked of, over which connections, and what can go wrong.

Connections are aiohttp's: a request costs it a fifth of the processor time that httpx2 takes. What
goes wrong is named as the providers' SDKs name it, so that retries, fallbacks and records tell
failures apart alike.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.headers import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import aiohttp

    from tokenthrift.catalog import Catalog
    from tokenthrift.serve.settings import Settings, Upstream

ANTHROPIC_VERSION: Final = "2023-06-01"  # required by Anthropic; its SDKs send it
IDLE_S: Final = 60.0  # that a connection is kept without requests; providers close theirs later
PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
# What aiohttp would say for a caller that says nothing.
UNSAID: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
# How the SDKs name errors of these statuses; all from 500 on are theirs as well.
NAMES: Final = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    413: "RequestTooLargeError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response of a provider."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def items(self) -> list[tuple[str, str]]:
        """Its headers, those that come twice included."""
        return list(self.headers.items())


class APIStatusError(Exception):
    """A provider answered with an error; it goes back to the caller as it came.

    Attributes:
        status_code: of HTTP.
        response: with its headers; its content has been read.
        code: the provider's word for it, where there is one.
    """

    def __init__(self, response: Response) -> None:
        self.response = response
        self.status_code = response.status
        self.code = _code(response.content)
        super().__init__(response.content[:2_000].decode("utf-8", "replace"))


def status_error(response: Response) -> APIStatusError:
    """The error of a response, under the name that the SDKs give it."""
    other = "InternalServerError" if response.status >= SERVER_ERROR else APIStatusError.__name__
    return _named(NAMES.get(response.status, other))(response)


@cache
def _named(name: str) -> type[APIStatusError]:
    return type(name, (APIStatusError,), {"__doc__": APIStatusError.__doc__})


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
        catalog: says who sells a model; where several policies have cards of their own, that of the
            first.
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
        found = self.selling(model)
        if found is not None:
            return self._checked(found[0], wire, model), found[1]
        speaking = self.speaking(wire)
        if not speaking:
            raise NoUpstreamError(f"no provider that speaks {wire} is configured")
        return speaking[0], model

    def named(self, name: str) -> Upstream | None:
        """The provider of a name."""
        return self._named.get(name)

    def selling(self, model: str) -> tuple[Upstream, str] | None:
        """Who sells a model, in whatever dialect, and under which name; None where nobody says."""
        prefix, _, rest = model.partition("/")
        named = self._named.get(prefix) if rest else None
        if named is not None:
            return named, rest
        card = self._catalog.get(model)
        seller = None if card is None else self._named.get(card.provider)
        return None if seller is None else (seller, model)

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


def sellers_of(upstreams: Sequence[Upstream]) -> dict[str, frozenset[str]]:
    """Whose models can be asked for in which dialect."""
    return {
        name: frozenset(u.name for u in upstreams if name in u.wires)
        for name in dict.fromkeys(name for u in upstreams for name in u.wires)
    }


def session_of(settings: Settings) -> aiohttp.ClientSession:
    """The connections of a service; made inside its event loop."""
    import aiohttp

    waits = aiohttp.ClientTimeout(
        total=None,
        sock_connect=settings.connect_timeout_s,
        sock_read=settings.upstream_timeout_s,
    )
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
        cookie_jar=aiohttp.DummyCookieJar(),  # what a provider tells one caller is no other's
        timeout=waits,
        skip_auto_headers=UNSAID,
        # To look for a proxy takes a thread for each request, so only where there may be one.
        trust_env=any(os.environ.get(n) or os.environ.get(n.upper()) for n in PROXIES),
    )


async def opened(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    content: bytes | None,
    headers: list[tuple[str, str]],
) -> aiohttp.ClientResponse:
    """The response to a request, its content unread.

    Raises:
        APIConnectionError: the provider could not be reached, or said nothing for too long.
    """
    import yarl

    where = yarl.URL(url, encoded=True)  # as it came
    try:
        return await session.request(
            method, where, data=content, headers=headers, allow_redirects=False
        )
    except Exception as error:
        raise failure_of(error) from error


async def read(response: aiohttp.ClientResponse) -> Response:
    """A response with its content, its connection let go.

    Raises:
        APIConnectionError: the provider left in the middle, or said nothing for too long.
    """
    try:
        content = await response.read()
    except Exception as error:
        raise failure_of(error) from error
    return Response(response.status, response.headers, content)


def failure_of(error: Exception) -> Exception:
    """What an error of the HTTP client means, in the words of the SDKs."""
    import aiohttp

    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, TimeoutError):
        return APITimeoutError(f"the provider did not answer in time ({what})")
    if isinstance(error, aiohttp.ClientError | OSError):
        return APIConnectionError(f"the provider could not be reached ({what})")
    return error


def _code(content: bytes) -> str | None:
    try:
        error: Mapping[str, Any] = json.loads(content)["error"]
        return str(error["code"]) if error.get("code") else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
