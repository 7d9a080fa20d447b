"""The commands of a ledger, and every block of the document about them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from test_ledger_record import sample
from tokenthrift.cli import app, main
from tokenthrift.errors import TokenthriftError
from tokenthrift.ledger import SQLiteLedger

DOCUMENT = Path(__file__).parents[1] / "docs" / "ledger.md"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command in a folder with a ledger of twelve calls; what it says and its exit code."""
    monkeypatch.chdir(tmp_path)
    with SQLiteLedger("tokenthrift.db") as ledger:
        for n in range(12):
            tags = {"user": ("alice", "bob")[n % 2], "team": "search"}
            ledger.write(sample(n * 20_000, tags=tags))

    def command(*words):
        try:
            result = CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)
        except TokenthriftError as error:
            return str(error), 2
        return result.output, result.exit_code

    return command


def test_every_command_of_the_document_runs(run):
    """In the order in which the document shows them, on one ledger."""
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    commands = [words[1:] for words in commands if words[:1] == ["tokenthrift"]]
    assert {words[1] for words in commands if words[0] == "ledger"} == {
        *("export", "import", "verify", "erase", "prune")
    }
    for words in commands:
        said, code = run(*words)
        assert code == 0, (words, said)


def test_a_ledger_goes_out_and_comes_back(run):
    """Export, report over the export, import, verify."""
    assert (
        run("ledger", "export", "tokenthrift.db", "--to", "out")[0] == "out: 12 records of 3 days\n"
    )
    said, _ = run("report", "out", "--by", "tag:user", "--json")
    whole, _ = run("report", "tokenthrift.db", "--by", "tag:user", "--json")
    assert json.loads(said) == json.loads(whole)
    assert "12 of them new" in run("ledger", "import", "out", "--to", "new.db")[0]
    said, code = run("ledger", "verify", "new.db", "--export", "out")
    assert (said, code) == ("new.db: 12 records, against out: nothing found\n", 0)


def test_findings_make_the_exit_code(run):
    """What is found is printed, a line each, and a script can see it."""
    with SQLiteLedger("tokenthrift.db") as ledger, ledger._session() as db:
        db.execute("DELETE FROM calls WHERE seq = 3")
    said, code = run("ledger", "verify", "tokenthrift.db")
    assert code == 1
    assert "sequence: call 3 is missing" in said


def test_old_days_are_archived_before_they_go(run):
    """Prune writes and checks the export first, and reports say what has no details."""
    said, code = run(
        "ledger", "prune", "tokenthrift.db", "--older-than", "2026-03-02", "--export", "old"
    )
    assert code == 0
    assert "5 calls before 2026-03-02 are sums by day now" in said
    said, _ = run("report", "tokenthrift.db")
    assert "12 calls" in said
    assert "5 pruned" in said
    assert run("ledger", "verify", "tokenthrift.db", "--export", "old")[1] == 0


def test_a_user_is_erased(run):
    """The report has as many calls as before, and nothing of the user."""
    said, _ = run("ledger", "erase", "tokenthrift.db", "--tag", "user=alice", "--keep-tag", "team")
    assert "6 calls erased" in said
    said, _ = run("report", "--by", "tag:user", "--json")
    groups = json.loads(said)["groups"]
    assert {name: sums["calls"] for name, sums in groups.items()} == {"": 6, "bob": 6}
    said, _ = run("report", "--by", "tag:team", "--json")
    assert set(json.loads(said)["groups"]) == {"search"}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("erase", "tokenthrift.db"), "say whose calls"),
        (("erase", "tokenthrift.db", "--tag", "alice"), "is no NAME=VALUE"),
        (("prune", "tokenthrift.db", "--older-than", "soon"), "is no date"),
        (("export", "nowhere.db", "--to", "out"), "no such ledger"),
        (("import", "nowhere", "--to", "new.db"), "no such export"),
    ],
)
def test_faults_say_what_to_do(run, words, problem):
    """A fault of the user is one line and exit code 2, and changes nothing."""
    said, code = run("ledger", *words)
    assert code == 2
    assert problem in " ".join(said.replace("│", " ").split())
    assert not Path("new.db").exists()
    assert main is not None
