"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

import pytest

from test_ledger_record import sample
from tokenthrift.cli import main
from tokenthrift.ledger import open_ledger
from tokenthrift.report import totals_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = json.dumps([{"id": n, "name": f"item {n}", "price": n * 3, "ok": True} for n in range(80)])
CALL = {"id": "c1", "type": "function", "function": {"name": "list", "arguments": "{}"}}
RECORD: dict[str, Any] = {
    "id": "c1",
    "messages": [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "What does item 7 cost?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": ROWS},
        {"role": "assistant", "content": "21."},
    ],
}


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; gives exit code, output and error output."""
    monkeypatch.setenv("COLUMNS", "80")

    def called(*arguments: Any, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A recording of three conversations and a broken line."""
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join([json.dumps(RECORD)] * 3 + ["{"]) + "\n", encoding="utf-8")
    return path


def test_plan_explains_one_request(run: Any, log: Path) -> None:
    """The last request of the conversation, segment by segment."""
    code, out, err = run("plan", log, "--policy", "lossless", "--diff")
    assert (code, err) == (0, "")
    for part in ("json as a table", "protected: system text", "counted by o200k_base", "m3 tool"):
        assert part in out
    assert max(map(len, run("plan", log)[1].splitlines())) <= 80


def test_plan_reads_standard_input_and_prints_data(run: Any) -> None:
    """Exact numbers, or only the body that would be sent."""
    body = {"model": "gpt-4o", "messages": RECORD["messages"][:4]}
    code, out, _ = run("plan", "-", "-p", "lossless", "--json", stdin=json.dumps(body))
    data = json.loads(out)
    assert code == 0
    assert data["tokens_after"] < data["tokens_before"]
    assert data["savings"]["net_nanos"] == 2_500 * (data["tokens_before"] - data["tokens_after"])
    code, out, _ = run("plan", "-", "-p", "off", "--body", stdin=json.dumps(body))
    assert json.loads(out) == body


