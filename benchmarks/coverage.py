"""Whether intervals of measured savings hold what they promise, and how often the stop errs.

    python benchmarks/coverage.py [--times N]

Made experiments: sessions with long tails (a few cost a hundred times the median), calls clustered
in them, treatment that saves, does nothing or costs more, by another factor in each session. Of
each setting so many experiments are drawn as ``--times`` says; an interval covers where the truth
that the experiment was made with lies in it. Beside it the plain percentile bootstrap of the same
sessions. The alarm is asked after every session, as if somebody always looked.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data import save
from tokenthrift.evidence import FloatArray, radius
from tokenthrift.experiment import SessionRow, harm_of
from tokenthrift.experiment.effects import adjusted, arms_of, bounded_difference, effect
from tokenthrift.experiment.harm import LEAST_SESSIONS, scores
from tokenthrift.experiment.rows import BoolArray

TIMES = 500
SEED = 20
PERCENTILES = 400
ASKED_TOKENS, ASKED_SPREAD = 8.0, 0.6  # of logarithms
SIZE_SPREAD, CALL_SPREAD, TREATED_SPREAD = 0.5, 0.5, 0.3
LAST_CALL = 0.3  # chance that a call is the last
GOOD = 0.85


@dataclass(frozen=True)
class Setting:
    """Experiments of one kind.

    Attributes:
        sessions: drawn in each.
        held: share of them that is left alone.
        saves: share of a session's cost that treatment saves; negative where it costs more.
        tails: factor on the spreads of sessions; 1 is a log-standard deviation of about 1.1.
    """

    sessions: int
    held: float
    saves: float
    tails: float = 1.0


SETTINGS = (
    Setting(400, 0.5, 0.2),
    Setting(1_000, 0.5, 0.0),
    Setting(1_000, 0.2, 0.2),
    Setting(1_000, 0.2, -0.2),
    Setting(2_000, 0.1, 0.2),
    Setting(2_000, 0.1, 0.0),
    Setting(2_000, 0.1, -0.2),
    Setting(3_000, 0.05, 0.2),
    Setting(2_000, 0.2, 0.2, 1.5),
)
ALARMS = (
    Setting(2_000, 0.5, 0.0),
    Setting(2_000, 0.1, 0.0),
    Setting(2_000, 0.05, 0.0),
    Setting(2_000, 0.1, 0.0, 1.5),
    Setting(2_000, 0.1, 0.2),
    Setting(2_000, 0.5, -0.3),
    Setting(2_000, 0.1, -0.3),
    Setting(2_000, 0.1, -1.0),
)


@dataclass(frozen=True)
class Drawn:
    """One experiment: sessions and which of them were treated."""

    costs: FloatArray
    asked: FloatArray
    calls: FloatArray
    outcomes: FloatArray
    treated: BoolArray


def draw(setting: Setting, rng: np.random.Generator) -> Drawn:
    n, tails = setting.sessions, setting.tails
    asked = rng.lognormal(ASKED_TOKENS, tails * ASKED_SPREAD, n)
    size = rng.lognormal(0, tails * SIZE_SPREAD, n)
    calls = rng.geometric(LAST_CALL, n)
    each = rng.lognormal(0, CALL_SPREAD, calls.sum())
    ends = np.concatenate([[0], np.cumsum(calls)[:-1]])
    costs = asked * size * np.add.reduceat(each, ends)
    treated = rng.random(n) >= setting.held
    factor = rng.lognormal(-(TREATED_SPREAD**2) / 2, TREATED_SPREAD, n) * (1 - setting.saves)
    rated = rng.random(n) < GOOD
    costs = np.where(treated, costs * factor, costs)
    return Drawn(costs, asked, calls.astype(float), rated.astype(float), treated)


def seeds(setting: Setting) -> list[int]:
    """Other experiments for each setting."""
    shares = (setting.held, 1 + setting.saves, setting.tails)
    return [setting.sessions, *(round(100 * share) for share in shares)]


def mean_cost(setting: Setting) -> float:
    """Of a session that is left alone, exactly."""
    spreads = (setting.tails * ASKED_SPREAD) ** 2 + (setting.tails * SIZE_SPREAD) ** 2
    return float(np.exp(ASKED_TOKENS + (spreads + CALL_SPREAD**2) / 2) / LAST_CALL)


def percentiles(drawn: Drawn, rng: np.random.Generator) -> tuple[float, float]:
    """The share saved, by the plain bootstrap."""
    means = []
    for arm in (drawn.treated, ~drawn.treated):
        costs = drawn.costs[arm]
        means.append(costs[rng.integers(0, len(costs), (PERCENTILES, len(costs)))].mean(axis=1))
    low, high = np.percentile(1 - means[0] / means[1], [2.5, 97.5])
    return float(low), float(high)


def covered(setting: Setting, times: int) -> dict[str, Any]:
    """How often the intervals of a setting hold the truth, and how wide the share's is."""
    rng = np.random.default_rng([SEED, *seeds(setting)])
    saved = setting.saves * mean_cost(setting)
    hits: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}
    for number in range(times):
        drawn = draw(setting, rng)
        ones, arm = np.ones(setting.sessions), drawn.treated
        found = effect(*arms_of(drawn.costs, ones, ones, arm), seed=number)
        without = adjusted(drawn.costs, np.log1p(drawn.asked), ones, arm)
        other = effect(*arms_of(without, ones, ones, arm), seed=number)
        outcome = bounded_difference(drawn.outcomes[arm], drawn.outcomes[~arm])
        for name, low, high, truth in (
            ("share", found.share.low, found.share.high, setting.saves),
            ("saved", found.saved.low, found.saved.high, saved),
            ("share_adjusted", other.share.low, other.share.high, setting.saves),
            ("outcome", outcome.low, outcome.high, 0.0),
            ("percentile", *percentiles(drawn, rng), setting.saves),
        ):
            hits.setdefault(name, []).append(low <= truth <= high)
            widths.setdefault(name, []).append(high - low)
    row = {
        **asdict(setting),
        "n": times,
        "covered": {name: float(np.mean(found)) for name, found in hits.items()},
        "width": {name: float(np.median(found)) for name, found in widths.items()},
    }
    print(row, flush=True)
    return row


