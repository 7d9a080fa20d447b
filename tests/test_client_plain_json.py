"""Calls in plain JSON, as a service relays them: what SDK objects do, mappings do as well."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import tokenthrift
from made_secrets import made
from sdk_forms import (
    CHAT,
    MESSAGES,
    RESPONSES,
    WIRES,
    body_of,
    conversation,
    put_together,
    raw_text,
)
from tokenthrift.client import Account
from tokenthrift.client.drive import complete, complete_async
from tokenthrift.compress.recall_tool import NAME
from tokenthrift.ledger import MemoryLedger
from tokenthrift.serve.simulated import SimulatedProvider
from tokenthrift.serve.simulated_types import Answer, ToolCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

PATHS = {CHAT: "/chat/completions", RESPONSES: "/responses", MESSAGES: "/messages"}
KEY = made("github", 7)[0]
POLICY: dict[str, Any] = {
    "version": 1,
    "redact": {},
    "stages": [{"stage": "select", "keep": 0.2, "min_tokens": 50}],
    "recall": {"offer": True, "max_tokens": 300},
}
LINES = "\n".join(f"{n} stored by {KEY} of tenant {n % 7}" for n in range(300))


def script(body: Mapping[str, Any]) -> Answer:
    """Ask for what was cut, with a word before; then say a secret that is a placeholder."""
    text = json.dumps(body)
    if text.count(NAME) > 1:  # the tool, and its call
        return Answer(text="It is [secret-1].")
    wish = json.dumps({"id": text.rpartition("recall ")[2][:8]})
    return Answer(text="I look. ", tool_calls=(ToolCall(NAME, wish),))


@pytest.fixture(scope="module")
def scripted() -> Iterator[SimulatedProvider]:
    """A provider whose model recalls once."""
    with SimulatedProvider(answers=script) as running:
        yield running


@dataclass(frozen=True)
class Posted:
    """Posts JSON and gives JSON: a mapping, or an iterator over events."""

    url: str
    key: str

    def complete(self, _attempt: Any, body: Mapping[str, Any], /) -> Any:
        """The answer to a body."""
        headers = {"authorization": f"Bearer {self.key}"}
        reply = httpx.post(self.url, json=dict(body), headers=headers)
        reply.raise_for_status()
        return self._events(reply.text) if body.get("stream") else reply.json()

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response

    def _events(self, text: str) -> Iterator[Any]:
        for line in text.splitlines():
            if line.startswith("data: ") and not line.endswith("[DONE]"):
                yield json.loads(line.removeprefix("data: "))


@dataclass(frozen=True)
class AsyncPosted:
    """The same, awaited."""

    posted: Posted

    async def complete(self, attempt: Any, body: Mapping[str, Any], /) -> Any:
        """The answer to a body."""
        answer = self.posted.complete(attempt, body)
        return self._all(answer) if body.get("stream") else answer

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response

    async def _all(self, events: Any) -> AsyncIterator[Any]:
        for event in events:
            yield event


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("wire", WIRES)
async def test_recalls_and_secrets_in_plain_json(
    scripted: SimulatedProvider, wire: str, mode: str, *, stream: bool
) -> None:
    """One answer without placeholders or recalls, with a record of both requests."""
    account = Account(POLICY, MemoryLedger())
    key = f"sk-{wire}-{mode}-{stream}"
    transport = Posted(scripted.base_url + PATHS[wire], key)
    body = body_of(wire, conversation(wire, LINES, "Who stored 17?"), stream=stream)
    if mode == "sync":
        answer = complete(account, transport, body, wire)
        events = list(answer) if stream else []
    else:
        answer = await complete_async(account, AsyncPosted(transport), body, wire)
        events = [event async for event in answer] if stream else []
    events = [e for e in events if e.get("type") != "ping"]
    whole = put_together(wire, events) if stream else answer
    assert raw_text(wire, whole) == ("I look. " if stream else "") + f"It is {KEY}."
    assert NAME not in json.dumps([events, whole])
    assert "[secret-" not in json.dumps([events, whole])
    record = tokenthrift.receipt_of(answer).record
    assert record is not None
    assert [a.status for a in record.attempts] == ["recall", "ok"]
    sent = scripted.requests(key)
    assert [a.input_tokens for a in record.attempts] == [e.usage.input_tokens for e in sent]
    assert all(KEY not in e.raw.decode() for e in sent)
