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

        def counter(name: str, what: str, *labels: str) -> _Series:
            return _Series(prometheus.Counter(f"tokenthrift_{name}", what, labels, **made))

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> _Series:
            named = f"tokenthrift_{name}"
            return _Series(prometheus.Histogram(named, what, labels, buckets=buckets, **made))

        both = ("model", "policy")
        self._calls = counter("calls", "Calls.", *both, "status", *tagged)
        self._errors = counter("errors", "Calls that failed, by the error.", "policy", "error")
        self._refusals = counter("limit_refusals", "Calls that a limit had no room for.", "policy")
        self._attempts = counter("attempts", "Attempts.", *both, "status")
        self._tokens = counter("tokens", "Tokens by bucket.", *both, "bucket", *tagged)
        self._cost = counter("cost_usd", "What attempts cost, in dollars.", *both, *tagged)
        self._unpriced = counter("unpriced_attempts", "Attempts without a known price.", *both)
        self._savings = _Series(
            prometheus.Gauge(
                "tokenthrift_savings_usd",
                "Savings by part, in dollars; their sum is net, and may be below zero.",
                ("policy", "part", *tagged),
                **made,
            )
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
        tags = [self._bounded(label, record.tags.get(tag, "")) for tag, label in self._tags.items()]
        self._calls.of(model, policy, record.status, *tags).inc()
        if record.error:
            self._errors.of(policy, self._bounded("error", record.error)).inc()
        if record.error == "LimitError":
            self._refusals.of(policy).inc()
        for part, nanos in parts_of(record).items():
            self._savings.of(policy, part, *tags).inc(usd(nanos))
        self._plan.of(policy).observe(record.plan_ms / 1000)
        self._total.of(model, policy).observe(record.total_ms / 1000)
        for attempt in record.attempts:
            self._attempt(attempt, policy, tags)

    def _attempt(self, attempt: AttemptRecord, policy: str, tags: list[str]) -> None:
        both = (self._model(attempt.model), policy)
        self._attempts.of(*both, attempt.status).inc()
        for bucket in BUCKETS:
            series = self._tokens.of(*both, bucket, *tags)
            if tokens := getattr(attempt, f"{bucket}_tokens"):
                series.inc(tokens)
        if attempt.cost_nanos is None:
            self._unpriced.of(*both).inc()
        else:
            self._cost.of(*both, *tags).inc(usd(attempt.cost_nanos))
        speed = Speed.of(attempt)
        figures = (
            (self._first, speed.first_chunk_s),
            (self._between, speed.inter_chunk_s),
            (self._pace, speed.tokens_per_s),
        )
        for histogram, value in figures:
            if value is not None:
                histogram.of(*both).observe(value)

    def _model(self, name: str) -> str:
        return self._bounded("model", name)


class _Series:
    """The series of a metric, by the values of its labels in their order.

    prometheus_client checks and locks at each look-up; there are a dozen of them in a call.
    """

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._known: dict[tuple[str, ...], Any] = {}

    def of(self, *values: str) -> Any:
        """One series; as many as the labels have values, which are bounded."""
        found = self._known.get(values)
        if found is None:
            found = self._known[values] = self._metric.labels(*values)
        return found


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
