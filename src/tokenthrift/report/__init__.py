"""Reports: pure views over records, plans and replays, as data and as terminal tables.

Nothing is decided or estimated here; what is not known is said to be unknown.
"""

from tokenthrift.report import formats
from tokenthrift.report.calibration_page import calibration_page
from tokenthrift.report.calibration_policy import policy_text, routing_of
from tokenthrift.report.calibration_view import calibration_view
from tokenthrift.report.calibration_words import calibration_json
from tokenthrift.report.explain import Explanation, SegmentLine, StageLine, explain
from tokenthrift.report.latency import Latencies
from tokenthrift.report.overview import Measured, Overview, overview
from tokenthrift.report.overview_json import overview_json
from tokenthrift.report.overview_page import overview_page
from tokenthrift.report.overview_view import overview_view
from tokenthrift.report.plan_page import plan_page
from tokenthrift.report.plan_view import diff_view, plan_view, why_view
from tokenthrift.report.summary import (
    by_words,
    grouped,
    instant,
    largest,
    plan_latencies,
    totals_by_complexity,
    totals_by_tag,
    totals_json,
)
from tokenthrift.report.tables import grouped_view, totals_view
from tokenthrift.report.tally import Tally
from tokenthrift.report.tally_view import tally_json, tally_view
from tokenthrift.report.worth import Worth, worth_by, worth_of

__all__ = [
    "Explanation",
    "Latencies",
    "Measured",
    "Overview",
    "SegmentLine",
    "StageLine",
    "Tally",
    "Worth",
    "by_words",
    "calibration_json",
    "calibration_page",
    "calibration_view",
    "diff_view",
    "explain",
    "formats",
    "grouped",
    "grouped_view",
    "instant",
    "largest",
    "overview",
    "overview_json",
    "overview_page",
    "overview_view",
    "plan_latencies",
    "plan_page",
    "plan_view",
    "policy_text",
    "routing_of",
    "tally_json",
    "tally_view",
    "totals_by_complexity",
    "totals_by_tag",
    "totals_json",
    "totals_view",
    "why_view",
    "worth_by",
    "worth_of",
]
