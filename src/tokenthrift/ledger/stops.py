"""Places in a request where a cached prefix may end, for providers that cache on demand.

A prefix ends behind a tool or a part of a message; a mark there says how long it is to be kept.
Digests are of everything before, as those of blocks are, and marks are no part of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.ledger.prompt import DIGEST_BYTES
from tokenthrift.opaque import unmarked
from tokenthrift.tokens import message_framing, tool_prompt_tokens

if TYPE_CHECKING:
    from tokenthrift.types import Message, Part, Path, Request, TokenCounter

MARK: Final = "cache_control"
# Anthropic, "Prompt caching": five minutes, or an hour where the mark says so.
KEPT_S: Final = 300.0
HOUR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Stop:
    """A place where a prefix may end.

    Attributes:
        digest: of everything up to it.
        tokens: from the beginning of its block.
        kept_s: how long a mark asks for it to be kept; 0 without one.
    """

    digest: bytes
    tokens: int
    kept_s: float


def tool_stops(request: Request, count: TokenCounter) -> tuple[Stop, ...]:
    """Behind each tool."""
    found, tokens = [], tool_prompt_tokens(request)
    for n, text in enumerate(request.tools_text):
        tokens += count(text)
        digest = _digest(b"", [request.wire, *request.tools_text[: n + 1]])
        found.append(Stop(digest, tokens, _kept_s(request.body, ("tools", n))))
    whole = _asked_s(request.body)
    if found and whole and not request.messages:
        found[-1] = replace(found[-1], kept_s=found[-1].kept_s or whole)
    return tuple(found)


def message_stops(
    request: Request, message: Message, count: TokenCounter, block: tuple[bytes, bytes, int]
) -> tuple[Stop, ...]:
    """Behind each part of a message; its tool calls come last and count as one.

    Args:
        request: that it is of.
        message: one of its messages.
        count: tokens, as its model counts them.
        block: digest of everything before the message, and of it as well, and its tokens.
    """
    before, whole, block_tokens = block
    calls = [p for p in message.parts if p.type == "tool_call"]
    others = [p for p in message.parts if p.type != "tool_call"]
    ends = [*others, *calls[-1:]]
    bare = message_framing(replace(message, parts=()), count, request.model)
    found, tokens, said = [], bare, list[Any]()
    for part in ends[:-1]:
        tokens += _tokens(message, part, count, request.model, bare)
        said.append(part.text if part.text is not None else unmarked(part.raw))
        digest = _digest(before, [message.role, message.framing_text, said])
        found.append(Stop(digest, tokens, _kept_s(request.body, part.path)))
    last = message.path if not ends else ends[-1].path
    kept_s = _kept_s(request.body, last)
    if message is request.messages[-1]:
        kept_s = kept_s or _asked_s(request.body)
    return (*found, Stop(whole, block_tokens, kept_s))


def _tokens(message: Message, part: Part, count: TokenCounter, model: str, bare: int) -> int:
    if part.text is not None:
        return count(part.text)
    return message_framing(replace(message, parts=(part,)), count, model) - bare


def _kept_s(body: Mapping[str, Any], path: Path) -> float:
    """What the marks on the way to a place ask for."""
    value: Any = body
    for key in path:
        value = value[key]
        if isinstance(value, Mapping):
            asked = _asked_s(value) or _asked_s(value.get("function"))
            if asked:
                return asked
    return 0.0


def _asked_s(item: Any) -> float:
    mark = item.get(MARK) if isinstance(item, Mapping) else None
    if not isinstance(mark, Mapping):
        return 0.0
    return HOUR_S if mark.get("ttl") == "1h" else KEPT_S


def _digest(before: bytes, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=DIGEST_BYTES, key=before).digest()
