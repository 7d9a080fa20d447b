"""The simulated provider's HTTP side: routes, waiting, sending, cutting.

Holds no rules of its own; `Desk` decides everything. Every response carries the label header.
Starlette is imported when an app is built, so that nobody else needs the extra ``serve``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.serve.simulated_desk import (
    DIALECTS,
    Arrival,
    Delivery,
    Desk,
    model_body,
)
from tokenthrift.serve.simulated_faults import Fault
from tokenthrift.serve.simulated_stored import stored
from tokenthrift.serve.simulated_types import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tokenthrift.serve.simulated_dialect import Dialect

LABEL: Final = ("x-simulated-provider", "tokenthrift")
CHAT: Final = DIALECTS[0]  # errors outside any dialect are written in OpenAI's shape


@dataclass(frozen=True, slots=True)
class Sent:
    """The ASGI response that sends a delivery, slowly or only in part where it says so."""

    delivery: Delivery
    closing: asyncio.Event

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send; returning before the last piece makes the server close the connection."""
        delivery = self.delivery
        kind = "text/event-stream; charset=utf-8" if delivery.events else "application/json"
        headers = [("content-type", kind), *delivery.headers]
        if not delivery.events:
            headers.append(("content-length", str(sum(map(len, delivery.pieces)))))
        encoded = [(k.encode(), v.encode()) for k, v in headers]
        await send({"type": "http.response.start", "status": delivery.status, "headers": encoded})
        last = len(delivery.pieces) - 1
        for i, piece in enumerate(delivery.pieces):
            if delivery.cut_after is not None and i >= delivery.cut_after:
                return
            if i and delivery.pause_s and await _left(receive, delivery.pause_s, self.closing):
                return
            await send({"type": "http.response.body", "body": piece, "more_body": i < last})
            await asyncio.sleep(0)  # let the piece go out on its own


async def _left(receive: Receive, seconds: float, closing: asyncio.Event) -> bool:
    """Wait; whether the caller left or the server is closing before the time was over."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waits = [asyncio.ensure_future(gone()), asyncio.ensure_future(closing.wait())]
    done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return bool(done)


async def _serve(desk: Desk, dialect: Dialect, closing: asyncio.Event, request: Request) -> Sent:
    raw = await request.body()
    outcome = desk.arrive(dialect, dict(request.headers), raw)
    if isinstance(outcome, Arrival):
        if outcome.hold_s and await _left(request.receive, outcome.hold_s, closing):
            error = ApiError(503, "The caller left, or the server is closing.", type="server_error")
            return Sent(_error(error), closing)
        outcome = desk.answer(outcome)
    return Sent(outcome, closing)


def _error(error: ApiError) -> Delivery:
    return _json(CHAT.error(error), error.status, error.headers)


def _json(body: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Delivery:
    return Delivery(status, (json.dumps(body).encode(),), headers)


# ------------------------------------------------------------------------------ control and lists
def _key(request: Request) -> str:
    return CHAT.key(request.headers) or ""


async def _models(desk: Desk, request: Request) -> Delivery:
    name = request.path_params.get("model")
    if name is None:
        return _json(desk.model_list())
    if desk.models is not None and name not in desk.models:
        message = f"The model '{name}' does not exist."
        return _error(ApiError(404, message, param="model", code="model_not_found"))
    return _json(model_body(name))


async def _stored(desk: Desk, request: Request) -> Delivery:
    place = request.path_params
    held = desk.held_for(_key(request))
    try:
        return _json(stored(held, request.method, place["response_id"], place.get("what", "")))
    except ApiError as error:
        return _error(error)


async def _faults(desk: Desk, request: Request) -> Delivery:
    """Read, set (``{"faults": [...], "seed": 0}``) or clear the faults of the caller's key."""
    key = _key(request)
    if request.method == "DELETE":
        desk.faults.set(key, ())
    elif request.method == "PUT":
        try:
            wanted = json.loads(await request.body())
            rules = [Fault.parse(str(spec)) for spec in wanted["faults"]]
            desk.faults.set(key, rules, wanted.get("seed"))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            hint = 'expected {"faults": ["429:0.1,rate=0.2", ...], "seed": 0}'
            return _error(ApiError(400, f"{exc}; {hint}", param="faults"))
    rules_now, seed = desk.faults.of(key)
    return _json({"faults": [str(f) for f in rules_now], "seed": seed})


async def _account(desk: Desk, request: Request) -> Delivery:
    """Read the true account of the caller's key, or clear all that is known of it."""
    key = _key(request)
    if request.method == "DELETE":
        desk.forget(key)
    accounts = desk.accounts
    return _json(
        {
            "requests": len(accounts.requests(key)),
            "totals": asdict(accounts.totals(key)),
            "by_model": {m: asdict(u) for m, u in accounts.by_model(key).items()},
        }
    )


async def _label(_desk: Desk, _request: Request) -> Delivery:
    return _json({"simulated": True, "provider": LABEL[1], "serves": [d.path for d in DIALECTS]})


async def _unrouted(request: Request, exc: Exception, *, closing: asyncio.Event) -> Sent:
    status = getattr(exc, "status_code", 404)
    message = f"Invalid URL or method ({request.method} {request.url.path})"
    return Sent(_error(ApiError(status, message)), closing)


async def _crashed(_request: Request, exc: Exception, *, closing: asyncio.Event) -> Sent:
    message = f"The simulated provider failed: {type(exc).__name__}: {exc}"
    return Sent(_error(ApiError(500, message, type="server_error")), closing)


def build_app(desk: Desk, closing: asyncio.Event, on_start: Callable[[], None]) -> ASGIApp:
    """The ASGI app of a desk.

    Args:
        desk: decides what is answered.
        closing: set when the server is about to stop; ends held requests.
        on_start: called once the server runs.
    """
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        on_start()
        yield

    def route(
        path: str, handler: Callable[[Desk, Request], Awaitable[Delivery]], *methods: str
    ) -> Route:
        async def endpoint(request: Request) -> Sent:
            return Sent(await handler(desk, request), closing)

        return Route(path, endpoint, methods=list(methods))

    served = [Route(d.path, partial(_serve, desk, d, closing), methods=["POST"]) for d in DIALECTS]
    routes = [
        *served,
        route("/", _label, "GET"),
        route("/v1/models", _models, "GET"),
        route("/v1/models/{model:path}", _models, "GET"),
        route("/v1/responses/{response_id}", _stored, "GET", "DELETE"),
        route("/v1/responses/{response_id}/{what}", _stored, "GET", "POST"),
        route("/simulate/faults", _faults, "GET", "PUT", "DELETE"),
        route("/simulate/account", _account, "GET", "DELETE"),
    ]
    unrouted = partial(_unrouted, closing=closing)
    handlers: dict[Any, Any] = {
        404: unrouted,
        405: unrouted,
        Exception: partial(_crashed, closing=closing),
    }
    return _labelled(Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan))


def _labelled(app: ASGIApp) -> ASGIApp:
    """The app with the label on every response, errors of the framework included."""

    async def labelled(scope: Scope, receive: Receive, send: Send) -> None:
        async def label(message: Message) -> None:
            if message["type"] == "http.response.start":
                name, value = LABEL
                message["headers"] = [*message["headers"], (name.encode(), value.encode())]
            await send(message)

        await app(scope, receive, label)

    return labelled
