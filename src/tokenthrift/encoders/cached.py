"""Vectors that are remembered: a text that comes again is not encoded again.

Keys are hashes of the texts, so no text is kept. Bounded in bytes,
the least recently used go first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tokenthrift.types import Encoder

__all__ = ["CachedEncoder"]

KEY_BYTES: Final = 16
ENTRY_BYTES: Final = 320  # of key, array head and place in the dict, beside the numbers


class CachedEncoder:
    """An encoder in front of another one. Safe with threads, as far as the other one is.

    Args:
        encoder: what makes the vectors.
        max_bytes: of all that is kept.
    """

    def __init__(self, encoder: Encoder, max_bytes: int) -> None:
        self.encoder = encoder
        self.max_bytes = max_bytes
        self._kept: OrderedDict[bytes, npt.NDArray[np.float32]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """What is kept now takes about so much."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised.

        Only what is not kept is encoded, each text once, sorted by length.
        """
        keys = [_key(text) for text in texts]
        found: dict[bytes, npt.NDArray[np.float32]] = {}
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in found}
        if missing or not texts:
            order = sorted(missing, key=lambda k: (len(missing[k]), k))
            made = np.asarray(self.encoder.encode([missing[k] for k in order]), np.float32)
            if not texts:
                return made
            found.update(zip(order, made, strict=True))
            self._keep({k: found[k] for k in order})
        return np.stack([found[k] for k in keys])

    def _keep(self, vectors: dict[bytes, npt.NDArray[np.float32]]) -> None:
        with self._lock:
            for key, vector in vectors.items():
                if key in self._kept:  # another thread was faster
                    continue
                self._kept[key] = vector.copy()  # not a view that holds the whole batch
                self._bytes += vector.nbytes + ENTRY_BYTES
            while self._bytes > self.max_bytes and self._kept:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= gone.nbytes + ENTRY_BYTES


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
