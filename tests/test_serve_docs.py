"""The document on the service: its commands run, its Python runs against what they started."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tokenthrift.serve.headers import BYPASS, POLICY, SESSION, TAGS
from tokenthrift.serve.keys import ROOMS
from tokenthrift.serve.schema import openapi

if TYPE_CHECKING:
    from tokenthrift.serve.simulated import SimulatedProvider

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:8080"
RUN = [sys.executable, "-c", "from tokenthrift.cli import main; main()"]


def commands(block: str) -> list[list[str]]:
    """The tokenthrift commands of a shell block."""
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["tokenthrift"]]


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_what_is_shown_runs(provider: SimulatedProvider, api_key: str, tmp_path: Path) -> None:
    """The key is made, the service starts and takes it, and answers what the block reads."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENAI_API_KEY": api_key,
        "OPENAI_BASE_URL": provider.base_url,
    }
    given: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True}
    made, served = commands(blocks("sh")[0])
    key = subprocess.run([*RUN, *made], capture_output=True, check=True, **given).stdout.strip()
    at = served.index("--port")
    served[at + 1] = "0"
    with subprocess.Popen([*RUN, *served], stderr=subprocess.PIPE, **given) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().split()[-1]
            _wait(url)
            (block,) = blocks("python")
            seen: dict[str, Any] = {"key": key}
            exec(compile(block.replace(HERE, url), "serve.md", "exec"), seen)
            seen["client"].close()
            assert "Hello?" in seen["answer"].parse().choices[0].message.content
        finally:
            process.terminate()


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            if httpx2.get(url + "/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("the service did not come up")


def test_commands_exist() -> None:
    """Every option that a shell block shows is one."""
    for block in blocks("sh"):
        for words in commands(block):
            command = [w for w in words[: 2 if words[0] == "keys" else 1] if not w.startswith("-")]
            done = subprocess.run(
                [*RUN, *command, "--help"],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"},
            )
            for option in (w for w in words if w.startswith("--")):
                assert option in done.stdout, (command, option)


def test_paths_headers_and_rooms_are_documented() -> None:
    """Everything of the OpenAPI document, every header and every room stands there."""
    for path in openapi()["paths"]:
        assert path.split("/{")[0] in TEXT
    for header in (POLICY, TAGS, SESSION, BYPASS):
        assert f"`{header}`" in TEXT
    for room in ROOMS:
        assert f"`{room}`" in TEXT
