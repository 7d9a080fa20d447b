"""Streams that keep an account: the SDK's stream type, chunk for chunk, settled when it is over.

A wrapper is a subclass of the wrapped stream's own class that delegates everything, so code written
for the SDK's type keeps working. It is over when it ends, breaks, is closed, or is dropped.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tokenthrift.client.billing import usage_of
from tokenthrift.client.call import Receipt
from tokenthrift.client.threads import once_in_thread
from tokenthrift.transports import answer_text, has_nothing_to_say, reported_usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.route import Outcome


def gave_up(error: BaseException | None) -> bool:
    """Whether an exception means that the caller gave up: a cancelled task, Ctrl+C, an exit."""
    return error is not None and not isinstance(error, Exception)


class Recording:
    """What is known of an open stream; `end` writes its record, once.

    Args:
        account: of the client.
        call: the stream answers.
        outcomes: of the call's attempts; the last one opened the stream.
        hides_usage: the caller did not ask for the usage that the stream reports.
    """

    def __init__(
        self, account: Account, call: Call, outcomes: Sequence[Outcome], *, hides_usage: bool
    ) -> None:
        self.account = account
        self.receipt = Receipt(call.record_id, call.plan)
        self._call = call
        self._outcomes = tuple(outcomes)
        self._hides_usage = hides_usage
        self._reported: dict[str, Any] | None = None
        self._text: list[str] = []
        self._times_s: tuple[float, float] | None = None  # of the first and the last chunk
        self._chunks = 0
        self._opened_s = account.outside.stopwatch_s()
        self._ended = threading.Lock()  # taken by whoever ends it first, and kept

    @property
    def is_open(self) -> bool:
        """Whether no record has been written yet."""
        return not self._ended.locked()

    def see(self, chunk: Any) -> bool:
        """Note a chunk; says whether the caller is to see it, and hides its usage if need be."""
        now_s = self.account.outside.stopwatch_s()
        self._times_s = (now_s if self._times_s is None else self._times_s[0], now_s)
        self._chunks += 1
        self._text.append(answer_text(chunk))
        usage = reported_usage(chunk)
        if usage is not None:
            self._reported = usage
        if not self._hides_usage:
            return True
        if getattr(chunk, "usage", None) is not None:
            if has_nothing_to_say(chunk):
                return False
            chunk.usage = None
        fields_set = getattr(chunk, "model_fields_set", None)
        if isinstance(fields_set, set):
            fields_set.discard("usage")  # so that dumps of set fields are what they would be
        return True

    def end(self, error: BaseException | None = None, *, cancelled: bool = False) -> None:
        """Write the record, unless it is written; a stream without an error has ended or was left.

        Args:
            error: what broke the stream.
            cancelled: the caller closed it, or dropped it.
        """
        if not self._ended.acquire(blocking=False):
            return
        opened = self._outcomes[-1]
        model = opened.attempt.model
        first_ms = last_ms = None
        if self._times_s is not None:
            first_ms, last_ms = (opened.latency_ms + self._since_open_ms(t) for t in self._times_s)
        final = replace(
            opened,
            response=None,
            error=error,
            usage=usage_of(self._call.wire, self._reported, "".join(self._text), model),
            latency_ms=opened.latency_ms if last_ms is None else last_ms,
            first_chunk_ms=first_ms,
        )
        pace_ms = None
        if first_ms is not None and last_ms is not None and self._chunks > 1:
            pace_ms = (last_ms - first_ms) / (self._chunks - 1)
        record = self.account.settle(
            self._call,
            (*self._outcomes[:-1], final),
            cancelled=cancelled or gave_up(error),
            inter_chunk_ms=pace_ms,
        )
        self.receipt = replace(self.receipt, record=record)

    def _since_open_ms(self, at_s: float) -> float:
        return max(0.0, (at_s - self._opened_s) * 1000)


class _Recorded:
    """What both kinds of wrapper share: delegation, and the receipt."""

    _inner: Any
    _recording: Recording

    def __init__(self, inner: Any, recording: Recording) -> None:
        self._inner = inner
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        """Whatever is not ours is the wrapped stream's."""
        if name in ("_inner", "_recording"):  # not there yet, or the instance was never made
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def tokenthrift(self) -> Receipt:
        """The receipt; it has a record once the stream is over."""
        return self._recording.receipt

    def __del__(self) -> None:
        recording: Recording | None = self.__dict__.get("_recording")
        if recording is not None and recording.is_open:
            recording.account.abandon(lambda: recording.end(cancelled=True))


class _RecordedStream(_Recorded):
    """A stream that is iterated over."""

    def __next__(self) -> Any:
        while True:
            try:
                chunk = next(self._inner)
            except StopIteration:
                self._recording.end()
                raise
            except BaseException as error:
                self._recording.end(error)
                raise
            if self._recording.see(chunk):
                return chunk

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the wrapped stream; what has not come will not be read."""
        try:
            close = _method(self._inner, "close")
            if close is not None:
                close()
        finally:
            self._recording.end(cancelled=True)


class _AsyncRecordedStream(_Recorded):
    """A stream that is iterated over with ``async for``."""

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await anext(self._inner)
            except StopAsyncIteration:
                await once_in_thread(self._recording.end)
                raise
            except BaseException as error:
                self._recording.end(error)
                raise
            if self._recording.see(chunk):
                return chunk

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the wrapped stream; what has not come will not be read."""
        try:
            close = _method(self._inner, "close", "aclose")
            if close is not None:
                await close()
        finally:
            self._recording.end(cancelled=True)

    async def aclose(self) -> None:
        """The same, as async generators name it."""
        await self.close()


def recorded(stream: Any, recording: Recording) -> Any:
    """A blocking stream of the same class, with an account."""
    return _class_of(type(stream), _RecordedStream)(stream, recording)


def recorded_async(stream: Any, recording: Recording) -> Any:
    """An awaiting stream of the same class, with an account."""
    return _class_of(type(stream), _AsyncRecordedStream)(stream, recording)


_classes: dict[tuple[type, type], type] = {}


def _class_of(kind: type, mixin: type[_Recorded]) -> type[Any]:
    """A subclass of a stream's class, made once, under its name."""
    found = _classes.get((kind, mixin))
    if found is None:
        names = {"__doc__": kind.__doc__, "__module__": __name__}
        found = _classes.setdefault((kind, mixin), type(kind.__name__, (mixin, kind), names))
    return found


def _method(stream: Any, *names: str) -> Any:
    """The stream's way to close; litellm's blocking streams have none but the one inside them."""
    for owner in (stream, getattr(stream, "completion_stream", None)):
        for name in names:
            found = getattr(owner, name, None)
            if callable(found):
                return found
    return None
