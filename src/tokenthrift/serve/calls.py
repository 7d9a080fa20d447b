"""Calls of models: a request in a provider's dialect, relayed under a policy.

The caller is watched while it waits: where it leaves, the provider's answer is left as well, and
the record says so. What is logged of a call has no text of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio

from tokenthrift.client.call import RECEIPT
from tokenthrift.client.drive import complete_async
from tokenthrift.errors import TokenthriftError
from tokenthrift.serve.bodies import GoneError, body_of, parsed
from tokenthrift.serve.errors import Refusal, refusal_of
from tokenthrift.serve.headers import decision_headers, options_of, returned, sent_on
from tokenthrift.serve.relay import Answered, Inbound
from tokenthrift.serve.replies import begin, piece, refuse, whole
from tokenthrift.serve.upstreams import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    NoUpstreamError,
)

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tokenthrift.client.account import Account
    from tokenthrift.client.options import CallOptions
    from tokenthrift.pipeline import Plan
    from tokenthrift.serve.desk import Desk
    from tokenthrift.serve.keys import ApiKey, Room

log = logging.getLogger("tokenthrift.serve")

BUSY: Final = {"retry-after": "1"}
CLIENT_LEFT: Final = 499  # in the log only; as nginx writes it


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where calls of one dialect come in.

    Attributes:
        path: behind ``/v1``.
        wire: of the bodies.
        room: that a key must be for.
    """

    desk: Desk
    path: str
    wire: str
    room: Room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        desk, begun_s = self.desk, time.perf_counter()
        status: list[int] = [CLIENT_LEFT]
        if desk.under_way >= desk.settings.max_calls:
            await refuse(
                send, Refusal(503, "too many calls are under way", headers=BUSY), self.wire
            )
            return
        desk.under_way += 1
        try:
            status[0] = await self._answered(scope, receive, send)
        except GoneError:
            pass
        finally:
            desk.under_way -= 1
            took_ms = (time.perf_counter() - begun_s) * 1000
            log.info("%s %s %d %.0f ms", scope["method"], scope["path"], status[0], took_ms)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Send the answer, or why there is none; gives the status."""
        headers = headers_of(scope)
        try:
            key = self.desk.admit(headers, self.room)
            account = self.desk.account(headers, key)
            options = options_of(headers, key)
            raw = await body_of(receive, headers.get("content-length"), self.desk.settings)
            body = await parsed(raw)
            check_model(body, key)
        except Refusal as refusal:
            await refuse(send, refusal, self.wire)
            return refusal.status
        query = scope["query_string"].decode("latin-1")
        inbound = Inbound(
            raw=raw,
            body=body,
            wire=self.wire,
            path=f"{self.path}?{query}" if query else self.path,
            headers=sent_on(scope["headers"]),
            credentials=headers,
        )
        call = _Call(self.desk, account, options, inbound, send)
        return await watched(receive, call)


@dataclass(slots=True)
class _Call:
    """One call under way."""

    desk: Desk
    account: Account
    options: CallOptions
    inbound: Inbound
    send: Send
    status: int = CLIENT_LEFT

    async def __call__(self) -> None:
        """Relay it; raises what breaks a stream that the caller already reads."""
        inbound = self.inbound
        way = self.desk.way(inbound)
        try:
            aside = await self.desk.light.aside(self.account, inbound)
            response = await complete_async(
                self.account, way, inbound.body, inbound.wire, self.options, aside=aside
            )
        except Exception as error:  # noqa: BLE001 - each of them has its answer
            await self._failed(error)
            return
        receipt = response.tokenthrift
        headers = (*returned(response.headers), *decision_headers(receipt, self._policy))
        self.status = response.status
        if isinstance(response, Answered):
            content = response.written(looks_closely=_may_change(receipt.plan))
            await whole(self.send, response.status, headers, content)
            return
        try:
            await begin(self.send, response.status, headers)
            last = await self._stream(response)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        await piece(self.send, last, last=True)

    async def _stream(self, events: Any) -> bytes:
        """Send events as they come; gives the one that says that the answer is over.

        That one waits until the record is written: whoever has seen it may leave at once.
        """
        changes = _may_change(events.tokenthrift.plan)
        held = b""
        async for event in events:
            if held:
                await piece(self.send, held)
            held = event.written(looks_closely=changes)
            if not event.is_last:
                await piece(self.send, held)
                held = b""
        return held

    @property
    def _policy(self) -> str:
        return self.account.policy.name

    async def _failed(self, error: Exception) -> None:
        """Say why there is no answer; what a provider says goes back as it came."""
        headers = decision_headers(getattr(error, RECEIPT, None), self._policy)
        if isinstance(error, APIStatusError):
            response = error.response
            self.status = response.status
            given = returned(response.items)
            await whole(self.send, self.status, (*given, *headers), response.content)
            return
        refusal = refusal_for(error)
        self.status = refusal.status
        await refuse(self.send, refusal, self.inbound.wire, headers)


async def watched(receive: Receive, call: _Call) -> int:
    """Do something for a caller, and stop where it leaves; gives the status.

    Where a stream breaks that the caller reads already, its connection is cut as the provider's
    was: the server closes what is left without an end.
    """
    with anyio.CancelScope() as scope:
        leaving = asyncio.create_task(_left(receive, scope))
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - nothing can be said any more
            log.warning("a stream broke: %s", type(error).__name__)
        finally:
            leaving.cancel()
    return call.status


async def _left(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel what is done for a caller, as soon as it leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _may_change(plan: Plan | None) -> bool:
    """Whether something may be put into an answer, or taken out, beside its usage."""
    return plan is not None and (plan.offer.made or bool(plan.secrets))


def refusal_for(error: Exception) -> Refusal:
    """What is answered to an error that is no answer of a provider."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, TokenthriftError):
        refusal = refusal_of(error)
        if refusal.status >= 500:
            log.error("%s: %s", type(error).__name__, error)
        return refusal
    if isinstance(error, NoUpstreamError):
        return Refusal(422, str(error), "NoUpstreamError", param="model")
    if isinstance(error, APITimeoutError):
        return Refusal(504, str(error), "UpstreamTimeoutError")
    if isinstance(error, APIConnectionError):
        return Refusal(502, str(error), "UpstreamConnectionError")
    # Its message may hold what a caller wrote; where it happened may not.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s, message withheld\n%s", type(error).__name__, where)
    return Refusal(500, "the service failed; its log says where", type(error).__name__)


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request; of one that comes twice the last."""
    return {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}


def check_model(body: dict[str, Any], key: ApiKey | None) -> None:
    """Refuse a model that a key is not for; what else is wrong with it the provider says best."""
    model = body.get("model")
    name = model if isinstance(model, str) else ""
    if key is not None and not key.scope.allows_model(name):
        raise Refusal(403, f"this API key is not for the model {name[:80]!r}", param="model")
