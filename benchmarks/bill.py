"""What growing conversations cost with a provider's prompt cache, under each shipped policy.

    python benchmarks/bill.py [--limit N]

The evaluator replays every request of recorded agent conversations and bills cached prefixes.
"""

from __future__ import annotations

import argparse
from typing import Any

from data import DATA, data_digest, evaluator, need, save
from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

POLICIES = ("lossless", "quality", "balanced", "frugal")
KEPT = ("compressor", "ratio", "ratio_ci", "now", "now_values", "rewrites", "valid", "larger",
        "errors", "ms_p50", "ms_p99")  # fmt: skip


def compressor(name: str) -> Any:
    """A compressor of the evaluator for one policy."""
    policy, memo = load_policy(name), Memo()

    def compress(messages: list[dict[str, Any]], *, model: str, session: str | None) -> Any:
        del session
        return plan({"model": model, "messages": messages}, policy, memo=memo).body["messages"]

    return compress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="conversations of each family")
    args = parser.parse_args()
    folder = need(DATA / "compression")
    cb = evaluator("cache_bill")
    found: dict[str, Any] = {}
    for provider in ("anthropic", "openai"):
        cache = cb.Cache(**cb.PROVIDERS[provider], ttl=None)
        for family, sessions in cb.load_sessions(str(folder), None, args.limit).items():
            base = [cb.replay(s, cb.none, cache, "gpt-4o") for s in sessions]
            rows = []
            for name in POLICIES:
                run = compressor(name)
                bills = [cb.replay(s, run, cache, "gpt-4o") for s in sessions]
                summary = cb.summary(name, bills, base)
                rows.append({k: summary[k] for k in KEPT})
            found[f"{provider} {family}"] = {"conversations": len(sessions), "rows": rows}
            print(provider, family, [(r["compressor"], round(r["ratio"], 3)) for r in rows])
    digests = {p: load_policy(p).digest for p in POLICIES}
    save("bill", found, data=data_digest(folder), limit=args.limit, policies=digests)


if __name__ == "__main__":
    main()
