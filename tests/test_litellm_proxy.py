"""The plugin of the LiteLLM proxy without the proxy: its parts, and its hooks with real routers."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import litellm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm.proxy._types import ProxyException
from litellm.types.utils import Choices, Message, ModelResponse
from litellm.types.utils import Usage as LiteLLMUsage

from strategies import examples
from tokenthrift.catalog import load_catalog
from tokenthrift.errors import PolicyError
from tokenthrift.ledger import MemoryLedger
from tokenthrift.limits import Call
from tokenthrift.litellm_proxy import Thrift
from tokenthrift.litellm_proxy.bodies import Change, body_of
from tokenthrift.litellm_proxy.models import ProxyModels, may_use
from tokenthrift.litellm_proxy.under_way import CallsUnderWay, UnderWay

if TYPE_CHECKING:
    from tokenthrift.ledger import LedgerRecord

ROOT = Path(__file__).parents[1]
KEY = SimpleNamespace(
    models=[],
    team_models=[],
    user_id="default_user_id",
    end_user_id="ann",
    team_alias=None,
    team_id="t1",
    key_alias=None,
)
POLICY: dict[str, Any] = {
    "limits": [{"name": "all", "window": "day", "tokens": 50_000}],
    "stages": [{"stage": "json"}],
}
ROWS = "[" + ", ".join(f'{{"id": {n}, "name": "row {n}", "done": true}}' for n in range(60)) + "]"


def router(**named: str) -> litellm.Router:
    """A real router: names of the proxy, and the models behind them."""
    return litellm.Router(
        model_list=[
            {"model_name": name, "litellm_params": {"model": model, "api_key": "sk-none"}}
            for name, model in named.items()
        ]
    )


def models(made: Any) -> ProxyModels:
    """Of a router, with the bundled cards."""
    return ProxyModels(load_catalog(), lambda: made)


# ------------------------------------------------------------------------------------- the models
def test_a_name_of_the_proxy_has_the_card_of_the_model_behind_it():
    """Prices are of what is called, not of what a name sounds like."""
    known = models(router(fast="openai/gpt-4o-mini", **{"gpt-4": "groq/llama-3.3-70b-versatile"}))
    assert known.card_name("fast") == "gpt-4o-mini"
    assert known.card_name("gpt-4") == "groq/llama-3.3-70b-versatile"
    assert known.card_name("nobody") == "nobody"
    assert (known.serves("fast"), known.serves("nobody")) == (True, False)


def test_a_deployment_says_its_base_model():
    """Azure's deployments have names of their own."""
    params = {"model": "azure/ours", "api_key": "k", "api_base": "http://127.0.0.1"}
    made = litellm.Router(
        model_list=[
            {
                "model_name": "ours",
                "litellm_params": params,
                "model_info": {"base_model": "azure/gpt-4o"},
            }
        ]
    )
    assert models(made).card_name("ours") == "azure/gpt-4o"


def test_a_group_of_several_models_is_what_its_name_says():
    """The same model at two sellers is that model; a name that says nothing is no candidate."""
    both = models(
        litellm.Router(
            model_list=[
                {"model_name": "gpt-4.1", "litellm_params": {"model": m, **params}}
                for m, params in {
                    "openai/gpt-4.1": {"api_key": "k"},
                    "azure/gpt-4.1": {"api_key": "k", "api_base": "http://127.0.0.1"},
                }.items()
            ]
        )
    )
    assert both.served_as("gpt-4.1", lambda _: True) == "gpt-4.1"
    of_group = [("mixed", "openai/gpt-4o-mini"), ("mixed", "openai/gpt-4.1-nano")]
    made = litellm.Router(
        model_list=[
            {"model_name": n, "litellm_params": {"model": m, "api_key": "k"}} for n, m in of_group
        ]
    )
    known = models(made)
    assert known.card_name("mixed") == "mixed"
    assert known.served_as("gpt-4.1-nano", lambda _: True) is None
    assert known.serves("mixed")


