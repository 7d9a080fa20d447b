"""How well whole passages fit a question, for lists of retrieved documents.

BM25 of the passage without idf (the retriever has seen to it that all passages hold the rare words)
over the question's terms, and over pairs of them that stand close together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.relevance.material import standard

if TYPE_CHECKING:
    from tokenthrift.compress.relevance.matching import Matches
    from tokenthrift.compress.relevance.material import FloatArray, IntArray

# Set on the recorded passages (benchmarks/README.md).
K1: Final = 0.6
B: Final = 1.0
# Near pairs as terms of their own, in the spirit of sequential dependence (Metzler and Croft,
# SIGIR 2005): both words within so many, and how much a pair weighs against the lighter of the two.
NEAR_WORDS: Final = 8
PAIR_WEIGHT: Final = 0.2
DENSE: Final = 200_000  # so many places are counted one by one sooner than keys are sorted
LAGS: Final = 5  # how many matched words ahead are looked at for near pairs


def passage_scores(matches: Matches, groups: IntArray, weights: FloatArray) -> FloatArray:
    """Score of each group, standardised over the groups.

    Args:
        matches: of the question's terms.
        groups: (n,) the passage of each unit, numbered from 0.
        weights: of the terms.
    """
    size = int(groups.max()) + 1
    lengths = np.bincount(groups, matches.lengths, minlength=size).astype(np.float32)
    mean = float(lengths[lengths > 0].mean()) if (lengths > 0).any() else 1.0
    norm = K1 * (1 - B + B * lengths / mean)
    place = groups[matches.units]
    total = _saturated(matches.terms, place, weights, norm)
    pairs, where, lighter = _near_pairs(matches, place, weights)
    total += PAIR_WEIGHT * _saturated(pairs, where, lighter, norm)
    return standard(total)


def _saturated(
    terms: IntArray, places: IntArray, weights: FloatArray, norm: FloatArray
) -> FloatArray:
    """(groups,) sum over terms of weight x saturated count, from one entry per occurrence."""
    keys, counts = _counted(terms * len(norm) + places, len(weights) * len(norm))
    term, place = np.divmod(keys, len(norm))
    gains = weights[term] * counts * (K1 + 1) / (counts + norm[place] + 1e-9)
    return np.bincount(place, gains, minlength=len(norm)).astype(np.float32)


def _counted(keys: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """The distinct keys below ``size`` in order, and how often each is there."""
    if size > DENSE:
        return np.unique(keys, return_counts=True)
    counts = np.bincount(keys, minlength=size)
    found = counts.nonzero()[0]
    return found, counts[found]


def _near_pairs(
    matches: Matches, place: IntArray, weights: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Occurrences of two different terms within `NEAR_WORDS`: pair, group; weight of every pair."""
    n = len(weights)
    pairs, places = [], []
    for lag in range(1, LAGS + 1):
        first, second = matches.terms[:-lag], matches.terms[lag:]
        distance = matches.positions[lag:] - matches.positions[:-lag]
        near = (first != second) & (place[:-lag] == place[lag:])
        near &= (distance > 0) & (distance <= NEAR_WORDS)
        first, second = first[near], second[near]
        pairs.append(np.minimum(first, second) * n + np.maximum(first, second))
        places.append(place[lag:][near])
    known, pair = np.unique(np.concatenate(pairs), return_inverse=True)
    one, other = np.divmod(known, n)
    return pair, np.concatenate(places), np.minimum(weights[one], weights[other])
