"""What a calibration finds: the promise, the floors, the certificate, and whether to route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tokenthrift.route.certificate import CONFIDENCE, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenthrift.route.certificate import FloatArray
    from tokenthrift.route.reliability import Reliability


class Predictor(Protocol):
    """What a fit gives: P(adequate) of texts on models."""

    def probabilities(self, prompts: Sequence[str], models: Sequence[str], /) -> FloatArray:
        """(prompts, models) in [0, 1]; nan where nothing is known of a model."""
        ...

    def save(self, path: Path, /) -> None:
        """Write it as one file."""
        ...


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to hold.

    Attributes:
        worse: the share of the best model's mean score that may be lost, e.g. 0.02.
        confidence: with which it must be proven.
        baseline: the model to compare with; None takes the best of the fitted part.
        seed: of the parts and intervals.
    """

    worse: float = 0.02
    confidence: float = CONFIDENCE
    baseline: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.worse < 1:
            raise ValueError(f"worse is {self.worse}; it must lie between 0 and 1, e.g. 0.02")
        if not 0.5 <= self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}; it must be at least 0.5, below 1")


@dataclass(frozen=True, slots=True)
class Tested:
    """One floor, on the prompts that choose it.

    Attributes:
        lost: share of the baseline's mean score that is lost (negative where some is gained).
        saving: share of the baseline's bill that is saved.
        p_value: against "more is lost than promised".
    """

    floor: float
    lost: float
    saving: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to serve the certified prompts.

    Attributes:
        name: routing, a model, or a rule.
        score: its mean score.
        cost_usd: what an answer costs.
        saving: share of the baseline's bill that it saves.
        behind: by how much its mean score is behind that of routing, paired.
    """

    name: str
    score: Interval
    cost_usd: Interval
    saving: Interval
    behind: Interval


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the untouched prompts show of the floor.

    Attributes:
        routed: routing itself; the others are what it has to beat.
        lost: share of the baseline's mean score that is lost, with its interval.
        shares: how many of the prompts each candidate gets, the cheapest first.
        curve: (cost, score) at each floor, from strict to lax.
    """

    routed: Contender
    baseline: Contender
    rivals: tuple[Contender, ...]
    lost: Interval
    shares: tuple[tuple[str, float], ...]
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that was found.

    Attributes:
        models: that answered, the cheapest first.
        candidates: those of them that can be chosen: no other is both as good and cheaper.
        left_out: models that answered too few of the prompts, and how many they answered.
        counts: prompts in the log, those that every model answered at a known cost, groups of
            near-copies among these.
        parts: prompts to fit, to choose and to certify.
        baseline: the model that calls go to without routing.
        tested: floors in the order of the tests.
        floor: the last proven one, None where there is none.
        certificate: of that floor, or of the strictest where none is proven.
        singles: mean cost and score of each model on the certified prompts.
        refusals: why nothing is routed; empty where routing is worth it.
    """

    promise: Promise
    models: tuple[str, ...]
    candidates: tuple[str, ...]
    left_out: tuple[tuple[str, int], ...]
    counts: tuple[int, int, int]
    parts: tuple[int, int, int]
    baseline: str
    adequacy: Predictor
    tested: tuple[Tested, ...]
    floor: float | None
    certificate: Certificate
    singles: tuple[tuple[str, float, float], ...]
    reliability: Reliability
    refusals: tuple[str, ...]

    @property
    def routes(self) -> bool:
        """Whether routing is worth it."""
        return not self.refusals
