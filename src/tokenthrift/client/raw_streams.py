"""Responses that are opened raw: the caller reads bytes, and the account reads along.

All ways of an SDK to read a response but its undecoded bytes lead through the HTTP response's own
``iter_bytes`` or ``aiter_bytes``, so these are what is watched; the response stays the SDK's.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.call import RECEIPT
from tokenthrift.client.threads import once_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tokenthrift.client.streams import Recording

EVENT_END: Final = re.compile(rb"\r?\n\r?\n")
DATA: Final = re.compile(rb"^data:[ ]?([^\r\n]*)", re.MULTILINE)
DONE: Final = b"[DONE]"
# Of Messages and of Responses; Chat says `DONE`.
LAST: Final = ("message_stop", "response.completed", "response.incomplete", "response.failed")


def read_along(response: Any, recording: Recording, *, streamed: bool) -> Any:
    """A raw response whose record is written when it was read to its end, or is closed.

    Args:
        response: of the SDK, open.
        recording: of its call.
        streamed: whether it comes in events, not as one JSON.
    """
    raw = response.http_response
    reading = _Reading(response, recording, streamed=streamed)
    iter_bytes, aiter_bytes, close, aclose = raw.iter_bytes, raw.aiter_bytes, raw.close, raw.aclose

    def read(chunk_size: int | None = None) -> Iterator[bytes]:
        pieces = iter_bytes(chunk_size)
        while (piece := reading.next_of(pieces)) is not None:
            yield piece
        reading.end()

    async def read_async(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        pieces = aiter_bytes(chunk_size)
        while (piece := await reading.anext_of(pieces)) is not None:
            yield piece
        await once_in_thread(reading.end)

    def closed() -> None:
        close()
        reading.left()

    async def closed_async() -> None:
        await aclose()
        await once_in_thread(reading.left)

    raw.iter_bytes, raw.aiter_bytes, raw.close, raw.aclose = read, read_async, closed, closed_async
    return response


class _Reading:
    """What has been read of a raw response."""

    def __init__(self, response: Any, recording: Recording, *, streamed: bool) -> None:
        self._held = vars(response)
        self._held[RECEIPT] = recording.receipt
        self._recording = recording
        self._streamed = streamed
        self._rest = b""
        self._is_reading = False  # the HTTP response closes itself at its end
        self._is_over = False

    def next_of(self, pieces: Iterator[bytes]) -> bytes | None:
        """The next bytes; None at the end."""
        self._is_reading = True
        try:
            piece = next(pieces, None)
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            self._is_reading = False
        self._take(piece)
        return piece

    async def anext_of(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The same, awaiting."""
        self._is_reading = True
        try:
            piece = await anext(pieces, None)
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            self._is_reading = False
        self._take(piece)
        return piece

    def end(self) -> None:
        """All of it was read."""
        if not self._streamed:
            self._note(self._rest)
        self._ended()

    def left(self) -> None:
        """It was closed, at its end or before."""
        if not self._is_reading:
            self._ended(cancelled=not self._is_over)

    def _take(self, piece: bytes | None) -> None:
        self._rest += piece or b""
        if not self._streamed:
            return
        *events, self._rest = EVENT_END.split(self._rest)
        for event in events:
            self._note(b"\n".join(DATA.findall(event)))

    def _note(self, data: bytes) -> None:
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            self._is_over |= data == DONE
            return
        if isinstance(said, dict):
            self._is_over |= said.get("type") in LAST
            self._recording.note(said)

    def _ended(self, error: BaseException | None = None, *, cancelled: bool = False) -> None:
        self._recording.end(error, cancelled=cancelled)
        self._held[RECEIPT] = self._recording.receipt
