"""What one call leaves behind: one immutable `LedgerRecord`, schema version 1.

Counts, prices, names, digests and reasons; never prompt text. Stage errors are kept by the name of
their type only, as messages may quote the text. Times and ids are passed in, nothing is generated.
"""
# Annotations are evaluated by pydantic at run time, so there is no `from __future__` import here.

from dataclasses import fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Protocol, Self, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from tokenthrift.draft import Step
from tokenthrift.experiment import Arm
from tokenthrift.ledger.savings import Basis, Savings
from tokenthrift.types import Money, Usage

SCHEMA_VERSION: Final = 1
INT64_MAX: Final = 2**63 - 1  # what SQLite and PostgreSQL store exactly in one column

Status: TypeAlias = Literal["ok", "rejected", "recall", "error", "cancelled"]
AttemptStatus: TypeAlias = Literal[Status, "embedding"]
Tokens: TypeAlias = Annotated[int, Field(ge=0, le=INT64_MAX)]
Nanos: TypeAlias = Annotated[int, Field(ge=-INT64_MAX, le=INT64_MAX)]
Milliseconds: TypeAlias = Annotated[float, Field(ge=0)]
Utc: TypeAlias = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]

BUCKETS: Final = tuple(f.name for f in fields(Usage) if f.name != "raw")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AttemptRecord(_Frozen):
    """One attempt of the cascade, in the order they were made; then what was paid for beside them.

    Attributes:
        status: ``ok`` gave the call's answer; ``rejected`` was inadequate; ``recall`` asked for
            removed text and the call went on; ``cancelled`` was given up by the caller;
            ``embedding`` is no attempt but vectors that the plan bought.
        error: name of the exception's type; of what was rejected the check that it failed.
        counted_tokens: the sent input by our counter for this model; 0 where it was not counted.
        cache_write_1h_tokens: with the next ones the finer buckets of `Usage`, which have prices of
            their own at some providers.
        service_tier: how it was served; empty as usual.
        predicted_cache_read_tokens: what our model of the provider's cache expected to be read, of
            the input that was reported; None where nothing was reported, or there is no model.
        estimated: whether the usage is ours, as the provider reported none.
        raw_usage: the provider's usage object as it came.
        cost_nanos: None where a price is unknown.
        started_ms: from the call's beginning to sending it; None where that is not known.
        latency_ms: from sending to the last byte.
        inter_chunk_ms: mean time between chunks of a stream.
    """

    model: str
    number: Annotated[int, Field(ge=1)]
    status: AttemptStatus
    error: str = ""
    counted_tokens: Tokens = 0
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    reasoning_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    cache_read_audio_tokens: Tokens = 0
    input_audio_tokens: Tokens = 0
    input_image_tokens: Tokens = 0
    output_audio_tokens: Tokens = 0
    output_image_tokens: Tokens = 0
    service_tier: str = ""
    predicted_cache_read_tokens: Tokens | None = None
    estimated: bool = False
    raw_usage: dict[str, JsonValue] | None = None
    cost_nanos: Nanos | None = None
    started_ms: Milliseconds | None = None
    latency_ms: Milliseconds = 0.0
    time_to_first_chunk_ms: Milliseconds | None = None
    inter_chunk_ms: Milliseconds | None = None

    @property
    def usage(self) -> Usage:
        """The buckets as a `Usage`, to price them again on another card."""
        buckets = {name: getattr(self, name) for name in BUCKETS}
        return Usage(**buckets, raw=self.raw_usage)


def buckets_of(usage: Usage) -> dict[str, Any]:
    """The buckets of a usage as fields of an `AttemptRecord`: all that its price depends on."""
    return {name: getattr(usage, name) for name in BUCKETS}


class StepRecord(_Frozen):
    """The numbers of one step of the trace.

    Attributes:
        edits: how many segments the stage changed.
        error: name of the exception's type if the stage raised, or empty.
    """

    stage: str
    tokens_before: Tokens
    tokens_after: Tokens
    edits: Annotated[int, Field(ge=0)] = 0
    error: str = ""

    @classmethod
    def of(cls, step: Step) -> Self:
        """The numbers of a step; of its error only the type, as the message may quote text."""
        return cls(
            stage=step.stage,
            tokens_before=step.tokens_before,
            tokens_after=step.tokens_after,
            edits=len(step.edits),
            error=step.error.partition(":")[0],
        )


class DecisionRecord(_Frozen):
    """Why this model: the complexity, its signals, and every candidate's verdict as plain data.

    Attributes:
        propensity: with what probability exploration takes this action; None without exploration.
    """

    complexity_bucket: str = ""
    complexity_score: float | None = None
    signals: dict[str, float] = Field(default_factory=dict)
    verdicts: tuple[dict[str, JsonValue], ...] = ()
    effort: str | None = None
    level: int | None = None
    reason: str = ""
    propensity: Annotated[float, Field(ge=0, le=1)] | None = None


