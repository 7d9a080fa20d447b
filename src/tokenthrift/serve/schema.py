"""The OpenAPI document of the service, made of its pydantic models.

Bodies of dialects are the providers' own and carry whatever they carry; of them the document says
only what the service itself reads.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from tokenthrift.serve.headers import BYPASS, POLICY, SESSION, TAGS
from tokenthrift.serve.own import FeedbackGiven, FeedbackTaken, PlanAnswer
from tokenthrift.wire import WIRES

if TYPE_CHECKING:
    from tokenthrift.serve.desk import Desk
    from tokenthrift.serve.own import Asked

REF: Final = "#/components/schemas/{model}"
KEYED: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"header": []}]


class _Any(BaseModel):
    model_config = ConfigDict(extra="allow")


class ChatBody(_Any):
    """A body of OpenAI's Chat Completions."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


class ResponsesBody(_Any):
    """A body of OpenAI's Responses."""

    model: str
    input: str | list[dict[str, Any]]
    stream: bool = False


class MessagesBody(_Any):
    """A body of Anthropic's Messages."""

    model: str
    messages: list[dict[str, Any]]
    max_tokens: int = Field(ge=1)
    stream: bool = False


class CountBody(_Any):
    """A body of Anthropic's counting of tokens."""

    model: str
    messages: list[dict[str, Any]]


class EmbeddingsBody(_Any):
    """A body of OpenAI's embeddings."""

    model: str
    input: str | list[Any]


class AnyBody(_Any):
    """A body of any dialect, or a provider's answer: whatever it carries."""


class ErrorSaid(_Any):
    """What went wrong."""

    message: str
    type: str


class ErrorBody(_Any):
    """An error in the shape of the dialect that was asked in."""

    error: ErrorSaid


BODIES: Final = (ChatBody, ResponsesBody, MessagesBody, CountBody, EmbeddingsBody, AnyBody)
MODELS: Final = (*BODIES, ErrorBody, PlanAnswer, FeedbackGiven, FeedbackTaken)

RELAYED: Final[dict[str, tuple[type[BaseModel], str]]] = {
    "/v1/chat/completions": (ChatBody, "Chat Completions, planned, relayed and accounted for."),
    "/v1/responses": (ResponsesBody, "Responses, planned, relayed and accounted for."),
    "/v1/messages": (MessagesBody, "Messages, planned, relayed and accounted for."),
    "/v1/messages/count_tokens": (CountBody, "The size of a prompt, passed through."),
    "/v1/embeddings": (EmbeddingsBody, "Embeddings, passed through."),
}
ERRORS: Final = {
    "400": "The request does not parse, or asks for what is not there.",
    "401": "No API key, or none that is known.",
    "403": "The API key is not for this.",
    "404": "There is no such thing.",
    "405": "The path has no such method.",
    "408": "The body did not come in time.",
    "409": "It contradicts what is there.",
    "413": "The body, or what must be sent of it, is too large.",
    "422": "It cannot be served as asked.",
    "429": "A limit has no room; Retry-After says when.",
    "500": "The service failed.",
    "502": "The provider could not be reached.",
    "503": "The service is busy or about to end.",
    "504": "The provider did not answer in time.",
}


async def document(_desk: Desk, _asked: Asked) -> dict[str, Any]:
    """``GET /openapi.json``: this document."""
    return openapi()


def openapi() -> dict[str, Any]:
    """The document."""
    _, schemas = models_json_schema([(m, "validation") for m in MODELS], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tokenthrift",
            "version": version("tokenthrift"),
            "summary": "A base URL that makes LLM calls cheaper.",
        },
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": KEYED,
    }


def _paths() -> dict[str, Any]:
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    stored = {**model, "name": "response_id"}
    relayed = {
        path: {"post": _operation(text, body, AnyBody, parameters=_headers(), streams=True)}
        for path, (body, text) in RELAYED.items()
    }
    wires = {"type": "string", "enum": list(WIRES)}
    return {
        **relayed,
        "/v1/responses/{response_id}": {
            "get": _operation("A stored response.", None, AnyBody, parameters=[stored]),
            "delete": _operation("Delete it.", None, AnyBody, parameters=[stored]),
        },
        "/v1/responses/{response_id}/cancel": {
            "post": _operation("Stop one in the background.", None, AnyBody, parameters=[stored])
        },
        "/v1/responses/{response_id}/input_items": {
            "get": _operation("What it was asked with.", None, AnyBody, parameters=[stored])
        },
        "/v1/models": {"get": _operation("Models of the provider.", None, AnyBody)},
        "/v1/models/{model}": {
            "get": _operation("One of them.", None, AnyBody, parameters=[model])
        },
        "/v1/plan": {
            "post": _operation(
                "What would be sent for a body, to which model, and why. Sends nothing.",
                AnyBody,
                PlanAnswer,
                parameters=[{"name": "wire", "in": "query", "schema": wires}, _header(POLICY)],
            )
        },
        "/v1/feedback": {
            "post": _operation("What an answer was worth.", FeedbackGiven, FeedbackTaken)
        },
        "/metrics": {"get": _operation("Figures for Prometheus.", None, "text/plain")},
        "/healthz": {"get": _operation("Whether the process runs.", None, AnyBody, keyed=False)},
        "/readyz": {"get": _operation("Whether calls are taken.", None, AnyBody, keyed=False)},
        "/openapi.json": {"get": _operation("This document.", None, AnyBody)},
    }


def _operation(
    text: str,
    body: type[BaseModel] | None,
    answer: type[BaseModel] | str,
    *,
    parameters: list[dict[str, Any]] | None = None,
    keyed: bool = True,
    streams: bool = False,
) -> dict[str, Any]:
    good = {answer: {}} if isinstance(answer, str) else _json(answer)
    if streams:
        good |= {"text/event-stream": {}}
    errors = {
        status: {"description": said, "content": _json(ErrorBody if keyed else AnyBody)}
        for status, said in ERRORS.items()
    }
    made: dict[str, Any] = {
        "summary": text,
        "responses": {"200": {"description": "Done.", "content": good}, **errors},
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": _json(body)}
    if parameters:
        made["parameters"] = parameters
    return made if keyed else {**made, "security": []}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(model=_title(model))}}}


def _title(model: type[BaseModel]) -> str:
    return model.__name__


def _headers() -> list[dict[str, Any]]:
    return [_header(POLICY), _header(TAGS), _header(SESSION), _header(BYPASS)]


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}}
