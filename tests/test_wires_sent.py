"""Planned loops of both wires, sent through the real SDKs to the simulated provider.

It refuses torn pairs, altered thinking or reasoning, and blank texts, as the real ones do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anthropic
import openai
import pytest

from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.route import Routing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.policy import Policy
    from tokenthrift.serve.simulated import SimulatedProvider

STEPS: Final = 6
SCHEMA: Final = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
HEADERS: Final = {"x-simulate-tool-calls": "read,read", "x-simulate-reasoning-tokens": "20"}
CATALOG: Final = load_catalog()
POLICIES: Final = {
    "off": load_policy("off"),
    "balanced": load_policy("balanced"),
    "frugal": load_policy("frugal").model_copy(update={"routing": Routing()}),
    "budget": load_policy(
        {
            "name": "budget",
            "floor_tokens": 20,
            "budget": {"hard_tokens": 2_200, "on_over_budget": "trim"},
            "stages": [{"stage": "select", "keep": 0.4, "min_tokens": 40}],
        }
    ),
}
EACH = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def result(step: int, call: int) -> str:
    """What a tool answers: a log with one error."""
    rows = [
        f"10:{n % 60:02} INFO worker {step}.{call} did {n} in {n * 7 % 91} ms" for n in range(90)
    ]
    rows[41] = f"10:41 ERROR worker {step}.{call} lost the lock"
    return "\n".join(rows)


def sent(body: dict[str, Any], name: str, policy: Policy) -> dict[str, Any]:
    """What the plan of a body says to send, as keyword arguments."""
    made = plan(wire.read(body, name), policy, catalog=CATALOG)
    if policy.name == "budget":
        assert made.tokens_after <= 4_000
    return dict(made.body)


@EACH
def test_a_messages_loop_is_accepted_and_cached(
    policy: Policy, provider: SimulatedProvider, api_key: str
) -> None:
    """Calls in parallel with thinking, text beside results, a mark that moves to the newest."""
    body: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 2_048,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
        "system": [{"type": "text", "text": "You are a careful operator. " * 20}],
        "tools": [{"name": "read", "input_schema": SCHEMA}],
        "messages": [{"role": "user", "content": "Who lost the lock? " * 30}],
    }
    reads = []
    with anthropic.Anthropic(base_url=provider.root_url, api_key=api_key, max_retries=0) as client:
        for step in range(STEPS):
            message = client.messages.create(
                **sent(body, "anthropic-messages", policy), extra_headers=HEADERS
            )
            reads.append(message.usage.cache_read_input_tokens)
            blocks = [b.model_dump(exclude_none=True) for b in message.content]
            ids = [b["id"] for b in blocks if b["type"] == "tool_use"]
            results: list[Any] = [
                {"type": "tool_result", "tool_use_id": i, "content": result(step, n)}
                for n, i in enumerate(ids)
            ]
            results.append({"type": "text", "text": f"step {step} is over"})
            for earlier in body["messages"]:
                if isinstance(earlier["content"], list):
                    earlier["content"][-1].pop("cache_control", None)
            results[-1]["cache_control"] = {"type": "ephemeral"}
            body["messages"] += [
                {"role": "assistant", "content": blocks},
                {"role": "user", "content": results},
            ]
        final = client.messages.create(**sent(body, "anthropic-messages", policy))
    assert final.stop_reason == "end_turn"
    last = plan(wire.read(body, "anthropic-messages"), policy, catalog=CATALOG)
    assert (last.tokens_after < 0.8 * last.tokens_before) is (policy.name != "off")
    assert bool(last.draft.removed) is (policy.name == "budget")
    if policy.name != "budget":  # no compaction: each turn reads all that the one before wrote
        assert all(n > 0 for n in reads[3:])
        assert reads[1:] == sorted(reads[1:])


@EACH
@pytest.mark.parametrize("stored", [False, True])
def test_a_responses_loop_is_accepted_and_cached(
    policy: Policy, provider: SimulatedProvider, api_key: str, *, stored: bool
) -> None:
    """With sealed reasoning sent back each time, or going on from what is stored."""
    body: dict[str, Any] = {
        "model": "gpt-4.1-mini",
        "store": stored,
        "instructions": "You are a careful operator. " * 20,
        "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "read", "parameters": SCHEMA, "strict": False}],
        "input": [{"role": "user", "content": "Who lost the lock? " * 30}],
    }
    cached = []
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key, max_retries=0) as client:
        create: Callable[..., Any] = client.responses.create
        for step in range(STEPS):
            response = create(**sent(body, "openai-responses", policy), extra_headers=HEADERS)
            cached.append(response.usage.input_tokens_details.cached_tokens)
            items = [i.model_dump(exclude_none=True) for i in response.output]
            ids = [i["call_id"] for i in items if i["type"] == "function_call"]
            outputs = [
                {"type": "function_call_output", "call_id": i, "output": result(step, n)}
                for n, i in enumerate(ids)
            ]
            if stored:
                body |= {"previous_response_id": response.id, "input": outputs}
            else:
                body["input"] = [*body["input"], *items, *outputs]
        final = create(**sent(body, "openai-responses", policy))
    assert final.status == "completed"
    if not stored:
        last = plan(wire.read(body, "openai-responses"), policy, catalog=CATALOG)
        assert (last.tokens_after < 0.8 * last.tokens_before) is (policy.name != "off")
    if policy.name != "budget":
        assert all(n > 0 for n in cached[2:])
        assert cached == sorted(cached)


def test_savings_are_those_of_chat() -> None:
    """The same loop costs about the same input tokens on every wire, planned by one policy."""
    calls = [(f"c{s}{n}", result(s, n)) for s in range(4) for n in range(2)]
    ask = {"role": "user", "content": "Who lost the lock?"}
    chat: list[Any] = [ask]
    items: list[Any] = [ask]
    messages: list[Any] = [ask]
    for s in range(0, 8, 2):
        pair = calls[s : s + 2]
        function = {"name": "read", "arguments": "{}"}
        made = [{"id": i, "type": "function", "function": function} for i, _ in pair]
        chat.append({"role": "assistant", "content": None, "tool_calls": made})
        chat += [{"role": "tool", "tool_call_id": i, "content": t} for i, t in pair]
        items += [{"type": "function_call", "call_id": i, **function} for i, _ in pair]
        items += [{"type": "function_call_output", "call_id": i, "output": t} for i, t in pair]
        uses = [{"type": "tool_use", "id": i, "name": "read", "input": {}} for i, _ in pair]
        messages.append({"role": "assistant", "content": uses})
        found = [{"type": "tool_result", "tool_use_id": i, "content": t} for i, t in pair]
        messages.append({"role": "user", "content": found})
    shares = []
    for name, body in (
        ("openai-chat", {"messages": chat}),
        ("openai-responses", {"input": items}),
        ("anthropic-messages", {"messages": messages, "max_tokens": 9}),
    ):
        made_plan = plan(
            wire.read({"model": "gpt-4.1", **body}, name), POLICIES["balanced"], catalog=CATALOG
        )
        shares.append(made_plan.tokens_after / made_plan.tokens_before)
    assert max(shares) < 0.8
    assert max(shares) - min(shares) < 0.02
