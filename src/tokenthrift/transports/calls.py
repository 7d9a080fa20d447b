"""Tool calls in answers of Chat Completions SDKs: read them, and take ours out again.

Duck-typed, as in `answers`. What is taken out is a call that the caller never offered; nothing else
of an answer is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenthrift.transports.answers import at, body_of

# What a message must bring back to the provider beside its text and calls (Anthropic's thinking).
CARRIED: Final = ("thinking_blocks",)
ENCODED: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said in an answer that calls tools.

    Attributes:
        message: the assistant message without its calls, as it is sent back.
        calls: its calls, in order, as they are sent back.
    """

    message: Mapping[str, Any]
    calls: tuple[Mapping[str, Any], ...]

    def named(self, name: str) -> Said:
        """The same with the calls of one tool only."""
        return Said(self.message, tuple(c for c in self.calls if name_of(c) == name))


def name_of(call: Any) -> str:
    """The name of the function that a call (or a piece of one) calls."""
    return str(at(at(call, "function"), "name") or "")


def said_in(response: Any) -> Said | None:
    """What an answer with tool calls says; None where there are none, and for open streams."""
    if response is None or hasattr(response, "__next__") or hasattr(response, "__anext__"):
        return None
    for choice in at(body_of(response), "choices") or ():
        message = at(choice, "message")
        calls = tuple(plain_call(c) for c in at(message, "tool_calls") or ())
        if calls:
            carried = {k: at(message, k) for k in CARRIED if at(message, k)}
            content = at(message, "content") or None
            return Said({"role": "assistant", "content": content, **carried}, calls)
    return None


def plain_call(call: Any) -> dict[str, Any]:
    """A call as plain data, without what SDKs add to it."""
    if not isinstance(call, Mapping):
        call = call.model_dump(exclude_none=True, warnings=False)
    made = {k: v for k, v in call.items() if k != "index" and v is not None}
    function = made.get("function")
    if isinstance(function, Mapping):
        made["function"] = {k: v for k, v in function.items() if k != "parsed_arguments"}
    return made


def without_calls(response: Any, name: str) -> None:
    """Take the calls of a tool out of an answer, in place."""
    rewritten(response, lambda choice: _strip(choice, name))


def rewritten(response: Any, change: Callable[[Any], None]) -> None:
    """Change the choices of an answer in place; of a raw one (``with_raw_response``) its JSON."""
    raw = getattr(response, "http_response", None)
    body = body_of(response)
    for choice in at(body, "choices") or ():
        change(choice)
    if raw is None or body is None:
        return
    response.http_response = type(raw)(
        raw.status_code,
        headers=[(k, v) for k, v in raw.headers.multi_items() if k.lower() not in ENCODED],
        content=json.dumps(body).encode(),
        request=raw.request,
    )


def _strip(choice: Any, name: str) -> None:
    message = at(choice, "message")
    calls = list(at(message, "tool_calls") or ())
    kept = [c for c in calls if name_of(c) != name]
    if len(kept) == len(calls):
        return
    put(message, "tool_calls", kept or None)
    if not kept and at(choice, "finish_reason") == "tool_calls":
        put(choice, "finish_reason", "stop")


def put(owner: Any, name: str, value: Any) -> None:
    """Set a key or an attribute."""
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)
