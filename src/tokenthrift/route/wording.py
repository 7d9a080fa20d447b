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
SIGNS: Final = {
    "'": "‘’‚‛′ʼʹ`´",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−﹣",
    "": "\u200b\u200c\u200d\ufeff\u00ad",
}
# Letters of other scripts that look like Latin ones; judged as such only inside Latin words.
LETTERS: Final = dict(zip("аеорсухіјѕԁһӏοαινρκ", "aeopcyxijsdhloaivpk", strict=True))
# Of a longer text only this many characters at either end are judged.
JUDGED_CHARACTERS: Final = 12_000

_SIGNS: Final = {ord(c): sign for sign, signs in SIGNS.items() for c in signs}


def plain(text: str) -> str:
    """The text in one form: NFKC, lower case, plain signs and blanks, no empty line, said once."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SIGNS)
    if not folded.isascii():
        folded = "\n".join(
            " ".join(_latin(w) for w in line.split()) for line in folded.splitlines()
        )
    lines = (" ".join(line.split()) for line in folded.splitlines())
    once = _once("\n".join(line for line in lines if line))
    if len(once) <= 2 * JUDGED_CHARACTERS:
        return once
    return f"{once[:JUDGED_CHARACTERS]}\n{once[-JUDGED_CHARACTERS:]}"


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


def _once(text: str) -> str:
    """The text once, where it is the same text several times over; blanks do not count."""
    bare = "".join(text.split())
    period = (bare + bare).find(bare, 1) if bare else 0
    if period in (0, len(bare)):
        return text
    seen = 0
    for place, character in enumerate(text):
        seen += not character.isspace()
        if seen == period:
            return text[: place + 1]
    return text
