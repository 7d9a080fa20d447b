"""Experiments: which sessions are treated, and what treating them changed, with intervals.

Assignment is a pure function of a session's name and the policy. Estimates are pure functions of
rows of sessions; who reads rows from a ledger stands above.
"""

from tokenthrift.experiment.arms import Arm, Assignment, place_of
from tokenthrift.experiment.rules import Holdout
from tokenthrift.experiment.session import session_key

__all__ = ["Arm", "Assignment", "Holdout", "place_of", "session_key"]
