"""The documents name what there is: every policy, every key, every stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from tokenthrift.policy import Policy, load_policy, shipped_policies, stage_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "docs" / "policies.md"
LIMITS = ROOT / "docs" / "limits.md"
EXPERIMENTS = ROOT / "docs" / "experiments.md"


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a model and of the models inside it."""
    for key, field in model.model_fields.items():
        yield key
        yield from _keys_inside(field.annotation)


def _keys_inside(annotation: Any) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not BaseModel:
            yield from keys_of(annotation)
        return
    for inner in getattr(annotation, "__args__", ()):
        yield from _keys_inside(inner)


@pytest.mark.parametrize("name", shipped_policies())
def test_shipped_policies_are_documented_and_load(name: str) -> None:
    """Each policy that ships loads, and the document on policies tells of it."""
    assert load_policy(name).name == name
    if POLICIES.exists():
        assert re.search(rf"\b{name}\b", POLICIES.read_text(encoding="utf-8"))


@pytest.mark.skipif(not POLICIES.exists(), reason="docs/policies.md is not there")
@pytest.mark.parametrize(
    "model", [Policy, *stage_registry().values()], ids=lambda model: model.__name__
)
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    """Every key of a policy and of its stages stands in the document on policies."""
    text = POLICIES.read_text(encoding="utf-8")
    missing = [key for key in keys_of(model) if not re.search(rf"\b{key}\b", text)]
    assert missing == []


@pytest.mark.skipif(not POLICIES.exists(), reason="docs/policies.md is not there")
@pytest.mark.parametrize("word", stage_registry())
def test_every_stage_is_documented(word: str) -> None:
    """Every stage stands in the document on policies by its word."""
    assert re.search(rf"\b{word}\b", POLICIES.read_text(encoding="utf-8"))


YAML_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not POLICIES.exists(), reason="docs/policies.md is not there")
@pytest.mark.parametrize("document", [POLICIES, LIMITS, EXPERIMENTS], ids=lambda path: path.stem)
def test_policies_shown_in_the_document_load(document: Path, tmp_path: Path) -> None:
    """Each whole policy that the document shows is one that loads."""
    for block in YAML_BLOCK.findall(document.read_text(encoding="utf-8")):
        if re.search(r"^version:", block, re.MULTILINE):
            path = tmp_path / "policy.yaml"
            path.write_text(block, encoding="utf-8")
            load_policy(path)


def test_python_of_the_document_on_experiments_runs() -> None:
    """Its blocks run as printed, and what they assert holds."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", EXPERIMENTS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "experiments.md", "exec"), {})
