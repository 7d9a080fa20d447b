"""The dashboard: a page, its data, and a stream that says when they have changed.

The page itself holds nothing of the ledger. Its data need a key, which a browser shows once; after
that a cookie stands for it. A key that writes tags into its calls sees the calls with these tags.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
from anyio.to_thread import run_sync

from tokenthrift.errors import MissingExtraError
from tokenthrift.report.live import SPANS, Span, call_row
from tokenthrift.report.regressions import worst_call
from tokenthrift.serve.bodies import GoneError, body_of, parsed
from tokenthrift.serve.calls import headers_of, refusal_for
from tokenthrift.serve.errors import Refusal
from tokenthrift.serve.headers import SECURITY
from tokenthrift.serve.replies import JSON, NOT_KEPT, begin, piece, refuse, whole
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from tokenthrift.serve.desk import Desk
    from tokenthrift.serve.keys import ApiKey

ROOM: Final = "dashboard"
SPAN: Final = "24h"
LOOK_S: Final = 1.0
"""How often a stream looks whether calls have come."""
BEAT: Final = 15
"""Looks without news after which a stream says that it lives."""
# Plotly writes its styles into the page, and draws into images of its own.
POLICY: Final = (
    "content-security-policy",
    (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
)
HEADERS: Final = tuple((dict(SECURITY) | dict([POLICY])).items())
KEPT: Final = ("cache-control", "private, max-age=86400")
FILES: Final = {
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
}
PLOTLY: Final = "plotly.js"


@dataclass(frozen=True, slots=True)
class Look:
    """A request to the dashboard.

    Attributes:
        key: that was shown; None where the service has none, or nobody has to show one.
    """

    scope: Scope
    receive: Receive
    send: Send
    key: ApiKey | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request, by lower-case names."""
        return headers_of(self.scope)

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return bool(self.scope.get("scheme") == "https")

    @property
    def span(self) -> Span:
        """What it asks for.

        Raises:
            Refusal: there is no such span.
        """
        from starlette.datastructures import QueryParams

        name = QueryParams(self.scope["query_string"]).get("span", SPAN)
        if name not in SPANS:
            raise Refusal(400, f"span: no {name[:20]!r}; use {', '.join(SPANS)}", param="span")
        return SPANS[name]

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the calls that it may see."""
        return {} if self.key is None else self.key.scope.tags

    async def answer(self, content: bytes, headers: Iterable[tuple[str, str]]) -> None:
        """Answer it as a whole."""
        await whole(self.send, 200, headers, content, HEADERS)


Answering: TypeAlias = "Callable[[Desk, Look], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Counter:
    """An endpoint of the dashboard.

    Attributes:
        is_open: whether everybody may come; what shows calls is never open.
    """

    desk: Desk
    answering: Answering
    is_open: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            key = None if self.is_open else self.desk.admit_visit(headers_of(scope), ROOM)
            await self.answering(self.desk, Look(scope, receive, send, key))
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - each of them has its answer
            await refuse(send, refusal_for(error), OpenAIChat.name)


def dashboard_routes(desk: Desk) -> list[Route]:
    """The routes of the dashboard."""
    from starlette.routing import Route

    def route(path: str, answering: Answering, method: str = "GET", *, is_open: bool) -> Route:
        counter = Counter(desk, answering, is_open)
        return Route(f"/dashboard{path}", counter, methods=[method])

    return [
        route("", page, is_open=True),
        route("/files/{name}", file, is_open=True),
        route("/visit", begin_visit, "POST", is_open=True),
        route("/visit", end_visit, "DELETE", is_open=True),
        route("/data", data, is_open=False),
        route("/events", events, is_open=False),
        route("/calls/{record_id}", call, is_open=False),
    ]


# ------------------------------------------------------------------------------------------ files
async def page(_desk: Desk, look: Look) -> None:
    """``GET /dashboard``: the page, without any data."""
    kind = ("content-type", "text/html; charset=utf-8")
    await look.answer(await run_sync(_page), (kind, ("cache-control", "no-cache")))


async def file(_desk: Desk, look: Look) -> None:
    """``GET /dashboard/files/NAME``: its style, its scripts, and the library that draws."""
    name = look.scope["path_params"]["name"]
    if name == PLOTLY:
        content, kind = await run_sync(_plotly), FILES["charts.js"]
    elif name in FILES:
        content, kind = await run_sync(_file, name), FILES[name]
    else:
        raise Refusal(404, f"no file {name[:80]!r} here")
    await look.answer(content, (("content-type", kind), KEPT))


@lru_cache(maxsize=1)
def _page() -> bytes:
    text = _file("dashboard.html").decode()
    return text.replace("{{ version }}", version("tokenthrift")).encode()


@lru_cache(maxsize=8)
def _file(name: str) -> bytes:
    return (resources.files("tokenthrift.serve") / "pages" / name).read_bytes()


@lru_cache(maxsize=1)
def _plotly() -> bytes:
    try:
        found = resources.files("plotly") / "package_data" / "plotly.min.js"
    except ImportError as error:
        raise MissingExtraError("plotly", "serve") from error
    return found.read_bytes()


# ----------------------------------------------------------------------------------------- visits
async def begin_visit(desk: Desk, look: Look) -> None:
    """``POST /dashboard/visit``: show a key once; a cookie stands for it from then on."""
    raw = await body_of(look.receive, look.headers.get("content-length"), desk.settings)
    shown = (await parsed(raw)).get("key")
    key = desk.admit({"x-api-key": shown if isinstance(shown, str) else ""}, ROOM)
    headers = [JSON, NOT_KEPT]
    if key is not None:
        cookie = desk.visits.cookie(key, desk.now(), secure=look.is_secure)
        headers.append(("set-cookie", cookie))
    await look.answer(b"{}", headers)


async def end_visit(desk: Desk, look: Look) -> None:
    """``DELETE /dashboard/visit``: forget the cookie."""
    cookie = desk.visits.gone(secure=look.is_secure)
    await look.answer(b"{}", (JSON, NOT_KEPT, ("set-cookie", cookie)))


# ------------------------------------------------------------------------------------------- data
async def data(desk: Desk, look: Look) -> None:
    """``GET /dashboard/data?span=24h``: what the page shows, as JSON."""
    text = await run_sync(desk.boards.text, look.span, look.tags)
    await look.answer(text.encode(), (JSON, NOT_KEPT))


async def events(desk: Desk, look: Look) -> None:
    """``GET /dashboard/events?span=24h``: the same as server-sent events, whenever it changes.

    It ends when the service drains, or its key is revoked; browsers then come back by themselves.
    Source: HTML standard, section 9.2, "Server-sent events".
    """
    span = look.span
    stream = (("content-type", "text/event-stream"), ("cache-control", "no-store"))
    async with anyio.create_task_group() as tasks:

        async def until_gone() -> None:
            while (await look.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_gone)
        await begin(look.send, 200, (*stream, ("x-accel-buffering", "no")), HEADERS)
        sent, quiet = "", BEAT
        while not desk.is_draining:
            text = await run_sync(desk.boards.text, span, look.tags)
            if text != sent:
                await piece(look.send, f"event: data\ndata: {text}\n\n".encode())
                sent, quiet = text, 0
            elif quiet >= BEAT:
                await piece(look.send, b": still here\n\n")
                quiet = 0
            quiet += 1
            await anyio.sleep(LOOK_S)
            desk.admit_visit(look.headers, ROOM)
        await piece(look.send, b"", last=True)
        tasks.cancel_scope.cancel()


async def call(desk: Desk, look: Look) -> None:
    """``GET /dashboard/calls/ID``: the record of a call: its decision, its trace, its attempts."""
    record_id = look.scope["path_params"]["record_id"]
    record = await run_sync(desk.ledger.get, record_id)
    if record is None or any(record.tags.get(k) != v for k, v in look.tags.items()):
        raise Refusal(404, f"no call {record_id[:128]!r}", param="record_id")
    found: dict[str, Any] = {"call": call_row(record), "record": record.model_dump(mode="json")}
    if (record.savings.net_nanos or 0) < 0:
        found["why"] = list(worst_call(record).why)
    await look.answer(json.dumps(found).encode(), (JSON, NOT_KEPT))
