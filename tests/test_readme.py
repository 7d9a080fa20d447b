"""The README runs: its Python against the simulated provider, its commands against the CLI."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openai
import pytest
from typer.testing import CliRunner

from tokenthrift.cli import app
from tokenthrift.policy import load_policy
from tokenthrift.serve.simulated import SimulatedProvider

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[list[str]]:
    """Every tokenthrift command that a shell block shows, without its options."""
    found = []
    for line in "\n".join(blocks("sh")).splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["tokenthrift"]:
            found.append(words[1 : 3 if words[1] == "policy" else 2])
    return found


def test_python_blocks_run(
    provider: SimulatedProvider, api_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both blocks work as printed, with nothing but messages and a policy file given."""
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", api_key)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_policy.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    seen: dict[str, Any] = {"messages": MESSAGES, "openai": openai}
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), seen)
        if hasattr(seen["client"], "close"):
            seen["client"].close()
    assert seen["answer"].choices[0].message.content
    assert seen["made"].tokens_before == seen["made"].tokens_after


def test_the_policy_shown_is_valid(tmp_path: Path) -> None:
    """The YAML block loads."""
    path = tmp_path / "shown.yaml"
    path.write_text(blocks("yaml")[0], encoding="utf-8")
    assert load_policy(path).name == "support-bot"


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_exist(command: list[str]) -> None:
    """Each command of a shell block has help."""
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output


def test_every_link_leads_somewhere() -> None:
    """Relative links name files that exist."""
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (root / target).exists(), target


def test_it_is_short() -> None:
    """A README under 200 lines."""
    assert README.count("\n") < 200
