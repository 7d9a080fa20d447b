"""How one attempt reaches a provider: a body in, the SDK's own response out, or its own exception.

A transport knows one SDK and nothing of plans or prices. The SDKs retry by themselves, inside one
attempt, unless the policy does: then their own retries are switched off. Importing this package
imports no SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tokenthrift.transports.answers import (
    answer_in,
    answer_of_chunks,
    answer_text,
    has_nothing_to_say,
    is_retryable,
    refuses_stream_usage,
    reported_usage,
    retry_after_s,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.route import Attempt

__all__ = [
    "AsyncTransport",
    "Transport",
    "answer_in",
    "answer_of_chunks",
    "answer_text",
    "has_nothing_to_say",
    "is_retryable",
    "refuses_stream_usage",
    "reported_usage",
    "retry_after_s",
]


class Transport(Protocol):
    """Makes attempts, blocking."""

    def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """The SDK's response (or its open stream) to a body; raises the SDK's exceptions."""
        ...

    def finished(self, response: Any, /) -> Any:
        """What the caller gets of a whole response, once its texts are final."""
        ...


class AsyncTransport(Protocol):
    """Makes attempts, awaiting."""

    async def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """The SDK's response (or its open stream) to a body; raises the SDK's exceptions."""
        ...

    def finished(self, response: Any, /) -> Any:
        """What the caller gets of a whole response, once its texts are final."""
        ...
