"""Routing across sellers: an OpenAI client gets OpenAI's types, whoever answered."""

from __future__ import annotations

import gc
import json
import warnings
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest

import tokenthrift
from litellm_clients import close_litellm
from sdk_forms import CHAT, RESPONSES, Found, asked, body_of, client_of
from tokenthrift.catalog import cost, load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tokenthrift.serve.simulated import SimulatedProvider

# litellm leaves event loops, sockets and threads to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]
FOREIGN = "claude-haiku-4-5"
CANDIDATES = [{"model": FOREIGN, "covers": "simple"}, {"model": "gpt-4.1", "covers": "expert"}]
POLICY = {"version": 1, "routing": {"candidates": CANDIDATES}}
QUESTION = [{"role": "user", "content": "Are you there?"}]
ORDER = {"simulate-tool-calls": '[{"name": "read_log", "arguments": {"name": "other"}}]'}


@pytest.fixture(scope="module")
def litellm() -> Iterator[ModuleType]:
    """The module, without its habit of printing hints."""
    import litellm as module

    module.suppress_debug_info = True
    module.disable_aiohttp_transport = True
    yield module
    module.in_memory_llm_clients_cache.flush_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def others(litellm: Any, provider: SimulatedProvider, api_key: str) -> Any:
    """Where models of other sellers are: the same provider, in Anthropic's dialect."""
    reach = {"api_base": provider.root_url, "api_key": f"{api_key}-others"}
    return SimpleNamespace(
        completion=partial(litellm.completion, **reach),
        acompletion=partial(litellm.acompletion, **reach),
    )


@pytest.mark.parametrize("way", ["create", "chunks", "parse", "stream"])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_answers_of_others_are_of_the_callers_types(
    provider: SimulatedProvider, api_key: str, others: Any, mode: str, way: str
) -> None:
    """The foreign model answers in every form with the SDK's types, and is billed as it should."""
    seen = await asked(
        provider, (CHAT, way), mode, POLICY, api_key,
        model="gpt-4.1", messages=QUESTION, wrapping={"others": others},
    )  # fmt: skip
    plain = await asked(provider, (CHAT, way), mode, None, f"{api_key}-bare", messages=QUESTION)
    provider.forget(f"{api_key}-bare")
    assert seen.kinds == plain.kinds
    assert seen.finish == plain.finish
    assert provider.requests(api_key) == ()
    (entry,) = provider.requests(f"{api_key}-others")
    assert (entry.path, entry.model) == ("/v1/messages", FOREIGN)
    if way == "parse":
        assert isinstance(seen.answer.choices[0].message.parsed, Found)
    else:
        assert seen.text.startswith("[simulated] claude-haiku-4-5 read 1 messages")
    if seen.receipt is not None:
        (attempt,) = seen.receipt.record.attempts
        price = cost(entry.usage, load_catalog().require(FOREIGN))
        assert price is not None
        assert (attempt.model, attempt.estimated) == (FOREIGN, False)
        assert attempt.cost_nanos == price.nanos
        assert seen.receipt.savings.actual_nanos == price.nanos
    provider.forget(f"{api_key}-others")
    await close_litellm()


@pytest.mark.parametrize("way", ["create", "chunks"])
async def test_calls_of_others_are_of_the_callers_types(
    provider: SimulatedProvider, api_key: str, others: Any, way: str
) -> None:
    """Tool calls of a foreign model arrive as OpenAI's."""
    provider.forget(f"{api_key}-others")
    order = {"x-simulate-tool-calls": ORDER["simulate-tool-calls"]}
    through = SimpleNamespace(completion=partial(others.completion, extra_headers=order))
    seen = await asked(
        provider, (CHAT, way), "sync", POLICY, api_key,
        model="gpt-4.1", messages=QUESTION, wrapping={"others": through},
    )  # fmt: skip
    assert [(n, json.loads(a)) for n, a in seen.calls] == [("read_log", {"name": "other"})]
    assert seen.finish == "tool_calls"
    provider.forget(f"{api_key}-others")


@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_foreign_model_is_replaced(
    provider: SimulatedProvider, api_key: str, others: Any, *, stream: bool
) -> None:
    """Fallback comes back to the client's own models."""
    provider.set_faults(f"{api_key}-others", "500:0.001")
    with client_of(provider, CHAT, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, POLICY, others=others)
        answer = client.chat.completions.create(model="gpt-4.1", messages=QUESTION, stream=stream)
        if stream:
            assert list(answer)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.attempts[0].model == FOREIGN
    assert [a.status for a in record.attempts] == ["error", "ok"]
    assert [e.model for e in provider.requests(api_key)] == ["gpt-4.1"]
    provider.forget(f"{api_key}-others")


def test_errors_of_others_are_the_sdks_kinds(
    provider: SimulatedProvider, api_key: str, others: Any
) -> None:
    """What litellm raises is of OpenAI's kinds as well."""
    provider.set_faults(f"{api_key}-others", "400")
    with client_of(provider, CHAT, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, POLICY, others=others)
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="gpt-4.1", messages=QUESTION)
    provider.forget(f"{api_key}-others")


def test_what_only_one_seller_can_say_stays(
    provider: SimulatedProvider, api_key: str, others: Any
) -> None:
    """Other wires, raw responses, and parameters of OpenAI alone are served by the own models."""
    with client_of(provider, CHAT, api_key, "sync") as bare:
        client = tokenthrift.wrap(bare, POLICY, others=others)
        asks: Any = {"model": "gpt-4.1", "messages": QUESTION}
        client.chat.completions.create(**asks, logprobs=True)
        client.chat.completions.create(**asks, n=2)
        client.chat.completions.with_raw_response.create(**asks)
        body = {k: v for k, v in body_of(RESPONSES).items() if k != "model"}
        client.responses.create(model="gpt-4.1", **body)
        client.chat.completions.create(**asks, extra_body={"tokenthrift": {"off": True}})
    assert [e.model for e in provider.requests(api_key)] == ["gpt-4.1"] * 5
    assert provider.requests(f"{api_key}-others") == ()


def test_others_is_litellm_beside_an_openai_client(
    provider: SimulatedProvider, api_key: str, litellm: Any
) -> None:
    """What cannot be crossed from or to says so when it is wrapped."""
    foreign = client_of(provider, "anthropic-messages", api_key, "sync")
    with foreign as bare, pytest.raises(TypeError, match="OpenAI's SDK"):
        tokenthrift.wrap(bare, POLICY, others=litellm)
    with client_of(provider, CHAT, api_key, "sync") as bare:
        with pytest.raises(TypeError, match="litellm module"):
            tokenthrift.wrap(bare, POLICY, others=object())
        assert tokenthrift.wrap(bare, POLICY, others=litellm)
