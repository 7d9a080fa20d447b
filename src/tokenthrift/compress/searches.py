"""Results of a search (grep, rg, find, ls -R): by file without loss, and their lines.

`encode` writes a path that several lines in a row begin with once, above them::

    src/app/main.py:12:import os          src/app/main.py
    src/app/main.py:40:os.remove(path) ->  12:import os
    src/app/util.py:7:import os           40:os.remove(path)
                                          src/app/util.py:7:import os

and names of one folder, where asked, below it (``src/app/`` over `` main.py``). `decode` gives the
text back to the byte; what would not come back is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.outlines import Line, line_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["decode", "encode", "is_search", "search_lines"]

FEWEST: Final = 2  # lines under one heading
FEWEST_RESULTS: Final = 3  # lines of a text
LONGEST_PATH: Final = 300
SHORT_REST: Final = 20  # characters behind a path of a list, as "(3 matches)"
BETWEEN: Final = "--"  # what grep writes between places of one file

# A path: with a folder or an ending, and a letter; no white space, so that prose has none.
_SIGNS = r"\s:\"'`<>|*?,;={}"
_PATH_TEXT = (
    r"(?=[^\s:]{0,300}[A-Za-z])(?:[A-Za-z]:(?=[\\/]))?"
    rf"(?>[^{_SIGNS}\\/]*+[\\/][^{_SIGNS}]*+|[^{_SIGNS}\\/]+\.[A-Za-z]\w{{0,9}}(?!\w))"
)
_PATH = re.compile(_PATH_TEXT)
# grep writes a colon around the number of a line that matches, dashes around that of its context,
# and a colon only where it was not asked for numbers.
_HIT = re.compile(rf"(?P<path>{_PATH_TEXT}):(?=\d+:)")
_BARE_HIT = re.compile(rf"(?P<path>{_PATH_TEXT}):(?![\\/])")
_CONTEXT = re.compile(r"-\d+-")
_NUMBERED = re.compile(r"\d+(?P<sign>[:-])")
_FOLDER = re.compile(rf"(?:\.|\.\.|{_PATH_TEXT}):")
_ENDING = re.compile(r"\.[A-Za-z]\w{0,9}$")


@dataclass(frozen=True, slots=True)
class _Run:
    """Lines ``first`` to ``stop`` begin with ``head``; a folder's are set in by a space."""

    head: str
    first: int
    stop: int
    folder: bool


def encode(text: str, *, folders: bool = False) -> str | None:
    """The text with paths once above their lines; None if that is no shorter or would lose a byte.

    Args:
        text: output of a search, other lines in between.
        folders: whether names of one folder are written below it too; then no line shows the whole
            path of a file any more.
    """
    lines = text.split("\n")
    out: list[str] = []
    at = 0
    for run in _runs(lines, folders=folders):
        out += lines[at : run.first]
        out.append(run.head)
        for line in lines[run.first : run.stop]:
            bare = line[len(run.head) :]
            out.append(line if line == BETWEEN else f" {bare}" if run.folder else _below(bare))
        at = run.stop
    out += lines[at:]
    encoded = "\n".join(out)
    return encoded if len(encoded) < len(text) and decode(encoded) == text else None


def decode(encoded: str) -> str:
    """The text that `encode` was given."""
    out: list[str] = []
    lines = encoded.split("\n")
    for n, (line, head) in enumerate(_under(lines)):
        following = lines[n + 1] if n + 1 < len(lines) else ""
        if not head and _is_heading(line, following):
            continue
        if not head or line == BETWEEN:
            out.append(line)
        elif line[:1] == " ":
            out.append(head + line[1:])
        else:
            numbered = _NUMBERED.match(line)
            out.append(f"{head}{numbered['sign'] if numbered else ''}{line}")
    return "\n".join(out)


def _below(rest: str) -> str:
    """What is left of a line under the name of its file: ``:12:text`` needs no first sign."""
    numbered = _NUMBERED.match(rest, 1)
    return rest[1:] if numbered and numbered["sign"] == rest[0] else rest


def is_search(lines: Sequence[str]) -> bool:
    """Whether more than half of the lines, none of them blank, are results of a search."""
    if len(lines) < FEWEST_RESULTS or not any(map(_PATH.match, lines)):
        return False
    paths = {m["path"] for m in map(_HIT.match, lines) if m}
    found = 0
    for line, head in _under(lines, listings=True):
        found += bool(head) or line == BETWEEN or _is_result(line, paths)
    return 2 * found > len(lines)


