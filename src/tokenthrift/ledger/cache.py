"""A model of the provider's prompt cache, on fingerprints of what was sent.

A request is a tuple of `Block`s: tools and framing first, then one per message, each digest chained
to the one before, so that equal digests mean equal prefixes. Prefixes find themselves, as at the
providers; no session is needed and no text is kept. It is a counterfactual, not a promise: where a
provider reports its cache, the report is billed and this model only serves the other branch.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Final

from tokenthrift.canonical import canonical
from tokenthrift.ledger.stops import Stop, message_stops, tool_stops
from tokenthrift.opaque import unmarked
from tokenthrift.tokens import REPLY_TOKENS, message_framing, request_framing
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenthrift.catalog import CacheRule, ModelCard
    from tokenthrift.types import Message, Request, TokenCounter

DIGEST_BYTES: Final = 16  # 2**64 prefixes before a collision is likely
LOOK_BACK: Final = 20  # blocks before a mark. Source: Anthropic, "Prompt caching"
MAX_PREFIXES: Final = 65_536  # about 15 MB; a thousand live conversations of 65 messages


# ------------------------------------------------------------------------------------ fingerprints
@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a request: the digest of everything up to its end, and its own tokens.

    Attributes:
        stops: where in it a prefix may end that is cached on demand, with what the request asks
            for there; None takes its end to be marked.
        reply_tokens: of its tokens, those that really stand at the end of the request.
    """

    digest: bytes
    tokens: int
    stops: tuple[Stop, ...] | None = None
    reply_tokens: int = 0


def fingerprint(
    pieces: Iterable[tuple[str | bytes, int]], *, scope: str = "", after: Sequence[Block] = ()
) -> tuple[Block, ...]:
    """Blocks of ``(key, tokens)`` pairs.

    Args:
        pieces: what identifies each piece, and how many tokens it has.
        scope: what never shares a cache with others, such as an account; seeds the chain.
        after: blocks that the pieces continue; they come first in the result (``scope`` is theirs).

    Raises:
        ValueError: a token count is negative.
    """
    blocks = list(after)
    last = blocks[-1].digest if blocks else _link(scope, b"")
    for key, tokens in pieces:
        if tokens < 0:
            raise ValueError(f"piece {len(blocks)} has {tokens} tokens; counts cannot be negative")
        last = _link(key, last)
        blocks.append(Block(last, tokens))
    return tuple(blocks)


def blocks_of(
    request: Request, count: TokenCounter, *, scope: str = "", as_marked: bool = False
) -> tuple[Block, ...]:
    """Blocks of a whole request; their tokens add up to `tokenthrift.tokens.count_request`.

    ``cache_control`` marks are no part of the fingerprint: moving a breakpoint does
    not change the text that is cached.

    Args:
        request: to be cut.
        count: tokens, as its model counts them.
        scope: what never shares a cache with others, such as an account.
        as_marked: whether prefixes end where the request's own marks say; else after any message.
    """
    pieces = [(canonical([request.wire, *request.tools_text]), request_framing(request, count))]
    for message in request.messages:
        tokens = message_framing(message, count, request.model)
        tokens += sum(count(p.text) for p in message.parts if p.text and p.type != "tool_call")
        pieces.append((_key(message), tokens))
    blocks = fingerprint(pieces, scope=scope)
    return _with_stops(blocks, request, count) if as_marked else blocks


def _with_stops(
    blocks: tuple[Block, ...], request: Request, count: TokenCounter
) -> tuple[Block, ...]:
    """The same blocks, with the places that the request's marks name."""
    first = blocks[0]
    made = [Block(first.digest, first.tokens, tool_stops(request, count), REPLY_TOKENS)]
    for message, before, block in zip(request.messages, blocks, blocks[1:], strict=False):
        stops = message_stops(request, message, count, (before.digest, block.digest, block.tokens))
        made.append(Block(block.digest, block.tokens, stops))
    return tuple(made)


def _link(key: str | bytes, last: bytes) -> bytes:
    """Digest of a key, itself keyed by the digest before it, so no length marks are needed."""
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    return blake2b(data, digest_size=DIGEST_BYTES, key=last).digest()


