"""Calls as OpenTelemetry's own SDK exports them: spans, their times and parents, and metrics."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import tokenthrift
from tokenthrift.errors import LimitError
from tokenthrift.policy import load_policy
from tokenthrift.telemetry import OpenTelemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
SECRET = "the colour of the door is vermilion"
ASK: list[Any] = [{"role": "user", "content": f"Say something of {SECRET}, in a few words."}]
MS = 1_000_000


class Exported:
    """What the SDK exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])

    def sink(self, **settings: Any) -> OpenTelemetry:
        """A sink that writes here."""
        return OpenTelemetry(self.tracers, self.meters, **settings)

    def spans(self, kind: SpanKind = SpanKind.CLIENT) -> list[ReadableSpan]:
        """Spans of calls; of attempts where asked for the inner ones."""
        return [s for s in self.exporter.get_finished_spans() if s.kind is kind]

    def points(self, name: str) -> list[Any]:
        """The points of one metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def exported() -> Iterator[Exported]:
    """Exporters of the test's own."""
    made = Exported()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


def wrapped(bare: Any, sink: OpenTelemetry, policy: Any = "balanced", **more: Any) -> Any:
    """A wrapped client whose records go to the sink as well."""
    client = tokenthrift.wrap(bare, policy, **more)
    tokenthrift.account_of(client).add_sink(sink)
    return client


def record_of(client: Any) -> tokenthrift.LedgerRecord:
    """The one record of a client."""
    (record,) = tokenthrift.account_of(client).ledger.records()
    return record


def test_a_span_is_the_call(exported, bare):
    """Name, kind, times, usage and cost are those of the record."""
    client = wrapped(bare, exported.sink())
    client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=20)
    record, (span,) = record_of(client), exported.spans()
    (attempt,) = record.attempts
    said = span.attributes
    assert (span.name, span.status.status_code) == (f"chat {MODEL}", StatusCode.UNSET)
    assert span.start_time == round(record.created_at.timestamp() * 1e6) * 1000
    assert span.end_time - span.start_time == round(record.total_ms * MS)
    assert said["gen_ai.system"] == "openai"
    assert said["gen_ai.usage.input_tokens"] == attempt.input_tokens > 0
    assert said["gen_ai.usage.output_tokens"] == attempt.output_tokens > 0
    assert said["tokenthrift.cost_nanos"] == attempt.cost_nanos > 0
    assert said["tokenthrift.savings.net_nanos"] == record.savings.net_nanos
    (inner,) = exported.spans(SpanKind.INTERNAL)
    assert inner.parent.span_id == span.context.span_id
    assert span.start_time <= inner.start_time <= inner.end_time <= span.end_time
    assert inner.attributes["tokenthrift.attempt.status"] == "ok"
    assert not any(key.startswith("gen_ai.") for key in inner.attributes)


def test_no_prompt_text_leaves(exported, bare):
    """Neither what was asked nor what was answered stands in a span or a metric."""
    client = wrapped(bare, exported.sink(), tags={"team": "doors"})
    answer = client.chat.completions.create(model=MODEL, messages=ASK)
    written = "".join(s.to_json() for s in exported.exporter.get_finished_spans())
    written += exported.reader.get_metrics_data().to_json()
    assert SECRET not in written
    assert answer.choices[0].message.content not in written
    assert "doors" not in written


def test_attempts_have_their_own_times(exported, provider, api_key, bare):
    """A retry after a wait: both attempts lie inside the call, the wait between them."""
    policy = {"routing": {"retry": {"times": 1, "base_s": 0.3}}}
    client = wrapped(bare, exported.sink(), policy)
    provider.set_faults(api_key, "500,times=1")
    client.chat.completions.create(model=MODEL, messages=ASK)
    (call,) = exported.spans()
    first, second = sorted(exported.spans(SpanKind.INTERNAL), key=lambda s: s.start_time)
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["tokenthrift.attempt.error"] == "InternalServerError"
    assert call.start_time <= first.start_time < first.end_time < second.start_time
    assert second.end_time <= call.end_time
    assert call.status.status_code is StatusCode.UNSET


