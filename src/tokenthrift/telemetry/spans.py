"""From a record to its spans as plain data: one for the call, one inside it for each attempt. Pure.

Usage by the conventions' names stands on the span of the call only, and is that of all its
attempts, as all are billed: sums over spans count nothing twice. What each attempt took is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tokenthrift.telemetry.speed import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tokenthrift.ledger import AttemptRecord, LedgerRecord
    from tokenthrift.telemetry.names import Names

OURS: Final = "tokenthrift"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
PARTS: Final = ("compression", "routing", "cache", "overhead")
"""Of net savings, which are their sum."""

Sellers: TypeAlias = "Callable[[str, str], str]"
"""Who sells a model that was called on a wire, as the conventions name sellers."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An event of a span."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanData:
    """One span; times are nanoseconds since 1970.

    Attributes:
        is_request: whether it is the one that other services are told of (kind ``CLIENT``).
        error: name of the exception's type; empty where none was raised.
    """

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    is_request: bool = False
    error: str = ""
    events: tuple[Moment, ...] = ()
    children: tuple[SpanData, ...] = ()


def span_of(
    record: LedgerRecord, names: Names, sellers: Sellers, tags: Collection[str] = ()
) -> SpanData:
    """The span of a call, with its attempts inside.

    Args:
        record: of the call.
        names: to write.
        sellers: of models.
        tags: which tags of the record to write.
    """
    start_ns = _ns(record.created_at)
    made = [a for a in record.attempts if a.started_ms is not None]
    model = record.model_chosen or record.model_requested
    attributes = {
        **names.attributes(
            {
                "operation": record.kind,
                "provider": sellers(model, record.wire),
                "request_model": record.model_requested or None,
                "response_model": record.model_chosen,
                "conversation": record.session,
                "stream": record.streamed,
                "first_chunk": _first_chunk_s(record),
                "error": record.error or None if record.status == "error" else None,
                **_usage(record),
            }
        ),
        **_ours(record),
        **{f"{OURS}.tag.{k}": record.tags[k] for k in tags if k in record.tags},
    }
    return SpanData(
        name=f"{record.kind} {record.model_requested}".rstrip(),
        start_ns=start_ns,
        end_ns=start_ns + _ms_to_ns(record.total_ms),
        attributes=attributes,
        is_request=True,
        error=(record.error or record.status) if record.status == "error" else "",
        # Vectors that the plan bought, and attempts of which nobody noted the beginning.
        events=tuple(
            Moment(f"{OURS}.{_word(a)}", start_ns + _ms_to_ns(record.plan_ms), _attempt(a))
            for a in record.attempts
            if a.started_ms is None
        ),
        children=tuple(_child(a, start_ns) for a in made),
    )


def usd(nanos: int) -> float:
    """Nano-dollars as dollars."""
    return nanos / 1e9


def parts_of(record: LedgerRecord) -> dict[str, int]:
    """The parts of a call's net savings in nano-dollars; none where a price is not known."""
    found = {part: getattr(record.savings, f"{part}_nanos") for part in PARTS}
    return {part: nanos for part, nanos in found.items() if nanos is not None}


def _child(attempt: AttemptRecord, call_ns: int) -> SpanData:
    start_ns = call_ns + _ms_to_ns(attempt.started_ms or 0.0)
    first_ms = attempt.time_to_first_chunk_ms
    came = () if first_ms is None else (Moment("first_chunk", start_ns + _ms_to_ns(first_ms)),)
    return SpanData(
        name=f"attempt {attempt.number} {attempt.model}",
        start_ns=start_ns,
        end_ns=start_ns + _ms_to_ns(attempt.latency_ms),
        attributes=_attempt(attempt),
        error=(attempt.error or attempt.status) if attempt.status == "error" else "",
        events=came,
    )


def _word(attempt: AttemptRecord) -> str:
    return "embedding" if attempt.status == "embedding" else "attempt"


def _usage(record: LedgerRecord) -> dict[str, int]:
    words = ("input", "output", "cache_read", "cache_write", "reasoning")
    billed = [a for a in record.attempts if a.status != "embedding"]
    return {f"{w}_tokens": sum(getattr(a, f"{w}_tokens") for a in billed) for w in words}


def _first_chunk_s(record: LedgerRecord) -> float | None:
    """Of the attempt whose stream the caller saw first."""
    found = (Speed.of(a).first_chunk_s for a in record.attempts)
    return next((s for s in found if s is not None), None)


def _ours(record: LedgerRecord) -> dict[str, Any]:
    savings = record.savings
    costs = [a.cost_nanos for a in record.attempts if a.cost_nanos is not None]
    said: dict[str, Any] = {
        "record_id": record.record_id,
        "policy": record.policy,
        "policy_digest": record.policy_digest,
        "wire": record.wire,
        "status": record.status,
        "model_baseline": record.model_baseline,
        "epoch": record.epoch,
        "holdout": record.holdout,
        "limits": list(record.limits) or None,
        "tokens.baseline": record.counted_baseline_tokens,
        "tokens.sent": record.counted_sent_tokens,
        "plan.duration_s": record.plan_ms / 1000,
        "unpriced": savings.unpriced,
        "cost_usd": usd(sum(costs)),
        "cost_nanos": sum(costs),
    }
    if savings.net_nanos is not None:
        said |= {"savings.net_usd": usd(savings.net_nanos), "savings.basis": savings.basis}
        said |= {"savings.net_nanos": savings.net_nanos}
        said |= {f"savings.{part}_nanos": nanos for part, nanos in parts_of(record).items()}
    if record.decision is not None:
        said |= {
            "complexity": record.decision.complexity_bucket or None,
            "effort": record.decision.effort,
            "level": record.decision.level,
        }
    return {f"{OURS}.{key}": value for key, value in said.items() if value is not None}


def _attempt(attempt: AttemptRecord) -> dict[str, Any]:
    speed = Speed.of(attempt)
    said = {
        "model": attempt.model,
        "number": attempt.number,
        "status": attempt.status,
        "error": attempt.error or None,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "cache_read_tokens": attempt.cache_read_tokens,
        "cache_write_tokens": attempt.cache_write_tokens,
        "reasoning_tokens": attempt.reasoning_tokens,
        "estimated": attempt.estimated,
        "service_tier": attempt.service_tier or None,
        "cost_nanos": attempt.cost_nanos,
        "first_chunk_s": speed.first_chunk_s,
        "inter_chunk_s": speed.inter_chunk_s,
        "tokens_per_s": speed.tokens_per_s,
    }
    return {f"{OURS}.attempt.{key}": value for key, value in said.items() if value is not None}


def _ns(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND * 1000


def _ms_to_ns(ms: float) -> int:
    return round(ms * 1_000_000)
