"""What a scorer is given: texts of units, their sizes, and the groups that they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.tokens import token_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PASSAGE_TOKENS: Final = 400
"""A group up to this size is taken for one retrieved passage."""
SENTENCE_TOKENS: Final = 40
"""A group of a single unit is a passage from this size on; a smaller one is a record."""
THRIFT: Final = 0.3
"""Power of a passage's size that its scores are divided by (benchmarks/README.md)."""


@dataclass(frozen=True)
class Units:
    """Units in the order of the text.

    Attributes:
        texts: of the units.
        tokens: their sizes.
        groups: a number per unit, not falling: one document, file, tool result or record each.
        records: whether a unit is a row, an item or a line of data; alone in its group such a unit
            is no passage, whatever its size.
        carries: of each unit what it is read under: headings, the speaker; not part of it.
        wholes: the texts that the units were cut from without gaps, each with the ends of its
            units; they are what is encoded to token ids.
    """

    texts: Sequence[str]
    tokens: Sequence[int] | IntArray
    groups: Sequence[int]
    wholes: Sequence[tuple[str, Sequence[int]]] = ()
    records: Sequence[bool] = ()
    carries: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check that the three belong together."""
        if not len(self.texts) == len(self.tokens) == len(self.groups):
            sizes = f"{len(self.texts)} texts, {len(self.tokens)} sizes, {len(self.groups)} groups"
            raise ValueError(f"each unit needs a size and a group; there are {sizes}")
        groups = np.asarray(self.groups, np.int64)
        if (groups[1:] < groups[:-1]).any():
            raise ValueError("groups must not fall: units of one group stand together")

    @cached_property
    def numbers(self) -> IntArray:
        """(n,) the groups numbered from 0."""
        groups = np.asarray(self.groups, np.int64)
        numbers = np.zeros(len(groups), np.int64)
        (groups[1:] != groups[:-1]).cumsum(out=numbers[1:])
        return numbers

    @cached_property
    def firsts(self) -> IntArray:
        """The first unit of each group."""
        numbers = self.numbers
        return np.append(0, (numbers[1:] != numbers[:-1]).nonzero()[0] + 1)[: len(numbers)]

    @cached_property
    def in_passages(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a unit is part of a passage: a small group, but no single short record."""
        if not len(self.texts):
            return np.zeros(0, np.bool_)
        numbers = self.numbers
        sizes = np.bincount(numbers, self.tokens)
        small = sizes <= PASSAGE_TOKENS
        if not small.any():
            return np.zeros(len(numbers), np.bool_)
        whole = (np.bincount(numbers) > 1) & small
        passages = (whole | (small & (sizes >= SENTENCE_TOKENS)))[numbers]
        if any(self.records):
            records = np.asarray(self.records, np.bool_)
            passages[records] = whole[numbers[records]]
        return passages

    @cached_property
    def thrift(self) -> FloatArray:
        """(n,) above 1 in passages that cost less than the median one, as more of them fit in."""
        out = np.ones(len(self.texts), np.float32)
        inside = self.in_passages
        if inside.any():
            sizes = np.maximum(np.bincount(self.numbers, self.tokens), SENTENCE_TOKENS)
            typical = np.median(sizes[np.unique(self.numbers[inside])])
            out[inside] = (typical / sizes[self.numbers[inside]]) ** THRIFT
        return out

    def token_ids(self, encoding: str) -> tuple[IntArray, IntArray]:
        """Ids of all units one after the other, and how many each has; a text is encoded once.

        Args:
            encoding: a tiktoken encoding by name.
        """
        encode = token_ids(encoding)
        wholes = self.wholes or [("".join(self.texts), list(accumulate(map(len, self.texts))))]
        ids, sizes = zip(*(encode.cut(text, ends) for text, ends in wholes), strict=True)
        return np.concatenate(ids).astype(np.int64), np.concatenate(sizes).astype(np.int64)

    def window(self, width: int) -> tuple[IntArray, IntArray]:
        """First unit and end of the window of ``width`` tokens to each side, inside the group."""
        starts, ends, first, last = self._borders
        low = np.searchsorted(ends, starts - width, side="left")
        high = np.searchsorted(starts, ends + width, side="right")
        return np.maximum(low, first), np.minimum(high, last)

    @cached_property
    def _borders(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Of each unit the first token and the end, and its group's first unit and end."""
        ends = np.cumsum(np.asarray(self.tokens, np.int64))
        sizes = np.bincount(self.numbers)
        last = np.cumsum(sizes)
        return ends - self.tokens, ends, (last - sizes)[self.numbers], last[self.numbers]


def standard(values: FloatArray) -> FloatArray:
    """Values in spreads around their mean; zeros where nothing sets them apart."""
    spread = float(values.std()) if len(values) else 0.0
    if spread <= 1e-6 * max(1.0, float(np.abs(values).max(initial=0.0))):
        return np.zeros(len(values), np.float32)
    return np.asarray((values - values.mean()) / spread, np.float32)
