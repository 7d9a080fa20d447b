"""Driving a call: the same steps for blocking and for awaiting transports.

`sendings` is the whole sequence of a call as a generator without I/O; the two drivers below only
make the attempts it asks for. A stream is handed to the caller open, and settles when it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from anyio.to_thread import run_sync

from tokenthrift.client.billing import usage_of
from tokenthrift.client.call import RECEIPT, Receipt
from tokenthrift.client.streams import Recording, gave_up, recorded, recorded_async
from tokenthrift.client.threads import once_in_thread
from tokenthrift.route import Attempt, Outcome, cascade
from tokenthrift.transports import (
    answer_text,
    is_retryable,
    refuses_stream_usage,
    reported_usage,
)
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.transports import AsyncTransport, Transport


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt, the body it sends, and whether that asks for a usage the caller did not want."""

    attempt: Attempt
    body: Mapping[str, Any]
    adds_usage: bool = False


Sendings: TypeAlias = "Generator[Sending, Outcome, tuple[Outcome, ...]]"


def sendings(account: Account, call: Call) -> Sendings:
    """What a call sends, one attempt after the other, given how the last one went."""
    if call.plan is None:
        attempt = Attempt(call.model_requested, 1, f"sent as it is: {call.problem}")
        return ((yield from _tries(account, call, attempt)),)
    steps = cascade(call.plan.decision)
    attempt = next(steps)
    while True:
        outcome = yield from _tries(account, call, attempt)
        try:
            attempt = steps.send(outcome)
        except StopIteration as done:
            outcomes: tuple[Outcome, ...] = done.value.outcomes
            return outcomes


def _tries(account: Account, call: Call, attempt: Attempt) -> Generator[Sending, Outcome, Outcome]:
    """One attempt; again without the question for usage, where the provider refuses that."""
    adds_usage = call.adds_usage and account.stream_usage
    body = call.body_for(attempt.model, add_usage=adds_usage)
    outcome = yield Sending(attempt, body, adds_usage)
    if adds_usage and outcome.error is not None and refuses_stream_usage(outcome.error):
        account.stream_usage = False
        body = call.body_for(attempt.model, add_usage=False)
        outcome = yield Sending(attempt, body)
    return outcome


# ----------------------------------------------------------------------------------------- drivers
def complete(
    account: Account,
    transport: Transport,
    body: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
) -> Any:
    """Make a call; gives the SDK's own response with a receipt, or raises the SDK's exception."""
    call = account.begin(body, tags=tags)
    steps = sendings(account, call)
    sending = next(steps)
    while True:
        outcome = _attempted(account, call, transport, sending)
        try:
            sending = steps.send(outcome)
        except StopIteration as done:
            outcomes: tuple[Outcome, ...] = done.value
            break
    if hasattr(outcome.response, "__next__"):
        recording = Recording(account, call, outcomes, hides_usage=sending.adds_usage)
        return recorded(outcome.response, recording)
    return _handed_over(call, outcome, _settled(account, call, outcomes))


async def complete_async(
    account: Account,
    transport: AsyncTransport,
    body: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
) -> Any:
    """The same, awaiting; planning and accounting run in a worker thread."""
    call = await run_sync(lambda: account.begin(body, tags=tags))
    steps = sendings(account, call)
    sending = next(steps)
    while True:
        outcome = await _attempted_async(account, call, transport, sending)
        try:
            sending = steps.send(outcome)
        except StopIteration as done:
            outcomes: tuple[Outcome, ...] = done.value
            break
    if hasattr(outcome.response, "__anext__"):
        recording = Recording(account, call, outcomes, hides_usage=sending.adds_usage)
        return recorded_async(outcome.response, recording)
    if gave_up(outcome.error):  # whoever was cancelled must not wait for anything
        return _handed_over(call, outcome, _settled(account, call, outcomes))
    record = await once_in_thread(lambda: _settled(account, call, outcomes))
    return _handed_over(call, outcome, record)


def _attempted(account: Account, call: Call, transport: Transport, sending: Sending) -> Outcome:
    begun_s = account.outside.stopwatch_s()
    response, error = None, None
    try:
        response = transport.complete(sending.attempt, sending.body)
    except BaseException as raised:  # noqa: BLE001 - it is recorded, then raised again as it is
        error = raised
    latency_ms = (account.outside.stopwatch_s() - begun_s) * 1000
    return _outcome(call, sending.attempt, response, error, latency_ms)


async def _attempted_async(
    account: Account, call: Call, transport: AsyncTransport, sending: Sending
) -> Outcome:
    begun_s = account.outside.stopwatch_s()
    response, error = None, None
    try:
        response = await transport.complete(sending.attempt, sending.body)
    except BaseException as raised:  # noqa: BLE001 - it is recorded, then raised again as it is
        error = raised
    latency_ms = (account.outside.stopwatch_s() - begun_s) * 1000
    return _outcome(call, sending.attempt, response, error, latency_ms)


def _outcome(
    call: Call, attempt: Attempt, response: Any, error: BaseException | None, latency_ms: float
) -> Outcome:
    """What came of an attempt. An open stream has no usage yet; its recording will know."""
    usage = None
    # The SDK's parsers raise on answers that are cut off, which have been paid for.
    answer = response if error is None else getattr(error, "completion", None)
    if answer is not None and not hasattr(answer, "__next__") and not hasattr(answer, "__anext__"):
        usage = usage_of(call.wire, reported_usage(answer), answer_text(answer), attempt.model)
    elif isinstance(getattr(error, "status_code", None), int):
        usage = Usage()  # refused by the provider, so nothing was billed
    return Outcome(
        attempt=attempt,
        response=response,
        error=error,
        retryable=error is not None and is_retryable(error),
        usage=usage,
        latency_ms=max(0.0, latency_ms),
    )


def _settled(account: Account, call: Call, outcomes: tuple[Outcome, ...]) -> LedgerRecord:
    return account.settle(call, outcomes, cancelled=gave_up(outcomes[-1].error))


def _handed_over(call: Call, outcome: Outcome, record: LedgerRecord) -> Any:
    """The response with its receipt, kept where dumps and comparisons do not see it."""
    if outcome.error is not None:
        raise outcome.error
    response = outcome.response
    if hasattr(response, "__dict__"):
        vars(response)[RECEIPT] = Receipt(call.record_id, call.plan, record)
    return response
