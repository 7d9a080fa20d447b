"""The `static` rung: words that mean alike, from a table of vectors over token ids.

The vector of a text is the sum of its tokens' rows, so what a question has to do with it is a sum
of one number per token: no unit's vector is ever built, and windows are differences of running
sums.
"""

from __future__ import annotations

from dataclasses import replace
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
PASSAGE_WEIGHT: Final = 0.5
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
    fit, mass = _unit_sums(table, table.query_vector(question), ids, sizes)
    short = units.in_passages
    near = np.zeros(len(sizes), np.float32)
    for width in () if short.all() else WINDOWS:
        low, high = units.window(width)
        cosine = _ratio(_over(fit, low, high), _over(mass, low, high))
        near[~short] += standard(cosine[~short]) * np.float32(WEIGHT / len(WINDOWS))
    passages = score.passages
    if short.any():
        known, number = np.unique(units.numbers[short], return_inverse=True)
        whole = _ratio(_sums(units.numbers, fit), _sums(units.numbers, mass))
        fits = standard(whole[known])[number] * np.float32(PASSAGE_WEIGHT)
        passages = passages.copy()
        passages[short] += fits
        near[short] = fits * np.float32(PASSAGE_SHARE)
    part = near * np.float32(score.values.std() or 1.0)  # where words say nothing it speaks alone
    return replace(score, passages=passages).plus(STATIC, part)


def _unit_sums(
    table: TokenTable, query: FloatArray, ids: IntArray, sizes: IntArray
) -> tuple[Array, Array]:
    """(n,) dot product of each unit with the question, and its squared length.

    What all words of the text have in common says nothing about a part of it, so that direction is
    taken out of the question first (after Arora et al., ICLR 2017). The length is that of a sum of
    rows at right angles.
    """
    rows, place, known = table.rows_of(ids)
    if len(rows):
        common = rows.mean(axis=0)
        common /= max(float(np.sqrt((common * common).sum())), 1e-9)
        query = query - np.float32((query * common).sum()) * common
    owner = np.repeat(np.arange(len(sizes)), sizes)[known]
    dots = np.einsum("ij,j->i", rows, query)[place]
    squares = np.einsum("ij,ij->i", rows, rows)[place]
    return _sums(owner, dots, len(sizes)), _sums(owner, squares, len(sizes))


def _sums(places: IntArray, values: Array, size: int = 0) -> Array:
    """Sums of the values of each place; in double precision, as differences are taken of them."""
    return np.asarray(np.bincount(places, values, minlength=size), np.float64)


def _over(values: Array, low: IntArray, high: IntArray) -> Array:
    sums = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[high] - sums[low])


def _ratio(fit: Array, mass: Array) -> FloatArray:
    return np.asarray(fit / np.sqrt(np.maximum(mass, 1e-9)), np.float32)
