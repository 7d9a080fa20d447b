"""Adapters of the neutral evaluators: fixed names over the public API.

``compress`` one-off compression under a hard budget; ``compress_turns`` growing conversations under
a policy; ``score``, ``choose`` and ``predict`` routing. Run an evaluator from this folder, or with
this folder on the path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from outcomes import FloatArray, Outcomes, all_sources, train_outcomes
from tokenthrift.compress import Memo
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy, load_policy
from tokenthrift.route.adequacy import Adequacy, shipped
from tokenthrift.route.amounts import fit_amounts
from tokenthrift.route.demand import demand
from tokenthrift.route.features import measured
from tokenthrift.route.fitting import fit as fit_adequacy
from tokenthrift.route.frontier import Trial, ways

# The floors that the evaluator asks for; the ways of choosing are spread over them.
FLOORS = (
    0,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.75,
    0.8,
    0.84,
    0.88,
    0.9,
    0.92,
    0.94,
    0.95,
    0.96,
    0.97,
    0.98,
    0.99,
    1,
)
PRICED = 2000  # prompts that costs are fitted on
TRIED = 1200  # prompts of the train split that the ways are tried on
ADEQUATE = 0.5
# The evaluators count with cl100k_base.
EVALUATOR_MODEL = "gpt-4"
# How source text is cut.
CODE = os.environ.get("TOKENTHRIFT_CODE", "lines")
# Nothing but the budget asks for cuts.
STAGES = (
    {"stage": "json"},
    {"stage": "html"},
    {"stage": "search"},
    {"stage": "dedupe"},
    {"stage": "elide"},
    {"stage": "select", "keep": 1, "min_tokens": 0, "code": CODE},
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
    """How much each prompt asks for a strong model, by what ships."""
    return [float(x) for x in demand(prompts, shipped())]


@lru_cache(maxsize=1)
def _train() -> dict[str, Outcomes]:
    return {s: train_outcomes([s]) for s in all_sources()}


@lru_cache(maxsize=16)
def _fitted(names: tuple[str, ...]) -> Adequacy:
    """Fitted on the train split of the source that has all of these models."""
    held = min(
        (o for o in _train().values() if set(names) <= set(o.models)), key=lambda o: len(o.models)
    )
    columns = [held.models.index(n) for n in names]
    scores = held.scores[:, columns]
    adequate = np.where(np.isfinite(scores), (scores >= ADEQUATE).astype(float), np.nan)
    rows = np.flatnonzero(np.isfinite(scores).any(axis=1))
    return fit_adequacy([held.prompts[r] for r in rows], adequate[rows], names)


def predict(prompts: list[str], models: list[dict[str, Any]]) -> FloatArray:
    """P(score >= 0.5) by a fit on the train split of the models' own source."""
    names = tuple(str(m["name"]) for m in models)
    return _fitted(names).probabilities(prompts, names)


def fit(
    prompts: list[str], models: list[dict[str, Any]], scores: FloatArray, costs: FloatArray
) -> Callable[[list[str], list[dict[str, Any]], float], list[str | None]]:
    """A chooser by expected quality and cost, whose ways were tried by cross-validation.

    The floor runs through the ways by rising cost; the best single model is left open (None).
    """
    names = [str(m["name"]) for m in models]
    best = int(np.lexsort((costs.mean(axis=0), -scores.mean(axis=0)))[0])
    found = ways(_trial(prompts, names, scores, costs))
    adequacy = fit_adequacy(prompts, scores, names)
    some = np.random.default_rng(0).permutation(len(prompts))[:PRICED]
    amounts = fit_amounts(adequacy.lens(measured([prompts[i] for i in some])), costs[some])
    known: dict[int, tuple[FloatArray, FloatArray]] = {}

    def choose(asked: list[str], _: list[dict[str, Any]], floor: float) -> list[str | None]:
        key = hash(tuple(asked))
        if key not in known:
            x = adequacy.lens(measured(asked))
            known[key] = adequacy.probabilities(asked, names), amounts(x)
        place = np.interp(floor, FLOORS, np.linspace(0, len(found) - 1, len(FLOORS)))
        picks = found[round(float(place))].picks(*known[key])
        return [None if n == best else names[n] for n in picks]

    return choose


def _trial(prompts: list[str], names: list[str], scores: FloatArray, costs: FloatArray) -> Trial:
    """Each third of the prompts as expected by a fit on the others."""
    order = np.random.default_rng(0).permutation(len(prompts))[:TRIED]
    folds = np.arange(len(order)) % 3
    expected, expected_costs = np.zeros((2, len(order), len(names)))
    for fold in range(3):
        train, test = order[folds != fold], np.flatnonzero(folds == fold)
        adequacy = fit_adequacy([prompts[i] for i in train], scores[train], names)
        texts = [prompts[i] for i in order[test]]
        amounts = fit_amounts(adequacy.lens(measured([prompts[i] for i in train])), costs[train])
        expected[test] = adequacy.probabilities(texts, names)
        expected_costs[test] = amounts(adequacy.lens(measured(texts)))
    return Trial(expected, expected_costs, scores[order], costs[order])
