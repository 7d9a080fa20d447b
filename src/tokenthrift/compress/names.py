"""Names in text: ids, paths, identifiers, numbers. What later steps of an agent refer to."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.relevance.matching import byte_table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import numpy.typing as npt

# A run of letters, digits and the signs of names. It is a name if signs or underscores stand
# inside it (paths, dotted and dashed names, dates, snake_case), if it mixes letters and digits, has
# capitals behind small letters, is a code in capitals, or a number, but not a line's ("2042:").
_RUN = re.compile(r"[\w./-]+")
_MIXED = re.compile(r"(?=.*\d)(?=.*[^\W\d]).{5,}")
_CAMEL = re.compile(r"[^\W\d_A-Z][A-Z]")
_EDGES: Final = "./-"
SHORT_NUMBER: Final = 3  # digits; it is a name only where values stand
LONG_NUMBER: Final = 5
FEW_CHARACTERS: Final = 600  # up to here reading run by run is faster
_BEFORE_NUMBER: Final = '"#:, '

_SIGN, _LOWER, _UPPER, _DIGIT, _UNDERSCORE = 1, 2, 3, 4, 5
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_CLASS: Final = byte_table(
    (_EDGES, _SIGN),
    (_LETTERS, _LOWER),
    (_LETTERS.upper(), _UPPER),
    ("0123456789", _DIGIT),
    ("_", _UNDERSCORE),
)

# How many characters of each class a run has, in one integer: so many bits for each. A run that is
# longer than they can say is looked at in any case.
_BITS: Final = 12
_MOST: Final = (1 << _BITS) - 1
_CAPITAL: Final = 1 << 4 * _BITS  # a capital behind a small letter
_COUNTS: Final = np.zeros(6, np.int64)
for _place, _class in enumerate((_SIGN, _UNDERSCORE, _UPPER, _DIGIT)):
    _COUNTS[_class] = 1 << _place * _BITS
_TELLING: Final = _MOST << _BITS | _MOST << 4 * _BITS  # underscores and such capitals

# Set on the recorded agent conversations (benchmarks/README.md).
NEWEST_WORTH: Final = 6.0  # of a name in the newest text, against a relevance of at most 1
NAMING_WORTH: Final = 2.0  # of a name that names a row, against one further on in it
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


def names_in(
    texts: Sequence[str],
    ages: Sequence[float],
    unseen: Callable[[Collection[str]], set[str]],
    naming: Collection[int] = (),
) -> Names:
    """The names of units; a name is worth most where the newest text has it.

    Args:
        texts: of the units.
        ages: of each, from near 0 (oldest) to 1 (newest), not falling.
        unseen: those of some names that no text shows that stays in any case; to show the others
            again is worth nothing.
        naming: units whose names stand for what follows them; those are worth more.
    """
    found = [_of_things(own, text) for own, text in zip(names_of(texts), texts, strict=True)]
    newest: dict[str, float] = {}
    for names, age in zip(found, ages, strict=True):
        newest.update(dict.fromkeys(names, age))
    fresh = unseen(newest.keys())
    kept = [name for name in newest if name in fresh]
    number = {name: n for n, name in enumerate(kept)}
    of_unit = [
        [number[name] for name in dict.fromkeys(names) if name in number] if names else ()
        for names in found
    ]
    shares = OLDEST_SHARE + (1 - OLDEST_SHARE) * np.array([newest[n] for n in kept], np.float32)
    shares[list({n for unit in naming for n in of_unit[unit]})] *= NAMING_WORTH
    return Names(of_unit, (NEWEST_WORTH * shares).astype(np.float32))


def _of_things(names: list[str], text: str) -> list[str]:
    """Names without those of an object's fields: what has no digit and a colon behind its quote."""
    if '":' not in text:
        return names
    return [n for n in names if f'"{n}":' not in text or any(map(str.isdigit, n))]


