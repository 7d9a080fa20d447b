"""Sessions of an experiment, added up in SQL; the same as `trials.session_rows_of`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.experiment import SessionRow
from tokenthrift.ledger.cache_check import Prediction
from tokenthrift.ledger.record import as_utc
from tokenthrift.ledger.schema import microseconds
from tokenthrift.ledger.trials import MINUTE_US, ShadowTotals, summed_outcomes

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

# The first drawn call of a session says its arm: MIN() takes the other columns from its row.
SESSIONS: Final = """
    WITH firsts AS (
        SELECT session, MIN(seq) AS first, arm, treated_share, created_us AS began_us, asked_tokens
        FROM calls
        WHERE treated_share > 0 AND treated_share < 1 AND session != ''
            AND created_us >= :since AND (:digest IS NULL OR policy_digest = :digest)
        GROUP BY session
    )
    SELECT firsts.session, firsts.arm = 'treated', firsts.treated_share, began_us,
        COUNT(*), SUM(unpriced_calls), SUM(spent_nanos),
        SUM(CASE WHEN created_us <= began_us + :settle THEN spent_nanos ELSE 0 END),
        SUM(COALESCE(baseline_nanos, 0)), firsts.asked_tokens, first
    FROM calls JOIN firsts ON calls.session = firsts.session AND calls.seq >= first
    GROUP BY firsts.first ORDER BY firsts.first
"""
SAID: Final = """
    SELECT calls.seq, calls.session, feedback.call_id, feedback.created_us, feedback.outcome
    FROM feedback JOIN calls ON calls.record_id = feedback.call_id
    WHERE calls.session != '' ORDER BY feedback.seq
"""
SHADOWS: Final = """
    SELECT COUNT(*), SUM(shadow_net_nanos IS NULL),
        SUM(CASE WHEN shadow_net_nanos IS NULL THEN 0 ELSE spent_nanos END), SUM(shadow_net_nanos)
    FROM calls WHERE arm = 'shadow' AND created_us >= ?
"""
PREDICTIONS: Final = """
    SELECT model, CASE session WHEN '' THEN record_id ELSE session END, COUNT(*),
        SUM(predicted_cache_read_tokens), SUM(attempts.cache_read_tokens),
        SUM(attempts.input_tokens)
    FROM attempts JOIN calls ON calls.seq = attempts.call_seq
    WHERE call_seq > (SELECT COALESCE(MAX(seq), 0) FROM calls) - ?
        AND predicted_cache_read_tokens IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
"""
EARLIEST_US: Final = -(2**63)


def read_sessions(
    db: sqlite3.Connection,
    since: datetime | None,
    policy_digest: str | None,
    settle_minutes: float,
) -> list[SessionRow]:
    """Rows of the sessions in an experiment; see `trials.session_rows_of`.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    values = {
        "since": EARLIEST_US if since is None else microseconds(as_utc(since)),
        "digest": policy_digest,
        "settle": int(settle_minutes * MINUTE_US),
    }
    db.execute("BEGIN")  # one moment for sums and feedback
    try:
        sums = db.execute(SESSIONS, values).fetchall()
        said = db.execute(SAID).fetchall() if sums else []
    finally:
        db.execute("ROLLBACK")
    began = {row[0]: row[-1] for row in sums}
    firsts: dict[str, tuple[int, float]] = {}
    outcomes: dict[str, dict[str, list[float]]] = {}
    for seq, session, call_id, at_us, outcome in said:
        if session in began and seq >= began[session]:
            firsts.setdefault(session, (at_us, outcome))
            outcomes.setdefault(session, {}).setdefault(call_id, []).append(outcome)
    return [_row(row, firsts.get(row[0]), outcomes.get(row[0], {})) for row in sums]


def read_shadows(db: sqlite3.Connection, since: datetime | None) -> ShadowTotals:
    """Sums over the calls of the arm ``shadow``.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    start = EARLIEST_US if since is None else microseconds(as_utc(since))
    return ShadowTotals(*(n or 0 for n in db.execute(SHADOWS, (start,)).fetchone()))


def read_predictions(db: sqlite3.Connection, newest: int) -> list[Prediction]:
    """What was predicted of caches and reported, of the newest calls.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    return [Prediction(*row) for row in db.execute(PREDICTIONS, (newest,))]


def _row(
    sums: tuple[str, int, float, int, int, int, int, int, int, int, int],
    first: tuple[int, float] | None,
    outcomes: dict[str, list[float]],
) -> SessionRow:
    session, treated, share, began_us, calls, unpriced, spent, early, baseline, asked, _ = sums
    return SessionRow(
        session=session,
        treated=bool(treated),
        treated_share=share,
        started_us=began_us,
        calls=calls,
        unpriced_calls=unpriced,
        spent_nanos=spent,
        early_nanos=early,
        baseline_nanos=baseline,
        asked_tokens=asked,
        rated_calls=len(outcomes),
        outcomes=summed_outcomes(outcomes),
        rated_us=None if first is None else first[0],
        first_outcome=None if first is None else first[1],
    )
