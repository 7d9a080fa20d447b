"""Adapters of the neutral evaluators: fixed names over the public API."""

from __future__ import annotations

from typing import Any

from tokenthrift import wire
from tokenthrift.compress.lossless import Dedupe, Json
from tokenthrift.compress.segments import join
from tokenthrift.compress.selecting import Select
from tokenthrift.compress.windows import Budget, Rules
from tokenthrift.compress.windows import compress as run
from tokenthrift.draft import Resources
from tokenthrift.tokens import counter_for


def compress(
    messages: list[dict[str, Any]], question: str | None, budget_tokens: int
) -> list[dict[str, Any]]:
    """One-off: any text may be cut for the last question, the budget is hard."""
    rules = Rules(
        (Json(), Dedupe(), Select()), "adapter", "request", 120,
        Budget(hard_tokens=budget_tokens, on_over_budget="trim"), raise_stage_errors=True,
    )
    request = wire.read({"model": "gpt-4", "messages": messages})
    draft = run(request, rules, counter_for("gpt-4"), Resources())
    return join(request, draft.segments, draft.removed).body["messages"]
