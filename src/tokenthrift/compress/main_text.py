"""Which lines of a page are its main text, and which stand beside it: menus, teasers, footers.

resiliparse says what the main part is; links, repeats, loose captions and far islands are then put
aside too. A line beside the main text comes back where the question names what it says.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.kinds import kind_of
from tokenthrift.compress.markers import is_page_mark
from tokenthrift.compress.pages import read_page
from tokenthrift.compress.relevance.words import terms_of, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tokenthrift.compress.pages import Line, Page
    from tokenthrift.types import Segment, Unit

# Set on one half of the recorded pages (benchmarks/README.md).
LINKED: Final = 0.8  # share of words in links from which a line leads elsewhere
PARAGRAPHS: Final = 0.6  # share of words in paragraphs from which loose text is a caption or a note
ISLAND_LINES: Final = 3  # lines beside the main text that part one stretch of it from the next
ISLAND_SHARE: Final = 0.1  # of the words of the longest stretch; a shorter one is not main text
MIN_MAIN_WORDS: Final = 50  # with less the page is no text to be read, and nothing is put aside

ALIKE_WORDS: Final = 8  # from so many on, a line may differ from the parser's by words inside
ALIKE: Final = 0.6
RUN: Final = 4

# A line comes back with a third of the question's terms, or three. Words of the task itself do not
# count: they are not what the page says.
NAMED_SHARE: Final = 1 / 3
NAMED_ENOUGH: Final = 3
TASK_WORDS: Final = (
    "article page pages text content main body site website web html summary summarize summarise "
    "extract give show tell read find get return list please full whole"
)


def aside_units(
    segment: Segment, units: Sequence[Unit], question: str
) -> npt.NDArray[np.bool_] | None:
    """(n,) whether a unit stands beside the main text of its page.

    Args:
        segment: a page that was written as text.
        units: of its text.
        question: lines that it names are not put aside.

    Returns:
        None where the segment is no page, or one without a main text.
    """
    if not is_page_mark(segment.text):
        return None
    page = read_page(segment.original)
    main = None if page is None else main_lines(page)
    if page is None or main is None:
        return None
    flags: dict[str, list[bool]] = {}
    for line, is_main in zip(reversed(page.lines), reversed(main), strict=True):
        flags.setdefault(line.text, []).append(is_main)  # the first is popped first
    asked = _task_free(question)
    lines = segment.text.split("\n")
    beside = np.zeros(len(lines), np.bool_)
    for n, text in enumerate(lines):
        known = flags.get(text)
        is_main = known.pop() if known else True  # unknown: written by another stage
        beside[n] = not is_main and not _names(text, asked)
    ends = np.cumsum([len(text) + 1 for text in lines])
    starts = np.array([u.start for u in units], np.int64)
    out: npt.NDArray[np.bool_] = beside[np.searchsorted(ends, starts, side="right")]
    return out


def main_lines(page: Page) -> list[bool] | None:
    """For each line whether it is main text; None if the page has too little of that."""
    flags = _as_the_parser_says(page)
    words: Counter[str] = Counter()
    for line, is_main in zip(page.lines, flags, strict=True):
        words[line.kind] += line.words * is_main
    drops_loose = words["paragraph"] >= PARAGRAPHS * words.total()
    shown: set[str] = set()
    for n, line in enumerate(page.lines):
        leads_away = line.words and line.linked >= LINKED * line.words and line.kind != "heading"
        loose = drops_loose and line.kind == "other"
        flags[n] = flags[n] and not (leads_away or loose or line.text in shown)
        if flags[n]:
            shown.add(line.text)
    _drop_islands(page.lines, flags)
    enough = sum(line.words for line, f in zip(page.lines, flags, strict=True) if f)
    return flags if enough >= MIN_MAIN_WORDS else None


def _as_the_parser_says(page: Page) -> list[bool]:
    """Lines of the whole page that its main part has, word for word or nearly."""
    left = Counter(line.plain for line in page.main)
    runs: set[tuple[str, ...]] | None = None
    flags = []
    for line in page.lines:
        has = left[line.plain] > 0
        left[line.plain] -= has
        if not has and line.words >= ALIKE_WORDS:
            if runs is None:  # mostly no line asks for them
                runs = {run for part in page.main for run in _runs(part.plain)}
            own = _runs(line.plain)
            has = len(own & runs) >= ALIKE * max(1, len(own))
        flags.append(has)
    return flags


def _runs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[n : n + RUN]) for n in range(max(1, len(words) - RUN + 1))}


def _drop_islands(lines: Sequence[Line], flags: list[bool]) -> None:
    """Put short stretches aside that menus or teasers part from the rest; titles stay."""
    stretches: list[list[int]] = []
    last = -ISLAND_LINES - 2
    for n in np.flatnonzero(flags).tolist():
        if n - last > ISLAND_LINES:
            stretches.append([])
        stretches[-1].append(n)
        last = n
    words = [sum(lines[n].words for n in stretch) for stretch in stretches]
    longest = max(words, default=0)
    for stretch, own in zip(stretches, words, strict=True):
        if own < ISLAND_SHARE * longest:
            for n in stretch:
                flags[n] = lines[n].is_title


def _task_free(question: str) -> frozenset[str]:
    """Terms of what is asked for; none where the question is the page itself."""
    if kind_of(question) == "html":
        return frozenset()
    task = {term for word in TASK_WORDS.split() for term in terms_of(word)}
    return frozenset(t for word in words_of(question) for t in terms_of(word)) - task


def _names(text: str, asked: frozenset[str]) -> bool:
    if not asked:
        return False
    said = {term for word in words_of(text) for term in terms_of(word)}
    return len(said & asked) >= min(NAMED_ENOUGH, NAMED_SHARE * len(asked))
