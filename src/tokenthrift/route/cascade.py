"""The cascade of one call, without I/O: what to do next, given how the last attempt went.

A generator that sync and async drivers share: it yields attempts and waits, is sent outcomes, and
returns the result. It never sleeps itself and never loses an outcome, because failed and rejected
attempts are paid for too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tokenthrift.route.routing import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from tokenthrift.route.decision import Decision, Verdict
    from tokenthrift.route.effort import Effort
    from tokenthrift.types import Usage

MAX_ATTEMPTS: Final = 3
NO_RETRY: Final = Retry()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to make.

    Attributes:
        number: from 1.
        reason: why this action now.
        effort: that is added to the request; None leaves it as the caller has it.
    """

    model: str
    number: int
    reason: str
    effort: Effort | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A time to let pass before the next attempt."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: a response or an error.

    Attributes:
        retryable: whether another try or model may do better (rate limit, overload, timeout, 5xx).
        usage: what it consumed, None where the provider did not say.
        started_ms: from the call's beginning to sending; None where that is not known.
        latency_ms: from sending to the last byte.
        first_chunk_ms: from sending to the first byte of a stream.
        sent: the body, where it was not the plan's own.
        recalled: the answer asked for removed text, and the call went on.
        retry_after_s: how long the provider asks to wait, where it says so.
        objection: the check that the answer failed, and how; empty where it passed.
        stands: the caller gets it although later attempts were made, as none gave an answer.
    """

    attempt: Attempt
    response: Any = None
    error: BaseException | None = None
    retryable: bool = False
    usage: Usage | None = None
    started_ms: float | None = None
    latency_ms: float = 0.0
    first_chunk_ms: float | None = None
    sent: Mapping[str, Any] | None = None
    recalled: bool = False
    retry_after_s: float | None = None
    objection: str = ""
    stands: bool = False

    @property
    def ok(self) -> bool:
        """Whether there was no error."""
        return self.error is None

    def __str__(self) -> str:
        """As one line: number, model, how it went."""
        how = "answered" if self.error is None else f"{type(self.error).__name__}: {self.error}"
        how += f", rejected: {self.objection}" if self.objection else ""
        return f"{self.attempt.number}. {self.attempt.model}: {how} ({self.latency_ms:.0f} ms)"


@dataclass(frozen=True, slots=True)
class Result:
    """All outcomes of a call, in order."""

    outcomes: tuple[Outcome, ...]

    @property
    def final(self) -> Outcome:
        """What the caller gets."""
        return self.outcomes[final_of(standing(self.outcomes))]

    def response(self) -> Any:
        """The response.

        Raises:
            BaseException: the attempt's own error, untranslated, where none answered.
        """
        if self.final.error is not None:
            raise self.final.error
        return self.final.response


def final_of(outcomes: Sequence[Outcome]) -> int:
    """The place of what the caller gets: what stands, else the last."""
    return next((n for n, o in enumerate(outcomes) if o.stands), len(outcomes) - 1)


def standing(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same, with the last answer marked as the caller's where only errors came after it.

    An answer that failed a check is better than an error, so a failed escalation does not lose it.
    """
    found = list(outcomes)
    answered = [n for n, o in enumerate(found) if o.ok]
    if answered and answered[-1] != len(found) - 1:
        found[answered[-1]] = replace(found[answered[-1]], stands=True)
    return found


Cascade: TypeAlias = "Generator[Attempt | Wait, Outcome | None, Result]"


