"""How far the stated estimate of Claude's tokens is from a published Claude tokenizer.

    python benchmarks/token_estimates.py

Only the tokenizer of Claude 2 is published (in litellm's wheel); newer ones differ, so the stated
error bound is wider than what is measured here. Needs ``tokenizers``, which litellm brings.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from data import DATA, data_digest, evaluator, need, save
from tokenthrift import tokens


def main() -> None:
    from tokenizers import Tokenizer

    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise SystemExit("litellm is not installed")
    file = (
        Path(spec.origin).parent / "litellm_core_utils" / "tokenizers" / "anthropic_tokenizer.json"
    )
    claude = Tokenizer.from_file(str(need(file)))
    folder = need(DATA / "compression")
    ce = evaluator("compression_eval")
    counter = tokens.counter_for("claude-sonnet-4-5")
    plain = tokens.counter_for("gpt-4o")
    ratios: dict[str, list[float]] = {}
    for family, record in ce.load(str(folder)):
        found = ratios.setdefault(family, [])
        if len(found) >= 60:
            continue
        text = "\n".join(m.get("content") or "" for m in record["messages"])
        found.append(len(claude.encode(text).ids) / plain(text))
    rows: list[dict[str, Any]] = []
    for family, found in sorted(ratios.items()):
        low, middle, high = np.percentile(found, [2.5, 50, 97.5])
        rows.append({"family": family, "n": len(found), "median": middle, "low": low, "high": high})
        print(rows[-1])
    stated = {"factor": counter.factor, "error": counter.error}
    save("token_estimates", {"rows": rows, "stated": stated}, data=data_digest(folder))


if __name__ == "__main__":
    main()
