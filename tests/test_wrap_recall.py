"""Recalls through wrapped SDKs and real sockets: answered, bounded, charged, and never seen."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from pydantic import BaseModel

import tokenthrift
from litellm_clients import close_litellm
from tokenthrift.catalog import cost, load_catalog
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODEL = "gpt-4o-mini"
MODES = ("sync", "async", "sync-stream", "async-stream")
LOG = "\n".join(f"12:{i:04d} worker {i} stored item {i * 7} of tenant {i % 5}" for i in range(400))
TOOL = {"type": "function", "function": {"name": "read_log", "parameters": {"type": "object"}}}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": "Which worker stored item 700?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "read_log", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": LOG},
]
POLICY: dict[str, Any] = {
    "version": 1,
    "stages": [{"stage": "select", "keep": 0.3}],
    "recall": {"offer": True, "max_tokens": 400},
}
MARK = re.compile(r"recall ([0-9a-f]{8})\]")
OWN = ToolCall("read_log", '{"name": "other"}')


def marked(body: Mapping[str, Any]) -> str:
    """The id in the mark of what was sent."""
    found = [m for m in MARK.findall(json.dumps(body["messages"])) if m != "00000000"]
    return found[-1]


def results(body: Mapping[str, Any]) -> list[str]:
    """What the recalls of a request gave back."""
    ids = {
        call["id"]
        for message in body["messages"]
        for call in message.get("tool_calls") or ()
        if call["function"]["name"] == NAME
    }
    return [m["content"] for m in body["messages"] if m.get("tool_call_id") in ids]


@dataclass
class Script:
    """What the simulated model says: so many rounds of calls, then a text."""

    rounds: list[Answer | Callable[[Mapping[str, Any]], Answer]] = field(default_factory=list)
    last: str = "Worker 100."

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        """The answer to a body, by how many recalls stand in it."""
        done = sum(
            any(c["function"]["name"] == NAME for c in m.get("tool_calls") or ())
            for m in body["messages"]
        )
        if done >= len(self.rounds) or body.get("tool_choice") == "none":
            return Answer(text=self.last)
        step = self.rounds[done]
        if isinstance(step, Answer):
            return step
        return step(body) if NAME in json.dumps(body.get("tools")) else Answer(text=self.last)


def recall(**more: Any) -> Callable[[Mapping[str, Any]], Answer]:
    """An answer that asks for what the mark names."""
    return lambda body: Answer(tool_calls=(wish(body, **more),))


def wish(body: Mapping[str, Any], **more: Any) -> ToolCall:
    """A call of the tool."""
    return ToolCall(NAME, json.dumps({"id": marked(body), **more}))


SCRIPT = Script()


@pytest.fixture(scope="module")
def scripted() -> Iterator[SimulatedProvider]:
    """A provider whose answers `SCRIPT` says."""
    with SimulatedProvider(answers=SCRIPT) as running:
        yield running


@pytest.fixture
def key(request: pytest.FixtureRequest, scripted: SimulatedProvider) -> Iterator[str]:
    """An API key of the test's own, and an empty script."""
    SCRIPT.rounds, SCRIPT.last = [], "Worker 100."
    name = f"sk-{abs(hash(request.node.nodeid))}"
    yield name
    scripted.forget(name)


@pytest.fixture
def bare(scripted: SimulatedProvider, key: str) -> Iterator[openai.OpenAI]:
    """An SDK client."""
    with openai.OpenAI(base_url=scripted.base_url, api_key=key, max_retries=0) as made:
        yield made


@dataclass(frozen=True)
class Seen:
    """What the caller saw, put together by the SDK where it was streamed."""

    text: str
    calls: tuple[tuple[str, str], ...]
    finish: str
    usages: int
    receipt: Any


