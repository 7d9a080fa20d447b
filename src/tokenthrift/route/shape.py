"""The shape of a text in numbers: sizes, shares and marks, each bounded, in any language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenthrift.tokens import IdArray

FloatArray = npt.NDArray[np.float32]

MARKS: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
SHARES: Final = {
    "brackets": "()[]{}", "operators": "<>=+*/^", "stops": ".,;:", "quotes": "\"'`",
    "code marks": "$\\_|", "exclamations": "!?",
}  # fmt: skip
NAMES: Final = (
    "characters", "tokens", "words", "distinct words", "distinct share of words", "numbers",
    "distinct numbers", "longest number", "mean length of numbers", "lines", "longest line",
    "mean line", "last line", "first line", "unevenness of lines", "mean length of words",
    "tokens a character", "mean rarity of tokens", "spread of rarity", "rarest tenth of tokens",
    "digits", "latin letters", "other scripts", "line ends", "distinct share of tokens",
    *(f"count of {c}" for c in MARKS), *SHARES,
)  # fmt: skip
"""What each measure is, in the order of `shape_of`."""

_NUMBER: Final = re.compile(r"\d+")
_WORD: Final = re.compile(r"[^\W\d_]+")
_MARK_BYTES: Final = np.frombuffer(MARKS.encode(), np.uint8)
_SHARE_BYTES: Final = [np.frombuffer(s.encode(), np.uint8) for s in SHARES.values()]


def shape_of(text: str, ids: IdArray) -> FloatArray:
    """(measures,) of a text, in the order of `NAMES`.

    Counts are logarithms and the rest are shares or means, so that none grows with a long paste.

    Args:
        text: as `plain` gives it.
        ids: its tokens; an id rises with the rarity of its token.
    """
    size = max(1, len(text))
    found = np.bincount(
        np.frombuffer(text.encode("utf-8", "replace"), np.uint8), minlength=256
    ).astype(np.float64)
    lines = np.array([len(line) for line in text.split("\n")], np.float64)
    words = _WORD.findall(text)
    numbers = _NUMBER.findall(text)
    digits = np.array([len(n) for n in numbers] or [0], np.float64)
    distinct = len(set(words))
    rarity = np.sort(np.log1p(ids.astype(np.float64))) if len(ids) else np.zeros(1)
    counts = [size, len(ids), len(words), distinct]
    tokens = max(1, len(ids))
    values = [
        *np.log1p(counts),
        distinct / max(1, len(words)),
        *np.log1p([len(numbers), len(set(numbers))]),
        min(8.0, digits.max()),
        min(8.0, digits.mean()),
        *np.log1p([len(lines), lines.max(), lines.mean(), lines[-1], lines[0]]),
        min(4.0, lines.std() / max(1.0, lines.mean())),
        min(16.0, sum(map(len, words)) / max(1, len(words))),
        4 * len(ids) / size,
        rarity.mean(),
        rarity.std(),
        _ninth_tenth(rarity),
        5 * found[48:58].sum() / size,
        found[97:123].sum() / size,
        min(3.0, found[128:].sum() / size),
        10 * found[10] / size,
        (1 + np.count_nonzero(np.diff(rarity))) / tokens,
        *np.log1p(found[_MARK_BYTES]),
        *(5 * found[marks].sum() / size for marks in _SHARE_BYTES),
    ]
    return np.asarray(values, np.float32)


def _ninth_tenth(rising: npt.NDArray[np.float64]) -> float:
    """What nine tenths of sorted values lie below, between two of them in proportion."""
    place = 0.9 * (len(rising) - 1)
    low = int(place)
    high = min(low + 1, len(rising) - 1)
    return float(rising[low] + (place - low) * (rising[high] - rising[low]))
