"""Routing through wrapped SDKs: caches, retries, checks and circles, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import openai
import pytest
from pydantic import BaseModel

import tokenthrift
from routes import circle
from tokenthrift.route import Answer as Given
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall
from tokenthrift.types import Request

ASK: list[Any] = [{"role": "user", "content": "Which of these is larger?"}]
ASYNC = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
NAMES = ("gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1")
STATED = dict(zip(NAMES, ("trivial", "moderate", "expert"), strict=True))
POOR = {"gpt-4.1-nano": Answer(text=" "), "gpt-4.1-mini": Answer(text="The second.")}


def script(body: Mapping[str, Any]) -> Answer | None:
    """The smallest model says nothing, or calls a tool with arguments that are no JSON."""
    if body["model"] == NAMES[0] and body.get("tools"):
        return Answer(tool_calls=(ToolCall("look", '{"at": '),))
    if body.get("response_format"):
        return Answer(text='{"larger": "many"}') if body["model"] == NAMES[0] else None
    return POOR.get(str(body["model"]))


class Larger(BaseModel):
    """What a caller wants parsed."""

    larger: int


@pytest.fixture(scope="module")
def scripted() -> Iterator[SimulatedProvider]:
    """A provider whose smallest model answers poorly."""
    with SimulatedProvider(answers=script) as running:
        yield running


def policy(*names: str, **more: Any) -> dict[str, Any]:
    """A policy that routes among models of rising ability."""
    listed = [{"model": n, "covers": STATED[n]} for n in names or NAMES]
    return {"version": 1, "routing": {"candidates": listed, **more}}


class Line:
    """A wrapped client, blocking or awaiting, with a clock that does not wait."""

    def __init__(self, provider: SimulatedProvider, key: str, asynchronous: Any) -> None:
        self.key, self.provider, self.asynchronous = key, provider, asynchronous
        self.waits: list[float] = []
        self.client: Any = None
        self._bare: list[Any] = []
        self._loop = asyncio.Runner() if asynchronous else None

    def wrap(self, rules: Mapping[str, Any], retries: int = 0, **more: Any) -> Line:
        """Wrap a client of the SDK."""
        kind = openai.AsyncOpenAI if self.asynchronous else openai.OpenAI
        bare: Any = kind(base_url=self.provider.base_url, api_key=self.key, max_retries=retries)
        self._bare.append(bare)
        self.client = tokenthrift.wrap(bare, rules, **more)
        account = tokenthrift.account_of(self.client)

        async def pause(seconds: float) -> None:
            self.waits.append(seconds)

        account.outside = replace(
            account.outside, sleep=self.waits.append, sleep_async=pause, draw=lambda: 0.5
        )
        return self

    def ask(self, messages: list[Any] = ASK, **body: Any) -> Any:
        """Make a call; gives the answer, or the chunks of its stream."""
        body = {"model": "gpt-4.1", "messages": messages, **body}
        if self._loop is None:
            made = self.client.chat.completions.create(**body)
            return list(made) if body.get("stream") else made

        async def awaited() -> Any:
            made = await self.client.chat.completions.create(**body)
            return [c async for c in made] if body.get("stream") else made

        return self._loop.run(awaited())

    def close(self) -> None:
        """Close every connection."""
        for bare in self._bare:
            if self._loop is None:
                bare.close()
            else:
                self._loop.run(bare.close())
        if self._loop is not None:
            self._loop.close()

    @property
    def records(self) -> list[Any]:
        """Of the client's ledger."""
        return list(tokenthrift.account_of(self.client).ledger.records())

    @property
    def models(self) -> list[str]:
        """Where requests went."""
        return [e.model for e in self.provider.requests(self.key)]


Open = Callable[..., Line]


@pytest.fixture
def line(scripted: SimulatedProvider, api_key: str) -> Iterator[Open]:
    """Open a wrapped client with the test's own key."""
    opened: list[Line] = []

    def made(asynchronous: Any = None) -> Line:
        opened.append(Line(scripted, api_key, asynchronous))
        return opened[-1]

    yield made
    for one in opened:
        one.close()
    scripted.forget(api_key)


