"""What a dialect of the simulated provider does: bodies in, bodies and events out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.serve.simulated_cache import PrefixCache
    from tokenthrift.serve.simulated_types import ApiError, Ask, CacheUse, Held, Reply
    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Request


class Dialect(Protocol):
    """One provider API: where it is served, and how it reads and writes.

    To add one, write a sibling of `simulated_chat` and list it in `simulated_desk.DIALECTS`.
    """

    @property
    def wire(self) -> str:
        """Name of the wire adapter that reads its bodies."""
        ...

    @property
    def path(self) -> str:
        """Where it is served."""
        ...

    @property
    def id_prefix(self) -> str:
        """What ids of its replies begin with."""
        ...

    @property
    def request_header(self) -> str:
        """Name of the response header that holds the request's id."""
        ...

    @property
    def only_counts(self) -> bool:
        """Whether it answers with the size of a prompt alone."""
        ...

    def key(self, headers: Mapping[str, str], /) -> str | None:
        """The caller's API key, where the dialect's headers hold one."""
        ...

    def prepared(self, body: Mapping[str, Any], held: Held, /) -> Mapping[str, Any]:
        """The body with what it refers to in place; raises `ApiError` where that is missing."""
        ...

    def ask(self, request: Request, count: TiktokenCounter, /) -> Ask:
        """Validate a body as the provider would; raises `ApiError`."""
        ...

    def too_long(self, tokens: int, window: int, /) -> ApiError:
        """The error of a prompt that exceeds the model's window."""
        ...

    def cache_use(
        self, ask: Ask, cache: PrefixCache, owner: tuple[str, str], now_s: float, /
    ) -> CacheUse:
        """What the cache does with a prompt; afterwards it is in there."""
        ...

    def body(self, reply: Reply, ask: Ask, /) -> dict[str, Any]:
        """The response body of a reply."""
        ...

    def keep(self, reply: Reply, ask: Ask, held: Held, /) -> None:
        """Hold what later requests may refer to."""
        ...

    def events(self, reply: Reply, ask: Ask, /) -> Sequence[bytes]:
        """The same as server-sent events, one chunk each."""
        ...

    def error(self, error: ApiError, /) -> dict[str, Any]:
        """The error body."""
        ...
