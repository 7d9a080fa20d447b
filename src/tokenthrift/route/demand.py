"""How much a request asks for a strong model, before anything is known of one's own models.

Two parts of like spread: the size of the ask, which tells hard from easy inside every task that
was recorded, and what was learned of where strong models are right and weak ones are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.route.features import measured
from tokenthrift.route.items import logistic
from tokenthrift.route.shape import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.route.adequacy import Adequacy
    from tokenthrift.route.features import Measured

FloatArray = npt.NDArray[np.float64]

STRONG: Final = "gpt-4-1106-preview"
WEAK: Final = "mixtral-8x7b-instruct-v0.1"
# Recorded benchmarks are harder than most of what is asked, so that log odds are lifted.
LIFT: Final = 1.0
# More of the learned part orders tasks that were left out a little better, and loses one decision
# in twenty to mere changes of wording.
LEARNED_SHARE: Final = 0.4
# Standard deviations over the prompts that what ships is fitted on.
SIZE_SPREAD: Final = 0.96
GAIN_SPREAD: Final = 0.17
# A few words more or less move little at the short end. Tokens alone are driven up by nonsense,
# characters alone by long words.
SOFT_TOKENS: Final = 16.0
SOFT_CHARACTERS: Final = 64.0


def demand(prompts: Sequence[str], held: Adequacy) -> FloatArray:
    """(prompts,) from about -2 (any model will do) to 3 (only a strong one).

    Args:
        prompts: texts as users wrote them.
        held: knows `STRONG` and `WEAK`.
    """
    texts = measured(prompts)
    logits = held.items.logits(held.difficulties(texts)) + LIFT
    strong, weak = held.models.index(STRONG), held.models.index(WEAK)
    gain = logistic(logits[:, strong]) - logistic(logits[:, weak])
    size = _size(texts, "tokens", SOFT_TOKENS) + _size(texts, "characters", SOFT_CHARACTERS)
    return np.asarray(size / (2 * SIZE_SPREAD) + LEARNED_SHARE * gain / GAIN_SPREAD)


def _size(texts: Measured, name: str, soft: float) -> FloatArray:
    amount = np.expm1(texts.shapes[:, NAMES.index(name)].astype(np.float64))
    return np.log1p(amount / soft)
