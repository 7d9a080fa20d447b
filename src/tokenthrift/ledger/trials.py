"""Sessions of an experiment, from records: what every store must agree on.

A session is in an experiment from the first of its calls whose arm chance drew. That call says the
arm; all its calls from then on count, whatever arm, policy or failure they went through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tokenthrift.experiment import SessionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tokenthrift.ledger.feedback import Feedback
    from tokenthrift.ledger.record import LedgerRecord

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
MINUTE_US: Final = 60_000_000


def in_trial(
    record: LedgerRecord, since: datetime | None = None, policy_digest: str | None = None
) -> bool:
    """Whether a call begins (or is part of) a session whose arm chance drew."""
    share = record.treated_share
    drawn = share is not None and 0 < share < 1 and bool(record.session)
    recent = since is None or record.created_at >= since
    return drawn and recent and policy_digest in (None, record.policy_digest)


@dataclass(frozen=True, slots=True)
class ShadowTotals:
    """What shadows of calls would have saved.

    Attributes:
        calls: whose plan was made and not carried out; ``unpriced_calls`` of them without a figure.
        spent_nanos: what the others cost as they went.
        saved_nanos: what their shadows would have saved of that.
    """

    calls: int = 0
    unpriced_calls: int = 0
    spent_nanos: int = 0
    saved_nanos: int = 0


def shadow_totals_of(
    records: Iterable[LedgerRecord], since: datetime | None = None
) -> ShadowTotals:
    """Sums over the calls of the arm ``shadow``."""
    calls = unpriced = spent = saved = 0
    for record in records:
        if record.arm != "shadow" or (since is not None and record.created_at < since):
            continue
        calls += 1
        nanos = None if record.shadow is None else record.shadow.savings.net_nanos
        if nanos is None:
            unpriced += 1
            continue
        spent += _spent(record)
        saved += nanos
    return ShadowTotals(calls, unpriced, spent, saved)


@dataclass(slots=True)
class _Session:
    first: LedgerRecord
    calls: list[LedgerRecord] = field(default_factory=list)
    said: list[Feedback] = field(default_factory=list)


def session_rows_of(
    records: Iterable[LedgerRecord],
    feedback: Iterable[Feedback],
    since: datetime | None = None,
    policy_digest: str | None = None,
    settle_minutes: float = 0.0,
) -> list[SessionRow]:
    """Rows of the sessions in an experiment, in the order that their first calls were written.

    Args:
        records: in order of writing.
        feedback: in order of writing, of any calls.
        since: sessions that began before are left out.
        policy_digest: of the policy that drew them; None takes all.
        settle_minutes: of a session, for ``early_nanos``.
    """
    sessions: dict[str, _Session] = {}
    owners: dict[str, str] = {}
    for record in records:
        key = record.session or ""
        if key not in sessions and in_trial(record, since, policy_digest):
            sessions[key] = _Session(record)
        if key in sessions:
            sessions[key].calls.append(record)
            owners[record.record_id] = key
    for said in feedback:
        if said.call_id in owners:
            sessions[owners[said.call_id]].said.append(said)
    return [_row(key, s, settle_minutes) for key, s in sessions.items()]


def _row(key: str, session: _Session, settle_minutes: float) -> SessionRow:
    first = session.first
    began_us = _microseconds(first.created_at)
    until_us = began_us + int(settle_minutes * MINUTE_US)
    by_call: dict[str, list[float]] = {}
    for said in session.said:
        by_call.setdefault(said.call_id, []).append(said.outcome)
    earliest = session.said[0] if session.said else None
    return SessionRow(
        session=key,
        treated=first.arm == "treated",
        treated_share=first.treated_share or 0.0,
        started_us=began_us,
        calls=len(session.calls),
        unpriced_calls=sum(r.savings.net_nanos is None for r in session.calls),
        spent_nanos=sum(_spent(r) for r in session.calls),
        early_nanos=sum(
            _spent(r) for r in session.calls if _microseconds(r.created_at) <= until_us
        ),
        baseline_nanos=sum(r.savings.baseline_nanos or 0 for r in session.calls if _priced(r)),
        asked_tokens=first.asked_tokens,
        rated_calls=len(by_call),
        outcomes=summed_outcomes(by_call),
        rated_us=None if earliest is None else _microseconds(earliest.created_at),
        first_outcome=None if earliest is None else earliest.outcome,
    )


def summed_outcomes(by_call: Mapping[str, Sequence[float]]) -> float:
    """The outcomes of rated calls added up; what was said of one call counts as its mean."""
    return sum(sum(given) / len(given) for given in by_call.values())


def _spent(record: LedgerRecord) -> int:
    return sum(a.cost_nanos or 0 for a in record.attempts)


def _priced(record: LedgerRecord) -> bool:
    return record.savings.net_nanos is not None


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
