"""Endpoints of the service's own: dry runs, feedback, health, figures, and the document on all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokenthrift import wire
from tokenthrift.errors import LedgerError, TokenthriftError
from tokenthrift.ledger import Feedback, outcome_of
from tokenthrift.pipeline import plan
from tokenthrift.report import explain
from tokenthrift.serve.bodies import GoneError, body_of, parsed
from tokenthrift.serve.calls import check_model, headers_of, refusal_for
from tokenthrift.serve.errors import Refusal
from tokenthrift.serve.replies import NOT_KEPT, refuse, say, whole
from tokenthrift.telemetry import prometheus_text
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from tokenthrift.serve.desk import Desk
    from tokenthrift.serve.keys import ApiKey, Room

WIRE_PARAMETER: Final = "wire"
# Source: Prometheus, "Exposition formats".
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the service itself, from somebody who may make it."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    key: ApiKey | None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON."""

    content: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Status:
    """An answer with a status of its own."""

    status: int
    data: Any


Answering: TypeAlias = "Callable[[Desk, Asked], Awaitable[Any]]"


@dataclass(frozen=True, slots=True)
class Own:
    """One endpoint of the service's own.

    Attributes:
        answer: what it answers, as data.
        room: that a key must be for; None lets everybody in.
    """

    desk: Desk
    answer: Answering
    room: Room | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            said = await self.answer(self.desk, await self._asked(scope, receive))
        except GoneError:
            return
        except Exception as error:  # noqa: BLE001 - each of them has its answer
            await refuse(send, refusal_for(error), OpenAIChat.name)
            return
        if isinstance(said, Text):
            kind = ("content-type", said.content_type)
            await whole(send, 200, (kind, NOT_KEPT), said.content.encode())
        elif isinstance(said, Status):
            await say(send, said.data, said.status)
        else:
            await say(send, said)

    async def _asked(self, scope: Scope, receive: Receive) -> Asked:
        from starlette.datastructures import QueryParams

        headers = headers_of(scope)
        key = None if self.room is None else self.desk.admit(headers, self.room)
        body = {}
        if scope["method"] == "POST":
            raw = await body_of(receive, headers.get("content-length"), self.desk.settings)
            body = await parsed(raw)
        return Asked(headers, QueryParams(scope["query_string"]), key, body)


# ------------------------------------------------------------------------------------------- plan
class PlanAnswer(BaseModel):
    """What would be done with a request; nothing was sent."""

    model_config = ConfigDict(title="Plan")

    wire: str = Field(description="The dialect that the body was read as.")
    model: str = Field(description="Where it would go.")
    tokens_before: int = Field(description="Of the request as given.")
    tokens_after: int = Field(description="As it would be sent.")
    body: dict[str, Any] = Field(description="As it would be sent.")
    explanation: dict[str, Any] = Field(description="What was decided, and why.")


async def dry_run(desk: Desk, asked: Asked) -> dict[str, Any]:
    """``POST /v1/plan``: what would be sent for a body, to which model, and why."""
    account = desk.account(asked.headers, asked.key)
    check_model(asked.body, asked.key)
    name = asked.query.get(WIRE_PARAMETER) or wire.detect(asked.body)

    def planned() -> dict[str, Any]:
        request = wire.read(asked.body, name)
        made = plan(request, account.policy, catalog=account.catalog, forecaster=account.forecaster)
        answer = PlanAnswer(
            wire=name,
            model=made.model,
            tokens_before=made.tokens_before,
            tokens_after=made.tokens_after,
            body=dict(made.body),
            explanation=explain(made, account.catalog).as_json(),
        )
        return answer.model_dump()

    return await run_sync(planned)


# --------------------------------------------------------------------------------------- feedback
class FeedbackGiven(BaseModel):
    """What an answer was worth."""

    model_config = ConfigDict(title="Feedback", extra="forbid")

    call_id: str = Field(
        min_length=1, max_length=128, description="The header x-tokenthrift-record of the answer."
    )
    outcome: str | float | bool = Field(description="good, bad, true, false, or from 0 to 1.")
    value: float | None = Field(default=None, description="In a unit of your own.")
    source: str = Field(
        default="user", min_length=1, max_length=64, description="Who says so; once for a call."
    )


class FeedbackTaken(BaseModel):
    """What was kept."""

    call_id: str
    outcome: float
    source: str
    new: bool = Field(description="False where the same was said before.")


async def take_feedback(desk: Desk, asked: Asked) -> dict[str, Any]:
    """``POST /v1/feedback``: say what an answer was worth."""
    try:
        given = FeedbackGiven.model_validate(asked.body)
        said = Feedback(
            call_id=given.call_id,
            created_at=datetime.now(UTC),
            outcome=outcome_of(given.outcome),
            value=given.value,
            source=given.source,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(422, f"{where}: {first['msg']}", param=where or None) from error
    except ValueError as error:
        raise Refusal(422, str(error), param="outcome") from error
    return await run_sync(lambda: _kept(desk, said, asked.key))


def _kept(desk: Desk, said: Feedback, key: ApiKey | None) -> dict[str, Any]:
    record = desk.ledger.get(said.call_id)
    own = {} if key is None else key.scope.tags
    if record is None or any(record.tags.get(k) != v for k, v in own.items()):
        raise Refusal(404, f"no call {said.call_id!r}", param="call_id")
    account = desk.accounts.get(record.policy) or desk.accounts[desk.default]
    try:
        new = account.write_feedback(said)
    except LedgerError as error:
        if record is None or not list(desk.ledger.feedback(said.call_id)):
            raise
        what = "this source has said something else of that call, and feedback is never changed"
        raise Refusal(409, what, "FeedbackError", param="source") from error
    taken = FeedbackTaken(call_id=said.call_id, outcome=said.outcome, source=said.source, new=new)
    return taken.model_dump()


# ------------------------------------------------------------------------------- health, figures
async def health(_desk: Desk, _asked: Asked) -> dict[str, str]:
    """``GET /healthz``: the process runs."""
    return {"status": "ok"}


async def ready(desk: Desk, _asked: Asked) -> Any:
    """``GET /readyz``: calls are taken, and the ledger can be read."""
    if desk.is_draining:
        return Status(503, {"status": "draining", "under_way": desk.under_way})
    try:
        await run_sync(desk.ledger.get, "")
    except TokenthriftError as error:
        return Status(503, {"status": "failing", "what": type(error).__name__})
    return {"status": "ready"}


async def metrics(desk: Desk, _asked: Asked) -> Text:
    """``GET /metrics``: what the calls of this process came to, as Prometheus reads it."""
    return Text(await run_sync(prometheus_text, desk.metrics), METRICS_TYPE)
