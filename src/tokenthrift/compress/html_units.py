"""Units of an HTML page: runs of text between block tags, and how much of each is main text.

Main text is dense (many words, few tags, few links); menus and scripts are not. After Kohlschütter
et al., "Boilerplate Detection using Shallow Text Features" (WSDM 2010). Nothing is parsed away: the
spans cover the page, so what is kept is verbatim.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DENSE_WORDS: Final = 30  # words of a run that count as full density
NEIGHBOURS: Final = np.array([0.25, 0.5, 1.0, 0.5, 0.25])  # short runs borrow from those around

_NOISE_OPENS = re.compile(
    r"<(?:(?:script|style|noscript|svg|template|head)\b|!--|!doctype)", re.IGNORECASE
)
_NOISE_CLOSES = {
    name: re.compile(rf"</{name}\s*>", re.IGNORECASE)
    for name in ("script", "style", "noscript", "svg", "template", "head")
} | {"!--": re.compile("-->"), "!doctype": re.compile(">")}
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|table|tr|td|th|h[1-6]|section|article|header|footer|nav|aside|main|form|"
    r"blockquote|pre|figure|figcaption|dl|dt|dd|body|html|br)\b[^<>]*>\s*",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]*>")
_LINK_EDGE = re.compile(r"<(/?)a\b[^<>]*>", re.IGNORECASE)


def html_spans(text: str) -> Iterator[tuple[int, int]]:
    """Spans that cover a page: noise as a whole, the rest cut behind block tags."""
    at = 0
    for start, end in _noise(text):
        yield from _blocks(text, at, start)
        yield start, end
        at = end
    yield from _blocks(text, at, len(text))


def _noise(text: str) -> Iterator[tuple[int, int]]:
    """What no reader sees; what is never closed is no noise, and is looked for once."""
    at = 0
    open_ended: set[str] = set()
    for match in _NOISE_OPENS.finditer(text):
        name = match[0][1:].lower()
        if match.start() < at or name in open_ended:
            continue
        closing = _NOISE_CLOSES[name].search(text, match.end())
        if closing is None:
            open_ended.add(name)
            continue
        yield match.start(), closing.end()
        at = closing.end()


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for match in _BLOCK.finditer(text, start, end):
        if text[at : match.start()].strip():
            yield at, match.start()
            at = match.start()
    if at < end:
        yield at, end


def density(texts: Sequence[str]) -> list[float]:
    """How much of each run is main text, from 0 to 1, smoothed over its neighbours."""
    raw = np.array([_density(t) for t in texts])
    if not len(raw):
        return []
    around = np.convolve(raw, NEIGHBOURS / NEIGHBOURS.sum(), mode="same")[: len(raw)]
    return [float(v) for v in np.where(raw > 0, (raw + around) / 2, 0.0)]


def _density(text: str) -> float:
    if _is_noise(text.strip()):
        return 0.0
    words = len(_TAG.sub(" ", text).split()) if "<" in text else len(text.split())
    if not words:
        return 0.0
    linked = _linked_words(text) if "</a" in text or "</A" in text else 0
    return min(1.0, words / DENSE_WORDS) * (1 - min(1.0, linked / words))


def _is_noise(text: str) -> bool:
    """Whether a text is one piece of noise from end to end."""
    opening = _NOISE_OPENS.match(text)
    if opening is None:
        return False
    closing = _NOISE_CLOSES[opening[0][1:].lower()].search(text, opening.end())
    return closing is not None and closing.end() == len(text)


def _linked_words(text: str) -> int:
    """Words between the tags of links; a link that is not closed has none."""
    words = 0
    begin = -1
    for match in _LINK_EDGE.finditer(text):
        if not match[1]:
            begin = match.end() if begin < 0 else begin
        elif begin >= 0:
            words += len(_TAG.sub(" ", text[begin : match.start()]).split())
            begin = -1
    return words
