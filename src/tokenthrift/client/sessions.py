"""What a client remembers of its conversations and models, for the choice of the next action.

Bounded, and without any text: digests of conversations, names, times. Another replica that did not
serve a conversation knows nothing of it, and chooses as if it began.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

from tokenthrift.client.billing import held_tokens
from tokenthrift.ledger import blocks_of, digests_of
from tokenthrift.route import NEW_SESSION, Kept, Session
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import ModelCard
    from tokenthrift.ledger import Block, CacheBranch
    from tokenthrift.route import Outcome, Routing
    from tokenthrift.types import Request

REMEMBERED: Final = 16_384  # conversations whose last action is known, about 2 MB
LATENCIES: Final = 16  # of the latest answers of a model


class Sessions:
    """The sessions of one client. Safe with threads.

    Args:
        routing: the policy; where it pins, nothing is remembered.
        caches: what providers' caches hold of what was sent.
    """

    def __init__(self, routing: Routing, caches: CacheBranch) -> None:
        self._routing = routing
        self._caches = caches
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._rests: dict[str, tuple[float, str]] = {}
        self._latencies: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def of(self, request: Request, now_s: float) -> Session:
        """What is known when a request is to be sent.

        Args:
            request: as the caller gave it.
            now_s: on the clock of all calls.
        """
        if self._routing.pinned:
            return NEW_SESSION
        with self._lock:
            found = (self._kept.get(digest) for digest in reversed(digests_of(request)))
            kept = next((k for k in found if k is not None), None)
            resting = {m: why for m, (until, why) in self._rests.items() if now_s < until}
            latency_s = {m: median(times) for m, times in self._latencies.items()}
        return Session(
            kept=kept,
            cached=_Lookup(self._caches, now_s),
            resting=resting,
            latency_s=latency_s,
        )

    def served(self, request: Request, kept: Kept) -> None:
        """A conversation's call was answered by an action."""
        if self._routing.pinned:
            return
        digest = digests_of(request)[-1]
        with self._lock:
            self._kept[digest] = kept
            self._kept.move_to_end(digest)
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)

    def seen(self, outcomes: Sequence[Outcome], now_s: float) -> None:
        """How the attempts of a call went: who failed, and how long answers took."""
        if self._routing.pinned:
            return
        with self._lock:
            for outcome in outcomes:
                model = outcome.attempt.model
                if outcome.ok:
                    self._rests.pop(model, None)
                    times = self._latencies.setdefault(model, deque(maxlen=LATENCIES))
                    times.append(outcome.latency_ms / 1000)
                elif outcome.retryable and self._routing.rest_s:
                    why = f"failed with {type(outcome.error).__name__}"
                    self._rests[model] = (now_s + self._routing.rest_s, why)


class _Lookup:
    """What the caches hold of a request; its fingerprints are made once a counter."""

    def __init__(self, caches: CacheBranch, now_s: float) -> None:
        self._caches = caches
        self._now_s = now_s
        self._made: dict[tuple[int, str, bool], Sequence[Block]] = {}

    def __call__(self, request: Request, card: ModelCard, /) -> int:
        count = counter_for(card.name)
        on_demand = card.cache is not None and card.cache.mode == "message"
        key = (id(request.body), count.name, on_demand)
        if key not in self._made:
            asked = replace(request, model=card.name)
            self._made[key] = blocks_of(asked, count, as_marked=on_demand)
        return held_tokens(self._made[key], card, self._caches, self._now_s)