def test_a_model_is_served_under_the_first_name_that_is_allowed():
    """Its own name goes first; names that a key may not use are passed over."""
    known = models(
        router(a="openai/gpt-4.1-nano", b="openai/gpt-4.1-nano", **{"gpt-4o": "openai/gpt-4o"})
    )
    assert known.served_as("gpt-4.1-nano", lambda _: True) == "a"
    assert known.served_as("gpt-4.1-nano", lambda name: name != "a") == "b"
    assert known.served_as("gpt-4o", lambda _: True) == "gpt-4o"
    assert known.served_as("gpt-4.1", lambda _: True) is None
    other = models(router(**{"gpt-4.1-nano": "groq/llama-3.3-70b-versatile"}))
    assert other.served_as("gpt-4.1-nano", lambda _: True) is None


def test_wildcards_are_served():
    """A route for every model of a provider takes them by their names."""
    known = models(router(**{"openai/*": "openai/*"}))
    assert known.serves("openai/gpt-4.1-nano")
    assert known.card_name("openai/gpt-4.1-nano") == "gpt-4.1-nano"


def test_a_card_of_the_users_own_goes_first():
    """Whoever writes a card for a name of the proxy means it."""
    card = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "context_window_tokens": 9_000}
    catalog = load_catalog({"models": {"fast": card}})
    known = ProxyModels(catalog, lambda: router(fast="openai/gpt-4o-mini"))
    assert known.card_name("fast") == "fast"


@pytest.mark.parametrize(
    ("of_key", "of_team", "may"),
    [
        ([], [], True),
        (["m"], [], True),
        (["n"], [], False),
        (["*"], [], True),
        (["all-proxy-models"], ["n"], False),
        (["all-team-models"], ["m"], True),
        (["all-team-models"], ["n"], False),
        (["m"], ["n"], False),
        ([], ["m", "n"], True),
        (["some-access-group"], [], False),
    ],
)
def test_lists_of_models_are_kept(of_key, of_team, may):
    """A key goes nowhere that its own list or its team's does not name."""
    assert may_use("m", of_key, of_team) is may


# -------------------------------------------------------------------------------------- the bodies
keys = st.sampled_from(["messages", "tools", "model", "stream", "seed", "reasoning_effort", "n"])
bodies = st.dictionaries(keys, st.integers() | st.lists(st.integers(), max_size=3))


@given(bodies, bodies, st.dictionaries(st.sampled_from(["metadata", "litellm_x"]), st.integers()))
@examples(200)
def test_a_change_makes_the_sent_body_and_leaves_the_proxys_keys(given_body, sent, added):
    """Whatever changes, and however often it is made, the data hold what is to be sent."""
    data = {**given_body, **added}
    change = Change.between(given_body, sent, "its name")
    for _ in range(2):
        change.apply(data)
        assert data == {**added, **sent, "model": "its name"}


def test_a_body_is_what_the_caller_said():
    """What the proxy adds is not read, and not counted."""
    said = {"model": "m", "messages": [], "metadata": {}, "stream": True}
    data = {
        **said,
        "stream_options": {"include_usage": True},
        "litellm_call_id": "1",
        "proxy_server_request": {"body": said},
    }
    assert body_of(data) == {"model": "m", "messages": [], "stream": True}
    assert body_of({"model": "m", "_litellm_x": 1, "seed": 2}) == {"model": "m", "seed": 2}


def test_only_one_settles_a_call():
    """However many threads want to, a call is taken out once."""
    calls, taken = CallsUnderWay(), []
    for number in range(50):
        calls.put(str(number), UnderWay(None, "m", "m", Change({}), 0.0))  # type: ignore[arg-type]

    def take() -> None:
        taken.extend(n for n in range(50) if calls.take(str(n)) is not None)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(50))
    assert len(calls) == 0


# --------------------------------------------------------------------------------------- the hooks
def plugin(policy: Any = None, **more: Any) -> Thrift:
    """A plugin before a router of its own."""
    made = router(fast="openai/gpt-4o-mini")
    return Thrift(policy or POLICY, ledger=MemoryLedger(), router=lambda: made, **more)


