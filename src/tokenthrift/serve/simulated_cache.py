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

from tokenthrift.opaque import unmarked
from tokenthrift.tokens import message_framing, request_framing, token_ids, tool_prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Message, Path, Request

# OpenAI, "Prompt caching": prompts of 1024 tokens or more, hits in increments of 128 tokens, kept
# 5 to 10 minutes after the last use; ``prompt_cache_retention: "24h"`` keeps them for a day.
BLOCK_TOKENS: Final = 128
MIN_TOKENS: Final = 1024
TTL_S: Final = 300.0
EXTENDED_TTL_S: Final = 86_400.0

# Anthropic, "Prompt caching": up to marked blocks, kept 5 minutes or an hour; a hit is looked for
# at the mark and up to 20 blocks before it, each of which is two pieces here at most.
HOUR_TTL_S: Final = 3_600.0
LOOK_BACK: Final = 2 * 20

ID_BYTES: Final = 4
FILLER: Final = b"\xff" * ID_BYTES  # framing that has no token id of its own
MAX_ENTRIES: Final = 200_000  # block hashes per owner, about 25 million tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the prompt, and where in the body it stands."""

    ids: bytes
    path: Path


def pieces_of(request: Request, count: TiktokenCounter) -> list[Piece]:
    """The prompt in pieces of `ID_BYTES`-wide token ids: tools first, then the messages.

    Together they are `tokens.count_request` ids long by construction: each is as long as it is
    counted. The primed reply at the end is written like the head of the assistant message that
    will follow it, as it is in the real template.
    """
    before = tool_prompt_tokens(request)
    pieces = [Piece(_fit(b"", before), ())] if before else []
    for n, text in enumerate(request.tools_text):
        pieces.append(Piece(_fit(_ids(count.encoding_name, text), count(text)), ("tools", n)))
    primer = request_framing(request, count) - sum(len(p.ids) for p in pieces) // ID_BYTES
    for message in request.messages:
        pieces.extend(_message(message, count, request.model))
    pieces.append(Piece(_fit(_mark("assistant", ""), primer), ()))
    return pieces


def render(request: Request, count: TiktokenCounter) -> bytes:
    """The prompt as one sequence of ids."""
    return b"".join(piece.ids for piece in pieces_of(request, count))


def prompt_seed(request: Request) -> bytes:
    """What stands before the prompt and is not counted, but breaks the prefix when it changes."""
    body = request.body
    wanted = body.get("text") if request.wire == "openai-responses" else body.get("response_format")
    return _json(wanted).encode("utf-8", "surrogatepass")


def _message(message: Message, count: TiktokenCounter, model: str) -> list[Piece]:
    """Head, then the parts in order, then the tool calls."""
    bare = replace(message, parts=())
    head_tokens = message_framing(bare, count, model)
    answered = tuple(p.call_id for p in message.parts if p.type != "tool_call" and p.call_id)
    head = _fit(_mark(message.role, message.framing_text, *answered), head_tokens)
    pieces = [Piece(head, message.path)]
    calls = tuple(p for p in message.parts if p.type == "tool_call")
    for part in message.parts:
        if part.type == "tool_call":
            continue
        if part.text is not None:
            ids = _fit(_ids(count.encoding_name, part.text), count(part.text))
            pieces.append(Piece(ids, part.path))
            continue
        alone = message_framing(replace(message, parts=(part,)), count, model)
        tokens = alone - head_tokens
        raw = _json(unmarked(part.raw)).encode("utf-8", "surrogatepass")
        pieces.append(Piece(shake_128(raw).digest(ID_BYTES * max(tokens, 0)), part.path))
    if calls:
        tokens = message_framing(replace(message, parts=calls), count, model) - head_tokens
        text = _json([unmarked(p.raw) for p in calls])
        pieces.append(Piece(_fit(_ids(count.encoding_name, text), tokens), calls[-1].path))
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


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the prompt cache did with a request, in tokens; ``hour`` are those written for long."""

    read: int = 0
    write: int = 0
    hour: int = 0


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

    def read_and_write_marked(
        self,
        owner: tuple[str, str],
        pieces: Sequence[bytes],
        marks: Mapping[int, float],
        now_s: float,
    ) -> CacheUse:
        """What is read up to the marks of a prompt, and what is written up to the last of them.

        Args:
            owner: API key and model.
            pieces: of the rendered prompt.
            marks: seconds that a prefix is to be kept, by the number of the piece it ends with.
            now_s: the time of the request.
        """
        known = self._expiry.setdefault(owner, {})
        chain = blake2b(b"marked", digest_size=16)
        digests, ends, end = [], [], 0
        for piece in pieces:
            chain.update(piece)
            end += len(piece) // ID_BYTES
            digests.append(chain.digest())
            ends.append(end)
        usable = [n for n in sorted(marks) if ends[n] >= self.min_tokens]
        if not usable:
            return CacheUse()
        read = 0
        for mark in reversed(usable):
            near = range(mark, max(-1, mark - LOOK_BACK), -1)
            hits = [ends[n] for n in near if known.get(digests[n], 0.0) > now_s]
            if hits:
                read = hits[0]
                break
        for mark in usable:
            kept = known.get(digests[mark], 0.0)
            known[digests[mark]] = max(kept, now_s + marks[mark])
        hours = [ends[n] for n in usable if marks[n] > TTL_S]
        write = max(0, ends[usable[-1]] - read)
        return CacheUse(read, write, min(write, max(0, max(hours, default=0) - read)))

    def forget(self, key: str) -> None:
        """Drop everything that an API key sent."""
        for owner in [o for o in self._expiry if o[0] == key]:
            del self._expiry[owner]
