"""Prompts in parts that know nothing of each other: one to fit, one to choose, one to certify.

Copies and near-copies of a prompt are a group, and a group stays whole: what was fitted on one copy
would otherwise be tested on another. Where a group goes depends on its text and the seed only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from enum import IntEnum
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IntArray = npt.NDArray[np.int64]

RUN_WORDS: Final = 8
# Near-copies share half of the runs of words of the shorter one, and at least so many.
SHARED: Final = 0.5
LEAST_SHARED: Final = 3
# What more than so many different prompts hold is a template around what is asked.
OWNERS: Final = 20

WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]|\w+")


class Part(IntEnum):
    """What a prompt is used for."""

    FIT = 0
    CHOOSE = 1
    CERTIFY = 2


# The proof is what needs rows: abilities are fitted on as many, and a fifth shows what came out.
SHARES: Final = {Part.FIT: 0.4, Part.CHOOSE: 0.4, Part.CERTIFY: 0.2}


def parts_of(prompts: Sequence[str], groups: IntArray, *, seed: int = 0) -> IntArray:
    """The part of each prompt.

    Args:
        prompts: their texts.
        groups: (n,) the group of each, from `groups_of`.
        seed: other seeds give other parts.

    Returns:
        (n,) values of `Part`; equal within a group.
    """
    keys = [_key(text) for text in prompts]
    smallest: dict[int, str] = {}
    for group, key in zip(groups.tolist(), keys, strict=True):
        smallest[group] = min(key, smallest.get(group, key))
    edges = list(accumulate(SHARES.values()))
    parts = {
        group: Part(sum(_share(f"{seed}\n{key}") >= edge for edge in edges[:-1]))
        for group, key in smallest.items()
    }
    return np.array([parts[g] for g in groups.tolist()], np.int64)


def groups_of(prompts: Sequence[str]) -> IntArray:
    """(n,) the number of the group of each prompt; groups are numbered by their first prompt."""
    keys = [_key(text) for text in prompts]
    distinct = list(dict.fromkeys(keys))
    leader = _joined(len(distinct), _near_copies(distinct))
    place = {key: n for n, key in enumerate(distinct)}
    numbers: dict[int, int] = {}
    return np.array(
        [numbers.setdefault(leader[place[key]], len(numbers)) for key in keys], np.int64
    )


def firsts_of(groups: IntArray) -> IntArray:
    """The place of the first prompt of each group, in order: near-copies count once."""
    return np.sort(np.unique(groups, return_index=True)[1])


def _key(text: str) -> str:
    """What of a text does not depend on its case, spaces, punctuation and look-alikes."""
    return " ".join(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _share(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _near_copies(keys: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Pairs of texts, the later one first, that share most of their runs of words."""
    runs = [_runs(key) for key in keys]
    owners: dict[str, list[int]] = defaultdict(list)
    for n, own in enumerate(runs):
        for run in own:
            owners[run].append(n)
    told = [{r for r in own if len(owners[r]) <= OWNERS} for own in runs]
    for n, own in enumerate(told):
        shared = Counter(other for run in own for other in owners[run] if other < n)
        for other, count in shared.items():
            if count >= max(LEAST_SHARED, SHARED * min(len(own), len(told[other]))):
                yield n, other


def _runs(key: str) -> set[str]:
    words = key.split()
    return {" ".join(words[n : n + RUN_WORDS]) for n in range(len(words) - RUN_WORDS + 1)}


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The smallest member of the group of each of ``count`` things."""
    leader = list(range(count))

    def found(n: int) -> int:
        while leader[n] != n:
            leader[n] = leader[leader[n]]
            n = leader[n]
        return n

    for one, other in pairs:
        first, second = sorted((found(one), found(other)))
        leader[second] = first
    return [found(n) for n in range(count)]
