"""What only whole records know, over the newest of them: complexity, latencies, errors, prices.

Reading a record costs 50 us, and all of these drift, so the newest ones say enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.report.latency import Latencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tokenthrift.ledger import AttemptRecord, LedgerRecord

NEWEST: Final = 10_000
NEWEST_SHORT: Final = 2_000
"""Where only a few figures of them are shown; 0.1 s."""
LATENCIES: Final = ("planning", "first chunk", "between chunks", "whole call")
UNMEASURED: Final = "not measured"
NO_MODEL: Final = "(no model)"


@dataclass(frozen=True, slots=True)
class Details:
    """Counts over the newest calls.

    Attributes:
        calls: how many were read.
        mix: calls by complexity and by the model that answered.
        latencies: in milliseconds, by the names of `LATENCIES`; the first two of the answer.
        failures: calls that failed, by error and model asked last.
        rejections: attempts that were paid for in vain or recalled text, by reason and model.
        missing: calls without savings, by the model whose price is not known.
    """

    calls: int = 0
    mix: dict[str, dict[str, int]] = field(default_factory=dict)
    latencies: dict[str, Latencies] = field(default_factory=dict)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    rejections: dict[tuple[str, str], int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


def details_of(records: Iterable[LedgerRecord]) -> Details:
    """The counts over some records."""
    calls = 0
    mix: dict[str, dict[str, int]] = {}
    times: dict[str, list[float]] = {name: [] for name in LATENCIES}
    failures: dict[tuple[str, str], int] = {}
    rejections: dict[tuple[str, str], int] = {}
    missing: dict[str, int] = {}
    for record in records:
        calls += 1
        model = record.model_chosen or NO_MODEL
        bucket = record.decision.complexity_bucket if record.decision else ""
        row = mix.setdefault(bucket or UNMEASURED, {})
        row[model] = row.get(model, 0) + 1
        _time(record, times)
        if record.status == "error":
            _count(failures, (record.error or "error", model))
        for attempt in record.attempts:
            if attempt.status in ("rejected", "recall") or _failed_before(attempt, record):
                reason = attempt.error or attempt.status
                _count(rejections, (reason, attempt.model))
        if record.savings.net_nanos is None:
            for name in _unpriced(record):
                missing[name] = missing.get(name, 0) + 1
    latencies = {name: Latencies.of(values) for name, values in times.items() if any(values)}
    return Details(calls, mix, latencies, failures, rejections, missing)


def ranked_counts(counts: Mapping[tuple[str, str], int]) -> list[tuple[tuple[str, str], int]]:
    """Reasons and models, the most frequent first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def counts_json(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [
        {"reason": reason, "model": model, "times": n}
        for (reason, model), n in ranked_counts(counts)
    ]


def answer_of(record: LedgerRecord) -> AttemptRecord | None:
    """The attempt whose answer the caller got."""
    return next((a for a in reversed(record.attempts) if a.status == "ok"), None)


def _time(record: LedgerRecord, times: dict[str, list[float]]) -> None:
    times["planning"].append(record.plan_ms)
    if record.status != "ok":
        return
    if record.total_ms > record.plan_ms:  # a replay calls nobody
        times["whole call"].append(record.total_ms)
    answer = answer_of(record)
    if answer is None:
        return
    if answer.time_to_first_chunk_ms is not None:
        times["first chunk"].append(answer.time_to_first_chunk_ms)
    if answer.inter_chunk_ms is not None:
        times["between chunks"].append(answer.inter_chunk_ms)


def _failed_before(attempt: AttemptRecord, record: LedgerRecord) -> bool:
    """Whether an attempt failed and the call went on."""
    return attempt.status == "error" and record.status == "ok"


def _unpriced(record: LedgerRecord) -> list[str]:
    """The models whose prices the savings of a call lack."""
    used = [a.model for a in record.attempts if a.cost_nanos is None]
    return sorted(set(used)) or [record.model_baseline or record.model_requested or NO_MODEL]


def _count(table: dict[tuple[str, str], int], key: tuple[str, str]) -> None:
    table[key] = table.get(key, 0) + 1
