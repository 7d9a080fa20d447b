"""The `encoder` rung: a model reads the best of what the fast scores found, under a deadline.

Blocks of neighbouring units are what it reads. There are two possible results only, with the model
or without it: a model that is too slow or that fails leaves the fast scores as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.compress.relevance.material import standard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokenthrift.compress.relevance.material import FloatArray, IntArray, Units
    from tokenthrift.types import Encoder, EncoderUse, Reranker

BLOCK_TOKENS: Final = 100
BLOCK_CHARACTERS: Final = 2400  # of one huge unit no more is read; small models read less anyway
# Blocks between two looks at the clock: few at first, to learn how fast the model is; then more, as
# a provider answers a large request nearly as fast as a small one.
FIRST_BATCH: Final = 8
LARGEST_BATCH: Final = 64
NEIGHBOURS: Final = (1, 4)  # blocks to each side over which vectors' scores are averaged
HOPELESS: Final = 1.5  # deadlines that all would take; judged from the second batch on
FAST_SHARE: Final = 0.3  # of the words in a passage's rank, measured on nq20
# Which passage it is matters more than which of its sentences: at 4x nq20 keeps 70 % of the gold
# passages, and 60 % at a gain of 1 (and 3 points fewer answers); 6 or 12 bring no more.
PASSAGE_GAIN: Final = 4.0
# Cosines of one text differ in the seventh digit with what shares its batch; rounding keeps that
# out of the choice.
DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the cascade came to.

    Attributes:
        bonus: (n,) float32, what the model adds to the fast scores, in spreads of theirs; nothing
            after a fall back.
        group_scores: (groups,) float32, to rank passages by, in order of first unit.
        encoded: blocks that the model read in time.
        fell_back: the fast scores stand alone.
        error: name of the type of what the model raised, or empty.
    """

    bonus: FloatArray
    group_scores: FloatArray
    encoded: int
    fell_back: bool = False
    error: str = ""


def cascade(
    question: str,
    units: Units,
    fast: FloatArray,
    model: Encoder | Reranker,
    use: EncoderUse,
    clock: Callable[[], float],
) -> Ranked:
    """Let a model read the best blocks, and add what it says to the fast scores.

    A unit outside of what was read keeps its fast z-score. One inside gets on top of its own what
    the model says of its block, counted from the worst block that was read, so never less than
    nothing: no unit overtakes another because it was not read.

    Args:
        question: what is asked; without one there is nothing to encode.
        units: what may be read; a passage is one block.
        fast: (n,) float32, what the words say.
        model: vectors or scores; may raise anything.
        use: how much it reads, and how much its word counts.
        clock: seconds, rising.
    """
    blocks = _Blocks.of(units, fast)
    chosen = blocks.best(use) if question.strip() else np.zeros(0, np.int64)
    if not len(chosen):
        return _fall_back(blocks, 0)
    by_vectors = hasattr(model, "encode")
    try:
        read = _read(question, [blocks.texts[i] for i in chosen], model, use.deadline_ms, clock)
    except Exception as error:  # noqa: BLE001 - whatever a model does, the call goes on
        return _fall_back(blocks, 0, type(error).__name__)
    if len(read) < len(chosen):
        return _fall_back(blocks, len(read))
    if by_vectors:
        read = blocks.smoothed(chosen, np.round(read, DIGITS))
    says = standard(read)
    weights = np.where(blocks.passages[chosen], PASSAGE_GAIN, 1.0) * use.weight
    bonus = np.zeros(len(blocks.texts), np.float32)
    bonus[chosen] = weights * says - (weights * says).min()
    known = np.full(len(blocks.texts), says.min(), np.float32)
    known[chosen] = says
    ranks = _best_of(blocks.groups, known) + np.float32(FAST_SHARE) * standard(blocks.group_fast)
    return Ranked(bonus[blocks.of_unit], ranks, len(chosen))


def _fall_back(blocks: _Blocks, encoded: int, error: str = "") -> Ranked:
    nothing = np.zeros(len(blocks.of_unit), np.float32)
    return Ranked(nothing, blocks.group_fast, encoded, fell_back=True, error=error)


