"""The document on telemetry runs, and names every metric there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

import tokenthrift
from tokenthrift.telemetry import CONVENTIONS, Prometheus, prometheus_text
from tokenthrift.telemetry.names import METRICS

TEXT = (Path(__file__).parents[1] / "docs" / "telemetry.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_blocks_run(provider, api_key):
    """One after the other, with a wrapped client and messages given."""
    with openai.OpenAI(base_url=provider.base_url, api_key=api_key) as bare:
        seen: dict[str, Any] = {
            "client": tokenthrift.wrap(bare),
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
        }
        for block in BLOCKS:
            exec(compile(block, "telemetry.md", "exec"), seen)
    assert 'tokenthrift_calls_total{model="gpt-4o-mini"' in seen["text"]


def test_every_metric_of_prometheus_is_documented():
    """By its name, and with nothing that is not there."""
    text = prometheus_text(Prometheus())
    there = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
    }
    assert set(re.findall(r"`(tokenthrift_\w+)`", TEXT)) == there


@pytest.mark.parametrize("version", CONVENTIONS)
def test_every_version_is_documented(version):
    """The table of names has a row for each; the metrics of the old one are all named."""
    assert f"| `{version}` |" in TEXT
    names = {row[0] for row in METRICS.values()} - {""}
    assert all(f"`{name}`" in TEXT for name in names)
