"""The course of a call as a generator: what it sends next, given how the last attempt went.

Shared by blocking and awaiting drivers, and by streams that go on after a recall. It makes no
attempts itself; the one I/O it does is to fetch recalled text from the account's store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tokenthrift.client.recalls import Recalls
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.errors import LimitError, LimitStoreError
from tokenthrift.route import Attempt, Outcome, Wait, cascade, final_of, standing
from tokenthrift.transports import dialect_of, refuses_stream_usage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.route import Answer, Decision
    from tokenthrift.transports.dialects import Said

# Bad request, too large, not processable: the tool or the exchange may be to blame.
REFUSED: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt, the body it sends, and whether that asks for a usage the caller did not want."""

    attempt: Attempt
    body: Mapping[str, Any]
    adds_usage: bool = False


Sendings: TypeAlias = "Generator[Sending | Wait, Outcome | None, None]"


class Course:
    """The course of one call: what it sends, what has come of it, what it may still recall.

    Attributes:
        dialect: how the provider answers.
        outcomes: so far, in order; they have been paid for, whatever comes next.
        hides_usage: whether the last attempt asked for a usage that the caller did not want.
    """

    def __init__(self, account: Account, call: Call) -> None:
        self.account = account
        self.call = call
        self.dialect = dialect_of(call.wire)
        self.recalls = Recalls(account, call)
        self.outcomes: list[Outcome] = []
        self.hides_usage = False

    @property
    def last(self) -> Outcome:
        """How the attempt went that the caller gets: the last, unless an earlier answer stands."""
        return self.outcomes[final_of(self.outcomes)]

    @property
    def checks_streams(self) -> bool:
        """Whether a stream is read to its end before the caller sees it."""
        planned = self.call.plan is not None and self.call.is_treated
        return self.account.verifies_streams and planned

    def revise(self, outcome: Outcome) -> None:
        """Know more of how that attempt went."""
        self.outcomes[final_of(self.outcomes)] = outcome

    def objection(self, answer: Answer | None) -> str:
        """The check that an answer fails; what asks for removed text is no answer yet."""
        if answer is None or (self.recalls.offered and any(c.name == NAME for c in answer.calls)):
            return ""
        return self.account.objection(self.call, answer)

    def sendings(self) -> Sendings:
        """What the call sends, one attempt after the other, given how the last one went."""
        if self.call.plan is None:
            attempt = Attempt(self.call.model_requested, 1, f"sent as it is: {self.call.problem}")
            yield from self._tries(attempt)
        else:
            yield from self._cascaded(self.call.plan.decision)
        if self.recalls.offered and _is_refused(self.last.error):
            yield from self._as_given()
        while (said := self.recalls.asked(self.last.response)) is not None:
            self.revise(replace(self.last, recalled=True, response=None))
            yield from self.more(said)

    def more(self, said: Said) -> Sendings:
        """One more attempt, with what the last answer asked to have back."""
        before = self.last.attempt
        self.recalls.take(said, before.model)
        reason = f"recall {self.recalls.rounds}"
        attempt = Attempt(before.model, len(self.outcomes) + 1, reason, before.effort)
        self.account.allowance.reserve(self.call, attempt.model, attempt.number)
        yield from self._tries(attempt)
        if _is_refused(self.last.error):
            yield from self._as_given()

    def _as_given(self) -> Sendings:
        """The caller's own body: neither the tool nor what it fetched may lose the call."""
        self.recalls.give_up()
        attempt = Attempt(self.call.model_requested, len(self.outcomes) + 1, "refused: as given")
        if self._may_try(attempt):
            yield from self._tries(attempt)

    def _cascaded(self, decision: Decision) -> Sendings:
        routing = self.account.policy.routing
        steps = cascade(
            decision,
            max_attempts=routing.max_attempts,
            retry=routing.retry,
            draw=self.account.outside.draw,
        )
        step = next(steps)
        while True:
            if isinstance(step, Wait):
                yield step
                done = None
            elif self._may_try(step):
                yield from self._tries(step)
                done = self.outcomes[-1]
            else:
                self.outcomes = standing(self.outcomes)
                return
            try:
                step = steps.send(done)
            except StopIteration:
                self.outcomes = standing(self.outcomes)
                return

    def _may_try(self, attempt: Attempt) -> bool:
        """Whether limits have room for one more attempt; the first has its room since the plan."""
        if not self.outcomes:
            return True
        self.account.allowance.settle_refused(self.call, self.outcomes[-1])
        try:
            self.account.allowance.reserve(self.call, attempt.model, attempt.number)
        except (LimitError, LimitStoreError):
            return False  # how the last attempt went says more
        return True

    def _tries(self, attempt: Attempt) -> Sendings:
        """One attempt; again without the question for usage, where the provider refuses that."""
        adds_usage = self.call.adds_usage and self.account.stream_usage
        body = self.recalls.body(attempt, add_usage=adds_usage)
        outcome = yield from _sent(Sending(attempt, body, adds_usage))
        if adds_usage and outcome.error is not None and refuses_stream_usage(outcome.error):
            self.account.stream_usage = adds_usage = False
            body = self.recalls.body(attempt, add_usage=False)
            outcome = yield from _sent(Sending(attempt, body))
        self.hides_usage = adds_usage
        if self.account.verifies and outcome.ok and not outcome.objection:
            outcome = replace(
                outcome, objection=self.objection(self.dialect.answer(outcome.response))
            )
        sent = body if self.recalls.changes_body else None
        self.outcomes.append(replace(outcome, sent=sent) if sent is not None else outcome)


def _sent(sending: Sending) -> Generator[Sending | Wait, Outcome | None, Outcome]:
    outcome = yield sending
    if outcome is None:
        raise ValueError(f"expected the outcome of {sending.attempt}")
    return outcome


def _is_refused(error: BaseException | None) -> bool:
    """Whether a provider (or an SDK without an extra for tools) would not take a request."""
    return isinstance(error, ImportError) or getattr(error, "status_code", None) in REFUSED
