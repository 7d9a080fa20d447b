"""Calls that go to a provider of another dialect: through litellm, and back in the caller's own.

A relay cannot pass bytes between dialects, so this is the slow way, taken only where a model's
seller does not speak the caller's dialect. litellm is imported when the first such call comes, or
at the start where a policy makes such calls.
Where a provider is, and with which key, is the service's to say; callers' own keys do not cross.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync

from tokenthrift.serve.events import Event
from tokenthrift.serve.relay import Answered
from tokenthrift.serve.upstreams import (
    APIConnectionError,
    APITimeoutError,
    NoUpstreamError,
    Response,
    status_error,
)
from tokenthrift.transports.bridges import BRIDGES
from tokenthrift.transports.crossing import chat_for
from tokenthrift.transports.crossing_failures import failure_of
from tokenthrift.transports.litellm_sdk import NO_RETRIES, litellm_module
from tokenthrift.transports.reading import is_stream
from tokenthrift.transports.retelling import chat_of, retold
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType
    from typing import Self

    from tokenthrift.catalog import Catalog
    from tokenthrift.route import Attempt
    from tokenthrift.serve.relay import Events, Relay
    from tokenthrift.serve.settings import Settings, Upstream
    from tokenthrift.serve.upstreams import Upstreams
    from tokenthrift.transports.bridges import Telling

JSON_HEADERS: Final = {"content-type": "application/json"}
STREAM_HEADERS: Final = {"content-type": "text/event-stream", "cache-control": "no-cache"}
DONE: Final = b"data: [DONE]\n\n"
MISSING: Final = "litellm, through which calls cross dialects, is not installed"


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where calls of one dialect reach providers of another.

    Attributes:
        upstreams: of the service.
        catalog: says who sells a model.
        timeout_s: that a provider may say nothing at all.
    """

    upstreams: Upstreams
    catalog: Catalog
    timeout_s: float

    @classmethod
    def of(cls, settings: Settings, upstreams: Upstreams, catalog: Catalog) -> Self | None:
        """The crossing of a service; None where all of its providers speak the same dialects."""
        if len({upstream.speaks for upstream in settings.upstreams}) < 2:
            return None
        return cls(upstreams, catalog, settings.upstream_timeout_s)

    def seller_of(self, model: str, /) -> str | None:
        """Whose a model is: a provider's of the service, or who sells it by its card."""
        found = self.upstreams.selling(model)
        if found is not None:
            return found[0].name
        card = self.catalog.get(model)
        return None if card is None else card.provider

    def problem(self, seller: str, /) -> str:
        """Why a seller's models cannot be asked at all; empty if they can."""
        upstream = self.upstreams.named(seller)
        if upstream is None:
            return "no provider of that name is configured (--upstream)"
        if upstream.key is None:
            return f"there is no key for it, which {upstream.key_variable} would be"
        return "" if is_installed() else MISSING

    def warm(self, models: Iterable[str]) -> None:
        """Import litellm, which takes seconds, where a policy's models are of several dialects."""
        sellers = [found[0] for found in map(self.upstreams.selling, models) if found]
        reached = {u.speaks for u in sellers if not self.problem(u.name)}
        if len(reached) > 1:
            litellm()

    def around(self, relay: Relay) -> Crossed:
        """One call's way to providers of all dialects."""
        return Crossed(self, relay)


def is_installed() -> bool:
    """Whether litellm could be imported."""
    return find_spec("litellm") is not None


@cache
def litellm() -> ModuleType:
    """litellm, told to keep quiet: what it prints and logs may hold texts of callers."""
    module = litellm_module()
    module.suppress_debug_info = True  # type: ignore[attr-defined]
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return module


@dataclass(frozen=True, slots=True)
class Crossed:
    """One call's way to a provider and back: relayed, or through litellm."""

    crossing: Crossing
    relay: Relay

    async def complete(
        self, attempt: Attempt, body: Mapping[str, Any], /
    ) -> Answered | Events | Retold:
        """The answer, or its open stream, in the caller's dialect.

        Raises:
            APIStatusError: the provider refused.
            APIConnectionError: it could not be reached, said nothing for too long, or answered what
                makes no sense.
            BridgeError: the body cannot be said in its dialect.
        """
        wire = self.relay.inbound.wire
        found = self.crossing.upstreams.selling(attempt.model)
        if found is None or wire in found[0].wires:
            return await self.relay.complete(attempt, body)
        upstream, model = found
        problem = self.crossing.problem(upstream.name)
        if problem:
            raise NoUpstreamError(f"{attempt.model} is sold by {upstream.name}: {problem}")
        chat = chat_for(wire, body, attempt, upstream.speaks)
        try:
            answer = await self._asked(upstream, model, chat)
            if is_stream(answer):
                return Retold(answer, BRIDGES[wire].telling(body), wire)
            said = BRIDGES[wire].answer(chat_of(answer), body)
        except Exception as error:
            raise _raised(error, wire) from error
        return Answered(Response(200, JSON_HEADERS, json.dumps(said).encode()))

    async def _asked(self, upstream: Upstream, model: str, chat: Mapping[str, Any]) -> Any:
        module = await run_sync(litellm)
        key = upstream.key
        return await module.acompletion(
            **{**chat, "model": f"{upstream.speaks}/{model}"},
            api_base=upstream.root_url,
            api_key=None if key is None else key.get_secret_value(),
            timeout=self.crossing.timeout_s,
            drop_params=True,
            **NO_RETRIES,
        )

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response


class Retold:
    """An open stream of litellm's, retold in the events of the caller's dialect.

    Attributes:
        status: of HTTP.
        headers: of the response.
    """

    def __init__(self, inner: Any, telling: Telling, wire: str) -> None:
        self.status = 200
        self.headers = list(STREAM_HEADERS.items())
        self._inner = inner
        self._telling = telling
        self._wire = wire
        self._ready: deque[Event] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            try:
                chunk = await anext(self._inner, None)
                told = retold(self._telling, chunk)
            except Exception as error:
                raise _raised(error, self._wire) from error
            self._ready.extend(Event(_written(event, self._wire)) for event in told)
            if chunk is None:
                self._is_over = True
                if self._wire == OpenAIChat.name:
                    self._ready.append(Event(DONE))
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Leave the provider's answer where it is."""
        await self._inner.aclose()


def _written(event: Mapping[str, Any], wire: str) -> bytes:
    data = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
    return data if wire == OpenAIChat.name else f"event: {event['type']}\n".encode() + data


def _raised(error: Exception, wire: str) -> Exception:
    """An error as the relay would raise it."""
    if isinstance(error, ImportError):
        return NoUpstreamError(f"{MISSING} as it should be")
    failure = failure_of(error)
    if failure.timed_out:
        return APITimeoutError(f"the provider did not answer in time ({failure.message})")
    if failure.status is None:
        return APIConnectionError(f"the provider's answer did not come ({failure.message})")
    content = json.dumps(failure.body(wire)).encode()
    return status_error(Response(failure.status, {**JSON_HEADERS, **failure.headers}, content))
