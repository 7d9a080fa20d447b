"""The stage that takes out what is no text: blobs, minified code, entries of lock files.

Each is replaced in place by a mark with its type, its size and the address under which it can be
had back; equal ones have equal addresses. JSON stays JSON. Images that a model is to see are parts
of their own and are no text.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from tokenthrift.compress.blobs import Blob, blobs_in
from tokenthrift.compress.bundles import bundles_in
from tokenthrift.compress.locks import locks_in, named_in
from tokenthrift.compress.markers import blob_mark, recall_id
from tokenthrift.compress.question import trajectory_of
from tokenthrift.compress.stage import Reach
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence

    from tokenthrift.types import Kind, Segment

# Whoever speaks of these wants to see them: of what, and which of the finders then rests.
_ABOUT_BLOBS = re.compile(
    r"base-?64|\bb64|\bhex(?:adecimal|dump)?\b|\b(?:de|en)cod(?:e[ds]?|ing)\b|\bdata:"
    r"|\bdata ?uris?\b|\bblobs?\b|\b(?:de|en)crypt|\bcipher|\bchecksums?\b|\bhash",
    re.IGNORECASE,
)
_ABOUT_BUNDLES = re.compile(
    r"minif|uglif|obfuscat|beautif|\bbundles?\b|source ?maps?\b", re.IGNORECASE
)
_ABOUT_LOCKS = re.compile(
    r"\block ?files?\b|[-.]lock\b|package-lock|\bdependenc|\bpackages\b|\bvulnerab|\baudit"
    r"|\bcves?\b|\blicen[sc]es?\b|\bversions\b",
    re.IGNORECASE,
)
_DECODES = re.compile(r"base-?64|b64", re.IGNORECASE)
# Possessive: an open string runs to the end of the text and is not tried again.
_STRING = re.compile(r'"((?:[^"\\]++|\\.)*+)"?', re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}"
    r"|[\"\\/bfnrt])"
)
_SHORT: Final = {r"\n": "\n", r"\t": "\t", r"\"": '"', r"\r": "\r", "\\\\": "\\", r"\/": "/"}
LONG_STRING: Final = 1_000  # characters of a string in JSON that may hold code or a lock file


class Elide(BaseModel):
    """Replace data URIs, long base64 and hex, minified code and lock files by short marks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reach: ClassVar = Reach()
    stage: Literal["elide"] = "elide"

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 2

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Write a mark in place of everything in open text that is none."""
        said = _Said(draft)
        edits, notes = [], []
        for segment in draft.open_segments():
            found = found_in(segment.text, segment.kind, said)
            left = [b for b in found if _is_asked(b, said.asked, said.trajectory)]
            if left:
                notes.append((segment.id, f"elide: the question is about it ({left[0].what})"))
            gone = [b for b in found if b not in left]
            if gone:
                edits.append(_edit(segment, gone))
        return draft.edit(self.name, edits, notes)


class _Said:
    """What the question and the model's last texts say; the names in it are read when needed."""

    def __init__(self, draft: Draft) -> None:
        self.asked = draft.window.question
        self._seen = draft.seen

    @cached_property
    def trajectory(self) -> str:
        return trajectory_of(self._seen)

    @cached_property
    def _names(self) -> Collection[str]:
        return named_in(f"{self.asked}\n{self.trajectory}")

    def __contains__(self, name: object) -> bool:
        return name in self._names


def found_in(text: str, kind: Kind, named: Container[str]) -> list[Blob]:
    """Everything in a text that is none, in order, apart from each other.

    Args:
        text: of a segment.
        kind: in JSON, code and lock files are looked for inside of strings.
        named: names of packages, in lower case, whose entries in lock files stay.
    """
    found = [*blobs_in(text), *locks_in(text, named)]
    if kind == "json":
        found += _in_strings(text, named)
    else:
        found += bundles_in(text)
    out: list[Blob] = []
    for blob in sorted(found, key=lambda b: (b.start, -b.end)):
        if not out or blob.start >= out[-1].end:
            out.append(blob)
    return out


def _is_asked(blob: Blob, question: str, trajectory: str) -> bool:
    """Whether the question is about things of this type, or the model is decoding such."""
    if blob.what.startswith("minified"):
        return _ABOUT_BUNDLES.search(question) is not None
    if " packages of " in blob.what:
        return _ABOUT_LOCKS.search(question) is not None
    return bool(_ABOUT_BLOBS.search(question) or _DECODES.search(trajectory))


def _edit(segment: Segment, blobs: Iterable[Blob]) -> Edit:
    out: list[str] = []
    apart: list[tuple[str, str]] = []
    at = 0
    for blob in blobs:
        gone = segment.text[blob.start : blob.end]
        address = recall_id([gone])
        apart.append((address, gone))
        mark = blob_mark(blob.what, blob.size_bytes, address)
        out += [segment.text[at : blob.start], blob.before, mark, blob.after]
        at = blob.end
    out.append(segment.text[at:])
    count = len(apart)
    reason = f"{count} piece{'s' * (count > 1)} of no text"
    return Edit(segment.id, "replace", "".join(out), reason, 2, count, count, apart=tuple(apart))


def _in_strings(text: str, named: Container[str]) -> Iterator[Blob]:
    """Minified code and lock files in the strings of a JSON text, at their places in it."""
    if not _may_hold_long_string(text):
        return
    for string in _STRING.finditer(text):
        first, end = string.span(1)
        if end - first < LONG_STRING or string.end() == end:
            continue
        value, places = _unescaped(text, first, end)
        for blob in (*bundles_in(value), *locks_in(value, named)):
            yield Blob(
                _place(places, blob.start),
                _place(places, blob.end),
                blob.what,
                blob.size_bytes,
                _escaped(blob.before),
                _escaped(blob.after),
            )


def _may_hold_long_string(text: str) -> bool:
    """A quick look: whether quotes that stand for themselves are so far apart somewhere."""
    step = LONG_STRING // 2
    for at in range(0, len(text) - step, step):
        quote = text.find('"', at, at + step)
        if quote < 0 or (quote > 0 and text[quote - 1] == "\\"):
            return True
    return False


def _unescaped(text: str, start: int, end: int) -> tuple[str, list[tuple[int, int]]]:
    """What a string in JSON says, and behind each escape the places in both."""
    out: list[str] = []
    places = [(0, start)]
    size, at = 0, start
    for escape in _ESCAPE.finditer(text, start, end):
        value = _SHORT.get(escape[0]) or json.loads(f'"{escape[0]}"')
        out += [text[at : escape.start()], value]
        size += escape.start() - at + len(value)
        at = escape.end()
        places.append((size, at))
    return "".join([*out, text[at:end]]), places


def _place(places: Sequence[tuple[int, int]], at: int) -> int:
    """Where in the text a place of what a string says is."""
    said, written = places[bisect_right(places, at, key=itemgetter(0)) - 1]
    return written + at - said


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]
