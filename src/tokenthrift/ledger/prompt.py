"""A prompt as the tokens that a provider caches, piece by piece, and digests of where blocks end.

Providers that cache unasked hash whole blocks of tokens, wherever messages begin. A piece is made
into tokens only when a block ends inside it and nobody remembers the digests; its text has just
been counted then, so its ids are at hand. Digests are kept, no text and no ids.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tokenthrift.encodings import encoding, token_ids
from tokenthrift.opaque import as_json, unmarked
from tokenthrift.tokens import (
    REPLY_TOKENS,
    SHORT_TEXT,
    TiktokenCounter,
    message_framing,
    tool_prompt_tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tokenthrift.encodings import IdArray
    from tokenthrift.types import Message, Part, Request, TokenCounter

DIGEST_BYTES: Final = 16
FILLER: Final = 0xFFFF_FFFF  # framing that has no token of its own
ENDS_HELD: Final = 262_144  # 33 million tokens in blocks of 128; about 25 MB

OPENAI_WIRES: Final = {"openai-chat": "response_format", "openai-responses": "text"}
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Piece:
    """The tokens of a message, or of the tools; made when they are asked for.

    Attributes:
        before: digest of everything before it.
        model: whose tokens they are.
        make: (tokens,) uint32 ids, as many as are counted.
    """

    before: bytes
    model: str
    make: Callable[[], IdArray]


def tool_piece(request: Request, count: TokenCounter, before: bytes) -> Piece | None:
    """What stands before the messages; None where the counter knows no ids."""
    if not isinstance(count, TiktokenCounter):
        return None

    def make() -> IdArray:
        said = np.full(tool_prompt_tokens(request), FILLER, np.uint32)
        return np.concatenate([said, *(_ids(text, count) for text in request.tools_text)])

    return Piece(before, request.model, make)


def message_piece(message: Message, count: TokenCounter, model: str, before: bytes) -> Piece | None:
    """A message: its head, then its parts, then its tool calls."""
    if not isinstance(count, TiktokenCounter):
        return None

    def make() -> IdArray:
        bare = message_framing(replace(message, parts=()), count, model)
        answered = [p.call_id for p in message.parts if p.call_id and p.type != "tool_call"]
        found = [_head(bare, message.role, message.framing_text, *answered)]
        calls = [unmarked(p.raw) for p in message.parts if p.type == "tool_call"]
        for part in message.parts:
            if part.type == "tool_call":
                continue
            if part.text is not None:
                found.append(_ids(part.text, count))
            else:
                found.append(_opaque(message, part, count, model, bare))
        if calls:
            found.append(_ids(as_json(calls), count))
        return np.concatenate(found)

    return Piece(before, model, make)


def reply_ids() -> IdArray:
    """The end of a prompt: the first tokens of the answer, as they stand when it is sent back."""
    return _head(REPLY_TOKENS, "assistant", "")


def shape_of(request: Request) -> Any:
    """The shape of the answer, which stands before the prompt and is not counted.

    Source: OpenAI, "Prompt caching": a schema serves as a prefix to the system message.
    """
    key = OPENAI_WIRES.get(request.wire)
    return None if key is None else request.body.get(key)


def asked_s(request: Request) -> float:
    """How long a request asks for all of its prompt to be kept; 0 where it says nothing."""
    kept = request.wire in OPENAI_WIRES and request.body.get("prompt_cache_retention") == "24h"
    return DAY_S if kept else 0.0


def _ids(text: str, count: TiktokenCounter) -> IdArray:
    """Ids of a text; where the count is an estimate, stretched to as many as are counted."""
    if len(text) > SHORT_TEXT:
        ids = token_ids(count.encoding_name)(text)
    else:
        ids = np.asarray(encoding(count.encoding_name).encode_ordinary(text), np.uint32)
    if count.exact or not len(ids):
        return ids
    places = (np.arange(count(text)) / count.factor).astype(np.int64)
    return ids[np.minimum(places, len(ids) - 1)]


def _head(tokens: int, *names: str) -> IdArray:
    """Framing: its first token tells it from others."""
    ids = np.full(tokens, FILLER, np.uint32)
    ids[:1] = _mark("\0".join(names))
    return ids


def _opaque(message: Message, part: Part, count: TiktokenCounter, model: str, bare: int) -> IdArray:
    """An item without text: it is the same, or all of it is another."""
    tokens = message_framing(replace(message, parts=(part,)), count, model) - bare
    return np.full(max(tokens, 0), _mark(as_json(unmarked(part.raw))), np.uint32)


def _mark(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=4).digest(), "little")


# ------------------------------------------------------------------------------------- block ends
def block_ends(before: bytes, start: int, ids: IdArray, block_tokens: int) -> tuple[bytes, ...]:
    """Digests of a prompt up to each end of a block in a piece.

    Args:
        before: digest of what stands before the piece.
        start: tokens before it.
        ids: its tokens.
        block_tokens: of a block; blocks are laid from the start of the prompt.
    """
    chain, digests, done = blake2b(digest_size=DIGEST_BYTES, key=before), [], 0
    data = ids.astype("<u4").tobytes()
    for end in range(block_tokens - start % block_tokens, len(ids) + 1, block_tokens):
        chain.update(data[4 * done : 4 * end])
        digests.append(chain.digest())
        done = end
    return tuple(digests)


class BlockEnds:
    """The block ends of pieces, by their digests; the last ones are remembered. Thread-safe."""

    def __init__(self, held: int = ENDS_HELD) -> None:
        self._held = held
        self._known: OrderedDict[tuple[bytes, str, int], tuple[bytes, ...]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def of(self, piece: Piece, digest: bytes, start: int, block_tokens: int) -> tuple[bytes, ...]:
        """As `block_ends`, of a piece up to whose end a prompt has this digest."""
        key = (digest, piece.model, block_tokens)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        made = block_ends(piece.before, start, piece.make(), block_tokens)
        with self._lock:
            if key not in self._known:
                self._known[key] = made
                self._size += 1 + len(made)
            while self._size > self._held:
                self._size -= 1 + len(self._known.popitem(last=False)[1])
        return made


class Lifetimes:
    """When digests are forgotten, by the clock or for want of room: two generations of them.

    What is kept goes to the younger; when that is full the older one is dropped as a whole. So
    between ``held / 2`` and ``held`` of the last used are remembered, at no cost for the order.
    """

    def __init__(self, held: int = ENDS_HELD) -> None:
        self._held = held
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}
        self._latest_s = float("-inf")

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def keep(self, digests: Iterable[bytes], until_s: float) -> None:
        """Remember digests at least until then; a late thread does not turn time back."""
        kept = dict.fromkeys(digests, until_s)
        if until_s < self._latest_s:
            kept = {d: max(until_s, self.until_s(d)) for d in kept}
        self._latest_s = max(self._latest_s, until_s)
        self._young.update(kept)
        if len(self._young) > self._held // 2:
            self._old, self._young = self._young, {}

    def until_s(self, digest: bytes) -> float:
        """When a digest ends; minus infinity for one that is not known."""
        found = self._young.get(digest)
        return self._old.get(digest, float("-inf")) if found is None else found
