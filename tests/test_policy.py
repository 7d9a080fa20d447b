"""Policies: mistakes say where and what to do, the schema agrees, the digest is stable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tokenthrift.errors import PolicyError
from tokenthrift.policy import Policy, json_schema, load_policy, shipped_policies, stage_registry

SHIPPED = ["balanced", "frugal", "lossless", "off", "quality"]


def test_the_shipped_policies_are_these() -> None:
    """Their names are part of the interface."""
    assert sorted(shipped_policies()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_policies_load(name: str) -> None:
    """Each loads by its name, is called so, says what it is for, and where it is from."""
    policy = load_policy(name)
    assert policy.name == name
    assert policy.description
    assert Path(policy.source).stem == name
    assert load_policy(policy) is policy


@pytest.mark.parametrize("name", SHIPPED)
def test_the_schema_accepts_shipped_policies(name: str) -> None:
    """An editor with the schema finds nothing wrong in a policy that we ship."""
    validator = Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    data = yaml.safe_load(shipped_policies()[name].read_text(encoding="utf-8"))
    assert [e.message for e in validator.iter_errors(data)] == []


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"bugdet": {}}, "bugdet", "did you mean 'budget'?"),
    ({"budget": {"hard_token": 5}}, "budget.hard_token", "did you mean 'hard_tokens'?"),
    ({"compaction": {"at": 5_000}}, "compaction.at", "at_tokens"),
    ({"stages": [{"stage": "selct"}]}, "stages.0", "did you mean 'select'?"),
    ({"stages": [{"stage": "json"}, {"stage": "select", "kep": 1}]}, "stages.1.kep", "'keep'?"),
    ({"stages": [{"keep": 1}]}, "stages.0", "a key 'stage'"),
    ({"stages": ["json"]}, "stages.0", "a key 'stage'"),
    ({"stages": [{"stage": None}]}, "stages.0", "no stage None"),
    ({"stages": "json"}, "stages", "got 'json'"),
    ({"routing": {"candidate": []}}, "routing.candidate", "did you mean 'candidates'?"),
    (
        {"routing": {"candidates": [{"model": "a", "cover": "expert"}]}},
        "routing.candidates.0.cover",
        "did you mean 'covers'?",
    ),
    (
        {"routing": {"candidates": [{"model": "a", "covers": "hardest"}]}},
        "routing.candidates.0.covers",
        "trivial, simple, moderate, complex, expert",
    ),
    ({"version": 2}, "version", "1"),
    ({"floor_tokens": -1}, "floor_tokens", "greater than or equal to 0"),
    ({"scope": "session"}, "scope", "'conversation' or 'request'"),
    ({"name": False}, "name", "string"),
    ({"budget": {"hard_tokens": "many"}}, "budget.hard_tokens", "integer"),
    ({"budget": {"hard_tokens": 0}}, "budget.hard_tokens", "greater than or equal to 1"),
]


@pytest.mark.parametrize(("data", "path", "words"), WRONG, ids=lambda v: str(v)[:40])
def test_mistakes_say_where_and_what_to_do(data: dict[str, Any], path: str, words: str) -> None:
    """The error holds the path of the mistake and the nearest valid word or the rule broken."""
    with pytest.raises(PolicyError) as caught:
        load_policy(data)
    assert caught.value.path == path
    assert words in str(caught.value)
    assert caught.value.source == "<mapping>"


@pytest.mark.parametrize(("data", "_path", "_words"), WRONG, ids=lambda v: str(v)[:40])
def test_the_schema_refuses_the_same_mistakes(
    data: dict[str, Any], _path: str, _words: str
) -> None:
    """What we refuse an editor underlines."""
    assert not Draft202012Validator(json_schema()).is_valid(data)


def test_several_mistakes_are_all_listed() -> None:
    """The first is explained, the others are named."""
    with pytest.raises(PolicyError, match="and 1 more: floor_tokens"):
        load_policy({"floor_tokens": -1, "scope": "x"})


def written(tmp_path: Path, content: bytes) -> Path:
    """A policy file of these bytes."""
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    return path


def test_a_file_is_read_and_named(tmp_path: Path) -> None:
    """A policy knows its file; its cards are beside it."""
    path = written(tmp_path, b"name: mine\ncards: cards.yaml\n")
    policy = load_policy(path)
    assert policy.source == str(path)
    assert policy.cards_path == tmp_path / "cards.yaml"
    assert load_policy(str(path)) == policy


def test_bad_yaml_says_the_line(tmp_path: Path) -> None:
    """A syntax error is a policy error with file, line and column."""
    with pytest.raises(PolicyError, match="line 4, column 6") as caught:
        load_policy(written(tmp_path, b"name: mine\nstages:\n  - {stage: json\nscope: request\n:"))
    assert caught.value.source.endswith("policy.yaml")


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"just text", b"17"])
def test_a_file_must_hold_a_mapping(tmp_path: Path, content: bytes) -> None:
    """Lists, scalars and empty files are refused with a hint."""
    with pytest.raises(PolicyError, match="must be a mapping"):
        load_policy(written(tmp_path, content))


def test_a_missing_file_names_the_policies_there_are() -> None:
    """A misspelt name gets the nearest one; a folder is no policy."""
    with pytest.raises(PolicyError, match="did you mean 'balanced'"):
        load_policy("balancd")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(Path(__file__).parent)


def test_a_file_that_is_not_utf_8_is_a_policy_error(tmp_path: Path) -> None:
    """Undecodable bytes are the policy's fault and named so."""
    with pytest.raises(PolicyError):
        load_policy(written(tmp_path, b"name: \xff\xfe\n"))


