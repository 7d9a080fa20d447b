"""Feedback on calls: kept in the ledger, and learned from where the policy says so.

What was learned is never stored: it is a fold over the feedback of the ledger, in its order, so it
can always be had again, and a ledger that is copied takes it along.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tokenthrift.client.account import Account
from tokenthrift.client.wrap import account_of
from tokenthrift.ledger import Feedback, open_ledger, outcome_of

if TYPE_CHECKING:
    from tokenthrift.ledger import Ledger


def feedback(
    where: object,
    call_id: str,
    *,
    outcome: str | float | bool,
    value: float | None = None,
    source: str = "user",
    at: datetime | None = None,
) -> Feedback:
    """Say what an answer was worth.

    Args:
        where: a wrapped client or a `Client`, which learns from it where the policy says so; or a
            ledger, or its file.
        call_id: ``record_id`` of the answer's receipt (``response.tokenthrift.record_id``).
        outcome: ``good``, ``bad``, true, false, or a number from 0 to 1.
        value: what the answer was worth, in a unit of your own.
        source: who says so; each source says it once for a call.
        at: when; now if None.

    Raises:
        LedgerError: the ledger holds no such call, cannot be written, or the same source has said
            something else of it.
        ValueError: the outcome is none.
    """
    said = Feedback(
        call_id=call_id,
        created_at=datetime.now(UTC) if at is None else at,
        outcome=outcome_of(outcome),
        value=value,
        source=source,
    )
    if isinstance(where, str | os.PathLike):
        with open_ledger(where, create=False) as ledger:
            ledger.write_feedback(said)
        return said
    taker = _taker(where)
    taker.write_feedback(said)
    return said


def _taker(where: Any) -> Account | Ledger:
    if isinstance(where, Account):
        return where
    if hasattr(where, "write_feedback"):
        ledger: Ledger = where
        return ledger
    return account_of(where)
