"""What a client would know of a recorded conversation so far, so that a replay chooses as it would.

The last action, and what each model's prompt cache holds of what was sent, at the recording's pace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tokenthrift.client.sessions import Sessions
from tokenthrift.ledger import CacheBranch, blocks_of
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from tokenthrift.catalog import Catalog
    from tokenthrift.replay.pricing import Planned
    from tokenthrift.route import Routing, Session
    from tokenthrift.types import Request


class Past:
    """The past of one recording; nothing is kept where the policy pins.

    Args:
        routing: the policy.
        catalog: cards and cache rules.
        pause_s: seconds between two requests.
    """

    def __init__(self, routing: Routing, catalog: Catalog, pause_s: float) -> None:
        self._pinned = routing.pinned
        self._catalog = catalog
        self._pause_s = pause_s
        self._now_s = 0.0
        self._caches = CacheBranch()
        self._sessions = Sessions(routing, self._caches)

    def session(self, request: Request) -> Session:
        """What is known when the next request is planned."""
        self._now_s += self._pause_s
        return self._sessions.of(request, self._now_s)

    def served(self, planned: Planned) -> None:
        """A request was sent as planned."""
        if self._pinned:
            return
        self._sessions.served(planned.request, planned.kept)
        card = self._catalog.get(planned.model)
        if card is not None:
            sent = replace(planned.sent, model=planned.model)
            blocks = blocks_of(sent, counter_for(planned.model))
            self._caches.cache_of(card).store(blocks, self._now_s)
