"""What is measured of a text before a model is chosen for it, and the numbers models are fitted on.

`Measured` holds what a text is: the shape of it, its meaning by the bundled static table, and the
runs of one and two tokens in it. A `Lens`, fitted on texts, turns that into vectors of length one;
three kinds of measures share their length evenly, so that none of them decides alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.encoders.static import NO_ROW, StaticTable, load_static, normalised
from tokenthrift.route.shape import shape_of
from tokenthrift.route.wording import plain
from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.tokens import IdArray

FloatArray = npt.NDArray[np.float32]
HashArray = npt.NDArray[np.uint64]

ENCODING: Final = "o200k_base"
# Runs in this many texts at least are kept, the most frequent ones first: what a single person
# wrote is never held.
KEPT_RUNS: Final = 8192
SEEN_IN: Final = 2
# Waves of each of two random maps that stand for a Gaussian kernel (Rahimi and Recht, 2007).
WAVES: Final = 1024
MEANING_WIDTH: Final = 1.0
SHAPE_WIDTH: Final = 0.5
SHAPE_CAP: Final = 3.0  # standard deviations
EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Measured:
    """Texts as measured.

    Attributes:
        shapes: (n, measures).
        meanings: (n, d), rows of length one or zero.
        runs: of each text, the distinct hashes of its runs, rising.
    """

    shapes: FloatArray
    meanings: FloatArray
    runs: tuple[HashArray, ...]

    def __len__(self) -> int:
        """How many texts."""
        return len(self.runs)

    def at(self, rows: npt.NDArray[np.int64]) -> Measured:
        """Some of the texts, in the order asked for."""
        return Measured(self.shapes[rows], self.meanings[rows], tuple(self.runs[r] for r in rows))


def measured(prompts: Sequence[str]) -> Measured:
    """Measure texts; each by itself.

    Args:
        prompts: as users wrote them.
    """
    ids_of = token_ids(ENCODING)
    table = load_static(ids_of)
    texts = [plain(p) for p in prompts]
    ids = [ids_of(t) for t in texts]
    return Measured(
        np.stack([shape_of(t, i) for t, i in zip(texts, ids, strict=True)])
        if texts
        else np.zeros((0, len(shape_of("", ids_of("")))), np.float32),
        normalised(np.stack([_meaning(table, i) for i in ids]))
        if ids
        else np.zeros((0, table.dims), np.float32),
        tuple(_runs(i) for i in ids),
    )


def _meaning(table: StaticTable, ids: IdArray) -> FloatArray:
    """(d,) sum of the rows of a text's tokens.

    Strategy: one text at a time is judged, for which the table's own way, made for many units, sets
    up more than it sums.
    """
    rows = table.row_of[ids[ids < len(table.row_of)]]
    rows = rows[rows != NO_ROW]
    values = table.rows[rows].astype(np.float32) * table.scales[rows, None]
    return np.asarray(values.sum(axis=0), np.float32)


def _runs(ids: IdArray) -> HashArray:
    """Hashes of the runs of one and two tokens, each once."""
    one = (ids.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    two = (one[:-1] ^ (one[1:] >> np.uint64(29))) * np.uint64(0xC2B2AE3D27D4EB4F) + one[1:]
    return np.unique(np.concatenate([one, two]))


@dataclass(frozen=True, slots=True)
class Lens:
    """Measures as vectors.

    Attributes:
        runs: (kept,) hashes, rising.
        weights: (kept,) of each run, by how rare it is.
        centre: (measures,) mean of each measure of shape.
        scale: (measures,) its standard deviation.
        meaning_waves: (d, WAVES / 2).
        shape_waves: (measures, WAVES / 2).
    """

    runs: HashArray
    weights: FloatArray
    centre: FloatArray
    scale: FloatArray
    meaning_waves: FloatArray
    shape_waves: FloatArray

    @property
    def dims(self) -> int:
        """Length of a vector."""
        waves = self.meaning_waves.shape[1] + self.shape_waves.shape[1]
        return len(self.runs) + 2 * int(waves)

    def __call__(self, texts: Measured) -> FloatArray:
        """(n, dims), rows of length one at most."""
        out = np.zeros((len(texts), self.dims), np.float32)
        first = len(self.runs)
        for row, runs in enumerate(texts.runs):
            place, weight = self.run_weights(runs)
            out[row, place] = weight
        out[:, first:] = self.waves(texts)
        return out

    def run_weights(self, runs: HashArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Places of the known runs of a text, and their numbers."""
        if not len(self.runs):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        place = np.minimum(np.searchsorted(self.runs, runs), len(self.runs) - 1)
        place = place[self.runs[place] == runs]
        weight = self.weights[place]
        length = np.sqrt(np.float32(3)) * max(EPSILON, float(np.linalg.norm(weight)))
        return place, np.asarray(weight / length, np.float32)

    def familiar(self, texts: Measured) -> float:
        """Share of known runs in the median text."""
        shares = [len(self.run_weights(r)[0]) / max(1, len(r)) for r in texts.runs]
        return float(np.median(shares)) if shares else 0.0

    def waves(self, texts: Measured) -> FloatArray:
        """(n, 2 x WAVES) of meaning and shape."""
        standard = np.clip((texts.shapes - self.centre) / self.scale, -SHAPE_CAP, SHAPE_CAP)
        parts = []
        for values, directions in (
            (texts.meanings, self.meaning_waves),
            (standard, self.shape_waves),
        ):
            angles = values @ directions
            size = np.float32(np.sqrt(1 / (3 * directions.shape[1])))
            parts += [np.cos(angles) * size, np.sin(angles) * size]
        return np.hstack(parts).astype(np.float32)


def fit_lens(texts: Measured, seed: int = 0, kept_runs: int = KEPT_RUNS) -> Lens:
    """A lens for texts like these.

    Args:
        texts: two at least.
        seed: of the random directions.
        kept_runs: most runs that are told apart.
    """
    hashes, seen = np.unique(
        np.concatenate(texts.runs) if len(texts) else np.zeros(0, np.uint64), return_counts=True
    )
    often = np.argsort(-seen, kind="stable")[:kept_runs]
    kept = np.sort(often[seen[often] >= SEEN_IN])
    weights = np.log((len(texts) + 1) / (seen[kept] + 1)) + 1
    centre, spread = texts.shapes.mean(axis=0), texts.shapes.std(axis=0)
    rng = np.random.default_rng(seed)
    meaning = rng.standard_normal((texts.meanings.shape[1], WAVES // 2))
    shape = rng.standard_normal((texts.shapes.shape[1], WAVES // 2))
    return Lens(
        hashes[kept],
        weights.astype(np.float32),
        centre.astype(np.float32),
        (spread + 1e-3).astype(np.float32),
        (meaning * np.sqrt(2 * MEANING_WIDTH)).astype(np.float32),
        (shape * np.sqrt(2 * SHAPE_WIDTH / texts.shapes.shape[1])).astype(np.float32),
    )
