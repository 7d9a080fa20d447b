"""The `fast` rung: how much each unit has to do with the question, without any weights.

BM25 over the unit itself and over windows of text around it, summed: on long contexts the gain is
in the windows, not in models. Scores only; choosing is in `tokenthrift.compress.choosing`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.compress.relevance.languages import DEFAULT
from tokenthrift.compress.relevance.matching import find_terms
from tokenthrift.compress.relevance.passages import passage_scores
from tokenthrift.compress.relevance.words import terms_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.compress.relevance.matching import Matches
    from tokenthrift.compress.relevance.material import FloatArray, Units

# Okapi constants of Robertson and Zaragoza (2009). The unit itself and windows of tokens to each
# side, with their weights in long texts and in passages; set on the recorded data
# (benchmarks/README.md).
K1: Final = 1.2
PASSAGE_K1: Final = 0.6
B: Final = 0.75
OWN_WEIGHTS: Final = (2.0, 1.0)
WINDOWS: Final = (
    (25, 1.0, 0.0), (40, 0.0, 0.9), (75, 1.2, 0.0), (250, 1.0, 0.0), (600, 0.6, 0.0)
)  # fmt: skip
AGENT_WINDOWS: Final = WINDOWS[:-1]  # what a tool gave has no topic that runs on so far
PASSAGE_WEIGHT: Final = 0.12  # of how well the whole passage fits, in spreads of the units' scores
RECORD_WEIGHT: Final = 2.0  # of how well the whole record fits, for each unit it is cut into
FEWEST_RECORDS: Final = 2
CONTEXT_WEIGHT: Final = 0.3  # of terms that only the trajectory names, against the question's own
CARRIED: Final = 0.5  # of a term in a heading, a speaker's name or a path, for what is under it
MAX_TERMS: Final = 256
# Numbers that are worked on at once: a cache holds them. A product of matrices would start threads
# for large ones, which cost more than they save, and add up differently from machine to machine.
BLOCK: Final = 65_536

# Names of the parts of a score.
WORDS: Final = "words"
AROUND: Final = "words around"
PASSAGE: Final = "passage"


def query_terms(question: str, context: str = "", language: str = DEFAULT) -> dict[str, float]:
    """Weighted terms of what is asked and of where the work is going."""
    return {term: weight for term, (weight, _) in asked_terms(question, context, language).items()}


def asked_terms(
    question: str | Sequence[str], context: str = "", language: str = DEFAULT
) -> dict[str, tuple[float, str]]:
    """The same with the word that each term stands for, as it was first written.

    Args:
        question: what is asked, or its words.
        context: where the work is going.
        language: of both.
    """
    asked: dict[str, tuple[float, str]] = {}
    own = words_of(question) if isinstance(question, str) else question
    for words, weight in ((own, 1.0), (words_of(context), CONTEXT_WEIGHT)):
        for word in dict.fromkeys(words):
            for term in terms_of(word, language):
                if term not in asked:
                    asked[term] = (weight, word)
            if len(asked) >= MAX_TERMS:
                return dict(islice(asked.items(), MAX_TERMS))
    return asked


@dataclass(frozen=True, slots=True)
class Score:
    """Relevance of units, and what it comes from.

    Attributes:
        values: (n,) float32, 0 or more.
        parts: what the values are the sum of, by name, (n,) float32 each; up to a constant.
        terms: the query's terms that stand in the text, in the order of ``hits``.
        hits: (terms, n) float32, how often each term stands in each unit.
        asked: the word of the question that each term stands for.
        passages: (n,) float32, how well the passage of each unit fits as a whole, standardised; 0
            outside passages.
        note: what a higher rung had to say of itself, for people.
    """

    values: FloatArray
    parts: Mapping[str, FloatArray]
    terms: tuple[str, ...]
    hits: FloatArray
    passages: FloatArray
    asked: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def nothing(cls, units: int) -> Score:
        """Of units that have nothing to do with the question."""
        zeros = np.zeros(units, np.float32)
        return cls(zeros, {}, (), np.zeros((0, units), np.float32), zeros)

    def in_spreads(self) -> Score:
        """The same score in units of its standard deviation."""
        size = np.float32(self.values.std() or 1.0)
        parts = {name: part / size for name, part in self.parts.items()}
        return replace(self, values=self.values / size, parts=parts)

    def plus(self, name: str, part: FloatArray) -> Score:
        """The score with one more part, moved so that no value is below 0."""
        values = self.values + part
        values -= min(np.float32(0), values.min(initial=0.0))
        return replace(self, values=values, parts={**self.parts, name: part})


def lexical_score(
    query: Mapping[str, float],
    units: Units,
    language: str = DEFAULT,
    windows: Sequence[tuple[int, float, float]] = WINDOWS,
) -> Score:
    """Score every unit.

    Args:
        query: weights by term, from `query_terms`.
        units: what is scored; windows stop where their group changes.
        language: of the query's terms; the text's words are stemmed alike.
        windows: tokens to each side, weight in long texts, weight in passages.
    """
    n = len(units.texts)
    matches = find_terms(list(query), units.texts, language)
    terms, hits = _hits(matches, list(query), units.carries, language)
    if not terms:
        return Score.nothing(n)
    weights = np.array([query[t] for t in terms], np.float32)
    idf = _idf(hits, weights)
    short = units.in_passages
    some, every = bool(short.any()), bool(short.all())
    k1 = _by_passage(short, K1, PASSAGE_K1)
    own = _bm25(hits, matches.lengths, idf, k1)
    own *= _by_passage(short, *OWN_WEIGHTS)
    around = np.zeros(n, np.float32)
    sums = _running_sums(hits, matches.lengths)
    for width, weight, passage_weight in windows:
        if not ((weight and not every) or (passage_weight and some)):
            continue
        low, high = units.window(width)
        inside = sums[:, high]
        inside -= sums[:, low]
        fits = _bm25(inside[:-1], inside[-1], idf, k1)
        around += _by_passage(short, weight, passage_weight) * fits
    around += RECORD_WEIGHT * _record_scores(hits, matches.lengths, weights, units)
    values = own + around
    if some:
        own, around, values = (v * units.thrift for v in (own, around, values))
    score = Score(values, {WORDS: own, AROUND: around}, terms, hits, np.zeros(n, np.float32))
    if not some:
        return score
    everything = np.array([query[t] for t in query], np.float32)
    fits = np.where(short, passage_scores(matches, units.numbers, everything)[units.numbers], 0)
    fits = fits.astype(np.float32)
    spread = np.float32(PASSAGE_WEIGHT * score.values[short].std())
    return replace(score, passages=fits).plus(PASSAGE, spread * fits)


def _by_passage(short: npt.NDArray[np.bool_], long_value: float, value: float) -> FloatArray:
    """(n,) one value in passages and another elsewhere."""
    out = np.full(len(short), long_value, np.float32)
    out[short] = value
    return out


def _hits(
    matches: Matches, query: Sequence[str], carries: Sequence[str], language: str
) -> tuple[tuple[str, ...], FloatArray]:
    """The terms that stand in the text, and (terms, n) how often each does in each unit."""
    n = len(matches.lengths)
    carried = _carried(query, carries, language)
    found = np.zeros(len(query), np.bool_)
    found[matches.terms] = True
    found[[term for term, _ in carried]] = True
    row = found.cumsum() - 1
    rows = int(row[-1]) + 1 if len(row) else 0
    counts = np.bincount(row[matches.terms] * n + matches.units, minlength=rows * n)
    hits = counts.astype(np.float32).reshape(rows, n)
    for term, units in carried:
        hits[row[term], units] += CARRIED
    return tuple(t for t, f in zip(query, found.tolist(), strict=True) if f), hits


def _record_scores(
    hits: FloatArray, lengths: FloatArray, weights: FloatArray, units: Units
) -> FloatArray:
    """(n,) how well the whole record of each unit fits; 0 where no record is cut into units.

    A record is named by its id and asked for another of its fields, which may stand far apart.
    """
    if not any(units.records):
        return np.zeros(len(lengths), np.float32)
    firsts = units.firsts
    records = np.asarray(units.records, np.bool_)[firsts]
    cut = np.bincount(units.numbers)[records] > 1
    if len(cut) < FEWEST_RECORDS or not cut.any():
        return np.zeros(len(lengths), np.float32)
    inside = np.add.reduceat(hits, firsts, axis=1)[:, records]
    sizes = np.add.reduceat(lengths, firsts)[records]
    idf = _idf(inside, weights)
    fits = np.zeros(len(firsts), np.float32)
    fits[records] = _bm25(inside, sizes, idf, np.full(len(sizes), K1, np.float32))
    return fits[units.numbers]


def _idf(hits: FloatArray, weights: FloatArray) -> FloatArray:
    """(terms,) the weight of each term by how few of the texts hold it."""
    holding = np.count_nonzero(hits, axis=1)
    rarity = np.log1p((hits.shape[1] - holding + 0.5) / (holding + 0.5))
    return np.asarray(rarity * weights, np.float32)


def _carried(
    terms: Sequence[str], carries: Sequence[str], language: str
) -> list[tuple[int, list[int]]]:
    """Terms in what units are read under, each with the units; they count a share of their own."""
    places: dict[str, list[int]] = {}
    for unit, text in enumerate(carries):
        if text:
            places.setdefault(text, []).append(unit)
    if not places:
        return []
    found = find_terms(terms, list(places), language)
    under = list(places.values())
    rows = zip(found.terms.tolist(), found.units.tolist(), strict=True)
    return [(term, under[carry]) for term, carry in rows]


def _running_sums(hits: FloatArray, lengths: FloatArray) -> FloatArray:
    """Sums of each row, and of the lengths, up to every place.

    What stands between two places is the difference of their sums.
    """
    sums = np.zeros((len(hits) + 1, len(lengths) + 1), np.float32)
    hits.cumsum(axis=1, out=sums[:-1, 1:])
    lengths.cumsum(out=sums[-1, 1:])
    return sums


def _bm25(hits: FloatArray, lengths: FloatArray, idf: FloatArray, k1: FloatArray) -> FloatArray:
    mean = float(lengths.mean()) or 1.0
    norm = k1 * (1 - B + B * lengths / mean)
    most = k1 + 1
    total = np.zeros(hits.shape[1], np.float32)
    step = max(1, BLOCK // max(1, hits.shape[1]))
    for at in range(0, len(hits), step):
        own = hits[at : at + step]
        gains = own * most
        gains /= own + norm
        gains *= idf[at : at + step, None]
        total += gains.sum(axis=0)
    return total
