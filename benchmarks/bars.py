"""The bars this engine is held to: every record, one policy, beside what the evaluators ask.

    python benchmarks/bars.py [--only quality | bill] [--limit N]

Budgets are hard and met (``over`` 0, ``valid`` 1) or the run fails. Scores and bills are of the
neutral evaluators; intervals are 95 % bootstraps over contexts and conversations.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

import adapters
from bill import KEPT, compressor
from data import DATA, RESULTS, data_digest, evaluator, interval, need, save
from tokenthrift.policy import load_policy


@dataclass(frozen=True)
class Bar:
    """What a metric must reach; ``part`` begins the ids of the records that count."""

    family: str
    ratio: float
    metric: str
    must: float
    reach: float
    part: str = ""


QUALITY = (
    Bar("rag_nq", 4, "answer", 0.68, 0.72, "nq20"),
    Bar("rag_nq", 4, "unit_recall", 0.49, 0.55, "nq20"),
    Bar("conversation_locomo", 4, "unit_recall", 0.91, 0.94),
    Bar("conversation_locomo", 4, "answer", 0.96, 0.98),
    Bar("meeting_qmsum", 4, "unit_recall", 0.60, 0.70),
    Bar("longdoc_leval", 4, "answer", 0.78, 0.88),
    Bar("longdoc_leval", 4, "unit_recall", 0.76, 0.82),
    Bar("html_article", 4, "unit_cov", 0.90, 0.95),
    Bar("html_article", 4, "precision", 0.70, 0.85),
    Bar("json_api", 4, "answer", 0.98, 1.0),
    Bar("kv_retrieval", 4, "answer", 1.0, 1.0),
    Bar("log_ci", 4, "unit_recall", 0.94, 0.98),
    Bar("log_loghub", 4, "templates", 0.95, 0.98),
    Bar("log_loghub", 4, "alerts", 0.98, 1.0),
    Bar("agent_swe", 2, "values", 0.90, 0.95),
    Bar("agent_swe", 2, "system", 1.0, 1.0),
    Bar("agent_tau", 1.5, "values", 0.95, 0.98),
    Bar("agent_tau", 1.5, "system", 1.0, 1.0),
)


@dataclass(frozen=True)
class BillBar:
    """A bill, as a share of the one without compression, and the values still there."""

    sessions: str
    policy: str
    ratio: float
    values: float
    ratio_reach: float
    values_reach: float
    provider: str = "anthropic"


BILL = (
    BillBar("agent_tau", "lossless", 0.90, 0.995, 0.87, 0.995),
    BillBar("agent_tau", "balanced", 0.87, 0.98, 0.82, 0.98),
    BillBar("agent_swe", "balanced", 0.90, 0.98, 0.80, 0.98),
    BillBar("agent_long", "balanced", 0.93, 0.97, 0.80, 0.98),
    BillBar("synthetic 3", "lossless", 0.75, 1.0, 0.75, 1.0),
    BillBar("synthetic 3", "balanced", 0.35, 0.95, 0.30, 1.0),
    BillBar("synthetic 3, 40 results, shrink 20", "balanced", 0.50, 0.95, 0.40, 0.98),
    *(
        BillBar(family, policy, 1.0, 0.0, 1.0, 0.0, "openai, read 0.5")
        for family in ("agent_tau", "agent_swe", "agent_long")
        for policy in ("lossless", "balanced")
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("quality", "bill"))
    parser.add_argument("--limit", type=int, help="records and conversations of each family")
    args = parser.parse_args()
    folder = need(DATA / "compression")
    path = RESULTS / "bars.json"
    found: dict[str, Any] = json.loads(path.read_text())["result"] if path.exists() else {}
    if args.only != "bill":
        found["quality"] = [measured(bar, args.limit) for bar in QUALITY]
    if args.only != "quality":
        found["bill"] = bills(args.limit)
    digests = {p: load_policy(p).digest for p in ("lossless", "balanced")}
    save("bars", found, data=data_digest(folder), limit=args.limit, policies=digests)


_SCORES: dict[tuple[str, float], list[tuple[str, str, dict[str, float]]]] = {}


def scores(family: str, ratio: float, limit: int | None) -> list[tuple[str, str, dict[str, float]]]:
    """Id, context and scores of every record of a family."""
    if (family, ratio) not in _SCORES:
        ce = evaluator("compression_eval")
        rows = _SCORES[family, ratio] = []
        for _, record in ce.load(str(DATA / "compression"), {family}):
            if limit and len(rows) >= limit:
                break
            size = ce.count_tokens(record["messages"])
            budget = int(size / ratio)
            messages = [dict(m) for m in record["messages"]]
            out = adapters.compress(messages, record.get("question"), budget)
            found = ce.score(record, out, budget, size, 0.0)
            rows.append((record["id"], str(record.get("context_id") or record["id"]), found))
    return _SCORES[family, ratio]


def measured(bar: Bar, limit: int | None) -> dict[str, Any]:
    """A bar with what was measured.

    Raises:
        SystemExit: a budget was not met, or a message list would be refused.
    """
    rows = [r for r in scores(bar.family, bar.ratio, limit) if r[0].startswith(bar.part)]
    for record, _, found in rows:
        if found.get("over") or not found.get("valid", 1):
            raise SystemExit(f"{bar.family} {record}: over the budget or not valid: {found}")
    have = [(context, found[bar.metric]) for _, context, found in rows if bar.metric in found]
    values = [value for _, value in have]
    low, high = interval(values, [context for context, _ in have])
    mean = sum(values) / len(values)
    print(bar, f"{mean:.3f} [{low:.3f}, {high:.3f}] n={len(values)}", flush=True)
    return {**asdict(bar), "n": len(values), "mean": mean, "low": low, "high": high}


def bills(limit: int | None) -> list[dict[str, Any]]:
    """The bars of bills with what was measured."""
    cb = evaluator("cache_bill")
    sessions = cb.load_sessions(str(need(DATA / "compression")), None, limit)
    sessions["synthetic 3"] = [cb.synthetic(n) for n in range(3)]
    sessions["synthetic 3, 40 results, shrink 20"] = [cb.synthetic(n, 40, 20) for n in range(3)]
    rows = []
    for bar in BILL:
        setting = {**cb.PROVIDERS[bar.provider.split(",")[0]]}
        if bar.provider != "anthropic":
            setting["read"] = 0.5
        cache = cb.Cache(**setting, ttl=None)
        group = sessions[bar.sessions]
        base = [cb.replay(s, cb.none, cache, "gpt-4o") for s in group]
        run = compressor(bar.policy)
        summary = cb.summary(bar.policy, [cb.replay(s, run, cache, "gpt-4o") for s in group], base)
        found = {k: summary[k] for k in KEPT}
        print(bar, found, flush=True)
        rows.append({**asdict(bar), "n": len(group), "found": found})
    return rows


if __name__ == "__main__":
    main()
