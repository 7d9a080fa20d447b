"""How often a proven floor breaks its promise, and how often routing is refused.

Recorded outcomes of the train split, one source at a time: abilities are fitted on 40 % of the
prompts; the others are the population, of which samples to choose by are drawn with replacement.
What a chosen floor truly loses and saves is then known exactly: it is measured on the population.
A floor that loses more than was promised is a violation; at 95 % confidence there may be 5 %.

Beside the abilities as fitted, the same with the forecasts of each model shuffled over prompts: a
router that knows nothing must be refused, or lose no more than it may, all the same. And beside the
bet of the product, two other tests: Hoeffding's (valid, weak) and the bootstrap (not valid).

python benchmarks/certificate.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data import DATA, SEED, evaluator, need, save
from outcomes import digest
from tokenthrift.route.calibration import FLOORS, calibrate, picks_at, undominated
from tokenthrift.route.certificate import advantage, p_value
from tokenthrift.route.findings import Promise
from tokenthrift.route.fitting import fit
from tokenthrift.route.outcomes import Outcomes
from tokenthrift.route.splitting import Part, firsts_of, groups_of, parts_of

FloatArray = npt.NDArray[np.float64]
Test = Callable[[FloatArray, float], float]

WORSE: Final = (0.02, 0.05)
LEVEL: Final = 0.05
SPLITS: Final = 3
SAMPLES: Final = 80
SAMPLES_OF_RIVALS: Final = 10  # of the two other tests, a split
CALIBRATIONS: Final = 3
RESAMPLES: Final = 200


def hoeffding(values: FloatArray, lowest: float) -> float:
    """Hoeffding's test, in its form with the relative entropy, of the same statement."""
    mean = (1 - values.mean()) / (1 - lowest)
    edge = 1 / (1 - lowest)
    if mean >= edge:
        return 1.0
    if mean <= 0:
        return float(np.exp(len(values) * np.log(1 - edge)))
    entropy = mean * np.log(mean / edge) + (1 - mean) * np.log((1 - mean) / (1 - edge))
    return float(np.exp(-len(values) * entropy))


def bootstrap(values: FloatArray, lowest: float) -> float:
    """The share of resampled means that are not positive."""
    del lowest
    rng = np.random.default_rng(SEED)
    drawn = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    return float((drawn <= 0).mean())


TESTS: Final[dict[str, Test]] = {"bet": p_value, "hoeffding": hoeffding, "bootstrap": bootstrap}


@dataclass(frozen=True)
class Population:
    """Scores and costs at every floor, row by row, of prompts that abilities were not fitted on."""

    routed: FloatArray  # (floors, prompts)
    spent: FloatArray  # (floors, prompts)
    best: FloatArray
    bill: FloatArray

    def truth(self, floor: int) -> tuple[float, float]:
        """What is truly lost and saved at a floor."""
        lost = 1 - self.routed[floor].sum() / self.best.sum()
        return float(lost), float(1 - self.spent[floor].sum() / self.bill.sum())

    def chosen(self, rows: npt.NDArray[np.int64], worse: float, test: Test) -> int | None:
        """The place of the floor that a sample proves."""
        last = None
        before: FloatArray | None = None
        for n in range(len(self.routed)):
            values = advantage(self.routed[n][rows], self.best[rows], worse)
            if before is None or (values != before).any():
                if test(values, worse - 1) > LEVEL:
                    break
                before = values
            last = n
        return last


def populations(
    prompts: list[str], scores: FloatArray, costs: FloatArray, models: list[str], seed: int
) -> dict[str, Population]:
    """The population of one split: with the abilities as fitted, and with shuffled forecasts."""
    groups = groups_of(prompts)
    parts = parts_of(prompts, groups, seed=seed)
    fitted = np.flatnonzero(parts == Part.FIT)
    others = np.flatnonzero(parts != Part.FIT)
    rest = others[firsts_of(groups[others])]
    order = np.argsort(costs[fitted].mean(axis=0), kind="stable")
    scores, costs = scores[:, order], costs[:, order]
    names = [models[n] for n in order]
    means, prices = scores[fitted].mean(axis=0), costs[fitted].mean(axis=0)
    baseline = int(np.argmax(means))
    columns = undominated(means, prices, baseline)
    known = fit([prompts[n] for n in fitted], scores[fitted], names, seed=seed)
    p = known.probabilities([prompts[n] for n in rest], [names[n] for n in columns])
    rng = np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(column) for column in p.T], axis=1)
    at = np.arange(len(rest))
    found = {}
    for name, forecasts in (("fitted", p), ("shuffled", shuffled)):
        picks = [columns[picks_at(forecasts, floor)] for floor in FLOORS]
        found[name] = Population(
            np.stack([scores[rest][at, pick] for pick in picks]),
            np.stack([costs[rest][at, pick] for pick in picks]),
            scores[rest, baseline],
            costs[rest, baseline],
        )
    return found