async def asked(
    scripted: SimulatedProvider, key: str, mode: str, policy: Any = None, **body: Any
) -> Seen:
    """One call in one of the four ways."""
    options: Any = {"base_url": scripted.base_url, "api_key": key, "max_retries": 0}
    body = {"model": MODEL, "messages": CONVERSATION, "tools": [TOOL], **body}
    policy = POLICY if policy is None else policy
    if mode == "sync":
        with openai.OpenAI(**options) as bare:
            return whole(tokenthrift.wrap(bare, policy).chat.completions.create(**body))
    if mode == "async":
        async with openai.AsyncOpenAI(**options) as bare:
            return whole(await tokenthrift.wrap(bare, policy).chat.completions.create(**body))
    body["stream"] = True
    if mode == "sync-stream":
        with openai.OpenAI(**options) as bare:
            stream = tokenthrift.wrap(bare, policy).chat.completions.create(**body)
            return put_together(stream, list(stream))
    async with openai.AsyncOpenAI(**options) as bare:
        stream = await tokenthrift.wrap(bare, policy).chat.completions.create(**body)
        return put_together(stream, [chunk async for chunk in stream])


def whole(answer: Any) -> Seen:
    """An answer that came at once."""
    (choice,) = answer.choices
    calls = tuple((c.function.name, c.function.arguments) for c in choice.message.tool_calls or ())
    usages = int(answer.usage is not None)
    return Seen(choice.message.content or "", calls, choice.finish_reason, usages, receipt(answer))


def put_together(stream: Any, chunks: list[Any]) -> Seen:
    """An answer that came in chunks, which are those of one message."""
    text, finish, roles = "", [], 0
    calls: dict[int, list[str]] = {}
    for choice in (c for chunk in chunks for c in chunk.choices):
        text += choice.delta.content or ""
        roles += choice.delta.role is not None
        finish += [choice.finish_reason] if choice.finish_reason else []
        for call in choice.delta.tool_calls or ():
            own = calls.setdefault(call.index, ["", ""])
            own[0] += call.function.name or ""
            own[1] += call.function.arguments or ""
    assert (len({c.id for c in chunks}), roles, len(finish)) == (1, 1, 1)
    assert sorted(calls) == list(range(len(calls)))
    usages = sum(c.usage is not None for c in chunks)
    made = tuple((name, arguments) for name, arguments in calls.values())
    return Seen(text, made, finish[0], usages, receipt(stream))


def receipt(answer: Any) -> Any:
    """The receipt of an answer."""
    return tokenthrift.receipt_of(answer)


def check_account(scripted: SimulatedProvider, key: str, record: Any) -> None:
    """The record's attempts are the provider's own account, to the nano-dollar."""
    card = load_catalog().require(MODEL)
    true = [e.usage for e in scripted.requests(key) if e.usage is not None]
    bills = [cost(usage, card).nanos for usage in true]
    spent = [a for a in record.attempts if a.input_tokens]
    names = ("input_tokens", "output_tokens", "cache_read_tokens")
    assert [[getattr(a, n) for n in names] for a in spent] == [
        [getattr(u, n) for n in names] for u in true
    ]
    assert [a.cost_nanos for a in spent] == bills
    assert record.savings.actual_nanos == sum(bills)
    assert record.savings.overhead_nanos == -sum(bills[:-1])


@pytest.mark.parametrize("mode", MODES)
async def test_a_recall_is_answered_and_paid_for(scripted, key, mode):
    """The caller sees the final answer only; the ledger holds both requests, one as a recall."""
    SCRIPT.rounds = [recall(lines="1-4")]
    seen = await asked(scripted, key, mode)
    assert (seen.text, seen.calls, seen.finish) == ("Worker 100.", (), "stop")
    first, second = scripted.requests(key)
    assert second.body["messages"][: len(first.body["messages"])] == first.body["messages"]
    assert second.body["tools"] == first.body["tools"]
    (result,) = results(second.body)
    assert result.splitlines()[1] in LOG
    assert second.usage.cache_read_tokens > 0
    record = seen.receipt.record
    assert [a.status for a in record.attempts] == ["recall", "ok"]
    assert record.status == "ok"
    assert not any(a.estimated for a in record.attempts)
    assert [a.counted_tokens for a in record.attempts] == [
        e.usage.input_tokens for e in scripted.requests(key)
    ]
    check_account(scripted, key, record)


