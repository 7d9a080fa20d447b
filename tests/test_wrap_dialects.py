"""Recalls, redaction and verifiers through Responses and Messages: as they are on Chat."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import tokenthrift
from made_secrets import made
from sdk_forms import LOG, MESSAGES, RESPONSES, WIRES, asked, body_of, client_of, conversation, tool
from tokenthrift.catalog import cost, load_catalog
from tokenthrift.client.debts import PREFIX
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODES = ("sync", "async")
WAYS = ("create", "chunks", "stream", "raw")
FORMS = [(wire, way) for wire in WIRES for way in WAYS if (wire, way) != ("openai-chat", "stream")]
POLICY: dict[str, Any] = {
    "version": 1,
    "stages": [{"stage": "select", "keep": 0.3}],
    "recall": {"offer": True, "max_tokens": 400},
}
MARK = re.compile(r"recall ([0-9a-f]{8})\]")
OWN = ToolCall("read_log", '{"name": "other"}')
CALL = (("read_log", '{"name": "other"}'),)
STREAMED = ("chunks", "stream")


def calls_of(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Ids and names of the calls in a body of any wire."""
    found = []
    for item in (*(body.get("messages") or ()), *(_listed(body.get("input")))):
        found += [(c["id"], c["function"]["name"]) for c in item.get("tool_calls") or ()]
        if item.get("type") == "function_call":
            found.append((item["call_id"], item["name"]))
        blocks = item.get("content")
        blocks = blocks if isinstance(blocks, list) else []
        found += [(b["id"], b["name"]) for b in blocks if b.get("type") == "tool_use"]
    return found


def results(body: Mapping[str, Any]) -> list[str]:
    """What the recalls of a request gave back."""
    ids = {call_id for call_id, name in calls_of(body) if name == NAME}
    found = []
    for item in (*(body.get("messages") or ()), *_listed(body.get("input"))):
        if item.get("tool_call_id") in ids:
            found.append(item["content"])
        if item.get("type") == "function_call_output" and item["call_id"] in ids:
            found.append(item["output"])
        blocks = item.get("content")
        blocks = blocks if isinstance(blocks, list) else []
        found += [b["content"] for b in blocks if b.get("tool_use_id") in ids]
    return found


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else ()


def wish(body: Mapping[str, Any], **more: Any) -> ToolCall:
    """A call for what the mark in a body names."""
    marks = [m for m in MARK.findall(json.dumps(body)) if m != "00000000"]
    return ToolCall(NAME, json.dumps({"id": marks[-1], **more}))


def recall(text: str | None = None, **more: Any) -> Callable[[Mapping[str, Any]], Answer]:
    """An answer that asks for what the mark names."""
    return lambda body: Answer(text=text, tool_calls=(wish(body, **more),))


@dataclass
class Script:
    """What the simulated model says: so many rounds of calls, then a text."""

    rounds: list[Callable[[Mapping[str, Any]], Answer]] = field(default_factory=list)
    last: str = "Worker 100."
    says: Callable[[Mapping[str, Any]], Answer] | None = None

    def __call__(self, body: Mapping[str, Any]) -> Answer:
        """The answer to a body, by how many recalls stand in it."""
        if self.says is not None:
            return self.says(body)
        done = sum(name == NAME for _, name in calls_of(body))
        forbidden = body.get("tool_choice") in ("none", {"type": "none"})
        if done >= len(self.rounds) or forbidden or NAME not in json.dumps(body.get("tools")):
            return Answer(text=self.last)
        return self.rounds[done](body)


SCRIPT = Script()


@pytest.fixture(scope="module")
def scripted() -> Iterator[SimulatedProvider]:
    """A provider whose answers `SCRIPT` says."""
    with SimulatedProvider(answers=SCRIPT) as running:
        yield running