def cascade(
    decision: Decision,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    retry: Retry = NO_RETRY,
    draw: Callable[[], float] = lambda: 1.0,
) -> Cascade:
    """Attempts of a decision: the chosen action, the same again, fallbacks, stronger actions.

    An error that may pass is tried again on the same model as ``retry`` says, then on the next
    fallback. An answer that failed a check goes on to the cheapest stronger action that has not
    been tried. All of them are eligible, so they keep to the policy's filter and price ceiling.

    Args:
        decision: says the actions; it names no fallbacks where the policy forbids them.
        max_attempts: at most this many, the first included.
        retry: of the same model.
        draw: uniform in [0, 1), for waits with full jitter.

    Raises:
        ValueError: ``max_attempts`` is less than 1, or an outcome is of another attempt than the
            one that was yielded.
    """
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be at least 1, got {max_attempts}")
    ladder = _Ladder(decision)
    waits = _Waits(retry, draw)
    outcomes: list[Outcome] = []
    step: tuple[Verdict, str] | None = (decision.pick, decision.reason)
    while step is not None:
        verdict, reason = step
        attempt = Attempt(verdict.model, len(outcomes) + 1, reason, verdict.effort)
        outcome = yield attempt
        if outcome is None or outcome.attempt != attempt:
            raise ValueError(f"expected the outcome of {attempt}, got {outcome}")
        outcomes.append(outcome)
        waits.passed(outcome)
        step = None
        if len(outcomes) >= max_attempts:
            break
        if outcome.ok:
            step = ladder.stronger(verdict, outcome) if outcome.objection else None
        elif outcome.retryable:
            wait = waits.before_again(outcome)
            if wait is not None:
                yield wait
                again = f"retry {waits.retries}: {type(outcome.error).__name__}"
                step = (verdict, again)
            else:
                waits.start_afresh()
                step = ladder.fallback(outcome)
    return Result(tuple(outcomes))


class _Ladder:
    """What comes after an action, none of it twice."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._failed = {decision.chosen}
        self._tried = {decision.pick.action}

    def fallback(self, outcome: Outcome) -> tuple[Verdict, str] | None:
        """The next model after one that failed."""
        self._failed.add(outcome.attempt.model)
        model = next((m for m in self._decision.fallbacks if m not in self._failed), None)
        if model is None:
            return None
        self._failed.add(model)
        verdict = self._decision.best_of(model)
        self._tried.add(verdict.action)
        error = type(outcome.error).__name__
        return verdict, f"fallback: {outcome.attempt.model} failed with {error}"

    def stronger(self, verdict: Verdict, outcome: Outcome) -> tuple[Verdict, str] | None:
        """The cheapest action that is better than one whose answer would not do."""
        found = (v for v in self._decision.stronger(verdict) if v.action not in self._tried)
        best = next(found, None)
        if best is None:
            return None
        self._tried.add(best.action)
        self._failed.add(best.model)
        return best, f"escalated: {verdict.words} failed the check {outcome.objection}"


class _Waits:
    """Exponential backoff with full jitter, within a time budget.

    Source: AWS Architecture Blog, "Exponential Backoff and Jitter". Time is what attempts and waits
    took, so no clock is needed.
    """

    def __init__(self, retry: Retry, draw: Callable[[], float]) -> None:
        self.retries = 0
        self._retry = retry
        self._draw = draw
        self._spent_s = 0.0

    def passed(self, outcome: Outcome) -> None:
        """Count the time of an attempt."""
        self._spent_s += outcome.latency_ms / 1000

    def start_afresh(self) -> None:
        """Begin with another model."""
        self.retries = 0

    def before_again(self, outcome: Outcome) -> Wait | None:
        """The wait before the same model is tried again; None where it is not."""
        retry, asked_s = self._retry, outcome.retry_after_s
        if self.retries >= retry.times:
            return None
        if asked_s is not None and asked_s > retry.max_wait_s:
            return None
        most_s = min(retry.max_wait_s, retry.base_s * 2**self.retries)
        seconds = (
            self._draw() * most_s
            if asked_s is None
            else asked_s + self._draw() * min(most_s, retry.max_wait_s - asked_s)
        )
        if self._spent_s + seconds > retry.max_s:
            return None
        self.retries += 1
        self._spent_s += seconds
        asked = "" if asked_s is None else f", asked for {asked_s:g} s"
        return Wait(seconds, f"{type(outcome.error).__name__}{asked}")