def rows_of(drawn: Drawn, held: float) -> list[SessionRow]:
    return [
        SessionRow(
            session=str(n),
            treated=bool(drawn.treated[n]),
            treated_share=1 - held,
            started_us=n,
            calls=int(drawn.calls[n]),
            unpriced_calls=0,
            spent_nanos=round(drawn.costs[n]),
            early_nanos=round(drawn.costs[n]),
            baseline_nanos=0,
            asked_tokens=round(drawn.asked[n]),
            rated_us=n,
            first_outcome=float(drawn.outcomes[n]),
        )
        for n in range(len(drawn.costs))
    ]


def ever_outside(drawn: Drawn, held: float, truth: float) -> bool:
    """Whether the truth ever leaves the interval that is said to hold at any time."""
    treated, n = drawn.treated, len(drawn.treated)
    shares = np.full(n, 1 - held)
    enough = np.minimum(np.cumsum(treated), np.cumsum(~treated)) >= LEAST_SESSIONS
    if not enough.any():
        return False
    seen = np.arange(1, n + 1, dtype=float)
    saved = -scores(drawn.costs, treated, shares)[0]
    means = np.cumsum(saved) / seen
    spread = np.sqrt(np.cumsum(saved**2) / seen - means**2)
    return bool((enough & (np.abs(means - truth) > radius(spread, seen, 0.05))).any())


def alarmed(setting: Setting, times: int) -> dict[str, Any]:
    """How often harm is seen at any of all moments, of which kind, and when."""
    rng = np.random.default_rng([SEED + 1, *seeds(setting)])
    kinds, at, outside = [], [], []
    truth = setting.saves * mean_cost(setting)
    for _ in range(times):
        drawn = draw(setting, rng)
        outside.append(ever_outside(drawn, setting.held, truth))
        harm = harm_of(rows_of(drawn, setting.held), level=0.05)
        kinds.append(harm.kind)
        if harm.at_session is not None:
            at.append(harm.at_session)
    row = {
        **asdict(setting),
        "n": times,
        "cost": kinds.count("cost") / times,
        "outcome": kinds.count("outcome") / times,
        "sequence_missed": sum(outside) / times,
        "median_session": int(np.median(at)) if at else None,
    }
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES)
    times = parser.parse_args().times
    result = {
        "alarms": [alarmed(setting, times) for setting in ALARMS],
        "intervals": [covered(setting, times) for setting in SETTINGS],
    }
    save("coverage", result, seed=SEED)


if __name__ == "__main__":
    main()
