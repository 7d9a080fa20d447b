"""Answers of litellm's, in Chat's form, as the caller's own SDK would have given them.

An SDK's ``post`` is told the type of its answer and of a stream's events; answers are made into
these as the SDK makes them, leniently, so that neither SDK is imported by name.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args, get_origin

import httpx
from pydantic import create_model

from tokenthrift.transports.bridges import BRIDGES
from tokenthrift.transports.crossing_failures import sdk_error
from tokenthrift.transports.reading import is_stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from tokenthrift.transports.bridges import Telling
    from tokenthrift.transports.posting import Posting


def chat_of(answer: Any) -> dict[str, Any]:
    """An answer or a chunk of litellm's as plain data."""
    said: dict[str, Any] = answer.model_dump(exclude_none=True, warnings=False)
    return said


def retold(telling: Telling, chunk: Any) -> list[dict[str, Any]]:
    """The events that a chunk of litellm's comes to, or the end of its stream where there is none.

    Raises:
        BrokenAnswerError: the stream was cut.
    """
    return telling.end() if chunk is None else telling.tell(chat_of(chunk))


def as_sdk(answer: Any, posting: Posting, body: Mapping[str, Any]) -> Any:
    """An answer of litellm's, or its open stream, as the SDK would give it.

    Args:
        answer: to a call.
        posting: of the call; knows the types.
        body: that was sent, in the call's wire.

    Raises:
        BrokenAnswerError: it makes no sense.
    """
    bridge, given = BRIDGES[posting.wire], posting.given
    if not is_stream(answer):
        return made(given["cast_to"], bridge.answer(chat_of(answer), body))
    streamed = given["stream_cls"]
    form = (get_args(streamed)[0], sdk_of(streamed), posting.wire)
    return _stream_of(streamed)(answer, bridge.telling(body), form)


def sdk_of(kind: Any) -> str:
    """The package of an SDK's type."""
    return str((get_origin(kind) or kind).__module__.partition(".")[0])


def made(kind: Any, value: Any) -> Any:
    """A value of one of an SDK's types, a union of them included."""
    return _holder(kind).construct(told=value).told


@lru_cache(maxsize=64)
def _holder(kind: Any) -> Any:
    package = sdk_of(kind) if isinstance(kind, type) else sdk_of(_member(kind))
    return create_model("Told", __base__=import_module(package).BaseModel, told=(kind, ...))


def _member(union: Any) -> Any:
    """One of the classes of a union, which may carry notes."""
    while not isinstance(union, type):
        union = get_args(union)[0]
    return union


class _Retold:
    """What blocking and awaiting streams share.

    Args:
        inner: litellm's stream.
        telling: retells it.
        form: of the events: their type, the SDK's package, the call's wire.
    """

    def __init__(self, inner: Any, telling: Telling, form: tuple[Any, str, str]) -> None:
        self._inner = inner
        self._telling = telling
        self._event, self._sdk, self._wire = form
        self._ready: deque[dict[str, Any]] = deque()
        self._is_over = False
        self.response = httpx.Response(200)

    def _take(self, chunk: Any) -> None:
        """Read a chunk, or the end where there is none."""
        self._is_over = chunk is None
        self._ready.extend(retold(self._telling, chunk))

    def _raised(self, error: Exception) -> Exception:
        return sdk_error(error, self._sdk, self._wire)

    def _next(self) -> Any:
        return made(self._event, self._ready.popleft())


class _Blocking(_Retold):
    """A stream that is iterated over."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            while not self._ready and not self._is_over:
                self._take(next(self._inner, None))
        except Exception as error:
            raise self._raised(error) from error
        if not self._ready:
            raise StopIteration
        return self._next()

    def close(self) -> None:
        """Close litellm's stream; its blocking ones may have no way to but the one inside them."""
        for owner in (self._inner, getattr(self._inner, "completion_stream", None)):
            close = getattr(owner, "close", None)
            if callable(close):
                close()
                return


class _Awaiting(_Retold):
    """A stream that is iterated over with ``async for``."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            while not self._ready and not self._is_over:
                self._take(await anext(self._inner, None))
        except Exception as error:
            raise self._raised(error) from error
        if not self._ready:
            raise StopAsyncIteration
        return self._next()

    async def close(self) -> None:
        """Close litellm's stream."""
        close = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()


@lru_cache(maxsize=16)
def _stream_of(stream_cls: Any) -> Any:
    """A subclass of an SDK's class of streams, under its name."""
    kind = get_origin(stream_cls)
    own = _Awaiting if hasattr(kind, "__anext__") else _Blocking
    return type(kind.__name__, (own, kind), {"__doc__": kind.__doc__, "__module__": __name__})
