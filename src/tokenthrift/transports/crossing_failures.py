"""What litellm raises, said as the caller's own SDK, or its provider, would say it.

litellm gives a status to everything, lost connections included. Whether a provider answered at all
is told by its headers, which litellm keeps in two places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import httpx

from tokenthrift.errors import TokenthriftError
from tokenthrift.transports.bridges import BrokenAnswerError
from tokenthrift.transports.failures import headers_of
from tokenthrift.wire.anthropic_messages import AnthropicMessages

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER_ERROR: Final = 500
OPENAI_KINDS: Final = ("invalid_request_error", "server_error")  # of a refusal, of a fault
# Of a provider's headers those that say when to come again, and by what name it knows the request.
KEPT: Final = ("retry-after", "retry-after-ms", "request-id", "x-request-id")
# How Anthropic names kinds of errors. Source: Anthropic API reference, "Errors".
KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why another seller's model gave no answer.

    Attributes:
        message: for whoever asked.
        status: of HTTP; None where no answer came, or not all of it.
        code: the provider's word for it, where there is one.
        headers: of the provider's response that still mean something to the caller.
        timed_out: whether it said nothing for too long.
    """

    message: str
    status: int | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timed_out: bool = False

    def body(self, wire: str) -> dict[str, Any]:
        """As the providers of a wire write an error."""
        if wire == AnthropicMessages.name:
            kind = KINDS.get(self.status or SERVER_ERROR, "api_error")
            return {"type": "error", "error": {"type": kind, "message": self.message}}
        kind = OPENAI_KINDS[(self.status or SERVER_ERROR) >= SERVER_ERROR]
        said = {"message": self.message, "type": kind, "param": None, "code": self.code}
        return {"error": said}


def failure_of(error: Exception) -> Failure:
    """What an exception of litellm's, or of a bridge, means."""
    message = str(error)
    if isinstance(error, BrokenAnswerError):
        return Failure(message)
    names = {kind.__name__ for kind in type(error).__mro__}
    if "APITimeoutError" in names:
        return Failure(message, timed_out=True)
    status, headers = getattr(error, "status_code", None), headers_of(error) or {}
    if not isinstance(status, int) or "APIConnectionError" in names:
        return Failure(message)
    if status >= SERVER_ERROR and not headers:
        return Failure(message)
    code = getattr(error, "code", None)
    kept = {name: str(headers[name]) for name in KEPT if headers.get(name)}
    return Failure(message, status, code if isinstance(code, str) else None, kept)


def sdk_error(error: Exception, sdk: str, wire: str) -> Exception:
    """An error as an SDK would raise it; litellm's are OpenAI's already.

    Args:
        error: that litellm or a bridge raised.
        sdk: its package, ``openai`` or ``anthropic``.
        wire: of the call.
    """
    package: Any = import_module(sdk)
    if isinstance(error, TokenthriftError | package.APIError):
        return error
    failure = failure_of(error)
    request = httpx.Request("POST", "https://litellm.invalid")
    if failure.timed_out:
        timeout: Exception = package.APITimeoutError(request=request)
        return timeout
    if failure.status is None:
        lost: Exception = package.APIConnectionError(message=failure.message, request=request)
        return lost
    said = httpx.Response(failure.status, headers=dict(failure.headers), request=request)
    kind = _kind_of(package, failure.status)
    refused: Exception = kind(failure.message, response=said, body=failure.body(wire))
    return refused


def _kind_of(package: Any, status: int) -> Any:
    """The class of an SDK's errors for a status."""
    statuses = [
        kind
        for kind in vars(package).values()
        if isinstance(kind, type)
        and issubclass(kind, package.APIStatusError)
        and vars(kind).get("status_code") == status
    ]
    other = package.InternalServerError if status >= SERVER_ERROR else package.APIStatusError
    return next(iter(statuses), other)
