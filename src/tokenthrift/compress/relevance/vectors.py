"""The `static` rung: words that mean alike, from a table of vectors over token ids.

The vector of a text is the sum of its tokens' rows, so what a question has to do with it is a sum of
one number per token: no unit's vector is ever built, and windows are differences of running sums.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.relevance.passages import standard
from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from tokenthrift.compress.relevance.lexical import Score
    from tokenthrift.compress.relevance.material import FloatArray, IntArray, Units
    from tokenthrift.encoders.static import StaticTable

ENCODING: Final = "o200k_base"
# Set on the recorded data (benchmarks/README.md): tokens to each side, and the weight against words,
# in spreads of their scores; of units in long texts, and of passages as a whole.
WINDOWS: Final = (0, 75, 250)
WEIGHT: Final = 0.35
PASSAGE_WEIGHT: Final = 0.5
STATIC: Final = "meaning"  # name of the part


def static_score(score: Score, question: str, units: Units, table: StaticTable) -> Score:
    """A score of words with what the table says added.

    Args:
        score: by words, of the same units.
        question: its text.
        units: what is scored.
        table: of vectors over o200k ids.
    """
    if len(units.texts) < 2:
        return score
    ids, sizes = unit_ids(units)
    fit, mass = _unit_sums(table, table.query_vector(question), ids, sizes)
    short = units.in_passages
    near = np.zeros(len(sizes), np.float32)
    if not short.all():
        for width in WINDOWS:
            low, high = units.window(width)
            cosine = _ratio(_over(fit, low, high), _over(mass, low, high))
            near[~short] += standard(cosine[~short]) / np.float32(len(WINDOWS))
    passages = score.passages
    if short.any():
        numbers = units.numbers
        whole = _ratio(np.bincount(numbers, fit), np.bincount(numbers, mass))
        fits = standard(whole[np.unique(numbers[short])])
        near[short] = PASSAGE_WEIGHT * fits[np.unique(numbers[short], return_inverse=True)[1]]
        passages = np.where(short, passages + near, passages).astype(np.float32)
        near[short] *= PASSAGE_SHARE
    part = np.where(short, 1, WEIGHT).astype(np.float32) * score.values.std() * near
    return replace(score, passages=passages).plus(STATIC, part.astype(np.float32))


PASSAGE_SHARE: Final = 0.12


def unit_ids(units: Units) -> tuple[IntArray, IntArray]:
    """Ids of all units one after the other, and how many each has; every text is encoded once."""
    encode = token_ids(ENCODING)
    wholes = units.wholes or [("".join(units.texts), np.cumsum([len(t) for t in units.texts]))]
    ids = [encode(text) for text, _ in wholes]
    sizes = [encode.counts(text, ends) for text, ends in wholes]
    return np.concatenate(ids).astype(np.int64), np.concatenate(sizes)


def _unit_sums(
    table: StaticTable, query: FloatArray, ids: IntArray, sizes: IntArray
) -> tuple[FloatArray, FloatArray]:
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
    n = len(sizes)
    return np.bincount(owner, dots, minlength=n), np.bincount(owner, squares, minlength=n)


def _over(values: FloatArray, low: IntArray, high: IntArray) -> FloatArray:
    sums = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[high] - sums[low])


def _ratio(fit: FloatArray, mass: FloatArray) -> FloatArray:
    return np.asarray(fit / np.sqrt(np.maximum(mass, 1e-9)), np.float32)
