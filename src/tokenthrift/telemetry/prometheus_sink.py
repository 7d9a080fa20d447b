"""A sink that counts calls for Prometheus (extra ``prometheus``), and their text for ``/metrics``.

Labels are bounded: model, policy, status and the like, never a tag that was not named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from tokenthrift.errors import MissingExtraError
from tokenthrift.telemetry.bounding import MOST_VALUES, Bounded
from tokenthrift.telemetry.names import DURATIONS_S, FIRST_TOKEN_S, PER_TOKEN_S
from tokenthrift.telemetry.spans import parts_of, usd
from tokenthrift.telemetry.speed import Speed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tokenthrift.ledger import AttemptRecord, LedgerRecord

BUCKETS: Final = ("input", "output", "cache_read", "cache_write", "reasoning")
"""Of tokens; the last three are parts of the first two."""
TOKENS_PER_S: Final = (1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 500, 1000, 2000)


class Watched(Protocol):
    """Whose sinks may fail: an account."""

    sink_failures: int


class Prometheus:
    """Counters and histograms of calls. Safe with threads.

    Args:
        registry: of prometheus_client, to join metrics that are there; one of its own if None.
        tags: which tags of records become labels, as ``tag_<name>``.
        most_values: of a label that callers choose; further ones are counted as ``other``.

    Attributes:
        registry: what `prometheus_text` writes.

    Raises:
        MissingExtraError: the extra is not installed.
        ValueError: two tags have the same label.
    """

    def __init__(
        self,
        registry: Any = None,
        *,
        tags: Collection[str] = (),
        most_values: int = MOST_VALUES,
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MissingExtraError("prometheus_client", "prometheus") from error
        self.registry = prometheus.CollectorRegistry() if registry is None else registry
        self._bounded = Bounded(most_values)
        self._tags = _labels(tags)
        self._accounts: list[Watched] = []
        made, tagged = {"registry": self.registry}, tuple(self._tags.values())

        def counter(name: str, what: str, *labels: str) -> Any:
            return prometheus.Counter(f"tokenthrift_{name}", what, labels, **made)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Any:
            named = f"tokenthrift_{name}"
            return prometheus.Histogram(named, what, labels, buckets=buckets, **made)

        both = ("model", "policy")
        self._calls = counter("calls", "Calls.", *both, "status", *tagged)
        self._errors = counter("errors", "Calls that failed, by the error.", "policy", "error")
        self._refusals = counter("limit_refusals", "Calls that a limit had no room for.", "policy")
        self._attempts = counter("attempts", "Attempts.", *both, "status")
        self._tokens = counter("tokens", "Tokens by bucket.", *both, "bucket", *tagged)
        self._cost = counter("cost_usd", "What attempts cost, in dollars.", *both, *tagged)
        self._unpriced = counter("unpriced_attempts", "Attempts without a known price.", *both)
        self._savings = prometheus.Gauge(
            "tokenthrift_savings_usd",
            "Savings by part, in dollars; their sum is net, and may be below zero.",
            ("policy", "part", *tagged),
            **made,
        )
        self._plan = histogram("plan_seconds", "What planning added.", FIRST_TOKEN_S, "policy")
        self._total = histogram("call_seconds", "Calls, to their end.", DURATIONS_S, *both)
        self._first = histogram("first_chunk_seconds", "To the first chunk.", FIRST_TOKEN_S, *both)
        self._between = histogram(
            "inter_chunk_seconds", "Mean between the chunks of a stream.", PER_TOKEN_S, *both
        )
        self._pace = histogram(
            "tokens_per_second", "Output tokens a second of a stream.", TOKENS_PER_S, *both
        )
        self.registry.register(_Failures(self._accounts))

    def watch(self, account: Watched) -> None:
        """Count what the sinks of an account raise, the ledger's errors among them."""
        self._accounts.append(account)

    def __call__(self, record: LedgerRecord, /) -> None:
        """Count a call."""
        policy = self._bounded("policy", record.policy)
        model = self._model(record.model_chosen or record.model_requested)
        tags = {
            label: self._bounded(label, record.tags.get(tag, ""))
            for tag, label in self._tags.items()
        }
        self._calls.labels(model=model, policy=policy, status=record.status, **tags).inc()
        if record.error:
            self._errors.labels(policy=policy, error=self._bounded("error", record.error)).inc()
        if record.error == "LimitError":
            self._refusals.labels(policy=policy).inc()
        for part, nanos in parts_of(record).items():
            self._savings.labels(policy=policy, part=part, **tags).inc(usd(nanos))
        self._plan.labels(policy=policy).observe(record.plan_ms / 1000)
        self._total.labels(model=model, policy=policy).observe(record.total_ms / 1000)
        for attempt in record.attempts:
            self._attempt(attempt, policy, tags)

    def _attempt(self, attempt: AttemptRecord, policy: str, tags: dict[str, str]) -> None:
        both = {"model": self._model(attempt.model), "policy": policy}
        self._attempts.labels(**both, status=attempt.status).inc()
        for bucket in BUCKETS:
            tokens = getattr(attempt, f"{bucket}_tokens")
            self._tokens.labels(**both, bucket=bucket, **tags).inc(tokens)
        if attempt.cost_nanos is None:
            self._unpriced.labels(**both).inc()
        else:
            self._cost.labels(**both, **tags).inc(usd(attempt.cost_nanos))
        speed = Speed.of(attempt)
        figures = (
            (self._first, speed.first_chunk_s),
            (self._between, speed.inter_chunk_s),
            (self._pace, speed.tokens_per_s),
        )
        for histogram, value in figures:
            if value is not None:
                histogram.labels(**both).observe(value)

    def _model(self, name: str) -> str:
        return self._bounded("model", name)


class _Failures:
    """A counter that is read where it is kept, when it is asked for."""

    def __init__(self, accounts: list[Watched]) -> None:
        self._accounts = accounts

    def collect(self) -> Iterator[Any]:
        """As prometheus_client calls it."""
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily(
            "tokenthrift_sink_errors",
            "What ledger, sinks and stores raised, and the calls went on.",
            value=sum(account.sink_failures for account in self._accounts),
        )


def prometheus_text(metrics: Prometheus) -> str:
    """What a ``/metrics`` endpoint answers, as ``text/plain``."""
    from prometheus_client import generate_latest

    text: bytes = generate_latest(metrics.registry)
    return text.decode()


def _labels(tags: Collection[str]) -> dict[str, str]:
    """The label of each tag, of the characters that labels may have."""
    labels = {tag: f"tag_{re.sub('[^a-zA-Z0-9_]', '_', tag)}" for tag in tags}
    if len(set(labels.values())) < len(labels):
        raise ValueError(f"these tags would share a label: {', '.join(sorted(labels))}")
    return labels