@pytest.fixture
def key(request: pytest.FixtureRequest, scripted: SimulatedProvider) -> Iterator[str]:
    """An API key of the test's own, and an empty script."""
    SCRIPT.rounds, SCRIPT.last, SCRIPT.says = [], "Worker 100.", None
    name = f"sk-{abs(hash(request.node.nodeid))}"
    yield name
    scripted.forget(name)


def check_account(scripted: SimulatedProvider, key: str, record: Any) -> None:
    """The record's attempts are the provider's own account, to the nano-dollar."""
    sent = [e for e in scripted.requests(key) if e.usage is not None]
    card = load_catalog().require(sent[0].model)
    spent = [a for a in record.attempts if a.input_tokens]
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    assert [[getattr(a, n) for n in names] for a in spent] == [
        [getattr(e.usage, n) for n in names] for e in sent
    ]
    bills = [cost(e.usage, card) for e in sent]
    assert record.savings.actual_nanos == sum(b.nanos for b in bills if b is not None)
    assert not any(a.estimated for a in record.attempts)


# ----------------------------------------------------------------------------------------- recalls
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_a_recall_is_answered_and_paid_for(scripted, key, form, mode):
    """The caller sees one answer; the ledger holds both requests, the first as a recall."""
    SCRIPT.rounds = [recall(lines="1-4")]
    seen = await asked(scripted, form, mode, POLICY, key)
    plain = await asked(scripted, form, mode, None, f"{key}-bare")
    scripted.forget(f"{key}-bare")
    assert (seen.text, seen.calls) == ("Worker 100.", ())
    assert (seen.kinds, seen.finish) == (plain.kinds, plain.finish)
    assert len(seen.dumps) == len(plain.dumps)
    first, second = scripted.requests(key)
    said = "input" if form[0] == RESPONSES else "messages"
    assert second.body[said][: len(first.body[said])] == first.body[said]
    assert second.body["tools"] == first.body["tools"]
    (result,) = results(second.body)
    assert result.splitlines()[1] in LOG
    assert NAME not in json.dumps(seen.dumps)
    assert [a.status for a in seen.receipt.record.attempts] == ["recall", "ok"]
    check_account(scripted, key, seen.receipt.record)
    usage = scripted.requests(key)[-1].usage
    assert usage.output_tokens in seen.usage.values() if seen.usage else form[1] == "chunks"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_text_before_a_recall(scripted, key, form, mode):
    """A stream's text flows and is followed by the rest; a whole answer is the final one."""
    SCRIPT.rounds = [recall("Let me look. ")]
    seen = await asked(scripted, form, mode, POLICY, key)
    streamed = form[1] in STREAMED
    assert seen.text == ("Let me look. " if streamed else "") + "Worker 100."
    assert "Let me look." in scripted.requests(key)[1].raw.decode()
    check_account(scripted, key, seen.receipt.record)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_recalls_are_bounded(scripted, key, form, mode):
    """After ``max_calls`` the model is told that there are no more, and what it still asks goes."""
    SCRIPT.rounds = [recall() for _ in range(6)]
    policy = {**POLICY, "recall": {"offer": True, "max_calls": 2, "max_tokens": 100}}
    seen = await asked(scripted, form, mode, policy, key)
    assert len(scripted.requests(key)) == 4
    *given, refused = results(scripted.requests(key)[-1].body)
    assert len(given) == 2
    assert "No more recalls" in refused
    assert (seen.text, seen.calls) == ("", ())
    assert seen.finish in ("stop", "completed", "end_turn")
    check_account(scripted, key, seen.receipt.record)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_own_calls_and_recalls(scripted, key, form, mode):
    """A recall that comes first is answered before the caller's calls; one behind them goes."""
    SCRIPT.rounds = [
        lambda body: Answer(tool_calls=(wish(body), OWN)),
        lambda body: Answer(tool_calls=(OWN, wish(body), OWN)),
    ]
    seen = await asked(scripted, form, mode, POLICY, key)
    assert seen.calls == CALL * 2
    assert len(scripted.requests(key)) == 2
    assert NAME not in json.dumps(seen.dumps)
    assert seen.finish in ("tool_calls", "completed", "tool_use")
    check_account(scripted, key, seen.receipt.record)


