"""Embeddings of a provider: vectors through real litellm and sockets, their bill in the ledger."""

from __future__ import annotations

import json
import re
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest

import tokenthrift
from tokenthrift.encoders import ApiEncoder, EncoderSettings, Spend, collect_spending, load_encoder
from tokenthrift.encoders.spending import report_spend
from tokenthrift.ledger import MemoryLedger, SQLiteLedger, totals_of
from tokenthrift.pipeline import plan
from tokenthrift.types import Money

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tokenthrift.serve.simulated import SimulatedProvider

KNOWN = "openai/text-embedding-3-small"
NANOS_PER_TOKEN = 20  # its list price: 2 cents a million
UNKNOWN = "openai/our-own-embedder"
DIMS = 64
ANSWER = "Payments that fail are tried again after an hour, and twice more on the next day."
FILLER = " ".join(
    f"Paragraph {i} of the minutes tells of matters that nobody remembers now." for i in range(120)
)
QUESTION = "When are payments that fail tried again?"
MESSAGES = [
    {"role": "user", "content": f"{FILLER} {ANSWER} {FILLER}"},
    {"role": "assistant", "content": "ok"},
    {"role": "user", "content": QUESTION},
]


class Embeddings(ThreadingHTTPServer):
    """A server of OpenAI's embeddings endpoint: bags of words as vectors, words as tokens."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.fails_with: int | None = None
        self.reports_usage = True

    @property
    def base_url(self) -> str:
        """What a policy names."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def tokens(self) -> int:
        """What it has counted in all."""
        return sum(len(re.findall(r"\w+", t)) for r in self.requests for t in r["input"])

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; vectors stand in falling order, as order is by index."""
        self.requests.append(body)
        rows = []
        for index, text in enumerate(body["input"]):
            vector = [0.0] * DIMS
            for word in re.findall(r"\w+", text.lower()):
                vector[zlib.crc32(word.encode()) % DIMS] += 1.0
            rows.append({"object": "embedding", "index": index, "embedding": vector})
        made = {"object": "list", "model": body["model"], "data": rows[::-1]}
        if self.reports_usage:
            words = sum(len(re.findall(r"\w+", t)) for t in body["input"])
            made["usage"] = {"prompt_tokens": words, "total_tokens": words}
        return made


class _Handler(BaseHTTPRequestHandler):
    server: Embeddings

    def do_POST(self) -> None:
        """Answer one request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.fails_with or (200 if self.path == "/v1/embeddings" else 404)
        answer = self.server.answer(body) if status == 200 else {"error": {"message": "no"}}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Embeddings]:
    """A running embeddings server."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with Embeddings() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def policy_with(server: Embeddings, model: str = KNOWN, **more: Any) -> dict[str, Any]:
    """A policy that cuts a request in one go, by vectors of the server."""
    return {
        "scope": "request",
        "stages": [{"stage": "select", "keep": 0.2, "min_tokens": 50, "relevance": "encoder"}],
        "encoder": {"model": model, "kind": "api", "api_base": server.base_url},
        **more,
    }


def test_vectors_come_in_the_order_of_the_texts_and_their_cost_is_told(server: Embeddings) -> None:
    """Rows are unit vectors by index; tokens and price of each request are collected."""
    encoder = ApiEncoder(KNOWN, server.base_url)
    with collect_spending() as spent:
        vectors = encoder.encode(["pay the bill", "the cat", "bill the pay"])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    assert np.allclose(vectors[0], vectors[2])
    assert not np.allclose(vectors[0], vectors[1])
    assert spent == [Spend(KNOWN, 8, Money(8 * NANOS_PER_TOKEN))]
    assert encoder.encode([]).shape == (0, 0)
    assert len(server.requests) == 1


def test_a_price_that_is_not_known_is_none(server: Embeddings) -> None:
    """Neither an unlisted model nor a missing report is priced by a guess."""
    with collect_spending() as spent:
        ApiEncoder(UNKNOWN, server.base_url).encode(["one two"])
        server.reports_usage = False
        ApiEncoder(KNOWN, server.base_url).encode(["one two"])
    assert spent == [Spend(UNKNOWN, 2, None), Spend(KNOWN, 0, None, estimated=True)]


def test_many_texts_go_in_several_requests(server: Embeddings) -> None:
    """Each request has its own bill, and no request is larger than providers take."""
    texts = [f"text {i}" for i in range(300)]
    with collect_spending() as spent:
        vectors = ApiEncoder(KNOWN, server.base_url).encode(texts)
    assert [len(r["input"]) for r in server.requests] == [256, 44]
    assert sum(s.input_tokens for s in spent) == server.tokens
    assert vectors.shape == (300, DIMS)


def test_remembered_vectors_cost_nothing(server: Embeddings) -> None:
    """The encoder of a policy asks the server once for a text."""
    encoder = load_encoder(EncoderSettings(model=KNOWN, kind="api", api_base=server.base_url))
    with collect_spending() as spent:
        encoder.encode(["a", "b"])
        encoder.encode(["b", "a"])
    assert len(spent) == len(server.requests) == 1


def test_collectors_do_not_mix() -> None:
    """An outer collector sees what an inner one does; outside of both nothing is kept."""
    spend = Spend("m", 1, None)
    report_spend(spend)
    with collect_spending() as outer:
        with collect_spending() as inner:
            report_spend(spend)
        assert outer == inner == [spend]
        found: list[Spend] = []
        thread = threading.Thread(target=lambda: report_spend(spend))
        thread.start()
        thread.join()
        assert (outer, found) == ([spend], [])


def test_a_plan_says_what_it_spent(server: Embeddings) -> None:
    """A dry run with such a policy is not free, and tells."""
    planned = plan({"model": "gpt-4o-mini", "messages": MESSAGES}, policy_with(server))
    assert ANSWER in planned.body["messages"][0]["content"]
    assert planned.tokens_after < planned.tokens_before / 2
    assert sum(s.input_tokens for s in planned.spent) == server.tokens > 0
    assert plan({"model": "gpt-4o-mini", "messages": MESSAGES}, "balanced").spent == ()


def test_embeddings_are_in_the_record_of_a_call(
    server: Embeddings, provider: SimulatedProvider, api_key: str, tmp_path: Path
) -> None:
    """A wrapped call's net holds the embeddings as overhead, to the nano-dollar, in SQLite too."""
    with (
        SQLiteLedger(tmp_path / "calls.db") as ledger,
        openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare,
    ):
        client = tokenthrift.wrap(bare, policy_with(server), ledger=ledger)
        response = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        record = response.tokenthrift.record
        answer, *embeddings = record.attempts
        cost = server.tokens * NANOS_PER_TOKEN
        assert [a.status for a in record.attempts] == ["ok", *["embedding"] * len(server.requests)]
        assert {a.model for a in embeddings} == {KNOWN}
        assert record.model_chosen == "gpt-4o-mini"
        assert sum(a.cost_nanos for a in embeddings) == cost
        assert record.savings.overhead_nanos == -cost < 0
        assert record.savings.actual_nanos == answer.cost_nanos + cost
        assert record.savings.net_nanos == record.savings.baseline_nanos - answer.cost_nanos - cost
        assert record.savings.basis == "measured"
        assert ledger.get(record.record_id) == record
        sums = ledger.totals()
        assert sums == totals_of([record])
        assert (sums.attempts, sums.input_tokens) == (1, answer.input_tokens)
        assert sums.spent_nanos == record.savings.actual_nanos


