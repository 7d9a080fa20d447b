"""What survives a budget: our one-off compression beside plain BM25, on the recorded contexts.

    python benchmarks/quality.py [--limit N] [--ratio 2 4 8] [--family NAME]

With ``TOKENTHRIFT_CODE=syntax`` source text is cut along its syntax (a file of its own).

Scores are the neutral evaluator's; intervals are 95 % bootstraps over contexts.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import adapters
from data import DATA, data_digest, evaluator, interval, need, save

METRICS = ("answer", "values", "values_tool", "unit_cov", "unit_recall", "precision", "templates",
           "alerts", "system", "over", "valid")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=60, help="records of each family")
    parser.add_argument("--ratio", type=float, nargs="+", default=[2.0, 4.0, 8.0])
    parser.add_argument("--family", action="append")
    args = parser.parse_args()
    folder = need(DATA / "compression")
    ce = evaluator("compression_eval")
    compressors = {"bm25": ce.bm25, "tokenthrift": adapters.compress}
    values: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for family, record in ce.load(str(folder), set(args.family) if args.family else None):
        if args.limit and seen[family] >= args.limit:
            continue
        seen[family] += 1
        size = ce.count_tokens(record["messages"])
        group = str(record.get("context_id") or record["id"])
        for ratio in args.ratio:
            budget = int(size / ratio)
            for name, compress in compressors.items():
                messages = [dict(m) for m in record["messages"]]
                out = compress(messages, record.get("question"), budget)
                for metric, value in ce.score(record, out, budget, size, 0.0).items():
                    if metric in METRICS:
                        key = (f"{ratio:g}x", family, metric, name)
                        values[key].append(value)
                        groups[key].append(group)
    rows: list[dict[str, Any]] = []
    for key, found in sorted(values.items()):
        ratio_name, family, metric, name = key
        low, high = interval(found, groups[key])
        rows.append({
            "ratio": ratio_name, "family": family, "metric": metric, "compressor": name,
            "n": len(found), "mean": sum(found) / len(found), "low": low, "high": high,
        })  # fmt: skip
    name = "quality" if adapters.CODE == "lines" else f"quality_{adapters.CODE}"
    save(name, {"rows": rows}, data=data_digest(folder), limit=args.limit)


if __name__ == "__main__":
    main()