@pytest.mark.parametrize("way", ["create", "chunks", "stream"])
@pytest.mark.parametrize("wire", [RESPONSES, MESSAGES])
def test_thoughts_come_back_as_they_were(scripted, key, wire, way):
    """Reasoning and signed thinking go back with a recall; only those of the answer are shown."""
    SCRIPT.says = lambda body: (
        Answer(text="Worker 100.", reasoning_tokens=20)
        if any(name == NAME for _, name in calls_of(body))
        else Answer(tool_calls=(wish(body),), reasoning_tokens=10)
    )
    said = [{"role": "user", "content": f"{LOG}\n\nWhich worker stored item 700?"}]
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
    stored: list[dict[str, Any]] = [{}, {"store": False}, {"store": False, "include": [SEALED]}]
    asks = [thinking] if wire == MESSAGES else [{"model": "gpt-5-mini", **more} for more in stored]
    with client_of(scripted, wire, key, "sync") as bare:
        client = tokenthrift.wrap(bare, POLICY)
        for more in asks:
            answer = ask(client, wire, way, **body_of(wire, said, **more))
            parts = answer.output if wire == RESPONSES else answer.content
            assert [p.type for p in parts] == {
                RESPONSES: ["reasoning", "message"],
                MESSAGES: ["thinking", "text"],
            }[wire]
    records = list(tokenthrift.account_of(client).ledger.records())
    assert [[a.status for a in r.attempts] for r in records] == [["recall", "ok"]] * len(asks)


SEALED = "reasoning.encrypted_content"


def ask(client: Any, wire: str, way: str, **body: Any) -> Any:
    """The final answer of a call."""
    resource = client.responses if wire == RESPONSES else client.messages
    if way == "create":
        return resource.create(**body)
    if way == "stream":
        with resource.stream(**body) as stream:
            return stream.get_final_response() if wire == RESPONSES else stream.get_final_message()
    events = list(resource.create(**body, stream=True))
    if wire == RESPONSES:
        return events[-1].response
    message = events[0].message
    message.content = [e.content_block for e in events if e.type == "content_block_start"]
    return message


# ------------------------------------------------------------------------------- held conversations
@pytest.mark.parametrize("way", ["create", "chunks", "stream"])
@pytest.mark.parametrize("rounds", ["plain", "text", "own"])
def test_a_held_conversation_goes_on(scripted, key, way, rounds, tmp_path):
    """``previous_response_id`` works after recalls, also where the caller never saw them."""
    SCRIPT.rounds = {
        "plain": [recall()],
        "text": [recall("Let me look. ")],
        "own": [lambda body: Answer(tool_calls=(OWN, wish(body)))],
    }[rounds]
    policy = {**POLICY, "recall": {"offer": True, "store": str(tmp_path / "recall.sqlite")}}
    body = body_of(RESPONSES)
    with client_of(scripted, RESPONSES, key, "sync") as bare:
        first = ask(tokenthrift.wrap(bare, policy), RESPONSES, way, **body)
        said: Any = "And item 70?"
        if rounds == "own":
            (call,) = [i for i in first.output if i.type == "function_call"]
            said = [{"type": "function_call_output", "call_id": call.call_id, "output": "none"}]
        SCRIPT.rounds, SCRIPT.last = [], "Worker 10."
        # Another client goes on, as on another machine with the same store.
        client = tokenthrift.wrap(bare, policy)
        more = {**body, "input": said, "previous_response_id": first.id}
        second = ask(client, RESPONSES, way, **more)
    assert second.output_text == "Worker 10."
    sent = scripted.requests(key)[-1].body
    if rounds == "own":
        assert [i["type"] for i in sent["input"]] == ["function_call_output"] * 2
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert (record.status, len(record.attempts)) == ("ok", 1)


