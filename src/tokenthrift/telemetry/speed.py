"""How fast an attempt was answered: figures that follow from its record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenthrift.ledger import AttemptRecord


@dataclass(frozen=True, slots=True)
class Speed:
    """In seconds; None where the attempt does not tell.

    Times of chunks are those at which the caller took them: a caller that lingers over a chunk
    slows the stream down. A stream that was read and checked before the caller saw it has no pace.

    Attributes:
        first_chunk_s: from sending to the first chunk.
        inter_chunk_s: mean time between chunks.
        per_token_s: mean time for each output token after the first, where the provider said how
            many there were.
    """

    first_chunk_s: float | None = None
    inter_chunk_s: float | None = None
    per_token_s: float | None = None

    @classmethod
    def of(cls, attempt: AttemptRecord) -> Speed:
        """The figures of a stream; of other answers nothing is known but how long they took."""
        first_ms, inter_ms = attempt.time_to_first_chunk_ms, attempt.inter_chunk_ms
        if first_ms is None:
            return cls()
        first_s = first_ms / 1000
        if inter_ms is None:
            return cls(first_s)
        took_s = (attempt.latency_ms - first_ms) / 1000
        after_first = attempt.output_tokens - 1
        known = after_first > 0 and took_s > 0 and not attempt.estimated
        return cls(first_s, inter_ms / 1000, took_s / after_first if known else None)

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens a second, once they come."""
        return None if self.per_token_s is None else 1 / self.per_token_s
