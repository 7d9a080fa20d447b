"""How alike texts are: near-duplicates, and what a text adds to those before it.

A text is the set of its hashed runs of tokens (shingles, Broder 1997). Candidates are found by a
sample of the hashes that does not depend on the texts, so a short text is found in a long one; each
is then verified on the full sets. Nothing is random: the same texts give the same pairs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.compress.relevance.material import IntArray

HashArray = npt.NDArray[np.uint64]

SHINGLE_TOKENS: Final = 5
SAMPLE: Final = 8  # one hash of so many is sampled, and always the smallest ones of a text
SMALLEST: Final = 4
OWNERS: Final = 8  # earlier texts that are remembered for one hash
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing
_MIX: Final = np.uint64(0xBF58476D1CE4E5B9)  # of splitmix64


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A text that an earlier one nearly holds.

    Attributes:
        text: number of the text.
        earlier: of the one before it.
        containment: share of its shingles that the earlier one has, from 0 to 1.
        jaccard: shared shingles among those that either has.
    """

    text: int
    earlier: int
    containment: float
    jaccard: float


class Likeness:
    """Texts as sets of shingles.

    Args:
        ids: token ids of all texts, one after the other.
        sizes: (n,) tokens of each.
        width: tokens of a shingle; a shorter text is one shingle.
    """

    def __init__(self, ids: IntArray, sizes: IntArray, width: int = SHINGLE_TOKENS) -> None:
        self._hashes = list(_shingles(ids, sizes, width))
        self._known: dict[int, HashArray] = {}

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self._hashes)

    def _set(self, text: int) -> HashArray:
        """The sorted distinct hashes of a text."""
        if text not in self._known:
            self._known[text] = np.unique(self._hashes[text])
        return self._known[text]

    def containment(self, text: int, other: int) -> float:
        """Share of a text's shingles that another has; 1.0 for a text without any."""
        own = self._set(text)
        return _shared(own, self._set(other)) / len(own) if len(own) else 1.0

    def jaccard(self, text: int, other: int) -> float:
        """Shared shingles among those that either has; 1.0 where neither has any."""
        own, others = self._set(text), self._set(other)
        shared = _shared(own, others)
        either = len(own) + len(others) - shared
        return shared / either if either else 1.0

    def near_duplicates(self, threshold: float) -> list[NearDuplicate]:
        """Texts of which an earlier one holds at least ``threshold``, each with the fullest one."""
        if not self._may_hold(threshold):
            return []
        owners: dict[int, list[int]] = defaultdict(list)
        found = []
        for n in range(len(self)):
            sample = _sample(self._set(n))
            shared: dict[int, int] = defaultdict(int)
            for value in sample:
                for other in owners[value]:
                    shared[other] += 1
            best = max(shared, key=lambda o: (shared[o], -o), default=None)
            if best is not None:
                pair = NearDuplicate(n, best, self.containment(n, best), self.jaccard(n, best))
                if pair.containment >= threshold:
                    found.append(pair)
            for value in sample:
                if len(owners[value]) < OWNERS:
                    owners[value].append(n)
        return found

    def _may_hold(self, threshold: float) -> bool:
        """Whether all earlier texts together hold so much of one; mostly they do not."""
        flat = np.concatenate([np.zeros(0, np.uint64), *self._hashes])
        order = np.argsort(flat, kind="stable")
        values = flat[order]
        owners = np.repeat(np.arange(len(self)), [len(own) for own in self._hashes])[order]
        opens = np.ones(len(flat), np.bool_)  # of the run of one value, by rising owner
        opens[1:] = values[1:] != values[:-1]
        own = opens.copy()  # once for each owner of it
        own[1:] |= owners[1:] != owners[:-1]
        total = np.bincount(owners[own], minlength=len(self))
        held = np.bincount(owners[own & ~opens], minlength=len(self))
        return bool((held[total > 0] / total[total > 0] >= threshold).any())

    def novelty(self) -> npt.NDArray[np.float32]:
        """(n,) share of each text's shingles that stand in no earlier text."""
        sets = [self._set(n) for n in range(len(self))]
        flat = np.concatenate([np.zeros(0, np.uint64), *sets])
        owner = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
        fresh = np.zeros(len(flat), np.bool_)
        fresh[np.unique(flat, return_index=True)[1]] = True
        sizes = np.bincount(owner, minlength=len(sets))
        new = np.bincount(owner, fresh, minlength=len(sets))
        return np.where(sizes > 0, new / np.maximum(sizes, 1), 1).astype(np.float32)


def _shingles(ids: IntArray, sizes: IntArray, width: int) -> Iterator[HashArray]:
    """The hashes of each text in order; a text of fewer tokens than ``width`` has one."""
    values = ids.astype(np.uint64) + np.uint64(1)
    running = values.copy()
    for step in range(1, width):  # running[i] covers the tokens from i to i + step
        running[:-step] = running[:-step] * _FACTOR + values[step:]
    hashes = _mixed(running)
    ends = np.cumsum(sizes)
    for end, size in zip(ends.tolist(), sizes.tolist(), strict=True):
        if size >= width:
            yield hashes[end - size : end - width + 1]
            continue
        whole = np.zeros(1 if size else 0, np.uint64)
        for value in values[end - size : end]:
            whole = whole * _FACTOR + value
        yield _mixed(whole)


def _mixed(hashes: HashArray) -> HashArray:
    """Hashes whose low bits depend on all bits (the last steps of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _MIX
    return hashes ^ (hashes >> np.uint64(31))


def _shared(own: HashArray, other: HashArray) -> int:
    return len(np.intersect1d(own, other, assume_unique=True))


def _sample(hashes: HashArray) -> list[int]:
    """The smallest hashes, and those that a fixed rule picks whatever stands around them."""
    picked = hashes[hashes % np.uint64(SAMPLE) == 0]
    return list(dict.fromkeys([*hashes[:SMALLEST].tolist(), *picked.tolist()]))
