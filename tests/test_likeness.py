"""Likeness of texts: sets of shingles against plain Python sets, near-duplicates, novelty."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.relevance.likeness import SHINGLE_TOKENS, Likeness
from tokenthrift.tokens import token_ids

ENCODE = token_ids("o200k_base")
TEXTS = st.lists(st.lists(st.integers(0, 6), max_size=14), min_size=1, max_size=8)


def likeness(texts: list[list[int]], width: int = SHINGLE_TOKENS) -> Likeness:
    """Of texts given as lists of ids."""
    ids = np.array([i for text in texts for i in text], np.int64)
    return Likeness(ids, np.array([len(t) for t in texts], np.int64), width)


def of_words(texts: list[str]) -> Likeness:
    """Of texts given as text."""
    return likeness([ENCODE(text).tolist() for text in texts])


def shingles(text: list[int], width: int) -> set[tuple[int, ...]]:
    """Runs of tokens; a short text is one run, in any order."""
    if len(text) < width:
        return {tuple(sorted(text))} if text else set()
    return {tuple(text[i : i + width]) for i in range(len(text) - width + 1)}


@examples(200)
@given(TEXTS, st.integers(1, 5))
def test_measures_are_those_of_plain_sets(texts: list[list[int]], width: int) -> None:
    """Containment, Jaccard and novelty equal those of sets of tuples."""
    found = likeness(texts, width)
    sets = [shingles(t, width) for t in texts]
    seen: set[tuple[int, ...]] = set()
    for n, own in enumerate(sets):
        for m, other in enumerate(sets):
            shared = len(own & other)
            assert found.containment(n, m) == (shared / len(own) if own else 1.0)
            either = own | other
            assert found.jaccard(n, m) == (shared / len(either) if either else 1.0)
        expected = len(own - seen) / len(own) if own else 1.0
        assert found.novelty()[n] == pytest.approx(expected)
        seen |= own


def prose(seed: int, words: int = 120) -> list[str]:
    """Words in a seeded order."""
    rng = random.Random(seed)
    vocabulary = [
        f"{a}{b}"
        for a in ["mar", "sel", "tor", "vin", "lam", "pes"]
        for b in ["in", "or", "ak", "es"]
    ]
    return [rng.choice(vocabulary) for _ in range(words)]


@pytest.mark.parametrize("seed", range(10))
def test_an_edited_copy_is_found_and_a_stranger_is_not(seed: int) -> None:
    """A copy with a few words changed is a near-duplicate of its original, nothing else is."""
    first, second = prose(seed), prose(seed + 100)
    edited = list(first)
    edited[20], edited[90] = "replaced", "changed"
    found = of_words([" ".join(t) for t in (first, second, edited)]).near_duplicates(0.7)
    assert [(p.text, p.earlier) for p in found] == [(2, 0)]
    assert 0.7 <= found[0].containment < 1


@pytest.mark.parametrize("seed", range(10))
def test_a_part_is_found_in_the_whole(seed: int) -> None:
    """A short stretch of a long text is contained in it, though they are not alike."""
    whole = prose(seed, 900)
    part = whole[300:420]
    found = of_words([" ".join(whole), " ".join(part)]).near_duplicates(0.9)
    assert [(p.text, p.earlier) for p in found] == [(1, 0)]
    assert found[0].jaccard < 0.3


def test_nothing_is_like_nothing() -> None:
    """No texts and empty texts are no error and no duplicates of anything."""
    assert len(likeness([])) == 0
    assert likeness([]).near_duplicates(0.5) == []
    assert likeness([[], [1, 2, 3, 4, 5, 6], []]).near_duplicates(0.5) == []
