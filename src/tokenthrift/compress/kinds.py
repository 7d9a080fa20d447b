"""What a text is, told from its content alone, never from a tool's name.

First rules that match win; a wrong guess costs compression, never content, since every later step
is lossless or keeps whole units.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.diffs import is_diff
from tokenthrift.compress.fences import fenced, may_hold_fences
from tokenthrift.compress.searches import is_search
from tokenthrift.compress.traces import is_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokenthrift.types import Kind

SAMPLE_CHARACTERS: Final = 6_000  # the beginning tells the kind; the rest is not read
SAMPLE_LINES: Final = 120
DIFF_SHARE: Final = 0.5  # of the lines that are not blank
TRACE_SHARE: Final = 0.3
CODE_SHARE: Final = 0.3

_DATA_URI = re.compile(r"^data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=\s]{64,}$")
_HTML = re.compile(
    r"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# Lines that tools put above what they give: a name between brackets, or a short value in it.
_WRAPPER = re.compile(r"(?:\s*<(?P<name>\w+)>(?:[^<>\n]{0,40}</(?P=name)>)?[ \t]*(?:\n|$)){1,3}")
_LOG_LINE = re.compile(
    r"\W{0,2}+(?=[\dA-Z])(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/]\d\d[ T]|\d{1,2}:\d\d:\d\d|"
    r"[A-Z][a-z]{2} +\d{1,2} \d\d:|"
    r"\d{10,13}\b|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL)\b)"
)
_LEVELS: Final = (
    *("DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"),
    *("PASSED", "FAILED"),
)
_STEMS: Final = tuple(level for level in _LEVELS if level != "WARNING")  # that is a "WARN" too
_LOG_LEVEL = re.compile(rf"\b(?:{'|'.join(_LEVELS)})\b")
_FIRST_WORD = re.compile(r"#?\w+")
_CODE_WORDS: Final = frozenset(
    [
        *("def", "class", "import", "from", "return", "if", "for", "while", "else", "elif", "try"),
        *("except", "with", "func", "fn", "let", "const", "var", "public", "private", "static"),
        *("package", "use", "struct", "impl", "#include"),
    ]
)
_CODE_BEGINS: Final = tuple(_CODE_WORDS)
_ENDS_CODE: Final = frozenset("{};")
_ENDS_BEHIND_WORD: Final = frozenset(":()_")
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)

LANGUAGE_KINDS: Final[dict[str, Kind]] = {
    "json": "json",
    "jsonl": "json",
    "diff": "diff",
    "patch": "diff",
    "html": "html",
    "csv": "table",
    "tsv": "table",
    "log": "log",
    "md": "markdown",
    "markdown": "markdown",
    "text": "prose",
    "txt": "prose",
}


def kind_of(text: str) -> Kind:
    """The kind of a text as a whole."""
    head = text[:SAMPLE_CHARACTERS]
    start = head.lstrip()[:1]
    inner = head
    if start in ("{", "[") and text.rstrip()[-1:] in ("}", "]") and _opens_json(head.lstrip()):
        return "json"
    if start == "<":
        wrapper = _WRAPPER.match(head)
        inner = head[wrapper.end() :] if wrapper else head
        tagged = inner.lstrip()[:1] == "<" and len(_TAG.findall(head)) > len(head) // 120
        if tagged or _HTML.match(head):
            return "html"
    elif head.startswith("data:") and _DATA_URI.match(head):
        return "data_uri"
    if is_diff(inner, DIFF_SHARE):
        return "diff"
    if is_trace(inner, TRACE_SHARE):
        return "trace"
    return _kind_by_lines(inner)


def _opens_json(head: str) -> bool:
    return head[0] == "{" or head[1:].lstrip()[:1] in set('{["-0123456789tfn]')


def _kind_by_lines(head: str) -> Kind:
    many = "\n" in head  # what is one line is looked into no further
    lines = [line for line in head.split("\n") if line and not line.isspace()] if many else []
    lines = lines[:SAMPLE_LINES]
    if len(lines) >= 3:
        if is_search(lines):
            return "search"
        if _over_half(_LOG_LINE.match, lines) or _name_levels(head, lines):
            return "log"
        if any(_are_rows(lines[:-1], mark) for mark in ("|", "\t", ",", ";")):
            return "table"
        if _are_code(lines):
            return "code"
    headed = head.startswith("#") or "\n#" in head
    return "markdown" if headed and _HEADING.search(head) else "prose"


def _over_half(match: Callable[[str], object], lines: Sequence[str]) -> bool:
    """Whether more than half of the lines match; where none of the first half does, they do not."""
    first = (len(lines) + 1) // 2
    found = sum(map(bool, map(match, lines[:first])))
    return found > 0 and 2 * (found + sum(map(bool, map(match, lines[first:])))) > len(lines)


def _are_rows(lines: Sequence[str], mark: str) -> bool:
    """Whether every line has as many marks, two at least."""
    marks = lines[0].count(mark)
    return marks >= 2 and all(line.count(mark) == marks for line in lines)


def _name_levels(head: str, lines: Sequence[str]) -> bool:
    """Whether more than half of the lines of a text name a level of logs."""
    if 2 * sum(map(head.count, _STEMS)) <= len(lines):
        return False  # too few, wherever they stand
    return _over_half(_LOG_LEVEL.search, lines)


def _are_code(lines: Sequence[str]) -> bool:
    """Whether enough of the lines, none of them blank, read like code."""
    bare = [line.strip() for line in lines]
    ended = [line for line in bare if line[-1] in _ENDS_CODE]
    begun = [line for line in bare if line.startswith(_CODE_BEGINS) and line[-1] not in _ENDS_CODE]
    most = CODE_SHARE * len(lines)
    if len(ended) + len(begun) <= most:
        return False
    return len(ended) + sum(map(_begins_code, begun)) > most


def _begins_code(line: str) -> bool:
    """Whether a line that begins like a word of code has that word, and something behind it."""
    last = line[-1]
    if not (last.isalnum() or last in _ENDS_BEHIND_WORD):
        return False
    word = _FIRST_WORD.match(line)
    return word is not None and word[0] in _CODE_WORDS and word.end() < len(line)


def pieces(text: str) -> list[tuple[int, int, Kind]]:
    """Cut a text where its kind changes: fenced blocks, and a JSON body behind lines of prose.

    Returns:
        ``(start, end, kind)`` spans that cover the text without gaps.
    """
    spans: list[tuple[int, int, Kind]] = []
    at = 0
    for block in fenced(text) if may_hold_fences(text) else ():
        start, end = block.start, block.end
        if start > at:
            spans.append((at, start, kind_of(text[at:start])))
        found = kind_of(text[start:end])
        named = LANGUAGE_KINDS.get(block.language)
        spans.append((start, end, named or ("code" if found == "prose" else found)))
        at = end
    if at < len(text) or not spans:
        spans += _tail(text, at)
    return spans


def _tail(text: str, at: int) -> list[tuple[int, int, Kind]]:
    rest = text[at:]
    whole = kind_of(rest)
    if whole == "json" or rest.rstrip()[-1:] not in ("}", "]"):
        return [(at, len(text), whole)]
    body = re.search(r"(?<=\n)[{\[]", rest[:SAMPLE_CHARACTERS])
    if body and kind_of(rest[body.start() :]) == "json":
        cut = at + body.start()
        return [(at, cut, kind_of(text[at:cut])), (cut, len(text), "json")]
    return [(at, len(text), whole)]
