"""Trees on the measures of requests, and how much they are listened to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tokenthrift.route.adequacy import Adequacy
from tokenthrift.route.features import measured
from tokenthrift.route.fitting import fit
from tokenthrift.route.forest import LEAST_LEAF, NO_CHILD, fit_forest
from tokenthrift.route.placing import by_score

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (
    "What is {n} plus {m}?",
    "Translate sentence number {n} of the letter into Polish.",
    "Prove that a_{n} = {n}a + \\frac{{{m}}}{{b}} converges in L^2.",
    "def f_{n}(x):\n    return [y * {m} for y in x]\nWhat does f_{n}([1, 2]) return?",
)
MODELS = ("a", "b", "c")
EACH = 30


def log() -> tuple[list[str], np.ndarray]:
    """Two models that fail at proofs, and one that fails at translations."""
    prompts = [k.format(n=n, m=3 * n + 1) for k in KINDS for n in range(EACH)]
    scores = np.ones((len(prompts), len(MODELS)))
    scores[2 * EACH : 3 * EACH, :2] = 0.0
    scores[EACH : 2 * EACH, 2] = 0.0
    return prompts, scores


def test_kinds_of_task_are_told_apart() -> None:
    """A few outcomes that are not known do not matter."""
    prompts, scores = log()
    scores[3, 2] = np.nan
    forest = fit_forest(measured(prompts), scores, np.full(scores.shape, 0.75))
    p = forest(measured([k.format(n=77, m=5) for k in KINDS]))
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[2, :2] < 0.3).all()
    assert p[2, 2] > 0.7
    assert p[1, 2] < 0.3
    assert (p[1, :2] > 0.7).all()
    assert forest.share > 0.9, "item response that knows nothing is not listened to"


def test_trees_that_know_nothing_are_hardly_listened_to() -> None:
    """Outcomes by lot, and item response that is right about their mean."""
    prompts, scores = log()
    scores = np.random.default_rng(0).integers(0, 2, scores.shape).astype(float)
    forest = fit_forest(measured(prompts), scores, np.full(scores.shape, 0.5))
    assert forest.share < 0.25


def test_leaves_hold_several_requests() -> None:
    """A tree has no more leaves than its requests fill, and every inner node has two children."""
    prompts, scores = log()
    scores = np.random.default_rng(1).random(scores.shape)
    forest = fit_forest(measured(prompts), scores, scores)
    ends = np.append(forest.roots, len(forest.lefts))
    for start, end in pairwise(ends):
        lefts = forest.lefts[start:end]
        inner = lefts[lefts != NO_CHILD]
        children = np.sort(np.concatenate([inner, inner + 1]))
        assert (children == np.arange(start + 1, end)).all()
        assert (lefts == NO_CHILD).sum() <= len(prompts) // LEAST_LEAF


def test_same_outcomes_give_the_same_trees() -> None:
    """Every array is equal, bit by bit."""
    prompts, scores = log()
    one, two = (fit_forest(measured(prompts), scores, scores / 2) for _ in range(2))
    assert (one.bounds == two.bounds).all()
    assert (one.lefts == two.lefts).all()
    assert (one.values == two.values).all()
    assert one.share == two.share


def test_written_and_read_trees_say_the_same(tmp_path: Path) -> None:
    """Chances are those of before, up to the rounding of the other arrays."""
    prompts, scores = log()
    held = fit(prompts, scores, MODELS)
    held.save(tmp_path / "held.npz")
    again = Adequacy.load(tmp_path / "held.npz")
    assert held.forest is not None
    assert again.forest is not None
    texts = measured([k.format(n=77, m=5) for k in KINDS])
    assert (held.forest(texts) == again.forest(texts)).all()
    assert again.forest.share == held.forest.share


def test_a_placed_model_takes_after_its_answers() -> None:
    """It is seen to fail where its anchors do; the others are seen as before."""
    prompts, scores = log()
    held = fit(prompts, scores, MODELS)
    assert held.forest is not None
    asked = measured([k.format(n=90, m=7) for k in KINDS])
    anchors = list(range(0, len(prompts), 2))
    texts = [prompts[n] for n in anchors]
    for like in (0, 2):
        new = held.place("new", texts, scores[anchors, like]).forest
        assert new is not None
        p, known = new(asked), held.forest(asked)
        assert (p[:, :-1] == known).all()
        assert np.abs(p[:, -1] - known[:, like]).max() < 0.25


def test_a_model_placed_by_a_stated_score_goes_by_item_response_alone() -> None:
    """Nothing is known of it that trees could tell."""
    prompts, scores = log()
    new = by_score(fit(prompts, scores, MODELS), "new", 0.6, "a").adequacy
    asked = [k.format(n=90, m=7) for k in KINDS]
    p, plain = (h.probabilities(asked, [*MODELS, "new"]) for h in (new, replace(new, forest=None)))
    assert (p[:, -1] == plain[:, -1]).all()
    assert new.forest is not None
    seen = new.forest(measured(asked))[:, :-1]
    mixed = plain[:, :-1] + new.forest.share * (seen - plain[:, :-1])
    assert p[:, :-1] == pytest.approx(mixed)
