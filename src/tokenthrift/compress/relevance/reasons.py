"""Why a unit scored as it did: matched terms, and the parts of its score that stand out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.relevance.lexical import AROUND, PASSAGE, WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.compress.relevance.lexical import Score

TERMS_SHOWN: Final = 4
STANDS_OUT: Final = 0.25  # of the largest value that the part has anywhere

_PHRASES: Final = {
    AROUND: "near what is asked",
    PASSAGE: "its passage fits as a whole",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Where the score of one unit comes from.

    Attributes:
        value: the score.
        matched: words of the question that the unit has in some form, the rarest first.
        parts: what the value is the sum of, by name, up to a constant.
        says: the same in a few words.
    """

    value: float
    matched: tuple[str, ...]
    parts: Mapping[str, float]
    says: tuple[str, ...]


def reasons_of(score: Score) -> list[Reason]:
    """The reasons of every unit, in order."""
    rarest = np.argsort(np.count_nonzero(score.hits, axis=1), kind="stable")
    tops = {name: float(part.max(initial=0.0)) for name, part in score.parts.items()}
    out = []
    for n, value in enumerate(score.values.tolist()):
        terms = [score.terms[t] for t in rarest.tolist() if score.hits[t, n]]
        matched = tuple(dict.fromkeys(score.asked.get(t, t) for t in terms))
        parts = {name: float(part[n]) for name, part in score.parts.items()}
        out.append(Reason(value, matched, parts, _says(matched, parts, tops)))
    return out


def _says(
    matched: tuple[str, ...], parts: Mapping[str, float], tops: Mapping[str, float]
) -> tuple[str, ...]:
    says = []
    if matched:
        more = f" and {len(matched) - TERMS_SHOWN} more" if len(matched) > TERMS_SHOWN else ""
        says.append(f"has {', '.join(matched[:TERMS_SHOWN])}{more}")
    for name, value in parts.items():
        if name != WORDS and value > STANDS_OUT * tops[name] > 0:
            says.append(_PHRASES.get(name, f"{name}: close to the question"))
    return tuple(says)
