"""What the service itself answers when it refuses or fails, in each dialect's own shape.

What providers say is none of this: their errors go back as they came.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import LimitError, MissingExtraError, TokenthriftError
from tokenthrift.wire.anthropic_messages import AnthropicMessages

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGES: Final = AnthropicMessages.name
PASSING: Final = frozenset({502, 503, 504})  # worth another try

KINDS: Final = {
    400: "InvalidRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    408: "RequestTimeoutError",
    413: "RequestTooLargeError",
    415: "UnsupportedMediaTypeError",
    422: "UnprocessableRequestError",
    503: "ServiceUnavailableError",
}
MESSAGES_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class Refusal(Exception):  # noqa: N818 - not every answer that is no service is an error
    """The service does not do what was asked.

    Attributes:
        status: of HTTP.
        message: for whoever asked: what is wrong, and what to do.
        name: ours for it.
        param: which part of the request is meant.
        headers: that go with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        name: str = "",
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.name = name or KINDS.get(status, "ServiceError")
        self.param = param
        self.headers = dict(headers or {})
        super().__init__(f"{status} {self.name}: {message}")


def refusal_of(error: TokenthriftError) -> Refusal:
    """What is answered to an error of ours."""
    status = error.http_status
    headers = {}
    if isinstance(error, LimitError) and error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, ceil(error.retry_after_s)))
    if status >= 500 and status not in PASSING and not isinstance(error, MissingExtraError):
        # The operator's affair: names of files and of keys are not for callers.
        message = "the service is not set up as it should be; its log says more"
        return Refusal(status, message, type(error).__name__)
    path = getattr(error, "path", None)
    return Refusal(
        status,
        str(error),
        type(error).__name__,
        param=path if isinstance(path, str) else None,
        headers=headers,
    )


def shaped(refusal: Refusal, wire: str) -> dict[str, Any]:
    """The body of a refusal: OpenAI's shape, or that of Messages."""
    if wire == MESSAGES:
        kind = MESSAGES_KINDS.get(refusal.status, "api_error")
        said = {"type": kind, "message": refusal.message, "code": refusal.name}
        return {"type": "error", "error": said}
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.name,
            "param": refusal.param,
            "code": MESSAGES_KINDS.get(refusal.status, "api_error"),
        }
    }
