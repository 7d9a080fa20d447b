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
from tokenthrift.serve.upstreams import APIStatusError, failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Self

    import httpx2

    from tokenthrift.route import Attempt
    from tokenthrift.serve.upstreams import Upstreams

ERROR: int = 400
STREAM: str = "text/event-stream"


class Answered(dict[str, Any]):
    """A whole answer: what it parses to (empty where that is no JSON object), and its bytes.

    Attributes:
        status: of HTTP.
        headers: of the response.
        raw: its content as it came.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers.multi_items()
        self.raw = response.content
        super().__init__(_parsed(self.raw))

    def written(self) -> bytes:
        """Its bytes; written anew where something in it was changed for the caller."""
        return self.raw if self == _parsed(self.raw) else json.dumps(self).encode()


class Events:
    """An open stream of events.

    Attributes:
        status: of HTTP.
        headers: of the response.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers.multi_items()
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()
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
        await self._response.aclose()


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

    client: httpx2.AsyncClient
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
        response = await send(
            self.client,
            "POST",
            upstream.base_url + inbound.path,
            content=spliced(inbound.raw, inbound.body, body),
            headers=self.upstreams.headers(
                upstream, inbound.wire, inbound.headers, inbound.credentials
            ),
        )
        kind = response.headers.get("content-type", "")
        if response.status_code < ERROR and kind.startswith(STREAM):
            return Events(response)
        await read(response)
        if response.status_code >= ERROR:
            raise APIStatusError(response)
        return Answered(response)

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response


async def send(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    content: bytes | None,
    headers: list[tuple[str, str]],
) -> httpx2.Response:
    """The response to a request, its content unread.

    Raises:
        APIConnectionError: the provider could not be reached, or said nothing for too long.
    """
    request = client.build_request(method, url, content=content, headers=headers)
    try:
        return await client.send(request, stream=True)
    except Exception as error:
        raise failure_of(error) from error


async def read(response: httpx2.Response) -> None:
    """Read the content of a response, and let go of its connection."""
    try:
        await response.aread()
    except Exception as error:
        raise failure_of(error) from error
    finally:
        await response.aclose()


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
