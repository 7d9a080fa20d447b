"""Adapters of the neutral evaluators: fixed names over the public API.

``compress`` one-off compression under a hard budget; ``compress_turns`` growing conversations under
a policy; ``score``, ``choose`` and ``predict`` routing. Run an evaluator from this folder, or with
this folder on the path.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy, load_policy
from tokenthrift.route import measure
from tokenthrift.wire import read

# The evaluators count with cl100k_base.
EVALUATOR_MODEL = "gpt-4"
# Nothing but the budget asks for cuts.
STAGES = (
    {"stage": "json"},
    {"stage": "html"},
    {"stage": "search"},
    {"stage": "dedupe"},
    {"stage": "elide"},
    {"stage": "select", "keep": 1, "min_tokens": 0},
)


def compress(
    messages: list[dict[str, Any]], question: str | None, budget_tokens: int
) -> list[dict[str, Any]]:
    """Take the request as a one-off: anything may be cut for its last question, the budget is hard.

    Args:
        messages: a chat; its last user text is the question where there is one.
        question: not needed: the messages hold it.
        budget_tokens: never exceeded; protected text is trimmed where it alone is larger.
    """
    del question
    policy = Policy(
        name="evaluator",
        scope="request",
        stages=STAGES,  # type: ignore[arg-type]  # entries become stages on validation
        budget={"hard_tokens": budget_tokens, "on_over_budget": "trim"},  # type: ignore[arg-type]
        on_stage_error="raise",
    )
    body = {"model": EVALUATOR_MODEL, "messages": messages}
    sent: list[dict[str, Any]] = plan(body, policy).body["messages"]
    return sent


@lru_cache(maxsize=1)
def _turns() -> tuple[Policy, Memo]:
    return load_policy(os.environ.get("TOKENTHRIFT_POLICY", "balanced")), Memo()


def compress_turns(
    messages: list[dict[str, Any]], *, model: str, session: str | None
) -> list[dict[str, Any]]:
    """One request of a growing conversation under the policy named by TOKENTHRIFT_POLICY."""
    del session  # plans need no session
    policy, memo = _turns()
    body = {"model": model, "messages": messages}
    sent: list[dict[str, Any]] = plan(body, policy, memo=memo).body["messages"]
    return sent


def score(prompts: list[str]) -> list[float]:
    """Complexity of each prompt, 0 to 1."""
    return [
        measure(read({"model": "", "messages": [{"role": "user", "content": p}]})).score
        for p in prompts
    ]


def choose(prompts: list[str], models: list[dict[str, Any]], floor: float) -> list[str | None]:
    """The cheapest model whose mean score covers the prompt's complexity at this floor.

    A model covers what lies in the part of the complexity scale that its rank by training score
    reaches; where no list price is known nothing can be said and the choice is left open.
    """
    ranked = sorted(models, key=lambda m: float(m["train_score"]))
    reach = {m["name"]: (n + 1) / len(ranked) for n, m in enumerate(ranked)}
    priced = [m for m in models if m.get("train_cost_usd") is not None]
    chosen: list[str | None] = []
    for complexity in score(prompts):
        need = min(1.0, complexity + floor)
        able = [m for m in priced if reach[m["name"]] >= need]
        cheapest = min(able, key=lambda m: (float(m["train_cost_usd"]), m["name"]), default=None)
        chosen.append(cheapest["name"] if cheapest else None)
    return chosen


def predict(prompts: list[str], models: list[dict[str, Any]]) -> list[list[float]]:
    """P(adequate): each model's base rate, the same for every prompt until abilities are fitted."""
    return [[float(m["train_score"]) for m in models] for _ in prompts]
