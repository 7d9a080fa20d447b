"""How one attempt reaches a provider: a body in, the SDK's own response out, or its own exception.

A transport knows one SDK and nothing of plans or prices; a dialect knows what comes back. The SDKs
retry by themselves, inside one attempt, unless the policy does: then their own retries are switched
off. Importing this package imports no SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tokenthrift.transports.dialects import Dialect, dialect_of
from tokenthrift.transports.failures import is_retryable, refuses_stream_usage, retry_after_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.route import Attempt

__all__ = [
    "AsyncTransport",
    "Dialect",
    "Transport",
    "dialect_of",
    "is_retryable",
    "refuses_stream_usage",
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
