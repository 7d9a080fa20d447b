"""Routing: how hard a request is, which actions can and should serve it, and in what order to try.

Pure functions and one generator; transports are elsewhere.
"""

from tokenthrift.route.answer import Answer, CalledTool
from tokenthrift.route.cascade import (
    Attempt,
    Cascade,
    Outcome,
    Result,
    Wait,
    cascade,
    final_of,
    standing,
)
from tokenthrift.route.choose import choose, in_tool_loop
from tokenthrift.route.complexity import Complexity, Signal, bucket_of, measure
from tokenthrift.route.costs import Load, Outlook, expected_cost, following_cost, is_cached
from tokenthrift.route.decision import Decision, Verdict
from tokenthrift.route.effort import Effort, effort_of
from tokenthrift.route.eligible import Need, Refusal, need_of, refusals
from tokenthrift.route.explain import (
    NUMBERS,
    SIGNAL_COLUMNS,
    VERDICT_COLUMNS,
    signal_rows,
    summary,
    verdict_data,
    verdict_rows,
)
from tokenthrift.route.forecast import Action, Forecast, Forecaster
from tokenthrift.route.loops import Circle, circle_of
from tokenthrift.route.routing import Candidate, Loops, Retry, Routing, TaperStep
from tokenthrift.route.session import NEW_SESSION, Cached, Kept, Session, Shape

__all__ = [
    "NEW_SESSION",
    "NUMBERS",
    "SIGNAL_COLUMNS",
    "VERDICT_COLUMNS",
    "Action",
    "Answer",
    "Attempt",
    "Cached",
    "CalledTool",
    "Candidate",
    "Cascade",
    "Circle",
    "Complexity",
    "Decision",
    "Effort",
    "Forecast",
    "Forecaster",
    "Kept",
    "Load",
    "Loops",
    "Need",
    "Outcome",
    "Outlook",
    "Refusal",
    "Result",
    "Retry",
    "Routing",
    "Session",
    "Shape",
    "Signal",
    "TaperStep",
    "Verdict",
    "Wait",
    "bucket_of",
    "cascade",
    "choose",
    "circle_of",
    "effort_of",
    "expected_cost",
    "final_of",
    "following_cost",
    "in_tool_loop",
    "is_cached",
    "measure",
    "need_of",
    "refusals",
    "signal_rows",
    "standing",
    "summary",
    "verdict_data",
    "verdict_rows",
]
