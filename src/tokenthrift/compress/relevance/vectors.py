"""The `static` rung: words that mean alike, from a table of vectors over token ids.

The vector of a text is the sum of its tokens' rows, so what a question has to do with it is a sum
of one number per token, and windows are differences of running sums. Only of passages, which are
few, the vectors are made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.compress.relevance.material import standard

if TYPE_CHECKING:
    from tokenthrift.compress.relevance.lexical import Score
    from tokenthrift.compress.relevance.material import FloatArray, IntArray, Units
    from tokenthrift.types import TokenTable

Array = npt.NDArray[np.float64]

ENCODING: Final = "o200k_base"
# Set on the recorded data (benchmarks/README.md): tokens to each side, and the weight against
# words, in spreads of their scores: of units in long texts, of passages among passages, and of a
# passage's units by it.
WINDOWS: Final = (0, 75, 250)
WEIGHT: Final = 0.35
PASSAGE_WEIGHT: Final = 0.35
PASSAGE_SHARE: Final = 0.12
STATIC: Final = "meaning"  # name of the part


def static_score(score: Score, question: str, units: Units, table: TokenTable) -> Score:
    """A score of words with what the table says added.

    Args:
        score: by words, of the same units.
        question: its text.
        units: what is scored.
        table: of vectors over o200k ids.
    """
    if len(units.texts) < 2:
        return score
    ids, sizes = units.token_ids(ENCODING)
    tokens = _Tokens(*table.rows_of(ids), sizes)
    asked = table.query_vector(question)
    short = units.in_passages
    near = np.zeros(len(sizes), np.float32)
    passages = score.passages
    if not short.all():
        near[~short] = WEIGHT * _in_windows(tokens, asked, units)[~short]
    if short.any():
        fits = PASSAGE_WEIGHT * _of_passages(tokens, asked, units)[short]
        passages = passages.copy()
        passages[short] += fits
        near[short] = PASSAGE_SHARE * fits
    part = near * np.float32(score.values.std() or 1.0)  # where words say nothing it speaks alone
    return replace(score, passages=passages).plus(STATIC, part)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The tokens of all units, each as a row of the table.

    Attributes:
        rows: (used, d) float32.
        place: the row of every token that has one.
        known: which tokens those are.
        sizes: (n,) tokens of each unit.
    """

    rows: FloatArray
    place: IntArray
    known: npt.NDArray[np.bool_]
    sizes: IntArray

    @property
    def owners(self) -> IntArray:
        """The unit of each token that has a row."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)[self.known]


def _in_windows(tokens: _Tokens, asked: FloatArray, units: Units) -> FloatArray:
    """(n,) how near each unit is to the question, standardised; mean over the windows around it.

    Lengths are those of sums of rows at right angles: so running sums of one number per token do.
    """
    asked = _distinct(asked, tokens.rows.sum(axis=0))
    owners, n = tokens.owners, len(tokens.sizes)
    fit = _sums(owners, np.einsum("ij,j->i", tokens.rows, asked)[tokens.place], n)
    mass = _sums(owners, np.einsum("ij,ij->i", tokens.rows, tokens.rows)[tokens.place], n)
    near = np.zeros(n, np.float32)
    for width in WINDOWS:
        low, high = units.window(width)
        length = np.sqrt(np.maximum(_over(mass, low, high), 1e-9))
        near += standard((_over(fit, low, high) / length).astype(np.float32))
    return near / np.float32(len(WINDOWS))


def _of_passages(tokens: _Tokens, asked: FloatArray, units: Units) -> FloatArray:
    """(n,) how near the passage of each unit is to the question, standardised over passages."""
    numbers = units.numbers
    borders = np.searchsorted(numbers[tokens.owners], np.arange(numbers[-1] + 2))
    inside = np.unique(numbers[units.in_passages])
    spans = [(borders[g], borders[g + 1]) for g in inside.tolist()]
    sums = np.array([tokens.rows[tokens.place[a:b]].sum(axis=0) for a, b in spans])
    asked = _distinct(asked, sums.sum(axis=0))
    lengths = np.sqrt(np.maximum(np.einsum("ij,ij->i", sums, sums), 1e-9))
    near = np.zeros(int(numbers[-1]) + 1, np.float32)
    near[inside] = standard((np.einsum("ij,j->i", sums, asked) / lengths).astype(np.float32))
    return near[numbers]


def _distinct(asked: FloatArray, common: FloatArray) -> FloatArray:
    """The question without the direction that all of the text shares, which tells no part of it
    from another (after Arora et al., ICLR 2017).
    """  # noqa: D205 - one sentence with its source
    length = float(np.sqrt((common * common).sum()))
    if not length:
        return asked
    direction = common / np.float32(length)
    return np.asarray(asked - (asked * direction).sum() * direction, np.float32)


def _sums(places: IntArray, values: Array, size: int = 0) -> Array:
    """Sums of the values of each place; in double precision, as differences are taken of them."""
    return np.asarray(np.bincount(places, values, minlength=size), np.float64)


def _over(values: Array, low: IntArray, high: IntArray) -> Array:
    sums = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[high] - sums[low])