def test_a_store_that_is_lost_loses_no_call(scripted, key):
    """Where nobody knows what is owed, the body goes as it is, and the error is kept."""
    with client_of(scripted, RESPONSES, key, "sync") as bare:
        client = tokenthrift.wrap(bare, POLICY)
        account = tokenthrift.account_of(client)
        first = client.responses.create(**body_of(RESPONSES))
        account.recall_store.put({PREFIX + first.id: ("no json",)})
        more = {**body_of(RESPONSES), "input": "Go on", "previous_response_id": first.id}
        assert client.responses.create(**more).output_text == "Worker 100."
    assert [type(e).__name__ for e in account.sink_errors] == ["JSONDecodeError"]


# --------------------------------------------------------------------------------------- redaction
KEY = made("github", 7)[0]
PASSWORD = 'q"7\\w\nz99'  # what must be escaped in JSON
REDACTED: dict[str, Any] = {"version": 1, "redact": {"patterns": {"odd": r"odd: (.*\n\w+)"}}}
SECRETS = {"key": KEY, "name": PASSWORD}
ASKED = [{"role": "user", "content": f"Use {KEY} and odd: {PASSWORD}."}]


def check_nothing_left(scripted: SimulatedProvider, key: str) -> None:
    """No secret was sent."""
    for entry in scripted.requests(key):
        text = entry.raw.decode()
        assert KEY not in text
        assert json.dumps(PASSWORD)[1:-1] not in text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_answers_have_the_secrets_back(scripted, key, form, mode):
    """The provider reads and says placeholders; the caller sees what they stand for."""
    SCRIPT.says = lambda _: Answer(text="Used [secret-1] and [secret-2] on [secret-1]")
    seen = await asked(scripted, form, mode, REDACTED, key, messages=ASKED)
    assert seen.text == f"Used {KEY} and {PASSWORD} on {KEY}"
    assert "[secret-" not in json.dumps(seen.dumps)
    check_nothing_left(scripted, key)
    record = seen.receipt.record
    assert KEY not in record.model_dump_json()
    assert record.attempts[0].output_tokens == scripted.requests(key)[0].usage.output_tokens


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_tools_are_called_with_the_secrets(scripted, key, form, mode):
    """Arguments hold the secrets, escaped where they are JSON; the next turn is redacted alike."""
    wire = form[0]
    placed = json.dumps({"key": "[secret-1]", "name": "[secret-2]"})
    SCRIPT.says = lambda _: Answer(
        text="I use [secret-1].", tool_calls=(ToolCall("log_in", placed),)
    )
    tools = [tool(wire, "log_in")]
    seen = await asked(scripted, form, mode, REDACTED, key, messages=ASKED, tools=tools)
    assert [(n, json.loads(a)) for n, a in seen.calls] == [("log_in", SECRETS)]
    assert seen.text == f"I use {KEY}."
    history = [*ASKED, *answered(wire, json.dumps(SECRETS), f"Welcome, {KEY}")]
    await asked(scripted, form, mode, REDACTED, key, messages=history, tools=tools)
    first, second = (
        e.body["input" if wire == RESPONSES else "messages"] for e in scripted.requests(key)
    )
    assert second[: len(first)] == first
    check_nothing_left(scripted, key)


def answered(wire: str, arguments: str, result: str) -> list[Any]:
    """A call with its result, as a wire writes them."""
    if wire == RESPONSES:
        call = {"type": "function_call", "call_id": "c", "name": "log_in", "arguments": arguments}
        return [call, {"type": "function_call_output", "call_id": "c", "output": result}]
    if wire == MESSAGES:
        use = {"type": "tool_use", "id": "c", "name": "log_in", "input": json.loads(arguments)}
        back = {"type": "tool_result", "tool_use_id": "c", "content": result}
        return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [back]}]
    function = {"name": "log_in", "arguments": arguments}
    call = {"id": "c", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]


