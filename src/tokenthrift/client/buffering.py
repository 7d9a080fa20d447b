"""Streams that were read to their end, and checked, before the caller sees the first byte.

Their chunks come again, in order, from memory. A stream that breaks on the way has shown the caller
nothing, so another attempt can take its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Buffered", "kind_of", "read_all", "read_all_async"]


class Buffered:
    """A stream whose chunks are all here; everything else is the stream's own.

    Attributes:
        chunks: all of them, in order.
    """

    def __init__(self, stream: Any, chunks: Sequence[Any]) -> None:
        self._stream = stream
        self.chunks = chunks
        self._left = iter(chunks)

    def __getattr__(self, name: str) -> Any:
        """Whatever is not ours is the stream's."""
        if name == "_stream":  # not there yet
            raise AttributeError(name)
        return getattr(self._stream, name)


class _Blocking(Buffered):
    def __next__(self) -> Any:
        return next(self._left)


class _Awaiting(Buffered):
    async def __anext__(self) -> Any:
        try:
            return next(self._left)
        except StopIteration:
            raise StopAsyncIteration from None


def kind_of(stream: Any) -> type:
    """The class of a stream, of a buffered one that of the stream behind it."""
    return type(vars(stream)["_stream"]) if isinstance(stream, Buffered) else type(stream)


def read_all(stream: Any) -> Buffered:
    """Read a stream to its end; raises what breaks it."""
    return _Blocking(stream, list(stream))


async def read_all_async(stream: Any) -> Buffered:
    """The same, awaiting."""
    return _Awaiting(stream, [chunk async for chunk in stream])