def simulate(population: Population, worse: float, test: Test, samples: int) -> dict[str, float]:
    """Draw samples to choose by; count proofs, violations, and what the proven floors save."""
    rng = np.random.default_rng(SEED)
    size = len(population.best)
    proven = broken = 0
    lost, saved = [], []
    for _ in range(samples):
        rows = rng.integers(0, size, round(size * 2 / 3))
        floor = population.chosen(rows, worse, test)
        if floor is None:
            continue
        proven += 1
        true_lost, true_saved = population.truth(floor)
        broken += true_lost > worse + 1e-12
        lost.append(true_lost)
        saved.append(true_saved)
    truths = [population.truth(n) for n in range(len(FLOORS))]
    best = max([s for t, s in truths if t <= worse], default=0.0)
    return {
        "samples": samples,
        "proven": proven,
        "broken": broken,
        "lost": float(np.mean(lost)) if lost else 0.0,
        "saved": float(np.sum(saved)) / samples,
        "possible": max(0.0, float(best)),
    }


def arguments(data: str) -> argparse.Namespace:
    """What the neutral evaluator's reader of tables takes."""
    return argparse.Namespace(
        data=data,
        train_data=None,
        split=["dev"],
        source=None,
        prices=None,
        hidden_reasoning=False,
        assumed_output_tokens=200,
        min_coverage=0.95,
        limit=None,
        seed=SEED,
    )


def remembered() -> Callable[..., Any]:
    """`fit`, once for a seed: another promise changes no abilities."""
    known: dict[int, Any] = {}

    def fitted(prompts: Any, scores: FloatArray, models: Any, *, seed: int) -> Any:
        if seed not in known:
            known[seed] = fit(prompts, scores, models, seed=seed)
        return known[seed]

    return fitted


def added(rows: list[dict[str, float]]) -> dict[str, float]:
    """Counts summed, shares averaged."""
    return {
        key: sum(r[key] for r in rows)
        / (1 if key in ("samples", "proven", "broken") else len(rows))
        for key in rows[0]
    }


def whole_procedure(pool: Any, worse: float, fits: Any) -> list[dict[str, Any]]:
    """`calibrate` on the train split with several seeds, and what it does on the dev split."""
    models = [m["name"] for m in pool.models]
    table = Outcomes(tuple(pool.train.prompts), tuple(models), pool.train.scores, pool.train.costs)
    found = []
    for seed in range(CALIBRATIONS):
        got = calibrate(table, Promise(worse=worse, seed=seed), fit=fits)
        base = models.index(got.baseline)
        columns = [models.index(name) for name in got.candidates]
        row: dict[str, Any] = {"routes": got.routes, "baseline": got.baseline}
        if got.routes and got.floor is not None:
            p = got.adequacy.probabilities(pool.test.prompts, got.candidates)
            picks = np.array(columns)[picks_at(p, got.floor)]
            at = np.arange(len(picks))
            best = pool.test.scores[:, base]
            row["lost"] = float(1 - pool.test.scores[at, picks].sum() / best.sum())
            bill = pool.test.costs[:, base].sum()
            row["saved"] = float(1 - pool.test.costs[at, picks].sum() / bill)
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--splits", type=int, default=SPLITS)
    given = parser.parse_args()
    folder = need(DATA / "routing")
    pools = evaluator("routing_eval").build_pools(arguments(str(folder)), True)
    result: dict[str, Any] = {}
    for pool in pools:
        models = [m["name"] for m in pool.models]
        rows: dict[tuple[str, str, float], list[dict[str, float]]] = {}
        fits = remembered()
        for seed in range(given.splits):
            found = populations(
                pool.train.prompts, pool.train.scores, pool.train.costs, models, seed
            )
            for kind, population in found.items():
                for worse in WORSE:
                    for name, test in TESTS.items():
                        samples = given.samples if name == "bet" else SAMPLES_OF_RIVALS
                        done = simulate(population, worse, test, samples)
                        rows.setdefault((kind, name, worse), []).append(done)
        result[pool.source] = {
            "prompts": len(pool.train.prompts),
            "models": len(models),
            "simulated": [
                {"abilities": kind, "test": name, "worse": worse, **added(done)}
                for (kind, name, worse), done in rows.items()
            ],
            "calibrated": {str(worse): whole_procedure(pool, worse, fits) for worse in WORSE},
        }
        for row in result[pool.source]["simulated"]:
            print(pool.source, row, flush=True)
        for worse, done in result[pool.source]["calibrated"].items():
            print(pool.source, worse, done, flush=True)
    save("certificate", result, data=digest(folder / "outcomes.parquet"), samples=given.samples)


if __name__ == "__main__":
    main()
