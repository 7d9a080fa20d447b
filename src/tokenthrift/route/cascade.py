"""The cascade of one call, without I/O: which attempt to make next, given how the last one went.

A generator that sync and async drivers share: it yields attempts, is sent their outcomes, and
returns the result. It never sleeps and never repeats a model (clients of providers retry by
themselves); it never loses an outcome, because failed attempts are paid for too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tokenthrift.route.choose import Decision
    from tokenthrift.types import Usage

MAX_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to make.

    Attributes:
        number: from 1.
        reason: why this model now.
    """

    model: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: a response or an error.

    Attributes:
        retryable: whether another model may do better (rate limit, overload, timeout, 5xx).
        usage: what it consumed, None where the provider did not say.
        latency_ms: from sending to the last byte.
        first_chunk_ms: from sending to the first byte of a stream.
        sent: the body, where it was not the plan's own.
        recalled: the answer asked for removed text, and the call went on.
    """

    attempt: Attempt
    response: Any = None
    error: BaseException | None = None
    retryable: bool = False
    usage: Usage | None = None
    latency_ms: float = 0.0
    first_chunk_ms: float | None = None
    sent: Mapping[str, Any] | None = None
    recalled: bool = False

    @property
    def ok(self) -> bool:
        """Whether there was no error."""
        return self.error is None

    def __str__(self) -> str:
        """As one line: number, model, how it went."""
        how = "answered" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        return f"{self.attempt.number}. {self.attempt.model}: {how} ({self.latency_ms:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Result:
    """All outcomes of a call, in order; the last one is what the caller gets."""

    outcomes: tuple[Outcome, ...]

    @property
    def final(self) -> Outcome:
        """The last outcome."""
        return self.outcomes[-1]

    def response(self) -> Any:
        """The response.

        Raises:
            BaseException: the last attempt's own error, untranslated.
        """
        if self.final.error is not None:
            raise self.final.error
        return self.final.response


Cascade: TypeAlias = "Generator[Attempt, Outcome, Result]"


def cascade(decision: Decision, *, max_attempts: int = MAX_ATTEMPTS) -> Cascade:
    """Attempts of a decision: the chosen model, then its fallbacks while errors are retryable.

    Args:
        decision: says the models; it names no fallbacks where the policy forbids them.
        max_attempts: at most this many, the first included.

    Raises:
        ValueError: ``max_attempts`` is less than 1, or an outcome is of another attempt than the
            one that was yielded.
    """
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be at least 1, got {max_attempts}")
    outcomes: list[Outcome] = []
    reason = decision.reason
    for number, model in enumerate((decision.chosen, *decision.fallbacks)[:max_attempts], 1):
        attempt = Attempt(model, number, reason)
        outcome = yield attempt
        if outcome.attempt != attempt:
            raise ValueError(f"expected the outcome of {attempt}, got that of {outcome.attempt}")
        outcomes.append(outcome)
        if outcome.error is None or not outcome.retryable:
            break
        reason = f"fallback: {model} failed with {type(outcome.error).__name__}"
    return Result(tuple(outcomes))
