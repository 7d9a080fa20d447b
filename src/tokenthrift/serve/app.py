"""The ASGI app of the service: which path is answered by whom.

Starlette is imported when an app is built, so that nobody else needs the extra ``serve``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from anyio.to_thread import current_default_thread_limiter, run_sync

from tokenthrift.serve.calls import Endpoint, refusal_for
from tokenthrift.serve.dashboard import dashboard_routes
from tokenthrift.serve.errors import MESSAGES, Refusal
from tokenthrift.serve.own import Own, dry_run, health, metrics, ready, take_feedback
from tokenthrift.serve.passing import Passing
from tokenthrift.serve.replies import refuse
from tokenthrift.serve.schema import document
from tokenthrift.wire.openai_chat import OpenAIChat
from tokenthrift.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route
    from starlette.types import Receive, Scope, Send

    from tokenthrift.serve.desk import Desk

CHAT: Final = OpenAIChat.name


def build_app(desk: Desk) -> Starlette:
    """The ASGI app of a desk; it closes the desk when it ends."""
    from starlette.applications import Starlette

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = desk.settings.plan_threads
        await run_sync(desk.warm)
        try:
            yield
        finally:
            await desk.close()

    handlers: dict[Any, Any] = {404: _unrouted, 405: _unrouted, Exception: _crashed}
    return Starlette(routes=_routes(desk), exception_handlers=handlers, lifespan=lifespan)


def _routes(desk: Desk) -> list[Route]:
    from starlette.routing import Route

    chat = Endpoint(desk, "/chat/completions", CHAT, "chat")
    responses = Endpoint(desk, "/responses", OpenAIResponses.name, "responses")
    messages = Endpoint(desk, "/messages", MESSAGES, "messages")
    counts = Passing(desk, MESSAGES, "messages", is_read=True)
    models = Passing(desk, CHAT, "models")
    stored = Passing(desk, OpenAIResponses.name, "responses", is_bodiless=True)
    return [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/responses", responses, methods=["POST"]),
        Route("/v1/responses/{response_id}", stored, methods=["GET", "DELETE"]),
        Route("/v1/responses/{response_id}/cancel", stored, methods=["POST"]),
        Route("/v1/responses/{response_id}/input_items", stored, methods=["GET"]),
        Route("/v1/messages", messages, methods=["POST"]),
        Route("/v1/messages/count_tokens", counts, methods=["POST"]),
        Route("/v1/embeddings", Passing(desk, CHAT, "embeddings"), methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{model:path}", models, methods=["GET"]),
        Route("/v1/plan", Own(desk, dry_run, "plan"), methods=["POST"]),
        Route("/v1/feedback", Own(desk, take_feedback, "feedback"), methods=["POST"]),
        Route("/metrics", Own(desk, metrics, "metrics"), methods=["GET"]),
        Route("/openapi.json", Own(desk, document, "docs"), methods=["GET"]),
        Route("/healthz", Own(desk, health), methods=["GET"]),
        Route("/readyz", Own(desk, ready), methods=["GET"]),
        *dashboard_routes(desk),
    ]


@dataclass(frozen=True, slots=True)
class _Refused:
    """The response of what no endpoint answers."""

    refusal: Refusal

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Say so in the dialect of the path."""
        wire = MESSAGES if scope["path"].startswith("/v1/messages") else CHAT
        await refuse(send, self.refusal, wire)


async def _unrouted(request: Request, error: Exception) -> _Refused:
    status = getattr(error, "status_code", 404)
    headers = getattr(error, "headers", None) or {}
    said = "there is no such path here" if status == 404 else "the path has no such method"
    message = f"{request.method} {request.url.path[:200]}: {said}; see /openapi.json"
    return _Refused(Refusal(status, message, headers={k.lower(): v for k, v in headers.items()}))


async def _crashed(_request: Request, error: Exception) -> _Refused:
    return _Refused(refusal_for(error))
