"""Which lines of a log tell of the same event: what varies in a line is masked, then merged.

Words with digits, paths and values vary by their look. A word varies by evidence where many lines
are alike but for it. One pass over the lines and two over the distinct masks; the order of lines
does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.relevance.material import FloatArray, IntArray

VARIANTS: Final = 4  # so many words in one place, all else alike, make it a place of a value
ROUNDS: Final = 2  # places that vary together are merged one after the other
LONGEST: Final = 32  # words of a line that are looked at
LONGEST_LINE: Final = 400  # characters of a line that are looked at
VALUE: Final = -1
OTHER_MASK: Final = 0.3  # of a mask whose event another line tells of, against the first line's 1
CHEAPEST: Final = 2.0  # a short line adds at most so much more than the median one
_MODULUS: Final = (1 << 61) - 1
_POWERS: Final = tuple(pow(1_000_003, n, _MODULUS) for n in range(LONGEST))

# A word with digits (but not a name as "SOCKS5"), what stands behind "=", a path, what is quoted.
_VARYING = re.compile(
    r"(?:(?<!\S)|(?<=\.\.))(?![A-Za-z]{3,}\d\b)(?:(?!\.\.)\S)*?\d\S*"
    r"|(?<==)[^\s,;)\]}]+|(?<![^\s\"'(=:\[])/\S+|\"[^\"]*\"|'[^']*'"
)
_ZEROS: Final = str.maketrans("123456789", "000000000")
_WORD = re.compile(r"[^\s,;:=()\[\]{}<>|]+|[=\[(<|]")


@dataclass(frozen=True, slots=True)
class Events:
    """What lines tell of, each numbered from 0.

    Attributes:
        masks: (n,) lines with one number are alike but for what varies by its look.
        events: (n,) the same for what varies by evidence too; never more of them than masks.
    """

    masks: IntArray
    events: IntArray

    def first_told(self, values: FloatArray, tokens: IntArray) -> FloatArray:
        """(n,) what a line adds as the most valuable one of its event or, less, of its mask.

        Lines that cost less than the median of these add more, as more events then fit in.

        Args:
            values: of the lines; the first of equals counts.
            tokens: of the lines.
        """
        order = np.argsort(-values, kind="stable")
        of_mask = np.sort(np.unique(self.masks[order], return_index=True)[1])
        best = order[of_mask]
        adds = np.zeros(len(values), np.float32)
        adds[best] = OTHER_MASK
        adds[best[np.unique(self.events[best], return_index=True)[1]]] = 1
        typical = np.median(tokens[best]) if len(best) else 0
        return adds * np.minimum(CHEAPEST, typical / np.maximum(tokens, 1)).astype(np.float32)


def events_of(lines: Sequence[str]) -> Events:
    """What each line tells of.

    Args:
        lines: of logs.
    """
    words: dict[str, int] = {}
    numbers: dict[tuple[int, ...], int] = {}
    own: list[int] = []
    known: dict[str, int] = {}  # which digits a line has makes no difference
    for line in lines:
        shape = line[:LONGEST_LINE].translate(_ZEROS)
        number = known.get(shape, -1)
        if number < 0:
            masked = _VARYING.sub("0", shape)
            key = tuple(words.setdefault(w, len(words)) for w in _WORD.findall(masked)[:LONGEST])
            number = known[shape] = numbers.setdefault(key, len(numbers))
        own.append(number)
    keys = list(numbers)
    for _ in range(ROUNDS):
        before, keys = keys, _merged(keys)
        if keys == before:
            break
    final: dict[tuple[int, ...], int] = {}
    event = np.array([final.setdefault(k, len(final)) for k in keys], np.int64)
    masks = np.array(own, np.int64)
    return Events(masks, event[masks])


def _merged(keys: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The keys with a value in the place where most others differ, if enough do."""
    variants: dict[tuple[int, int, int], set[int]] = {}
    places = [_all_but_one(key) for key in keys]
    for key, own in zip(keys, places, strict=True):
        for word, place in zip(key, own, strict=True):
            variants.setdefault(place, set()).add(word)
    out: list[tuple[int, ...]] = []
    for key, own in zip(keys, places, strict=True):
        counts = [len(variants[place]) for place in own]
        most = max(counts, default=0)
        at = counts.index(most) if most >= VARIANTS else len(key)
        out.append((*key[:at], VALUE, *key[at + 1 :]) if most >= VARIANTS else key)
    return out


def _all_but_one(key: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """For each place of a key: how long the key is, which place, and a hash of all other words."""
    parts = [(word + 2) * power for word, power in zip(key, _POWERS, strict=False)]
    total, size = sum(parts), len(key)
    return [(size, n, (total - part) % _MODULUS) for n, part in enumerate(parts)]
