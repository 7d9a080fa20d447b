"""The trial of one account: which sessions it treats, and whether that was seen to do harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.call import Outside
    from tokenthrift.experiment import Assignment
    from tokenthrift.ledger import Ledger
    from tokenthrift.policy import Policy


class Trial:
    """Draws arms as the policy's holdout says. Safe with threads.

    Args:
        policy: of the account.
        ledger: that it writes, and that harm is read from.
        outside: clocks.
        report: takes errors of the ledger; they cost no call.
    """

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        outside: Outside,
        report: Callable[[Exception], None],
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._outside = outside
        self._report = report

    def assign(self, session: str) -> Assignment | None:
        """The arm of a session; None where the policy draws none."""
        return self._policy.holdout.assign(session)
