"""Text that is no text: data URIs and long runs of base64 or hex digits, found in linear time.

A probe every few characters sees whether a run may be there, so a text without any costs a small
part of what counting its tokens does. Left alone is what a later call may have to repeat to the
letter: tokens, cursors, signatures, addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST: Final = 200  # characters of a blob
PROBE: Final = 32  # characters; a run that is wrapped into lines shorter than two is not found
MANY_PROBES: Final = 64
LONGEST_URI: Final = 32_000  # characters of a data URI that is not in base64
LAST_LINE: Final = 12  # characters that the last line of a wrapped run has at least, or a sign "="
LOOK_BACK: Final = 400  # characters in front of a run that say whether it is part of an address
KEY_CHARACTERS: Final = 48  # the same of its name

_SIGNS: Final = "A-Za-z0-9+/_-"
_PROBE = re.compile(rf"[{_SIGNS}]{{{PROBE}}}")
_RUN = re.compile(rf"[{_SIGNS}]*+")
# By ASCII character whether it is a sign, and eight that are as one number.
_IS_SIGN: Final = np.array([bool(re.match(f"[{_SIGNS}]", chr(n))) for n in range(128)], np.uint8)
_EIGHT_SIGNS: Final = np.uint64(0x0101010101010101)
_NO_SIGN = re.compile(rf"[^{_SIGNS}]")
_PADDING = re.compile(r"(?:=|%3[dD]){0,2}")
# The break of a wrapped run, as such or as JSON writes it, with signs behind it.
_WRAP = re.compile(rf"(?:\r?\n|\\r\\n|\\n)[ \t]*(?=[{_SIGNS}])")
_BREAKS = re.compile(r"\\r|\\n|\s|=")
_DOT_BEHIND = re.compile(rf"\.[{_SIGNS}]")
_DOT_BEFORE = re.compile(rf"[{_SIGNS}]\.")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_DATA_URI = re.compile(
    r"data:(?P<type>[\w.+-]{1,60}/[\w.+-]{1,80})?(?P<rest>(?:;[\w.=+-]{1,60})*),"
)
_BASE64_BODY = re.compile(r"(?:[A-Za-z0-9+/=_-]|%2[bBfF]|%3[dD])*+")
_BARE_BODY = re.compile(r"[^\s\"'<>)\\`]*+")
_CLOSING: Final = {'"': '"', "'": "'", "(": ")", "`": "`"}
# What has to be given back to the letter, by the name in front of it.
_NEEDED = re.compile(
    r"token|cursor|signature|credential|secret|session|cookie|nonce|bearer|authori|api.?key|access"
    r"|private|public.?key|certificate|continuation|next|\bjwt\b|\bkey\b|\bid\b|etag|ssh-",
    re.IGNORECASE,
)
# Least shares of a run in base64; random ones have .41, .41 and .16.
_SHARES: Final = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ": 0.10,
    "abcdefghijklmnopqrstuvwxyz": 0.10,
    "0123456789": 0.02,
}
_FIRST_BYTES: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
    "UEsDB": "application/zip",
    "H4sI": "application/gzip",
}


@dataclass(frozen=True, slots=True)
class Blob:
    """Something in ``text[start:end]`` that a mark may stand for.

    Attributes:
        what: its type, for people and models, e.g. ``image/png``.
        size_bytes: of what it stands for.
        before: what the mark needs in front, ``after`` what behind, so that the form of the text
            stays what it is.
    """

    start: int
    end: int
    what: str
    size_bytes: int
    before: str = ""
    after: str = ""


def blobs_in(text: str) -> list[Blob]:
    """Data URIs and long runs of base64 or hex digits, in order, apart from each other."""
    out: list[Blob] = []
    at = 0
    for uri in _data_uris(text):
        out += [*_runs(text, at, uri.start), uri]
        at = uri.end
    return [*out, *_runs(text, at, len(text))]


def _data_uris(text: str) -> Iterator[Blob]:
    at = text.find("data:")
    while at >= 0:
        head = _DATA_URI.match(text, at)
        behind = at + 5
        if head:
            in_base64 = head["rest"].endswith(";base64")
            end = _match_end(_BASE64_BODY, text, head.end()) if in_base64 else _uri_end(text, head)
            if end - at >= SHORTEST:
                body = text[head.end() : end].rstrip("=")
                what = head["type"] or "text/plain"
                yield Blob(at, end, what, len(body) * 3 // 4 if in_base64 else len(body))
                behind = end
        at = text.find("data:", behind)


def _uri_end(text: str, head: re.Match[str]) -> int:
    """Where a data URI that is not in base64 ends: where what opens in front of it closes."""
    closing = _CLOSING.get(text[head.start() - 1 : head.start()])
    if closing is None:
        return _match_end(_BARE_BODY, text, head.end())
    end = text.find(closing, head.end(), head.end() + LONGEST_URI)
    broken = text.find("\n", head.end(), end) >= 0
    if end < 0 or broken:
        return _match_end(_BARE_BODY, text, head.end())
    return end - 1 if text[end - 1] == "\\" else end


def _match_end(rule: re.Pattern[str], text: str, at: int) -> int:
    found = rule.match(text, at)
    return found.end() if found else at


def _runs(text: str, at: int, stop: int) -> Iterator[Blob]:
    """Runs between two places."""
    low = at
    at += PROBE * _idle_probes(text, at, stop)
    while at + PROBE <= stop:
        if not _PROBE.match(text, at, stop):
            at += PROBE
            continue
        start = _run_start(text, low, at)
        end, signs = _run_end(text, start, stop)
        what = _what(text[start:end]) if signs >= SHORTEST else ""
        if what and not _is_needed(text, start, end):
            yield Blob(start, end, what, signs // 2 if what == "hex" else signs * 3 // 4)
        low = at = max(end, at + PROBE)


def _idle_probes(text: str, at: int, stop: int) -> int:
    """How many probes from a place on see nothing; in large ASCII texts all are made at once."""
    probes = (stop - at) // PROBE
    if probes < MANY_PROBES or not text.isascii():
        return 0
    data = np.frombuffer(text.encode("ascii"), np.uint8, probes * PROBE, at)
    eights = (_IS_SIGN[data].view(np.uint64) == _EIGHT_SIGNS).reshape(probes, -1)
    seen = eights.all(axis=1)
    return int(seen.argmax()) if seen.any() else probes


def _run_start(text: str, low: int, at: int) -> int:
    """Where the run around a place begins; the probe before saw none, so it is near."""
    low = max(low, at - PROBE)
    signs = _NO_SIGN.split(text[low:at])[-1]
    start = at - len(signs)
    slashes = len(text[max(0, start - 8) : start]) - len(
        text[max(0, start - 8) : start].rstrip("\\")
    )
    if slashes % 2:  # the first sign belongs to an escape
        start += 5 if text[start] == "u" else 1
    return start


def _run_end(text: str, start: int, stop: int) -> tuple[int, int]:
    """Where a run ends, over the breaks that wrap it, and how many signs it has."""
    end = _RUN.match(text, start, stop).end()  # type: ignore[union-attr]  # it matches anywhere
    width = signs = end - start
    while wrap := _WRAP.match(text, end, stop):
        line = _RUN.match(text, wrap.end(), stop).end() - wrap.end()  # type: ignore[union-attr]
        short = line < width
        padded = text[wrap.end() + line : wrap.end() + line + 1] == "="
        if line > width or (short and not padded and line < LAST_LINE):
            break
        end = wrap.end() + line
        signs += line
        if short:
            break
    return _match_end(_PADDING, text, end), signs


def _what(run: str) -> str:
    """What a run is, or an empty string: long words, numbers and paths are no blobs."""
    signs = _BREAKS.sub("", run)
    if _HEX.fullmatch(signs):
        return "hex" if not signs.isdigit() and not signs.isalpha() else ""
    mixed = all(sum(map(signs.count, of)) >= n * len(signs) for of, n in _SHARES.items())
    if not mixed:
        return ""
    return next((t for begin, t in _FIRST_BYTES.items() if signs.startswith(begin)), "base64")


def _is_needed(text: str, start: int, end: int) -> bool:
    """Whether a later call may have to repeat a run: part of an address, a token, a key."""
    signed = text.startswith("eyJ", start) or _DOT_BEFORE.match(text, max(0, start - 2))
    signed = signed or _DOT_BEHIND.match(text, end)
    before = text[max(0, start - LOOK_BACK) : start]
    word = re.split(r"[\s\"'<>]", before)[-1]
    in_address = "://" in word or "?" in word or "&" in word
    return bool(signed or in_address or _NEEDED.search(before[-KEY_CHARACTERS:]))