class SavingsRecord(_Frozen):
    """`Savings` in nano-dollars; the sums are checked when it is made.

    The split is defined in `tokenthrift.ledger.savings.Savings`.
    """

    baseline_nanos: Nanos | None = None
    actual_nanos: Nanos | None = None
    compression_nanos: Nanos | None = None
    routing_nanos: Nanos | None = None
    cache_nanos: Nanos | None = None
    overhead_nanos: Nanos | None = None
    net_nanos: Nanos | None = None
    basis: Basis = "estimated"
    unpriced: bool = True

    @classmethod
    def of(cls, savings: Savings) -> Self:
        """The record of a computed split."""
        return cls(
            baseline_nanos=_nanos(savings.baseline),
            actual_nanos=_nanos(savings.actual),
            compression_nanos=_nanos(savings.compression),
            routing_nanos=_nanos(savings.routing),
            cache_nanos=_nanos(savings.cache),
            overhead_nanos=_nanos(savings.overhead),
            net_nanos=_nanos(savings.net),
            basis=savings.basis,
            unpriced=savings.unpriced,
        )

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        parts = (self.compression_nanos, self.routing_nanos, self.cache_nanos, self.overhead_nanos)
        known = [p for p in parts if p is not None]
        if self.net_nanos is None:
            if known or not self.unpriced:
                raise ValueError("without net_nanos, unpriced must be true and all parts None")
            return self
        if self.unpriced or self.baseline_nanos is None or self.actual_nanos is None:
            raise ValueError("net_nanos needs baseline_nanos, actual_nanos and unpriced false")
        if self.net_nanos != self.baseline_nanos - self.actual_nanos:
            raise ValueError("net_nanos must be baseline_nanos - actual_nanos")
        if len(known) < len(parts) or sum(known) != self.net_nanos:
            raise ValueError(
                "compression_nanos + routing_nanos + cache_nanos + overhead_nanos must be net_nanos"
            )
        return self


class ShadowRecord(_Frozen):
    """What would have been done with a call whose original was sent.

    Attributes:
        model: that would have been asked; None where no plan could be made.
        savings: what that would have saved, against what the original cost.
        error: name of the exception's type, where no plan could be made.
    """

    model: str | None = None
    counted_sent_tokens: Tokens = 0
    steps: tuple[StepRecord, ...] = ()
    decision: DecisionRecord | None = None
    savings: SavingsRecord = SavingsRecord()
    error: str = ""


class LedgerRecord(_Frozen):
    """One call, complete. What of it is summed in reports is in `tokenthrift.ledger.totals`.

    Attributes:
        record_id: unique; a second record with the same id is the same record.
        created_at: an aware time or ISO text with an offset; kept in UTC.
        kind: what was called, e.g. ``chat``; ``wire`` in which dialect.
        status: of the call as the caller saw it; ``error`` names the exception's type.
        model_chosen: None where no model was reached.
        catalog: digest of the prices that were used.
        counted_baseline_tokens: the unmodified request by our counter for the chosen model;
            ``counted_sent_tokens`` the sent one.
        epoch: compactions this conversation has been through.
        holdout: the request went unmodified to measure savings.
        arm: of the session, where the policy draws arms; empty where it treats everything.
        treated_share: the probability with which the session could have been treated.
        asked_tokens: the request as it was given, by our counter for the model that it asks for:
            what is known of it whatever its arm; 0 where chance drew none.
        shadow: the plan that was made and not carried out.
        limits: names of the limits this call touched.
        session: names the calls that belong together: as the caller says, or a digest of how the
            conversation begins.
        plan_ms: what planning added to the call, of ``total_ms``.
    """

    record_id: Annotated[str, Field(min_length=1, max_length=128)]
    schema_version: Literal[1] = SCHEMA_VERSION
    created_at: Utc
    kind: str = "chat"
    wire: str
    status: Status = "ok"
    error: str = ""
    model_requested: str
    model_chosen: str | None = None
    model_baseline: str | None = None
    policy: str
    policy_digest: str
    catalog: str = ""
    attempts: tuple[AttemptRecord, ...] = ()
    counted_baseline_tokens: Tokens = 0
    counted_sent_tokens: Tokens = 0
    steps: tuple[StepRecord, ...] = ()
    epoch: Annotated[int, Field(ge=0)] = 0
    decision: DecisionRecord | None = None
    savings: SavingsRecord = SavingsRecord()
    holdout: bool = False
    arm: Arm | Literal[""] = ""
    treated_share: Annotated[float, Field(ge=0, le=1)] | None = None
    asked_tokens: Tokens = 0
    shadow: ShadowRecord | None = None
    limits: tuple[str, ...] = ()
    plan_ms: Milliseconds = 0.0
    total_ms: Milliseconds = 0.0
    streamed: bool = False
    tags: dict[str, str] = Field(default_factory=dict)
    session: str | None = None

    @model_validator(mode="after")
    def _attempts_are_paid(self) -> Self:
        numbers = [a.number for a in self.attempts]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"attempts must be numbered in order, each once; got {numbers}")
        actual = self.savings.actual_nanos
        costs = [a.cost_nanos for a in self.attempts if a.cost_nanos is not None]
        if actual is not None and len(costs) == len(self.attempts) and sum(costs) != actual:
            raise ValueError(f"savings.actual_nanos is {actual}, the attempts cost {sum(costs)}")
        return self


class Sink(Protocol):
    """Takes every record, once the call is over."""

    def __call__(self, record: LedgerRecord, /) -> None:
        """Take a record; raises `LedgerError` where it could not be kept."""
        ...


def as_utc(at: datetime) -> datetime:
    """An aware time in UTC.

    Raises:
        ValueError: the time has no offset, so it names no instant.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no offset; pass an aware time, e.g. in UTC")
    return at.astimezone(UTC)


def _nanos(amount: Money | None) -> int | None:
    return None if amount is None else amount.nanos