def test_a_failed_call_is_an_error(exported, provider, api_key, bare):
    """The type of the error, and no more of it, is the status of the span."""
    client = wrapped(bare, exported.sink())
    provider.set_faults(api_key, "500")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    (span,) = exported.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "InternalServerError"
    (point,) = exported.points("gen_ai.client.operation.duration")
    assert point.attributes["error.type"] == "InternalServerError"
    assert exported.points("gen_ai.client.token.usage") == []


def test_a_refused_call_is_counted(exported, bare):
    """A limit without room leaves a span without an attempt, and a refusal."""
    limits = [{"name": "none", "window": "day", "requests": 0}]
    client = wrapped(bare, exported.sink(), {"limits": limits})
    with pytest.raises(LimitError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    (span,) = exported.spans()
    assert span.attributes["error.type"] == "LimitError"
    assert exported.spans(SpanKind.INTERNAL) == []
    (point,) = exported.points("tokenthrift.client.limit.refusals")
    assert point.value == 1


# ------------------------------------------------------------------------------------ the parent
def test_a_stream_is_a_child_of_the_span_it_began_in(exported, bare):
    """Read after that span is over, and inside another, it still belongs to the first."""
    client, tracer = wrapped(bare, exported.sink()), exported.tracers.get_tracer("test")
    with tracer.start_as_current_span("outer") as outer:
        stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    with tracer.start_as_current_span("elsewhere"):
        assert list(stream)
    (span,) = exported.spans()
    assert span.parent.span_id == outer.get_span_context().span_id
    assert span.context.trace_id == outer.get_span_context().trace_id


async def test_async_calls_are_children_of_their_own_tasks_span(exported, provider, api_key):
    """Calls at once, each in a span of its own task, are not mixed up."""
    async with openai.AsyncOpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client, tracer = wrapped(bare, exported.sink()), exported.tracers.get_tracer("test")

        async def one(number: int) -> tuple[int, str]:
            with tracer.start_as_current_span(f"task {number}") as outer:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=ASK, stream=number % 2 == 0
                )
                if number % 2 == 0:
                    async for _ in stream:
                        pass
                return outer.get_span_context().span_id, stream.tokenthrift.record_id

        made = await asyncio.gather(*(one(n) for n in range(6)))
    parents = {s.attributes["tokenthrift.record_id"]: s.parent.span_id for s in exported.spans()}
    assert parents == {record_id: span_id for span_id, record_id in made}


def test_a_dropped_stream_keeps_its_parent(exported, bare):
    """Settled when the next call begins, it is still a child of its own span."""
    client, tracer = wrapped(bare, exported.sink()), exported.tracers.get_tracer("test")
    with tracer.start_as_current_span("first") as first:
        stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
        next(stream)
        stream.response.close()
        del stream
    with tracer.start_as_current_span("second"):
        client.chat.completions.create(model=MODEL, messages=ASK)
    dropped = next(s for s in exported.spans() if s.attributes["tokenthrift.status"] != "ok")
    assert dropped.attributes["tokenthrift.status"] == "cancelled"
    assert dropped.parent.span_id == first.get_span_context().span_id


