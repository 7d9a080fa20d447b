"""Driving a call: the same steps for blocking and for awaiting transports.

`Course.sendings` is the whole sequence of a call as a generator; the two drivers below only make
the attempts it asks for. A stream is handed to the caller open, and settles when it ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from tokenthrift.client.billing import usage_of
from tokenthrift.client.buffering import Buffered, read_all, read_all_async
from tokenthrift.client.call import RECEIPT, Answered, Receipt
from tokenthrift.client.course import Course
from tokenthrift.client.options import PLAIN
from tokenthrift.client.restoring import Restorer
from tokenthrift.client.streams import Recording, gave_up, recorded, recorded_async
from tokenthrift.client.threads import kept_or_undone, once_in_thread
from tokenthrift.route import Attempt, Outcome, Wait
from tokenthrift.transports import is_retryable, retry_after_s
from tokenthrift.transports.dialects.metering import Meter
from tokenthrift.transports.reading import is_stream
from tokenthrift.types import Usage
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.client.course import Sending, Sendings
    from tokenthrift.client.options import CallOptions
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.transports import AsyncTransport, Transport

Aside: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
"""Does some work beside the event loop, exactly once, also where nobody waits for it any more."""


def complete(
    account: Account,
    transport: Transport,
    body: Mapping[str, Any],
    wire: str = OpenAIChat.name,
    options: CallOptions = PLAIN,
) -> Any:
    """Make a call; gives the SDK's own response with a receipt, or raises the SDK's exception."""
    call = account.begin(body, wire=wire, options=options)
    course = Course(account, call)

    def make(steps: Sendings) -> None:
        step = next(steps, None)
        while step is not None:
            if isinstance(step, Wait):
                account.outside.sleep(step.seconds)
                step = _advanced(steps, None)
            else:
                step = _advanced(steps, _attempted(course, transport, step))

    try:
        make(course.sendings())
    except BaseException:  # between two requests: those that were answered have been paid for
        if course.outcomes:
            account.settle(call, course.outcomes, cancelled=True)
        else:
            account.allowance.give_back(call)
        raise
    if hasattr(course.last.response, "__next__"):
        recording = Recording(course, lambda said: make(course.more(said)))
        return recorded(course.last.response, recording)
    _finish(course, transport)
    return _handed_over(call, course.last, _settled(course))


async def complete_async(
    account: Account,
    transport: AsyncTransport,
    body: Mapping[str, Any],
    wire: str = OpenAIChat.name,
    options: CallOptions = PLAIN,
    *,
    aside: Aside | None = None,
) -> Any:
    """The same, awaiting; planning and accounting run in a worker thread.

    Args:
        account: of the caller.
        transport: makes the attempts.
        body: the caller's.
        wire: its dialect.
        options: what the call asks for beside its body.
        aside: writes the record, where planning waits for nothing and takes so little that it is
            done right here.
    """
    if aside is None:
        call = await kept_or_undone(
            lambda: account.begin(body, wire=wire, options=options), account.allowance.give_back
        )
    else:
        call = account.begin(body, wire=wire, options=options)
    course = Course(account, call)

    async def make(steps: Sendings) -> None:
        # Texts are fetched and read on the way to a recall's next request, so not on the loop.
        first = not course.outcomes
        step = next(steps) if first else await once_in_thread(lambda: next(steps, None))
        while step is not None:
            if isinstance(step, Wait):
                await account.outside.sleep_async(step.seconds)
                step = _advanced(steps, None)
            else:
                outcome = await _attempted_async(course, transport, step)
                step = await _advanced_async(course, steps, outcome)

    try:
        await make(course.sendings())
    except BaseException:  # between two requests: those that were answered have been paid for
        if course.outcomes:
            account.settle(call, course.outcomes, cancelled=True)
        else:
            account.allowance.give_back(call)
        raise
    if hasattr(course.last.response, "__anext__"):
        recording = Recording(course, lambda said: make(course.more(said)))
        return recorded_async(course.last.response, recording)
    _finish(course, transport)
    if gave_up(course.last.error):  # whoever was cancelled must not wait for anything
        return _handed_over(call, course.last, _settled(course))
    if aside is None:
        record = await once_in_thread(lambda: _settled(course))
    else:
        record = account.book(call, course.outcomes)
        await aside(partial(account.write, call, record))
    return _handed_over(call, course.last, record)


def _advanced(steps: Sendings, outcome: Outcome | None) -> Sending | Wait | None:
    """What to do next; None at the end."""
    try:
        return steps.send(outcome)
    except StopIteration:
        return None


async def _advanced_async(
    course: Course, steps: Sendings, outcome: Outcome
) -> Sending | Wait | None:
    works = course.recalls.offered or course.account.verifies
    works = works and outcome.error is None
    limited = course.account.allowance.is_limited and not gave_up(outcome.error)
    if not works and not limited:
        return _advanced(steps, outcome)
    return await once_in_thread(lambda: _advanced(steps, outcome))


def _attempted(course: Course, transport: Transport, sending: Sending) -> Outcome:
    stopwatch_s = course.account.outside.stopwatch_s
    begun_s = stopwatch_s()
    response, error, opened = None, None, False
    try:
        response = transport.complete(sending.attempt, sending.body)
        if course.checks_streams and hasattr(response, "__next__"):
            opened = True
            response = read_all(response)
    except BaseException as raised:  # noqa: BLE001 - it is recorded, then raised again as it is
        response, error = None, raised
    times_s = (begun_s, stopwatch_s())
    return _outcome(course, sending.attempt, (response, error), times_s, broke=opened)


async def _attempted_async(course: Course, transport: AsyncTransport, sending: Sending) -> Outcome:
    stopwatch_s = course.account.outside.stopwatch_s
    begun_s = stopwatch_s()
    response, error, opened = None, None, False
    try:
        response = await transport.complete(sending.attempt, sending.body)
        if course.checks_streams and hasattr(response, "__anext__"):
            opened = True
            response = await read_all_async(response)
    except BaseException as raised:  # noqa: BLE001 - it is recorded, then raised again as it is
        response, error = None, raised
    times_s = (begun_s, stopwatch_s())

    def outcome() -> Outcome:
        return _outcome(course, sending.attempt, (response, error), times_s, broke=opened)

    # A stream that was read is counted and checked, which is work.
    return await once_in_thread(outcome) if isinstance(response, Buffered) else outcome()


def _outcome(
    course: Course,
    attempt: Attempt,
    came: tuple[Any, BaseException | None],
    times_s: tuple[float, float],
    *,
    broke: bool,
) -> Outcome:
    """What came of an attempt. An open stream has no usage yet; its recording will know.

    Args:
        course: of the call.
        attempt: that was made.
        came: the response, or the error.
        times_s: when it was sent, and when there was something to hand on.
        broke: whether an error came out of a stream that nobody has seen yet.
    """
    (response, error), dialect, objection = came, course.dialect, ""
    usage = None
    if isinstance(response, Buffered):
        usage = _usage(course, attempt, Meter.of(dialect, response.chunks))
        objection = course.objection(dialect.answer_of(response.chunks))
    # The SDK's parsers raise on answers that are cut off, which have been paid for.
    answer = response if error is None else getattr(error, "completion", None)
    if answer is not None and not is_stream(answer):
        usage = _usage(course, attempt, Meter.of(dialect, [answer]))
    elif isinstance(getattr(error, "status_code", None), int) and not broke:
        usage = Usage()  # refused by the provider, so nothing was billed
    passing = error is not None and (is_retryable(error) or (broke and not gave_up(error)))
    return Outcome(
        attempt=attempt,
        response=response,
        error=error,
        retryable=passing,
        usage=usage,
        started_ms=max(0.0, (times_s[0] - course.call.started_s) * 1000),
        latency_ms=max(0.0, (times_s[1] - times_s[0]) * 1000),
        retry_after_s=None if error is None else retry_after_s(error, course.account.outside.now()),
        objection=objection,
    )


def _usage(course: Course, attempt: Attempt, meter: Meter) -> Usage:
    return usage_of(course.call.wire, meter.reported, meter.text, attempt.model)


def _finish(course: Course, transport: Transport | AsyncTransport) -> None:
    """Put secrets back into a whole answer, then let the SDK parse it."""
    last = course.last
    if last.response is None:
        return
    restorer = Restorer.of(course.call.plan, course.dialect)
    if restorer is not None:
        restorer.answer(last.response)
    try:
        course.revise(replace(last, response=transport.finished(last.response)))
    except Exception as error:  # noqa: BLE001 - the parser's own, raised when the call is settled
        course.revise(replace(last, response=None, error=error))


def _settled(course: Course) -> LedgerRecord:
    cancelled = gave_up(course.last.error)
    return course.account.settle(course.call, course.outcomes, cancelled=cancelled)


def _handed_over(call: Call, outcome: Outcome, record: LedgerRecord) -> Any:
    """The response with its receipt, kept where dumps and comparisons do not see it.

    An error carries one as well.
    """
    response, receipt = outcome.response, Receipt(call.record_id, call.plan, record)
    if outcome.error is not None:
        vars(outcome.error)[RECEIPT] = receipt
        raise outcome.error
    if type(response) is dict:
        response = Answered(response)
    if hasattr(response, "__dict__"):
        vars(response)[RECEIPT] = receipt
    return response
