"""The data of dashboards, made at most every few seconds and shared by all who look.

A ledger is asked again only when it has changed, or when time has moved on by a stretch.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.ledger import SQLiteLedger
from tokenthrift.report.limits_view import limits_json
from tokenthrift.report.live import live

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tokenthrift.client.account import Account
    from tokenthrift.ledger import Ledger
    from tokenthrift.report.live import Span

FRESH_S: Final = 2.0
"""Data that is no older is not made again, whatever has happened."""
STALE_S: Final = 30.0
"""Data that is older is made again though nothing has happened: spans move on."""
MOST: Final = 64
"""Views that are remembered: spans times scopes of keys."""


@dataclass(frozen=True, slots=True)
class Made:
    """The data of one view as JSON.

    Attributes:
        mark: of the ledger when it was made; another one says that calls have come.
        made_s: when, in seconds since 1970.
    """

    text: str
    mark: tuple[int, ...]
    made_s: float


class Boards:
    """Makes and remembers the data of dashboards. Safe with threads.

    Args:
        ledger: of the service.
        accounts: of the service, by policy.
        now: the time.
    """

    def __init__(
        self, ledger: Ledger, accounts: Mapping[str, Account], now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._now = now
        self._made: dict[tuple[str, str], Made] = {}
        self._lock = threading.Lock()

    def text(self, span: Span, tags: Mapping[str, str]) -> str:
        """The data of a span as JSON, of the calls that carry all of some tags."""
        name = (span.name, json.dumps(dict(tags), sort_keys=True))
        with self._lock:  # whoever comes second gets what the first one made
            now = self._now()
            mark, kept = mark_of(self._ledger), self._made.get(name)
            age_s = STALE_S if kept is None else now.timestamp() - kept.made_s
            if kept and (age_s < FRESH_S or (kept.mark == mark and age_s < STALE_S)):
                return kept.text
            data = live(self._ledger, span, now, tags, () if tags else self._limits())
            made = Made(json.dumps(data, separators=(",", ":")), mark, now.timestamp())
            self._made[name] = made
            while len(self._made) > MOST:
                del self._made[next(iter(self._made))]
        return made.text

    def _limits(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for name, account in self._accounts.items():
            found = limits_json(account.allowance.uses())
            rows += [{"policy": name, **row} for row in found]
        return rows


def mark_of(ledger: Ledger) -> tuple[int, ...]:
    """Numbers that change whenever a call or feedback is written."""
    if isinstance(ledger, SQLiteLedger):
        calls = ledger.rows("SELECT COALESCE(MAX(seq), 0) FROM calls")
        said = ledger.rows("SELECT COALESCE(MAX(seq), 0) FROM feedback")
        return (calls[0][0], said[0][0])
    return (ledger.count(),)
