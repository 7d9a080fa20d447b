"""Routing on recorded outcomes: every bar with intervals and the trivial baselines beside.

    python benchmarks/routing.py [--only PART ...]

All but ``own`` and ``placed`` are the neutral evaluator's; parts that are not run keep their last
figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import adapters
import outcomes
import paraphrases
from data import DATA, RESULTS, SEED, evaluator, save
from tokenthrift.route.fitting import fit

FOLDER = DATA / "routing"
OWN_ROWS = 1500
OWN_SPLITS = 2
ANCHORS = 100
PLACED_SOURCES = ("bfcl", "routerbench", "zeroeval_crux", "zeroeval_math_l5")
RESAMPLES = 300


def evaluated(task: str, *options: str) -> dict[str, Any]:
    """Results of one task of the neutral evaluator."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        evaluator("routing_eval").main(
            ["--task", task, "--data", str(FOLDER), "--json", str(out), *options]
        )
        found: dict[str, Any] = json.loads(out.read_text())["results"]
    return found


def transfer() -> list[dict[str, Any]]:
    """RouteLLM's sets, by what ships: no label of these benchmarks was seen."""
    scorers = ("length", "litellm_rules:score", "adapters:score")
    found = evaluated("routellm", "--scorer", *scorers)
    return [
        {"set": name, "router": scorer, "value": r["apgr"], "interval": r["ci"][2]}
        for name, rows in found.items()
        for scorer, r in rows.items()
    ]


def own() -> list[dict[str, Any]]:
    """The same sets after a fit on some of their rows, tested on the others."""
    ev = evaluator("routing_eval")
    rows = []
    for name in ("mmlu", "gsm8k"):
        prompts, weak, strong, _ = ev.load_routellm(str(FOLDER), name)
        count = min(OWN_ROWS, 3 * len(prompts) // 4)
        values, draws = [], []
        for split in range(OWN_SPLITS):
            rng = np.random.default_rng(split)
            order = rng.permutation(len(prompts))
            train, test = order[:count], order[count:]
            held = fit(
                [prompts[i] for i in train], np.stack([weak, strong], 1)[train], ["weak", "strong"]
            )
            p = held.probabilities([prompts[i] for i in test], ["weak", "strong"])
            gain = p[:, 1] - p[:, 0]

            outcome = gain, weak[test], strong[test]
            values.append(area(ev, *outcome))
            for _ in range(RESAMPLES // OWN_SPLITS):
                k = rng.integers(0, len(test), len(test))
                draws.append(area(ev, *(o[k] for o in outcome)))
        low, high = np.percentile(draws, [2.5, 97.5])
        rows.append({
            "set": name, "rows": count, "splits": OWN_SPLITS, "value": float(np.mean(values)),
            "interval": [float(low), float(high)],
        })  # fmt: skip
        print(rows[-1])
    return rows


def area(ev: Any, gain: Any, weak: Any, strong: Any) -> float:
    """APGR of a score."""
    points = ev.decile_points(gain, weak, strong, 1.0)
    return float(ev.gap_metrics(points, weak.mean(), strong.mean())[2])


def frontier() -> list[dict[str, Any]]:
    """What routing adds to a coin between single models (dAIQ), of each source with prices."""
    found = evaluated("frontier", "--fit", "adapters:fit")
    rows = []
    for source, routers in found.items():
        for router, r in routers.items():
            name = router.split(" (fit")[0].split(":")[0]
            if name in ("length", "oracle", "adapters") or name.startswith("task prior"):
                rows.append({
                    "source": source, "router": name, "value": r["daiq"]["value"],
                    "interval": r["daiq"]["ci"],
                })  # fmt: skip
    return rows


def calibration() -> list[dict[str, Any]]:
    """Brier skill over each model's base rate, and the calibration error, of each source."""
    found = evaluated("calibration", "--predictor", "adapters:predict")
    return [
        {
            "source": source, "value": r["adapters:predict"]["skill"],
            "interval": r["adapters:predict"]["skill_ci"], "ece": r["adapters:predict"]["ece"],
            "auc": r["adapters:predict"]["auc"],
        }
        for source, r in found.items()
    ]  # fmt: skip


def placed() -> list[dict[str, Any]]:
    """Every third model left out of a source's fit and placed by anchors, beside the full fit."""
    ev = evaluator("routing_eval")
    args = argparse.Namespace(
        data=str(FOLDER), train_data=None, split=["dev"], source=list(PLACED_SOURCES), limit=None,
        min_coverage=0.95, seed=SEED, prices=None, hidden_reasoning=False,
        assumed_output_tokens=200,
    )  # fmt: skip
    rows = []
    for pool in ev.build_pools(args, need_cost=False):
        names = [m["name"] for m in pool.models]
        train = (pool.train.scores >= adapters.ADEQUATE).astype(float)
        test = (pool.test.scores >= adapters.ADEQUATE).astype(float)
        out = list(range(1, len(names), 3))
        rest = [n for n in range(len(names)) if n not in out]
        full = fit(pool.train.prompts, train, names)
        part = fit(pool.train.prompts, train[:, rest], [names[n] for n in rest])
        anchors = np.random.default_rng(SEED).permutation(len(train))[:ANCHORS]
        texts = [pool.train.prompts[i] for i in anchors]
        for n in out:
            part = part.place(names[n], texts, train[anchors, n])
        asked = [names[n] for n in out]
        y, base = test[:, out], ((train[:, out].mean(axis=0) - test[:, out]) ** 2).mean()
        skills = [
            1 - ((a.probabilities(pool.test.prompts, asked) - y) ** 2).mean() / base
            for a in (full, part)
        ]
        rows.append({
            "source": pool.source, "models": len(out), "full": float(skills[0]),
            "placed": float(skills[1]),
        })  # fmt: skip
        print(rows[-1])
    return rows


def robustness() -> list[dict[str, Any]]:
    """Decisions under edits that do not change what is asked."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = paraphrases.write(Path(folder) / "ours.jsonl")
        scorers = ("length", "litellm_rules:score", "adapters:score")
        found = evaluated("robustness", "--scorer", *scorers, "--paraphrases", str(pairs))
    return [
        {"router": scorer, "change": change, "stable": r["stable"], "upgrade": r["upgrade"]}
        for scorer, rows in found.items()
        for change, r in rows.items()
    ]


def latency() -> list[dict[str, Any]]:
    """Milliseconds of one decision, beside LiteLLM's rules in the same run."""
    found = evaluated("latency", "--scorer", "litellm_rules:score", "adapters:score")
    return [{"router": scorer, "p50": r["p50"], "p99": r["p99"]} for scorer, r in found.items()]


PARTS = {f.__name__: f for f in (transfer, own, frontier, calibration, placed, robustness, latency)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    path = RESULTS / "routing.json"
    for name in args.only:
        found = PARTS[name]()
        result = json.loads(path.read_text())["result"] if path.exists() else {}
        result[name] = found
        save("routing", result, data=outcomes.digest(FOLDER / "outcomes.parquet"))


if __name__ == "__main__":
    main()
