"""The ladder behind one interface: scores, reasons, scorers of your own, what a rung lacks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import WORDS, examples, short_texts
from tokenthrift.compress.relevance import explain, score
from tokenthrift.draft import Resources
from tokenthrift.encoders.static import load_static
from tokenthrift.pipeline import plan
from tokenthrift.policy import Policy, load_policy
from tokenthrift.tokens import encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Scorer

TABLE = load_static(encoding("o200k_base").encode_ordinary)
RUNGS: list[Scorer] = [score, partial(score, rung="static", resources=Resources(table=TABLE))]
UNITS = [
    "The price of a token is in the catalog.\n",
    "Cats sleep.\n",
    "Prices change.\n",
    "Rain.\n",
]


@pytest.mark.parametrize("scorer", RUNGS, ids=["fast", "static"])
@examples(60)
@given(short_texts(), st.lists(short_texts(), max_size=6), st.data())
def test_every_rung_has_one_interface(
    scorer: Scorer, question: str, units: list[str], data: st.DataObject
) -> None:
    """One finite float32 for each unit, not negative, the same on every call."""
    steps = data.draw(st.lists(st.integers(0, 1), min_size=len(units), max_size=len(units)))
    groups = np.cumsum(steps, dtype=int).tolist()
    found = scorer(question, units, groups)
    assert found.shape == (len(units),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_array_equal(found, scorer(question, units, groups))


def test_reasons_add_up_and_name_words_as_they_were_asked() -> None:
    """Parts sum to the value up to one constant; matched words are those of the question."""
    reasons = explain("What are the prices of tokens?", UNITS, [0] * 4)
    values = score("What are the prices of tokens?", UNITS, [0] * 4)
    offsets = [r.value - sum(r.parts.values()) for r in reasons]
    np.testing.assert_allclose(offsets, offsets[0], atol=1e-4)
    np.testing.assert_allclose([r.value for r in reasons], values)
    assert set(reasons[0].matched) == {"prices", "tokens"}
    assert reasons[1].matched == ()
    assert reasons[0].says[0].startswith("has ")


def test_groups_must_fit() -> None:
    """Groups that fall, or are too few, are errors that say so."""
    with pytest.raises(ValueError, match="must not fall"):
        score("a", ["a", "b"], [1, 0])
    with pytest.raises(ValueError, match="needs a size and a group"):
        score("a", ["a", "b"], [0])


def request(lines: Sequence[str], question: str) -> dict[str, Any]:
    """A request with a long text and a question about it."""
    messages = [
        {"role": "user", "content": "".join(lines)},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": question},
    ]
    return {"model": "gpt-4o", "messages": messages}


LINES = [
    f"{WORDS[n % 25]} {WORDS[n % 7]} was seen on day {n} by nobody at all.\n" for n in range(60)
]


def policy(**select: Any) -> Policy:
    """A policy that cuts a request to a fifth."""
    stage = {"stage": "select", "keep": 0.2, "min_tokens": 50, **select}
    return load_policy({"scope": "request", "stages": [stage], "on_stage_error": "raise"})


def test_a_scorer_of_your_own_decides() -> None:
    """A callable in the plan's resources takes the place of the rung that the policy names."""
    asked: list[str] = []

    def longest_number(question: str, units: Sequence[str], _groups: Sequence[int]) -> Any:
        asked.append(question)
        return [float("day 41 " in text) for text in units]

    made = plan(request(LINES, "q?"), policy(), resources=Resources(scorer=longest_number))
    assert LINES[41] in made.body["messages"][0]["content"]
    assert asked == ["q?"]


@pytest.mark.parametrize("wrong", [[1.0], [float("nan")] * 60], ids=["too few", "not finite"])
def test_a_scorer_that_gives_something_else_is_named(wrong: list[float]) -> None:
    """The error says which scorer, and what it had to give."""

    def odd(_question: str, _units: Sequence[str], _groups: Sequence[int]) -> Any:
        return wrong

    with pytest.raises(ValueError, match=r"'odd' must give one finite number for each"):
        plan(request(LINES, "q?"), policy(), resources=Resources(scorer=odd))


@pytest.mark.parametrize(
    ("rung", "words"), [("static", "table of vectors"), ("encoder", "name an encoder")]
)
def test_what_a_rung_lacks_is_named(rung: str, words: str) -> None:
    """A rung without what it needs says so where errors are raised."""
    with pytest.raises(ValueError, match=words):
        plan(request(LINES, "q?"), policy(relevance=rung), resources=Resources())


def test_an_explained_plan_says_why_of_every_unit() -> None:
    """Each unit of a cut text has a fate and its reasons; without asking there are none."""
    body = request([*LINES, "ERROR: the harbour gate failed\n"], "What failed at the harbour?")
    plain = plan(body, policy())
    told = plan(body, policy(), resources=Resources(explain=True))
    assert told.body == plain.body
    assert not any(e.units for s in plain.trace for e in s.edits)
    (edit,) = [e for s in told.trace for e in s.edits]
    text = body["messages"][0]["content"]
    assert "".join(text[u.start : u.end] for u in edit.units) == text
    assert sum(not u.kept for u in edit.units) == edit.units_dropped
    last = edit.units[-1]
    assert last.kept
    assert any("harbour" in why for why in last.reasons)