# ----------------------------------------------------------------------------------- the metrics
def test_old_metrics_have_the_conventions_buckets(exported, bare):
    """Token usage, duration, time to first token and per token, each with its own boundaries."""
    client = wrapped(bare, exported.sink(conventions="1.36"))
    stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    assert list(stream)
    (attempt,) = record_of(client).attempts
    usage = {p.attributes["gen_ai.token.type"]: p for p in exported.points(TOKEN_USAGE)}
    assert usage["input"].sum == attempt.input_tokens
    assert usage["output"].sum == attempt.output_tokens
    assert usage["input"].explicit_bounds == tuple(4**n for n in range(14))
    (duration,) = exported.points("gen_ai.client.operation.duration")
    assert duration.explicit_bounds[:3] + duration.explicit_bounds[-1:] == (0.01, 0.02, 0.04, 81.92)
    (first,) = exported.points("gen_ai.server.time_to_first_token")
    assert (first.explicit_bounds[0], first.explicit_bounds[-1]) == (0.001, 10.0)
    assert first.sum == pytest.approx(attempt.time_to_first_chunk_ms / 1000)
    (per_token,) = exported.points("gen_ai.server.time_per_output_token")
    assert (per_token.explicit_bounds[0], per_token.explicit_bounds[-1]) == (0.01, 2.5)
    assert exported.points("gen_ai.client.inference.usage.input_tokens") == []


TOKEN_USAGE = "gen_ai.client.token.usage"


def test_new_metrics_are_counters(exported, bare):
    """The newest names count tokens by direction; the old histogram is not written."""
    client = wrapped(bare, exported.sink(conventions="2026-09"))
    client.chat.completions.create(model=MODEL, messages=ASK)
    (attempt,) = record_of(client).attempts
    (used,) = exported.points("gen_ai.client.inference.usage.input_tokens")
    assert used.value == attempt.input_tokens
    assert used.attributes["gen_ai.token.modality"] == "unknown"
    assert used.attributes["gen_ai.provider.name"] == "openai"
    assert exported.points(TOKEN_USAGE) == []
    (span,) = exported.spans()
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert "gen_ai.system" not in span.attributes
    assert span.attributes["gen_ai.usage.cache_write.input_tokens"] == attempt.cache_write_tokens


def test_cost_and_savings_add_up_to_the_ledgers(exported, bare):
    """Over calls that gain and calls that lose, the parts sum to the net of the ledger."""
    frugal = load_policy("frugal")
    routing = frugal.routing.model_copy(update={"upgrade": True})
    client = wrapped(bare, exported.sink(), frugal.model_copy(update={"routing": routing}))
    row = {"id": 7, "name": "a name that is long", "status": "stored", "size": 1024}
    rows = json.dumps([{**row, "id": n} for n in range(80)], indent=2)
    for text in ("What is this?", rows):
        client.chat.completions.create(
            model=MODEL, messages=[*ASK, {"role": "user", "content": text}]
        )
    totals = tokenthrift.account_of(client).ledger.totals()
    saved = sum(p.value for p in exported.points("tokenthrift.client.savings"))
    cost = sum(p.value for p in exported.points("tokenthrift.client.cost"))
    assert saved * 1e9 == pytest.approx(totals.net_nanos)
    assert cost * 1e9 == pytest.approx(totals.actual_nanos)
    nets = [r.savings.net_nanos for r in tokenthrift.account_of(client).ledger.records()]
    assert min(nets) < 0 < max(nets)  # a harder request went to a dearer model
    assert {
        p.attributes["tokenthrift.savings.part"]
        for p in exported.points("tokenthrift.client.savings")
    } == {"compression", "routing", "cache", "overhead"}


def test_names_that_callers_choose_are_bounded(exported, bare):
    """Many models make as many series as allowed, and the rest is one more."""
    client = wrapped(bare, exported.sink(most_values=3, tags=["user"]), "off")
    for number in range(6):
        tagged = tokenthrift.wrap(bare, "off", tags={"user": f"u{number}"})
        tokenthrift.account_of(tagged).add_sink(tokenthrift.account_of(client)._sinks[1])
        tagged.chat.completions.create(model=f"own-model-{number}", messages=ASK)
    points = exported.points("gen_ai.client.operation.duration")
    assert {p.attributes["gen_ai.request.model"] for p in points} == {
        *(f"own-model-{n}" for n in range(3)),
        "other",
    }
    assert sum(p.count for p in points) == 6
    spans = {s.attributes["tokenthrift.tag.user"] for s in exported.spans()}
    assert len(spans) == 6
