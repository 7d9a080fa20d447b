"""Reading a request's body: up to a size, within a time, and as one JSON object."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync

from tokenthrift.serve.errors import Refusal

if TYPE_CHECKING:
    from starlette.types import Receive

    from tokenthrift.serve.settings import Settings

LARGE_BYTES: Final = 256 * 1024  # takes milliseconds to parse, which other calls would wait for
HINT: Final = "expected one JSON object in UTF-8"


class GoneError(Exception):
    """The caller left before its request had come whole."""


async def body_of(receive: Receive, declared: str | None, settings: Settings) -> bytes:
    """The bytes of a request's body.

    Args:
        receive: of ASGI.
        declared: the header ``content-length``.
        settings: how large it may be, and how long it may take.

    Raises:
        Refusal: it is too large (413) or too slow (408).
        GoneError: the caller left.
    """
    most = settings.max_body_bytes
    if declared is not None and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    pieces: list[bytes] = []
    size, more = 0, True
    seconds = settings.body_timeout_s
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                piece = message.get("body", b"")
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise _too_large(most)
                more = message.get("more_body", False)
    except TimeoutError:
        close = {"connection": "close"}
        what = f"the body did not come within {seconds:g} seconds"
        raise Refusal(408, what, headers=close) from None
    return b"".join(pieces)


async def parsed(raw: bytes) -> dict[str, Any]:
    """A body as JSON; large ones are parsed beside the event loop.

    Raises:
        Refusal: it is no JSON object.
    """
    return await run_sync(_parsed, raw) if len(raw) > LARGE_BYTES else _parsed(raw)


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8 ({HINT})") from error
    except RecursionError as error:
        raise Refusal(400, f"the body is nested too deeply ({HINT})") from error
    except ValueError as error:
        raise Refusal(400, f"the body does not parse: {error} ({HINT})") from error
    if not isinstance(body, dict):
        raise Refusal(400, f"the body is a JSON {_kind(body)} ({HINT})")
    return body


def _kind(value: Any) -> str:
    kinds = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _too_large(most: int) -> Refusal:
    # Nobody reads the rest of it, so the connection is of no more use.
    close = {"connection": "close"}
    return Refusal(413, f"the body is larger than {most:,} bytes", headers=close)
