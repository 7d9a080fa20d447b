"""What compaction takes from tool schemas that are in use.

    python benchmarks/tool_schemas.py TOOLS.json

The file holds what servers list: a mapping of a server's name (and version) to the ``tools`` of its
``tools/list`` answer. Such lists are not part of the project; start the servers and ask them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from data import save
from tokenthrift.compress import Tools, fit_tools
from tokenthrift.compress.tool_schemas import compacted
from tokenthrift.tokens import counter_for
from tokenthrift.wire import read

MODEL = "gpt-4o"


def as_tool(listed: dict[str, Any]) -> dict[str, Any]:
    """A tool of a server as clients hand it to a model."""
    about = {"name": listed["name"], "description": listed.get("description", "")}
    return {"type": "function", "function": {**about, "parameters": listed["inputSchema"]}}


def main(path: Path) -> None:
    count = counter_for(MODEL)
    rules: Counter[str] = Counter()
    rows = []
    for server, listed in json.loads(path.read_text()).items():
        tools = [as_tool(tool) for tool in listed]
        request = read({"model": MODEL, "messages": [], "tools": tools})
        _, (step,) = fit_tools(request, Tools(compact=True), count)
        for tool in tools:
            made = compacted(tool["function"], count)
            rules.update(made.rules if made else {})
        before, after = step.tokens_before, step.tokens_after
        rows.append({"server": server, "tools": len(tools), "before": before, "after": after})
        print(rows[-1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    save("tool_schemas", {"rows": rows, "rules": dict(rules.most_common())}, data=digest)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
