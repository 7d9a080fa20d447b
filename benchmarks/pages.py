"""What is left of web pages: coverage of the article, and how much else is in what is sent.

    python benchmarks/pages.py [--ratio 2 4 8]

The constants of `main_text.py` were chosen by the half ``set``, with the mean over all in sight.
Halves go by the hash of a record's id.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from hashlib import md5
from typing import Any

import adapters
from data import DATA, data_digest, evaluator, interval, need, save

FAMILY = "html_article"
METRICS = ("unit_cov", "unit_recall", "precision", "kept", "over")


def half(record: dict[str, Any]) -> str:
    return "other" if int(md5(record["id"].encode()).hexdigest(), 16) % 2 else "set"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratio", type=float, nargs="+", default=[2.0, 4.0, 8.0])
    args = parser.parse_args()
    folder = need(DATA / "compression")
    ce = evaluator("compression_eval")
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for _, record in ce.load(str(folder), {FAMILY}):
        size = ce.count_tokens(record["messages"])
        for ratio in args.ratio:
            budget = int(size / ratio)
            messages = [dict(m) for m in record["messages"]]
            out = adapters.compress(messages, record["question"], budget)
            score = ce.score(record, out, budget, size, 0.0)
            for metric in METRICS:
                for part in (half(record), "all"):
                    values[f"{ratio:g}x", part, metric].append(score[metric])
    rows: list[dict[str, Any]] = []
    for (name, part, metric), found in values.items():
        low, high = interval(found)
        rows.append({
            "ratio": name, "half": part, "metric": metric, "n": len(found),
            "mean": sum(found) / len(found), "low": low, "high": high,
        })  # fmt: skip
    save("pages", {"rows": rows}, data=data_digest(folder))


if __name__ == "__main__":
    main()
