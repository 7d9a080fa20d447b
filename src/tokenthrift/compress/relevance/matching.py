"""Where terms of a question stand in many texts at once.

Words of ASCII texts are found by whole-array operations, and only those are looked at that begin
like a term; other texts are read word by word. Both give what `words_of` and `terms_of` say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from tokenthrift.compress.relevance.words import COMPOUNDING, CONNECTORS, terms_of, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.compress.relevance.material import FloatArray, IntArray

# Languages in which a term can begin otherwise than its word: compounds, and prefixes cut off.
_OTHER_BEGINNINGS: Final = COMPOUNDING | {"indonesian"}

_CONNECTOR, _LOWER, _UPPER, _DIGIT = 1, 2, 3, 4


def byte_table(*groups: tuple[str, int]) -> npt.NDArray[np.uint8]:
    """(256,) a value for each ASCII character of the groups, 0 for all others."""
    table = np.zeros(256, np.uint8)
    for characters, value in groups:
        table[np.frombuffer(characters.encode(), np.uint8)] = value
    return table


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_CLASS: Final = byte_table(
    (CONNECTORS, _CONNECTOR), (_LETTERS, _LOWER), (_LETTERS.upper(), _UPPER), (_DIGITS, _DIGIT)
)
# A letter or digit as a number, whatever its case; "y" as "i", since stems change the one for the
# other ("dying", "die"). 0: anything else.
_RANK: Final = byte_table(
    *((c, n) for n, c in enumerate(_LETTERS + _DIGITS, 1)),
    *((c.upper(), n) for n, c in enumerate(_LETTERS, 1)),
    ("yY", 9),
)
_RANKS: Final = 1 + len(_LETTERS) + len(_DIGITS)


@dataclass(frozen=True, slots=True)
class Matches:
    """Where terms of the question stand in the text, in the order of the text.

    Attributes:
        terms: (m,) number of the term.
        units: (m,) the unit it stands in.
        positions: (m,) the running number of its word over all units.
        lengths: (n,) float32, words of each unit.
    """

    terms: IntArray
    units: IntArray
    positions: IntArray
    lengths: FloatArray


def find_terms(terms: Sequence[str], texts: Sequence[str], language: str) -> Matches:
    """Find terms in texts.

    Args:
        terms: as `terms_of` gives them.
        texts: the units.
        language: of the terms; words of the texts are stemmed alike.
    """
    is_plain = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
    plain, others = np.flatnonzero(is_plain), np.flatnonzero(~is_plain)
    found = _AsciiWords([texts[n] for n in plain.tolist()])
    spoken = [words_of(texts[n]) for n in others.tolist()]
    counts = np.zeros(len(texts), np.int64)
    counts[plain] = found.counts
    counts[others] = [len(words) for words in spoken]
    firsts = np.cumsum(counts) - counts
    words, owners, nth = found.beginning_like(terms, language)
    parts = [(words, plain[owners], nth)]
    for unit, own in zip(others.tolist(), spoken, strict=True):
        parts.append((own, np.full(len(own), unit), np.arange(len(own))))
    seen = list(chain.from_iterable(p[0] for p in parts))
    units = np.concatenate([p[1] for p in parts])
    positions = firsts[units] + np.concatenate([p[2] for p in parts])
    at, rows = _look_up(seen, {t: i for i, t in enumerate(terms)}, language)
    units, positions = units[at], positions[at]
    if len(others):  # the two kinds of text are interleaved
        order = np.argsort(positions, kind="stable")
        rows, units, positions = rows[order], units[order], positions[order]
    return Matches(rows, units, positions, counts.astype(np.float32))


def _look_up(
    words: Sequence[str], place: Mapping[str, int], language: str
) -> tuple[IntArray, IntArray]:
    """Which of the words have a term, once for each that they have, and which terms."""
    hits: dict[str, list[int]] = {}
    for word in set(words):
        rows = [place[t] for t in terms_of(word, language) if t in place]
        if rows:
            hits[word] = rows
    at = [n for n, word in enumerate(words) if word in hits]
    rows_of = [hits[words[n]] for n in at]
    repeats = np.fromiter(map(len, rows_of), np.int64, len(at))
    flat = np.fromiter(chain.from_iterable(rows_of), np.int64, int(repeats.sum()))
    return np.repeat(np.array(at, np.int64), repeats), flat


class _AsciiWords:
    """Borders of the words of ASCII texts, one after the other."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._text = "\n" + "\n".join(texts) + "\n"
        self._bytes = np.frombuffer(self._text.encode("ascii"), np.uint8)
        self._classes = _CLASS[self._bytes]
        solid = self._classes > _CONNECTOR
        inside = solid.copy()
        joins = self._classes[1:-1] == _CONNECTOR
        joins &= solid[:-2]
        joins &= solid[2:]
        inside[1:-1] |= joins
        edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
        self._starts, self._ends = edges[::2], edges[1::2]
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self._first_words = np.searchsorted(self._starts, np.cumsum(sizes + 1) - sizes)
        self.counts = np.diff(self._first_words, append=len(self._starts))

    def beginning_like(
        self, terms: Sequence[str], language: str
    ) -> tuple[list[str], IntArray, IntArray]:
        """Words that may have one of the terms, each with its text's number and its place in it."""
        words: IntArray = np.arange(len(self._starts))
        if language not in _OTHER_BEGINNINGS:
            words = self._candidates(_beginnings(terms))
        owners = np.searchsorted(self._first_words, words, side="right") - 1
        starts, ends = self._starts[words].tolist(), self._ends[words].tolist()
        spoken = [self._text[a:b] for a, b in zip(starts, ends, strict=True)]
        return spoken, owners, words - self._first_words[owners]

    def _candidates(self, beginnings: npt.NDArray[np.bool_]) -> IntArray:
        """Words of which a part begins like a term."""
        classes, ranks = self._classes, _RANK[self._bytes]
        likely = beginnings[ranks[:-1].astype(np.int16) * _RANKS + ranks[1:]]
        at = np.flatnonzero(likely)
        at = at[at > 0]
        own, before, after = classes[at], classes[at - 1], classes[at + 1]
        # Where a part of a name begins: "parseHTTPReply2" at p, H, R and 2.
        begins = own != before
        begins &= ~((own == _LOWER) & (before == _UPPER))
        begins |= (own == _UPPER) & (after == _LOWER)
        words = np.searchsorted(self._starts, at[begins], side="right") - 1
        return np.asarray(words[np.diff(words, prepend=-1) != 0])


def _beginnings(terms: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(_RANKS²,) whether a term begins with these two characters."""
    table = np.zeros((_RANKS, _RANKS), np.bool_)
    for term in terms:
        first = term[:2].encode("ascii", "replace")
        if not first:
            continue
        if len(first) == 1:
            table[_RANK[first[0]], :] = True
        else:
            table[_RANK[first[0]], _RANK[first[1]]] = True
    table[0, :] = False
    return table.ravel()
