"""Recorded outcomes as tables: prompts of the train split, and what each model scored on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data import DATA, need

FloatArray = npt.NDArray[np.float64]
FOLDER = DATA / "routing"
# Sources whose outcomes or questions carry no licence that permits redistribution.
NOT_SHIPPED = ("routerdc_7b", "bfcl", "alpaca_eval")
# Questions of the very benchmarks that routing is tested on, with other models: not used for what
# ships, so that "no label of the benchmark" holds to the letter.
TESTED = (("llmrouter", "mmlu"), ("llmrouter", "gsm8k"))


@dataclass(frozen=True)
class Outcomes:
    """Scores of models on prompts; nan where not recorded."""

    prompts: list[str]
    sources: list[str]
    tasks: list[str]
    models: list[str]
    scores: FloatArray
    output_tokens: FloatArray


def train_outcomes(sources: list[str] | None = None) -> Outcomes:
    """The train split of some sources, or of all that may ship without what is tested.

    Args:
        sources: None takes what the shipped fit may use.
    """
    prompts = pd.read_parquet(need(FOLDER / "prompts.parquet"))
    prompts = prompts[prompts["split"] == "train"]
    if sources is None:
        prompts = prompts[~prompts["source"].isin(NOT_SHIPPED)]
        pairs = list(zip(prompts["source"], prompts["task"], strict=True))
        prompts = prompts[[p not in TESTED for p in pairs]]
    else:
        prompts = prompts[prompts["source"].isin(sources)]
    prompts = prompts.sort_values("prompt_id")
    rows = pd.read_parquet(FOLDER / "outcomes.parquet")
    rows = rows[rows["prompt_id"].isin(set(prompts["prompt_id"]))]
    variant = rows["variant"].fillna("").astype(str)
    names = rows["model"].astype(str) + np.where(variant != "", "@" + variant, "")
    # Answers whose tokens were not counted have about a token in four characters.
    tokens = rows["output_tokens"].astype(float).fillna(rows["output_chars"].astype(float) / 4)
    rows = rows.assign(arm=names, tokens=tokens.where(tokens > 0))
    order = {"index": prompts["prompt_id"], "columns": sorted(set(names))}

    def table(column: str) -> FloatArray:
        wide = rows.pivot_table(index="prompt_id", columns="arm", values=column, dropna=False)
        return wide.reindex(**order).to_numpy(float)

    return Outcomes(
        prompts["prompt"].tolist(),
        prompts["source"].tolist(),
        prompts["task"].astype(str).tolist(),
        list(order["columns"]),
        table("score"),
        table("tokens"),
    )


def all_sources() -> list[str]:
    """Names of the sources that have a train split."""
    prompts = pd.read_parquet(need(FOLDER / "prompts.parquet"), columns=["source", "split"])
    return sorted(prompts.loc[prompts["split"] == "train", "source"].unique())


def digest(path: Path) -> str:
    """SHA-256 of a file (16 hex digits)."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