@pytest.mark.parametrize("mode", MODES)
async def test_recalls_are_bounded(scripted, key, mode):
    """After ``max_calls`` the model is told that there are no more, and what it still asks goes."""
    SCRIPT.rounds = [recall(), recall(), recall(), recall(), recall(), recall()]
    policy = {**POLICY, "recall": {"offer": True, "max_calls": 2, "max_tokens": 100}}
    seen = await asked(scripted, key, mode, policy)
    sent = scripted.requests(key)
    assert len(sent) == 4
    count = counter_for(MODEL)
    *given, refused = results(sent[-1].body)
    assert len(given) == 2
    assert all(20 < count(text) <= 100 for text in given)
    assert "No more recalls" in refused
    assert (seen.text, seen.calls, seen.finish) == ("", (), "stop")
    assert [a.status for a in seen.receipt.record.attempts] == ["recall"] * 3 + ["ok"]
    check_account(scripted, key, seen.receipt.record)


@pytest.mark.parametrize("mode", MODES)
async def test_without_own_tools_the_last_request_forbids_calls(scripted, key, mode):
    """Where the tool is the only one, a model that has had its share must answer."""
    SCRIPT.rounds = [recall() for _ in range(9)]
    policy = {**POLICY, "recall": {"offer": True, "max_calls": 1}}
    seen = await asked(scripted, key, mode, policy, tools=openai.omit)
    assert (seen.text, seen.finish) == ("Worker 100.", "stop")
    choices = [e.body.get("tool_choice") for e in scripted.requests(key)]
    assert choices == [None, None, "none"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_recall_before_own_calls_waits_for_no_one(scripted, key, mode):
    """Beside a recall that comes first, the caller's calls wait until the model has read it."""
    SCRIPT.rounds = [
        lambda body: Answer(tool_calls=(wish(body), OWN, wish(body, query="worker 7"))),
        lambda body: Answer(tool_calls=(OWN,)),
    ]
    seen = await asked(scripted, key, mode)
    assert seen.calls == (("read_log", '{"name": "other"}'),)
    assert seen.finish == "tool_calls"
    assert len(results(scripted.requests(key)[1].body)) == 2
    check_account(scripted, key, seen.receipt.record)


@pytest.mark.parametrize("mode", MODES)
async def test_own_calls_before_a_recall_go_to_the_caller(scripted, key, mode):
    """Behind a call of the caller's, recalls are taken out and no further request is made."""
    SCRIPT.rounds = [lambda body: Answer(tool_calls=(OWN, wish(body), OWN))]
    seen = await asked(scripted, key, mode)
    assert seen.calls == (("read_log", '{"name": "other"}'),) * 2
    assert seen.finish == "tool_calls"
    assert len(scripted.requests(key)) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_text_before_a_recall(scripted, key, mode):
    """A stream's text flows and is followed by the rest; a whole answer is the final one."""
    SCRIPT.rounds = [lambda body: Answer(text="Let me look. ", tool_calls=(wish(body),))]
    seen = (
        await asked(scripted, key, mode, stream_options={"include_usage": True})
        if (mode.endswith("stream"))
        else await asked(scripted, key, mode)
    )
    assert seen.text == ("Let me look. " if mode.endswith("stream") else "") + "Worker 100."
    assert seen.usages == 1
    assert scripted.requests(key)[1].body["messages"][3]["content"].strip() == "Let me look."


def test_text_of_a_stream_is_not_held_back(scripted, key, bare):
    """The first word is there before the provider has sent the second one."""
    SCRIPT.last = "one two three four five six"
    client = tokenthrift.wrap(bare, POLICY)
    stream = client.chat.completions.create(
        model=MODEL,
        messages=CONVERSATION,
        stream=True,
        extra_headers={"x-simulate-fault": "broken_stream:3"},
    )
    chunks = iter(stream)
    assert [next(chunks).choices[0].delta.content for _ in range(3)] == ["", "one", " two"]
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        next(chunks)
    assert stream.tokenthrift.record.attempts[0].output_tokens > 0


@pytest.mark.parametrize("usage", [True, False])
def test_the_next_turn_finds_its_prefix(scripted, key, bare, usage):
    """A recall leaves no trace in the next turn: the tool stays, and the cache is as expected."""
    client = tokenthrift.wrap(bare, POLICY)
    fault = {} if usage else {"extra_headers": {"x-simulate-fault": "no_usage"}}
    messages = list(CONVERSATION)
    for turn in range(3):
        SCRIPT.rounds = [recall(query="item")] if turn < 2 else []
        answer = client.chat.completions.create(model=MODEL, messages=messages, **fault)
        messages += [
            {"role": "assistant", "content": answer.choices[0].message.content},
            {"role": "user", "content": f"And which one stored item {turn * 70}?"},
        ]
    sent = [e.body for e in scripted.requests(key)]
    assert len({json.dumps(body["tools"]) for body in sent}) == 1
    assert sent[2]["messages"][:3] == sent[0]["messages"]
    assert not any(NAME in json.dumps(m) for m in sent[-1]["messages"])
    true = [e.usage.cache_read_tokens for e in scripted.requests(key)]
    records = tokenthrift.account_of(client).ledger.records()
    assert [a.cache_read_tokens for r in records for a in r.attempts] == true
    assert all(n > 1_000 for n in true[1:])


def test_savings_with_recalls_are_what_a_bare_twin_pays_more(scripted, key, bare):
    """Baseline and actual equal two true bills: a bare client's, and ours with all recalls."""
    client = tokenthrift.wrap(bare, POLICY)
    same: Any = {"model": MODEL, "messages": CONVERSATION}
    with openai.OpenAI(base_url=scripted.base_url, api_key=f"{key}-bare") as twin:
        twin.chat.completions.create(**same)
    SCRIPT.rounds = [recall(), recall(query="worker 3")]
    client.chat.completions.create(**same)
    card = load_catalog().require(MODEL)
    bills = [
        sum(cost(e.usage, card).nanos for e in scripted.requests(k)) for k in (f"{key}-bare", key)
    ]
    scripted.forget(f"{key}-bare")
    totals = tokenthrift.account_of(client).ledger.totals()
    assert [totals.baseline_nanos, totals.actual_nanos] == bills
    assert totals.net_nanos == bills[0] - bills[1]


def test_ids_of_others_are_gone(scripted, key, bare, tmp_path):
    """An id that no text of the request holds is a miss, though the store has it."""
    policy = {**POLICY, "recall": {"offer": True, "store": str(tmp_path / "r.sqlite")}}
    client = tokenthrift.wrap(bare, policy)
    store = tokenthrift.account_of(client).recall_store
    store.put({"0a0b0c0d": ("secret of somebody else",)})
    call = ToolCall(NAME, '{"id": "0a0b0c0d"}')
    SCRIPT.rounds = [Answer(tool_calls=(call,))]
    client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    (missed,) = results(scripted.requests(key)[-1].body)
    assert missed == "Gone: nothing is kept under 0a0b0c0d. Run it again."
    named = [*CONVERSATION, {"role": "user", "content": "Look at [recall 0a0b0c0d]."}]
    client.chat.completions.create(model=MODEL, messages=named)
    assert "secret of somebody else" in results(scripted.requests(key)[-1].body)[0]
    plan = tokenthrift.plan({"model": MODEL, "messages": CONVERSATION}, policy)
    for recall_id, texts in plan.omitted.items():
        assert store.get(recall_id) == texts


def test_parse_and_raw_responses_recall_too(scripted, key, bare):
    """``parse``, ``with_raw_response`` and the stream helper see the final answer only."""

    class City(BaseModel):
        name: str

    client = tokenthrift.wrap(bare, POLICY).chat.completions
    body: Any = {"model": MODEL, "messages": CONVERSATION}
    SCRIPT.rounds, SCRIPT.last = [recall()], '{"name": "Bern"}'
    parsed = client.parse(**body, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Bern")
    raw = client.with_raw_response.create(**body)
    assert raw.parse().choices[0].message.content == SCRIPT.last
    with client.stream(**body, response_format=City) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.parsed == City(name="Bern")
    assert not final.choices[0].message.tool_calls
    SCRIPT.rounds = [lambda body: Answer(tool_calls=(OWN, wish(body)))]
    raw = client.with_raw_response.create(**body, tools=[TOOL])
    (call,) = raw.parse().choices[0].message.tool_calls
    assert call.function.name == "read_log"


def test_a_refused_exchange_does_not_lose_the_call(scripted, key, bare):
    """Where the provider will not have the exchange, the caller's body goes out as it came."""
    client = tokenthrift.wrap(bare, POLICY)
    tool = recall()

    def first(body: Mapping[str, Any]) -> Answer:
        scripted.set_faults(key, "400,times=1")
        return tool(body)

    SCRIPT.rounds = [first]
    answer = client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    assert receipt(answer).record.status == "ok"
    assert scripted.requests(key)[-1].body["messages"] == CONVERSATION
    assert [a.status for a in receipt(answer).record.attempts] == ["recall", "error", "ok"]
    check_account(scripted, key, receipt(answer).record)


def test_a_provider_that_refuses_the_tool_gets_the_body_as_given(scripted, key, bare):
    """An offer that the provider will not have does not lose the call."""
    scripted.set_faults(key, "400,times=1")
    client = tokenthrift.wrap(bare, POLICY)
    answer = client.chat.completions.create(model=MODEL, messages=CONVERSATION)
    offered, given = scripted.requests(key)
    assert ("tools" in offered.body, "tools" in given.body) == (True, False)
    assert given.body["messages"] == CONVERSATION
    assert [a.status for a in receipt(answer).record.attempts] == ["error", "ok"]
    assert receipt(answer).savings.net_nanos == 0
    check_account(scripted, key, receipt(answer).record)


def test_a_hard_budget_holds_with_recalls(scripted, key, bare):
    """No request is larger than the budget; where nothing fits, the tool goes for this once."""
    for hard, more in ((1_800, 2), (1_600, 2)):
        scripted.forget(key)
        policy = {**POLICY, "budget": {"hard_tokens": hard}, "recall": {"offer": True}}
        client = tokenthrift.wrap(bare, policy)
        SCRIPT.rounds = [recall() for _ in range(9)]
        answer = client.chat.completions.create(model=MODEL, messages=CONVERSATION)
        used = [e.usage.input_tokens for e in scripted.requests(key)]
        assert len(used) >= more
        assert max(used) <= hard
        assert answer.choices[0].message.content == "Worker 100."


def test_errors_of_a_further_request_are_the_sdks_own(scripted, key, bare):
    """A rate limit behind a recall is raised as it is; the recall has been paid for."""
    tool = recall()

    def first(body: Mapping[str, Any]) -> Answer:
        scripted.set_faults(key, "429")
        return tool(body)

    SCRIPT.rounds = [first]
    for stream in (False, True):
        scripted.forget(key)
        client = tokenthrift.wrap(bare, POLICY)
        create = client.chat.completions.create
        with pytest.raises(openai.RateLimitError):
            list(create(model=MODEL, messages=CONVERSATION, stream=stream))
        (record,) = tokenthrift.account_of(client).ledger.records()
        assert (record.status, record.error) == ("error", "RateLimitError")
        assert [a.status for a in record.attempts] == ["recall", "error"]
        true = scripted.totals(key)
        assert record.attempts[0].input_tokens == true.input_tokens
        assert record.savings.net_nanos == -record.attempts[0].cost_nanos < 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_task_cancelled_behind_a_recall_pays_for_it(scripted, key, stream):
    """Cancelling while the second request is held leaves one cancelled record with both."""
    tool = recall()

    def first(body: Mapping[str, Any]) -> Answer:
        scripted.set_faults(key, "timeout:20")
        return tool(body)

    SCRIPT.rounds = [first]
    async with openai.AsyncOpenAI(base_url=scripted.base_url, api_key=key, max_retries=0) as bare:
        client = tokenthrift.wrap(bare, POLICY)

        async def work() -> None:
            answer = await client.chat.completions.create(
                model=MODEL, messages=CONVERSATION, stream=stream
            )
            if stream:
                await anext(answer)

        task = asyncio.create_task(work())
        for _ in range(1_000):
            if len(scripted.requests(key)) == 2:
                break
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert record.status == "cancelled"
    assert [a.status for a in record.attempts] == ["recall", "cancelled"]
    assert record.attempts[0].input_tokens == scripted.requests(key)[0].usage.input_tokens


def test_a_stream_closed_behind_a_recall_is_cancelled(scripted, key, bare):
    """Closing in the second stream settles both requests, once."""
    SCRIPT.rounds, SCRIPT.last = [recall()], "one two three four"
    client = tokenthrift.wrap(bare, POLICY)
    with client.chat.completions.create(model=MODEL, messages=CONVERSATION, stream=True) as stream:
        next(stream)
        next(stream)
    record = stream.tokenthrift.record
    assert [a.status for a in record.attempts] == ["recall", "cancelled"]
    used = [e.usage.input_tokens for e in scripted.requests(key)]
    assert [a.input_tokens for a in record.attempts] == used
    assert tokenthrift.account_of(client).ledger.count() == 1


@pytest.mark.parametrize("mode", MODES)
async def test_without_recalls_nothing_changes(scripted, key, mode):
    """A call of the caller's tool and a plain answer are as without the offer."""
    SCRIPT.rounds = [Answer(tool_calls=(OWN,))]
    plain = await asked(scripted, key, mode, {**POLICY, "recall": {}})
    offered = await asked(scripted, key, mode)
    assert offered.calls == plain.calls == (("read_log", '{"name": "other"}'),)
    assert (offered.text, offered.finish, offered.usages) == (
        plain.text,
        plain.finish,
        plain.usages,
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
async def test_litellm_recalls_too(scripted, key):
    """``completion`` and ``acompletion``, whole and streamed, through litellm itself."""
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_aiohttp_transport = True
    wrapped = tokenthrift.wrap(litellm, POLICY)
    body: Any = {
        "model": f"openai/{MODEL}",
        "messages": CONVERSATION,
        "api_base": scripted.base_url,
        "api_key": key,
        "max_retries": 0,
        "_skip_mcp_handler": True,  # litellm 1.8x and later want its extra mcp for any tool
    }
    SCRIPT.rounds = [recall(query="item 700")]
    texts = [wrapped.completion(**body).choices[0].message.content]
    texts.append((await wrapped.acompletion(**body)).choices[0].message.content)
    chunks = list(wrapped.completion(**body, stream=True))
    texts.append("".join(c.choices[0].delta.content or "" for c in chunks))
    stream = await wrapped.acompletion(**body, stream=True)
    chunks = [c async for c in stream]
    texts.append("".join(c.choices[0].delta.content or "" for c in chunks))
    assert texts == ["Worker 100."] * 4
    totals, true = tokenthrift.account_of(wrapped).ledger.totals(), scripted.totals(key)
    assert totals.attempts == 8
    assert totals.input_tokens == true.input_tokens
    assert totals.cache_read_tokens == true.cache_read_tokens
    assert totals.estimated_calls == 0
    await close_litellm()
