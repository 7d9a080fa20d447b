"""Difficulties of requests from their measures: linear maps whose strength is chosen by hold-out.

Outcomes, centred by model, are foretold by ridge regression; the main directions of what could be
foretold on requests held out are the dimensions of difficulty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

STRENGTHS: Final = (0.35, 0.7, 1.5, 3.0, 6.0)
FOLDS: Final = 4
SAMPLE: Final = 2000  # requests that the strength is chosen on
SETTLING: Final = 20
ROW_SHRINKAGE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Directions:
    """The map from measures to difficulties.

    Attributes:
        weights: (measures, dims).
        offset: (dims,).
        strength: of the ridge.
    """

    weights: Float32
    offset: Float32
    strength: float

    def __call__(self, x: Float32) -> FloatArray:
        """(n, dims) difficulties."""
        return (x @ self.weights + self.offset).astype(np.float64)


def fit_directions(
    x: Float32,
    scores: FloatArray,
    dims: int,
    seed: int = 0,
    groups: npt.NDArray[np.int64] | None = None,
) -> tuple[Directions, FloatArray]:
    """The map, and the difficulties of the same requests foretold without themselves.

    Args:
        x: (requests, measures).
        scores: (requests, models); nan where not recorded.
        dims: most dimensions of difficulty.
        seed: of the folds.
        groups: (requests,) numbers from 0; requests of one group are held out together.

    Returns:
        ``(directions, difficulties)`` with difficulties (requests, dims), each of unit spread.
    """
    target = residuals(scores)
    known = np.isfinite(scores)
    groups = np.arange(len(x)) if groups is None else groups
    count = int(groups.max()) + 1
    folds = (np.random.default_rng(seed).permutation(count) % min(FOLDS, count))[groups]
    order = np.random.default_rng(seed + 1).permutation(len(x))[:SAMPLE]
    strength = _best_strength(x[order], target[order], known[order], folds[order])
    found_map, held_out = _ridge(x, target, folds, strength)
    centre = held_out.mean(axis=0)
    _, sizes, turned = np.linalg.svd(held_out - centre, full_matrices=False)
    main = turned[: max(1, min(dims, int((sizes > 1e-6).sum())))].T
    main *= np.where(main.sum(axis=0) < 0, -1.0, 1.0).astype(np.float32)
    found = (held_out - centre) @ main
    spread = np.maximum(found.std(axis=0), 1e-6)
    turn = main / spread
    weights = np.asarray(found_map @ turn, np.float32)
    directions = Directions(weights, np.asarray(-centre @ turn, np.float32), strength)
    return directions, (found / spread).astype(np.float64)


def residuals(scores: FloatArray) -> Float32:
    """(requests, models): how much better each request went than its models do on the whole.

    What was not recorded is filled with what the request's other outcomes say, shrunk.
    """
    known = np.isfinite(scores)
    y = np.nan_to_num(scores)
    seen = np.maximum(1, known.sum(axis=0))
    rows = np.zeros(len(y))
    for _ in range(SETTLING):
        levels = (known * (y - rows[:, None])).sum(axis=0) / seen
        left = (known * (y - levels)).sum(axis=1)
        rows = left / (known.sum(axis=1) + ROW_SHRINKAGE)
        rows -= rows.mean()
    return np.where(known, y - levels, rows[:, None]).astype(np.float32)


def _solved(gram: Float32, target: Float32, strength: float) -> Float32:
    return np.asarray(
        np.linalg.solve(gram + strength * np.eye(len(gram), dtype=np.float32), target)
    )


def _ridge(
    x: Float32, target: Float32, folds: npt.NDArray[np.int64], strength: float
) -> tuple[Float32, Float32]:
    """(measures, models) weights, and (requests, models) foretold of each fold by the others.

    Strategy: the smaller of the two normal systems is built once; each fold takes its part of it.
    """
    found = np.zeros_like(target)
    wide = len(x) <= x.shape[1]
    gram = x @ x.T if wide else x.T @ x
    for fold in range(int(folds.max()) + 1):
        test, train = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if wide:
            weights = _solved(gram[np.ix_(train, train)], target[train], strength)
            found[test] = gram[np.ix_(test, train)] @ weights
        else:
            rest = gram - x[test].T @ x[test]
            found[test] = x[test] @ _solved(rest, x[train].T @ target[train], strength)
    if wide:
        return np.asarray(x.T @ _solved(gram, target, strength)), found
    return _solved(gram, x.T @ target, strength), found


def _best_strength(
    x: Float32, target: Float32, known: npt.NDArray[np.bool_], folds: npt.NDArray[np.int64]
) -> float:
    """The strength with the least squared error on held-out requests.

    Strategy: one eigendecomposition of a Gram matrix a fold serves all strengths.
    """
    errors = np.zeros(len(STRENGTHS))
    for fold in range(int(folds.max()) + 1):
        test, train = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        values, vectors = np.linalg.eigh(x[train] @ x[train].T)
        turned = vectors.T @ target[train]
        back = (x[test] @ x[train].T) @ vectors
        for n, strength in enumerate(STRENGTHS):
            shrunk = turned / (np.maximum(values, 0) + np.float32(strength))[:, None]
            errors[n] += (((back @ shrunk - target[test]) ** 2) * known[test]).sum()
    return STRENGTHS[int(np.argmin(errors))]
