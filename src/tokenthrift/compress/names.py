"""Names in text: ids, paths, identifiers, numbers. What later steps of an agent refer to."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy.typing as npt

NAME = re.compile(
    r"\b\w+(?:[./-]\w+)+"  # paths, dotted and dashed names, dates
    r"|\b(?=\w*\d)(?=\w*[A-Za-z_])\w{5,}\b"  # ids of letters and digits
    r"|\b_*[^\W_]+(?:_+[^\W_]+)+_*|\b__\w+__"  # snake_case
    r"|\b[A-Za-z]*[a-z][A-Z]\w*"  # camelCase
    r"|\b[A-Z]{5,}\b"  # codes
    r"|\b\d{5,}\b|(?<=[\"#:, ])\d{3,4}\b(?!:)"  # numbers, but not those of lines
)

# Set on the recorded agent conversations (benchmarks/README.md).
NEWEST_WORTH: Final = 6.0  # of a name in the newest text, against a relevance of at most 1
OLDEST_SHARE: Final = 0.1  # of that, of a name that only the oldest text has


@dataclass(frozen=True, slots=True)
class Names:
    """Which names stand where, and what it is worth to show each.

    Attributes:
        of_unit: numbers of the names in each unit.
        worth: (names,) float32.
    """

    of_unit: Sequence[Sequence[int]]
    worth: npt.NDArray[np.float32]


def names_in(texts: Sequence[str], ages: Sequence[float], shown: Collection[str]) -> Names:
    """The names of units; a name is worth most where the newest text has it.

    Args:
        texts: of the units.
        ages: of each, from near 0 (oldest) to 1 (newest).
        shown: names in text that stays in any case; to show them again is worth nothing.
    """
    numbers: dict[str, int] = {}
    newest: list[float] = []
    of_unit = []
    for text, age in zip(texts, ages, strict=True):
        own = []
        for name in dict.fromkeys(NAME.findall(text)):
            if name in shown:
                continue
            number = numbers.setdefault(name, len(numbers))
            if number == len(newest):
                newest.append(age)
            newest[number] = max(newest[number], age)
            own.append(number)
        of_unit.append(own)
    ages_of = np.array(newest, np.float32)
    worth = NEWEST_WORTH * (OLDEST_SHARE + (1 - OLDEST_SHARE) * ages_of)
    return Names(of_unit, worth.astype(np.float32))


def recurring(texts: Iterable[str], limit: int) -> list[str]:
    """Names that stand in at least two of the texts, those in most texts first.

    Args:
        texts: the newest first; among equals the newest name comes first.
        limit: how many at most.
    """
    counts = Counter(name for text in texts for name in dict.fromkeys(NAME.findall(text)))
    return [name for name, n in counts.most_common() if n > 1][:limit]
