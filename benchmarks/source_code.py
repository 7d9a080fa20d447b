"""What is left of source files: does it parse, are signatures there, and the function asked for?

    python benchmarks/source_code.py [--limit N] [--ratio 2 4]

A file of this repository or of a package that it needs is the result of a tool; the question is the
first sentence of a function's docstring, or its name. Cut by lines and along the syntax, under the
same hard budget.
"""

from __future__ import annotations

import argparse
import ast
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

import numpy as np

from data import SEED, interval, save
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.tokens import counter_for

ROOT = Path(__file__).parents[1]
PACKAGES = ("openai", "pydantic", "rich", "typer", "anyio", "jinja2", "litellm")
MODEL = "gpt-4o"
TOKENS = (2_000, 12_000)  # of a file
FEWEST_ROWS = 5  # of the body of a function that is asked for
FEWEST_WORDS = 5  # of a sentence
CUTS = ("lines", "syntax")
LEGEND = re.compile(r"\n(?:# )?\[-n: .*\]\Z")  # explains the marks; counted, not parsed


@dataclass(frozen=True)
class Case:
    """A file and a function in it that is asked for."""

    place: str
    text: str
    name: str
    sentence: str
    body: tuple[str, ...]
    signatures: tuple[str, ...]

    @property
    def half(self) -> str:
        """The constants of `code_worth` were chosen by the half ``set``."""
        return "other" if int(md5(self.place.encode()).hexdigest(), 16) % 2 else "set"


def sources() -> Iterator[tuple[str, str]]:
    """Files with the place that names them, in a fixed order."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text()
    for package in PACKAGES:
        for file in sorted(f for f in files(package) or () if f.suffix == ".py"):
            yield str(file), Path(str(file.locate())).read_text()


def cases(limit: int) -> list[Case]:
    """One function of each file of the right size."""
    count = counter_for(MODEL)
    rng = np.random.default_rng(SEED)
    found = []
    for place, text in sources():
        if not TOKENS[0] <= len(text) / 4 <= TOKENS[1] or not TOKENS[0] <= count(text) <= TOKENS[1]:
            continue
        asked = functions(text)
        if asked:
            name, sentence, body = asked[int(rng.integers(len(asked)))]
            found.append(Case(place, text, name, sentence, body, tuple(signatures(text))))
    own = [c for c in found if c.place.startswith("src")]
    rest = [c for c in found if not c.place.startswith("src")]
    picked = rng.permutation(len(rest))[: max(0, limit - len(own))] if limit else range(len(rest))
    return own[: limit or None] + [rest[i] for i in sorted(picked)]


def functions(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, first sentence and rows of the body of what can be asked for, each name once."""
    lines = text.split("\n")
    out = []
    names: dict[str, int] = defaultdict(int)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names[node.name] += 1
        said = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ").split(". ")[0]
        rows = lines[node.body[0].end_lineno or 0 : node.end_lineno]
        rows = [row for row in rows if row.strip()]
        if len(said.split()) >= FEWEST_WORDS and len(rows) >= FEWEST_ROWS:
            out.append((node.name, said.strip(" ."), tuple(rows)))
    return [found for found in out if names[found[0]] == 1]


def signatures(text: str) -> Iterator[str]:
    """The first row of each function and class."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield lines[node.lineno - 1]


def score(case: Case, cut: str, ratio: float, question: str) -> dict[str, float]:
    """What is left of a file under a budget."""
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": case.text},
    ]
    body = {"model": MODEL, "messages": messages}
    size = plan(body, "off").tokens_before
    budget = int(size / ratio)
    select = {"stage": "select", "keep": 1, "min_tokens": 0, "code": cut}
    policy = {"scope": "request", "stages": [select], "on_stage_error": "raise",
              "budget": {"hard_tokens": budget, "on_over_budget": "trim"}}  # fmt: skip
    made = plan(body, load_policy(policy))
    left = LEGEND.sub("", str(made.body["messages"][2]["content"]))
    rows = set(left.split("\n"))
    kept = [row in rows for row in case.body]
    return {
        "parses": float(parses(left)),
        "signatures": sum(s in rows for s in case.signatures) / len(case.signatures),
        "body": sum(kept) / len(kept),
        "body_whole": float(all(kept)),
        "sent": made.tokens_after / size,
        "over": float(made.tokens_after > budget),
    }


def parses(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            ast.parse(text)
    except SyntaxError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratio", type=float, nargs="+", default=[2.0, 4.0])
    parser.add_argument("--limit", type=int, default=200, help="files; 0 takes all")
    args = parser.parse_args()
    values: dict[tuple[str, str, str, str, str], list[float]] = defaultdict(list)
    chosen = cases(args.limit)
    for case in chosen:
        asked = {"docstring": f'Where is this done, and how: "{case.sentence}"?',
                 "name": f"How does `{case.name}` work?"}  # fmt: skip
        for ratio in args.ratio:
            for cut in CUTS:
                for about, question in asked.items():
                    for metric, value in score(case, cut, ratio, question).items():
                        for half in (case.half, "all"):
                            values[half, f"{ratio:g}x", about, cut, metric].append(value)
    rows = []
    for (half, name, about, cut, metric), found in values.items():
        low, high = interval(found)
        rows.append({
            "half": half, "ratio": name, "asked": about, "cut": cut, "metric": metric,
            "n": len(found), "mean": sum(found) / len(found), "low": low, "high": high,
        })  # fmt: skip
    for row in rows:
        shown = "{half:5} {ratio} {asked:9} {cut:6} {metric:10} {mean:.3f} [{low:.3f}, {high:.3f}]"
        print(shown.format(**row))
    packages = {name: version(name) for name in PACKAGES}
    save("source_code", {"rows": rows}, files=len(chosen), packages=packages)


if __name__ == "__main__":
    main()
