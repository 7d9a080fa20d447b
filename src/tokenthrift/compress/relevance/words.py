"""Words of a text and the terms they are indexed under, in many languages.

Stems, whole names and their parts; pairs of characters where a script has no spaces. Knows no
meaning: two words of one meaning stay two.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from typing import Final

import Stemmer

from tokenthrift.compress.relevance.languages import (
    CLOSED_PAIRS,
    DEFAULT,
    OTHER_STOP_WORDS,
    STOP_WORDS,
)

# Combining marks and joiners stand inside words, which \w does not know.
_MARKS = "".join(c for c in map(chr, range(0x300, 0x3000)) if unicodedata.category(c)[0] == "M")
_INSIDE = _MARKS + "\u00ad\u200c\u200d"
# Written without spaces. Pairs: Han, Kana, Bopomofo, Hangul. Triples, whose syllables take several
# characters: Thai, Lao, Myanmar, Khmer.
_PAIRED = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uffdc"
)
_PAIRED += "\U00020000-\U0003ffff"
_TRIPLED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_HAN: Final = "\u3400"
_HANGUL: Final = "\uac00"
_DENSE = re.compile(f"[{_PAIRED}{_TRIPLED}]")


# Signs that hold a name together where letters or digits stand on both sides.
CONNECTORS: Final = "_.-/:@"
_CONNECTOR = f"[{re.escape(CONNECTORS)}]"


def _word(apart: str = "") -> str:
    """Letters, digits and marks; names go on over single signs between them."""
    letter = rf"[^\W_{apart}]"
    run = rf"{letter}[^\W_{apart}{_INSIDE}]*(?:[{_INSIDE}]+{letter}*)*"
    return rf"{run}(?:{_CONNECTOR}{run})*"


_ASCII_WORD = re.compile(rf"[A-Za-z0-9]+(?:{_CONNECTOR}[A-Za-z0-9]+)*")
_ANY_WORD = re.compile(_word())
_PAIR = re.compile(r"(?=(..))")  # overlapping
# Particles behind a Korean noun: a pair that is half noun, half particle says nothing.
_KOREAN_ENDING = re.compile(
    "(?<=[\uac00-\ud7af]{2})(?:에서|까지|부터|에게|으로|[은는이가을를의에와과도만로])+$"
)
# Letters of other widths, parted syllables and voicing marks, without the full-width punctuation.
_COMPATIBLE = re.compile(
    "[\u1100-\u11ff\u3099\u309a\u3131-\u318e\u3300-\u33ff\uf900-\ufaff"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc]"
)
_DENSE_WORD = re.compile(f"([{_PAIRED}]+)|([{_TRIPLED}]+)|({_word(_PAIRED + _TRIPLED)})")

_UPPER = "A-Z" + "".join(c for c in map(chr, range(0xC0, 0x530)) if c.isupper())
_LOWER = rf"(?:[^\W\d_{_UPPER}]|[{_INSIDE}])"
_PART = re.compile(rf"[{_UPPER}]+(?!{_LOWER})|[{_UPPER}]?{_LOWER}+|\d+")
_ASCII_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# Snowball stemmers of scripts that tell by themselves, by the first character past Latin.
_SCRIPTS: Final = (
    ("\u0370", "\u03ff", "greek"),
    ("\u1f00", "\u1fff", "greek"),
    ("\u0400", "\u052f", "russian"),
    ("\u0530", "\u058f", "armenian"),
    ("\u0590", "\u05ff", ""),
    ("\u0600", "\u08ff", "arabic"),
    ("\u0900", "\u097f", "hindi"),
    ("\u0b80", "\u0bff", "tamil"),
)
_ARABIC_ARTICLES: Final = ("وال", "بال", "كال", "فال", "لل", "ال")  # Larkey et al. (2002), light10

# Languages that write compounds in one word: words are also found by runs of their letters. Four of
# them did best in McNamee and Mayfield (2004), and in the tests of needles.
COMPOUNDING: Final = frozenset({"german", "dutch", "swedish", "danish", "norwegian", "finnish"})
COMPOUND_LETTERS: Final = 4


class _Stemmers(threading.local):
    """Stemmers of one thread: they keep state while they work."""

    def __init__(self) -> None:
        self.by_language: dict[str, Stemmer.Stemmer] = {}

    def stem(self, word: str, language: str) -> str:
        stemmer = self.by_language.get(language)
        if stemmer is None:
            known = language if language in Stemmer.algorithms() else DEFAULT
            stemmer = self.by_language[language] = Stemmer.Stemmer(known, 0)
        return str(stemmer.stemWord(word))


_STEMMERS: Final = _Stemmers()


def words_of(text: str) -> list[str]:
    """The words of a text as written, in order; pairs or triples of what has no spaces."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    if not _DENSE.search(text):
        return _ANY_WORD.findall(text)
    out: list[str] = []
    if _COMPATIBLE.search(text):
        text = unicodedata.normalize("NFKC", text)
    for pairs, triples, word in _DENSE_WORD.findall(text):
        if word:
            out.append(word)
        elif triples:
            out += _grams(triples, 3)
        elif len(pairs) > 2:
            out += _PAIR.findall(_KOREAN_ENDING.sub("", pairs) if pairs[-1] >= _HANGUL else pairs)
        else:
            out.append(pairs)
            # A Korean noun of one syllable stands alone only without its particle.
            if pairs[0] >= _HANGUL and len(pairs) == 2 and pairs[1] in CLOSED_PAIRS:
                out.append(pairs[0])
    return out


