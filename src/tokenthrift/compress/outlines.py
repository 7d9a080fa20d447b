"""What the lines of a text are to each other: what each is, and which one it hangs on.

Kinds with a form of their own (diffs, traces, results of a search) say it line by line; cutting,
scoring and choosing only know the words and the numbers given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

CHANGED, CONTEXT = "changed", "context"
MESSAGE, FRAME, LIBRARY = "message", "frame", "library"

# What comes before anything else of its text, and what waits until all of that is kept.
CORE: Final = frozenset({CHANGED, MESSAGE, FRAME})
WAITING: Final = frozenset({CONTEXT, LIBRARY})
# Added to a relevance of at most 1; set on the recorded data (benchmarks/README.md).
WORTH: Final = {CHANGED: 0.35, MESSAGE: 0.35, FRAME: 0.2}
LOOP_WORTH: Final = {CHANGED: 3.0, MESSAGE: 10.0, FRAME: 3.0}  # names compete with it


@dataclass(slots=True)
class Line:
    """A line, or a few that belong together: ``text[start:end]``.

    Attributes:
        part: what it is (`CHANGED` ...), or an empty string.
        head: number of the line that it cannot be read without, or -1.
        carry: what it is read under, for scoring.
        anchor: whether it says nothing by itself and is kept for what hangs on it.
        opens: whether a record begins here.
    """

    start: int
    end: int
    part: str = ""
    head: int = -1
    carry: str = ""
    anchor: bool = False
    opens: bool = True


def line_spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each line, its line break included."""
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        yield at, end
        at = end


def part_worth(parts: Sequence[str], *, loop: bool) -> dict[str, npt.NDArray[np.float32]]:
    """What the parts that occur add, by name, (n,) float32 each.

    Args:
        parts: of the units.
        loop: whether a model works with tools, where names are worth most.
    """
    worth = LOOP_WORTH if loop else WORTH
    found = set(parts) & set(worth)
    return {
        name: np.array([worth[name] * (part == name) for part in parts], np.float32)
        for name in sorted(found)
    }


def among(parts: Sequence[str], names: frozenset[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether each part is one of the names."""
    if not any(parts):
        return np.zeros(len(parts), np.bool_)
    return np.fromiter((part in names for part in parts), np.bool_, len(parts))
