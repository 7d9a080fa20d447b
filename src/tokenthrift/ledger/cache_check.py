"""How our model of the providers' prompt caches did: what it predicted, and what they reported.

Predictions are made before the report is seen, of every attempt that has one. The error is the mean
of predicted minus reported cached tokens of a request; its interval is over sessions, as requests
of one conversation err together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from tokenthrift.experiment import LEAST_SESSIONS, Sums, average

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.evidence import Interval
    from tokenthrift.ledger.record import LedgerRecord

# Only the newest calls are looked at: providers change their caches, and so do we our model.
NEWEST_CALLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """Requests of one session to one model whose cached tokens were predicted and reported."""

    model: str
    session: str
    requests: int
    predicted_tokens: int
    reported_tokens: int
    input_tokens: int


@dataclass(frozen=True, slots=True)
class CacheCheck:
    """How far the cache model was off for one model.

    Attributes:
        predicted_tokens: cached input, as expected, over all requests; ``reported_tokens`` as the
            provider said.
        error_tokens: mean of predicted minus reported of a request; None with too few sessions.
    """

    requests: int
    sessions: int
    predicted_tokens: int
    reported_tokens: int
    input_tokens: int
    error_tokens: Interval | None


class Predicted(Protocol):
    """A ledger that knows what was predicted."""

    def predictions(self, newest: int = NEWEST_CALLS) -> list[Prediction]:
        """What was predicted and reported, by model and session, of the newest calls."""
        ...


def cache_checks(ledger: Predicted, newest: int = NEWEST_CALLS) -> dict[str, CacheCheck]:
    """How far the cache model was off, by model, sorted by name.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    by_model: dict[str, list[Prediction]] = {}
    for prediction in ledger.predictions(newest):
        by_model.setdefault(prediction.model, []).append(prediction)
    return {name: _check(found) for name, found in sorted(by_model.items())}


def predictions_of(records: Iterable[LedgerRecord]) -> list[Prediction]:
    """Predictions of records; calls without a session are each one of their own."""
    sums: dict[tuple[str, str], list[int]] = {}
    for record in records:
        for a in record.attempts:
            if a.predicted_cache_read_tokens is None:
                continue
            row = sums.setdefault((a.model, record.session or record.record_id), [0] * 4)
            counts = (1, a.predicted_cache_read_tokens, a.cache_read_tokens, a.input_tokens)
            row[:] = [x + y for x, y in zip(row, counts, strict=True)]
    return [Prediction(*key, *row) for key, row in sorted(sums.items())]


def _check(found: list[Prediction]) -> CacheCheck:
    requests = np.array([p.requests for p in found], dtype=np.float64)
    wrong = np.array([p.predicted_tokens - p.reported_tokens for p in found], dtype=np.float64)
    error = None
    if len(found) >= LEAST_SESSIONS:
        error = average(Sums(wrong, requests, np.ones(len(found))))
    return CacheCheck(
        requests=sum(p.requests for p in found),
        sessions=len(found),
        predicted_tokens=sum(p.predicted_tokens for p in found),
        reported_tokens=sum(p.reported_tokens for p in found),
        input_tokens=sum(p.input_tokens for p in found),
        error_tokens=error,
    )