def names_of(texts: Sequence[str]) -> list[list[str]]:
    """The names of each text, in order; ASCII texts are read by whole-array operations."""
    out: list[list[str]] = [[] for _ in texts]
    plain = [n for n, text in enumerate(texts) if text.isascii()]
    if sum(len(texts[n]) for n in plain) < FEW_CHARACTERS:
        plain = []
    for n, name in _in_ascii(plain, "\n".join([texts[n] for n in plain]), texts):
        out[n].append(name)
    by_arrays = set(plain)
    for n, text in enumerate(texts):
        if n not in by_arrays:
            runs = ((m.group(), m.start()) for m in _RUN.finditer(text))
            out[n] = [name for run, at in runs if (name := _name(run, text, at))]
    return out


@lru_cache(maxsize=1_024)
def name_set(text: str) -> Collection[str]:
    """The names of one text in order; remembered, as the model's texts come again at each turn."""
    return dict.fromkeys(names_of([text])[0]).keys()


def _in_ascii(
    numbers: Sequence[int], joined: str, texts: Sequence[str]
) -> Iterable[tuple[int, str]]:
    """Names with the number of their text, of texts joined by line breaks."""
    text = f"\n{joined}\n"
    classes = _CLASS[np.frombuffer(text.encode("ascii"), np.uint8)]
    solid = classes > 0
    edges = np.flatnonzero(solid[1:] != solid[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return
    sizes = ends - starts
    counts = _COUNTS[classes]
    counts[1:][(classes[1:] == _UPPER) & (classes[:-1] == _LOWER)] += _CAPITAL
    sums = np.add.reduceat(counts, edges)[::2]
    signs, upper = sums & _MOST, (sums >> 2 * _BITS) & _MOST
    digits = (sums >> 3 * _BITS) & _MOST
    edge_signs = (classes[starts] == _SIGN).astype(np.int64) + (classes[ends - 1] == _SIGN)
    likely = (signs > edge_signs) | (digits >= 3) | (sums & _TELLING > 0) | (sizes > _MOST)
    likely |= (sizes >= 5) & ((digits > 0) | (upper + signs == sizes))
    at = likely.nonzero()[0]
    lengths = np.fromiter([len(texts[n]) + 1 for n in numbers], np.int64, len(numbers))
    owners = lengths.cumsum().searchsorted(starts[at] - 1, side="right")
    spans = zip(owners.tolist(), starts[at].tolist(), ends[at].tolist(), strict=True)
    for owner, start, end in spans:
        name = _name(text[start:end], text, start)
        if name:
            yield numbers[owner], name


def _name(run: str, text: str, at: int) -> str:
    """The name in a run of its characters, or nothing."""
    name = _name_alone(run)
    short = len(name) < LONG_NUMBER and name.isdigit()
    return "" if short and not _is_value(text, at, run) else name


@lru_cache(maxsize=65_536)
def _name_alone(run: str) -> str:
    """The name that a run may be, wherever it stands."""
    name = run.strip(_EDGES)
    if name.isdigit():
        return name if len(name) >= SHORT_NUMBER else ""
    inside = any(sign in name for sign in _EDGES) or "_" in name.strip("_")
    dunder = name.startswith("__") and name.endswith("__") and len(name) > 4
    code = len(name) >= 5 and name.isalpha() and name.isupper() and name.isascii()
    found = inside or dunder or code or _CAMEL.search(name) or _MIXED.fullmatch(name)
    return name if found else ""


def _is_value(text: str, at: int, run: str) -> bool:
    """Whether a short number stands where values do, not at the head of a numbered line."""
    after = text[at + len(run) : at + len(run) + 1]
    return at > 0 and text[at - 1] in _BEFORE_NUMBER and after != ":"


def recurring(texts: Iterable[str], limit: int) -> list[str]:
    """Names that stand in at least two of the texts, those in most texts first.

    Args:
        texts: the newest first; among equals the newest name comes first.
        limit: how many at most.
    """
    counts = Counter(name for text in texts for name in name_set(text))
    return [name for name, n in counts.most_common() if n > 1][:limit]