def _key(message: Message) -> bytes:
    parts = [
        [p.type, p.call_id, p.name, p.text if p.text is not None else unmarked(p.raw)]
        for p in message.parts
    ]
    return canonical([message.role, message.framing_text, parts])


# ------------------------------------------------------------------------------------------- split
@dataclass(frozen=True, slots=True)
class CacheSplit:
    """Input tokens by what the cache does with them; the three are disjoint."""

    read_tokens: int
    write_tokens: int
    plain_tokens: int

    @property
    def input_tokens(self) -> int:
        """All of them."""
        return self.read_tokens + self.write_tokens + self.plain_tokens

    def scaled(self, input_tokens: int) -> CacheSplit:
        """The same proportions for another total, exactly; an empty bucket stays empty."""
        total = self.input_tokens
        if total == 0:
            return CacheSplit(0, 0, input_tokens)
        read = _share(self.read_tokens, input_tokens, total)
        cached = _share(self.read_tokens + self.write_tokens, input_tokens, total)
        return CacheSplit(read, cached - read, input_tokens - cached)

    def usage(self, output_tokens: int = 0, reasoning_tokens: int = 0) -> Usage:
        """An estimated `Usage` with this input and the given output."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=self.read_tokens,
            cache_write_tokens=self.write_tokens,
            reasoning_tokens=reasoning_tokens,
            estimated=True,
        )


def _share(part: int, new_total: int, total: int) -> int:
    """``part * new_total / total`` in integers, halves up."""
    return (2 * part * new_total + total) // (2 * total)


# ------------------------------------------------------------------------------------------- cache
class ProviderCache:
    """The prompt cache of one model in one branch of the account. Safe with threads.

    A prefix may be read back at a whole number of ``block_tokens`` (mode ``block``), or on demand
    (mode ``message``): where the request is marked, or up to `LOOK_BACK` stops before a mark.
    Blocks without stops are taken to be marked at each end. Inside a message that has changed,
    nothing is known to be shared, so block mode is a lower bound by at most that message. What is
    read without being marked again is not taken to live longer. The number of marks is not limited.

    Args:
        rule: of the model's card; None is a provider without a prompt cache.
        max_prefixes: how many are remembered; the longest of the least recently used go first.
    """

    def __init__(self, rule: CacheRule | None, *, max_prefixes: int = MAX_PREFIXES) -> None:
        if max_prefixes < 1:
            raise ValueError(f"max_prefixes is {max_prefixes}; it must be at least 1")
        self.rule = rule
        self._max_prefixes = max_prefixes
        self._until_s: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._until_s)

    def lookup(self, blocks: Sequence[Block], now_s: float) -> int:
        """Tokens of the longest known prefix that is still alive; remembers nothing.

        Args:
            blocks: the request about to be sent.
            now_s: seconds on any clock that all calls share.
        """
        marked = _places(blocks)
        ends = list(accumulate(b.tokens for b in blocks))
        with self._lock:
            if marked is not None:
                return self._read_at_marks(marked, now_s)
            for block, end in zip(reversed(blocks), reversed(ends), strict=True):
                usable = self._usable(end)
                if usable == 0:  # shorter prefixes are below the minimum, too
                    return 0
                if self._is_alive(block.digest, now_s):
                    return usable
        return 0

    def store(self, blocks: Sequence[Block], now_s: float) -> None:
        """Remember a request that was sent; every prefix of it counts as used now."""
        marked = _places(blocks)
        ends = list(accumulate(b.tokens for b in blocks))
        with self._lock:
            # Longest first, so that short prefixes, which more requests share, are forgotten last.
            for block, end in zip(reversed(blocks), reversed(ends), strict=True):
                if self._usable(end) == 0 or marked is not None:
                    break
                self._keep(block.digest, now_s + self._ttl_s)
            for stop, end in reversed(marked or ()):
                if stop.kept_s and self._usable(end):
                    self._keep(stop.digest, now_s + stop.kept_s)
            while len(self._until_s) > self._max_prefixes:
                self._until_s.popitem(last=False)

    def hold(self, blocks: Sequence[Block], now_s: float) -> None:
        """Remember the beginning of a request, which a report says was held, whoever sent it."""
        if _places(blocks) is None:
            self.store(blocks, now_s)
            return
        with self._lock:
            if self._usable(sum(b.tokens - b.reply_tokens for b in blocks)):
                self._keep(blocks[-1].digest, now_s + self._ttl_s)

    def simulate(self, blocks: Sequence[Block], now_s: float) -> CacheSplit:
        """How the provider would split the input of a request; remembers nothing.

        What is not read is written, in block mode only whole blocks of it; a request below the
        provider's minimum is neither read nor written.
        """
        total = sum(b.tokens for b in blocks)
        if self.rule is None or total < self.rule.min_tokens:
            return CacheSplit(0, 0, total)
        read = self.lookup(blocks, now_s)
        marked = _places(blocks)
        until = self._boundary(total)
        if marked is not None:
            until = max((end for s, end in marked if s.kept_s and self._usable(end)), default=0)
        write = max(0, until - read)
        return CacheSplit(read, write, total - read - write)

    def _read_at_marks(self, places: Sequence[tuple[Stop, int]], now_s: float) -> int:
        """Up to the last mark before which something is known that is still alive."""
        for n, (mark, end) in reversed(list(enumerate(places))):
            if not mark.kept_s or not self._usable(end):
                continue
            for stop, before in reversed(places[max(0, n + 1 - LOOK_BACK) : n + 1]):
                if self._is_alive(stop.digest, now_s):
                    return before
        return 0

    def _keep(self, digest: bytes, until_s: float) -> None:
        self._until_s[digest] = max(self._until_s.get(digest, -inf), until_s)
        self._until_s.move_to_end(digest)

    @property
    def _ttl_s(self) -> float:
        return inf if self.rule is None else self.rule.ttl_seconds

    def _usable(self, end_tokens: int) -> int:
        """What can be read back of a prefix that ends at a boundary of ours."""
        if self.rule is None:
            return 0
        usable = self._boundary(end_tokens)
        return usable if usable >= self.rule.min_tokens else 0

    def _boundary(self, end_tokens: int) -> int:
        if self.rule is None or self.rule.mode == "message":
            return end_tokens
        return end_tokens // self.rule.block_tokens * self.rule.block_tokens

    def _is_alive(self, digest: bytes, now_s: float) -> bool:
        until_s = self._until_s.get(digest)
        return until_s is not None and now_s <= until_s


def _places(blocks: Sequence[Block]) -> list[tuple[Stop, int]] | None:
    """Stops of a request with the tokens before their ends; None where every end is marked."""
    if not blocks or blocks[0].stops is None:
        return None
    places: list[tuple[Stop, int]] = []
    end = 0
    for block in blocks:
        places += [(stop, end + stop.tokens) for stop in block.stops or ()]
        end += block.tokens - block.reply_tokens
    return places


class CacheBranch:
    """The caches of all models in one branch of the account: what was sent, or the baseline."""

    def __init__(self, *, max_prefixes: int = MAX_PREFIXES) -> None:
        self._max_prefixes = max_prefixes
        self._caches: dict[tuple[str, CacheRule | None], ProviderCache] = {}
        self._lock = threading.Lock()

    def cache_of(self, card: ModelCard) -> ProviderCache:
        """The cache of a model: the same object for the same name and rule."""
        key = (card.name, card.cache)
        with self._lock:
            if key not in self._caches:
                self._caches[key] = ProviderCache(card.cache, max_prefixes=self._max_prefixes)
            return self._caches[key]


def held_blocks(blocks: Sequence[Block], usage: Usage) -> int:
    """How many leading blocks of a sent request its reported cache read covers.

    A provider may hold more than this process knows of: another replica, or a run before a restart,
    sent the prefix. The baseline would then have been held as well, so remember its first blocks
    (``baseline.store(blocks[:held_blocks(sent, usage)], now_s)``) before simulating it; else
    a cold baseline would pass for a saving. The read ends at the nearest boundary, as counts are
    estimates; ties go to the longer prefix, which claims less.
    """
    if usage.cache_read_tokens <= 0 or usage.input_tokens <= 0:
        return 0
    ends = list(accumulate((b.tokens for b in blocks), initial=0))
    read = usage.cache_read_tokens * ends[-1]  # in units of 1 / usage.input_tokens
    return min(range(len(ends)), key=lambda k: (abs(ends[k] * usage.input_tokens - read), -k))
