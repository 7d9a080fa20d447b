"""Streams that keep an account: the SDK's stream type, chunk for chunk, settled when it is over.

A wrapper is a subclass of the wrapped stream's own class that delegates everything, so code written
for the SDK's type keeps working. It is over when it ends, breaks, is closed, or is dropped. Where a
model asks for removed text, another stream is opened behind it and the caller reads on.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from inspect import isawaitable
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.billing import usage_of
from tokenthrift.client.buffering import kind_of
from tokenthrift.client.call import Receipt
from tokenthrift.client.restoring import Restorer
from tokenthrift.client.threads import once_in_thread
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.transports.dialects.metering import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from tokenthrift.client.course import Course
    from tokenthrift.route import Outcome
    from tokenthrift.transports.dialects import Said
    from tokenthrift.types import Usage


GENERATORS: Final = (GeneratorType, AsyncGeneratorType)


def gave_up(error: BaseException | None) -> bool:
    """Whether an exception means that the caller gave up: a cancelled task, Ctrl+C, an exit."""
    return error is not None and not isinstance(error, Exception)


class Recording:
    """What is known of an open stream; `end` writes its record, once.

    Args:
        course: of the call; its last attempt opened the stream.
        more: makes the attempt that goes on after a recall, awaited in async code.

    Attributes:
        ready: chunks that the caller has yet to see.
    """

    def __init__(self, course: Course, more: Callable[[Said], Any]) -> None:
        self.account = course.account
        self.more = more
        self.receipt = Receipt(course.call.record_id, course.call.plan)
        self.ready: deque[Any] = deque()
        self._course = course
        self._dialect = course.dialect
        self._watch = course.dialect.watch(NAME) if course.recalls.offered else None
        self._restorer = Restorer.of(course.call.plan, course.dialect)
        self._seen = 0  # chunks that were made ready
        self._ended = threading.Lock()  # taken by whoever ends it first, and kept
        self._open()

    def _open(self) -> None:
        self._meter = Meter(self._dialect)
        self._times_s: tuple[float, float] | None = None  # of the first and the last chunk
        self._chunks = 0
        self._opened_s = self.account.outside.stopwatch_s()

    @property
    def is_open(self) -> bool:
        """Whether no record has been written yet."""
        return not self._ended.locked()

    def see(self, chunk: Any) -> None:
        """Note a chunk; `ready` then holds what the caller is to see."""
        if not self.note(chunk):
            return
        self._show([chunk] if self._watch is None else self._watch.feed(chunk))

    @property
    def is_due(self) -> bool:
        """Whether limits should be told that the stream goes on."""
        return self.account.allowance.is_due(self._course.call)

    def renew(self) -> None:
        """Hold what is reserved for the call for longer."""
        self.account.allowance.renew(self._course.call)

    def _show(self, chunks: Iterable[Any]) -> None:
        for chunk in chunks:
            self._ready([chunk] if self._restorer is None else self._restorer.chunk(chunk))

    def _ready(self, chunks: Iterable[Any]) -> None:
        for chunk in chunks:
            if self._watch is not None or self._restorer is not None:
                self._dialect.numbered(chunk, self._seen)
            self._seen += 1
            self.ready.append(chunk)

    def asked(self) -> Said | None:
        """What the stream that is over asks to have back; None if the call is over with it."""
        if not self.is_open:
            return None
        left, said = ([], None) if self._watch is None else self._watch.end()
        self._show(left)
        if said is None:
            self._ready([] if self._restorer is None else self._restorer.end())
        else:
            self._course.revise(replace(self._final(None), recalled=True))
        return said

    def reopened(self) -> Any:
        """The stream that goes on; raises the SDK's error where there is none."""
        if self._course.last.error is not None:
            raise self._course.last.error
        self._open()
        if self._watch is not None:
            self._watch.again(may_recall=not self._course.recalls.are_over)
        return self._course.last.response

    def note(self, chunk: Any) -> bool:
        """Note a chunk that the caller sees by itself; whether there is something to see in it."""
        now_s = self.account.outside.stopwatch_s()
        self._times_s = (now_s if self._times_s is None else self._times_s[0], now_s)
        self._chunks += 1
        self._meter.see(chunk)
        return not self._course.hides_usage or self._dialect.without_usage(chunk)

    def end(self, error: BaseException | None = None, *, cancelled: bool = False) -> None:
        """Write the record, unless it is written; a stream without an error has ended or was left.

        Args:
            error: what broke the stream.
            cancelled: the caller closed it, or dropped it.
        """
        if not self._ended.acquire(blocking=False):
            return
        course = self._course
        if course.last.response is not None:  # else it did not open, or is over with a recall
            course.revise(self._final(error))
        elif error is not None and course.last.error is None:
            course.revise(replace(course.last, error=error))
        record = self.account.settle(
            course.call,
            course.outcomes,
            cancelled=cancelled or gave_up(error),
            inter_chunk_ms=self._pace_ms(),
        )
        self.receipt = replace(self.receipt, record=record)
        if self._watch is not None:
            self.account.debts.note(self._watch.debt)

    def _final(self, error: BaseException | None) -> Outcome:
        """How the attempt went whose stream is over now."""
        opened = self._course.last
        first_ms = last_ms = None
        if self._times_s is not None:
            first_ms, last_ms = (opened.latency_ms + self._since_open_ms(t) for t in self._times_s)
        return replace(
            opened,
            response=None,
            error=error,
            # Of a stream that was read to its end before, the usage is known.
            usage=opened.usage or self._usage(opened.attempt.model),
            latency_ms=opened.latency_ms if last_ms is None else last_ms,
            first_chunk_ms=first_ms,
        )

    def _usage(self, model: str) -> Usage:
        return usage_of(self._course.call.wire, self._meter.reported, self._meter.text, model)

    def _pace_ms(self) -> float | None:
        read_before = self._course.checks_streams  # its chunks come from memory, at no pace
        if self._times_s is None or self._chunks <= 1 or read_before:
            return None
        return (self._times_s[1] - self._times_s[0]) * 1000 / (self._chunks - 1)

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
        recording = self._recording
        while not recording.ready:
            try:
                chunk = next(self._inner)
            except StopIteration:
                if not self._goes_on():
                    raise
            except BaseException as error:
                recording.end(error)
                raise
            else:
                recording.see(chunk)
                if recording.is_due:
                    recording.renew()
        return recording.ready.popleft()

    def _goes_on(self) -> bool:
        """Whether there is more to read now that the wrapped stream is over."""
        recording = self._recording
        try:
            said = recording.asked()
            if said is not None:
                recording.more(said)
                self._inner = recording.reopened()
        except BaseException as error:
            recording.end(error)
            raise
        if said is None and not recording.ready:
            recording.end()
            return False
        return True

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
        recording = self._recording
        while not recording.ready:
            try:
                chunk = await anext(self._inner)
            except StopAsyncIteration:
                if not await self._goes_on():
                    raise
            except BaseException as error:
                recording.end(error)
                raise
            else:
                recording.see(chunk)
                if recording.is_due:
                    await once_in_thread(recording.renew)
        return recording.ready.popleft()

    async def _goes_on(self) -> bool:
        """Whether there is more to read now that the wrapped stream is over."""
        recording = self._recording
        try:
            said = recording.asked()
            if said is not None:
                await recording.more(said)
                self._inner = recording.reopened()
        except BaseException as error:
            recording.end(error)
            raise
        if said is None and not recording.ready:
            await once_in_thread(recording.end)
            return False
        return True

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
            # Some versions of litellm's stream have both, and `close` then does not await.
            close = _method(self._inner, "aclose", "close")
            closing = None if close is None else close()
            if isawaitable(closing):
                await closing
        finally:
            self._recording.end(cancelled=True)

    async def aclose(self) -> None:
        """The same, as async generators name it."""
        await self.close()


def recorded(stream: Any, recording: Recording) -> Any:
    """A blocking stream of the same class, with an account."""
    return _class_of(kind_of(stream), _RecordedStream)(stream, recording)


def recorded_async(stream: Any, recording: Recording) -> Any:
    """An awaiting stream of the same class, with an account."""
    return _class_of(kind_of(stream), _AsyncRecordedStream)(stream, recording)


_classes: dict[tuple[type, type], type] = {}


def _class_of(kind: type, mixin: type[_Recorded]) -> type[Any]:
    """A subclass of a stream's class, made once, under its name."""
    found = _classes.get((kind, mixin))
    if found is None:
        names = {"__doc__": kind.__doc__, "__module__": __name__}
        # Generators have no subclasses.
        bases = (mixin,) if kind in GENERATORS else (mixin, kind)
        found = _classes.setdefault((kind, mixin), type(kind.__name__, bases, names))
    return found


def _method(stream: Any, *names: str) -> Any:
    """The stream's way to close; litellm's blocking streams have none but the one inside them."""
    for owner in (stream, getattr(stream, "completion_stream", None)):
        for name in names:
            found = getattr(owner, name, None)
            if callable(found):
                return found
    return None
