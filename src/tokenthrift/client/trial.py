"""The trial of one account: which sessions it treats, and whether that was seen to do harm.

Whether it does is read from the ledger, so all processes that share one come to know it, and a
process that starts anew does. It is looked at now and then, beside the calls, and never waited for.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from tokenthrift.experiment import Harm
from tokenthrift.ledger import harm_seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.call import Outside
    from tokenthrift.experiment import Assignment
    from tokenthrift.ledger import Ledger
    from tokenthrift.policy import Policy

LOOK_S: Final = 60.0  # between two looks at the ledger
MOST_OF_TIME: Final = 0.02  # of it may go into looking, where a ledger is large
NANOS_PER_USD: Final = 1e9
NONE_YET: Final = Harm("", 0)

log = logging.getLogger("tokenthrift")


class Trial:
    """Draws arms as the policy's holdout says. Safe with threads.

    Args:
        policy: of the account.
        ledger: that it writes, and that harm is read from.
        outside: clocks.
        report: takes errors of the ledger; they cost no call.

    Attributes:
        harm: what was seen at the last look; once there is harm it stays.
    """

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        outside: Outside,
        report: Callable[[Exception], None],
    ) -> None:
        self.harm = NONE_YET
        self._policy = policy
        self._holdout = policy.holdout
        routing = policy.routing
        self._compares_off = routing.pinned or routing.baseline is None
        self._ledger = ledger
        self._outside = outside
        self._report = report
        self._next_look_s: float | None = None
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Whether nothing is treated any more, as that was seen to do harm."""
        return bool(self.harm) and self._holdout.on_harm == "stop"

    def assign(self, session: str) -> Assignment | None:
        """The arm of a session; None where the policy draws none. Looks for harm when it is time.

        Nobody waits for that: calls go on as at the last look.
        """
        if not self._holdout.is_on:
            return None
        if self._is_time():
            threading.Thread(target=self.look, name="tokenthrift-trial", daemon=True).start()
        return self._holdout.assign(session, stopped=self.stopped, compares_off=self._compares_off)

    def look(self) -> Harm:
        """Look for harm in the ledger, now."""
        begun_s = self._outside.stopwatch_s()
        try:
            now_us = int(self._outside.now().timestamp() * 1e6)
            found = harm_seen(self._ledger, self._holdout, self._policy.digest, now_us)
        except Exception as error:  # noqa: BLE001 - a ledger that cannot be read stops no call
            self._report(error)
            found = NONE_YET
        ended_s = self._outside.stopwatch_s()
        with self._lock:
            pause_s = max(LOOK_S, (ended_s - begun_s) / MOST_OF_TIME)
            self._next_look_s = ended_s + pause_s
            first = bool(found) and not self.harm
            if not self.harm:
                self.harm = found
        if first:
            log.warning("%s", self._said(found))
        return self.harm

    def _is_time(self) -> bool:
        """Whether to look, which only one thread is told."""
        if self._holdout.treated_share in (0.0, 1.0) or self.harm:
            return False
        now_s = self._outside.stopwatch_s()
        with self._lock:
            if self._next_look_s is not None and now_s < self._next_look_s:
                return False
            self._next_look_s = now_s + LOOK_S / MOST_OF_TIME  # set anew when the look is over
            return True

    def _said(self, harm: Harm) -> str:
        what = "cost more" if harm.kind == "cost" else "end worse"
        saved = ""
        if harm.kind == "cost" and harm.saved_nanos is not None:
            saved = f", ${-harm.saved_nanos / NANOS_PER_USD:.4g} each"
        then = "no session is treated any more" if self.stopped else "they are treated all the same"
        return (
            f"policy {self._policy.name!r}: treated sessions {what} than those left alone{saved} "
            f"({harm.sessions:,} sessions); {then} (holdout.on_harm: {self._holdout.on_harm})"
        )
