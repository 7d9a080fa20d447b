"""A sink that tells OpenTelemetry of every call (extra ``otel``): spans, and metrics.

Spans are written when a call is over, with the times at which it began and ended, as children of
the span that was active when it began.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from tokenthrift.catalog import load_catalog
from tokenthrift.errors import MissingExtraError
from tokenthrift.telemetry.bounding import MOST_VALUES, Bounded
from tokenthrift.telemetry.instruments import Instruments
from tokenthrift.telemetry.names import names_of, provider_name
from tokenthrift.telemetry.spans import span_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tokenthrift.catalog import Catalog
    from tokenthrift.ledger import LedgerRecord
    from tokenthrift.telemetry.spans import SpanData


class OpenTelemetry:
    """Spans and metrics of calls. Safe with threads.

    Args:
        tracer_provider: of the OpenTelemetry SDK; the one that is set for the process if None.
        meter_provider: likewise.
        conventions: which names to write, one version or several of `CONVENTIONS`; None asks
            ``OTEL_SEMCONV_STABILITY_OPT_IN``.
        catalog: says who sells a model; the bundled one if None.
        tags: which tags of records are written; none of them otherwise.
        most_values: of an attribute of metrics that callers choose; further ones are ``other``.

    Raises:
        MissingExtraError: the extra is not installed.
        ValueError: a version of the conventions is not known.
    """

    def __init__(
        self,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        *,
        conventions: str | Iterable[str] | None = None,
        catalog: Catalog | None = None,
        tags: Collection[str] = (),
        most_values: int = MOST_VALUES,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise MissingExtraError("opentelemetry", "otel") from error
        self._trace = trace
        self._names = names_of(conventions)
        self._catalog = catalog
        self._tags = tuple(tags)
        url = self._names.schema_url
        ours = version("tokenthrift")
        self._tracer = trace.get_tracer("tokenthrift", ours, tracer_provider, url)
        meter = metrics.get_meter("tokenthrift", ours, meter_provider, url)
        self._instruments = Instruments(
            meter, self._names, self._seller, Bounded(most_values), self._tags
        )

    def __call__(self, record: LedgerRecord, /) -> None:
        """Write the spans of a call, and count it."""
        span = self._write(span_of(record, self._names, self._seller, self._tags), None)
        self._instruments.record(record, self._trace.set_span_in_context(span))

    def _write(self, data: SpanData, context: Any) -> Any:
        kinds, trace = self._trace.SpanKind, self._trace
        span = self._tracer.start_span(
            data.name,
            context=context,
            kind=kinds.CLIENT if data.is_request else kinds.INTERNAL,
            attributes=data.attributes,
            start_time=data.start_ns,
        )
        for event in data.events:
            span.add_event(event.name, event.attributes, timestamp=event.at_ns)
        inside = trace.set_span_in_context(span)
        for child in data.children:
            self._write(child, inside)
        if data.error:
            span.set_status(trace.Status(trace.StatusCode.ERROR, data.error))
        span.end(end_time=data.end_ns)
        return span

    def _seller(self, model: str, wire: str) -> str:
        if self._catalog is None:
            self._catalog = load_catalog()
        card = self._catalog.get(model)
        if card is not None and card.provider:
            return provider_name(card.provider)
        return wire.partition("-")[0]  # a wire is named after the provider whose it is
