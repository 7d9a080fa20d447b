"""Words of a text and the terms they are indexed under: stems, whole names and their parts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import Stemmer

WORD = re.compile(r"[^\W_]+(?:[_.\-/:@][^\W_]+)*|[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Words that carry no topic in an English question (closed classes only).
_CLOSED_CLASSES: Final = """
a about all also am an and any are as at be been being but by can could did do does doing for from
get give had has have having he her here hers him his how i if in into is it its just me more most
my no nor not of on only or other our out over own please same she should so some such tell than
that the their them then there these they this those through to too under until up us very was we
were what when where which while who whom whose why will with would you your
"""
STOP_WORDS: Final = frozenset(_CLOSED_CLASSES.split())


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


@lru_cache(maxsize=65_536)
def terms_of(word: str) -> tuple[str, ...]:
    """Index terms of one written word: its stem, itself if it is a name, and the parts of names."""
    lower = word.lower()
    if _CJK.search(lower):
        return tuple(lower[i : i + 2] for i in range(max(1, len(lower) - 1)))
    if lower in STOP_WORDS:
        return ()
    parts = _PART.findall(word)
    if len(parts) <= 1:
        return (_stemmer().stemWord(lower),)
    stems = [_stemmer().stemWord(p.lower()) for p in parts if p.lower() not in STOP_WORDS]
    return (lower, *dict.fromkeys(s for s in stems if len(s) > 1))


def words_of(text: str) -> list[str]:
    """The words of a text as written, in order."""
    return WORD.findall(text)