def test_replay_reports_tokens_money_and_latency(run: Any, log: Path, tmp_path: Path) -> None:
    """Problems go to stderr, state and ledger are written, a second run does nothing twice."""
    arguments = ("replay", log, "-p", "lossless", "--workers", 1)
    kept = ("--state", tmp_path / "state", "--ledger", tmp_path / "calls.db")
    code, out, err = run(*arguments, *kept)
    assert code == 0
    assert err.startswith(f"{log}:4: not JSON")
    for part in ("3 recordings, 6 requests, 1 lines not read", "as billed", "p99", "6 records"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run(*arguments, *kept, "--json")
    data = json.loads(out)
    assert (data["resumed_lines"], data["records_written"]) == (4, 0)
    totals = data["totals"]
    assert totals["net_nanos"] == totals["baseline_nanos"] - totals["actual_nanos"] > 0
    with open_ledger(tmp_path / "calls.db", create=False) as ledger:
        assert ledger.totals().net_nanos == totals["net_nanos"]


def test_report_shows_what_a_ledger_holds(run: Any, log: Path, tmp_path: Path) -> None:
    """In all, by a key, since a time, and as data."""
    path = tmp_path / "calls.db"
    run("replay", log, "-p", "lossless", "--workers", 1, "--ledger", path, "-q")
    _, out, _ = run("report", "--ledger", path)
    assert "6 calls, 6 attempts, 0 failed" in out
    _, out, _ = run("report", "--ledger", path, "--by", "tag:source")
    assert "log.jsonl" in out
    _, out, _ = run("report", "--ledger", path, "--by", "model", "--json", "--since", "1d")
    data = json.loads(out)
    assert data["groups"]["gpt-4o"] == data["totals"]
    _, out, _ = run("report", "--ledger", path, "--since", "2999-01-01")
    assert "no calls since 2999-01-01" in out


def test_report_shows_the_largest_groups_and_the_rest_as_one(run: Any, tmp_path: Path) -> None:
    """In the terminal 50 of them, or as many as are asked for; as data all, or these."""
    path = tmp_path / "calls.db"
    with open_ledger(path) as ledger:
        for n in range(70):
            ledger.write(sample(1_000 * n, session=f"s{n:02}"))
        whole = totals_json(ledger.totals())
    _, out, _ = run("report", path, "--by", "session")
    assert "s20" in out
    assert "s19" not in out
    assert out.count("20 others") == 3
    assert "The 50 on which most was spent" in out
    data = json.loads(run("report", path, "--by", "session", "--json")[1])
    assert list(data["groups"]) == [f"s{n:02}" for n in range(70)]
    assert (data["totals"], data["feedback"]) == (whole, {})
    data = json.loads(run("report", path, "--by", "session", "--json", "--top", 2)[1])
    assert list(data["groups"]) == ["s69", "s68"]
    assert data["others"]["groups"] == 68
    parts = [data["others"]["totals"], *data["groups"].values()]
    assert sum(part["spent_nanos"] for part in parts) == whole["spent_nanos"]
    data = json.loads(run("report", path, "--by", "model", "--since", "2999-01-01", "--json")[1])
    assert data["groups"] == {}


def test_models_shows_cards(run: Any, tmp_path: Path) -> None:
    """One, those with a text in their name, one's own, or how many there are."""
    assert "128,000 tokens" in run("models", "show", "gpt-4o")[1]
    assert (
        json.loads(run("models", "show", "gpt-4o", "--json")[1])["prices"]["input_usd_per_mtok"]
        == "2.5"
    )
    assert "gpt-4.1-mini" in run("models", "list", "--search", "GPT-4.1")[1]
    assert "anthropic" in run("models", "list")[1]
    assert len(json.loads(run("models", "list", "-s", "gpt-4.1-mini", "--json")[1])) > 1
    cards = tmp_path / "cards.yaml"
    cards.write_text("models: {mine: {extends: gpt-4o, covers: expert}}", encoding="utf-8")
    assert "expert" in run("models", "show", "mine", "--cards", cards)[1]


def test_policy_commands(run: Any, tmp_path: Path) -> None:
    """List, check, explain and schema."""
    assert "balanced" in run("policy", "list")[1]
    assert {p["name"] for p in json.loads(run("policy", "list", "--json")[1])} >= {"off", "frugal"}
    assert "valid; stages: json, search, dedupe" in run("policy", "check", "lossless")[1]
    assert "stage 1: json" in run("policy", "explain", "balanced")[1]
    assert json.loads(run("policy", "explain", "off", "--json")[1])["sections"]
    assert "stages" in json.loads(run("policy", "schema")[1])["properties"]
    own = tmp_path / "own.yaml"
    own.write_text("version: 1\nrouting: {baseline: nobody/knows}\n", encoding="utf-8")
    code, out, err = run("policy", "check", own)
    assert (code, "valid" in out) == (0, True)
    assert "no model card for 'nobody/knows'" in err
    own.write_text("version: 1\nstages: [{stage: jsn}]\n", encoding="utf-8")
    code, _, err = run("policy", "check", own)
    assert code == 2
    assert "did you mean 'json'?" in err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("plan", "nowhere.json"), "nowhere.json: cannot be read: No such file"),
        (("plan", "-"), "<stdin>: there is no line 1"),
        (("replay", "nowhere.jsonl"), "nowhere.jsonl: cannot be read"),
        (("replay", "x", "--as", "poem"), "auto, conversation or request"),
        (("report", "--ledger", "nowhere.db"), "no such ledger"),
        (("report", "--since", "soon"), "is no date"),
        (("models", "show", "gpt-4oo"), "did you mean gpt-4o"),
        (("policy", "explain", "blanced"), "did you mean 'balanced'?"),
        (("dance",), "No such command"),
    ],
)
def test_faults_of_the_user_are_one_message_and_exit_code_two(
    run: Any, arguments: tuple[str, ...], why: str
) -> None:
    """No traceback, nothing on standard output."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert why in " ".join(err.replace("│", "").split())
    assert "Traceback" not in err


def test_the_version_is_printed_and_help_names_the_commands(run: Any) -> None:
    """Without arguments there is help."""
    assert run("--version")[1].startswith("tokenthrift ")
    for command in ("plan", "replay", "report", "models", "policy"):
        assert command in run("--help")[1]


def test_starting_up_pulls_in_nothing_heavy() -> None:
    """The command line starts without litellm, torch or a server."""
    heavy = "{'litellm', 'torch', 'sentence_transformers', 'starlette', 'openai'}"
    code = f"import sys, tokenthrift.cli; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
