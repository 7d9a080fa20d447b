"""What is measured of a text before a model is chosen for it: numbers that models are fitted on.

Meaning by the bundled static table, wording by hashed runs of token ids, and shape. All of it is
independent of language; each measure is bounded, so that no single trick decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.encoders.static import load_static
from tokenthrift.route.ask import ask_of
from tokenthrift.route.wording import plain
from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]

HASHED: Final = 2048
ENCODING: Final = "o200k_base"


def features(prompts: Sequence[str]) -> FloatArray:
    """(n, d) measures of texts.

    Args:
        prompts: as a user wrote them.
    """
    ids = token_ids(ENCODING)
    texts = [plain(p) for p in prompts]
    meaning = load_static(ids).encode(texts).astype(np.float64)
    wording = np.stack([_hashed(ids(t)) for t in texts]) if texts else np.zeros((0, HASHED))
    shape = np.array([_shape(p) for p in prompts]).reshape(len(texts), -1)
    return np.hstack([np.ones((len(texts), 1)), shape, meaning, wording])


def _hashed(ids: npt.NDArray[np.uint32]) -> FloatArray:
    wide = ids.astype(np.uint64)
    runs = [wide * np.uint64(2654435761)]
    if len(wide) > 1:
        runs.append(wide[:-1] * np.uint64(2654435761) + wide[1:] * np.uint64(40503) + np.uint64(7))
    places = np.concatenate(runs) >> np.uint64(7)
    out = np.zeros(HASHED)
    out[np.unique(places % np.uint64(HASHED)).astype(np.int64)] = 1.0
    return out / max(1.0, float(np.linalg.norm(out)))


def _shape(prompt: str) -> list[float]:
    ask = ask_of(prompt)
    amounts = (
        ask.words, ask.numbers, ask.items, ask.questions, ask.math_marks, ask.prose_characters,
        ask.code_lines, ask.code_characters, ask.blocks, ask.context_characters,
    )  # fmt: skip
    return [min(1.0, float(np.log1p(a)) / 8) for a in amounts]
