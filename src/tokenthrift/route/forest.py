"""Which kind of task a request is, as trees see it: outcomes of models by splits of its measures.

Extremely randomised trees (Geurts, Ernst, Wehenkel, 2006) on the shape of a text, on its most
frequent runs, and on the main directions of its meaning. They tell apart what a linear map blurs:
templates, and sizes at which a kind of task becomes hard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenthrift.route.features import Measured

Float32 = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FOLDS: Final = 4
TREES: Final = 64  # as many of each fold
LEAST_LEAF: Final = 3
TRIED: Final = 0.3  # share of the measures that a split is chosen from
RUNS: Final = 256
MEANINGS: Final = 24
RANK: Final = 16  # directions of outcomes that are kept
STEERING: Final = 8  # and those that splits are chosen by
NO_CHILD: Final = -1
# As if so much squared difference between trees and item response had been seen to be worth a half.
SHARE_SHRINKAGE: Final = 1.0
NOISE: Final = 0.2  # variance of a score around what is expected of it
LEAST_VARIANCE: Final = 1e-3  # of slopes among models


@dataclass(frozen=True, slots=True)
class Sight:
    """What trees look at.

    Attributes:
        runs: (kept,) hashes, rising; whether a text has each of them.
        turn: (d, directions) of meaning.
    """

    runs: npt.NDArray[np.uint64]
    turn: Float32

    def __call__(self, texts: Measured) -> Float32:
        """(n, measures)."""
        seen = np.zeros((len(texts), len(self.runs)), np.float32)
        for row, runs in enumerate(texts.runs):
            if len(runs):
                place = np.minimum(np.searchsorted(runs, self.runs), len(runs) - 1)
                seen[row] = runs[place] == self.runs
        return np.hstack([texts.shapes, seen, texts.meanings @ self.turn]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees in one row of nodes, each tree's root first.

    Attributes:
        sight: what trees look at.
        roots: (trees,) numbers of nodes.
        measures: (nodes,) which measure is asked.
        bounds: (nodes,) below it to the left.
        lefts: (nodes,) the left child, behind which the right one stands; `NO_CHILD` for a leaf.
        values: (nodes, rank) means of outcomes.
        slopes: (models, rank + 1) outcomes of each model, its level last; nan for a model that was
            not fitted.
        share: of what trees say, in [0, 1]; the rest is item response.
    """

    sight: Sight
    roots: IntArray
    measures: IntArray
    bounds: Float32
    lefts: IntArray
    values: Float32
    slopes: FloatArray
    share: float

    def __call__(self, texts: Measured) -> FloatArray:
        """(requests, models) of P(adequate), in [0, 1]; nan where nothing was fitted."""
        return _chances(self.said(self.sight(texts)).mean(axis=1), self.slopes)

    def said(self, x: Float32) -> Float32:
        """(requests, trees, rank) what each tree says of rows of measures."""
        at = np.repeat(self.roots[None], len(x), axis=0)
        row = np.arange(len(x))[:, None]
        while True:
            left = self.lefts[at]
            inner = left != NO_CHILD
            if not inner.any():
                break
            right = x[row, self.measures[at]] >= self.bounds[at]
            at = np.where(inner, left + right, at)
        return self.values[at]

    def mixed(self, p: FloatArray, texts: Measured) -> FloatArray:
        """(requests, models) of P(adequate), by trees and by item response.

        Args:
            p: (requests, models) by item response; stands alone for a model that was not fitted.
            texts: of the requests.
        """
        seen = self(texts)
        return np.where(np.isnan(seen), p, p + self.share * (seen - p))

    def without(self, kept: list[int]) -> Forest:
        """Of some models, with one behind them that nothing is known of."""
        unknown = np.full((1, self.slopes.shape[1]), np.nan)
        return replace(self, slopes=np.vstack([self.slopes[kept], unknown]))

    def place(self, kept: list[int], texts: Measured, scores: FloatArray) -> Forest:
        """Of some models, with one behind them by its scores on some requests.

        It takes after the others as far as the scores do not say otherwise.

        Args:
            kept: numbers of the models that stay.
            texts: of the anchors.
            scores: (anchors,) in [0, 1].
        """
        others = self.slopes[np.isfinite(self.slopes[:, -1])]
        if not len(others):
            return self.without(kept)
        mean, variance = others.mean(axis=0), np.maximum(others.var(axis=0), LEAST_VARIANCE)
        said = self.said(self.sight(texts)).mean(axis=1).astype(np.float64)
        design = np.hstack([said, np.ones((len(said), 1))])
        precision = design.T @ design / NOISE + np.diag(1 / variance)
        step = np.linalg.solve(precision, design.T @ (scores - design @ mean) / NOISE)
        return replace(self, slopes=np.vstack([self.slopes[kept], mean + step]))