def search_lines(text: str) -> list[Line]:
    """The lines of results that stand below the names of their files or folders; else nothing.

    Lines that show their path themselves hang on nothing and need no outline.
    """
    spans = list(line_spans(text))
    texts = [text[start:end].removesuffix("\n") for start, end in spans]
    lines: list[Line] = []
    heading = -1
    for n, ((start, end), (line, head)) in enumerate(
        zip(spans, _under(texts, listings=True), strict=True)
    ):
        following = texts[n + 1] if n + 1 < len(texts) else ""
        if line == BETWEEN and lines:
            lines[-1].end = end
        elif head and heading >= 0:
            lines.append(Line(start, end, head=heading, carry=head))
        elif _is_heading(line, following) or _opens_folder(texts, n):
            heading = len(lines)
            lines.append(Line(start, end, anchor=True))
        else:
            lines.append(Line(start, end))
    return lines if heading >= 0 else []


def _runs(lines: Sequence[str], *, folders: bool) -> Iterator[_Run]:
    """Runs of lines that begin with one path, in order."""
    owners = list(_owners(lines))
    at = 0
    while at < len(lines):
        path = owners[at]
        stop = at + 1
        while path and stop < len(lines):
            if owners[stop] == path:
                stop += 1
            elif lines[stop] == BETWEEN and owners[stop + 1 : stop + 2] == [path]:
                stop += 2
            else:
                break
        if path and stop - at >= FEWEST:
            yield _Run(path, at, stop, folder=False)
            at = stop
            continue
        folder = _folder_of(lines[at]) if folders else ""
        if folder:
            stop = at + 1
            while stop < len(lines) and _is_in(lines, owners, stop, folder):
                stop += 1
            if stop - at >= FEWEST:
                yield _Run(folder, at, stop, folder=True)
                at = stop
                continue
        at += 1


def _is_in(lines: Sequence[str], owners: Sequence[str], n: int, folder: str) -> bool:
    """Whether a line names a file right in a folder, and is not the first of several of a file."""
    if _folder_of(lines[n]) != folder:
        return False
    return not owners[n] or owners[n + 1 : n + 2] != [owners[n]]


def _folder_of(line: str) -> str:
    """The folder of the file that a line begins with, up to its last slash."""
    path = _PATH.match(line)
    if not path or line[path.end() : path.end() + 1] not in ("", " ", ":"):
        return ""
    folder, slash, name = path[0].rpartition("/")
    return folder + slash if name and len(path[0]) <= LONGEST_PATH else ""


def _owners(lines: Sequence[str]) -> Iterator[str]:
    """Of each line the path that it begins with, as grep writes it, or an empty string."""
    hits = [_HIT.match(line) for line in lines]
    known = {hit["path"] for hit in hits if hit}
    for line, hit in zip(lines, hits, strict=True):
        if hit:
            yield hit["path"]
            continue
        context = _context_of(line, known)
        bare = None if context else _BARE_HIT.match(line)
        yield context or (bare["path"] if bare else "")


def _context_of(line: str, known: set[str]) -> str:
    """The path of a line of context: one that a match has shown."""
    for sign in _CONTEXT.finditer(line, 0, LONGEST_PATH) if known else ():
        if line[: sign.start()] in known:
            return line[: sign.start()]
    return ""


def _is_result(line: str, paths: set[str]) -> bool:
    """Whether a line by itself looks like one of a search."""
    if _HIT.match(line) or _context_of(line, paths):
        return True
    named = _PATH.match(line)
    if not named:
        return False
    path, rest = named[0], line[named.end() :]
    ends = _ENDING.search(path) is not None
    if rest[:1] == ":":
        return ends and "/" in path
    rooted = ends or path.startswith(("/", "./", "../"))
    return rooted and (not rest or (rest[0] == " " and len(rest) < max(SHORT_REST, len(path))))


def _is_heading(line: str, following: str) -> bool:
    """Whether a line is a path above its lines."""
    if not _PATH.fullmatch(line):
        return False
    if line.endswith("/"):
        return following[:1] == " " and not following[1:2].isspace()
    return _is_below(following)


def _opens_folder(lines: Sequence[str], n: int) -> bool:
    """Whether a line is a folder's, as ``ls -R`` writes it above its names."""
    above = not n or not lines[n - 1].strip()
    return above and _FOLDER.fullmatch(lines[n]) is not None and bool("".join(lines[n + 1 : n + 2]))


def _under(lines: Sequence[str], *, listings: bool = False) -> Iterator[tuple[str, str]]:
    """Each line with the heading that it stands under, or an empty string.

    Args:
        lines: of a text.
        listings: whether names under a folder's line of ``ls -R`` count too.
    """
    head = ""
    for n, line in enumerate(lines):
        following = lines[n + 1] if n + 1 < len(lines) else ""
        if head and not _stays_below(head, line, following):
            head = ""
        yield line, head
        if not head and (_is_heading(line, following) or (listings and _opens_folder(lines, n))):
            head = line


def _stays_below(head: str, line: str, following: str) -> bool:
    if head[-1] == "/":
        return line[:1] == " "
    if head[-1] == ":":
        return bool(line.strip())
    return _is_below(following if line == BETWEEN else line)


def _is_below(line: str) -> bool:
    return line[:1] == ":" or _NUMBERED.match(line) is not None
