"""Prefix-cache accounting of the simulated provider: what was really sent before, token by token.

A prompt is rendered to one token sequence, as long as the tokens it is billed for, and hashed at
every block boundary. A later prompt of the same owner reads from the cache as many whole blocks as
it shares with something sent less than the lifetime ago. The cache keeps hashes, no text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b, shake_128
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.tokens import message_framing, request_framing, token_ids

if TYPE_CHECKING:
    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Message, Request

# OpenAI, "Prompt caching": prompts of 1024 tokens or more, hits in increments of 128 tokens, kept
# 5 to 10 minutes after the last use; ``prompt_cache_retention: "24h"`` keeps them for a day.
BLOCK_TOKENS: Final = 128
MIN_TOKENS: Final = 1024
TTL_S: Final = 300.0
EXTENDED_TTL_S: Final = 86_400.0

ID_BYTES: Final = 4
FILLER: Final = b"\xff" * ID_BYTES  # framing that has no token id of its own
MAX_ENTRIES: Final = 200_000  # block hashes per owner, about 25 million tokens


def render(request: Request, count: TiktokenCounter) -> bytes:
    """The prompt as one sequence of `ID_BYTES`-wide token ids: tools first, then the messages.

    Its length in ids is `tokens.count_request` by construction: each piece is as long as it is
    counted. The primed reply at the end is written like the head of the assistant message that
    will follow it, as it is in the real template.
    """
    tools = [_fit(_ids(count.encoding_name, t), count(t)) for t in request.tools_text]
    pieces = [*tools]
    for message in request.messages:
        pieces.extend(_message(message, count, request.model))
    primer = request_framing(request, count) - sum(map(len, tools)) // ID_BYTES
    pieces.append(_fit(_mark("assistant", ""), primer))
    return b"".join(pieces)


def prompt_seed(request: Request) -> bytes:
    """What stands before the prompt and is not counted, but breaks the prefix when it changes."""
    return _json(request.body.get("response_format")).encode("utf-8", "surrogatepass")


def _message(message: Message, count: TiktokenCounter, model: str) -> list[bytes]:
    """Head, then the parts in order, then the tool calls."""
    bare = replace(message, parts=())
    head_tokens = message_framing(bare, count, model)
    answered = tuple(p.call_id for p in message.parts if p.type != "tool_call" and p.call_id)
    pieces = [_fit(_mark(message.role, message.framing_text, *answered), head_tokens)]
    calls = tuple(p for p in message.parts if p.type == "tool_call")
    for part in message.parts:
        if part.type == "tool_call":
            continue
        if part.text is not None:
            pieces.append(_fit(_ids(count.encoding_name, part.text), count(part.text)))
            continue
        alone = message_framing(replace(message, parts=(part,)), count, model)
        tokens = alone - head_tokens
        raw = _json(part.raw).encode("utf-8", "surrogatepass")
        pieces.append(shake_128(raw).digest(ID_BYTES * max(tokens, 0)))
    if calls:
        tokens = message_framing(replace(message, parts=calls), count, model) - head_tokens
        text = _json([p.raw for p in calls])
        pieces.append(_fit(_ids(count.encoding_name, text), tokens))
    return pieces


@lru_cache(maxsize=1024)
def _ids(encoding_name: str, text: str) -> bytes:
    return token_ids(encoding_name)(text).tobytes()


def _mark(role: str, *names: str) -> bytes:
    return blake2b(
        "\0".join((role, *names)).encode("utf-8", "surrogatepass"), digest_size=4
    ).digest()


def _fit(ids: bytes, tokens: int) -> bytes:
    """Ids padded, or their end folded into one id, to make exactly ``tokens`` ids."""
    size = ID_BYTES * max(tokens, 0)
    if len(ids) <= size:
        return ids + FILLER * ((size - len(ids)) // ID_BYTES)
    if not size:
        return b""
    kept = size - ID_BYTES
    return ids[:kept] + blake2b(ids[kept:], digest_size=ID_BYTES).digest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(slots=True)
class PrefixCache:
    """Block hashes of the prompts that each owner (API key, model) sent, with their expiry."""

    block_tokens: int = BLOCK_TOKENS
    min_tokens: int = MIN_TOKENS
    _expiry: dict[tuple[str, str], dict[bytes, float]] = field(default_factory=dict)

    def read_and_write(
        self, owner: tuple[str, str], prompt: bytes, seed: bytes, now_s: float, ttl_s: float = TTL_S
    ) -> int:
        """Tokens of ``prompt`` that are read from the cache; afterwards all of it is in there.

        Args:
            owner: API key and model; caches of different owners never meet.
            prompt: a rendered prompt.
            seed: what precedes the prompt without being counted.
            now_s: the time of the request.
            ttl_s: how long the prompt stays after this use.
        """
        known = self._expiry.setdefault(owner, {})
        chain = blake2b(seed, digest_size=16)
        step = self.block_tokens * ID_BYTES
        cached = 0
        for end in range(step, len(prompt) + 1, step):
            chain.update(prompt[end - step : end])
            if end < self.min_tokens * ID_BYTES:
                continue
            digest = chain.digest()
            expires = known.pop(digest, None)
            if expires is not None and now_s < expires:
                cached = end // ID_BYTES
            known[digest] = max(now_s + ttl_s, expires or 0.0)
        for digest in list(known)[: max(0, len(known) - MAX_ENTRIES)]:
            del known[digest]
        return cached

    def forget(self, key: str) -> None:
        """Drop everything that an API key sent."""
        for owner in [o for o in self._expiry if o[0] == key]:
            del self._expiry[owner]