def said(answer: Any) -> str:
    """The text of an answer or of the chunks of its stream."""
    if not isinstance(answer, list):
        return answer.choices[0].message.content or ""
    return "".join(c.choices[0].delta.content or "" for c in answer if c.choices)


# ------------------------------------------------------------------------------------------ retries
@ASYNC
def test_a_policys_retries_take_the_place_of_the_sdks(line: Open, asynchronous: Any) -> None:
    """The provider's wish is waited for, each try is in the record, and nothing is multiplied."""
    made = line(asynchronous).wrap(
        policy(NAMES[1], NAMES[2], retry={"times": 2, "base_s": 1}), retries=5
    )
    made.provider.set_faults(made.key, "429:3,times=2")
    assert said(made.ask()) == "The second."
    assert made.models == [NAMES[1]] * 3
    assert made.waits == [3.5, 4.0]
    (record,) = made.records
    assert [a.status for a in record.attempts] == ["error", "error", "ok"]
    made.provider.set_faults(made.key, "503")
    with pytest.raises(openai.InternalServerError):
        made.ask()
    assert len(made.models) == 3 + 3


def test_a_model_that_failed_rests(line: Open) -> None:
    """The next call goes to another candidate at once; after the rest it is asked again."""
    made = line().wrap(policy(NAMES[1], NAMES[2], rest_s=30))
    made.provider.set_faults(made.key, "503,times=1")
    made.ask()
    made.ask()
    assert made.models == [NAMES[1], NAMES[2], NAMES[2]]
    account = tokenthrift.account_of(made.client)
    now = account.outside.now
    later = timedelta(seconds=31)
    account.outside = replace(account.outside, now=lambda: now() + later)
    made.ask([{"role": "user", "content": "Another thing?"}])
    assert made.models[-1] == NAMES[1]


# ------------------------------------------------------------------------------------------- checks
@ASYNC
@STREAM
def test_a_poor_answer_is_paid_for_and_asked_again(
    line: Open, asynchronous: Any, stream: Any
) -> None:
    """The caller sees the stronger model's answer only; both bills are in the record, and right."""
    rules = policy(verify=["empty"], verify_streams=True)
    made = line(asynchronous).wrap(rules)
    answer = made.ask(stream=stream)
    assert said(answer) == "The second."
    assert made.models == list(NAMES[:2])
    (record,) = made.records
    poor, good = record.attempts
    assert (poor.status, poor.error, good.status) == ("rejected", "empty", "ok")
    truth = made.provider.by_model(made.key)
    for attempt in (poor, good):
        assert attempt.input_tokens == truth[attempt.model].input_tokens > 0
    assert record.savings.overhead_nanos == -poor.cost_nanos < 0
    assert record.savings.actual_nanos == poor.cost_nanos + good.cost_nanos
    assert record.model_chosen == NAMES[1]
    if not stream:
        assert answer.tokenthrift.record == record


@ASYNC
def test_streams_are_not_held_back_unless_the_policy_says_so(line: Open, asynchronous: Any) -> None:
    """Without ``verify_streams`` a stream is handed on as it comes, unchecked."""
    made = line(asynchronous).wrap(policy(verify=["empty"]))
    assert said(made.ask(stream=True)).strip() == ""
    assert made.models == [NAMES[0]]


@ASYNC
def test_a_stream_that_breaks_before_it_is_shown_is_replaced(line: Open, asynchronous: Any) -> None:
    """Nobody has seen a chunk of it, so another attempt may take its place."""
    made = line(asynchronous).wrap(
        policy(NAMES[1], NAMES[2], verify=["empty"], verify_streams=True)
    )
    made.provider.set_faults(made.key, "broken_stream:2,times=1")
    assert said(made.ask(stream=True))
    assert made.models == [NAMES[1], NAMES[2]]
    assert [a.status for a in made.records[0].attempts] == ["error", "ok"]


def test_a_checked_stream_is_the_sdks_own(line: Open) -> None:
    """Its class, its attributes and its receipt are what they are without a check."""
    made = line().wrap(policy(NAMES[1], NAMES[2], verify=["empty"], verify_streams=True))
    stream = made.client.chat.completions.create(model="gpt-4.1", messages=ASK, stream=True)
    assert isinstance(stream, openai.Stream)
    assert stream.response.status_code == 200
    with stream:
        next(iter(stream))
    record = stream.tokenthrift.record
    assert record.status == "cancelled"
    assert record.attempts[0].output_tokens == made.provider.totals(made.key).output_tokens


