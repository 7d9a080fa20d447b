"""The simulated provider's own books: every request as it came, and what each key used.

These are the true numbers, whatever a fault makes a response report, so that a ledger can be
checked against them to the token. Kept in memory, per API key, readable from any thread.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        number: running number of the key's requests, from 0.
        headers: as received, names in lower case, credentials left out.
        raw: the body as received, byte for byte.
        body: the body parsed, None where it is not JSON.
        status: HTTP status answered; None while pending, and for callers who left before an answer.
        fault: the fault that struck, or an empty string.
        usage: what was truly used (and is billed); None where nothing was answered.
        reported: the usage the response carried; None where it carried none.
        response: the response body as sent (events joined), before any cut.
    """

    number: int
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any = None
    model: str = ""
    status: int | None = None
    fault: str = ""
    usage: Usage | None = None
    reported: Usage | None = None
    response: bytes = b""


@dataclass(slots=True)
class Accounts:
    """Requests by API key, in order of arrival."""

    _exchanges: dict[str, list[Exchange]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrive(self, key: str, path: str, headers: Mapping[str, str], raw: bytes) -> Exchange:
        """Open the record of a request."""
        kept = {k: v for k, v in headers.items() if k not in ("authorization", "x-api-key")}
        with self._lock:
            mine = self._exchanges[key]
            mine.append(Exchange(len(mine), path, kept, raw))
            return mine[-1]

    def settle(self, key: str, number: int, **changes: Any) -> None:
        """Write down what became of a request; one that was forgotten meanwhile stays so."""
        with self._lock:
            mine = self._exchanges[key]
            if number < len(mine):
                mine[number] = replace(mine[number], **changes)

    def requests(self, key: str) -> tuple[Exchange, ...]:
        """All requests of a key."""
        with self._lock:
            return tuple(self._exchanges.get(key, ()))

    def totals(self, key: str) -> Usage:
        """What a key truly used, all models together."""
        return total(e.usage for e in self.requests(key) if e.usage)

    def by_model(self, key: str) -> dict[str, Usage]:
        """What a key truly used of each model."""
        used: dict[str, list[Usage]] = defaultdict(list)
        for exchange in self.requests(key):
            if exchange.usage:
                used[exchange.model].append(exchange.usage)
        return {model: total(usages) for model, usages in used.items()}

    def forget(self, key: str) -> None:
        """Close the books of a key and start at 0 again."""
        with self._lock:
            self._exchanges.pop(key, None)


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of usages, bucket by bucket."""
    summed = Usage()
    for usage in usages:
        summed = Usage(
            input_tokens=summed.input_tokens + usage.input_tokens,
            output_tokens=summed.output_tokens + usage.output_tokens,
            cache_read_tokens=summed.cache_read_tokens + usage.cache_read_tokens,
            cache_write_tokens=summed.cache_write_tokens + usage.cache_write_tokens,
            reasoning_tokens=summed.reasoning_tokens + usage.reasoning_tokens,
            cache_write_1h_tokens=summed.cache_write_1h_tokens + usage.cache_write_1h_tokens,
        )
    return summed
