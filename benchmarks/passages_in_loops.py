"""Retrieved passages as the second search result of a tool loop: is the answer still there?

    python benchmarks/passages_in_loops.py [--limit N]

The documents of ``nq20`` as a tool's result under the selection that `balanced` makes in loops,
against the same result as a first answer, which is no loop.
"""

from __future__ import annotations

import argparse
import gzip
import json
from typing import Any

from data import DATA, data_digest, evaluator, interval, need, save
from ranking import documents_of
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

SELECT = {"stage": "select", "keep": 0.55, "min_tokens": 400}


def conversation(record: dict[str, Any], *, searches: int) -> list[dict[str, Any]]:
    """A question, searches without a result, and one with the documents."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": record["question"]}]
    found = ["No results."] * (searches - 1) + ["\n\n".join(documents_of(record))]
    for n, result in enumerate(found):
        asked = {"name": "search", "arguments": json.dumps({"query": record["question"]})}
        call = {"id": f"c{n}", "type": "function", "function": asked}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": result},
        ]
    return messages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="questions; 0 takes all")
    args = parser.parse_args()
    ce = evaluator("compression_eval")
    policy = load_policy({"stages": [SELECT]})
    with gzip.open(need(DATA / "compression" / "rag_nq.jsonl.gz"), "rt", encoding="utf-8") as lines:
        records = [r for r in map(json.loads, lines) if "nq20" in r["id"]][: args.limit or None]
    rows = []
    for name, searches in (("first answer", 1), ("in a loop", 2)):
        kept, shares = [], []
        for record in records:
            body = {"model": "gpt-4o", "messages": conversation(record, searches=searches)}
            made = plan(body, policy)
            raw = ce.as_text(made.body["messages"], record["question"])
            padded = f" {' '.join(ce.words(raw))} "
            kept.append(float(ce.has_answer(record["gold"]["any_of"], padded, raw)))
            shares.append(made.tokens_after / made.tokens_before)
        low, high = interval(kept)
        row = {"case": name, "n": len(kept), "answer": sum(kept) / len(kept), "low": low,
               "high": high, "sent": sum(shares) / len(shares)}  # fmt: skip
        rows.append(row)
        print(row)
    save("passages_in_loops", {"rows": rows}, data=data_digest(DATA / "compression"))


if __name__ == "__main__":
    main()