@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_a_recall_goes_on_with_placeholders(scripted, key, form):
    """What a model has back, and the exchange around it, is as redacted as the rest."""
    lines = "\n".join(f"{n} stored by {KEY} of tenant {n % 7}" for n in range(300))
    policy = {
        **REDACTED,
        "stages": [{"stage": "select", "keep": 0.2, "min_tokens": 50}],
        "recall": {"offer": True, "max_tokens": 300},
    }
    SCRIPT.rounds = [recall("I look for [secret-1]. ", query="[secret-1]")]
    SCRIPT.last = "It is [secret-1]."
    messages = conversation(form[0], lines, "Who stored 17?")
    seen = await asked(scripted, form, "sync", policy, key, messages=messages)
    before = f"I look for {KEY}. " if form[1] in STREAMED else ""
    assert seen.text == f"{before}It is {KEY}."
    assert "[secret" not in json.dumps(seen.dumps)
    assert "[secret-1]" in results(scripted.requests(key)[1].body)[0]
    check_nothing_left(scripted, key)


# --------------------------------------------------------------------------------------- verifiers
NAMES = dict.fromkeys(WIRES, ("gpt-4.1-nano", "gpt-4.1")) | {
    MESSAGES: ("claude-haiku-4-5", "claude-opus-4-6")
}
QUESTION = [{"role": "user", "content": "Are you there?"}]


def rising(names: tuple[str, str]) -> list[Any]:
    """A model for what is trivial, and one for everything."""
    return [{"model": n, "covers": c} for n, c in zip(names, ("trivial", "expert"), strict=True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS, ids="-".join)
async def test_an_answer_that_fails_a_check_is_not_seen(scripted, key, form, mode):
    """An empty answer goes to the next model, also in streams; both attempts are in the record."""
    names = NAMES[form[0]]
    routing = {
        "candidates": rising(names),
        "verify": ["empty", "truncated"],
        "verify_streams": True,
    }
    SCRIPT.says = lambda body: Answer(text="" if body["model"] == names[0] else "Here I am.")
    policy = {"version": 1, "routing": routing}
    seen = await asked(scripted, form, mode, policy, key, model=names[1], messages=QUESTION)
    assert seen.text == "Here I am."
    assert [e.model for e in scripted.requests(key)] == list(names)
    attempts = seen.receipt.record.attempts
    assert [(a.status, a.error) for a in attempts] == [("rejected", "empty"), ("ok", "")]
    check = [(a.input_tokens, a.output_tokens) for a in attempts]
    assert check == [(e.usage.input_tokens, e.usage.output_tokens) for e in scripted.requests(key)]


@pytest.mark.parametrize("wire", WIRES)
def test_json_is_checked_on_every_wire(scripted, key, wire):
    """``schema`` reads the format that each wire asks for in its own words."""
    wanted = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asks: dict[str, Any] = {
        RESPONSES: {"text": {"format": {"type": "json_schema", "name": "a", "schema": wanted}}},
        MESSAGES: {"output_config": {"format": {"type": "json_schema", "schema": wanted}}},
    }.get(
        wire,
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": wanted},
            }
        },
    )
    names = NAMES[wire]
    routing = {
        "candidates": rising(names),
        "verify": ["schema"],
    }
    said = {names[0]: '{"n": "one"}', names[1]: '{"n": 1}'}
    SCRIPT.says = lambda body: Answer(text=said[body["model"]])
    with client_of(scripted, wire, key, "sync") as bare:
        client = tokenthrift.wrap(bare, {"version": 1, "routing": routing})
        body = {
            k: v for k, v in body_of(wire, QUESTION, model=names[1], **asks).items() if k != "tools"
        }
        resource = client.chat.completions if wire == "openai-chat" else None
        resource = resource or (client.responses if wire == RESPONSES else client.messages)
        resource.create(**body)
    (record,) = tokenthrift.account_of(client).ledger.records()
    assert [(a.model, a.error) for a in record.attempts] == [(names[0], "schema"), (names[1], "")]
