"""Errors of limits and policies as the proxy answers them: with their HTTP status, not retried."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from tokenthrift.errors import LimitError

if TYPE_CHECKING:
    from tokenthrift.errors import TokenthriftError


def already_under_way(call_id: str) -> Exception:
    """Of a request that has the id of another one, which clients can choose by a header."""
    from litellm.proxy._types import ProxyException

    problem = f"x-litellm-call-id {call_id!r} is another request's, which is still under way"
    return ProxyException(problem, type="RequestError", param=None, code=409)


def http_error(error: TokenthriftError) -> Exception:
    """What the proxy turns into an answer of the caller's own wire.

    SDKs try a 429 again by themselves; they are told not to, as the next one is refused as well.
    """
    from litellm.proxy._types import ProxyException

    headers = {"x-should-retry": "false"}
    fields = None
    if isinstance(error, LimitError):
        fields = {"limit": error.limit, "meter": error.meter}
        if error.retry_after_s is not None:
            headers["retry-after"] = str(ceil(error.retry_after_s))
    return ProxyException(
        str(error),
        type=type(error).__name__,
        param=None,
        code=error.http_status,
        headers=headers,
        provider_specific_fields=fields,
    )
