"""What estimates are made from: one row a session, and the columns of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenthrift.evidence import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session from the first of its calls that chance gave an arm.

    All its later calls are in it, whatever became of them: chance drew the session, not its calls.

    Attributes:
        treated: the arm of that first call; ``treated_share`` the probability of it.
        started_us: microseconds since 1970 of that first call.
        calls: how many; ``unpriced_calls`` of them without a known cost.
        spent_nanos: known costs of all calls; ``early_nanos`` those of its first minutes.
        baseline_nanos: what its calls would have cost untreated, as their records estimate it.
        asked_tokens: of the first request as it was given, which no treatment has touched.
        rated_calls: with feedback; ``outcomes`` is the sum of their outcomes, each the mean over
            its sources.
        rated_us: when the first feedback came, and ``first_outcome`` what it said; None without.
    """

    session: str
    treated: bool
    treated_share: float
    started_us: int
    calls: int
    unpriced_calls: int
    spent_nanos: int
    early_nanos: int
    baseline_nanos: int
    asked_tokens: int
    rated_calls: int = 0
    outcomes: float = 0.0
    rated_us: int | None = None
    first_outcome: float | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as columns, all (n,), in order of their beginning.

    Attributes:
        weights: inverse probability of the arm that it was, so that arms of growing rollouts stand
            for the same sessions.
        outcomes: mean outcome of rated calls; not a number without any.
    """

    treated: BoolArray
    shares: FloatArray
    weights: FloatArray
    calls: FloatArray
    costs: FloatArray
    early: FloatArray
    baselines: FloatArray
    asked: FloatArray
    outcomes: FloatArray

    @classmethod
    def of(cls, rows: Iterable[SessionRow]) -> Self:
        """Columns of rows; amounts in nano-dollars."""
        kept = sorted(rows, key=lambda r: (r.started_us, r.session))
        treated = np.array([r.treated for r in kept], dtype=bool)
        shares = _floats([r.treated_share for r in kept])
        return cls(
            treated=treated,
            shares=shares,
            weights=1.0 / np.where(treated, shares, 1.0 - shares),
            calls=_floats([r.calls for r in kept]),
            costs=_floats([r.spent_nanos for r in kept]),
            early=_floats([r.early_nanos for r in kept]),
            baselines=_floats([r.baseline_nanos for r in kept]),
            asked=_floats([r.asked_tokens for r in kept]),
            outcomes=_floats([_outcome(r) for r in kept]),
        )


def _outcome(row: SessionRow) -> float:
    return row.outcomes / row.rated_calls if row.rated_calls else np.nan


def _floats(values: list[float] | list[int]) -> FloatArray:
    return np.array(values, dtype=np.float64)
