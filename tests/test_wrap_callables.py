"""`wrap` around functions of chat shape, and around litellm's routers."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import tokenthrift
from litellm_clients import LITELLM_MARKS, close_litellm
from sdk_forms import CHAT, body_of, conversation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tokenthrift.serve.simulated import SimulatedProvider

# litellm leaves event loops, sockets and threads to the garbage collector.
pytestmark = LITELLM_MARKS
BODY = body_of(CHAT)
OFFERED: dict[str, Any] = {
    "version": 1,
    "stages": [{"stage": "select", "keep": 0.3}],
    "recall": {"offer": True},
}
REDACTED: dict[str, Any] = {"version": 1, "redact": {"patterns": {"worker": r"item (\d+)"}}}


def events(text: str) -> list[Any]:
    """The chunks in a body of server-sent events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.fixture
def plainly(provider: SimulatedProvider, api_key: str) -> Callable[..., Any]:
    """A function of one's own that posts JSON and gives JSON."""

    def ask(model: str, messages: list[Any], *, stream: bool = False, **more: Any) -> Any:
        """Ask a model."""
        body = {"model": model, "messages": messages, "stream": stream, **more}
        reply = httpx.post(
            f"{provider.base_url}/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {api_key}"},
        )
        reply.raise_for_status()
        return iter_of(events(reply.text)) if stream else reply.json()

    return ask


def iter_of(chunks: list[Any]) -> Iterator[Any]:
    """Chunks, one after the other."""
    yield from chunks


async def aiter_of(chunks: list[Any]) -> AsyncIterator[Any]:
    """The same, awaited."""
    for chunk in chunks:
        yield chunk


@pytest.fixture
def plainly_async(plainly: Callable[..., Any]) -> Callable[..., Any]:
    """The same, awaited."""

    async def ask(model: str, messages: list[Any], *, stream: bool = False, **more: Any) -> Any:
        """Ask a model."""
        made = plainly(model, messages, stream=stream, **more)
        return aiter_of(list(made)) if stream else made

    return ask


@pytest.mark.parametrize("policy", ["off", "balanced", OFFERED])
def test_a_function_is_planned_and_gives_what_it_gives(
    provider: SimulatedProvider, api_key: str, plainly: Callable[..., Any], policy: Any
) -> None:
    """Whole and streamed JSON arrives as without the wrapper, with a true record of each."""
    ask = tokenthrift.wrap(plainly, policy)
    assert (ask.__name__, inspect.signature(ask)) == ("ask", inspect.signature(plainly))
    answer, bare = ask(**BODY), plainly(**BODY)
    assert isinstance(answer, dict)
    assert answer["choices"] == bare["choices"]
    assert json.loads(json.dumps(answer)).keys() == bare.keys()
    stream = ask(BODY["model"], BODY["messages"], stream=True, tools=BODY["tools"])
    chunks, plain = list(stream), list(plainly(**BODY, stream=True))
    assert [c["choices"] for c in chunks] == [c["choices"] for c in plain]
    assert not any(c.get("usage") for c in chunks)
    first, _, second, _ = provider.requests(api_key)
    records = list(tokenthrift.account_of(ask).ledger.records())
    assert [r.attempts[0].input_tokens for r in records] == [
        first.usage.input_tokens,
        second.usage.input_tokens,
    ]
    assert [r.attempts[0].estimated for r in records] == [False, policy == "off"]
    assert tokenthrift.receipt_of(answer).record == records[0]
    assert tokenthrift.receipt_of(stream).record == records[1]
    if policy != "off":
        assert len(first.raw) < 0.8 * len(json.dumps(conversation(CHAT)))


@pytest.mark.parametrize("policy", ["off", "balanced", OFFERED])
async def test_an_awaited_function_is_too(plainly_async: Callable[..., Any], policy: Any) -> None:
    """Coroutine functions and the async generators that they give."""
    ask = tokenthrift.wrap(plainly_async, policy)
    assert inspect.iscoroutinefunction(ask)
    answer = await ask(**BODY)
    chunks = [c async for c in await ask(**BODY, stream=True)]
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert said == answer["choices"][0]["message"]["content"]
    left = await ask(**BODY, stream=True)
    await anext(left)
    await left.aclose()
    records = tokenthrift.account_of(ask).ledger.records()
    assert [r.status for r in records] == ["ok", "ok", "cancelled"]


def test_secrets_are_put_back_into_plain_json(
    provider: SimulatedProvider, api_key: str, plainly: Callable[..., Any]
) -> None:
    """What a function sends holds placeholders; its JSON, whole or in chunks, does not."""
    ask = tokenthrift.wrap(plainly, REDACTED)
    body = {"model": BODY["model"], "messages": [{"role": "user", "content": "Where is item 700?"}]}
    whole = ask(**body)["choices"][0]["message"]["content"]
    chunks = list(ask(**body, stream=True))
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert whole == said
    assert whole.endswith("Where is item 700?")
    assert all("700" not in e.raw.decode() for e in provider.requests(api_key))


