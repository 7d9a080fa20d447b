"""One call under way and what the caller gets to keep of it.

A `Call` knows its plan and which body each attempt sends; a `Receipt` hangs on the response.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio

from tokenthrift.client.options import PLAIN, CallOptions
from tokenthrift.transports import dialect_of

if TYPE_CHECKING:
    from tokenthrift.encoders import Spend
    from tokenthrift.experiment import Arm, Assignment
    from tokenthrift.ledger import LedgerRecord, SavingsRecord
    from tokenthrift.pipeline import Plan
    from tokenthrift.route import Effort
    from tokenthrift.types import Request

RECEIPT: str = "tokenthrift"
"""The attribute of responses, streams and errors of calls that holds the `Receipt`."""


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Outside:
    """What an account takes from the world.

    Attributes:
        now: the time.
        stopwatch_s: seconds on any clock.
        new_id: a unique id.
        sleep: lets seconds pass, ``sleep_async`` without blocking.
        draw: uniform in [0, 1), for waits that should not coincide.
    """

    now: Callable[[], datetime] = _now
    stopwatch_s: Callable[[], float] = time.perf_counter
    new_id: Callable[[], str] = _new_id
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = anyio.sleep
    draw: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Shadow:
    """What would have been done with a call that went as it was given.

    Attributes:
        plan: None where it could not be made.
        problem: name of the exception's type, where there is no plan.
    """

    plan: Plan | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has begun.

    Attributes:
        body: the caller's.
        wire: its dialect.
        plan: None where the body could not be planned and goes out as it is.
        problem: name of the exception's type, where it could not be planned.
        created_at: when it began; ``started_s`` on the stopwatch.
        plan_ms: what planning added.
        adds_usage: a stream is asked for its usage although the caller did not ask, and the usage
            is hidden from the caller again.
        spent: what encoders cost while it was planned, also where planning failed in the end.
        limits: names of the limits that it touches.
        options: what it asked for beside its body.
        context: of the caller when it began; sinks run in it, so that they see the caller's span.
        request: the body as it was read; None where that failed.
        session: the key of its session, where something names it.
        assignment: the arm of its session; None where the policy draws none.
        shadow: the plan that was made for the record only.
    """

    record_id: str
    body: Mapping[str, Any]
    wire: str
    plan: Plan | None
    created_at: datetime
    started_s: float
    plan_ms: float
    problem: str = ""
    adds_usage: bool = False
    spent: tuple[Spend, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    options: CallOptions = PLAIN
    context: Context = field(default_factory=copy_context, compare=False, repr=False)
    request: Request | None = None
    session: str | None = None
    assignment: Assignment | None = None
    shadow: Shadow | None = None

    @property
    def arm(self) -> Arm | None:
        """Of its session; None where the policy draws none."""
        return None if self.assignment is None else self.assignment.arm

    @property
    def is_compared(self) -> bool:
        """Whether it is treated, or what is treated is compared with it."""
        return self.assignment is None or self.assignment.treated_share > 0

    @property
    def is_treated(self) -> bool:
        """Whether the policy is applied to it, as far as the arm of its session tells."""
        return self.arm in (None, "treated")

    @property
    def streamed(self) -> bool:
        """Whether the caller asked for a stream."""
        return self.body.get("stream") is True

    @property
    def hides_usage(self) -> bool:
        """Whether it is a stream whose usage comes only if asked for, and nobody did."""
        asked = _options(self.body).get("include_usage")
        return self.streamed and dialect_of(self.wire).asks_usage and not asked

    @property
    def model_requested(self) -> str:
        """The model the caller asked for."""
        return str(self.body.get("model") or "")

    def body_for(
        self, model: str, effort: Effort | None = None, *, add_usage: bool
    ) -> Mapping[str, Any]:
        """The body that an attempt sends; the caller's own where nothing changes."""
        body = self.body if self.plan is None else self.plan.body_for(model, effort)
        return _asking_usage(body) if add_usage else body

    def given_body(self, *, add_usage: bool) -> Mapping[str, Any]:
        """The caller's own body, without secrets where the policy redacts."""
        body = self.body if self.plan is None else self.plan.cleared
        return _asking_usage(body) if add_usage else body


def _asking_usage(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**body, "stream_options": {**_options(body), "include_usage": True}}


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    options = body.get("stream_options")
    return options if isinstance(options, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a caller can read on a response or an error, as ``response.tokenthrift``.

    Attributes:
        record_id: of the ledger record.
        plan: what was decided; None where the body went out as it was.
        record: as it was written to the ledger; None while a stream is still open.
    """

    record_id: str
    plan: Plan | None
    record: LedgerRecord | None = None

    @property
    def savings(self) -> SavingsRecord | None:
        """Baseline minus actual, net, in nano-dollars; None while a stream is still open."""
        return None if self.record is None else self.record.savings


class Answered(dict[str, Any]):
    """An answer in plain JSON, with its receipt as ``tokenthrift``."""

    tokenthrift: Receipt


def receipt_of(response: object) -> Receipt:
    """The receipt of a response or stream that a wrapped client gave, or of an error it raised.

    The same as ``response.tokenthrift``, in a form that type checkers understand.

    Raises:
        TypeError: there is none; only optimised calls of wrapped clients have one.
    """
    found = getattr(response, RECEIPT, None)
    if not isinstance(found, Receipt):
        raise TypeError(
            f"this {type(response).__name__} has no receipt; only calls of a wrapped "
            "client have one (streams opened raw do not)"
        )
    return found
