"""A store in memory, for clients that nobody gave a file; what it keeps ends with the process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from tokenthrift.recall.packing import DAY_S, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_BYTES: Final = 32_000_000  # compressed: about 150 MB of text


class MemoryRecall:
    """The newest texts, up to a size and an age.

    Args:
        ttl_days: how long texts are kept after they were last put.
        max_bytes: of compressed texts; the oldest go first.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        ttl_days: float = 7,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ttl_s = ttl_days * DAY_S
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, omitted: Mapping[str, Sequence[str]], /) -> None:
        """Keep texts under their ids; keeping them again only makes them stay longer."""
        packed = {key: pack(texts) for key, texts in omitted.items()}
        now_s = self._clock()
        with self._lock:
            for key, data in packed.items():
                if len(data) > self._max_bytes:
                    continue
                self._drop(key)
                self._kept[key] = (now_s, data)
                self._bytes += len(data)
            while self._kept:
                oldest = next(iter(self._kept))
                if self._bytes <= self._max_bytes and not self._is_old(oldest, now_s):
                    break
                self._drop(oldest)

    def get(self, recall_id: str, /) -> tuple[str, ...] | None:
        """The texts of an id, exactly as they were; None where they are gone."""
        now_s = self._clock()
        with self._lock:
            found = self._kept.get(recall_id)
            if found is None or self._is_old(recall_id, now_s):
                return None
        return unpack(found[1])

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _is_old(self, key: str, now_s: float) -> bool:
        return now_s - self._kept[key][0] > self._ttl_s

    def _drop(self, key: str) -> None:
        found = self._kept.pop(key, None)
        self._bytes -= 0 if found is None else len(found[1])
