"""The documents name what there is: every policy, every key, every stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from made_ledger import START, made_feedback, made_records
from tokenthrift import account_of, wrap
from tokenthrift.cli import app
from tokenthrift.ledger import MemoryLedger, Totals
from tokenthrift.limits import AccountUse, Amount, LimitRule, PastWindow
from tokenthrift.policy import Policy, load_policy, shipped_policies, stage_registry
from tokenthrift.report import overview, overview_json, totals_json
from tokenthrift.serve.simulated import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "docs" / "policies.md"
LIMITS = ROOT / "docs" / "limits.md"
CLIENTS = ROOT / "docs" / "clients.md"
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


PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_clients_shown_in_the_document_work(
    provider: Any, api_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks run as printed, one after the other, with nothing but messages given."""
    for name, url in (("OPENAI", provider.base_url), ("ANTHROPIC", provider.root_url)):
        monkeypatch.setenv(f"{name}_BASE_URL", url)
        monkeypatch.setenv(f"{name}_API_KEY", api_key)
    monkeypatch.chdir(tmp_path)
    seen: dict[str, Any] = {"messages": [{"role": "user", "content": "Are you there?"}]}
    made: list[Any] = []
    for block in PYTHON_BLOCK.findall(CLIENTS.read_text(encoding="utf-8")):
        exec(compile(block, "clients.md", "exec"), seen)
        made += [c for c in (seen.get("client"), seen.get("other")) if c not in (None, *made)]
    for client in made:
        client.close()
    assert [e.path for e in provider.requests(api_key)] == [
        "/v1/messages",
        "/v1/responses",
        "/v1/messages",
    ]
    assert "tokenthrift" not in provider.requests(api_key)[-1].body


REPORTS = ROOT / "docs" / "reports.md"


def keys_in(data: Any) -> Iterator[str]:
    """The keys of data that are names of ours, not of models, tags or calls."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in OPEN_KEYS:
            yield key
            for row in value.values() if isinstance(value, dict) else value or ():
                yield from keys_in(row)
        else:
            yield key
            yield from keys_in(value)
    for row in data if isinstance(data, list) else ():
        yield from keys_in(row)


# What is inside them is called by the users' own names.
OPEN_KEYS = {"models", "latencies", "calls_by_model", "missing_prices", "feedback", "leaderboards"}


@pytest.mark.skipif(not REPORTS.exists(), reason="docs/reports.md is not there")
def test_every_key_of_a_report_is_documented() -> None:
    """Each key of `report --json` stands in the document on reports, but for those of sums."""
    ledger = MemoryLedger()
    records = list(made_records(300))
    for record in records:
        ledger.write(record)
    for said in made_feedback(records):
        ledger.write_feedback(said)
    text = REPORTS.read_text(encoding="utf-8")
    rule = LimitRule(name="pool", window="month", tokens=1_000, usd="2")
    past = PastWindow(START, START, Amount())
    limits = [AccountUse(rule, {}, Amount(), Amount(), START, (past,))]
    data = overview_json(overview(ledger, "calls.db", limits=limits))
    sums = set(totals_json(Totals()))
    data["complexity"] = {}
    found = set(keys_in(data)) - sums
    assert {"schema_version", "periods", "p99_ms", "outcomes_per_mtok", "why", "unused"} <= found
    assert [key for key in sorted(found) if not re.search(rf"\b{key}\b", text)] == []


@pytest.mark.skipif(not REPORTS.exists(), reason="docs/reports.md is not there")
def test_the_document_on_reports_runs(
    provider: SimulatedProvider, api_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Python tags calls, and its commands do what they say on the ledger of these calls."""
    text = REPORTS.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (policy,) = (
        b for b in YAML_BLOCK.findall(LIMITS.read_text(encoding="utf-8")) if "version" in b
    )
    Path("my_policy.yaml").write_text(policy, encoding="utf-8")
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        client = wrap(bare, "my_policy.yaml", ledger="calls.sqlite")
        names: dict[str, Any] = {"client": client, "messages": [{"role": "user", "content": "Hi"}]}
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(compile(block, REPORTS.name, "exec"), names)
        (record,) = account_of(client).ledger.records()
    assert record.tags == {
        "team": "search",
        "user": "u1",
        "cost-centre": "7",
        "feature": "summary",
    }
    runner = CliRunner()
    for line in re.findall(r"^tokenthrift (.*?)(?:#.*)?$", text, re.MULTILINE):
        words = line.replace("CALL_ID", record.record_id).split()
        result = runner.invoke(app, words)
        assert result.exit_code == 0, (words, result.output)
    assert Path("report.html").read_text(encoding="utf-8").count("search") >= 1


def test_python_of_the_document_on_experiments_runs() -> None:
    """Its blocks run as printed, and what they assert holds."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", EXPERIMENTS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "experiments.md", "exec"), {})
