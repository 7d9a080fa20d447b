"""What providers that hold conversations still wait for after recalls, kept until it is paid.

Where a caller goes on from an answer by its id (``previous_response_id``), the provider expects
results of calls that were taken out of it, or knows it by another id. It is written into the recall
store, so that any replica that shares the store can go on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports import dialect_of
from tokenthrift.transports.dialects import Debt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenthrift.recall import RecallStore

PREFIX: Final = "answer "  # before ids, in a store whose other keys are ids of texts


class Debts:
    """Debts to providers, by the ids of answers. Safe with threads.

    Args:
        store: that they are kept in.
        report: takes errors of the store; a call is worth more.
    """

    def __init__(self, store: RecallStore, report: Callable[[Exception], None]) -> None:
        self._store = store
        self._report = report

    def note(self, debt: Debt | None) -> None:
        """Keep a debt, if there is one."""
        if debt is None or not debt.told:
            return
        try:
            self._store.put({PREFIX + debt.told: (json.dumps([debt.held, *debt.call_ids]),)})
        except Exception as error:  # noqa: BLE001 - the answer is worth more than what follows it
            self._report(error)

    def paid(self, body: Mapping[str, Any], wire: str) -> Mapping[str, Any]:
        """A body as it can go on; itself where nothing is owed."""
        dialect = dialect_of(wire)
        told = dialect.going_on_from(body)
        if not told:
            return body
        try:
            found = self._store.get(PREFIX + told)
            held, *call_ids = json.loads(found[0]) if found else (told,)
        except Exception as error:  # noqa: BLE001 - the provider says best what it misses
            self._report(error)
            return body
        return dialect.paid(body, Debt(told, held, tuple(call_ids))) if found else body