def test_an_unknown_price_makes_the_call_unpriced(
    server: Embeddings, provider: SimulatedProvider, api_key: str
) -> None:
    """No net is claimed where nobody knows what the embeddings cost."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        client = tokenthrift.wrap(bare, policy_with(server, UNKNOWN))
        response = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    record = response.tokenthrift.record
    assert record.attempts[-1].cost_nanos is None
    assert record.savings.unpriced
    assert record.savings.net_nanos is None


def test_a_card_of_the_users_own_prices_embeddings(
    server: Embeddings, provider: SimulatedProvider, api_key: str, tmp_path: Path
) -> None:
    """What litellm does not know, a card of the policy's can say."""
    prices = {"input_usd_per_mtok": "0.5", "output_usd_per_mtok": "0"}
    cards = {"models": {UNKNOWN: prices}}
    (tmp_path / "cards.yaml").write_text(json.dumps(cards))
    policy = policy_with(server, UNKNOWN, cards=str(tmp_path / "cards.yaml"))
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        client = tokenthrift.wrap(bare, policy)
        response = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    assert response.tokenthrift.record.savings.overhead_nanos == -500 * server.tokens


def test_what_was_spent_on_a_refused_call_is_in_its_record(server: Embeddings) -> None:
    """A call that planning ends has cost what its embeddings cost."""
    ledger = MemoryLedger()
    budget = {"hard_tokens": 5, "on_over_budget": "error"}
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as bare:
        client = tokenthrift.wrap(bare, policy_with(server, budget=budget), ledger=ledger)
        with pytest.raises(tokenthrift.OverBudgetError):
            client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    (record,) = ledger.records()
    assert record.status == "error"
    assert record.model_chosen is None
    assert record.savings.net_nanos == -server.tokens * NANOS_PER_TOKEN < 0


def test_a_provider_that_fails_costs_no_call(
    server: Embeddings, provider: SimulatedProvider, api_key: str
) -> None:
    """Without vectors the call goes on, and nothing is charged."""
    server.fails_with = 500
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as bare:
        client = tokenthrift.wrap(bare, policy_with(server))
        response = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    record = response.tokenthrift.record
    assert record.status == "ok"
    assert [a.status for a in record.attempts] == ["ok"]
    assert record.savings.overhead_nanos == 0
