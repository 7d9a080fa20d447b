"""The limits of a policy around the calls of an account: reserved before, settled after.

Every attempt holds an amount of its own, so that what is tried again or asked of another model
never goes beyond a limit either.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tokenthrift import limits
from tokenthrift.errors import LimitError, LimitStoreError
from tokenthrift.limits import Limiter, open_limits, usage
from tokenthrift.route import Load, expected_cost, is_cached
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.call import Call
    from tokenthrift.ledger import AttemptRecord, LedgerRecord
    from tokenthrift.limits import AccountUse, Lease, LimitStore
    from tokenthrift.policy import Policy
    from tokenthrift.route import Outcome

RENEWED_AFTER: Final = 1 / 3
"""Of the time of a lease; two further chances are left to a stream whose store was busy."""


class Allowance:
    """What the policy's limits allow the calls of one account. Safe with threads.

    Args:
        policy: without limits, everything is allowed and nothing is counted.
        catalog: prices.
        now: the time, aware.
        report: takes errors of the store that come too late to refuse a call.

    Raises:
        LimitStoreError: the policy's store cannot be opened.
    """

    def __init__(
        self,
        policy: Policy,
        catalog: Catalog,
        now: Callable[[], datetime],
        report: Callable[[Exception], None],
    ) -> None:
        self._limiter: Limiter | None = None
        self._store: LimitStore | None = None
        self._rules = policy.limits
        if policy.limits:
            self._store = open_limits(policy.limits_store)
            self._limiter = Limiter(policy.limits, self._store, leases=policy.leases, clock=now)
        self._output_tokens = policy.routing.reserve_output_tokens
        self._catalog = catalog
        self._report = report
        self._now = now
        self._renewed_after = timedelta(seconds=policy.leases.seconds * RENEWED_AFTER)
        self._due: dict[str, datetime] = {}
        self._leases: dict[str, dict[int, Lease]] = {}
        self._lock = threading.Lock()

    @property
    def is_limited(self) -> bool:
        """Whether there are limits."""
        return self._limiter is not None

    def uses(self) -> list[AccountUse]:
        """How full every limit is, and what of its past windows expired unused.

        Raises:
            LimitStoreError: the store cannot be read.
        """
        return [] if self._store is None else usage(self._rules, self._store, self._now())

    def spent_share(self, call: Call, model: str) -> float:
        """How much of the tightest limit on such a call is spent or held, in [0, 1].

        Raises:
            LimitStoreError: the store cannot be read.
        """
        if self._limiter is None:
            return 0.0
        return min(1.0, self._limiter.pressure(_counted(call, model)).share)

    def reserve(self, call: Call, model: str, number: int) -> tuple[str, ...]:
        """Hold the most that an attempt takes: what is sent, and the longest answer.

        Where the caller sets no limit of output tokens, the policy's ``reserve_output_tokens``
        count; an answer that is longer is counted as it was. Of a body that could not be planned
        nothing is known before it has been answered: only the request itself is held.

        Args:
            call: it belongs to.
            model: that is about to be asked.
            number: of the attempt, from 1; only the first counts as a request.

        Returns:
            The names of the limits that it touches.

        Raises:
            LimitError: a limit has no room for it.
            LimitStoreError: the store cannot be read or written, so nothing can be promised.
        """
        if self._limiter is None:
            return ()
        usage, cost = self._most(call, model)
        lease = self._limiter.reserve(_counted(call, model), usage, cost, requests=int(number == 1))
        with self._lock:
            self._leases.setdefault(call.record_id, {})[number] = lease
            self._due.setdefault(call.record_id, self._now() + self._renewed_after)
        return lease.limits

    def is_due(self, call: Call) -> bool:
        """Whether a call goes on for so long that what is held for it should be renewed."""
        due = self._due.get(call.record_id)
        return due is not None and self._now() >= due

    def renew(self, call: Call) -> None:
        """Hold for as long again, from now, what is held for a call that is still under way."""
        with self._lock:
            leases = tuple(self._leases.get(call.record_id, {}).values())
            if leases:
                self._due[call.record_id] = self._now() + self._renewed_after
        for lease in leases:
            self._safely(lease.renew)

    def settle(self, call: Call, outcomes: Sequence[Outcome], record: LedgerRecord) -> None:
        """Count what the attempts of a call took, and give back what was held for others."""
        leases = self._taken(call)
        attempts = zip(outcomes, record.attempts, strict=False)  # embeddings stand behind them
        for outcome, attempt in attempts:
            lease = leases.pop(outcome.attempt.number, None)
            if lease is not None:
                self._safely(_closing(lease, outcome, attempt))
        for lease in leases.values():
            self._safely(lease.refund)

    def settle_refused(self, call: Call, outcome: Outcome) -> None:
        """A provider took nothing of an attempt: its amount is free for the next one."""
        if outcome.usage != Usage():
            return
        with self._lock:
            lease = self._leases.get(call.record_id, {}).pop(outcome.attempt.number, None)
        if lease is not None:
            self._safely(lambda: lease.settle(Usage(), Money()))

    def pass_on(self, call: Call, failed: Outcome, model: str, number: int) -> None:
        """Hold something for an attempt that somebody else makes, who cannot be refused any more.

        What was held for the one before it, where that took nothing; else as much again, as far as
        there is room.
        """
        if failed.usage != Usage():
            try:
                self.reserve(call, model, number)
            except (LimitError, LimitStoreError) as error:
                self._report(error)
            return
        with self._lock:
            leases = self._leases.get(call.record_id, {})
            lease = leases.pop(failed.attempt.number, None)
            if lease is not None:
                leases[number] = lease

    def give_back(self, call: Call) -> None:
        """Nothing of a call was sent."""
        for lease in self._taken(call).values():
            self._safely(lease.refund)

    # ------------------------------------------------------------------------------------ inside
    def _most(self, call: Call, model: str) -> tuple[Usage, Money | None]:
        if call.plan is None:
            return Usage(estimated=True), Money()
        sent, tokens = call.plan.sent, call.plan.tokens_after
        output = sent.max_output_tokens or self._output_tokens
        usage = Usage(input_tokens=tokens, output_tokens=output, estimated=True)
        card = self._catalog.get(model)
        if card is None:
            return usage, None
        load = Load(tokens, output, caches=is_cached(sent, tokens, card))
        return usage, expected_cost(card, load)

    def _taken(self, call: Call) -> dict[int, Lease]:
        with self._lock:
            self._due.pop(call.record_id, None)
            return self._leases.pop(call.record_id, {})

    def _safely(self, close: Callable[[], object]) -> None:
        """Close a lease; what cannot be written now is counted when its time is over."""
        try:
            close()
        except Exception as error:  # noqa: BLE001 - the call is over, and its answer is worth more
            self._report(error)


def _counted(call: Call, model: str) -> limits.Call:
    """What limits know of an attempt."""
    return limits.Call(model, call.tags, call.options.key)


def _closing(lease: Lease, outcome: Outcome, attempt: AttemptRecord) -> Callable[[], object]:
    """How the lease of an attempt ends; where nobody knows what it took, as what was held."""
    if outcome.usage is None and not outcome.ok:
        return lease.charge
    nothing = not (attempt.input_tokens or attempt.output_tokens)
    cost = None if attempt.cost_nanos is None else Money(attempt.cost_nanos)
    return lambda: lease.settle(attempt.usage, Money() if nothing else cost)
