"""`Thrift`: the hooks of one LiteLLM proxy around the account that plans and records its calls.

A call is planned in the hook before it and settled by the event after it. Recalls, checks of
answers and redaction need the answer before the caller has it, which no hook gives: the first two
are switched off here, policies with the third are refused. A fault of ours never loses a call.
"""

from __future__ import annotations

import atexit
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import run_sync
from litellm.integrations.custom_logger import CustomLogger

from tokenthrift.client.account import OUTSIDE, Account
from tokenthrift.client.options import CallOptions
from tokenthrift.client.streams import gave_up
from tokenthrift.client.wrap import ledger_at
from tokenthrift.errors import LimitError, LimitStoreError, PolicyError, TokenthriftError
from tokenthrift.litellm_proxy.bodies import (
    MODEL,
    WIRES,
    Change,
    body_of,
    note_record,
    noted_record,
)
from tokenthrift.litellm_proxy.events import Event, failed_usage
from tokenthrift.litellm_proxy.models import ProxyModels, may_use
from tokenthrift.litellm_proxy.refusals import already_under_way, http_error
from tokenthrift.litellm_proxy.under_way import CallsUnderWay, UnderWay
from tokenthrift.policy import load_policy
from tokenthrift.route import Attempt, Outcome
from tokenthrift.types import Usage

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tokenthrift.catalog import Catalog
    from tokenthrift.client.call import Call, Outside
    from tokenthrift.ledger import Ledger, Sink
    from tokenthrift.policy import Policy
    from tokenthrift.route import Forecaster

LOST_AFTER_S: Final = 3600.0
"""A call of which the proxy has said nothing for so long is settled as given up."""
REQUEST: Final = "litellm_logging_obj"
"""Where the proxy keeps the one object of a request that all of its hooks see."""
HEADER: Final = "x-tokenthrift-record"
"""Of every answer: the id of its record."""
NOBODY: Final = "default_user_id"
"""The proxy's user of calls that are nobody's."""

log = logging.getLogger("tokenthrift")


