"""A text as it is judged: its wording without what does not change what is asked.

Compatibility forms, letter case, look-alike letters, accents written apart, runs of blanks and a
text pasted several times over are all brought to one form. No word of any language is looked for.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenthrift.types import Request

# Signs that stand for one another in writing, by what they are judged as.
LOOK_ALIKES: Final = {
    "'": "‘’‚‛′ʼʹ`´",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−﹣",
    " ": "\u200b\u200c\u200d\ufeff\u00ad",
}
# Letters of other scripts that look like Latin ones; judged as such only inside Latin words.
LETTERS: Final = dict(zip("аеорсухіјѕԁһӏοαινρκ", "aeopcyxijsdhloaivpk", strict=True))
_SIGNS: Final = {ord(c): sign for sign, signs in LOOK_ALIKES.items() for c in signs}


def plain(text: str) -> str:
    """The text in one form: NFKC, lower case, signs and blanks unified, said once."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SIGNS)
    words = folded.split()
    if not folded.isascii():
        words = [_latin(w) for w in words]
    return " ".join(_once(words))


def request_text(request: Request) -> str:
    """The text of the latest user message that has any."""
    for message in reversed(request.messages):
        if message.role == "user":
            text = "\n".join(p.text for p in message.parts if p.type == "text" and p.text)
            if text.strip():
                return text
    return ""


def _latin(word: str) -> str:
    """A word with its look-alike letters made Latin, where it has Latin letters as well."""
    if word.isascii() or not any("a" <= c <= "z" for c in word):
        return word
    return "".join(LETTERS.get(c, c) for c in word)


def _once(words: list[str]) -> list[str]:
    """The words once, where they are the same words several times over."""
    n = len(words)
    border = [0] * n  # longest proper prefix that is a suffix (Knuth, Morris, Pratt 1977)
    k = 0
    for i in range(1, n):
        while k and words[i] != words[k]:
            k = border[k - 1]
        k += words[i] == words[k]
        border[i] = k
    period = n - border[-1] if n else 0
    return words[:period] if period and n % period == 0 else words