def _read(
    question: str,
    texts: Sequence[str],
    model: Encoder | Reranker,
    deadline_ms: int | None,
    clock: Callable[[], float],
) -> FloatArray:
    """Scores of the first texts, as many as could be read before the deadline.

    It gives up early where the deadline cannot be met.

    Raises:
        ValueError: the model gave something else than one finite number, or vector, a text.
    """
    start = clock()
    scores: list[FloatArray] = []
    hopeless = False
    asked: FloatArray | None = None
    at, size = 0, FIRST_BATCH
    while at < len(texts) and not hopeless:
        batch = list(texts[at : at + size])
        at, size = at + len(batch), min(2 * size, LARGEST_BATCH)
        if hasattr(model, "encode"):
            vectors = model.encode(batch if asked is not None else [question, *batch])
            if asked is None:
                asked, vectors = vectors[0], vectors[1:]
            found = vectors @ asked
        else:
            found = model.rank(question, batch)
        if found.shape != (len(batch),) or not np.isfinite(found).all():
            raise ValueError(f"scores of shape {found.shape} for {len(batch)} texts")
        if deadline_ms is not None:
            spent_ms = (clock() - start) * 1000
            if spent_ms > deadline_ms:
                break
            hopeless = len(scores) > 0 and spent_ms * len(texts) > HOPELESS * deadline_ms * at
        scores.append(np.asarray(found, np.float32))
    return np.concatenate([np.zeros(0, np.float32), *scores])


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Runs of units that the model reads at once.

    Attributes:
        texts: what it reads.
        of_unit: (n,) the block of each unit.
        groups: (blocks,) the group of each block, numbered from 0.
        passages: (blocks,) whether a block is a whole passage.
        fast: (blocks,) float32, by which they are chosen.
        group_fast: (groups,) float32.
    """

    texts: Sequence[str]
    of_unit: IntArray
    groups: IntArray
    passages: npt.NDArray[np.bool_]
    fast: FloatArray
    group_fast: FloatArray

    @classmethod
    def of(cls, units: Units, fast: FloatArray) -> _Blocks:
        groups, short = units.numbers, units.in_passages.tolist()
        of_unit = np.empty(len(groups), np.int64)
        block, size, last = -1, 0, -1
        for unit, (group, own) in enumerate(zip(groups.tolist(), units.tokens, strict=True)):
            opens, last = group != last, group
            if opens or (not short[unit] and size + own > BLOCK_TOKENS):
                block, size = block + 1, 0
            of_unit[unit] = block
            size += own
        pieces: list[list[str]] = [[] for _ in range(block + 1)]
        for at, text in zip(of_unit.tolist(), units.texts, strict=True):
            pieces[at].append(text.strip())
        texts = [" ".join(p for p in own if p)[:BLOCK_CHARACTERS] for own in pieces]
        first = np.searchsorted(of_unit, np.arange(block + 1))
        passages = units.in_passages[first]
        means = _mean_of(of_unit, fast), _mean_of(groups, fast)
        return cls(texts, of_unit, groups[first], passages, *means)

    def best(self, use: EncoderUse) -> IntArray:
        """The blocks to read, the best first; equal ones in the order of the text."""
        filled = np.array([i for i, text in enumerate(self.texts) if text], np.int64)
        size = max(int(np.ceil(use.share * len(filled))), min(use.at_least, len(filled)))
        order = np.argsort(-self.fast[filled], kind="stable")
        return filled[order[:size]]

    def smoothed(self, chosen: IntArray, scores: FloatArray) -> FloatArray:
        """Mean of a block's own score and of those around it, inside its group.

        Only what was read counts; a passage stands for itself.
        """
        known = np.zeros(len(self.texts), np.float64)
        counts = np.zeros(len(self.texts), np.float64)
        known[chosen], counts[chosen] = scores, 1.0
        sums = np.concatenate([[0.0], np.cumsum(known)])
        seen = np.concatenate([[0.0], np.cumsum(counts)])
        first = np.searchsorted(self.groups, self.groups, side="left")
        last = np.searchsorted(self.groups, self.groups, side="right")
        at = np.arange(len(self.texts))
        total = known.copy()
        for width in NEIGHBOURS:
            low, high = np.maximum(first, at - width), np.minimum(last, at + width + 1)
            total += (sums[high] - sums[low]) / np.maximum(seen[high] - seen[low], 1.0)
        mean = np.where(self.passages, known, total / (1 + len(NEIGHBOURS)))
        return np.asarray(mean[chosen], np.float32)


def _mean_of(places: IntArray, values: FloatArray) -> FloatArray:
    """Mean of the values at each place, numbered from 0."""
    return np.asarray(np.bincount(places, values) / np.maximum(np.bincount(places), 1), np.float32)


def _best_of(places: IntArray, values: FloatArray) -> FloatArray:
    best = np.full(int(places.max(initial=-1)) + 1, -np.inf, np.float32)
    np.maximum.at(best, places, values)
    return best
