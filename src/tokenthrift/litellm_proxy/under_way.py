"""Calls that a proxy has begun and not finished, each by its id.

One call of a proxy makes several events, and a few of them twice: whoever takes a call out of here
settles it, and nobody else.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenthrift.client.call import Call
    from tokenthrift.litellm_proxy.bodies import Change
    from tokenthrift.route import Outcome


@dataclass(slots=True)
class UnderWay:
    """A call under way.

    Attributes:
        call: as the account began it.
        model: that it was sent to, as plans name it; ``served_as`` is the proxy's name for it.
        change: of the request's data; the same each time the proxy asks.
        since_s: when it began, on a clock that rises.
        request: the proxy's object for it, the same in all of its hooks; ids may be a client's.
        outcomes: of attempts that failed.
        was_sent: whether the proxy got as far as a provider.
        is_cancelled: whether the caller has left.
        chunk_times_s: of the first and the latest chunk that the caller took.
        chunks: how many there were.
    """

    call: Call
    model: str
    served_as: str
    change: Change
    since_s: float
    request: object = None
    outcomes: list[Outcome] = field(default_factory=list)
    was_sent: bool = False
    is_cancelled: bool = False
    chunk_times_s: tuple[float, float] | None = None
    chunks: int = 0

    def saw_chunk(self, now_s: float) -> None:
        """Note that the caller took a chunk."""
        first = now_s if self.chunk_times_s is None else self.chunk_times_s[0]
        self.chunk_times_s = (first, now_s)
        self.chunks += 1

    @property
    def inter_chunk_ms(self) -> float | None:
        """Mean time between chunks."""
        if self.chunk_times_s is None or self.chunks <= 1:
            return None
        first, last = self.chunk_times_s
        return (last - first) * 1000 / (self.chunks - 1)


class CallsUnderWay:
    """Calls by the proxy's id. Safe with threads."""

    def __init__(self) -> None:
        self._calls: dict[str, UnderWay] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, call_id: str) -> UnderWay | None:
        """A call that is not over."""
        return self._calls.get(call_id)

    def put(self, call_id: str, call: UnderWay) -> UnderWay:
        """Keep a call; gives the one that is kept under the id, which may be an earlier one."""
        with self._lock:
            return self._calls.setdefault(call_id, call)

    def take(self, call_id: str) -> UnderWay | None:
        """Take a call out, to settle it; None where somebody else has, or it never began."""
        with self._lock:
            return self._calls.pop(call_id, None)

    def older_than(self, since_s: float) -> tuple[str, ...]:
        """Ids of calls that began before an instant."""
        with self._lock:
            return tuple(i for i, call in self._calls.items() if call.since_s < since_s)
