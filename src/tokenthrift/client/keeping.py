"""Texts that plans cut go into the recall store, each as long as conversations name it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Final

from tokenthrift.recall import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.compress import Recall
    from tokenthrift.pipeline import Plan
    from tokenthrift.recall import RecallStore

REMEMBERED_IDS: Final = 16_384  # of texts that were stored, about 2 MB
RENEWED: Final = 0.25  # share of their time after which texts that are named again are put again


class Keeper:
    """Stores what plans cut. Safe with threads.

    Args:
        recall: of the policy.
        store: that it goes into.
        report: takes errors of the store; a call is worth more than a later recall.
    """

    def __init__(
        self, recall: Recall, store: RecallStore, report: Callable[[Exception], None]
    ) -> None:
        self._keeps = recall.offer or recall.store is not None
        self._ttl_s = recall.ttl_days * DAY_S
        self._store = store
        self._report = report
        self._stored: OrderedDict[str, float] = OrderedDict()  # when each id was last put
        self._lock = threading.Lock()

    def keep(self, plan: Plan, now_s: float) -> None:
        """Store what a plan cut, where the policy asks; what was stored lately is left alone."""
        if not self._keeps:
            return
        omitted = plan.omitted
        # Put again in time: what a conversation goes on to name stays for as long as it is told.
        stale_s = now_s - RENEWED * self._ttl_s
        with self._lock:
            new = {k: v for k, v in omitted.items() if self._stored.get(k, -inf) < stale_s}
            for key in new:
                self._stored[key] = now_s
                self._stored.move_to_end(key)
            while len(self._stored) > REMEMBERED_IDS:
                self._stored.popitem(last=False)
        if not new:
            return
        try:
            self._store.put(new)
        except Exception as error:  # noqa: BLE001 - the call is worth more than a later recall
            with self._lock:  # the next call of the conversation tries again
                for key in new:
                    self._stored.pop(key, None)
            self._report(error)
