"""What a dashboard shows: the last hours or days of a ledger, as plain data for a browser.

Sums are the ledger's own and exact; what only whole records know is read from the newest ones.
Texts of records (models, tags, errors) are data: who shows them escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.ledger import slots
from tokenthrift.report.details import UNMEASURED, Details, answer_of, counts_json, details_of
from tokenthrift.report.intervals import LEVEL, share_interval
from tokenthrift.report.latency import Latencies
from tokenthrift.report.regressions import worst_call
from tokenthrift.report.summary import TAG, largest, totals_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tokenthrift.evidence import Interval
    from tokenthrift.ledger import Largest, LedgerReader, LedgerRecord, Slot, Totals

NEWEST: Final = 2_000
"""Records that are read for what sums do not know; 0.1 s."""
CALLS_SHOWN: Final = 40
GROUPS_SHOWN: Final = 12
WORST_SHOWN: Final = 8
TAGS: Final = ("team", "user", "app", "feature", "environment")
BUCKETS: Final = ("trivial", "simple", "moderate", "complex", "expert", UNMEASURED)
PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Span:
    """How far back a dashboard looks.

    Attributes:
        name: as it is asked for.
        length: None is the ledger's whole life.
        step_s: length of the stretches of its series.
    """

    name: str
    length: timedelta | None
    step_s: int

    def since(self, now: datetime) -> datetime | None:
        """Where it begins: at the border of a stretch."""
        if self.length is None:
            return None
        start_s = int((now - self.length).timestamp()) // self.step_s * self.step_s
        return datetime.fromtimestamp(start_s, UTC)


MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SPANS: Final = {
    span.name: span
    for span in (
        Span("1h", timedelta(hours=1), 2 * MINUTE),
        Span("24h", timedelta(hours=24), 30 * MINUTE),
        Span("7d", timedelta(days=7), 6 * HOUR),
        Span("30d", timedelta(days=30), DAY),
        Span("all", None, 7 * DAY),
    )
}


def live(
    ledger: LedgerReader,
    span: Span,
    now: datetime,
    tags: Mapping[str, str] | None = None,
    limits: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A dashboard's data, safe to write as JSON: whole nano-dollars, times in UTC.

    Args:
        ledger: where the records are.
        span: how far back it looks.
        now: the time.
        tags: only calls that carry all of these.
        limits: how full limits are, as `tokenthrift.report.limits_view.limits_json` says it.
    """
    since = span.since(now)
    totals = ledger.totals(since, tags)
    found = slots(ledger, span.step_s, since, tags)
    newest = list(ledger.records(since, tags, NEWEST))
    details = details_of(newest)
    return {
        "at": now.isoformat(),
        "span": span.name,
        "step_s": span.step_s,
        "since": None if since is None else since.isoformat(),
        "totals": totals_json(totals),
        "net_share": _interval(share_interval(_pairs(found))),
        "series": _series(found),
        "models": _ranked(largest(ledger, "model", GROUPS_SHOWN, since, tags)),
        "tags": {name: rows for name in TAGS if (rows := _tagged(ledger, name, since, tags))},
        "read_calls": details.calls,
        "mix": [
            {"bucket": bucket, "models": details.mix[bucket]}
            for bucket in BUCKETS
            if bucket in details.mix
        ],
        "latencies": _latencies(details, newest),
        "limits": list(limits),
        "regressions": _regressions(newest),
        "failures": counts_json(details.failures),
        "calls": [call_row(record) for record in reversed(newest[-CALLS_SHOWN:])],
    }


def call_row(record: LedgerRecord) -> dict[str, Any]:
    """One call in a list of them."""
    answer = answer_of(record)
    return {
        "record_id": record.record_id,
        "at": record.created_at.isoformat(),
        "status": record.status,
        "error": record.error,
        "arm": record.arm,
        "policy": record.policy,
        "model_requested": record.model_requested,
        "model": record.model_chosen,
        "complexity": record.decision.complexity_bucket if record.decision else "",
        "tokens_before": record.counted_baseline_tokens,
        "tokens_after": record.counted_sent_tokens,
        "output_tokens": sum(a.output_tokens for a in record.attempts),
        "actual_nanos": record.savings.actual_nanos,
        "net_nanos": record.savings.net_nanos,
        "plan_ms": record.plan_ms,
        "total_ms": record.total_ms,
        "first_chunk_ms": None if answer is None else answer.time_to_first_chunk_ms,
        "attempts": len(record.attempts),
        "tags": record.tags,
    }


