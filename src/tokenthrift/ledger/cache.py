"""A model of the provider's prompt cache, on fingerprints of what was sent.

Prefixes find themselves, as at the providers; no session is needed. It is a counterfactual, not a
promise: where a provider reports its cache, the report is billed and this model only serves the
other branch.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Final

from tokenthrift.ledger.prompt import BlockEnds, Lifetimes, block_ends, reply_ids
from tokenthrift.ledger.stops import HOUR_S
from tokenthrift.types import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.catalog import CacheRule, ModelCard
    from tokenthrift.ledger.blocks import Block
    from tokenthrift.ledger.stops import Stop

LOOK_BACK: Final = 20  # blocks before a mark. Source: Anthropic, "Prompt caching"
MAX_PREFIXES: Final = 65_536  # about 15 MB; a thousand live conversations of 65 messages

# Inside messages no more often: where any length can be read back, fewer than these are missed.
LEAST_STEP: Final = 64

_ENDS: Final = BlockEnds()


@dataclass(frozen=True, slots=True)
class CacheSplit:
    """Input tokens by what the cache does with them; the first three are disjoint.

    Attributes:
        hour_tokens: leading tokens that are asked to be kept for an hour; what of them is not read
            is written for so long.
    """

    read_tokens: int
    write_tokens: int
    plain_tokens: int
    hour_tokens: int = 0

    @property
    def input_tokens(self) -> int:
        """All of them."""
        return self.read_tokens + self.write_tokens + self.plain_tokens

    @property
    def write_1h_tokens(self) -> int:
        """Those of ``write_tokens`` that are kept for an hour."""
        return min(max(0, self.hour_tokens - self.read_tokens), self.write_tokens)

    def scaled(self, input_tokens: int) -> CacheSplit:
        """The same proportions for another total, exactly; an empty bucket stays empty."""
        total = self.input_tokens
        if total == 0:
            return CacheSplit(0, 0, input_tokens)
        read = _share(self.read_tokens, input_tokens, total)
        cached = _share(self.read_tokens + self.write_tokens, input_tokens, total)
        hour = _share(self.hour_tokens, input_tokens, total)
        return CacheSplit(read, cached - read, input_tokens - cached, hour)

    def usage(self, output_tokens: int = 0, reasoning_tokens: int = 0) -> Usage:
        """An estimated `Usage` with this input and the given output."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=self.read_tokens,
            cache_write_tokens=self.write_tokens,
            cache_write_1h_tokens=self.write_1h_tokens,
            reasoning_tokens=reasoning_tokens,
            estimated=True,
        )


def _share(part: int, new_total: int, total: int) -> int:
    """``part * new_total / total`` in integers, halves up."""
    return (2 * part * new_total + total) // (2 * total)


class ProviderCache:
    """The prompt cache of one model in one branch of the account. Safe with threads.

    A prefix may be read back at a whole number of ``block_tokens`` (mode ``block``), or on demand
    (mode ``message``): where the request is marked, or up to `LOOK_BACK` stops before a mark.
    Blocks without stops are taken to be marked at each end. In block mode a message that begins
    like one that was sent after the same prefix shares its first blocks; where its tokens are not
    known, nothing of it, which is a lower bound. What is read without being marked again is not
    taken to live longer. The number of marks is not limited.

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
        self._inside = Lifetimes(4 * max_prefixes)
        block_tokens = 1 if rule is None else rule.block_tokens
        self._step = -(-LEAST_STEP // block_tokens) * block_tokens
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
        if marked is not None:
            with self._lock:
                return self._read_at_marks(marked, now_s)
        ends = self._ends(blocks)
        with self._lock:
            place = len(blocks)
            while place and (usable := self._usable(ends[place - 1])):
                if self._is_alive(blocks[place - 1].digest, now_s):
                    break
                place -= 1
        known = usable if place else 0
        first, digests = self._ends_inside(blocks, ends, place)
        for n in reversed(range(len(digests))):
            if self._inside.until_s(digests[n]) >= now_s:
                return first + n * self._step
        return known

    def store(self, blocks: Sequence[Block], now_s: float) -> None:
        """Remember a request that was sent; every prefix of it counts as used now."""
        self._store(blocks, now_s, whole=True)

    def _store(self, blocks: Sequence[Block], now_s: float, *, whole: bool) -> None:
        marked = _places(blocks)
        ends = self._ends(blocks)
        until_s = now_s + max(self._ttl_s, blocks[0].kept_s if blocks else 0.0)
        inside: list[bytes] = []
        if marked is None:
            for place in range(len(blocks) + whole):
                inside += self._ends_inside(blocks, ends, place)[1]
        with self._lock:
            # Longest first, so that short prefixes, which more requests share, are forgotten last.
            for block, end in zip(reversed(blocks), reversed(ends), strict=True):
                if self._usable(end) == 0 or marked is not None:
                    break
                self._keep(block.digest, until_s)
            for stop, end in reversed(marked or ()):
                if stop.kept_s and self._usable(end):
                    self._keep(stop.digest, now_s + stop.kept_s)
            while len(self._until_s) > self._max_prefixes:
                self._until_s.popitem(last=False)
            if inside:
                self._inside.keep(inside, until_s)

    def hold(self, blocks: Sequence[Block], now_s: float) -> None:
        """Remember the beginning of a request, which a report says was held, whoever sent it."""
        if _places(blocks) is None:
            self._store(blocks, now_s, whole=False)
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
        until, hour = self._boundary(total), 0
        if marked is not None:
            kept = [(end, stop.kept_s) for stop, end in marked if stop.kept_s and self._usable(end)]
            until = max((end for end, _ in kept), default=0)
            hour = max((end for end, kept_s in kept if kept_s >= HOUR_S), default=0)
        write = max(0, until - read)
        return CacheSplit(read, write, total - read - write, hour)

    def _read_at_marks(self, places: Sequence[tuple[Stop, int]], now_s: float) -> int:
        """Up to the last mark before which something is known that is still alive."""
        for n, (mark, end) in reversed(list(enumerate(places))):
            if not mark.kept_s or not self._usable(end):
                continue
            for stop, before in reversed(places[max(0, n + 1 - LOOK_BACK) : n + 1]):
                if self._is_alive(stop.digest, now_s):
                    return before
        return 0

    def _ends(self, blocks: Sequence[Block]) -> list[int]:
        """Tokens up to the end of each block; in block mode the reply is behind them all."""
        if self.rule is not None and self.rule.mode == "block":
            return list(accumulate(b.tokens - b.reply_tokens for b in blocks))
        return list(accumulate(b.tokens for b in blocks))

    def _ends_inside(
        self, blocks: Sequence[Block], ends: Sequence[int], place: int
    ) -> tuple[int, tuple[bytes, ...]]:
        """Where the provider's blocks end inside one of ours, or behind the last in the reply.

        Returns:
            Tokens up to the first such end that can be read back, and the digests of all of them.
        """
        rule, is_reply = self.rule, place == len(blocks)
        if rule is None or rule.mode == "message" or not blocks:
            return 0, ()
        start = ends[place - 1] if place else 0
        end = start + blocks[0].reply_tokens if is_reply else ends[place]
        first = (start // self._step + 1) * self._step
        if end < first or end < rule.min_tokens:
            return 0, ()
        if is_reply:
            digests = block_ends(blocks[-1].digest, start, reply_ids(), self._step)
        elif (piece := blocks[place].piece) is not None:
            digests = _ENDS.of(piece, blocks[place].digest, start, self._step)
        else:
            return 0, ()
        short = max(0, -((first - rule.min_tokens) // self._step))
        return first + short * self._step, digests[short:]

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
