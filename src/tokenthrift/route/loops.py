"""Whether a conversation goes round in circles: the same call, or nearly the same request, again.

Read from the request alone, so every replica sees the same. Results are not looked at: a model that
polls is seen as well, which is why the guard is off until a policy asks for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenthrift.route.routing import Loops
    from tokenthrift.types import Message, Request

WORD: Final = re.compile(r"\w+")
# Share of words, as a set, that two requests must have in common to be nearly the same.
NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Circle:
    """What comes again.

    Attributes:
        what: ``call`` or ``request``.
        times: how many times in a row.
        name: of the tool that is called; empty for a request.
    """

    what: str
    times: int
    name: str = ""

    def __str__(self) -> str:
        """In words, without any text of the conversation but the tool's name."""
        if self.what == "call":
            return f"{self.name or 'a tool'} was called {self.times} times with the same arguments"
        return f"{self.times} requests in a row say nearly the same"


def circle_of(request: Request, loops: Loops) -> Circle | None:
    """The circle that a conversation is in; None where it goes on."""
    if loops.then == "off":
        return None
    calls, names = _same_calls(request)
    if calls >= loops.same_call:
        return Circle("call", calls, names)
    asked = _same_requests(request)
    if asked >= loops.same_request:
        return Circle("request", asked)
    return None


def _same_calls(request: Request) -> tuple[int, str]:
    """How many of the latest assistant messages call the same tools with the same arguments."""
    latest: tuple[tuple[str, str], ...] | None = None
    times = 0
    for message in reversed(request.messages):
        if message.role == "user" and any(p.type == "text" for p in message.parts):
            break  # somebody asked something new
        if message.role != "assistant":
            continue
        calls = _calls(message)
        if not calls or (latest is not None and calls != latest):
            break
        latest = calls
        times += 1
    return times, ", ".join(dict.fromkeys(name for name, _ in latest or ()))


def _calls(message: Message) -> tuple[tuple[str, str], ...]:
    return tuple(
        (p.name or "", canonical(p.text or "")) for p in message.parts if p.type == "tool_call"
    )


def canonical(arguments: str) -> str:
    """Arguments in one spelling: JSON with sorted keys; as they are where they are none."""
    try:
        value: Any = json.loads(arguments)
    except ValueError:
        return arguments.strip()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _same_requests(request: Request) -> int:
    """How many of the latest user messages say nearly the same as the last one."""
    texts = [
        " ".join(p.text for p in m.parts if p.type == "text" and p.text)
        for m in request.messages
        if m.role == "user"
    ]
    texts = [t for t in texts if t.strip()]
    if not texts:
        return 0
    last = _words(texts[-1])
    times = 0
    for text in reversed(texts):
        if not _alike(last, _words(text)):
            break
        times += 1
    return times


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text.casefold())) or frozenset({text.strip()})


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    return len(left & right) >= NEARLY * len(left | right)
