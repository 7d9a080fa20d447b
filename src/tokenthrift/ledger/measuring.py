"""Measured savings of a ledger, and whether it shows harm: a reader in front of pure estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tokenthrift.experiment import CONFIDENCE, Harm, MeasuredSavings, harm_of, measured

if TYPE_CHECKING:
    from datetime import datetime

    from tokenthrift.experiment import Holdout, SessionRow


class Tried(Protocol):
    """A ledger that knows which sessions were treated."""

    def sessions(
        self,
        since: datetime | None = None,
        policy_digest: str | None = None,
        settle_minutes: float = 0.0,
    ) -> list[SessionRow]:
        """Sessions whose arm chance drew."""
        ...


def measured_savings(
    ledger: Tried,
    since: datetime | None = None,
    *,
    policy_digest: str | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> MeasuredSavings | None:
    """What sessions that were treated cost less than sessions that were left alone.

    Args:
        ledger: where the records are.
        since: sessions that began before this aware time are left out.
        policy_digest: of the policy that drew them; None takes all.
        confidence: of two-sided intervals.
        seed: of the resampling.

    Returns:
        None where no session's arm was drawn by chance.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = ledger.sessions(since, policy_digest)
    if not rows:
        return None
    return measured(
        rows, confidence=confidence, seed=seed, harm=harm_of(rows, level=1 - confidence)
    )


def harm_seen(ledger: Tried, holdout: Holdout, policy_digest: str, now_us: int) -> Harm:
    """Whether a ledger shows that a policy does harm, as its holdout defines that.

    Args:
        ledger: where the records are.
        holdout: of the policy.
        policy_digest: of the policy.
        now_us: the time, in microseconds since 1970.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = ledger.sessions(None, policy_digest, holdout.settle_minutes)
    return harm_of(
        rows,
        level=holdout.false_alarms,
        worse=holdout.worse,
        settled_us=now_us,
        settle_minutes=holdout.settle_minutes,
    )
