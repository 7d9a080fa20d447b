"""What a cut leaves of real diffs and stack traces, and what writing searches by file saves.

    python benchmarks/forms.py

Texts are the results of tools in the recorded agent conversations, output inside of JSON included.
Each diff and trace is cut by itself, as the only result of a tool, to a half and a quarter, hard or
as a policy does (`soft`). What counts is told by plain patterns, not by the code that is measured.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from data import DATA, data_digest, interval, need, save
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy
from tokenthrift.tokens import counter_for

FAMILIES = ("agent_long", "agent_swe")
FEWEST_TOKENS = 250
KEEP = (0.5, 0.25)
MODEL = "gpt-4"

CHANGED = re.compile(r"^(?:\+(?!\+\+ )|-(?!-- )).*\S", re.MULTILINE)
HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@", re.MULTILINE)
TRACEBACK = "Traceback (most recent call last):\n"
MESSAGE = re.compile(
    r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|DoesNotExist)\b.*", re.MULTILINE
)
FRAME = re.compile(r'^ +File "(?P<path>[^"]+)", line \d+.*', re.MULTILINE)
LIBRARY = re.compile(r"site-packages|/lib/python|<frozen|importlib")
HIT = re.compile(r"^[\w./@+~-]+\.\w+:\d+:", re.MULTILINE)


def texts() -> Iterator[str]:
    """What tools gave, each once; the strings of JSON results by themselves."""
    seen: set[str] = set()
    for family in FAMILIES:
        path = need(DATA / "compression" / f"{family}.jsonl.gz")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            messages = [m for line in file for m in json.loads(line)["messages"]]
        for message in messages:
            content = message.get("content")
            if message["role"] == "assistant" or not isinstance(content, str):
                continue
            for text in strings(content):
                if text not in seen:
                    seen.add(text)
                    yield text


def strings(content: str) -> list[str]:
    """The long strings of a JSON object, or the content itself."""
    try:
        value = json.loads(content)
    except ValueError:
        return [content]
    return [v for v in value.values() if isinstance(v, str)] if isinstance(value, dict) else []


def cut(text: str, keep: float, *, hard: bool) -> str:
    """The text as it is sent as the result of a tool in a loop."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Find the reason and fix it."}]
    for n, content in enumerate(("ok", text)):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": "I look at it.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": content},
        ]
    body = {"model": MODEL, "messages": messages}
    stages: list[Any] = [{"stage": "select", "keep": 1 if hard else keep, "min_tokens": 0}]
    budget = None
    if hard:
        count = counter_for(MODEL)
        budget = plan(body, "off").tokens_before - int((1 - keep) * count(text))
    policy = Policy.model_validate(
        {"scope": "request", "floor_tokens": 0, "stages": stages, "budget": {"hard_tokens": budget}}
    )
    return str(plan(body, policy).body["messages"][-1]["content"])


def by_file(text: str) -> str:
    """The text as the stage `search` writes it."""
    policy = Policy.model_validate({"floor_tokens": 0, "stages": [{"stage": "search"}]})
    messages = [
        {"role": "user", "content": "?"},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    return str(plan({"model": MODEL, "messages": messages}, policy).body["messages"][-1]["content"])


def kept_lines(lines: list[str], after: str) -> float:
    """Share of distinct lines that still stand whole."""
    left = set(after.split("\n"))
    return len(left & set(lines)) / len(set(lines))


def measured(text: str, after: str) -> dict[str, float]:
    """What counts of a text, and how much of it still stands."""
    out: dict[str, float] = {}
    if HUNK.search(text):
        out["diff: changed lines"] = kept_lines(CHANGED.findall(text), after)
    if TRACEBACK in text:
        messages = MESSAGE.findall(text)
        frames = [m[0] for m in FRAME.finditer(text) if not LIBRARY.search(m["path"])]
        if messages:
            out["trace: messages"] = kept_lines(messages, after)
        if frames:
            out["trace: frames of own code"] = kept_lines(frames, after)
    return out


def main() -> None:
    count = counter_for(MODEL)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    searches = {"texts": 0, "before": 0, "after": 0}
    for text in texts():
        hits = len(HIT.findall(text))
        if hits >= 3 and 2 * hits > text.count("\n"):
            searches["texts"] += 1
            searches["before"] += count(text)
            searches["after"] += count(by_file(text))
        form = "diff" if len(HUNK.findall(text)) > 1 else "trace" if TRACEBACK in text else ""
        inside = len(CHANGED.findall(text)) if form == "diff" else 3 * len(FRAME.findall(text))
        if not form or 4 * inside < text.count("\n") or count(text) < FEWEST_TOKENS:
            continue
        for keep in KEEP:
            for hard in (True, False):
                way = f"{'hard' if hard else 'soft'} {keep:g}"
                after = cut(text, keep, hard=hard)
                values[f"{form}: tokens sent", way].append(count(after) / count(text))
                for name, value in measured(text, after).items():
                    values[name, way].append(value)
    rows = []
    for (name, way), found in sorted(values.items()):
        low, high = interval(found)
        mean = sum(found) / len(found)
        rows.append(
            {"what": name, "way": way, "n": len(found), "mean": mean, "low": low, "high": high}
        )
        print(name, way, len(found), round(mean, 3))
    print(searches)
    save("forms", {"rows": rows, "searches": searches}, data=data_digest(DATA / "compression"))


if __name__ == "__main__":
    main()
