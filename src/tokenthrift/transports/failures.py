"""What an exception of a provider's SDK means: try elsewhere, wait, ask for less.

The SDKs of OpenAI, Anthropic and litellm name their exceptions alike and give them the same
attributes, so this is duck-typed and imports none of them.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Status codes after which another model may do better: timeout, rate limit; and all from 500 on.
RETRYABLE_STATUSES: Final = frozenset({408, 429})
SERVER_ERROR: Final = 500
# A spent account is spent for all models of its provider. Source: OpenAI, "Error codes".
SPENT: Final = "insufficient_quota"
# Bases of the SDKs' timeouts and connection failures, which carry no status.
CONNECTION_ERRORS: Final = frozenset({"APIConnectionError", "APITimeoutError"})
UNKNOWN_PARAMETER: Final = frozenset({400, 422})


def retry_after_s(error: BaseException, now: datetime) -> float | None:
    """How long a provider asks to wait, from its headers; None where it does not say.

    Source: RFC 9110, "Retry-After": seconds, or a date; OpenAI also sends milliseconds.
    """
    headers = headers_of(error)
    if headers is None:
        return None
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return exact / 1000
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is not None or not given:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def headers_of(error: BaseException) -> Mapping[str, str] | None:
    """The headers of a provider's response to a failed request; None where it gave none."""
    given = getattr(getattr(error, "response", None), "headers", None)
    # litellm puts those of some providers beside a response that it made itself.
    return given or getattr(error, "litellm_response_headers", None) or given


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None


def is_retryable(error: BaseException) -> bool:
    """Whether another model may do better: rate limits, overload, timeouts, lost connections."""
    if getattr(error, "code", None) == SPENT:
        return False
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in RETRYABLE_STATUSES or status >= SERVER_ERROR
    return any(kind.__name__ in CONNECTION_ERRORS for kind in type(error).__mro__)


def refuses_stream_usage(error: BaseException) -> bool:
    """Whether a provider refused a request for the parameter ``stream_options``."""
    status = getattr(error, "status_code", None)
    return status in UNKNOWN_PARAMETER and "stream_options" in str(error)
