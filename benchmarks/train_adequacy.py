"""Fit what ships: difficulties and abilities from public outcomes, in one reproducible command.

    python benchmarks/train_adequacy.py [--out FILE]

Only rows that may be redistributed are used, none of the tested benchmarks, and the train split only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # sums in one order: the same bytes on every run

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from data import HERE
from outcomes import FOLDER, digest, train_outcomes
from tokenthrift.route.fitting import fit

OUT = HERE.parent / "src" / "tokenthrift" / "route" / "adequacy.npz"
FEWEST_OUTCOMES = 100
MOST_OF_A_SOURCE = 3500  # the synthetic puzzles would outnumber all others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    held = train_outcomes()
    rows = kept_rows(held.sources)
    scores = held.scores[rows]
    seen = np.isfinite(scores).sum(axis=0) >= FEWEST_OUTCOMES
    models = [m for m, s in zip(held.models, seen, strict=True) if s]
    sources = sorted(set(held.sources))
    print(f"{len(rows)} prompts of {', '.join(sources)}; {len(models)} models")
    found = fit([held.prompts[r] for r in rows], scores[:, seen], models)
    about = {
        **found.about,
        "sources": sources,
        "outcomes": int(np.isfinite(scores[:, seen]).sum()),
        "data": digest(FOLDER / "outcomes.parquet"),
    }
    replace(found, about=about).save(args.out)
    print(f"wrote {args.out.name}, {args.out.stat().st_size / 1e6:.2f} MB; {about}")


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
