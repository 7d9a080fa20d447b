"""Where the recorded data and the evaluators are, and what every result says about its origin."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DATA = Path(os.environ.get("TOKENTHRIFT_DATA", HERE.parents[1] / "shared" / "data"))
EVAL = Path(os.environ.get("TOKENTHRIFT_EVAL", DATA.parent / "eval"))
SEED = 0
RESAMPLES = 1000


def need(path: Path) -> Path:
    """The path, or a clear end of the run where it is absent."""
    if not path.exists():
        sys.exit(f"{path} is not here: set TOKENTHRIFT_DATA (and TOKENTHRIFT_EVAL) to the data")
    return path


def evaluator(name: str) -> ModuleType:
    """A neutral evaluator, loaded from its file."""
    path = need(EVAL / f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def data_digest(folder: Path) -> str:
    """SHA-256 over names and contents of the data files (16 hex digits)."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.gz")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def interval(values: list[float], groups: list[str] | None = None) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean; resamples groups where records hang together."""
    rng = np.random.default_rng(SEED)
    names = groups or [str(i) for i in range(len(values))]
    rows: dict[str, list[float]] = {}
    for name, value in zip(names, values, strict=True):
        rows.setdefault(name, []).append(value)
    table = np.array([[sum(v), len(v)] for v in rows.values()])
    picks = rng.integers(0, len(table), (RESAMPLES, len(table)))
    sums = table[picks].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(low), float(high)


def save(name: str, result: dict[str, Any], **about: Any) -> None:
    """Write a result with where it came from."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    origin = {
        "commit": commit,
        "seed": SEED,
        "python": sys.version.split()[0],
        "litellm": version("litellm"),
        "tiktoken": version("tiktoken"),
        **about,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"origin": origin, "result": result}, indent=1) + "\n")
    print(f"wrote {path.relative_to(HERE.parent)}")