def tokens_per_s(record: LedgerRecord) -> float | None:
    """How fast an answer was generated, from its first chunk on; None where that is not known."""
    answer = answer_of(record)
    if answer is None or answer.output_tokens < 2:
        return None
    took_ms = answer.latency_ms - (answer.time_to_first_chunk_ms or 0.0)
    return answer.output_tokens / took_ms * 1000 if took_ms > 0 else None


# ---------------------------------------------------------------------------------------- inside
def _pairs(found: Iterable[Slot]) -> list[tuple[int, int]]:
    """Baseline and net savings of each group of sessions."""
    sums: dict[int, tuple[int, int]] = {}
    for slot in found:
        if slot.baseline_nanos:
            baseline, net = sums.get(slot.part, (0, 0))
            sums[slot.part] = (baseline + slot.baseline_nanos, net + slot.net_nanos)
    return [pair for _, pair in sorted(sums.items())]


def _series(found: Iterable[Slot]) -> list[dict[str, Any]]:
    by_start: dict[int, list[Slot]] = {}
    for slot in found:
        by_start.setdefault(slot.start_s, []).append(slot)
    return [_point(start_s, own) for start_s, own in sorted(by_start.items())]


def _point(start_s: int, own: Sequence[Slot]) -> dict[str, Any]:
    baseline = sum(slot.baseline_nanos for slot in own)
    share = share_interval(_pairs(own))
    return {
        "start": datetime.fromtimestamp(start_s, UTC).isoformat(),
        "calls": sum(slot.calls for slot in own),
        "spent_nanos": sum(slot.spent_nanos for slot in own),
        "input_tokens": sum(slot.input_tokens for slot in own),
        "output_tokens": sum(slot.output_tokens for slot in own),
        "baseline_nanos": baseline,
        "net_nanos": sum(slot.net_nanos for slot in own),
        "net_low_nanos": None if share is None else round(share.low * baseline),
        "net_high_nanos": None if share is None else round(share.high * baseline),
    }


def _ranked(found: Largest) -> list[dict[str, Any]]:
    """The groups on which most was spent; the rest of them as one."""
    rows = [_group(name, sums) for name, sums in found.groups.items()]
    if found.left_out:
        rows.append(_group(f"{found.left_out} others", found.rest))
    return rows


def _group(name: str, sums: Totals) -> dict[str, Any]:
    return {
        "name": name,
        "calls": sums.calls,
        "spent_nanos": sums.spent_nanos,
        "net_nanos": sums.net_nanos,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "unpriced_calls": sums.unpriced_calls,
    }


def _tagged(
    ledger: LedgerReader, name: str, since: datetime | None, tags: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    found = largest(ledger, f"{TAG}{name}", GROUPS_SHOWN, since, tags)
    return _ranked(found) if any(found.groups) else []


def _latencies(details: Details, newest: Iterable[LedgerRecord]) -> list[dict[str, Any]]:
    rows = [_quantiles(name, "ms", found) for name, found in details.latencies.items()]
    speeds = Latencies.of(s for s in map(tokens_per_s, newest) if s is not None)
    return [*rows, _quantiles("speed of answers", "tokens/s", speeds)] if speeds.calls else rows


def _quantiles(name: str, unit: str, found: Latencies) -> dict[str, Any]:
    quantiles = {f"p{p}": found.percentile_ms(p) for p in PERCENTILES}
    return {"name": name, "unit": unit, "calls": found.calls, **quantiles}


def _regressions(newest: Iterable[LedgerRecord]) -> list[dict[str, Any]]:
    losing = [r for r in newest if (r.savings.net_nanos or 0) < 0]
    losing.sort(key=lambda r: (r.savings.net_nanos or 0, r.record_id))
    return [
        {
            "record_id": worst.record_id,
            "at": worst.created_at.isoformat(),
            "model": worst.model,
            "net_nanos": worst.net_nanos,
            "baseline_nanos": worst.baseline_nanos,
            "why": list(worst.why),
        }
        for worst in map(worst_call, losing[:WORST_SHOWN])
    ]


def _interval(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else {"low": found.low, "high": found.high, "level": LEVEL}
