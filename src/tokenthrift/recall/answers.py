"""What a recall gives back: all of a cut text, some of its lines, or those that fit a query.

Always within a bound of tokens, and always with the line numbers, so that the rest can be asked
for. What a call asks for is read as generously as can be: models misspell.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.compress.relevance import score

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenthrift.types import TokenCounter

LONGEST_LINE: Final = 400  # characters; longer lines are numbered in pieces
HEAD_TOKENS: Final = 10  # of the line above a run of lines, at most
NO_MORE: Final = "No more recalls: answer with what you have."
NO_ROOM: Final = "No room is left for it: answer with what you have."

_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])")
_RANGE = re.compile(r"(\d+)(?:\s*(-|\.\.|:|to)\s*(\d+)?)?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call asks for.

    Attributes:
        recall_id: empty where there is none in it.
        lines: first and last, from 1; empty for all. No last line is up to the end.
    """

    recall_id: str
    lines: tuple[tuple[int, int | None], ...] = ()
    query: str = ""


def wish_of(arguments: str) -> Wish:
    """Read the arguments of a call, as the model wrote them."""
    try:
        given: Any = json.loads(arguments or "{}")
    except ValueError:
        given = {"id": arguments}
    if not isinstance(given, dict):
        given = {"id": given}
    found = _ID.search(str(given.get("id", "")).lower())
    lines, query = given.get("lines"), given.get("query")
    if isinstance(lines, list) and len(lines) == len(("first", "last")):
        lines = "-".join(map(str, lines))
    ranges = _RANGE.findall(str(lines)[:LONGEST_LINE]) if lines is not None else []
    return Wish(
        found[0] if found else "",
        tuple((int(a), int(b) if b else None if dash else int(a)) for a, dash, b in ranges),
        "" if query is None else str(query),
    )


def answer(wish: Wish, texts: Sequence[str] | None, most_tokens: int, count: TokenCounter) -> str:
    """The tool result for a wish.

    Args:
        wish: what is asked for.
        texts: what is kept under its id; None where it is gone.
        most_tokens: the result is never longer, unless it is one of our short sentences.
        count: counts tokens.
    """
    if not wish.recall_id:
        return "No ID: give the 8 characters behind the word recall in a mark."
    if texts is None:
        return f"Gone: nothing is kept under {wish.recall_id}. Run it again."
    lines, groups = lines_of(texts)
    wanted = _wanted(wish, len(lines))
    if not wanted:
        return f"No such lines: there are {len(lines)}."
    if not wish.query:
        return _fitting(lines, wanted, wanted, most_tokens, count)
    inside = [lines[n] for n in wanted]
    scores = score(wish.query, inside, [groups[n] for n in wanted])
    best = [wanted[i] for i in (-scores).argsort(kind="stable").tolist() if scores[i] > 0]
    if not best:
        return f"None of the {len(wanted)} lines fits the query."
    return _fitting(lines, best, wanted, most_tokens, count)


def lines_of(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Numbered lines of texts, and which text each is of; very long ones in pieces."""
    lines: list[str] = []
    groups: list[int] = []
    for group, text in enumerate(texts):
        own = [p for line in text.removesuffix("\n").split("\n") for p in _pieces(line)]
        lines += own
        groups += [group] * len(own)
    return lines, groups


def _pieces(line: str) -> Iterable[str]:
    while len(line) > LONGEST_LINE:
        end = line.rfind(" ", LONGEST_LINE // 2, LONGEST_LINE) + 1 or LONGEST_LINE
        yield line[:end]
        line = line[end:]
    yield line


def _wanted(wish: Wish, size: int) -> list[int]:
    """Indices of the lines that are asked for, in order."""
    if not wish.lines:
        return list(range(size))
    wanted: set[int] = set()
    for first, last in wish.lines:
        wanted.update(range(max(0, first - 1), min(size, size if last is None else last)))
    return sorted(wanted)


def _fitting(
    lines: Sequence[str],
    ranked: Sequence[int],
    wanted: Sequence[int],
    most_tokens: int,
    count: TokenCounter,
) -> str:
    """As many of the ranked lines as the bound allows, in their order."""
    chosen: list[int] = []
    left = most_tokens - 2 * HEAD_TOKENS
    for n in ranked:
        left -= count(lines[n]) + 1
        if left < 0:
            break
        chosen.append(n)
    while chosen:
        text = _written(lines, sorted(chosen), len(wanted))
        if count(text) <= most_tokens:
            return text
        del chosen[-max(1, len(chosen) // 8) :]
    return NO_ROOM


def _written(lines: Sequence[str], chosen: Sequence[int], wanted: int) -> str:
    out: list[str] = []
    for _, run in groupby(enumerate(chosen), lambda pair: pair[1] - pair[0]):
        numbers = [n for _, n in run]
        out.append(f"[lines {numbers[0] + 1}-{numbers[-1] + 1} of {len(lines)}]")
        out += [lines[n] for n in numbers]
    if len(chosen) < wanted:
        out.append(f"[{wanted - len(chosen)} more; ask by lines]")
    return "\n".join(out)
