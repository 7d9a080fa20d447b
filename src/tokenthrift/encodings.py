"""Texts as the token ids of tiktoken's encodings, and where pieces of a text begin among them.

Ranks are found offline in litellm's wheel (without importing it), else in tiktoken's own cache;
only where neither has them does tiktoken download.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import tiktoken

from tokenthrift.borders import BEGIN_ANEW, PlaceArray, borders_of, may_join

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

IDS_HELD: Final = 4_000_000  # ids of the last texts that are remembered, 16 MB

# Digests of the last texts, by the object that each is: a plan asks for those of a text many times.
DIGESTS_HELD: Final = 32
LONGEST_HELD: Final = 1_000_000  # characters
_digests: Final[dict[int, tuple[str, bytes]]] = {}

# A text is cut inside a run of one sort of characters that is two to three times as long.
RUN_CHARACTERS: Final = 4_096
_RUN = re.compile(
    rf"(?:[^\W\d]{{{RUN_CHARACTERS}}}|\s{{{RUN_CHARACTERS}}}|[^\w\s]{{{RUN_CHARACTERS}}})"
)

_ANEW = re.compile(r"\n(?=[^\s/])")

IdArray = npt.NDArray[np.uint32]

_environment_lock = threading.Lock()


def _bundled_ranks() -> str | None:
    """Folder of litellm's wheel that holds tiktoken ranks; litellm itself is not imported."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    for below in ("litellm_core_utils/tokenizers", "llms/tokenizers"):
        if (root / below).is_dir():
            return str(root / below)
    return None


@contextmanager
def _ranks_offline() -> Iterator[None]:
    """Point tiktoken at the bundled ranks while it loads, unless the user points it elsewhere."""
    folder = None if "TIKTOKEN_CACHE_DIR" in os.environ else _bundled_ranks()
    if folder is None:
        yield
        return
    with _environment_lock:
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TIKTOKEN_CACHE_DIR", None)


@lru_cache(maxsize=8)
def encoding(name: str) -> tiktoken.Encoding:
    """A tiktoken encoding by name, loaded once, offline where its ranks are bundled."""
    with _ranks_offline():
        return tiktoken.get_encoding(name)


