"""The plugin inside a real LiteLLM proxy, driven by the real SDKs: one call, one true record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

import tokenthrift
from proxy_process import EXAMPLE, FLAKY, MASTER, UPSTREAM, ProxyProcess, proxy_python
from test_wrap_openai import CONVERSATION, TOOL
from tokenthrift.limits import Call, Limiter, open_limits
from tokenthrift.serve.simulated import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.ledger import LedgerRecord

pytestmark = pytest.mark.skipif(
    proxy_python() is None,
    reason="litellm[proxy] is not installed; `make proxy` makes an environment for it",
)
ASK: list[Any] = [{"role": "user", "content": "Hello!"}]
HARD = "Prove by induction that 1+3+...+(2n-1)=n^2, then generalise it to odd powers. " * 6
HARDER = """Implement in Rust a lock-free concurrent B+-tree with epoch-based reclamation. Prove
linearizability of insert, delete and range scan, derive the amortised complexity under contention,
and write a TLA+ specification of the split protocol.
```rust
pub struct Node<K, V> { keys: Vec<K>, next: Atomic<Node<K, V>> }
impl<K: Ord, V> Node<K, V> { fn split(&self, guard: &Guard) -> Result<(), Retry> { todo!() } }
```
Show how $\\int_0^\\infty e^{-x^2} dx = \\sqrt{\\pi}/2$ bounds the tail of the retries."""
WAIT_S = 30.0


@pytest.fixture(scope="module")
def upstream() -> Iterator[SimulatedProvider]:
    """A provider of the module's own, as its keys stand in the proxy's configuration."""
    with SimulatedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(upstream: SimulatedProvider, tmp_path_factory) -> Iterator[ProxyProcess]:
    """The running proxy."""
    with ProxyProcess(upstream, tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture
def user(upstream: SimulatedProvider, request) -> str:
    """A user of the test's own, by whom its records are found; the provider starts afresh."""
    for key in (UPSTREAM, FLAKY):
        upstream.forget(key)
    return f"user-{request.node.name}"[:60]


@pytest.fixture
def chat(proxy: ProxyProcess) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK before the proxy, with its own retries."""
    with openai.OpenAI(base_url=f"{proxy.base_url}/v1", api_key=MASTER) as made:
        yield made


@pytest.fixture
def messages(proxy: ProxyProcess) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK before the proxy, with its own retries."""
    with anthropic.Anthropic(base_url=proxy.base_url, api_key=MASTER) as made:
        yield made


@pytest.fixture
def sdks(chat: openai.OpenAI, messages: anthropic.Anthropic) -> tuple[Any, Any]:
    """Both."""
    return chat, messages


def records_of(proxy: ProxyProcess, user: str, at_least: int = 1) -> list[LedgerRecord]:
    """The records of a user; the proxy logs behind its answers, so they are waited for."""
    until = time.monotonic() + WAIT_S
    while True:
        with tokenthrift.open_ledger(proxy.ledger) as ledger:
            found = [r for r in ledger.records() if r.tags.get("user") == user]
        if len(found) >= at_least or time.monotonic() > until:
            time.sleep(0.3)  # a second record of one call would come now
            with tokenthrift.open_ledger(proxy.ledger) as ledger:
                return [r for r in ledger.records() if r.tags.get("user") == user]
        time.sleep(0.1)


def held(proxy: ProxyProcess, user: str) -> int:
    """Tokens that the policy's first limit holds for a user."""
    policy = tokenthrift.load_policy(proxy.ledger.parent / "policy.yaml")
    limiter = Limiter(policy.limits, open_limits(proxy.ledger.parent / "limits.sqlite"))
    (use, *_) = limiter.uses(Call("any", {"user": user}))
    limiter.close()
    return use.held.tokens


def _chat(chat: openai.OpenAI, _messages: Any, user: str, *, stream: bool) -> str:
    body: Any = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": HARD}]}
    if stream:
        chunks = chat.chat.completions.create(**body, user=user, stream=True)
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    return chat.chat.completions.create(**body, user=user).choices[0].message.content or ""


def _responses(chat: openai.OpenAI, _messages: Any, user: str, *, stream: bool) -> str:
    body: Any = {"model": "gpt-4.1-mini", "input": HARD, "user": user}
    if stream:
        events = chat.responses.create(**body, stream=True)
        return "".join(e.delta for e in events if e.type == "response.output_text.delta")
    return chat.responses.create(**body).output_text


