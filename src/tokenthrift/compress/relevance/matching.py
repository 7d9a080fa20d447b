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
    from collections.abc import Sequence

    from tokenthrift.compress.relevance.material import FloatArray, IntArray

# Languages in which a term can begin otherwise than its word: compounds, and prefixes cut off.
_OTHER_BEGINNINGS: Final = COMPOUNDING | {"indonesian"}
# Languages in which a term of four letters or more has the first three of its word.
_THREE_STAY: Final = frozenset({"english"})
_LOOKED_AT: Final = 3  # letters of a beginning

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
    plain = [n for n, text in enumerate(texts) if text.isascii()]
    if len(plain) == len(texts):
        return _find_in_ascii(terms, texts, language)
    found = _find_in_ascii(terms, [texts[n] for n in plain], language)
    others = sorted(set(range(len(texts))).difference(plain))
    spoken = [words_of(texts[n]) for n in others]
    counts = np.zeros(len(texts), np.int64)
    counts[plain] = own = found.lengths.astype(np.int64)
    counts[others] = [len(words) for words in spoken]
    firsts = counts.cumsum() - counts
    nth = found.positions - (own.cumsum() - own)[found.units]
    units = np.array(plain, np.int64)[found.units]
    at, rows = _look_up([*chain.from_iterable(spoken)], terms, language)
    owners = np.repeat(np.array(others, np.int64), counts[others])
    running = np.concatenate([np.arange(firsts[n], firsts[n] + counts[n]) for n in others])
    rows = np.concatenate([found.terms, rows])
    units, positions = (
        np.concatenate([units, owners[at]]),
        np.concatenate([firsts[units] + nth, running[at]]),
    )
    order = np.argsort(positions, kind="stable")  # the two kinds of text are interleaved
    return Matches(rows[order], units[order], positions[order], counts.astype(np.float32))


def _look_up(
    words: Sequence[str], terms: Sequence[str], language: str
) -> tuple[IntArray, IntArray]:
    """Which of the words have a term, once for each that they have, and which terms."""
    place = {t: i for i, t in enumerate(terms)}
    hits: dict[str, list[int]] = {}
    for word in set(words):
        for term in terms_of(word, language):
            if term in place:
                hits.setdefault(word, []).append(place[term])
    at = [n for n, word in enumerate(words) if word in hits]
    rows_of = [hits[words[n]] for n in at]
    rows = np.array([*chain.from_iterable(rows_of)], np.int64)
    where = np.array(at, np.int64)
    return where if len(rows) == len(at) else where.repeat([*map(len, rows_of)]), rows


def _find_in_ascii(terms: Sequence[str], texts: Sequence[str], language: str) -> Matches:
    """The same in ASCII texts."""
    text = "\n" + "\n".join(texts) + "\n\n"
    data = np.frombuffer(text.encode("ascii"), np.uint8)
    classes = _CLASS[data]
    inside = classes > _CONNECTOR
    joins = classes[1:-1] == _CONNECTOR
    joins &= inside[:-2]
    joins &= inside[2:]
    inside[1:-1] |= joins
    edges = (inside[1:] != inside[:-1]).nonzero()[0] + 1
    starts, ends = edges[::2], edges[1::2]
    stops = starts.searchsorted((np.fromiter(map(len, texts), np.int64, len(texts)) + 1).cumsum())
    counts = stops.copy()
    counts[1:] -= stops[:-1]
    words: IntArray = np.arange(len(starts))
    if language not in _OTHER_BEGINNINGS:
        words = _candidates(starts, classes, _likely(data, terms, language))
    spans = zip(starts[words].tolist(), ends[words].tolist(), strict=True)
    at, rows = _look_up([text[a:b] for a, b in spans], terms, language)
    positions = words[at]
    units = stops.searchsorted(positions, side="right")
    return Matches(rows, units, positions, counts.astype(np.float32))


def _candidates(
    starts: IntArray, classes: npt.NDArray[np.uint8], likely: npt.NDArray[np.bool_]
) -> IntArray:
    """Words of which a part begins in one of the likely places.

    Args:
        starts: of all words.
        classes: of all characters.
        likely: whether the characters from here on read like the beginning of a term.
    """
    at = likely.nonzero()[0]
    own, before = classes[at], classes[at - 1]
    # Where a part of a name begins: "parseHTTPReply2" at p, H, R and 2.
    begins = own != before
    begins &= (own != _LOWER) | (before != _UPPER)
    begins |= (own == _UPPER) & (classes[at + 1] == _LOWER)
    words = starts.searchsorted(at[begins], side="right") - 1
    new = np.ones(len(words), np.bool_)
    np.not_equal(words[1:], words[:-1], out=new[1:])
    return np.asarray(words[new])


def _likely(
    data: npt.NDArray[np.uint8], terms: Sequence[str], language: str
) -> npt.NDArray[np.bool_]:
    """By place in the text whether it goes on like a term begins; the last two are left out."""
    heads = "".join([(t + "\0\0")[:_LOOKED_AT] for t in terms]).encode("ascii", "replace")
    first, second, third = _RANK[np.frombuffer(heads, np.uint8)].reshape(-1, _LOOKED_AT).T
    sizes = np.fromiter(map(len, terms), np.int64, len(terms))
    table = np.zeros((_RANKS, _RANKS, _RANKS), np.bool_)
    # A stem of three letters may have one that its word has not: "use" of "using".
    whole = (sizes > _LOOKED_AT) & (language in _THREE_STAY)
    table[first[whole], second[whole], third[whole]] = True
    table[first[~whole], second[~whole]] = True
    table[first[sizes < 2]] = True
    table[0] = False
    ranks = _RANK[data]
    key = ranks[:-2].astype(np.int32)
    for following in (ranks[1:-1], ranks[2:]):
        key *= _RANKS
        key += following
    return np.asarray(table.ravel()[key])
