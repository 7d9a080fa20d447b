"""The instruments of a meter, and what each record adds to them.

Tokens, cost and pace are of attempts, by the model that was asked; durations and savings of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.telemetry.names import DURATIONS_S, FIRST_TOKEN_S, PER_TOKEN_S, TOKENS
from tokenthrift.telemetry.spans import OURS, parts_of, usd
from tokenthrift.telemetry.speed import Speed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tokenthrift.ledger import AttemptRecord, LedgerRecord
    from tokenthrift.telemetry.bounding import Bounded
    from tokenthrift.telemetry.names import Names
    from tokenthrift.telemetry.spans import Sellers

MODALITIES: Final = ("audio", "image")
USD: Final = "{USD}"


class Instruments:
    """What a meter counts.

    Args:
        meter: of OpenTelemetry.
        names: to write.
        sellers: of models.
        bounded: values of attributes that callers choose.
        tags: which tags become attributes.
    """

    def __init__(
        self,
        meter: Any,
        names: Names,
        sellers: Sellers,
        bounded: Bounded,
        tags: Collection[str] = (),
    ) -> None:
        self._meter = meter
        self._names = names
        self._sellers = sellers
        self._bounded = bounded
        self._tags = tuple(tags)
        self._duration = self._histograms("duration", "s", "GenAI operation duration.", DURATIONS_S)
        self._token_usage = self._histograms(
            "token_usage", "{token}", "Number of input and output tokens used.", TOKENS
        )
        self._first_chunk = self._histograms(
            "first_chunk", "s", "Time to receive the first chunk.", DURATIONS_S
        )
        self._first_token = self._histograms(
            "first_token", "s", "Time to the first token, as the client saw it.", FIRST_TOKEN_S
        )
        self._per_token = self._histograms(
            "per_token", "s", "Time per output token after the first.", PER_TOKEN_S
        )
        self._used = {
            word: self._counters(f"{word}_tokens", "{token}", f"Tokens: {word.replace('_', ' ')}.")
            for word in ("input", "output", "cache_read", "cache_write", "reasoning")
        }
        self._of_calls = {
            word: self._histograms(f"call_{word}_tokens", "{token}", f"Tokens: {word}.", TOKENS)
            for word in ("input", "output")
        }
        self._cost = meter.create_counter(f"{OURS}.client.cost", USD, "What attempts cost.")
        self._attempts = meter.create_counter(
            f"{OURS}.client.attempts", "{attempt}", "Attempts, by how they ended."
        )
        self._savings = meter.create_up_down_counter(
            f"{OURS}.client.savings", USD, "Net savings by part; their sum is the net."
        )
        self._refusals = meter.create_counter(
            f"{OURS}.client.limit.refusals", "{call}", "Calls that a limit had no room for."
        )
        self._plan = meter.create_histogram(
            f"{OURS}.client.plan.duration",
            "s",
            "What planning added to a call.",
            explicit_bucket_boundaries_advisory=FIRST_TOKEN_S,
        )
        self._inter_chunk = meter.create_histogram(
            f"{OURS}.client.inter_chunk",
            "s",
            "Mean time between the chunks of a stream.",
            explicit_bucket_boundaries_advisory=PER_TOKEN_S,
        )

    def record(self, record: LedgerRecord, context: Any) -> None:
        """Add a call; `context` holds its span, so that exemplars lead there."""
        call = self._of_call(record)
        policy = {f"{OURS}.policy": record.policy}
        failed = record.error or "error" if record.status == "error" else None
        error = self._names.attributes({"error": failed and self._bounded("error", failed)})
        _record(self._duration, record.total_ms / 1000, {**call, **error}, context)
        self._plan.record(record.plan_ms / 1000, policy, context)
        for part, nanos in parts_of(record).items():
            self._savings.add(usd(nanos), {**policy, f"{OURS}.savings.part": part}, context)
        if record.error == "LimitError":
            self._refusals.add(1, policy, context)
        for attempt in record.attempts:
            self._attempt(record, attempt, context)

    def _attempt(self, record: LedgerRecord, attempt: AttemptRecord, context: Any) -> None:
        said = self._attributes(record, attempt.model, _operation(record, attempt))
        self._attempts.add(1, {**said, f"{OURS}.status": attempt.status}, context)
        if attempt.cost_nanos is not None:
            self._cost.add(usd(attempt.cost_nanos), said, context)
        self._tokens(attempt, said, context)
        speed = Speed.of(attempt)
        if speed.inter_chunk_s is not None:
            self._inter_chunk.record(speed.inter_chunk_s, said, context)
        if speed.first_chunk_s is not None:
            _record(self._first_chunk, speed.first_chunk_s, said, context)
        if attempt.status == "ok" and speed.first_chunk_s is not None:
            _record(self._first_token, speed.first_chunk_s, said, context)
        if attempt.status == "ok" and speed.per_token_s is not None:
            _record(self._per_token, speed.per_token_s, said, context)

    def _tokens(self, attempt: AttemptRecord, said: Mapping[str, Any], context: Any) -> None:
        """Counts that are ours, as a provider reported none, say so."""
        ours = {f"{OURS}.estimated": True} if attempt.estimated else {}
        used = {"input": attempt.input_tokens, "output": attempt.output_tokens}
        for word, tokens in used.items():
            kind = self._names.attributes({"token_type": word})
            if tokens or attempt.status != "error":  # nobody counted what was refused
                _record(self._token_usage, tokens, {**said, **ours, **kind}, context)
            _record(self._of_calls[word], tokens, {**said, **ours}, context)
        for word, counters in self._used.items():
            for modality, tokens in _by_modality(attempt, word):
                kind = self._names.attributes({"token_modality": modality})
                for counter in counters:
                    counter.add(tokens, {**said, **ours, **kind}, context)

    def _of_call(self, record: LedgerRecord) -> dict[str, Any]:
        return self._attributes(record, record.model_chosen, record.kind)

    def _attributes(
        self, record: LedgerRecord, served: str | None, operation: str
    ) -> dict[str, Any]:
        asked = record.model_requested
        tags = ((tag, record.tags[tag]) for tag in self._tags if tag in record.tags)
        return {
            **self._names.attributes(
                {
                    "operation": operation,
                    "provider": self._bounded(
                        "provider", self._sellers(served or asked, record.wire)
                    ),
                    "request_model": self._bounded("model", asked) if asked else None,
                    "response_model": self._bounded("model", served) if served else None,
                }
            ),
            **{f"{OURS}.tag.{tag}": self._bounded(f"tag.{tag}", value) for tag, value in tags},
        }

    def _histograms(
        self, word: str, unit: str, what: str, buckets: Sequence[float]
    ) -> tuple[Any, ...]:
        return tuple(
            self._meter.create_histogram(
                name, unit, what, explicit_bucket_boundaries_advisory=buckets
            )
            for name in self._names.metric(word)
        )

    def _counters(self, word: str, unit: str, what: str) -> tuple[Any, ...]:
        return tuple(
            self._meter.create_counter(name, unit, what) for name in self._names.metric(word)
        )


def _record(
    histograms: Iterable[Any], value: float, attributes: Mapping[str, Any], context: Any
) -> None:
    for histogram in histograms:
        histogram.record(value, attributes, context)


def _operation(record: LedgerRecord, attempt: AttemptRecord) -> str:
    return "embeddings" if attempt.status == "embedding" else record.kind


def _by_modality(attempt: AttemptRecord, word: str) -> Iterator[tuple[str, int]]:
    """Tokens by what they are; ``unknown`` where the provider does not tell them apart."""
    tokens = getattr(attempt, f"{word}_tokens")
    apart = {m: getattr(attempt, f"{word}_{m}_tokens", 0) for m in MODALITIES}
    apart = {modality: count for modality, count in apart.items() if count}
    yield from apart.items()
    yield "text" if apart else "unknown", max(0, tokens - sum(apart.values()))
