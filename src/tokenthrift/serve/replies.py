"""Responses of the service: whole ones, and streams that are sent as they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.errors import PASSING, Refusal, shaped
from tokenthrift.serve.headers import SECURITY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Send

JSON: Final = ("content-type", "application/json")
# The SDKs of both providers try again after 429 and 5xx unless this says not to.
FINAL: Final = ("x-should-retry", "false")
NOT_KEPT: Final = ("cache-control", "no-store")


async def begin(
    send: Send,
    status: int,
    headers: Iterable[tuple[str, str]],
    security: Iterable[tuple[str, str]] = SECURITY,
) -> None:
    """Send the head of a response."""
    encoded = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in (*headers, *security)]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def piece(send: Send, content: bytes, *, last: bool = False) -> None:
    """Send a part of a response's body."""
    await send({"type": "http.response.body", "body": content, "more_body": not last})


async def whole(
    send: Send,
    status: int,
    headers: Iterable[tuple[str, str]],
    content: bytes,
    security: Iterable[tuple[str, str]] = SECURITY,
) -> None:
    """Send a response."""
    await begin(send, status, (*headers, ("content-length", str(len(content)))), security)
    await piece(send, content, last=True)


async def say(send: Send, data: Any, status: int = 200) -> None:
    """Send data of the service's own as JSON."""
    await whole(send, status, (JSON, NOT_KEPT), json.dumps(data, default=str).encode())


async def refuse(
    send: Send, refusal: Refusal, wire: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send a refusal in the shape of a dialect."""
    said = [JSON, NOT_KEPT, *headers, *refusal.headers.items()]
    if refusal.status not in PASSING:
        said.append(FINAL)
    await whole(send, refusal.status, said, json.dumps(shaped(refusal, wire)).encode())
