"""How well whole passages fit a question, for lists of retrieved documents.

BM25 of the passage without idf (the retriever has seen to it that all passages hold the rare words)
plus proximity: question terms that stand close together count more than far apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

# Set on the recorded passages (benchmarks/README.md).
K1: Final = 0.6
B: Final = 0.75
NEAR_WORDS: Final = 8
LAGS: Final = 4  # how many matched words ahead are looked at for near pairs


@dataclass(frozen=True, slots=True)
class Matches:
    """Where terms of the question stand in the text.

    Attributes:
        terms: (m,) number of the term, in the order of the text.
        units: (m,) the unit it stands in.
        positions: (m,) the running number of the word.
    """

    terms: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]


def passage_scores(
    matches: Matches,
    groups: npt.NDArray[np.int64],
    words: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Score of each group, standardised over the groups.

    Args:
        matches: of the question's terms.
        groups: (n,) the passage of each unit, numbered from 0.
        words: (n,) length of each unit in words.
        weights: of the terms.
    """
    size = int(groups.max()) + 1
    place = groups[matches.units]
    counts = np.zeros((len(weights), size), np.float32)
    np.add.at(counts, (matches.terms, place), 1)
    lengths = np.bincount(groups, words, minlength=size).astype(np.float32)
    mean = float(lengths[lengths > 0].mean()) if (lengths > 0).any() else 1.0
    norm = K1 * (1 - B + B * lengths / mean)
    bag = np.asarray(weights @ (counts * (K1 + 1) / (counts + norm + 1e-9)), np.float32)
    return _standard(bag) + _standard(_near(matches, place, weights, size))


def _near(
    matches: Matches,
    place: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    size: int,
) -> npt.NDArray[np.float32]:
    """Sum over near pairs of different terms of the lighter one's weight by their distance."""
    total = np.zeros(size, np.float32)
    for lag in range(1, LAGS + 1):
        if len(matches.terms) <= lag:
            break
        first, second = matches.terms[:-lag], matches.terms[lag:]
        distance = matches.positions[lag:] - matches.positions[:-lag]
        pair = (first != second) & (place[:-lag] == place[lag:])
        pair &= (distance > 0) & (distance <= NEAR_WORDS)
        lighter = np.minimum(weights[first[pair]], weights[second[pair]])
        np.add.at(total, place[lag:][pair], lighter / distance[pair])
    return total


def _standard(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    spread = float(values.std())
    return np.asarray((values - values.mean()) / (spread or 1.0), np.float32)