class Thrift(CustomLogger):
    """Trims, routes and accounts for the calls of a LiteLLM proxy.

    Args:
        policy: a policy, its name, its file or its mapping.
        ledger: where records go: a file, a ledger that is open, or None for the newest records in
            memory.
        tags: written into every record, beside ``user``, ``team``, ``key`` and ``proxy_model``.
        catalog: model cards; the bundled ones (plus the policy's own) if None.
        forecaster: what is known of outcomes.
        sinks: take every record as well, e.g. telemetry.
        router: gives the proxy's router; the one of the proxy that runs in this process if None.
        lost_after_s: when a call of which nothing more is heard is settled as given up.
        outside: clock, stopwatch and ids.

    Attributes:
        account: of all calls of this process.

    Raises:
        PolicyError: the policy is wrong, or redacts.
        LedgerError: the ledger cannot be opened.
    """

    def __init__(  # noqa: PLR0913 - each of them is passed in by somebody else
        self,
        policy: Policy | str | Path | Mapping[str, Any] = "balanced",
        *,
        ledger: str | os.PathLike[str] | Ledger | None = None,
        tags: Mapping[str, str] | None = None,
        catalog: Catalog | None = None,
        forecaster: Forecaster | None = None,
        sinks: Sequence[Sink] = (),
        router: Callable[[], Any] | None = None,
        lost_after_s: float = LOST_AFTER_S,
        outside: Outside = OUTSIDE,
    ) -> None:
        super().__init__()
        self.account = Account(
            _within_hooks(load_policy(policy)),
            ledger_at(ledger),
            tags=tags,
            catalog=catalog,
            forecaster=forecaster,
            outside=outside,
        )
        for sink in sinks:
            self.account.add_sink(sink)
        self._models = ProxyModels(self.account.catalog, router or _router)
        self._calls = CallsUnderWay()
        self._lost_after_s = lost_after_s
        atexit.register(self.settle_lost, 0.0)

    # ------------------------------------------------------------------------------------- before
    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Plan a call; gives its data, changed, or None where it is left alone.

        Raises:
            ProxyException: a limit or the policy refuses the call, or its id is another one's.
        """
        del cache
        call_id = str(data.get("litellm_call_id") or "")
        wire = WIRES.get(str(call_type))
        if wire is None or not call_id:
            return None
        call = self._calls.get(call_id)
        if call is None:
            try:
                begun = await run_sync(self._begin, data, wire, user_api_key_dict)
            except TokenthriftError as error:
                raise http_error(error) from error
            except Exception as error:  # noqa: BLE001 - a fault of ours must not cost a call
                self._fault("could not be planned, and went as it was given", error)
                return None
            if begun is None:
                return None
            call = self._calls.put(call_id, begun)
            if call is not begun:
                self.account.allowance.give_back(begun.call)
        if call.request is not data.get(REQUEST):
            raise already_under_way(call_id)
        call.change.apply(data)
        note_record(data, call.call.record_id)
        return data

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Note that a call is sent to a provider now."""
        del call_type
        call = self._calls.get(str(kwargs.get("litellm_call_id") or ""))
        if call is not None:
            call.was_sent = True
        return None

    # -------------------------------------------------------------------------------------- after
    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: Any,
        response: object,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, object] | None = None,
    ) -> dict[str, str] | None:
        """Say which record an answer has, so that feedback can be given on it."""
        del user_api_key_dict, response, request_headers, litellm_call_info
        record_id = noted_record(data)
        return None if record_id is None else {HEADER: record_id}

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Hand on the chunks as they are, and note when they came and whether the caller left."""
        del user_api_key_dict
        call = self._of(request_data)
        allowance = self.account.allowance
        try:
            async for chunk in response:
                if call is not None:
                    call.saw_chunk(self.account.outside.stopwatch_s())
                    if allowance.is_due(call.call):
                        await run_sync(allowance.renew, call.call)
                yield chunk
        except BaseException as error:
            if call is not None and gave_up(error):
                call.is_cancelled = True
            raise

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Settle a call that was answered, or whose caller left."""
        event = Event(kwargs, response_obj, start_time, end_time)
        call = self._calls.take(event.call_id)
        if call is not None:
            await self._safely(self._answered, call, event)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """Note an attempt that failed; the proxy may make another one."""
        del response_obj
        event = Event(kwargs, None, start_time, end_time)
        call = self._calls.get(event.call_id)
        if call is not None:
            await self._safely(self._noted, call, event)

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """Settle a call that failed for good."""
        del user_api_key_dict, traceback_str
        call = self._of(request_data)
        if call is not None and self._calls.take(str(request_data["litellm_call_id"])) is call:
            await self._safely(self._failed, call, original_exception)

    def settle_lost(self, older_than_s: float | None = None) -> None:
        """Settle calls of which nothing is heard any more, as given up by their callers."""
        kept_s = self._lost_after_s if older_than_s is None else older_than_s
        for call_id in self._calls.older_than(time.monotonic() - kept_s):
            call = self._calls.take(call_id)
            if call is None:
                continue
            attempt = Attempt(call.model, len(call.outcomes) + 1, "lost")
            usage = None if call.was_sent else Usage()
            lost = Outcome(attempt, error=TimeoutError("no word of it"), usage=usage)
            try:
                self.account.settle(call.call, [*call.outcomes, lost], cancelled=True)
            except Exception as error:  # noqa: BLE001 - one that cannot be settled keeps no other
                self._fault("could not be settled", error)

    # ------------------------------------------------------------------------------------- inside
    def _of(self, data: Mapping[str, Any]) -> UnderWay | None:
        """The call of a request, and not another one's that has the same id."""
        call = self._calls.get(str(data.get("litellm_call_id") or ""))
        return call if call is not None and noted_record(data) == call.call.record_id else None

    def _begin(self, data: Mapping[str, Any], wire: str, key: Any) -> UnderWay | None:
        """Begin a call; not where the router knows no such model, as the proxy says that best."""
        self.settle_lost()
        asked = str(data.get(MODEL) or "")
        if not self._models.serves(asked):
            return None
        body = {**body_of(data), MODEL: self._models.card_name(asked)}
        tags = {**_tags(key), "proxy_model": asked}
        session = data.get("litellm_session_id")
        options = CallOptions(tags=tags, session=None if session is None else str(session))
        call = self.account.begin(body, wire=wire, options=options)
        model, served_as = self._reached(call, asked, key)
        effort = None if call.plan is None else call.plan.decision.effort
        planned = call.plan is not None and model == call.plan.model
        sent = call.body_for(model, effort if planned else None, add_usage=False)
        change = Change.between(body, sent, served_as)
        return UnderWay(call, model, served_as, change, time.monotonic(), data.get(REQUEST))

    def _reached(self, call: Call, asked: str, key: Any) -> tuple[str, str]:
        """The model that a call goes to, and the proxy's name for it: the plan's, if it can."""
        given = call.model_requested
        if call.plan is None or call.plan.model == given:
            return given, asked
        models, of_team = list(key.models or ()), list(key.team_models or ())
        served_as = self._models.served_as(
            call.plan.model, lambda name: may_use(name, models, of_team)
        )
        if served_as is not None:
            return call.plan.model, served_as
        allowance = self.account.allowance
        allowance.give_back(call)
        try:
            allowance.reserve(call, given, 1)
        except (LimitError, LimitStoreError) as error:
            refused = Outcome(Attempt(given, 1, "refused"), error=error, usage=Usage())
            self.account.settle(call, [refused])
            raise
        return given, asked

    def _answered(self, call: UnderWay, event: Event) -> None:
        attempt = self._attempt(call, event)
        since: datetime = call.call.created_at
        outcome = event.outcome(attempt, since, cut_off=call.is_cancelled)
        self.account.settle(
            call.call,
            [*call.outcomes, outcome],
            cancelled=call.is_cancelled,
            inter_chunk_ms=call.inter_chunk_ms,
        )

    def _noted(self, call: UnderWay, event: Event) -> None:
        attempt = self._attempt(call, event)
        call.outcomes.append(event.outcome(attempt, call.call.created_at))

    def _failed(self, call: UnderWay, error: Exception) -> None:
        outcomes = list(call.outcomes)
        if not outcomes:
            usage = failed_usage(error) if call.was_sent else Usage()
            outcomes = [Outcome(Attempt(call.model, 1, "failed"), error=error, usage=usage)]
        self.account.settle(call.call, outcomes, cancelled=call.is_cancelled)

    def _attempt(self, call: UnderWay, event: Event) -> Attempt:
        """What the proxy tried: the model that was planned, or the one that it fell back to."""
        number = len(call.outcomes) + 1
        model = event.model(self._models)
        if event.group in ("", call.served_as) and model in (self._models.known([call.model]), ""):
            model = call.model
        if number > 1:
            self.account.allowance.pass_on(call.call, call.outcomes[-1], model, number)
        return Attempt(model, number, f"by the proxy, as {event.group or call.served_as}")

    async def _safely(self, work: Callable[..., None], *given: Any) -> None:
        """Do something off the event loop; a fault of ours is kept in mind and raised nowhere."""
        try:
            await run_sync(work, *given)
        except Exception as error:  # noqa: BLE001 - the call is over, its answer is worth more
            self._fault("could not be settled", error)

    def _fault(self, what: str, error: Exception) -> None:
        log.warning("a call of the proxy %s: %r", what, error)
        self.account.report(error)


def _within_hooks(policy: Policy) -> Policy:
    """The policy without what hooks cannot do."""
    if policy.redact is not None:
        problem = "a plugin of the proxy cannot put secrets back into answers"
        raise PolicyError(policy.name, "redact", problem, "use a client, or remove the key")
    if policy.recall.offer:
        log.warning("recall.offer is off in the proxy: its hooks cannot answer the model")
    if policy.routing.verify:
        log.warning("routing.verify is off in the proxy: its hooks cannot ask another model")
    recall = policy.recall.model_copy(update={"offer": False})
    routing = policy.routing.model_copy(update={"verify": (), "verify_streams": False})
    return policy.model_copy(update={"recall": recall, "routing": routing})


def _tags(key: Any) -> dict[str, str]:
    """Whose call it is, as the proxy knows it."""
    user = None if key.user_id == NOBODY else key.user_id
    said = {
        "user": key.end_user_id or user,
        "team": key.team_alias or key.team_id,
        "key": key.key_alias,
    }
    return {name: str(value) for name, value in said.items() if value}


def _router() -> Any:
    """The router of the proxy that runs in this process."""
    from litellm.proxy import proxy_server

    return proxy_server.llm_router