@STREAM
def test_arguments_of_tools_are_checked(line: Open, stream: Any) -> None:
    """A call whose arguments do not parse never reaches the caller."""
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    made = line().wrap(policy(verify=["tool_arguments"], verify_streams=True))
    made.ask(tools=[tool], stream=stream)
    assert made.models == list(NAMES[:2])
    assert made.records[0].attempts[0].error == "tool_arguments"


def test_what_the_sdk_parses_is_checked_before(line: Open) -> None:
    """An answer that the SDK could not parse is no error but a rejected attempt."""
    made = line().wrap(policy(verify=["schema"]))
    answer = made.client.chat.completions.parse(
        model="gpt-4.1", messages=ASK, response_format=Larger
    )
    assert isinstance(answer.choices[0].message.parsed, Larger)
    assert made.models == list(NAMES[:2])
    assert [a.error for a in made.records[0].attempts] == ["schema", ""]


def test_the_callers_own_check_and_the_bound_on_attempts(line: Open) -> None:
    """A callable says what is wrong; where attempts are over, the last answer stands."""

    def never(answer: Given, request: Request) -> str:
        assert request.model == "gpt-4.1"
        return f"not good enough, {len(answer.text)} characters"

    made = line().wrap(policy(max_attempts=2), verifiers=[never])
    assert said(made.ask()) == "The second."
    (record,) = made.records
    assert [(a.status, a.error) for a in record.attempts] == [
        ("rejected", "never"),
        ("ok", "never"),
    ]
    assert record.status == "ok"


def test_a_rejected_answer_is_not_lost_to_an_error(line: Open) -> None:
    """Where the stronger models fail, the caller gets the answer that is there."""
    made = line()

    def fails(_answer: Given, _request: Request) -> str:
        made.provider.set_faults(made.key, "401")  # from now on
        return "bad"

    answer = made.wrap(policy(NAMES[0], NAMES[1]), verifiers=[fails]).ask()
    assert answer.model.startswith(NAMES[0])
    (record,) = made.records
    assert [a.status for a in record.attempts] == ["ok", "error"]
    assert (record.status, record.model_chosen) == ("ok", NAMES[0])
    assert record.savings.actual_nanos == record.attempts[0].cost_nanos


# ------------------------------------------------------------------------------------------ session
def test_what_the_cache_holds_reaches_the_choice(line: Open) -> None:
    """The next turn knows the model of the last one and what of the request it has cached."""
    made = line().wrap(policy(NAMES[1], NAMES[2]))
    long = [{"role": "user", "content": "word " * 3_000}]
    answer = made.ask(long)
    talk = [*long, {"role": "assistant", "content": said(answer)}, *ASK]
    made.ask(talk)
    first, second = (
        {v["model"]: v["cached_tokens"] for v in r.decision.verdicts} for r in made.records
    )
    assert first == {NAMES[1]: 0, NAMES[2]: 0}
    assert second[NAMES[1]] > 2_900
    assert second[NAMES[2]] == 0
    assert made.records[1].attempts[0].cache_read_tokens == second[NAMES[1]]


def test_a_circle_is_refused_and_recorded(line: Open) -> None:
    """The error is typed, nothing is sent, and the record names it."""
    made = line().wrap(policy(loops={"same_call": 3, "then": "error"}))
    with pytest.raises(tokenthrift.LoopError) as caught:
        made.ask(circle(3))
    assert caught.value.http_status == 409
    assert made.models == []
    assert made.records[0].error == "LoopError"


def test_a_circle_goes_to_a_stronger_model(line: Open) -> None:
    """The loop's model gives way to the next stronger one, which then keeps the loop."""
    made = line().wrap(policy(NAMES[1], NAMES[2], loops={"same_call": 3, "then": "escalate"}))
    for times in (1, 2, 3, 4):
        made.ask(circle(times))
    assert made.models == [NAMES[1], NAMES[1], NAMES[2], NAMES[2]]
