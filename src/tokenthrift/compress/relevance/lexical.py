"""The `fast` rung: how much each unit has to do with the question, without any weights.

BM25 over the unit itself and over windows of text around it, summed: on long contexts the gain is
in the windows, not in models. Scores only; choosing is in `tokenthrift.compress.choosing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.compress.relevance.languages import DEFAULT
from tokenthrift.compress.relevance.passages import Matches, passage_scores
from tokenthrift.compress.relevance.words import terms_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FloatArray = npt.NDArray[np.float32]

# Okapi constants of Robertson and Zaragoza (2009). Windows: tokens to each side, weight in long
# texts, weight in passages up to PASSAGE_TOKENS; set on the recorded data (benchmarks/README.md).
K1: Final = 1.2
PASSAGE_K1: Final = 0.6
B: Final = 0.75
WINDOWS: Final = ((40, 0.5, 0.9), (75, 1.2, 0.0), (250, 1.0, 0.0), (600, 0.6, 0.0))
AGENT_WINDOWS: Final = WINDOWS[:3]  # what a tool gave has no topic that runs on so far
PASSAGE_TOKENS: Final = 400
PASSAGE_WEIGHT: Final = 0.12  # of how well the whole passage fits, in spreads of the units' scores
CONTEXT_WEIGHT: Final = 0.3  # of terms that only the trajectory names, against the question's own
MAX_TERMS: Final = 256


def query_terms(question: str, context: str = "", language: str = DEFAULT) -> dict[str, float]:
    """Weighted terms of what is asked and of where the work is going."""
    weights: dict[str, float] = {}
    for text, weight in ((question, 1.0), (context, CONTEXT_WEIGHT)):
        for word in words_of(text):
            for term in terms_of(word, language):
                weights.setdefault(term, weight)
                if len(weights) >= MAX_TERMS:
                    return weights
    return weights


@dataclass(frozen=True, slots=True)
class Score:
    """Relevance of units.

    Attributes:
        values: (n,) float32, 0 where nothing matches.
        terms: the query's terms, in the order of ``hits``.
        hits: (terms, n) float32, how often each term stands in each unit.
    """

    values: FloatArray
    terms: tuple[str, ...]
    hits: FloatArray

    def matched(self, unit: int) -> tuple[str, ...]:
        """The terms that stand in a unit itself."""
        return tuple(t for t, n in zip(self.terms, self.hits[:, unit], strict=True) if n)


def score(
    query: Mapping[str, float],
    texts: Sequence[str],
    tokens: Sequence[int],
    groups: Sequence[int],
    language: str = DEFAULT,
    windows: Sequence[tuple[int, float, float]] = WINDOWS,
) -> Score:
    """Score units against a query.

    Args:
        query: weights by term, from `query_terms`.
        texts: the units, in order.
        tokens: their sizes.
        groups: a number per unit, not falling; windows stop where it changes.
        language: of the query's terms; the text's words are stemmed alike.
        windows: tokens to each side, weight in long texts, weight in passages.
    """
    n = len(texts)
    matches, lengths = _matches(list(query), texts, language)
    hits = np.zeros((len(query), n), np.float32)
    np.add.at(hits, (matches.terms, matches.units), 1)
    found = np.asarray(hits.any(axis=1)) if n else np.zeros(len(query), np.bool_)
    terms = tuple(t for t, f in zip(query, found.tolist(), strict=True) if f)
    hits = hits[found]
    weights = np.array([query[t] for t in terms], np.float32)
    if not terms or n == 0:
        return Score(np.zeros(n, np.float32), terms, hits)
    holding = (hits > 0).sum(axis=1)
    idf = np.log1p((n - holding + 0.5) / (holding + 0.5)).astype(np.float32) * weights
    sizes, places = np.asarray(tokens), np.asarray(groups)
    several = np.bincount(places)[places] > 1
    short = several & (np.bincount(places, sizes)[places] <= PASSAGE_TOKENS)
    k1 = np.where(short, PASSAGE_K1, K1).astype(np.float32)
    total = _bm25(hits, lengths, idf, k1)
    for width, weight, passage_weight in windows:
        low, high = _window(sizes, places, width)
        wide = _bm25(_over(hits, low, high), _over(lengths[None, :], low, high)[0], idf, k1)
        total += wide * np.where(short, passage_weight, weight).astype(np.float32)
    if short.any():
        everything = np.array([query[t] for t in query], np.float32)
        numbers = np.unique(places, return_inverse=True)[1]
        fit = passage_scores(matches, numbers, lengths, everything)[numbers]
        total += np.where(short, PASSAGE_WEIGHT * float(total[short].std()) * fit, 0.0)
        total -= min(0.0, float(total.min()))
    return Score(total.astype(np.float32), terms, hits)


def _matches(
    terms: Sequence[str], texts: Sequence[str], language: str
) -> tuple[Matches, FloatArray]:
    """Where the terms stand, and how many words each unit has."""
    place = {t: i for i, t in enumerate(terms)}
    rows: list[int] = []
    columns: list[int] = []
    positions: list[int] = []
    seen = 0
    lengths = np.empty(len(texts), np.float32)
    known: dict[str, tuple[int, ...]] = {}
    for unit, text in enumerate(texts):
        words = words_of(text)
        lengths[unit] = len(words)
        for word in words:
            seen += 1
            at = known.get(word)
            if at is None:
                at = known[word] = tuple(place[t] for t in terms_of(word, language) if t in place)
            for row in at:
                rows.append(row)
                columns.append(unit)
                positions.append(seen)
    found = (np.array(x, np.int64) for x in (rows, columns, positions))
    return Matches(*found), lengths


def _window(
    tokens: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First unit and end of the window of ``width`` tokens to each side, inside the group."""
    ends = np.cumsum(tokens)
    starts = ends - tokens
    low = np.searchsorted(ends, starts - width, side="left")
    high = np.searchsorted(starts, ends + width, side="right")
    first = np.searchsorted(groups, groups, side="left")
    last = np.searchsorted(groups, groups, side="right")
    return np.maximum(low, first), np.minimum(high, last)


def _over(
    values: FloatArray, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> FloatArray:
    zero = np.zeros((len(values), 1), np.float32)
    sums = np.concatenate([zero, np.cumsum(values, axis=1, dtype=np.float32)], axis=1)
    return np.asarray(sums[:, high] - sums[:, low], np.float32)


def _bm25(hits: FloatArray, lengths: FloatArray, idf: FloatArray, k1: FloatArray) -> FloatArray:
    mean = float(lengths.mean()) or 1.0
    norm = k1 * (1 - B + B * lengths / mean)
    return np.asarray(idf @ (hits * (k1 + 1) / (hits + norm + 1e-9)), np.float32)
