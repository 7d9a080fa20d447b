"""Fold a text for reading: what went and what is long stands behind a line that says what it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tokenthrift.report.formats import clip, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenthrift.report.stretches import Stretch
    from tokenthrift.types import TokenCounter

Fate: TypeAlias = Literal[
    "kept",  # word for word
    "dropped",
    "shorter",  # said in less by what is written next to it
    "source",  # of what is written anew behind it
    "anew",  # the same text in another form
    "undone",  # of such a text, what was dropped later
    "written",  # marks and pointers
]

# A run of text up to so many lines and characters stays open.
OPEN_SENT: Final = (40, 4_000)
OPEN_GONE: Final = (6, 600)
# Of a longer run that is sent, so much stays open at both ends.
ENDS: Final = (8, 800)
TEASER: Final = 64  # characters of what is folded
WORDS: Final[dict[Fate, str]] = {
    "kept": "more, kept",
    "dropped": "dropped",
    "shorter": "said in less",
    "source": "as they were given",
    "anew": "more, kept",
    "undone": "dropped",
    "written": "more, written",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text with what the page says of it when it is pointed at."""

    text: str
    title: str = ""
    unit: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of text with one fate.

    Attributes:
        summary: what stands in its place until it is opened; empty where it is open anyway.
        teaser: the beginning of the text behind it.
    """

    fate: Fate
    spans: tuple[Span, ...]
    summary: str = ""
    teaser: str = ""


def fate_of(stretch: Stretch) -> Fate:
    """What became of a stretch, in a word."""
    if stretch.sent:
        return "kept" if stretch.given else "anew" if stretch.rewritten else "written"
    if not stretch.given:
        return "undone"
    if stretch.shorter:
        return "source" if stretch.rewritten else "shorter"
    return "dropped"


def folded(stretches: Sequence[Stretch], count: TokenCounter) -> Iterator[Fold]:
    """The stretches of a text as folds, in order.

    Args:
        stretches: they add up to the text.
        count: says how large a fold is.
    """
    for fate, group in groupby(stretches, key=fate_of):
        spans = tuple(_span(s) for s in group)
        sent = fate in ("kept", "anew", "written")
        if _fits(spans, OPEN_SENT if sent else OPEN_GONE):
            yield Fold(fate, spans)
        elif sent:
            text = "".join(s.text for s in spans)
            rest, tail = _cut(spans, _tail(text, *ENDS))
            head, middle = _cut(rest, _head(text, *ENDS))
            yield Fold(fate, head)
            yield _closed(fate, middle, count)
            yield Fold(fate, tail)
        else:
            yield _closed(fate, spans, count)


def _span(stretch: Stretch) -> Span:
    unit = stretch.value is not None
    why = "; ".join(stretch.why)
    if unit:
        title = f"{stretch.value:.2f}: {why or 'nothing in it stands out'}"
    else:
        title = f"{stretch.stage}: {why}" if stretch.stage else ""
    return Span(visible(stretch.text), visible(title), unit)


def _closed(fate: Fate, spans: tuple[Span, ...], count: TokenCounter) -> Fold:
    text = "".join(s.text for s in spans)
    lines = len(text.strip("\n").split("\n"))
    size = f"{lines:,} lines" if lines > 1 else f"{len(text):,} characters"
    teaser = clip(" ".join(text[: 4 * TEASER].split()), TEASER)
    return Fold(fate, spans, f"{size}, {count(text):,} tokens {WORDS[fate]}", teaser)


def _fits(spans: Sequence[Span], most: tuple[int, int]) -> bool:
    lines, characters = most
    return (
        sum(len(s.text) for s in spans) <= characters
        and sum(s.text.count("\n") for s in spans) <= lines
    )


def _head(text: str, lines: int, characters: int) -> int:
    """Where the first lines of a text end; inside one where it is too long."""
    ends = [n + 1 for n, c in enumerate(text[:characters]) if c == "\n"][:lines]
    return ends[-1] if ends else characters


def _tail(text: str, lines: int, characters: int) -> int:
    """Where the last lines of a text begin."""
    first = len(text) - characters
    starts = [n + 1 for n, c in enumerate(text[first:-1], first) if c == "\n"][-lines:]
    return starts[0] if starts else first


def _cut(spans: Sequence[Span], at: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Spans before and behind a place in their text."""
    for n, span in enumerate(spans):
        if at < len(span.text):
            first = (replace(span, text=span.text[:at]),) if at else ()
            second = replace(span, text=span.text[at:])
            return (*spans[:n], *first), (second, *spans[n + 1 :])
        at -= len(span.text)
    return tuple(spans), ()
