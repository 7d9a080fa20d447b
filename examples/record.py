"""Make the example recordings from this project's own work.

Tool results are real: files of this repository, a test run against a copy with one line broken,
searches, model cards, passages of the docs. Questions and the model's turns are written here, by
hand: no model is called. Run from the repository's root: ``python examples/record.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tokenthrift.catalog import load_catalog

ROOT = Path(__file__).parents[1]
OUT = ROOT / "examples" / "recordings"
MODEL = "gpt-4.1"
SYSTEM = (
    "You are a careful software engineer working in the tokenthrift repository. Use the tools. "
    "Never change a test to make it pass. Answer with the cause and the smallest fix."
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "shell",
            "description": "Run a command in the repository and return what it prints.",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
            },
        },
    }
]


def shell(command: str, folder: Path) -> str:
    """Run a command; its output as a tool result, with the folder's name left out."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    text = (done.stdout + done.stderr).replace(str(folder), ".").replace(sys.prefix, "venv")
    return f"exit code {done.returncode}\n{text}"


class Conversation:
    """A chat that grows by calls of the shell tool."""

    def __init__(self, name: str, ask: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": ask},
        ]

    def call(self, thought: str, command: str) -> None:
        """One turn of the model and the result it gets."""
        number = f"call_{len(self.messages)}"
        function = {"name": "shell", "arguments": json.dumps({"command": command})}
        self.messages += [
            {
                "role": "assistant",
                "content": thought,
                "tool_calls": [{"id": number, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": number, "content": shell(command, self.folder)},
        ]

    def say(self, answer: str, then: str | None = None) -> None:
        """The model answers; the user may go on."""
        self.messages.append({"role": "assistant", "content": answer})
        if then:
            self.messages.append({"role": "user", "content": then})

    def record(self) -> dict[str, Any]:
        """The recording."""
        return {"id": self.name, "model": MODEL, "messages": self.messages, "tools": TOOLS}


def failing_test() -> Conversation:
    """A broken codec is found from a test log, with the file read before and after."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("src", "tests", "policies"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignore)
        shutil.copy(ROOT / "pyproject.toml", folder)
        codec = folder / "src/tokenthrift/compress/tables.py"
        broken = codec.read_text().replace('"\\\\u007c"', '"\\\\u007d"')
        if broken == codec.read_text():
            raise SystemExit("the line to break was not found; adapt examples/record.py")
        talk = Conversation(
            "failing-test",
            "Since my last change tests of the table codec fail. Find out why.",
            folder,
        )
        codec.write_text(broken)
        run = "python -m pytest -v -p no:cacheprovider tests/test_tables.py"
        talk.call("I run the tests of the codec first.", run)
        talk.call("The codec is in this file.", "cat -n src/tokenthrift/compress/tables.py")
        talk.call("Who else uses it?", "grep -rn 'tables\\|_quoted' src tests | sort")
        talk.say(
            "`_quoted` writes the cell border as the wrong escape: \\u007d is a brace, the border "
            "is \\u007c. Cells that hold a border come back with a brace instead.",
            "Right, that was a typo. I put it back. Check that the file is as it should be and "
            "that the tests pass.",
        )
        codec.write_text((ROOT / "src/tokenthrift/compress/tables.py").read_text())
        talk.call("I read the file again.", "cat -n src/tokenthrift/compress/tables.py")
        talk.call("Now the tests.", run)
        talk.say("The escape is right again and all tests of the codec pass.")
    return talk


def model_cards() -> Conversation:
    """A question over a long JSON result."""
    talk = Conversation(
        "model-cards",
        "Which OpenAI model with a window of a million tokens reads cached input cheapest?",
        ROOT,
    )
    catalog = load_catalog()
    names = [n for n in catalog.names() if n.startswith(("gpt-4", "gpt-5", "o3", "o4"))]
    cards = [catalog.require(n).model_dump(mode="json") for n in names]
    talk.call("I list the cards.", "true")
    talk.messages[-1]["content"] = json.dumps(cards, indent=2)
    talk.messages[-2]["tool_calls"][0]["function"]["arguments"] = json.dumps(
        {"command": "tokenthrift models list --search 'gpt|o3|o4' --json"}
    )
    talk.say("gpt-4.1-nano: a window of 1,047,576 tokens, cached input at $0.025 per million.")
    return talk


QUESTIONS = (
    "What happens when protected text alone is larger than the hard budget?",
    "Where are prices read from, and what is done when one is not known?",
    "How can a mark left in place of cut text be told apart from text?",
    "Which policy sends easy requests to small models?",
)


def passages() -> list[tuple[str, str]]:
    """Title and text of every section of the docs."""
    found = []
    for path in sorted((ROOT / "docs").glob("**/*.md")):
        title, text = path.stem, ""
        for line in path.read_text().splitlines():
            if line.startswith("#"):
                if text.strip():
                    found.append((title, text.strip()))
                title, text = f"{path.stem}: {line.lstrip('# ')}", ""
            else:
                text += line + "\n"
        found.append((title, text.strip()))
    return [(t, x) for t, x in found if x]


def docs_questions() -> list[dict[str, Any]]:
    """Questions with all sections of the docs as context."""
    context = "\n\n".join(
        f"Document [{n}](Title: {title}) {text}" for n, (title, text) in enumerate(passages(), 1)
    )
    return [
        {
            "id": f"docs-{n}",
            "model": "gpt-4.1-mini",
            "messages": [
                {"role": "system", "content": "Answer from the documents; name the document."},
                {"role": "user", "content": f"{context}\n\nQuestion: {question}"},
            ],
        }
        for n, question in enumerate(QUESTIONS)
    ]


def main() -> None:
    """Write all recordings."""
    OUT.mkdir(parents=True, exist_ok=True)
    failing = failing_test().record()
    files = {
        "failing_test": [failing],
        "model_cards": [model_cards().record()],
        "docs_questions": docs_questions(),
    }
    for name, records in files.items():
        lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
        (OUT / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    request = {k: failing[k] for k in ("model", "messages", "tools")}
    request["messages"] = request["messages"][:-1]
    target = ROOT / "examples" / "requests" / "failing_test.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(request, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
