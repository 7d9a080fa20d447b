"""What redaction finds in recorded texts, in which there should be nothing, and how fast it looks.

    python benchmarks/redaction.py

Whatever is found in conversations of agents, logs and API answers is a false alarm; web pages do
hold keys.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from typing import Any

from data import DATA, data_digest, need, save
from tokenthrift.compress.detectors import Detector

FAMILIES = ("agent_tau", "agent_swe", "agent_long", "log_ci", "json_api", "html_article")


def texts_of(message: dict[str, Any]) -> list[str]:
    """What is sent of a message."""
    calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return [text for text in (message.get("content"), *calls) if isinstance(text, str)]


def main() -> None:
    folder = need(DATA / "compression")
    rows = []
    for family in FAMILIES:
        detect = Detector()
        kinds: Counter[str] = Counter()
        records = hit = texts = characters = 0
        seconds = 0.0
        with gzip.open(folder / f"{family}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                own = [t for m in json.loads(line).get("messages", ()) for t in texts_of(m)]
                begun = time.perf_counter()
                found = [f for text in own for f in detect(text)]
                seconds += time.perf_counter() - begun
                kinds.update(f.kind for f in found)
                records, hit = records + 1, hit + bool(found)
                texts, characters = texts + len(own), characters + sum(map(len, own))
        row = {"family": family, "records": records, "texts": texts, "characters": characters}
        rows.append({**row, "hit": hit, "kinds": dict(kinds), "mb_s": characters / 1e6 / seconds})
        print(rows[-1])
    save("redaction", {"rows": rows}, data=data_digest(folder))


if __name__ == "__main__":
    main()