def fit_forest(texts: Measured, scores: FloatArray, p: FloatArray, seed: int = 0) -> Forest:
    """Fit trees, and how much they are listened to.

    Each tree leaves a fold of the requests out, on which the share of trees is chosen.

    Args:
        texts: of the requests.
        scores: (requests, models) in [0, 1]; nan where not recorded.
        p: (requests, models) by item response, of each request foretold without itself.
        seed: of everything random.
    """
    sight = _fit_sight(texts)
    x = sight(texts)
    known = np.isfinite(scores)
    levels = np.where(known, scores, 0.0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    left = np.where(known, np.nan_to_num(scores) - levels, 0.0)
    _, _, turned = np.linalg.svd(left, full_matrices=False)
    main = turned[:RANK].T
    target = (left @ main).astype(np.float32)
    rng = np.random.default_rng(seed)
    folds = rng.permutation(len(x)) % FOLDS
    rows = [np.flatnonzero(folds != n % FOLDS) for n in range(TREES)]
    trees = [_grown(x[r], target[r], rng) for r in rows]
    starts = np.cumsum([0, *(len(t[0]) for t in trees)])[:-1]
    forest = Forest(
        sight,
        starts,
        np.concatenate([t[0] for t in trees]),
        np.concatenate([t[1] for t in trees]),
        np.concatenate(
            [
                np.where(t[2] == NO_CHILD, NO_CHILD, t[2] + s)
                for t, s in zip(trees, starts, strict=True)
            ]
        ),
        np.concatenate([t[3] for t in trees]),
        np.hstack([main.astype(np.float64), levels[:, None]]),
        share=1.0,
    )
    return replace(forest, share=_share(forest, x, folds, p, scores))


def _share(forest: Forest, x: Float32, folds: IntArray, p: FloatArray, scores: FloatArray) -> float:
    """The share of trees with the least squared error on requests that they were not grown on.

    Fewer trees speak of a request held out than of a new one; how much they err by being few is
    taken off.
    """
    gain, spread = SHARE_SHRINKAGE / 2, SHARE_SHRINKAGE
    few = FOLDS / TREES - 1 / TREES
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        said = forest.said(x[rows])[:, fold::FOLDS]
        left = scores[rows] - p[rows]
        known = np.isfinite(left)
        apart = _chances(said.mean(axis=1), forest.slopes) - p[rows]
        gain += float((apart[known] * left[known]).sum())
        spread += float((apart[known] ** 2).sum())
        spread -= few * float(known.mean() * said.var(axis=1, ddof=1).sum())
    return min(1.0, max(0.0, gain / max(spread, SHARE_SHRINKAGE)))


def _chances(said: Float32, slopes: FloatArray) -> FloatArray:
    return np.clip(said.astype(np.float64) @ slopes[:, :-1].T + slopes[:, -1], 0.0, 1.0)


def _fit_sight(texts: Measured) -> Sight:
    """The runs that most texts have, and the main directions of meaning."""
    hashes, seen = np.unique(np.concatenate(texts.runs), return_counts=True)
    often = np.argsort(-seen, kind="stable")[:RUNS]
    runs = np.sort(hashes[often[seen[often] > 1]])
    centred = texts.meanings - texts.meanings.mean(axis=0)
    _, _, turned = np.linalg.svd(centred, full_matrices=False)
    return Sight(runs, turned[:MEANINGS].T.astype(np.float16).astype(np.float32))


def _grown(
    x: Float32, target: Float32, rng: np.random.Generator
) -> tuple[IntArray, Float32, IntArray, Float32]:
    """Measures, bounds, left children and values of the nodes of one tree, its root first.

    Strategy: all nodes of a level are split at once, on sums over rows that lie in their order.
    """
    measures, bounds, lefts, values = [], [], [], []
    rows, sizes, count = np.arange(len(x)), np.array([len(x)]), 1
    while len(sizes):
        starts = np.cumsum(sizes) - sizes
        values.append(np.add.reduceat(target[rows], starts) / sizes[:, None])
        asked = rng.permutation(x.shape[1])[: max(1, round(TRIED * x.shape[1]))]
        best, bound, splits = _splits(x[rows[:, None], asked], target[rows], sizes, rng)
        measures.append(np.where(splits, asked[best], 0))
        bounds.append(bound)
        lefts.append(np.where(splits, count + 2 * (np.cumsum(splits) - 1), NO_CHILD))
        count += 2 * int(splits.sum())
        node = np.repeat(np.arange(len(sizes)), sizes)
        right = x[rows, measures[-1][node]] >= bound[node]
        kept = splits[node]
        child = (2 * node + right)[kept]
        order = np.argsort(child, kind="stable")
        rows = rows[kept][order]
        sizes = np.bincount(child, minlength=2 * len(sizes)).reshape(-1, 2)[splits].ravel()
    return (
        np.concatenate(measures),
        np.concatenate(bounds),
        np.concatenate(lefts),
        np.concatenate(values).astype(np.float16).astype(np.float32),
    )


def _splits(
    x: Float32, target: Float32, sizes: IntArray, rng: np.random.Generator
) -> tuple[IntArray, Float32, npt.NDArray[np.bool_]]:
    """For each node the measure asked, the bound, and whether it is split at all.

    Of a random bound for each measure, the one that explains most of the outcomes is taken.

    Args:
        x: (rows, asked) in the order of their nodes.
        target: (rows, rank).
        sizes: (nodes,) how many rows each has.
        rng: where bounds are drawn from.
    """
    starts = np.cumsum(sizes) - sizes
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    bounds = low + (high - low) * rng.random(low.shape, np.float32)
    left = (x < np.repeat(bounds, sizes, axis=0)).astype(np.float32)
    n = sizes[:, None].astype(np.float32)
    fewer = np.add.reduceat(left, starts)
    more = n - fewer
    fits = (fewer >= LEAST_LEAF) & (more >= LEAST_LEAF)
    gain = np.zeros_like(fewer)
    for column in target[:, :STEERING].T:
        whole = np.add.reduceat(column, starts)[:, None]
        part = np.add.reduceat(left * column[:, None], starts)
        gain += part**2 / np.maximum(fewer, 1) + (whole - part) ** 2 / np.maximum(more, 1)
    best = np.where(fits, gain, -1.0).argmax(axis=1)
    at = np.arange(len(sizes))
    return best, bounds[at, best], fits[at, best]