def test_a_function_gets_what_it_takes() -> None:
    """Options of the call stay here, and no argument is added that the function has not got."""
    seen: list[Any] = []

    def small(messages: Any, model: str, stream: bool = False) -> Any:  # noqa: FBT001, FBT002
        """No more than it must take; its answer is an object."""
        seen.append((model, stream, messages))
        message = SimpleNamespace(content="Hello", tool_calls=None)
        choices = [SimpleNamespace(message=message, finish_reason="stop")]
        chunk = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
        return iter_of([chunk]) if stream else SimpleNamespace(choices=choices)

    ask = tokenthrift.wrap(small, tags={"app": "a"})
    answer = ask(BODY["messages"], model="gpt-4o", tokenthrift={"off": True, "tags": {"b": "c"}})
    assert seen[0] == ("gpt-4o", False, BODY["messages"])
    assert tokenthrift.receipt_of(answer).record.tags == {"app": "a", "b": "c"}
    assert [c["choices"][0]["delta"]["content"] for c in ask([], model="m", stream=True)] == [
        "Hello"
    ]
    with pytest.raises(TypeError, match="must take tools="):
        tokenthrift.wrap(small, OFFERED)
    with pytest.raises(ValueError, match="unknown option 'tag'"):
        ask([], model="m", tokenthrift={"tag": {}})


def test_errors_of_a_function_are_its_own() -> None:
    """What it raises comes through as it is, with one record."""

    def broken(model: str, messages: Any) -> Any:
        """Fail."""
        raise ZeroDivisionError

    ask = tokenthrift.wrap(broken)
    with pytest.raises(ZeroDivisionError):
        ask(model="gpt-4o", messages=BODY["messages"])
    (record,) = tokenthrift.account_of(ask).ledger.records()
    assert (record.status, record.error) == ("error", "ZeroDivisionError")


def test_what_has_no_chat_shape_is_no_client() -> None:
    """Functions of other shapes, and those wrapped already, are refused with what is expected."""

    async def pieces(model: str, messages: Any) -> AsyncIterator[Any]:
        """Stream without being asked."""
        yield model, messages

    for thing in (print, lambda prompt: prompt, pieces):
        with pytest.raises(TypeError, match=r"takes model= and messages="):
            tokenthrift.wrap(thing)
    ask = tokenthrift.wrap(lambda model, messages: (model, messages))
    with pytest.raises(TypeError, match="wrapped already"):
        tokenthrift.wrap(ask)


# ----------------------------------------------------------------------------------------- litellm
@pytest.fixture
def router(litellm: Any, provider: SimulatedProvider, api_key: str) -> Any:
    """A router with one deployment, on the simulated provider."""
    reach = {"api_base": provider.base_url, "api_key": api_key, "max_retries": 0}
    params = {"model": "openai/gpt-4o-mini", **reach}
    return litellm.Router(
        model_list=[{"model_name": "gpt-4o-mini", "litellm_params": params}], num_retries=0
    )


def test_a_router_is_wrapped(
    litellm: Any, router: Any, provider: SimulatedProvider, api_key: str
) -> None:
    """Completions of a router, whole and streamed, are planned; the rest is the router's."""
    wrapped = tokenthrift.wrap(router)
    assert isinstance(wrapped, litellm.Router)
    assert wrapped.model_list == router.model_list
    plain, answer = router.completion(**BODY), wrapped.completion(**BODY)
    assert type(answer) is type(plain)
    assert answer.choices[0].message.content == plain.choices[0].message.content
    chunks = list(wrapped.completion(**BODY, stream=True, tokenthrift={"tags": {"a": "b"}}))
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == answer.choices[0].message.content
    bare, first, second = provider.requests(api_key)
    assert len(first.raw) < 0.8 * len(bare.raw)
    records = list(tokenthrift.account_of(wrapped).ledger.records())
    assert [r.attempts[0].input_tokens for r in records] == [
        first.usage.input_tokens,
        second.usage.input_tokens,
    ]
    assert records[1].tags == {"a": "b"}
    with pytest.raises(TypeError, match="wrapped already"):
        tokenthrift.wrap(wrapped)


async def test_a_router_is_wrapped_awaited(router: Any) -> None:
    """``acompletion``, whole and streamed."""
    wrapped = tokenthrift.wrap(router, OFFERED)
    answer = await wrapped.acompletion(**BODY)
    chunks = [c async for c in await wrapped.acompletion(**BODY, stream=True)]
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == answer.choices[0].message.content
    records = tokenthrift.account_of(wrapped).ledger.records()
    assert [(r.status, r.savings.net_nanos > 0) for r in records] == [("ok", True)] * 2
    await close_litellm()


def test_litellms_other_endpoints_pass_through(
    litellm: Any, provider: SimulatedProvider, api_key: str
) -> None:
    """``litellm.responses`` and ``anthropic_messages`` are the module's own."""
    wrapped = tokenthrift.wrap(litellm)
    assert wrapped.responses is litellm.responses
    assert wrapped.anthropic_messages is litellm.anthropic_messages
    reach = {"api_base": provider.base_url, "api_key": api_key}
    answer = wrapped.completion(**BODY, **reach, tokenthrift={"session": "s"})
    assert "tokenthrift" not in provider.requests(api_key)[0].body
    assert tokenthrift.receipt_of(answer).record.session == "s"
