"""Measured savings: what treated sessions cost less than sessions that were left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tokenthrift.evidence import FloatArray, Interval
from tokenthrift.experiment.effects import (
    CONFIDENCE,
    LEAST_SESSIONS,
    adjusted,
    arms_of,
    bounded_difference,
    effect,
)
from tokenthrift.experiment.harm import Harm, saved_at_any_time
from tokenthrift.experiment.rows import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.experiment.rows import SessionRow

NO_HARM = Harm("", 0)


@dataclass(frozen=True, slots=True)
class MeasuredSavings:
    """What treating saved, by experiment; amounts in nano-dollars, negative where it cost more.

    Attributes:
        treated: sessions, ``held`` those left alone; ``unpriced`` sessions of either arm with a
            call of unknown cost, which are in no amount.
        treated_calls: of treated sessions, ``held_calls`` of the others.
        saved: of a session, with its interval; None where too few were seen, as ``problem`` says.
        share: of what a session costs when it is left alone.
        share_adjusted: the same without what the length of first requests explains.
        share_per_call: of the cost of a call; treatment that makes more calls necessary does not
            show in it.
        total: what all treated sessions together saved.
        saved_at_any_time: as ``saved``, with an interval that holds however often one looks.
        estimated: of a treated session, as the records estimate it, without an interval of its own.
        estimate_error: that minus what was measured, with its interval.
        outcome: mean outcome of rated treated sessions minus that of the others; None where too few
            are rated.
        treated_rated: sessions with feedback, ``held_rated`` of the others.
        harm: what the tests that may always be looked at have seen.
        problem: why nothing is measured; empty where something is.
    """

    treated: int
    held: int
    unpriced: int = 0
    treated_calls: int = 0
    held_calls: int = 0
    saved: Interval | None = None
    share: Interval | None = None
    share_adjusted: Interval | None = None
    share_per_call: Interval | None = None
    total: Interval | None = None
    saved_at_any_time: Interval | None = None
    estimated: float | None = None
    estimate_error: Interval | None = None
    outcome: Interval | None = None
    treated_rated: int = 0
    held_rated: int = 0
    harm: Harm = NO_HARM
    problem: str = ""
    basis: Literal["measured"] = "measured"
    confidence: float = CONFIDENCE

    @property
    def is_known(self) -> bool:
        """Whether something could be measured."""
        return self.saved is not None


def measured(
    rows: Sequence[SessionRow],
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    harm: Harm = NO_HARM,
) -> MeasuredSavings:
    """Measured savings of the sessions of an experiment.

    Args:
        rows: of sessions whose arm chance drew.
        confidence: of two-sided intervals.
        seed: of the resampling; the same rows and seed give the same intervals.
        harm: what was seen of it.
    """
    priced = [r for r in rows if not r.unpriced_calls]
    columns = Columns.of(priced)
    treated = int(columns.treated.sum())
    held = len(priced) - treated
    counts = MeasuredSavings(
        treated=treated,
        held=held,
        unpriced=len(rows) - len(priced),
        treated_calls=int(columns.calls[columns.treated].sum()),
        held_calls=int(columns.calls[~columns.treated].sum()),
        harm=harm,
        confidence=confidence,
    )
    if min(treated, held) < LEAST_SESSIONS:
        return replace(counts, problem=_too_few(treated, held))
    return _estimated(counts, columns, confidence, seed)


def _estimated(
    counts: MeasuredSavings, columns: Columns, confidence: float, seed: int
) -> MeasuredSavings:
    arm, weights = columns.treated, columns.weights
    sessions = np.ones(len(arm))

    def saving(amounts: FloatArray, units: FloatArray = sessions) -> tuple[Interval, Interval]:
        found = effect(*arms_of(amounts, units, weights, arm), confidence=confidence, seed=seed)
        return found.saved, found.share

    saved, share = saving(columns.costs)
    without_length = adjusted(columns.costs, np.log1p(columns.asked), weights, arm)
    # What treated sessions would have cost untreated, as estimated, against what the others did.
    believed = np.where(arm, columns.baselines, columns.costs)
    short, _ = saving(believed)
    estimated = np.average((columns.baselines - columns.costs)[arm], weights=weights[arm])
    rated = ~np.isnan(columns.outcomes)
    return replace(
        counts,
        saved=saved,
        share=share,
        share_adjusted=saving(without_length)[1],
        share_per_call=saving(columns.costs, columns.calls)[1],
        total=Interval(*(counts.treated * x for x in (saved.value, saved.low, saved.high))),
        saved_at_any_time=saved_at_any_time(columns.costs, arm, columns.shares, 1 - confidence),
        estimated=float(estimated),
        estimate_error=Interval(-short.value, -short.high, -short.low),
        outcome=_outcome(columns, confidence),
        treated_rated=int((rated & arm).sum()),
        held_rated=int((rated & ~arm).sum()),
    )


def _outcome(columns: Columns, confidence: float) -> Interval | None:
    rated = ~np.isnan(columns.outcomes)
    treated = columns.outcomes[rated & columns.treated]
    held = columns.outcomes[rated & ~columns.treated]
    if min(len(treated), len(held)) < LEAST_SESSIONS:
        return None
    return bounded_difference(treated, held, confidence=confidence)


def _too_few(treated: int, held: int) -> str:
    return (
        f"{treated:,} treated sessions and {held:,} left alone; {LEAST_SESSIONS} of each are needed"
    )
