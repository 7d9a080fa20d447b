"""Routing: how hard a request is, which models can and should serve it, and in what order to try.

Pure functions and one generator; transports are elsewhere.
"""

from tokenthrift.route.calibration import calibrate
from tokenthrift.route.cascade import Attempt, Cascade, Outcome, Result, cascade
from tokenthrift.route.choose import Decision, Verdict, choose, expected_cost, in_tool_loop
from tokenthrift.route.complexity import Complexity, Signal, bucket_of, measure
from tokenthrift.route.effort import Effort, effort_of
from tokenthrift.route.eligible import Need, Refusal, need_of, refusals
from tokenthrift.route.explain import (
    SIGNAL_COLUMNS,
    VERDICT_COLUMNS,
    signal_rows,
    summary,
    verdict_rows,
)
from tokenthrift.route.findings import Calibration, Promise
from tokenthrift.route.fitting import fit
from tokenthrift.route.outcomes import Outcomes, Scored, read_outcomes
from tokenthrift.route.routing import Candidate, Routing

__all__ = [
    "SIGNAL_COLUMNS",
    "VERDICT_COLUMNS",
    "Attempt",
    "Calibration",
    "Candidate",
    "Cascade",
    "Complexity",
    "Decision",
    "Effort",
    "Need",
    "Outcome",
    "Outcomes",
    "Promise",
    "Refusal",
    "Result",
    "Routing",
    "Scored",
    "Signal",
    "Verdict",
    "bucket_of",
    "calibrate",
    "cascade",
    "choose",
    "effort_of",
    "expected_cost",
    "fit",
    "in_tool_loop",
    "measure",
    "need_of",
    "read_outcomes",
    "refusals",
    "signal_rows",
    "summary",
    "verdict_rows",
]