class TokenIds:
    """Texts as token ids of one tiktoken encoding; remembers the last ones by content.

    What is counted is also cut into units and embedded, so a text is encoded once for all three.

    Attributes:
        name: of the encoding.
        is_cut_anew: whether tokens begin at the borders of a text.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: OrderedDict[bytes, IdArray] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        self._last: tuple[str, PlaceArray, npt.NDArray[np.int64]] | None = None
        self.is_cut_anew = name in BEGIN_ANEW

    def __call__(self, text: str, key: bytes | None = None) -> IdArray:
        """(tokens,) uint32; special-token strings count as plain text.

        Args:
            text: any.
            key: its digest where that is known.
        """
        key = key or digest_of(text)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        ids = _encoded(self.name, text)
        self._hold(key, ids)
        return ids

    def _hold(self, key: bytes, ids: IdArray) -> None:
        with self._lock:
            if key not in self._known:
                self._known[key] = ids
                self._held += len(ids)
            while self._held > IDS_HELD and self._known:
                self._held -= len(self._known.popitem(last=False)[1])

    def counts(self, text: str, ends: Sequence[int]) -> npt.NDArray[np.int64]:
        """(pieces,) tokens of a text cut at ``ends``; a token belongs where it begins.

        Args:
            text: the whole text.
            ends: rising indices of characters; what lies behind the last one is not counted.
        """
        return self.cut(text, ends)[1]

    def apart(self, text: str, ends: Sequence[int]) -> list[int] | None:
        """Tokens of each piece of a text by itself, from one encoding of the whole.

        Args:
            text: the whole text.
            ends: rising indices of characters, the last one at its end.

        Returns:
            None where a piece does not begin anew, so that its own tokens may be others.
        """
        if not self.is_cut_anew or not all(_ANEW.match(text, end - 1) for end in ends[:-1]):
            return None
        pieces = [text[a:b] for a, b in pairwise([0, *ends])]
        if not all(map(_is_regular, (text, *pieces))):
            return None
        ids, counts = self.cut(text, ends)
        found: list[int] = counts.tolist()
        for piece, end, size in zip(pieces, accumulate(found), found, strict=True):
            self._hold(digest_of(piece), ids[end - size : end])
        return found

    def edited(self, text: str, before: str) -> int:
        """Tokens of a text that has lines of another one, which was encoded before; exact.

        Only what is new is encoded. Where no line begins anew, that is all of it.
        """
        lines = _begun_anew(text) if self.is_cut_anew else []
        if len(lines) < 2 or not (_is_regular(text) and _is_regular(before)):
            return len(self(text))
        there = _begun_anew(before)
        counts = self.counts(before, [*accumulate(map(len, there))]).tolist()
        known: dict[str, int] = dict(zip(there, counts, strict=True))
        fresh = "".join(line for line in lines if line not in known)
        old = sum(known.get(line, 0) for line in lines)
        return old + len(encoding(self.name).encode_ordinary(fresh))

    def kept(self, text: str, before: str, runs: Sequence[tuple[int, int, int]]) -> int:
        """The same where it is known what of the text stands in the other one, and where.

        Args:
            text: any.
            before: the other one.
            runs: ``(at, start, end)``: ``before[start:end]`` stands in the text from ``at`` on.
        """
        if not runs or not (self.is_cut_anew and _is_regular(text) and _is_regular(before)):
            return len(self(text))
        places, starts = self._layout(before)
        at, start, end = np.array(runs, np.int64).T
        # A border needs what stands on both sides of it.
        first, last = places.searchsorted(start, side="right"), places.searchsorted(end) - 1
        inside = first < last
        moved = (at - start)[inside]
        first, last = places[first[inside]], places[last[inside]]
        begins = starts.searchsorted(_byte_offsets(before, np.append(first, last)))
        total = int(begins[len(first) :].sum() - begins[: len(first)].sum())
        return total + self._around(text, (first + moved).tolist(), (last + moved).tolist())

    def _around(self, text: str, firsts: Sequence[int], lasts: Sequence[int]) -> int:
        """Tokens of what stands in front of, between and behind spans from border to border."""
        encode = encoding(self.name).encode_ordinary
        total = 0
        joined: list[str] = []
        for a, b in zip((0, *lasts), (*firsts, len(text)), strict=True):
            piece = text[a:b]
            if joined and not may_join(joined[-1], piece):
                total += len(encode("".join(joined)))
                joined = []
            if piece:
                joined.append(piece)
        return total + len(encode("".join(joined)))

    def cut(self, text: str, ends: Sequence[int]) -> tuple[IdArray, npt.NDArray[np.int64]]:
        """Ids of a text, and how many of them each piece has that ends at one of ``ends``."""
        borders = self._begins(text).searchsorted(_byte_offsets(text, ends))
        counts = borders.astype(np.int64)
        counts[1:] -= borders[:-1]
        return self(text), counts

    def _layout(self, text: str) -> tuple[PlaceArray, npt.NDArray[np.int64]]:
        """Borders of a text and where its tokens begin; those of the last text are remembered."""
        known = self._last
        if known is None or known[0] is not text:
            known = self._last = (text, borders_of(text), self._begins(text))
        return known[1], known[2]

    def _begins(self, text: str) -> npt.NDArray[np.int64]:
        """(tokens,) where each token of a text begins, in bytes."""
        lengths = _byte_lengths(self.name).take(self(text))
        starts = lengths.cumsum()
        starts -= lengths
        return starts


def _begun_anew(text: str) -> list[str]:
    """A text cut where a line begins anew."""
    ends = [match.end() for match in _ANEW.finditer(text)]
    return [text[a:b] for a, b in pairwise([0, *ends, len(text)])]


def _encoded(name: str, text: str) -> IdArray:
    encode = encoding(name).encode_to_numpy
    cuts = _cuts(text)
    stretches = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])] if cuts else [text]
    try:
        ids = [encode(s, disallowed_special=()) for s in stretches]
    except UnicodeEncodeError:  # halves of surrogate pairs are counted as replacement characters
        plain = (s.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for s in stretches)
        ids = [encode(s, disallowed_special=()) for s in plain]
    return np.concatenate(ids) if cuts else ids[0]


def _is_regular(text: str) -> bool:
    """Whether a text is encoded from end to end as it stands."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        return False
    return not _cuts(text)


def _cuts(text: str) -> list[int]:
    """Where endless runs of letters, white space or signs are cut before they are encoded.

    A run is one word to an encoding: its time grows faster than the run, and a million blanks
    raise an error. Blocks at fixed places tell; few texts have one. What is cut counts a token more
    or less at each cut.
    """
    if len(text) < 2 * RUN_CHARACTERS:
        return []
    runs = [
        n
        for n in range(0, len(text) - RUN_CHARACTERS + 1, RUN_CHARACTERS)
        if _RUN.match(text, n, n + RUN_CHARACTERS)
    ]
    return [b for a, b in pairwise(runs) if b - a == RUN_CHARACTERS]


@lru_cache(maxsize=8)
def _byte_lengths(name: str) -> npt.NDArray[np.int64]:
    """(ids,) length of each token in bytes; 1 for ids that stand for nothing."""
    found = encoding(name)
    lengths = np.ones(found.n_vocab, np.int64)
    for token in range(found.n_vocab):
        with suppress(KeyError):
            lengths[token] = len(found.decode_single_token_bytes(token))
    return lengths


def _byte_offsets(text: str, ends: Sequence[int] | PlaceArray) -> npt.NDArray[np.int64]:
    """Places of characters in the text's UTF-8 bytes; each half of a surrogate pair takes three."""
    at = np.asarray(ends, np.int64)
    if text.isascii():
        return at
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x1_0000)
    return np.asarray(np.append(0, np.cumsum(sizes))[at])


@lru_cache(maxsize=8)
def token_ids(name: str) -> TokenIds:
    """Token ids of one encoding, shared by all who need them."""
    return TokenIds(name)


def digest_of(text: str) -> bytes:
    """The key of a text by content."""
    known = _digests.get(id(text))
    if known is not None and known[0] is text:
        return known[1]
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    if len(text) <= LONGEST_HELD:
        if len(_digests) >= DIGESTS_HELD:
            _digests.clear()
        _digests[id(text)] = (text, digest)
    return digest
