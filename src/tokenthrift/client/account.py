"""The account of one client: the one place where plan and money of a call meet.

`begin` makes the plan of a call, `settle` writes its record. Both are synchronous and do no I/O but
the ledger's; the clock, the stopwatch and the ids come from outside. Optimisation never loses a
call here: a body that cannot be planned goes out as it is, and a ledger that fails only warns.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.catalog import load_catalog
from tokenthrift.client.allowance import Allowance
from tokenthrift.client.call import RECEIPT, Call, Outside, Receipt
from tokenthrift.client.debts import Debts
from tokenthrift.client.keeping import Keeper
from tokenthrift.client.options import PLAIN
from tokenthrift.client.planner import Planner
from tokenthrift.client.records import Books, Ending, record_of
from tokenthrift.client.sessions import Sessions
from tokenthrift.client.tagging import context_tags
from tokenthrift.client.trial import Trial
from tokenthrift.encoders import collect_spending
from tokenthrift.errors import (
    LimitError,
    LimitStoreError,
    TokenthriftError,
    WireError,
)
from tokenthrift.experiment import session_key
from tokenthrift.ledger import lesson_of, lessons_of
from tokenthrift.policy import load_policy
from tokenthrift.recall import open_recall
from tokenthrift.route import Kept, final_of
from tokenthrift.route.learning import Learned, learned
from tokenthrift.verify import checks_of, first_objection
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.options import CallOptions
    from tokenthrift.ledger import Feedback, Ledger, LedgerRecord, Sink
    from tokenthrift.pipeline import Plan
    from tokenthrift.policy import Policy
    from tokenthrift.recall import RecallStore
    from tokenthrift.route import Answer, Forecaster, Outcome
    from tokenthrift.transports.crossing import Elsewhere
    from tokenthrift.verify import Verifier

SINK_ERRORS: Final = 100  # the newest are kept

OUTSIDE: Final = Outside()

log = logging.getLogger("tokenthrift")


class Account:
    """Plans and accounts for the calls of one client. Safe with threads.

    Args:
        policy: a policy, its name, its file or its mapping.
        ledger: takes the records, and can be asked for sums.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        tags: written into every record.
        provider: the only seller that the client's transport reaches, e.g. ``openai``, or those it
            reaches by wire; candidates of others are not eligible, unless the policy itself says
            who is allowed.
        forecaster: what is known of outcomes; None leaves adequacy to stated abilities.
        verifiers: checks of answers beside those that the policy names.
        outside: clock, stopwatch, sleep, chance and ids.

    Attributes:
        recall_store: what was cut, for as long as the policy says.
        trial: which sessions are treated, and what is known of the harm it does.
        debts: what providers that hold conversations wait for after recalls.
        allowance: what the policy's limits allow.
        sink_errors: what ledger, sinks and stores raised, newest last; the calls went on.
        sink_failures: how many there have been.

    Raises:
        PolicyError: the policy is wrong.
        CatalogError: the policy's model cards cannot be read.
        RecallError: the policy's store cannot be opened.
        LimitStoreError: the file that counts for limits cannot be opened.
        MissingExtraError: the store is a server, or the policy redacts or verifies, and the extra
            for it is not installed.
    """

    def __init__(  # noqa: PLR0913 - each of them is passed in by somebody else
        self,
        policy: Policy | str | Path | Mapping[str, Any],
        ledger: Ledger,
        *,
        catalog: Catalog | None = None,
        tags: Mapping[str, str] | None = None,
        provider: str | Mapping[str, Collection[str]] | None = None,
        forecaster: Forecaster | None = None,
        verifiers: Sequence[Verifier] = (),
        outside: Outside = OUTSIDE,
    ) -> None:
        self.policy = load_policy(policy)
        self.catalog = catalog if catalog is not None else load_catalog(self.policy.cards_path)
        self.ledger = ledger
        self.tags = dict(tags or {})
        self.outside = outside
        self.sink_errors: deque[BaseException] = deque(maxlen=SINK_ERRORS)
        self.sink_failures = 0
        self.stream_usage = True
        """Whether streams may be asked for their usage; a provider that refuses switches it off."""
        self.recall_store: RecallStore = open_recall(
            self.policy.recall_store, ttl_days=self.policy.recall.ttl_days
        )
        self.debts = Debts(self.recall_store, self.report)
        self._keeper = Keeper(self.policy.recall, self.recall_store, self.report)
        self._sinks: tuple[Sink, ...] = (ledger,)
        self._books = Books(self.policy, self.catalog)
        if self.policy.redact is not None:
            _ = self.policy.redact.detector  # seconds, better now than in the first call
        self.forecaster = self._taught(forecaster or self.policy.forecaster)
        self._checks = checks_of(self.policy.routing.verify, verifiers)
        shadows = self.policy.holdout.rollout == "shadow"
        caches = self._books.branches.shadow if shadows else self._books.branches.actual
        self._sessions = Sessions(self.policy.routing, caches)
        self.allowance = Allowance(self.policy, self.catalog, outside.now, self.report)
        self.trial = Trial(self.policy, ledger, outside, self.report)
        self._planner = Planner(
            self.policy, self.catalog, provider, self._sessions, self.allowance, self.trial
        )
        self._abandoned: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """The policy, and how many calls are in the ledger."""
        return f"Account(policy={self.policy.name!r}, calls={self.ledger.count()})"

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Where models of other sellers are asked; None where only the client's own are."""
        return self._planner.elsewhere

    def reach(self, elsewhere: Elsewhere) -> None:
        """Let calls go to other sellers as well, where they can."""
        self._planner.elsewhere = elsewhere

    def add_sink(self, sink: Sink) -> None:
        """Hand every further record to a sink as well, in the context in which its call began."""
        self._sinks = (*self._sinks, sink)

    def begin(
        self,
        body: Mapping[str, Any],
        *,
        wire: str = OpenAIChat.name,
        options: CallOptions = PLAIN,
    ) -> Call:
        """Plan a call.

        A body that is not of its wire, or that breaks the planner, is sent as it is: the provider
        says best what is wrong with it, and may know more than we do. Where the policy redacts, a
        body that cannot be read is refused, and what breaks the planner goes without secrets.

        Args:
            body: the caller's.
            wire: its dialect.
            options: what the call asks for beside its body.

        Raises:
            WireError: the policy redacts, and the body cannot be read.
            OverBudgetError: the hard budget cannot be met.
            NoCandidateError: no model can serve the request.
            LoopError: the conversation goes round in circles, and the policy refuses that.
            LimitError: a limit has no room for it.
            LimitStoreError: limits cannot be counted.
        """
        self.settle_abandoned()
        tags = {**self.tags, **context_tags(), **options.tags}
        body = self.debts.paid(body, wire) if self.policy.recall.offer else body
        call = Call(
            record_id=self.outside.new_id(),
            body=body,
            wire=wire,
            plan=None,
            created_at=self.outside.now(),
            started_s=self.outside.stopwatch_s(),
            plan_ms=0.0,
            tags=tags,
            options=options,
            session=session_key(None, options.session, tags),
        )
        with collect_spending() as spent:
            try:
                call, now_s = self._planner.enrolled(call), self._now_s()
                plan = self._planner.plan(call, self.forecaster, now_s)
                shadow = self._planner.shadow(call, self.forecaster, now_s)
                planned = replace(call, plan=plan, shadow=shadow)
            except TokenthriftError as error:
                planned = replace(call, problem=type(error).__name__)
                if self.redacts or not isinstance(error, WireError):
                    self._refuse(replace(planned, spent=tuple(spent)), error)
                    raise
            except Exception as error:  # a fault of ours must not cost the caller a call
                if self.policy.on_stage_error == "raise":
                    raise
                log.warning("sent as it is, as it could not be planned: %r", error)
                bare = self._planner.unplanned(call)
                planned = replace(call, problem=type(error).__name__, plan=bare)
        if planned.plan is not None:
            self._keeper.keep(planned.plan, self._now_s())
        model = call.model_requested if planned.plan is None else planned.plan.model
        try:
            touched = self.allowance.reserve(planned, model, 1)
        except (LimitError, LimitStoreError) as error:
            refused = replace(planned, problem=type(error).__name__, spent=tuple(spent))
            self._refuse(refused, error)
            raise
        adds_usage = call.hides_usage and call.is_compared and not self.policy_changes_nothing
        return replace(
            planned,
            plan_ms=self.elapsed_ms(call),
            limits=touched,
            adds_usage=adds_usage,
            spent=tuple(spent),
        )

    def settle(
        self,
        call: Call,
        outcomes: Sequence[Outcome],
        *,
        cancelled: bool = False,
        inter_chunk_ms: float | None = None,
    ) -> LedgerRecord:
        """Write the record of a call that is over, and return it; takes the arguments of `book`."""
        record = self.book(call, outcomes, cancelled=cancelled, inter_chunk_ms=inter_chunk_ms)
        self.write(call, record)
        self.settle_abandoned()
        return record

    def book(
        self,
        call: Call,
        outcomes: Sequence[Outcome],
        *,
        cancelled: bool = False,
        inter_chunk_ms: float | None = None,
    ) -> LedgerRecord:
        """The record of a call that is over, which `write` has yet to hand on.

        Args:
            call: from `begin`.
            outcomes: of all its attempts, in order.
            cancelled: whether the caller gave it up.
            inter_chunk_ms: mean time between the chunks of its stream.
        """
        ending = Ending(
            outcomes,
            self.elapsed_ms(call),
            cancelled=cancelled,
            inter_chunk_ms=inter_chunk_ms,
        )
        record = record_of(call, ending, self._books)
        self.allowance.settle(call, outcomes, record)
        self._sessions.seen(outcomes, self._now_s())
        if call.plan is not None and ending.status != "error":
            self._sessions.served(call.plan.request, _kept(call, outcomes, call.plan))
        return record

    def write(self, call: Call, record: LedgerRecord) -> None:
        """Hand the record of a call to the ledger and the other sinks; none of them costs it."""
        for sink in self._sinks:
            try:
                call.context.copy().run(sink, record)
            except Exception as error:  # noqa: BLE001 - the caller's answer is worth more than its record
                self.report(error)

    def elapsed_ms(self, call: Call) -> float:
        """Since the call began."""
        return max(0.0, (self.outside.stopwatch_s() - call.started_s) * 1000)

    def abandon(self, settle: Callable[[], object]) -> None:
        """Settle something later that was dropped without being closed.

        Finalizers run at any moment, also while this thread holds the ledger, so they leave their
        work here; it is done when the next call begins or ends.
        """
        self._abandoned.append(settle)

    def settle_abandoned(self) -> None:
        """Settle the streams that were dropped without being closed."""
        while self._abandoned:
            try:
                settle = self._abandoned.popleft()
            except IndexError:  # another thread was faster
                return
            settle()

    @property
    def policy_changes_nothing(self) -> bool:
        """Whether every body goes out byte for byte, as with the policy ``off``."""
        policy = self.policy
        bounded = policy.budget.hard_tokens is not None or policy.compaction.at_tokens is not None
        plain = policy.redact is None and policy.tools.changes_nothing and policy.routing.pinned
        return plain and not policy.stages and not bounded

    @property
    def redacts(self) -> bool:
        """Whether secrets are replaced in what is sent; then nothing goes out as it was given."""
        return self.policy.redact is not None

    def cleared(self, body: Mapping[str, Any], wire: str = OpenAIChat.name) -> Mapping[str, Any]:
        """A body that is not planned, as far as it may leave the house; itself without secrets.

        Raises:
            WireError: the policy redacts, and the body cannot be read.
        """
        return self._planner.cleared(body, wire)

    @property
    def sdk_retries(self) -> bool:
        """Whether SDKs may try again by themselves; not where the policy does."""
        return self.policy.routing.retry.times == 0

    @property
    def verifies(self) -> bool:
        """Whether answers are checked before the caller sees them."""
        return bool(self._checks)

    @property
    def verifies_streams(self) -> bool:
        """Whether streams are read to their end and checked first."""
        return self.verifies and self.policy.routing.verify_streams

    def objection(self, call: Call, answer: Answer | None) -> str:
        """The check that an answer fails, and how; empty where it passes or cannot be read."""
        if answer is None or call.plan is None or not call.is_treated:
            return ""
        return first_objection(self._checks, answer, call.plan.request, self.report)

    def report(self, error: Exception) -> None:
        """Keep an error in mind that did not stop a call; the first one is logged."""
        first = not self.sink_errors
        self.sink_errors.append(error)
        with self._lock:
            self.sink_failures += 1
        if first:
            log.warning("could not be written or read: %s (see Account.sink_errors)", error)

    def write_feedback(self, said: Feedback) -> bool:
        """Keep what somebody says of a call, and learn from it where the policy says so.

        Returns:
            Whether it was new; of each call only what is said first teaches.

        Raises:
            LedgerError: the ledger holds no such call, cannot be written, or the same source has
                said something else of it.
        """
        new = self.ledger.write_feedback(said)
        first = new and len(list(self.ledger.feedback(said.call_id))) == 1
        record = self.ledger.get(said.call_id) if first else None
        lesson = None if record is None else lesson_of(record, said)
        with self._lock:
            taught = self.forecaster
            if lesson is not None and isinstance(taught, Learned):
                beliefs = learned([lesson], self.policy.routing.forget, taught.beliefs)
                self.forecaster = replace(taught, beliefs=beliefs)
        return new

    # ------------------------------------------------------------------------------------ inside
    def _taught(self, forecaster: Forecaster | None) -> Forecaster | None:
        """With what the feedback in the ledger taught, where the policy says so."""
        if forecaster is None or not self.policy.routing.learn:
            return forecaster
        return Learned(forecaster, learned(lessons_of(self.ledger), self.policy.routing.forget))

    def _refuse(self, call: Call, error: TokenthriftError) -> None:
        """Write the record of a call that planning ended; its error carries the receipt."""
        refused = replace(call, plan_ms=self.elapsed_ms(call))
        ending = Ending((), refused.plan_ms, error=refused.problem)
        record = record_of(refused, ending, self._books)
        self.write(refused, record)
        vars(error)[RECEIPT] = Receipt(call.record_id, call.plan, record)

    def _now_s(self) -> float:
        return self.outside.now().timestamp()


def _kept(call: Call, outcomes: Sequence[Outcome], plan: Plan) -> Kept:
    """The action that a conversation is on: the one that served it, or that its shadow chose."""
    if call.shadow is not None and call.shadow.plan is not None:
        decision = call.shadow.plan.decision
        return Kept(decision.chosen, decision.effort, decision.level)
    attempt = outcomes[final_of(outcomes)].attempt
    return Kept(attempt.model, attempt.effort, plan.decision.level)