@pytest.mark.parametrize("word", [["json"], {"json": 1}])
def test_a_stage_word_that_is_no_word_is_a_policy_error(word: Any) -> None:
    """Lists and mappings in place of a stage's name are refused like any unknown name."""
    with pytest.raises(PolicyError):
        load_policy({"stages": [{"stage": word}]})


def test_keys_that_are_no_strings_are_policy_errors() -> None:
    """YAML's other keys (numbers, truth values) are refused with their path."""
    with pytest.raises(PolicyError):
        load_policy({1: 2})  # type: ignore[dict-item]
    with pytest.raises(PolicyError):
        load_policy({"budget": {True: 2}})


def test_the_digest_is_that_of_what_changes_a_plan() -> None:
    """Spelling out defaults, names and descriptions changes nothing; any other value does."""
    base = load_policy({})
    assert (
        base.digest
        == load_policy({"name": "x", "description": "y", "scope": "conversation"}).digest
    )
    assert base.digest == load_policy({"budget": {}, "stages": []}).digest
    changes: list[dict[str, Any]] = [
        {"scope": "request"},
        {"floor_tokens": 121},
        {"stages": [{"stage": "json"}]},
        {"stages": [{"stage": "dedupe"}]},
        {"stages": [{"stage": "dedupe", "min_tokens": 49}]},
        {"stages": [{"stage": "json"}, {"stage": "dedupe"}]},
        {"stages": [{"stage": "dedupe"}, {"stage": "json"}]},
        {"budget": {"hard_tokens": 5}},
        {"compaction": {"at_tokens": 5_000}},
        {"routing": {"baseline": "gpt-4o"}},
        {"cards": "x.yaml"},
        {"encoder": "some-model"},
        {"on_stage_error": "raise"},
    ]
    digests = [load_policy(data).digest for data in ({}, *changes)]
    assert len(set(digests)) == len(digests)
    assert all(len(d) == 16 for d in digests)


def test_the_digest_survives_a_round_trip() -> None:
    """A policy written out and read back has the same digest."""
    for name in SHIPPED:
        policy = load_policy(name)
        assert load_policy(policy.model_dump(mode="json")).digest == policy.digest


DIGEST = """
from tokenthrift.policy import load_policy
providers = ["openai", "azure", "groq", "mistral", "bedrock"]
print(load_policy({"routing": {"allow_providers": providers},
    "stages": [{"stage": "select", "roles": ["user", "tool", "assistant"]}]}).digest)
"""


def test_the_digest_is_the_same_on_every_hash_seed() -> None:
    """Two processes with different hash seeds agree on the digest of a policy."""
    found = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_a_policy_is_frozen() -> None:
    """What was validated cannot change."""
    with pytest.raises(ValueError, match="frozen"):
        load_policy("off").floor_tokens = 1  # type: ignore[misc]


def test_entries_are_stages() -> None:
    """A validated entry is the stage itself, known by its word and its level."""
    for word, model in stage_registry().items():
        (stage,) = load_policy({"stages": [{"stage": word}]}).rules.stages
        assert isinstance(stage, model)
        assert stage.name == word
        assert stage.level in (1, 2, 3)
        assert callable(stage)


def test_rules_say_what_the_policy_says() -> None:
    """Compression sees the policy's own words."""
    policy = load_policy(
        {
            "scope": "request",
            "floor_tokens": 7,
            "budget": {"hard_tokens": 9},
            "on_stage_error": "raise",
        }
    )
    rules = policy.rules
    assert (rules.scope, rules.floor_tokens, rules.raise_stage_errors) == ("request", 7, True)
    assert rules.budget.hard_tokens == 9
    assert rules.digest == policy.digest
    assert Policy().rules.stages == ()