def request(call_id: str = "c1", model: str = "fast") -> dict[str, Any]:
    """Data of a request, as the proxy hands them to hooks."""
    said = {
        "model": model,
        "messages": [
            {"role": "user", "content": "Which rows are done?"},
            {"role": "assistant", "content": None, "tool_calls": [CALLED]},
            {"role": "tool", "tool_call_id": "t", "content": ROWS},
        ],
    }
    return {**said, "litellm_call_id": call_id, "proxy_server_request": {"body": dict(said)}}


CALLED = {"id": "t", "type": "function", "function": {"name": "rows", "arguments": "{}"}}


def answered(call_id: str = "c1") -> tuple[Any, ...]:
    """The arguments of the event of an answer."""
    begun = datetime.now()  # noqa: DTZ005 - as the proxy's own times are
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    logged = {
        "model": "openai/gpt-4o-mini",
        "model_group": "fast",
        "metadata": {"usage_object": usage},
    }
    said = {"litellm_call_id": call_id, "standard_logging_object": logged, "model": "gpt-4o-mini"}
    message = Choices(message=Message(content="All of them."))
    response = ModelResponse(choices=[message], usage=LiteLLMUsage(**usage))
    return said, response, begun, begun + timedelta(seconds=1)


async def before(made: Thrift, data: dict[str, Any], call_type: str = "acompletion") -> Any:
    """The hook before a call."""
    return await made.async_pre_call_hook(KEY, None, data, call_type)


def records(made: Thrift) -> list[LedgerRecord]:
    """Its records."""
    return list(made.account.ledger.records())


def held(made: Thrift) -> int:
    """Tokens that its limit holds."""
    limiter = made.account.allowance._limiter
    assert limiter is not None
    return limiter.uses(Call("gpt-4o-mini"))[0].held.tokens


async def test_hooks_that_come_twice_make_one_record():
    """The same bytes before, one reservation, one record after."""
    made, first, again = plugin(), request(), request()
    assert await before(made, first) is first
    once = held(made)
    await before(made, again)
    assert first == again
    assert first["messages"][2]["content"] != ROWS
    assert held(made) == once > 0
    for _ in range(2):
        await made.async_log_success_event(*answered())
    await made.async_post_call_failure_hook(first, RuntimeError("late"), KEY)
    (record,) = records(made)
    assert (record.status, record.attempts[0].input_tokens, record.attempts[0].model) == (
        "ok",
        900,
        "gpt-4o-mini",
    )
    assert record.tags == {"user": "ann", "team": "t1", "proxy_model": "fast"}
    assert record.counted_sent_tokens < record.counted_baseline_tokens
    assert held(made) == 0


async def test_a_fault_of_ours_leaves_the_call_as_it_was():
    """The proxy goes on with what the caller gave; the fault is counted."""

    def broken() -> Any:
        raise RuntimeError("a fault of ours")

    made = Thrift(POLICY, ledger=MemoryLedger(), router=broken)
    data = request()
    assert await before(made, data) is None
    assert data == request()
    await made.async_log_success_event(*answered())
    assert made.account.sink_failures == 1
    assert records(made) == []


async def test_an_event_that_cannot_be_read_is_a_fault_and_no_error():
    """Nothing is raised into the proxy's logging."""
    made = plugin()
    await before(made, request())
    said, response, begun, _ = answered()
    await made.async_log_success_event(said, response, begun, "no time")
    assert made.account.sink_failures == 1


@pytest.mark.parametrize("call_type", ["aembedding", "aimage_generation", "amoderation"])
async def test_other_calls_are_left_alone(call_type):
    """They are no conversations; neither are calls of models that the router does not know."""
    made, data = plugin(), request()
    assert await before(made, data, call_type) is None
    assert await before(made, request(model="nobody")) is None
    assert data == request()
    assert held(made) == 0


