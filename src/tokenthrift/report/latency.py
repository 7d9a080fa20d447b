"""Percentiles of latencies that can be added up across processes and kept in a file.

Counts per bucket of 2 % width, so a percentile is right to 1 % and a million values take a few
hundred integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH: Final = 1.02
LEAST_MS: Final = 1e-4  # smaller ones share the first bucket


@dataclass(frozen=True, slots=True)
class Latencies:
    """Latencies by bucket.

    Attributes:
        buckets: how many fell into ``[WIDTH**b, WIDTH**(b + 1))`` milliseconds.
        most_ms: the longest, exactly.
    """

    buckets: dict[int, int] = field(default_factory=dict)
    most_ms: float = 0.0

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Latencies:
        """The latencies of some values."""
        buckets: dict[int, int] = {}
        most = 0.0
        for value in values_ms:
            bucket = floor(log(max(value, LEAST_MS)) / log(WIDTH))
            buckets[bucket] = buckets.get(bucket, 0) + 1
            most = max(most, value)
        return cls(buckets, most)

    @property
    def calls(self) -> int:
        """How many there are."""
        return sum(self.buckets.values())

    def percentile_ms(self, percent: float) -> float | None:
        """The value that ``percent`` of them do not exceed (nearest rank); None of none."""
        rank = max(1, ceil(self.calls * percent / 100))
        for bucket, calls in sorted(self.buckets.items()):
            rank -= calls
            if rank <= 0:
                return float(min(self.most_ms, WIDTH ** (bucket + 0.5)))
        return None

    def __add__(self, other: Latencies) -> Latencies:
        buckets = dict(self.buckets)
        for bucket, calls in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + calls
        return Latencies(buckets, max(self.most_ms, other.most_ms))
