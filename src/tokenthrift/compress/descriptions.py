"""Descriptions of tools and their parameters without layout, and cut to a size where one is asked.

White space is all that goes, and a name that the text begins with although it stands beside it.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.types import TokenCounter

ELLIPSIS: Final = "…"
WRAPPED: Final = 60  # characters; a line this long that ends in a word goes on in the next

CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BLANK_LINES = re.compile(r"\n{3,}")
_INNER_BLANKS = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
# Signs of code, tables and addresses, in which white space may mean something.
_LAID_OUT = re.compile(r"[`|={};\"]|://|\w\(")
_FENCE = re.compile(r"^[ \t]*(```|~~~)", re.MULTILINE)
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])(?<!e\.g\.)(?<!i\.e\.)[\"'”’)\]]*\s+(?![a-z])|(?<=[。！？।])\s*|\n[ \t]*\n"
)


@dataclass(slots=True)
class Descriptions:
    """What is done to descriptions, and how often.

    Attributes:
        most_tokens: longer ones are cut; None cuts nothing.
    """

    count: TokenCounter
    most_tokens: int | None
    rules: Counter[str] = field(default_factory=Counter)

    def __call__(self, text: str, key: str) -> str:
        """A description without layout, without the name ``key``, and within its size."""
        after = tidied(text)
        if after != text:
            self.rules["white space"] += 1
        rest = _without_name(after, key)
        if rest != after:
            self.rules["names before descriptions"] += 1
            after = rest
        if self.most_tokens is not None and self.count(after) > self.most_tokens:
            short = shortened(after, self.most_tokens, self.count)
            if self.count(short) < self.count(after):
                self.rules["descriptions cut"] += 1
                after = short
        return text if after == text else after


def tidied(text: str) -> str:
    """A description without indentation, blanks at line ends and lines wrapped by hand.

    In what may be code, a table or a list white space inside the lines stays.
    """
    if not text.strip():
        return ""
    first, _, rest = text.strip().replace("\r\n", "\n").partition("\n")
    lines = [first, *textwrap.dedent(rest).split("\n")] if rest else [first]
    lines = [line.rstrip() for line in lines]
    if _FENCE.search(text) is not None:
        return "\n".join(lines).strip()
    lines = _unwrapped(_INNER_BLANKS.sub(" ", ln) if _flows(ln) else ln for ln in lines)
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _unwrapped(lines: Iterable[str]) -> list[str]:
    """Lines of flowing text that were broken to fit a width, whole again."""
    out: list[str] = []
    last = ""  # as it was written
    for line in lines:
        goes_on = len(last) >= WRAPPED and last[:1].isalpha() and last[-1:].isalpha()
        if goes_on and line[:1].islower() and _flows(last) and _flows(line):
            out[-1] += f" {line}"
        else:
            out.append(line)
        last = line
    return out


def _flows(line: str) -> bool:
    return _LAID_OUT.search(line) is None


def _without_name(text: str, name: str) -> str:
    """A description that begins with ``name:`` (or, after an identifier, a dash) without that."""
    if not name or not text.startswith(name):
        return text
    dashes = "|[ \t][-–—]" if "_" in name or CAMEL.search(name) else ""
    match = re.compile(rf"(?::{dashes})\s+(?=\S)").match(text, len(name))
    return text[match.end() :] if match else text


def shortened(text: str, most_tokens: int, count: TokenCounter) -> str:
    """As many whole sentences as fit, at least the first, with an ellipsis for the rest."""
    kept = ""
    for match in _SENTENCE_END.finditer(text):
        head = text[: match.end()].rstrip()
        if kept and count(head + ELLIPSIS) > most_tokens:
            break
        kept = head
    return f"{kept}{ELLIPSIS}" if kept else text
