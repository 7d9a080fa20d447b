"""Needles in many languages: a quarter of the text still holds the sentence that answers."""

from __future__ import annotations

from typing import Any

import pytest

from needles import SETS, Case
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy
from tokenthrift.tokens import counter_for

MODEL = "gpt-4o"
KEPT_SHARE = 0.95  # of sets with at least 30 needles
SMALL_SET_SHARE = 0.90  # ten needles are too few for a finer bar
ORDERS = (0, 1_000, 2_000)  # seeds: what stands next to a needle matters


def kept(case: Case) -> str:
    """What is sent of the text under a budget of a quarter."""
    messages = [
        {"role": "user", "content": case.text},
        {"role": "user", "content": case.question},
    ]
    tokens = sum(map(counter_for(MODEL), (case.text, case.question)))
    settings: dict[str, Any] = {
        "name": "needles",
        "scope": "request",
        "stages": [{"stage": "select"}],
        "budget": {"hard_tokens": tokens // 4, "on_over_budget": "trim"},
    }
    planned = plan({"model": MODEL, "messages": messages}, Policy.model_validate(settings))
    assert planned.tokens_after <= tokens // 4
    return "\n".join(str(m["content"]) for m in planned.body["messages"])


@pytest.mark.parametrize("language", SETS)
def test_needles_are_kept(language: str) -> None:
    """Of the sentences that answer a question, nearly all stay word for word."""
    cases = [case for seed in ORDERS for case in SETS[language].cases(language, seed)]
    lost = [case.question for case in cases if case.needle not in kept(case)]
    share = KEPT_SHARE if len(cases) >= 30 * len(ORDERS) else SMALL_SET_SHARE
    assert len(lost) <= round((1 - share) * len(cases), 6), lost


@pytest.mark.parametrize("language", SETS)
def test_needles_stand_once_in_long_texts(language: str) -> None:
    """A text is of several thousand characters, with its needle in it once."""
    for case in SETS[language].cases(language):
        assert len(case.text) >= 2_000
        assert case.text.count(case.needle) == 1
