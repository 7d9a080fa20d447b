"""Experiments: which sessions are treated, and what treating them changed, with intervals.

Assignment is a pure function of a session's name and the policy. Estimates are pure functions of
rows of sessions; who reads rows from a ledger stands above.
"""

from tokenthrift.experiment.arms import Arm, Assignment, place_of
from tokenthrift.experiment.effects import CONFIDENCE, LEAST_SESSIONS, Sums, average
from tokenthrift.experiment.harm import Harm, harm_of
from tokenthrift.experiment.measured import MeasuredSavings, measured
from tokenthrift.experiment.rows import SessionRow
from tokenthrift.experiment.rules import Holdout
from tokenthrift.experiment.session import session_key

__all__ = [
    "CONFIDENCE",
    "LEAST_SESSIONS",
    "Arm",
    "Assignment",
    "Harm",
    "Holdout",
    "MeasuredSavings",
    "SessionRow",
    "Sums",
    "average",
    "harm_of",
    "measured",
    "place_of",
    "session_key",
]
