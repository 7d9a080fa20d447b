"""Calls as Prometheus' own parser reads them back from the text of a ``/metrics`` endpoint."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

import tokenthrift
from strategies import examples
from test_ledger_record import record_lists, sample
from tokenthrift.errors import LedgerError, LimitError
from tokenthrift.telemetry import Prometheus, prometheus_text
from tokenthrift.telemetry.bounding import Bounded
from tokenthrift.telemetry.spans import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

MODEL = "gpt-4o-mini"
ASK: list[Any] = [{"role": "user", "content": "Say something that takes a few words to say."}]


def samples(metrics: Prometheus) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample of the text, by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(prometheus_text(metrics)):
        for one in family.samples:
            key = tuple(sorted(one.labels.items()))
            assert key not in found[one.name]
            found[one.name][key] = one.value
    return found


def total(metrics: Prometheus, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    rows = samples(metrics)[name].items()
    return sum(value for key, value in rows if set(labels.items()) <= set(key))


@pytest.fixture
def bare(provider: SimulatedProvider, api_key: str) -> Iterator[openai.OpenAI]:
    """An SDK client with the test's own key, without retries."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as made:
        yield made


@given(record_lists())
@examples(60)
def test_sums_are_those_of_the_records(records):
    """Calls, attempts, tokens, cost and savings of the text are the sums over the records."""
    metrics = Prometheus(most_values=1_000)
    for record in records:
        metrics(record)
    attempts = [a for r in records for a in r.attempts]
    assert total(metrics, "tokenthrift_calls_total") == len(records)
    assert total(metrics, "tokenthrift_attempts_total") == len(attempts)
    for bucket in ("input", "output", "cache_read", "cache_write", "reasoning"):
        assert total(metrics, "tokenthrift_tokens_total", bucket=bucket) == sum(
            getattr(a, f"{bucket}_tokens") for a in attempts
        )
    cost = sum(a.cost_nanos or 0 for a in attempts)
    assert total(metrics, "tokenthrift_cost_usd_total") * 1e9 == pytest.approx(cost, abs=1e3)
    saved = total(metrics, "tokenthrift_savings_usd") * 1e9
    net = sum(r.savings.net_nanos or 0 for r in records)
    size = sum(abs(n) for r in records for n in parts_of(r).values())
    assert saved == pytest.approx(net, abs=1 + size * 1e-9)
    rejected = sum(a.status == "rejected" for a in attempts)
    assert total(metrics, "tokenthrift_attempts_total", status="rejected") == rejected


def test_real_calls_are_counted(bare):
    """A whole answer and a stream: calls, tokens, times and pace."""
    client = tokenthrift.wrap(bare, "balanced")
    metrics = Prometheus()
    account = tokenthrift.account_of(client)
    account.add_sink(metrics)
    client.chat.completions.create(model=MODEL, messages=ASK)
    assert list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    assert total(metrics, "tokenthrift_calls_total", model=MODEL, status="ok") == 2
    assert total(metrics, "tokenthrift_call_seconds_count") == 2
    assert total(metrics, "tokenthrift_plan_seconds_count") == 2
    for name in ("first_chunk_seconds", "inter_chunk_seconds", "tokens_per_second"):
        assert total(metrics, f"tokenthrift_{name}_count") == 1
    spent = account.ledger.totals()
    assert total(metrics, "tokenthrift_tokens_total", bucket="input") == spent.input_tokens


def test_refusals_and_errors_are_counted(provider, api_key, bare):
    """A limit without room and a provider that fails are told apart."""
    limits = [{"name": "two", "window": "day", "requests": 2}]
    client = tokenthrift.wrap(bare, {"limits": limits})
    metrics = Prometheus()
    tokenthrift.account_of(client).add_sink(metrics)
    client.chat.completions.create(model=MODEL, messages=ASK)
    provider.set_faults(api_key, "500,times=1")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    with pytest.raises(LimitError):
        client.chat.completions.create(model=MODEL, messages=ASK)
    assert total(metrics, "tokenthrift_limit_refusals_total") == 1
    assert total(metrics, "tokenthrift_errors_total", error="InternalServerError") == 1
    assert total(metrics, "tokenthrift_errors_total", error="LimitError") == 1


def test_what_sinks_raise_is_counted_and_the_call_goes_on(bare):
    """The counter is the account's own, and does not stop at the newest hundred."""
    client = tokenthrift.wrap(bare, "off")
    account, metrics = tokenthrift.account_of(client), Prometheus()
    metrics.watch(account)

    def broken(_record: object) -> None:
        raise LedgerError("the disk is full")

    for _ in range(60):
        account.add_sink(broken)
    for _ in range(2):
        assert client.chat.completions.create(model=MODEL, messages=ASK).choices
    assert total(metrics, "tokenthrift_sink_errors_total") == 120


def test_values_are_bounded_and_tags_are_asked_for(bare):
    """Tags stand in labels only where they are named; models beyond the cap are one series."""
    plain, tagged = Prometheus(most_values=2), Prometheus(tags=["team", "no-value"])
    for number in range(5):
        client = tokenthrift.wrap(bare, "off", tags={"team": "search", "user": "u-77"})
        for sink in (plain, tagged):
            tokenthrift.account_of(client).add_sink(sink)
        client.chat.completions.create(model=f"own-{number}", messages=ASK)
    models = {dict(key)["model"] for key in samples(plain)["tokenthrift_calls_total"]}
    assert models == {"own-0", "own-1", "other"}
    assert total(plain, "tokenthrift_calls_total", model="other") == 3
    assert "search" not in prometheus_text(plain)
    assert total(tagged, "tokenthrift_calls_total", tag_team="search", tag_no_value="") == 5
    assert "u-77" not in prometheus_text(tagged)


def test_tags_that_would_share_a_label_are_refused():
    """Characters that labels cannot have are replaced; two tags must not become one."""
    with pytest.raises(ValueError, match="share a label"):
        Prometheus(tags=["a-b", "a.b"])
    with pytest.raises(ValueError, match="at least 1"):
        Prometheus(most_values=0)


def test_a_registry_that_is_there_is_joined():
    """The text holds what else is counted in it."""
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", registry=registry).inc(3)
    assert total(Prometheus(registry), "jobs_total") == 3


@given(st.lists(st.text(max_size=3), max_size=40))
@examples(30)
def test_no_more_values_than_allowed(values):
    """Whatever comes, a label has at most its values and ``other``; known ones stay themselves."""
    bounded = Bounded(5)
    first = list(dict.fromkeys(values))[:5]
    written = [bounded("label", value) for value in values]
    assert set(written) <= {*first, "other"}
    assert all(w == v for w, v in zip(written, values, strict=True) if v in first)


def test_threads_count_every_call():
    """Calls that end at the same moment are all there."""
    metrics, made = Prometheus(), [sample(n) for n in range(200)]
    threads = [
        threading.Thread(target=lambda part=made[i::4]: [metrics(one) for one in part])
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(metrics, "tokenthrift_calls_total") == 200
