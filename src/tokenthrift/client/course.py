"""The course of a call as a generator: what it sends next, given how the last attempt went.

Shared by blocking and awaiting drivers, and by streams that go on after a recall. It makes no
attempts itself; the one I/O it does is to fetch recalled text from the account's store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tokenthrift.client.recalls import Recalls
from tokenthrift.route import Attempt, Outcome, cascade
from tokenthrift.transports import refuses_stream_usage

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any

    from tokenthrift.client.account import Account
    from tokenthrift.client.call import Call
    from tokenthrift.route import Decision
    from tokenthrift.transports.calls import Said

# Bad request, too large, not processable: the tool or the exchange may be to blame.
REFUSED: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt, the body it sends, and whether that asks for a usage the caller did not want."""

    attempt: Attempt
    body: Mapping[str, Any]
    adds_usage: bool = False


Sendings: TypeAlias = "Generator[Sending, Outcome, None]"


class Course:
    """The course of one call: what it sends, what has come of it, what it may still recall.

    Attributes:
        outcomes: so far, in order; they have been paid for, whatever comes next.
        hides_usage: whether the last attempt asked for a usage that the caller did not want.
    """

    def __init__(self, account: Account, call: Call) -> None:
        self.account = account
        self.call = call
        self.recalls = Recalls(account, call)
        self.outcomes: list[Outcome] = []
        self.hides_usage = False

    @property
    def last(self) -> Outcome:
        """How the last attempt went."""
        return self.outcomes[-1]

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
            self.outcomes[-1] = replace(self.last, recalled=True, response=None)
            yield from self.more(said)

    def more(self, said: Said) -> Sendings:
        """One more attempt, with what the last answer asked to have back."""
        before = self.last.attempt
        self.recalls.take(said, before.model)
        attempt = Attempt(before.model, before.number + 1, f"recall {self.recalls.rounds}")
        yield from self._tries(attempt)
        if _is_refused(self.last.error):
            yield from self._as_given()

    def _as_given(self) -> Sendings:
        """The caller's own body: neither the tool nor what it fetched may lose the call."""
        self.recalls.give_up()
        model = self.call.model_requested
        yield from self._tries(Attempt(model, self.last.attempt.number + 1, "refused: as given"))

    def _cascaded(self, decision: Decision) -> Sendings:
        steps = cascade(decision)
        attempt = next(steps)
        while True:
            yield from self._tries(attempt)
            try:
                attempt = steps.send(self.last)
            except StopIteration:
                return

    def _tries(self, attempt: Attempt) -> Sendings:
        """One attempt; again without the question for usage, where the provider refuses that."""
        adds_usage = self.call.adds_usage and self.account.stream_usage
        body = self.recalls.body(attempt.model, add_usage=adds_usage)
        outcome = yield Sending(attempt, body, adds_usage)
        if adds_usage and outcome.error is not None and refuses_stream_usage(outcome.error):
            self.account.stream_usage = adds_usage = False
            body = self.recalls.body(attempt.model, add_usage=False)
            outcome = yield Sending(attempt, body)
        self.hides_usage = adds_usage
        sent = body if self.recalls.changes_body else None
        self.outcomes.append(replace(outcome, sent=sent) if sent is not None else outcome)


def _is_refused(error: BaseException | None) -> bool:
    """Whether a provider (or an SDK without an extra for tools) would not take a request."""
    return isinstance(error, ImportError) or getattr(error, "status_code", None) in REFUSED