def _messages_to(model: str) -> Any:
    def asked(_chat: Any, messages: anthropic.Anthropic, user: str, *, stream: bool) -> str:
        body: Any = {
            "model": model,
            "max_tokens": 60,
            "messages": [{"role": "user", "content": HARD}],
            "metadata": {"user_id": user},
        }
        messages = messages.with_options(api_key=f"sk-only-{model}")
        if stream:
            with messages.messages.stream(**body) as opened:
                return opened.get_final_text()
        return messages.messages.create(**body).content[0].text

    return asked


WAYS = {
    "chat": (_chat, "openai-chat"),
    "responses": (_responses, "openai-responses"),
    "messages": (_messages_to("claude"), "anthropic-messages"),
    "messages-to-openai": (_messages_to("gpt-4.1-mini"), "anthropic-messages"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_one_call_is_one_true_record(proxy, upstream, sdks, user, way, stream):
    """Whatever the wire, and however many events it makes: tokens as the provider counted them."""
    ask, wire = WAYS[way]
    assert ask(*sdks, user, stream=stream)
    (record,) = records_of(proxy, user)
    (attempt,) = record.attempts
    used = upstream.totals(UPSTREAM)
    assert (record.status, record.wire, record.streamed) == ("ok", wire, stream)
    assert (attempt.input_tokens, attempt.output_tokens) == (used.input_tokens, used.output_tokens)
    assert not attempt.estimated
    assert attempt.cost_nanos > 0
    assert record.model_requested == record.model_chosen
    assert 0 < attempt.latency_ms <= record.total_ms + 50
    assert (attempt.time_to_first_chunk_ms is not None) == stream
    assert held(proxy, user) == 0


def test_long_results_are_trimmed(proxy, upstream, chat, user):
    """The provider reads less than the caller sent, and the record says how much that saved."""
    raw = chat.chat.completions.with_raw_response.create(
        model="gpt-4.1-mini", messages=CONVERSATION, tools=[TOOL], user=user
    )
    answer = raw.parse()
    (record,) = records_of(proxy, user)
    (exchange,) = upstream.requests(UPSTREAM)
    assert answer.usage.prompt_tokens == record.attempts[0].input_tokens
    assert record.counted_sent_tokens < record.counted_baseline_tokens / 2
    assert "disk full" in str(exchange.body)  # what the question asks for
    assert "recall" not in str(exchange.body.get("tools"))  # nobody here could answer it
    assert record.savings.compression_nanos > 0
    assert record.tags["proxy_model"] == "gpt-4.1-mini"
    assert raw.headers["x-tokenthrift-record"] == record.record_id


def test_easy_requests_go_to_a_smaller_model(proxy, upstream, chat, user):
    """By the proxy's name for it; the answer keeps the name that was asked for."""
    answer = chat.chat.completions.create(model="gpt-4o-mini", messages=ASK, user=user)
    (record,) = records_of(proxy, user)
    (exchange,) = upstream.requests(UPSTREAM)
    assert exchange.body["model"] == record.model_chosen == "gpt-4.1-nano"
    assert record.model_requested == "gpt-4o-mini"
    assert record.savings.routing_nanos > 0
    assert answer.model == "gpt-4o-mini"


def test_a_model_that_the_proxy_does_not_serve_is_not_asked(proxy, upstream, chat, user):
    """The policy's strongest candidate is unknown to the router: the caller's own model answers."""
    asked = [{"role": "user", "content": HARDER}]
    chat.chat.completions.create(model="gpt-4o-mini", messages=asked, user=user)
    (record,) = records_of(proxy, user)
    (exchange,) = upstream.requests(UPSTREAM)
    assert record.decision.reason == "cheapest of 1 that cover moderate"
    assert record.model_chosen == exchange.body["model"] == "gpt-4o-mini"
    assert held(proxy, user) == 0


def test_a_key_is_not_led_to_models_that_it_may_not_use(proxy, upstream, user):
    """Easy as the request is, it stays with the only model of its key."""
    with openai.OpenAI(base_url=f"{proxy.base_url}/v1", api_key="sk-only-gpt-4o-mini") as chat:
        chat.chat.completions.create(model="gpt-4o-mini", messages=ASK, user=user)
    (record,) = records_of(proxy, user)
    (exchange,) = upstream.requests(UPSTREAM)
    assert exchange.body["model"] == record.model_chosen == "gpt-4o-mini"
    assert (record.tags["key"], record.tags["team"]) == ("sk-only-gpt-4o-mini", "search")
    assert held(proxy, user) == 0


@pytest.mark.parametrize("way", ["chat", "messages"])
def test_a_limit_is_a_429_that_is_not_tried_again(proxy, upstream, sdks, user, way):
    """In the wire's own shape; SDKs that retry are told not to; the provider sees one request."""
    ask, _ = WAYS[way]
    user = f"once-{way}"
    ask(*sdks, user, stream=False)
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as caught:
        ask(*sdks, user, stream=False)
    response = caught.value.response
    assert response.status_code == 429
    assert "limit 'once'" in response.text
    assert response.headers["x-should-retry"] == "false"
    assert 0 < int(response.headers["retry-after"]) <= 86_400
    assert len(upstream.requests(UPSTREAM)) == 1
    records = records_of(proxy, user, 2)
    assert sorted((r.status, r.error) for r in records) == [("error", "LimitError"), ("ok", "")]


def test_a_fallback_of_the_proxy_is_in_the_record(proxy, upstream, chat, user):
    """The model that failed and the one that answered, in order, and only that one is paid."""
    upstream.set_faults(FLAKY, "500")
    chat.chat.completions.create(
        model="flaky", messages=[{"role": "user", "content": HARD}], user=user, max_tokens=50
    )
    (record,) = records_of(proxy, user)
    *failed, served = record.attempts
    assert record.status == served.status == "ok"
    assert {a.status for a in failed} <= {"error"}
    used = upstream.totals(UPSTREAM)
    assert (served.input_tokens, served.output_tokens) == (used.input_tokens, used.output_tokens)
    assert held(proxy, user) == 0


def test_a_failed_call_is_one_record(proxy, upstream, proxy_errors, user):
    """The caller sees the SDK's own error; the record has its name and costs nothing."""
    upstream.set_faults(UPSTREAM, "500")
    with pytest.raises(openai.InternalServerError):
        _chat(proxy_errors, None, user, stream=False)
    (record,) = records_of(proxy, user)
    assert (record.status, record.error) == ("error", "InternalServerError")
    assert sum(a.cost_nanos or 0 for a in record.attempts) == 0
    assert held(proxy, user) == 0


@pytest.fixture
def proxy_errors(proxy: ProxyProcess) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK before the proxy, without retries."""
    with openai.OpenAI(base_url=f"{proxy.base_url}/v1", api_key=MASTER, max_retries=0) as made:
        yield made


def test_a_stream_that_breaks_is_one_record(proxy, upstream, proxy_errors, user):
    """What had come is counted; the caller sees an error."""
    upstream.set_faults(UPSTREAM, "broken_stream")
    with pytest.raises(openai.APIError):
        _chat(proxy_errors, None, user, stream=True)
    (record,) = records_of(proxy, user)
    assert record.status == "error"
    assert held(proxy, user) == 0


def test_a_caller_that_leaves_is_settled(proxy, upstream, chat, user):
    """Closing a stream cancels the call; its tokens are an estimate, and nothing stays held."""
    upstream.set_faults(UPSTREAM, "drip:0.1")
    stream = chat.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[{"role": "user", "content": HARD}],
        user=user,
        stream=True,
    )
    next(stream)
    stream.close()
    (record,) = records_of(proxy, user)
    assert stream.response.headers["x-tokenthrift-record"] == record.record_id
    assert record.status == "cancelled"
    assert record.attempts[-1].estimated
    assert held(proxy, user) == 0


def test_what_the_proxy_refuses_itself_is_left_to_it(proxy, chat, user):
    """A model that is not there is the proxy's error, and no call is left open."""
    with pytest.raises(openai.APIStatusError):
        chat.chat.completions.create(model="nobody", messages=ASK, user=user)
    assert held(proxy, user) == 0


def test_the_example_is_what_ran():
    """The configuration names the plugin; the policy beside it loads."""
    assert "callbacks: tokenthrift.litellm_proxy.thrift" in (EXAMPLE / "config.yaml").read_text()
    assert tokenthrift.load_policy(EXAMPLE / "policy.yaml").name == "proxy"
