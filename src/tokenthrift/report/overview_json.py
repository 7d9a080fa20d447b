"""A report for machines: exact sums in nano-dollars, shares from 0 to 1, times in UTC.

The keys are documented in docs/reports.md; ``schema_version`` rises when one changes its meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.report.details import counts_json
from tokenthrift.report.feedback_view import worth_json, worth_row
from tokenthrift.report.intervals import LEVEL
from tokenthrift.report.limits_view import limits_json
from tokenthrift.report.overview_charts import PERCENTILES
from tokenthrift.report.summary import totals_json

if TYPE_CHECKING:
    from tokenthrift.evidence import Interval
    from tokenthrift.report.latency import Latencies
    from tokenthrift.report.leaderboard import Standing
    from tokenthrift.report.overview import Measured, Overview
    from tokenthrift.report.regressions import WorstCall, WorstGroup

SCHEMA_VERSION: Final = 1


def overview_json(found: Overview) -> dict[str, Any]:
    """A report as plain data."""
    details = found.details
    return {
        "schema_version": SCHEMA_VERSION,
        "source": found.source,
        "since": None if found.since is None else found.since.isoformat(),
        "basis": found.basis,
        "totals": totals_json(found.totals),
        "net_share_interval": _interval(found.share),
        "resampled": {"by": "session" if found.by_session else "call", "groups": found.resampled},
        "measured": _measured(found.measured),
        "waterfall": [
            {"name": s.name, "from_nanos": s.from_nanos, "to_nanos": s.to_nanos}
            for s in found.waterfall
        ],
        "period": found.length,
        "periods": [
            {
                "start": p.start,
                "totals": totals_json(p.totals),
                "net_share_interval": _interval(p.share),
            }
            for p in found.periods
        ],
        "models": {name: totals_json(sums) for name, sums in found.models.items()},
        "newest_calls": details.calls,
        "complexity": details.mix,
        "latencies": {name: _times(times) for name, times in details.latencies.items()},
        "failures": counts_json(details.failures),
        "rejections": counts_json(details.rejections),
        "unpriced": {
            "calls_by_model": {name: s.unpriced_calls for name, s in found.unpriced.items()},
            "missing_prices": details.missing,
        },
        "regressions": {
            "groups": [_group(g) for g in found.worst_groups],
            "calls": [_call(c) for c in found.worst_calls],
        },
        "feedback": worth_json(found.worth),
        "without_details": found.gone,
        "limits": limits_json(found.limits),
        "leaderboards": {tag: [_standing(s) for s in board] for tag, board in found.boards.items()},
    }


def _interval(found: Interval | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high, "level": LEVEL}


def _measured(found: Measured | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "net_share": _interval(found.share),
        "outcome_difference": _interval(found.outcome),
        "treated_sessions": found.treated_sessions,
        "held_out_sessions": found.held_out_sessions,
        "remark": found.remark,
    }


def _times(found: Latencies) -> dict[str, Any]:
    percentiles = {f"p{p}_ms": found.percentile_ms(p) for p in PERCENTILES}
    return {"calls": found.calls, **percentiles, "most_ms": found.most_ms}


def _group(found: WorstGroup) -> dict[str, Any]:
    return {
        "by": found.by,
        "value": found.value,
        "calls": found.totals.calls,
        "net_nanos": found.totals.net_nanos,
        "why": list(found.why),
    }


def _call(found: WorstCall) -> dict[str, Any]:
    return {
        "record_id": found.record_id,
        "created_at": found.created_at.isoformat(),
        "model": found.model,
        "policy": found.policy,
        "baseline_nanos": found.baseline_nanos,
        "actual_nanos": found.actual_nanos,
        "net_nanos": found.net_nanos,
        "why": list(found.why),
    }


def _standing(found: Standing) -> dict[str, Any]:
    return {
        "value": found.value,
        "totals": totals_json(found.totals),
        "feedback": None if found.worth is None else worth_row(found.worth),
    }
