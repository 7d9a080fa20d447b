"""Remembered vectors: the same as the bare encoder's, within their bytes, from any thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.encoders import CachedEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

DIMS = 8


class HashEncoder:
    """Unit vectors by the hash of a text; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        with self.lock:
            self.asked.append(list(texts))
        rows = np.zeros((len(texts), DIMS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIMS).digest()
            row[:] = np.frombuffer(digest, np.uint8) + np.float32(1)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


batches = st.lists(st.lists(st.text(max_size=6), max_size=8), max_size=8)


@given(batches, st.integers(0, 4_000))
def test_vectors_are_those_of_the_bare_encoder(asked: list[list[str]], max_bytes: int) -> None:
    """Whatever is asked in whatever order, rows are the bare ones and the bytes are kept to."""
    bare, cached = HashEncoder(), CachedEncoder(HashEncoder(), max_bytes)
    for texts in asked:
        assert np.array_equal(cached.encode(texts), bare.encode(texts))
        assert cached.size_bytes <= max_bytes
        assert (len(cached) == 0) == (cached.size_bytes == 0)


def test_only_what_is_missing_is_encoded_once_and_by_length() -> None:
    """Repeats and known texts are not sent on; the rest is sorted by length."""
    inner = HashEncoder()
    cached = CachedEncoder(inner, 1_000_000)
    cached.encode(["bbb", "a", "bbb"])
    cached.encode(["dddd", "a", "cc", "bbb"])
    cached.encode(["a", "cc"])
    assert inner.asked == [["a", "bbb"], ["cc", "dddd"]]


def test_the_least_recently_used_goes_first() -> None:
    """A text that was asked for again outlives one that was not."""
    inner = HashEncoder()
    one = CachedEncoder(inner, 10_000)
    one.encode(["a"])
    cached = CachedEncoder(inner, 2 * one.size_bytes)
    for text in ("a", "b", "a", "c", "a"):
        cached.encode([text])
    assert [t for batch in inner.asked[1:] for t in batch] == ["a", "b", "c"]
    cached.encode(["b"])
    assert inner.asked[-1] == ["b"]


def test_a_kept_row_is_a_copy() -> None:
    """Changing what was handed out does not change what is kept."""
    cached = CachedEncoder(HashEncoder(), 10_000)
    first = cached.encode(["a"])
    wanted = first.copy()
    first[:] = 0
    assert np.array_equal(cached.encode(["a"]), wanted)


def test_threads_get_the_bare_vectors() -> None:
    """Many threads over few bytes see nothing but right rows."""
    cached = CachedEncoder(HashEncoder(), 3_000)
    texts = [[f"text {i % 13}", f"other {i % 7}"] for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(cached.encode, texts))
    bare = HashEncoder()
    assert all(np.array_equal(f, bare.encode(t)) for f, t in zip(found, texts, strict=True))
    assert 0 < cached.size_bytes <= 3_000
