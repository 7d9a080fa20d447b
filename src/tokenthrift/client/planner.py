"""How an account plans its calls: which policy a call falls under, what is known of its past."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.compress import Memo, redact
from tokenthrift.errors import NoCandidateError
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.allowance import Allowance
    from tokenthrift.client.call import Call
    from tokenthrift.client.sessions import Sessions
    from tokenthrift.pipeline import Plan
    from tokenthrift.route import Forecaster
    from tokenthrift.types import Request


class Planner:
    """Plans the calls of one account. Safe with threads.

    Args:
        policy: of the account.
        catalog: model cards.
        provider: the only seller that the client's transport reaches, or None.
        sessions: what is remembered of conversations.
        allowance: what limits leave; the tightest one tapers the choice.
    """

    def __init__(
        self,
        policy: Policy,
        catalog: Catalog,
        provider: str | None,
        sessions: Sessions,
        allowance: Allowance,
    ) -> None:
        self._policy = policy
        self._catalog = catalog
        self._sessions = sessions
        self._allowance = allowance
        self._restricted = _restricted(policy, provider)
        self._memo = Memo()

    def plan(self, call: Call, forecaster: Forecaster | None, now_s: float) -> Plan:
        """The plan of a call.

        Args:
            call: that begins.
            forecaster: what is known of outcomes.
            now_s: on the clock of all calls.

        Raises:
            WireError: the body cannot be read.
            OverBudgetError: the hard budget cannot be met.
            NoCandidateError: no model can serve the request.
            LoopError: the conversation goes round in circles, and the policy refuses that.
            LimitStoreError: what is spent cannot be read.
        """
        request = wire.read(call.body, call.wire)
        if call.options.off:
            return plan(request, self._bare, catalog=self._catalog)
        restricted = self._restricted
        if call.options.anywhere and not wire.held(request):
            restricted = None
        policy = _with_floor(restricted or self._policy, call.options.floor)
        session = self._sessions.of(request, now_s)
        if self._allowance.is_limited and not policy.routing.pinned:
            share = self._allowance.spent_share(request.model, call.tags)
            session = replace(session, spent_share=share)
        try:
            return plan(
                request,
                policy,
                catalog=self._catalog,
                memo=self._memo,
                session=session,
                forecaster=forecaster,
                call_id=call.record_id,
            )
        except NoCandidateError:
            if restricted is None:
                raise
        return self._pinned(request)

    def unplanned(self, call: Call) -> Plan | None:
        """The plan of a call that goes out as it is, where even that takes one: without secrets."""
        if self._policy.redact is None:
            return None
        return plan(wire.read(call.body, call.wire), self._bare, catalog=self._catalog)

    def cleared(self, body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """A body that is not planned, as far as it may leave the house; itself without secrets.

        Raises:
            WireError: the policy redacts, and the body cannot be read.
        """
        if self._policy.redact is None:
            return body
        request = wire.read(body, name)
        return redact(request, self._policy.redact, counter_for(request.model)).request.body

    # ------------------------------------------------------------------------------------ inside
    @property
    def _bare(self) -> Policy:
        """Nothing but redaction."""
        return Policy(redact=self._policy.redact)

    def _pinned(self, request: Request) -> Plan:
        """No candidate of the only seller in reach: the caller's own model, as without routing."""
        pinned = self._policy.routing.model_copy(update={"candidates": ()})
        policy = self._policy.model_copy(update={"routing": pinned})
        return plan(request, policy, catalog=self._catalog, memo=self._memo)


def _restricted(policy: Policy, provider: str | None) -> Policy | None:
    """The policy with only one seller allowed; None where that is not called for."""
    routing = policy.routing
    if provider is None or routing.pinned or routing.allow_providers is not None:
        return None
    allowed = routing.model_copy(update={"allow_providers": frozenset({provider})})
    return policy.model_copy(update={"routing": allowed})


def _with_floor(policy: Policy, floor: float | None) -> Policy:
    if floor is None or policy.routing.pinned:
        return policy
    routing = policy.routing.model_copy(update={"floor": floor})
    return policy.model_copy(update={"routing": routing})
