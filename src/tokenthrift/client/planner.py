"""How an account plans its calls: which policy and arm a call falls under, what is known of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.client.call import Shadow
from tokenthrift.compress import Memo, redact
from tokenthrift.errors import NoCandidateError
from tokenthrift.experiment import session_key
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy
from tokenthrift.route import Candidate, Routing
from tokenthrift.tokens import counter_for
from tokenthrift.transports.bridges import stays

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.allowance import Allowance
    from tokenthrift.client.call import Call
    from tokenthrift.client.sessions import Sessions
    from tokenthrift.client.trial import Trial
    from tokenthrift.pipeline import Plan
    from tokenthrift.route import Forecaster
    from tokenthrift.transports.crossing import Elsewhere
    from tokenthrift.types import Request

log = logging.getLogger("tokenthrift")


class Planner:
    """Plans the calls of one account. Safe with threads.

    Args:
        policy: of the account.
        catalog: model cards.
        provider: the only seller that the client's transport reaches, those it reaches by wire, or
            None for any.
        sessions: what is remembered of conversations.
        allowance: what limits leave; the tightest one tapers the choice.
        trial: which sessions are treated.

    Attributes:
        elsewhere: where models of other sellers are asked; None where only the client's own are.
    """

    def __init__(
        self,
        policy: Policy,
        catalog: Catalog,
        provider: str | Mapping[str, Collection[str]] | None,
        sessions: Sessions,
        allowance: Allowance,
        trial: Trial,
    ) -> None:
        self._policy = policy
        self._catalog = catalog
        self._reached = reached(provider)
        self._sessions = sessions
        self._allowance = allowance
        self._trial = trial
        self._restricted = {w: _restricted(policy, r) for w, r in self._reached.items()}
        self.elsewhere: Elsewhere | None = None
        self._memo = Memo()

    def enrolled(self, call: Call) -> Call:
        """A call with its request, its session and the arm of that.

        Raises:
            WireError: the body cannot be read.
        """
        request = wire.read(call.body, call.wire)
        session = session_key(request, call.options.session, call.tags)
        arm = None if session is None else self._trial.assign(session)
        return replace(call, request=request, session=session, assignment=arm)

    def plan(self, call: Call, forecaster: Forecaster | None, now_s: float) -> Plan:
        """The plan of a call.

        Args:
            call: that begins, enrolled.
            forecaster: what is known of outcomes.
            now_s: on the clock of all calls.

        Raises:
            WireError: the body cannot be read.
            OverBudgetError: the hard budget cannot be met.
            NoCandidateError: no model can serve the request.
            LoopError: the conversation goes round in circles, and the policy refuses that.
            LimitStoreError: what is spent cannot be read.
        """
        request = _request(call)
        if call.arm == "holdout" and not call.options.off:
            return self._unmodified(call, request)
        if call.options.off or not call.is_treated:
            return plan(request, self._bare, catalog=self._catalog)
        return self._treated(call, request, forecaster, now_s)

    def shadow(self, call: Call, forecaster: Forecaster | None, now_s: float) -> Shadow | None:
        """What would be done with a call of the arm ``shadow``; nothing of it may cost the call."""
        if call.arm != "shadow" or call.options.off:
            return None
        try:
            return Shadow(self._treated(call, _request(call), forecaster, now_s))
        except Exception as error:  # noqa: BLE001 - it is recorded; the call goes as it is given
            log.debug("no shadow of a plan: %r", error)
            return Shadow(None, type(error).__name__)

    def unplanned(self, call: Call) -> Plan | None:
        """The plan of a call that goes out as it is, where even that takes one: without secrets."""
        if self._policy.redact is None:
            return None
        return plan(_request(call), self._bare, catalog=self._catalog)

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
    def _treated(
        self, call: Call, request: Request, forecaster: Forecaster | None, now_s: float
    ) -> Plan:
        """The plan of a call as the policy says."""
        restricted = None if self.elsewhere else self._restricted.get(request.wire)
        policy = _with_floor(restricted or self._policy, call.options.floor)
        unreached = self._unreached(call, request, (c.model for c in policy.routing.candidates))
        session = self._sessions.of(request, now_s)
        if unreached:
            session = replace(session, unreached=unreached)
        if self._allowance.is_limited and not policy.routing.pinned:
            share = self._allowance.spent_share(call, request.model)
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
        except NoCandidateError as error:
            if restricted is None and not unreached:
                raise
            return self._pinned(request, error)

    def _unreached(self, call: Call, request: Request, models: Iterable[str]) -> Mapping[str, str]:
        """Models that are sold elsewhere and cannot be asked there for this request, and why."""
        own = self._reached.get(request.wire)
        if self.elsewhere is None or own is None:
            return {}
        sellers = {model: self.elsewhere.seller_of(model) for model in models}
        foreign = {m: seller for m, seller in sellers.items() if seller and seller not in own}
        if not foreign:
            return {}
        why = call.options.stays or stays(request)
        problems = {m: why or self.elsewhere.problem(seller) for m, seller in foreign.items()}
        return {m: f"sold by {foreign[m]}: {p}" for m, p in problems.items() if p}

    @property
    def _bare(self) -> Policy:
        """Nothing but redaction."""
        return Policy(redact=self._policy.redact)

    def _unmodified(self, call: Call, request: Request) -> Plan:
        """As a call would have gone without the policy: as it is given, to the baseline model.

        That is the model that the policy names as what calls would go to without its routing, where
        it routes and the client reaches that model; else the caller's own.
        """
        routing = self._policy.routing
        name = routing.baseline
        if (
            name is None
            or name == request.model
            or routing.pinned
            or not self._reaches(name, call, request)
        ):
            return plan(request, self._bare, catalog=self._catalog)
        pinned = Routing(candidates=(Candidate(model=name),), pin=True, baseline=name)
        policy = self._bare.model_copy(update={"routing": pinned})
        try:
            return plan(request, policy, catalog=self._catalog)
        except NoCandidateError:
            return plan(request, self._bare, catalog=self._catalog)

    def _reaches(self, model: str, call: Call, request: Request) -> bool:
        card = self._catalog.get(model)
        if card is None:
            return False
        if card.provider in self._reached.get(request.wire, {card.provider}):
            return True
        return self.elsewhere is not None and not self._unreached(call, request, [model])

    def _pinned(self, request: Request, error: NoCandidateError) -> Plan:
        """No candidate in reach: the caller's own model, as without routing."""
        pinned = self._policy.routing.model_copy(update={"candidates": ()})
        policy = self._policy.model_copy(update={"routing": pinned})
        made = plan(request, policy, catalog=self._catalog, memo=self._memo)
        reason = f"{made.decision.reason}; {error}"
        return replace(made, decision=replace(made.decision, reason=reason))


def _request(call: Call) -> Request:
    return wire.read(call.body, call.wire) if call.request is None else call.request


def reached(
    provider: str | Mapping[str, Collection[str]] | None,
) -> dict[str, frozenset[str]]:
    """The sellers that a transport reaches, by wire; wires that are not there reach any."""
    if provider is None:
        return {}
    if isinstance(provider, str):
        return dict.fromkeys(wire.WIRES, frozenset({provider}))
    return {name: frozenset(sellers) for name, sellers in provider.items()}


def _restricted(policy: Policy, sellers: frozenset[str]) -> Policy | None:
    """The policy with only some sellers allowed; None where that is not called for."""
    routing = policy.routing
    if routing.pinned or routing.allow_providers is not None:
        return None
    allowed = routing.model_copy(update={"allow_providers": sellers})
    return policy.model_copy(update={"routing": allowed})


def _with_floor(policy: Policy, floor: float | None) -> Policy:
    if floor is None or policy.routing.pinned:
        return policy
    routing = policy.routing.model_copy(update={"floor": floor})
    return policy.model_copy(update={"routing": routing})
