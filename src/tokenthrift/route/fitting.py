"""Fit P(adequate) on outcomes: somebody's own few hundred, or all that is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.route.adequacy import Adequacy
from tokenthrift.route.difficulty import fit_directions
from tokenthrift.route.features import fit_lens, measured
from tokenthrift.route.items import fit_items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.adequacy import FloatArray

# More dimensions of difficulty are worth their noise only with more outcomes.
DIMS: Final = 4
MANY_DIMS: Final = 8
MANY_PROMPTS: Final = 1500
FEWEST_PROMPTS: Final = 8


def fit(
    prompts: Sequence[str],
    scores: FloatArray,
    models: Sequence[str],
    *,
    start: Adequacy | None = None,
    seed: int = 0,
) -> Adequacy:
    """Fit on outcomes.

    Args:
        prompts: texts as users wrote them.
        scores: (prompts, models) in [0, 1]; nan where an outcome was not recorded.
        models: names, in the order of the columns.
        start: what was known before; it still answers for models that are not in the log.
        seed: of everything random; the same seed gives the same fit.

    Raises:
        ValueError: shapes do not belong together, a score lies outside [0, 1], or there are too few
            prompts to learn anything from.
    """
    scores = np.asarray(scores, np.float64)
    _check(scores, len(prompts), len(models))
    texts = measured(prompts)
    lens = fit_lens(texts, seed)
    dims = DIMS if len(prompts) < MANY_PROMPTS else MANY_DIMS
    directions, difficulties = fit_directions(lens(texts), scores, dims, seed)
    return Adequacy(
        models=tuple(models),
        lens=lens,
        directions=directions,
        items=fit_items(difficulties, scores),
        counts=np.isfinite(scores).sum(axis=0).astype(np.int64),
        familiar=lens.familiar(texts),
        before=start,
        about={"prompts": len(prompts), "strength": directions.strength, "seed": seed},
    )


def _check(scores: FloatArray, prompts: int, models: int) -> None:
    if scores.shape != (prompts, models):
        raise ValueError(f"scores have shape {scores.shape}, not {(prompts, models)}")
    if prompts < FEWEST_PROMPTS or not models:
        raise ValueError(f"{prompts} prompts and {models} models are too few to fit on")
    known = scores[np.isfinite(scores)]
    if ((known < 0) | (known > 1)).any():
        raise ValueError("scores must lie in [0, 1]")
