"""The transport of the service: bytes in, bytes out, read on the way.

What a plan did not change goes on byte for byte, and so does what a provider answers. It makes one
attempt and never tries again; that is the policy's.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenthrift.serve.events import Event, Splitter
from tokenthrift.serve.splicing import spliced
from tokenthrift.serve.upstreams import failure_of, opened, read, status_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Self

    import aiohttp

    from tokenthrift.route import Attempt
    from tokenthrift.serve.upstreams import Response, Upstreams

ERROR: int = 400
STREAM: str = "text/event-stream"


class Answered(dict[str, Any]):
    """A whole answer: what it parses to (empty where that is no JSON object), and its bytes.

    Attributes:
        status: of HTTP.
        headers: of the response.
        raw: its content as it came.
    """

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.headers = response.items
        self.raw = response.content
        super().__init__(_parsed(self.raw))

    def written(self, *, looks_closely: bool) -> bytes:
        """Its bytes; written anew where something in it was changed for the caller.

        Args:
            looks_closely: whether anything may have been changed.
        """
        if not looks_closely:
            return self.raw
        return self.raw if self == _parsed(self.raw) else json.dumps(self).encode()


class Events:
    """An open stream of events.

    Attributes:
        status: of HTTP.
        headers: of the response.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = list(response.headers.items())
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.content.iter_any()
        self._splitter = Splitter()
        self._ready: deque[Event] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            try:
                self._ready.extend(self._splitter.feed(await anext(self._pieces)))
            except StopAsyncIteration:
                self._is_over = True
                self._ready.extend(self._splitter.end())
            except Exception as error:
                raise failure_of(error) from error
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Leave the provider's answer where it is."""
        self._response.close()


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request as it came.

    Attributes:
        raw: its body.
        body: what that parses to.
        wire: its dialect.
        path: behind ``/v1``, with its query.
        headers: that go on.
        credentials: the caller's headers that do not, unless the service passes keys on.
    """

    raw: bytes
    body: Mapping[str, Any]
    wire: str
    path: str
    headers: list[tuple[str, str]]
    credentials: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Relay:
    """One call's way to a provider and back."""

    session: aiohttp.ClientSession
    upstreams: Upstreams
    inbound: Inbound

    async def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Answered | Events:
        """The answer, or its open stream.

        Raises:
            APIStatusError: the provider refused.
            APIConnectionError: it could not be reached, or said nothing for too long.
        """
        inbound = self.inbound
        upstream, model = self.upstreams.of(attempt.model, inbound.wire)
        if body.get("model") != model:
            body = {**body, "model": model}
        response = await opened(
            self.session,
            "POST",
            upstream.base_url + inbound.path,
            content=spliced(inbound.raw, inbound.body, body),
            headers=self.upstreams.headers(
                upstream, inbound.wire, inbound.headers, inbound.credentials
            ),
        )
        if response.status < ERROR and response.content_type == STREAM:
            return Events(response)
        whole = await read(response)
        if whole.status >= ERROR:
            raise status_error(whole)
        return Answered(whole)

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
