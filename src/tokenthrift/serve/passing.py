"""Requests that go through to a provider unplanned: embeddings, sizes, models, stored responses.

They are not in the ledger. Where the policy redacts, what can be read goes without secrets, and
what cannot be read does not go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.to_thread import run_sync

from tokenthrift.serve.bodies import GoneError, body_of, parsed
from tokenthrift.serve.calls import check_model, headers_of, refusal_for
from tokenthrift.serve.errors import MESSAGES, Refusal
from tokenthrift.serve.headers import returned, sent_on
from tokenthrift.serve.replies import refuse, whole
from tokenthrift.serve.splicing import spliced
from tokenthrift.serve.upstreams import opened, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from tokenthrift.serve.desk import Desk
    from tokenthrift.serve.keys import ApiKey, Room
    from tokenthrift.serve.upstreams import Response

OK: Final = 200


@dataclass(frozen=True, slots=True)
class Passing:
    """Passes requests on.

    Attributes:
        wire: of its bodies, or whose providers are asked where bodies are of none.
        room: that a key must be for.
        is_read: whether bodies are of the wire.
        is_bodiless: whether requests have no bodies; one that comes all the same stays here.
    """

    desk: Desk
    wire: str
    room: Room
    is_read: bool = False
    is_bodiless: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = headers_of(scope)
        wire = MESSAGES if "anthropic-version" in headers else self.wire
        try:
            with anyio.CancelScope() as waiting:
                key = self.desk.admit(headers, self.room)
                raw = await body_of(receive, headers.get("content-length"), self.desk.settings)
                response = await self._passed(scope, headers, key, raw, wire)
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - each of them has its answer
            await refuse(send, refusal_for(error), wire)
            return
        if waiting.cancelled_caught:
            return
        content = response.content
        if self.room == "models":
            content = _allowed(content, key, scope["path_params"].get("model"))
        await whole(send, response.status, returned(response.items), content)

    async def _passed(
        self, scope: Scope, headers: Mapping[str, str], key: ApiKey | None, raw: bytes, wire: str
    ) -> Response:
        """What the provider answers."""
        desk, model, content = self.desk, "", None if self.is_bodiless else raw or None
        if scope["method"] == "POST" and not self.is_bodiless:
            body = await parsed(raw)
            check_model(body, key)
            model = str(body.get("model") or "")
            content = await run_sync(self._cleared, raw, body, headers, key)
        upstream, name = desk.upstreams.of(model, wire)
        if name != model and content is not None:
            given = json.loads(content)
            content = spliced(content, given, {**given, "model": name})
        query = scope["query_string"].decode("latin-1")
        path = _path(scope) + (f"?{query}" if query else "")
        response = await opened(
            desk.session,
            scope["method"],
            upstream.base_url + path,
            content=content,
            headers=desk.upstreams.headers(upstream, wire, sent_on(scope["headers"]), headers),
        )
        return await read(response)

    def _cleared(
        self, raw: bytes, body: dict[str, Any], headers: Mapping[str, str], key: ApiKey | None
    ) -> bytes:
        """The body as far as it may leave the house."""
        account = self.desk.account(headers, key)
        if not account.redacts:
            return raw
        if not self.is_read:
            raise Refusal(
                422, "the policy takes secrets out of what is sent, and cannot do so here"
            )
        return spliced(raw, body, account.cleared(body, self.wire))


def _path(scope: Scope) -> str:
    """The path behind ``/v1`` as it came; nobody climbs out of it to others of the provider's."""
    if not {".", ".."}.isdisjoint(scope["path"].split("/")):
        raise Refusal(404, "a path has no steps up or on the spot")
    raw: bytes = scope["raw_path"]
    return raw.decode("latin-1").removeprefix("/v1")


def _allowed(content: bytes, key: ApiKey | None, model: str | None) -> bytes:
    """A list of models without those that a key is not for."""
    if key is None or key.scope.models is None:
        return content
    if model is not None:
        if not key.scope.allows_model(model):
            raise Refusal(403, f"this API key is not for the model {model[:80]!r}")
        return content
    try:
        listed = json.loads(content)
        listed["data"] = [m for m in listed["data"] if key.scope.allows_model(str(m.get("id")))]
    except (ValueError, TypeError, KeyError, AttributeError):
        return content
    return json.dumps(listed).encode()
