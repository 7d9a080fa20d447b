"""Fit what ships: difficulties and abilities from public outcomes, in one reproducible command.

    python benchmarks/train_adequacy.py [--out FILE]

Only rows that may be redistributed are used, none of the tested benchmarks, and the train split
only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # sums in one order: the same bytes on every run

import argparse
import random
from pathlib import Path

import numpy as np

from data import HERE
from outcomes import FOLDER, digest, train_outcomes
from tokenthrift.route.adequacy import Adequacy
from tokenthrift.route.amounts import fit_amounts
from tokenthrift.route.difficulty import fit_directions
from tokenthrift.route.features import fit_lens, measured
from tokenthrift.route.items import fit_items

OUT = HERE.parent / "src" / "tokenthrift" / "route" / "adequacy.npz"
SEED = 0
DIMS = 8
KEPT_RUNS = 3000
FEWEST_OUTCOMES = 100
MOST_OF_A_SOURCE = 2500  # the synthetic puzzles would outnumber all others
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    held = train_outcomes()
    rows = kept_rows(held.sources)
    scores = held.scores[rows]
    seen = np.isfinite(scores).sum(axis=0) >= FEWEST_OUTCOMES
    scores = scores[:, seen]
    models = [m for m, s in zip(held.models, seen, strict=True) if s]
    sources = sorted(set(held.sources))
    print(f"{len(rows)} prompts of {', '.join(sources)}; {len(models)} models")
    prompts = [held.prompts[r] for r in rows]
    texts = measured(prompts)
    both = measured(prompts + disturbed(prompts))
    lens = fit_lens(texts, SEED, KEPT_RUNS)
    directions, difficulties = fit_directions(
        lens(both), np.vstack([scores, scores]), DIMS, SEED, np.tile(np.arange(len(rows)), 2)
    )
    about = {
        "sources": sources,
        "prompts": len(rows),
        "outcomes": int(np.isfinite(scores).sum()),
        "strength": directions.strength,
        "seed": SEED,
        "data": digest(FOLDER / "outcomes.parquet"),
    }
    found = Adequacy(
        models=tuple(models),
        lens=lens,
        directions=directions,
        items=fit_items(difficulties[: len(rows)], scores),
        counts=np.isfinite(scores).sum(axis=0).astype(np.int64),
        familiar=lens.familiar(texts),
        about=about,
        amounts=fit_amounts(lens(texts), held.output_tokens[rows][:, seen], SEED),
    )
    found.save(args.out)
    print(f"wrote {args.out.name}, {args.out.stat().st_size / 1e6:.2f} MB; {about}")


def disturbed(prompts: list[str]) -> list[str]:
    """Each prompt as it might as well be asked.

    Some words are gone or moved, and before half of the prompts stand words that mean nothing.
    """
    rng = random.Random(SEED)
    out = []
    for prompt in prompts:
        words = prompt.split(" ")
        kept = [w for w in words if rng.random() > 0.08] or words
        for _ in range(len(kept) // 12):
            n = rng.randrange(len(kept) - 1)
            kept[n], kept[n + 1] = kept[n + 1], kept[n]
        text = " ".join(kept)
        if rng.random() < 0.5:
            size = rng.randint(3, 6)
            before = ("".join(rng.choices(LETTERS, k=rng.randint(3, 7))) for _ in range(size))
            text = f"{' '.join(before)}. {text}"
        out.append(text)
    return out


def kept_rows(sources: list[str]) -> list[int]:
    """Rows in order, of each source at most `MOST_OF_A_SOURCE`, evenly spread."""
    rows = []
    for source in sorted(set(sources)):
        own = [n for n, s in enumerate(sources) if s == source]
        share = min(1.0, MOST_OF_A_SOURCE / len(own))
        picks = np.unique(np.floor(np.arange(0, len(own), 1 / share)).astype(int))
        rows += [own[p] for p in picks if p < len(own)]
    return sorted(rows)


if __name__ == "__main__":
    main()
