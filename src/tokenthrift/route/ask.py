"""What a request asks, reduced to the shape that complexity is measured on.

Repetition is removed here, once: a prompt pasted twice, a repeated line or sentence, doubled spaces
and letter case leave the shape as it was. Scripts without spaces count by character. No word of any
language is looked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.types import Message, Request

# Of a longer message only this many characters at either end are looked at; the rest is context
# whose size counts but whose shape does not.
SCANNED_CHARACTERS: Final = 8_000
HEAD_CHARACTERS: Final = 64  # of a text that is looked for again in it
# Prose beyond this many words at either end of a message is taken for pasted context: requests are
# put before or after what they are about.
ASK_WORDS: Final = 160

FENCE: Final = re.compile(r"^\s*(```|~~~)")
SENTENCE_MARK: Final = re.compile(r"[.!?…。！？؟।]")
SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？؟।])\s*")
ITEM: Final = re.compile(r"^\s*(?:[-*•‣·+]|\(?\w{1,3}[.):、．）])\s+\S")
TABLE_ROW: Final = re.compile(r"^\s*\|.*\|\s*$")
HEADING: Final = re.compile(r"^\s*(?:#{1,6}\s|</?[\w-][^>]*>\s*$)")
NUMBER: Final = re.compile(r"\d+(?:[.,:/]\d+)*")
WORD: Final = re.compile(r"[^\W\d_]+")
ASCII_WORD: Final = re.compile(r"[A-Za-z]+")  # the same in such a text, in half the time
QUESTION: Final = re.compile(r"[?？؟;՞]\s*$")
MATH: Final = re.compile(r"\\[A-Za-z]+|[=<>+*/^_~|{}∀-⋿±×÷√∞²³⁰-₟]")
CODE_MARKS: Final = re.compile(r"[{}()\[\];=<>_$&|/\\]")
# Han, kana and Hangul carry about a word in 1.7 characters, Thai, Lao, Khmer and Burmese in 5.
DENSE: Final = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]")
UNSPACED: Final = re.compile(r"[฀-໿က-႟ក-៿]")
DENSE_WORD_CHARACTERS: Final = 1.7
UNSPACED_WORD_CHARACTERS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ask:
    """The shape of the latest thing that a user asked.

    Attributes:
        words: distinct words of the ask, as many as a reader would count.
        numbers: distinct numbers of the ask, outside code.
        items: list items, numbered or not.
        questions: distinct sentences that end in a question mark.
        math_marks: operators and commands of mathematics outside code.
        prose_characters: without blanks, outside code.
        code_lines: distinct lines of code, fenced or not.
        code_characters: without blanks.
        blocks: fences, table rows, headings and tags.
        context_characters: of the whole message, repetition removed.
        index: of the message, -1 where no user said anything.
    """

    words: float = 0.0
    numbers: int = 0
    items: int = 0
    questions: int = 0
    math_marks: int = 0
    prose_characters: int = 0
    code_lines: int = 0
    code_characters: int = 0
    blocks: int = 0
    context_characters: int = 0
    index: int = -1


def latest_ask(request: Request) -> Ask:
    """The shape of the latest user message that has text of its own."""
    for message in reversed(request.messages):
        text = _text(message) if message.role == "user" else ""
        if text.strip():
            return ask_of(text, message.index)
    return Ask()


def ask_of(text: str, index: int = 0) -> Ask:
    """The shape of a text that asks something."""
    if len(text) > 4 * SCANNED_CHARACTERS and not _begins_again(text):
        size = len(text) - sum(map(text.count, " \n\t\r"))
        once = f"{text[:SCANNED_CHARACTERS]}\n{text[-SCANNED_CHARACTERS:]}".casefold()
    else:
        once = _unrepeated(text.casefold())
        size = sum(map(len, once.split()))
        if len(once) > 2 * SCANNED_CHARACTERS:
            once = f"{once[:SCANNED_CHARACTERS]}\n{once[-SCANNED_CHARACTERS:]}"
    prose, code, blocks = _separated(once.split("\n"))
    sentences = _distinct(s for line in prose for s in _sentences(line))
    near = " ".join(_near_ends(sentences))
    flat = " ".join(sentences)
    return Ask(
        words=_words(near),
        numbers=len(set(NUMBER.findall(near))),
        items=sum(1 for line in prose if ITEM.match(line)),
        questions=sum(1 for s in sentences if QUESTION.search(s)),
        math_marks=len(MATH.findall(flat)),
        prose_characters=sum(map(len, flat.split())),
        code_lines=len(code),
        code_characters=sum(len("".join(line.split())) for line in code),
        blocks=blocks,
        context_characters=size,
        index=index,
    )


def _text(message: Message) -> str:
    return "\n".join(p.text for p in message.parts if p.type == "text" and p.text)


def _begins_again(text: str) -> bool:
    """Whether a text may be the same several times over: a quick look."""
    start = text[:HEAD_CHARACTERS].strip()
    return text.find(start, HEAD_CHARACTERS) >= 0


def _unrepeated(text: str) -> str:
    """The text once, where it is the same text several times over (blanks do not count)."""
    pieces = text.split()
    bare = "".join(pieces)
    period = (bare + bare).find(bare, 1) if bare else 0
    if period in (0, len(bare)):
        return text
    seen = 0
    for place, character in enumerate(text):
        seen += not character.isspace()
        if seen == period:
            return text[: place + 1]
    return text


def _separated(lines: Iterable[str]) -> tuple[list[str], list[str], int]:
    """Distinct lines of prose, distinct lines of code, and how many structural lines there are."""
    prose: dict[str, None] = {}
    code: dict[str, None] = {}
    blocks: set[str] = set()
    fenced = False
    for line in lines:
        bare = " ".join(line.split())
        if FENCE.match(line):
            fenced = not fenced
            if fenced:
                blocks.add(f"``` {len(code)}")
        elif not bare:
            continue
        elif fenced or _looks_like_code(bare):
            code[bare] = None
        else:
            prose[bare] = None
            if TABLE_ROW.match(line) or HEADING.match(line):
                blocks.add(bare)
    return list(prose), list(code), len(blocks)


def _looks_like_code(line: str) -> bool:
    """Whether an unfenced line is code: it ends like a statement and is dense in code marks."""
    if len(line) < 4 or line[-1] not in "{};:,)>":
        return False
    marks = len(CODE_MARKS.findall(line))
    return marks >= 3 and marks >= len(line) * 0.08


def _sentences(line: str) -> list[str]:
    return SENTENCE_END.split(line) if SENTENCE_MARK.search(line) else [line]


def _distinct(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(s for s in (" ".join(x.split()) for x in sentences) if s))


def _near_ends(sentences: list[str]) -> list[str]:
    """The sentences within `ASK_WORDS` words of either end."""
    if len(sentences) < 3 or sum(map(_most_words, sentences)) < ASK_WORDS:
        return sentences
    head, tail = _within(sentences), _within(sentences[::-1])
    if head + tail >= len(sentences):
        return sentences
    return [*sentences[:head], *sentences[-tail:]]


def _most_words(text: str) -> int:
    """As many words as its characters can make, which need not be counted then."""
    return 1 + (len(text) // 2 if text.isascii() else len(text))


def _within(sentences: list[str]) -> int:
    words = 0.0
    for count, sentence in enumerate(sentences, 1):
        words += max(1.0, _words(sentence))
        if words >= ASK_WORDS:
            return count
    return len(sentences)


def _words(text: str) -> float:
    """Distinct words; of scripts without spaces, distinct character pairs turned into words."""
    if text.isascii():
        return float(len(set(ASCII_WORD.findall(text))))
    dense, unspaced = DENSE.findall(text), UNSPACED.findall(text)
    if dense or unspaced:
        text = UNSPACED.sub(" ", DENSE.sub(" ", text))
    return (
        len(set(WORD.findall(text)))
        + _pairs(dense) / DENSE_WORD_CHARACTERS
        + _pairs(unspaced) / UNSPACED_WORD_CHARACTERS
    )


def _pairs(characters: list[str]) -> int:
    return len(set(pairwise(characters)) or characters)