async def test_a_call_of_which_nothing_is_heard_is_settled_as_given_up():
    """What it held counts where it was sent, and is given back where it was not."""
    made = plugin(lost_after_s=0.0)
    await before(made, request("sent"))
    await made.async_pre_call_deployment_hook({"litellm_call_id": "sent"}, "acompletion")
    await asyncio.sleep(0.01)
    await before(made, request("other"))
    await asyncio.sleep(0.01)
    made.settle_lost()
    assert [r.status for r in records(made)] == ["cancelled", "cancelled"]
    limiter = made.account.allowance._limiter
    assert limiter is not None
    (use,) = limiter.uses(Call("gpt-4o-mini"))
    assert (use.held.tokens, use.spent.requests) == (0, 2)
    assert use.spent.output_tokens > 0
    await made.async_log_success_event(*answered("sent"))
    assert len(records(made)) == 2


async def test_a_client_cannot_slip_by_under_anothers_id():
    """Clients choose ids by a header: one that is in use is refused, a used one begins anew."""
    made = plugin()
    first, second = ({**request(), "litellm_logging_obj": object()} for _ in range(2))
    await before(made, first)
    once = held(made)
    with pytest.raises(ProxyException, match="another request's") as caught:
        await before(made, second)
    assert caught.value.code == "409"
    await made.async_post_call_failure_hook(second, caught.value, KEY)  # as the proxy does then
    assert records(made) == []
    assert held(made) == once
    await made.async_log_success_event(*answered())
    await before(made, second)
    assert held(made) == once
    await made.async_log_success_event(*answered())
    assert len(records(made)) == 2


async def test_attempts_of_the_proxy_share_what_is_held():
    """One failed and cost nothing, the next one answered: the limit has what that one took."""
    made = plugin()
    await before(made, request())
    await made.async_pre_call_deployment_hook({"litellm_call_id": "c1"}, "acompletion")
    said, response, begun, ended = answered()
    error = litellm.InternalServerError("no", "openai", "gpt-4o-mini")
    failed = {**said, "exception": error, "standard_logging_object": {"model_group": "fast"}}
    await made.async_log_failure_event(failed, None, begun, ended)
    await made.async_log_success_event(said, response, begun, ended)
    (record,) = records(made)
    assert [(a.number, a.status, a.error) for a in record.attempts] == [
        (1, "error", "InternalServerError"),
        (2, "ok", ""),
    ]
    limiter = made.account.allowance._limiter
    assert limiter is not None
    (use,) = limiter.uses(Call("gpt-4o-mini"))
    assert (use.held.tokens, use.spent.tokens) == (0, 940)


def test_what_hooks_cannot_do_is_off_or_refused():
    """The model is offered no tool that nobody would answer; secrets are not taken out for good."""
    made = plugin({"recall": {"offer": True}, "routing": {"verify": ["empty"]}})
    assert not made.account.policy.recall.offer
    assert not made.account.verifies
    with pytest.raises(PolicyError, match="cannot put secrets back"):
        plugin({"redact": {}})
    with pytest.raises(PolicyError, match="did you mean"):
        plugin("ballanced")


def test_the_ready_made_instance_is_of_the_environment(tmp_path):
    """The proxy asks the module for it by its name."""
    program = "from tokenthrift.litellm_proxy import thrift; print(repr(thrift.account))"
    env = {**os.environ, "TOKENTHRIFT_LEDGER": str(tmp_path / "ledger.sqlite")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.strip() == "Account(policy='balanced', calls=0)"
    assert (tmp_path / "ledger.sqlite").exists()


def test_the_document_shows_what_ships(monkeypatch, tmp_path):
    """Its configuration is the example's, and its Python makes a plugin."""
    text = (ROOT / "docs" / "litellm-proxy.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert shown == (ROOT / "examples" / "litellm_proxy" / "config.yaml").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    seen: dict[str, Any] = {}
    exec(compile(block, "litellm-proxy.md", "exec"), seen)
    assert seen["thrift"].account.tags == {"environment": "test"}
    seen["thrift"].account.ledger.close()


def test_times_without_an_offset_are_of_this_machine():
    """The proxy's clock and ours are the same, however each writes it."""
    from tokenthrift.litellm_proxy.events import _ms

    now = time.time()
    theirs, ours = datetime.fromtimestamp(now), datetime.fromtimestamp(now, UTC)  # noqa: DTZ006
    assert _ms(ours, theirs) == 0
    assert _ms(ours, theirs + timedelta(seconds=2)) == pytest.approx(2_000)
