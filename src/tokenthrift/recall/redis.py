"""A store in a Redis server (extra ``redis``): shared by all replicas, with Redis' own expiry.

How much is kept, and what goes first where that is too much, is the server's to say (``maxmemory``,
``maxmemory-policy``). A server that does not answer is left alone for a while, so that it costs
calls next to nothing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.addresses import shown
from tokenthrift.errors import MissingExtraError, RecallError
from tokenthrift.recall.packing import DAY_S, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

KEY: Final = "tokenthrift:recall:"
CONNECT_S: Final = 0.5
ANSWER_S: Final = 1.0
REST_S: Final = 10.0  # after a failure to reach the server
MOST_DAYS: Final = 36_500  # Redis refuses times that are too long for it
TRIES_AGAIN: Final = 1  # at once, and only where a connection broke, as idle ones do


class RedisRecall:
    """Texts in a Redis server; safe with threads, processes and forks.

    Connects when it is first used: a server that is down is no reason not to start.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads it.
        ttl_days: how long texts are kept after they were last put; None sets no end.
        clock: seconds, rising; for the rest after a failure.

    Raises:
        MissingExtraError: the extra is not installed.
        RecallError: the URL cannot be read.
    """

    def __init__(
        self,
        url: str,
        ttl_days: float | None = 7,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError("redis", "redis") from error
        self.where = shown(url)
        days = None if ttl_days is None else min(ttl_days, MOST_DAYS)
        self._ttl_ms = None if days is None else max(1, int(days * DAY_S * 1000))
        self._clock = clock
        self._rests_until_s = float("-inf")
        self._lost = (redis.ConnectionError, redis.TimeoutError)
        self._errors = redis.RedisError
        try:
            self._server: Any = redis.Redis.from_url(
                url,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                retry=Retry(NoBackoff(), TRIES_AGAIN, supported_errors=(redis.ConnectionError,)),
            )
            pool = self._server.connection_pool
            pool.connection_class(**pool.connection_kwargs)  # knows all options; connects later
        except (ValueError, TypeError):  # their messages may hold the password
            raise RecallError(
                f"{self.where}: not an address of a Redis server; write redis://host:port/0, and "
                "%40 for @, %2F for / in a password"
            ) from None

    def __repr__(self) -> str:
        return f"RedisRecall({self.where!r})"

    def put(self, omitted: Mapping[str, Sequence[str]], /) -> None:
        """Keep texts under their ids; keeping them again only makes them stay longer.

        Raises:
            RecallError: the server cannot be reached, or does not take them.
        """
        with self._reached(), self._server.pipeline(transaction=False) as batch:
            for key, texts in omitted.items():
                batch.set(KEY + key, pack(texts), px=self._ttl_ms)
            batch.execute()

    def get(self, recall_id: str, /) -> tuple[str, ...] | None:
        """The texts of an id, exactly as they were; None where they are gone.

        Raises:
            RecallError: the server cannot be reached, or what it has is damaged.
        """
        with self._reached():
            found: bytes | None = self._server.get(KEY + recall_id)
        if found is None:
            return None
        try:
            return unpack(found)
        except ValueError as exc:
            raise RecallError(f"{self.where}: text {recall_id!r} is {exc}") from exc

    def close(self) -> None:
        """Close the connections; the next use would open new ones."""
        self._server.close()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn redis-py's errors into ours, and let a server rest that cannot be reached."""
        if self._clock() < self._rests_until_s:
            raise RecallError(
                f"{self.where}: did not answer, and is asked again {REST_S:g} seconds later"
            )
        try:
            yield
        except self._lost as exc:
            self._rests_until_s = self._clock() + REST_S
            raise RecallError(f"{self.where}: {exc}; is it running, and may we use it?") from exc
        except self._errors as exc:
            full = "maxmemory" in str(exc)
            hint = "; raise maxmemory, or set maxmemory-policy volatile-ttl" if full else ""
            raise RecallError(f"{self.where}: {exc}{hint}") from exc