def _grams(run: str, size: int) -> list[str]:
    """All stretches of so many characters; the run itself where it is shorter."""
    return [run[i : i + size] for i in range(max(1, len(run) - size + 1))]


@lru_cache(maxsize=65_536)
def terms_of(word: str, language: str = DEFAULT) -> tuple[str, ...]:
    """Index terms of one word: its stem, itself if it is a name, and the parts of names.

    Args:
        word: as `words_of` gives it.
        language: of words in Latin letters, from `language_of`; other scripts tell by themselves.
    """
    if word.isascii() or not _DENSE.search(word):
        return _spaced_terms(word, language)
    terms: list[str] = []
    for piece in words_of(word):
        dense = _DENSE.match(piece)
        terms += _dense_terms(piece) if dense else _spaced_terms(piece, language)
    return tuple(dict.fromkeys(terms))


def _dense_terms(gram: str) -> tuple[str, ...]:
    """A pair or triple, and its Han characters, which carry meaning one by one."""
    if gram in CLOSED_PAIRS:
        return ()
    if gram[0] >= _HANGUL:
        return (gram,)
    open_characters = [c for c in gram if c not in CLOSED_PAIRS]
    if len(open_characters) == 1:  # a particle says nothing, nor do the two as a pair
        return (open_characters[0],)
    return (gram, *(c for c in dict.fromkeys(open_characters) if _HAN <= c < _HANGUL))


def _spaced_terms(word: str, language: str) -> tuple[str, ...]:
    is_ascii = word.isascii()
    if not is_ascii:
        word = _normal(word)
    lower = word.casefold()
    if _is_closed(lower, language):
        return ()
    if is_ascii and word.isalpha() and word[1:] == lower[1:]:
        return _stems(lower, language)
    parts = (_ASCII_PART if is_ascii else _PART).findall(word)
    if len(parts) <= 1:
        return _stems(lower, language)
    stems = (s for p in parts for s in _part_terms(p, language) if len(s) > 1)
    return (_plain(lower), *dict.fromkeys(stems))


def _normal(word: str) -> str:
    """A word without differences of encoding: widths, ligatures, invisible joiners."""
    normal = unicodedata.normalize("NFKC", word)
    for joiner in "\u00ad\u200c\u200d":
        normal = normal.replace(joiner, "")
    return normal.replace("İ", "i")


def _is_closed(lower: str, language: str) -> bool:
    if lower in STOP_WORDS.get(language, ()):
        return True
    return not lower.isascii() and _plain(lower) in OTHER_STOP_WORDS


def _part_terms(part: str, language: str) -> tuple[str, ...]:
    lower = part.casefold()
    return () if _is_closed(lower, language) else _stems(lower, language)


def _stems(lower: str, language: str) -> tuple[str, ...]:
    if not lower.isascii():
        language = _script_language(lower, language)
        if language == "arabic":
            article = next((a for a in _ARABIC_ARTICLES if lower.startswith(a)), "")
            lower = lower[len(article) :] if len(lower) >= len(article) + 3 else lower
    stem = _plain(_STEMMERS.stem(lower, language)) if language else _plain(lower)
    if language in COMPOUNDING and len(stem) > COMPOUND_LETTERS and stem.isalpha():
        return (stem, *dict.fromkeys(_grams(stem, COMPOUND_LETTERS)))
    return (stem,)


def _script_language(word: str, language: str) -> str:
    other = next((c for c in word if c >= "\u0370"), "")
    for first, last, name in _SCRIPTS:
        if first <= other <= last:
            return name
    return language


def _plain(word: str) -> str:
    """A word without accents, which people leave out; marks that make other letters stay."""
    if word.isascii():
        return word
    if word[0] >= "\u0400":
        return word.replace("ё", "е")
    apart = unicodedata.normalize("NFD", word)
    return "".join(c for c in apart if not unicodedata.combining(c))
