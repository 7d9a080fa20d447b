"""API keys: made once, kept as digests, scoped, expiring, revoked at once."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tokenthrift.cli import app
from tokenthrift.errors import KeyFileError
from tokenthrift.serve.keys import KeyFile, Scope

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
run = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the keys are."""
    return tmp_path / "keys.db"


def test_a_key_is_found_and_nothing_like_it(file: Path) -> None:
    """Only the whole key is one; it stands nowhere in the file."""
    with KeyFile(file) as keys:
        token, made = keys.create_key("ci")
        assert keys.find(token) == made
        for wrong in (
            "",
            "tt_",
            token[:-1],
            token + "x",
            token.replace("tt_", "xx_"),
            f"tt_{made.key_id}_",
        ):
            assert keys.find(wrong) is None
    secret = token.rpartition("_")[2]
    for part in file.parent.iterdir():
        assert secret.encode() not in part.read_bytes()


def test_keys_end(file: Path) -> None:
    """Expired and revoked keys are refused, in other processes' connections as well."""
    with KeyFile(file) as keys, KeyFile(file) as service:
        token, made = keys.create_key("old", expires_at=NOW, now=NOW - timedelta(days=1))
        assert service.find(token, NOW - timedelta(seconds=1)) == made
        assert service.find(token, NOW) is None
        lasting, other = keys.create_key("new", now=NOW)
        assert service.find(lasting, NOW) == other
        keys.revoke(other.key_id, NOW)
        assert service.find(lasting, NOW) is None
        assert [k.state(NOW) for k in keys.listed()] == ["expired", "revoked"]
        assert keys.revoke(other.key_id, NOW + timedelta(days=1)).revoked_at == NOW
        with pytest.raises(KeyFileError, match="no key 'nobody'"):
            keys.revoke("nobody")


def test_scopes() -> None:
    """What is not named is allowed, what is named is all there is."""
    assert Scope().allows_policy("off")
    assert Scope().allows_model("any")
    assert Scope().allows_room("metrics")
    scope = Scope(policies=("balanced",), models=("gpt-4o*",), rooms=("chat",))
    assert scope.allows_policy("balanced")
    assert not scope.allows_policy("off")
    assert scope.allows_model("gpt-4o-mini")
    assert not scope.allows_model("o3")
    assert not scope.allows_room("metrics")


def test_other_files_are_refused(file: Path) -> None:
    """A database of somebody else's is not written into."""
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE theirs (x)")
    with pytest.raises(KeyFileError, match="of another kind"):
        KeyFile(file)


def test_the_commands(file: Path) -> None:
    """Create prints the key alone on stdout; list never shows it; revoke ends it."""
    given = ["keys", "create", "ci bot", "--keys", str(file), "-p", "balanced", "-m", "gpt-*"]
    made = run.invoke(app, [*given, "--for", "chat", "--tag", "team=search", "--expires", "90d"])
    assert made.exit_code == 0, made.output
    token = made.stdout.splitlines()[0]
    listed = run.invoke(app, ["keys", "list", "--keys", str(file), "--json"])
    assert token not in listed.stdout
    (key,) = json.loads(listed.stdout)
    assert key["scope"] == {
        "policies": ["balanced"],
        "models": ["gpt-*"],
        "rooms": ["chat"],
        "tags": {"team": "search"},
    }
    assert key["state"] == "active"
    until = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < until < timedelta(days=91)
    shown = run.invoke(app, ["keys", "list", "--keys", str(file)])
    assert "ci bot" in shown.stdout
    ended = run.invoke(app, ["keys", "revoke", key["key_id"], "--keys", str(file)])
    assert ended.exit_code == 0
    with KeyFile(file) as keys:
        assert keys.find(token) is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("--for", "kitchen"), ("--tag", "team"), ("--tag", "a=b,c=d"), ("--expires", "soon")],
)
def test_wrong_options_are_said(file: Path, option: str, value: str) -> None:
    """A wrong option is the user's fault, and makes no key."""
    done = run.invoke(app, ["keys", "create", "x", "--keys", str(file), option, value])
    assert done.exit_code == 2
    assert not file.exists()
