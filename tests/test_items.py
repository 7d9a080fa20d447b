"""Abilities by item response."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenthrift.route.items import Items, fit_items, logistic

MODELS = 6


def recorded(seed: int, prompts: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Difficulties and outcomes of models that differ in level: the later, the abler."""
    rng = np.random.default_rng(seed)
    hard = rng.standard_normal((prompts, 2))
    levels = np.linspace(-1.5, 1.5, MODELS)
    p = logistic(1.2 * hard[:, :1] + 0.3 * hard[:, 1:] * np.array([[1, -1] * 3]) + levels)
    return hard, (rng.random((prompts, MODELS)) < p).astype(float)


@given(st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_abler_models_are_found_abler(seed: int) -> None:
    """Levels come out in the order they were drawn from, and ease is easy for every model."""
    hard, scores = recorded(seed)
    items = fit_items(hard, scores)
    assert (np.diff(items.abilities[:, -1]) > 0).all()
    assert (items.abilities[:, 0] > 0).all()


@given(st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_more_outcomes_narrow_the_interval(seed: int) -> None:
    """An ability known from many outcomes is known better than one known from few."""
    hard, scores = recorded(seed)
    items = fit_items(hard, scores)
    errors = []
    for n in (0, 20, 300):
        ability, covariance = items.place(hard[:n], scores[:n, 2])
        placed = Items(ability[None], covariance[None], items.prior, items.prior_precision)
        errors.append(float(placed.errors(np.zeros((1, 2)))[0, 0]))
    assert errors[0] > errors[1] > errors[2]


def test_one_more_right_answer_never_lowers_the_level() -> None:
    """A model that did better on the same request is not thought worse of there."""
    hard, scores = recorded(0)
    items = fit_items(hard, scores)
    before, _ = items.place(hard[:50], scores[:50, 0])
    wrong = int(np.flatnonzero(scores[:50, 0] == 0)[0])
    better = scores[:50, 0].copy()
    better[wrong] = 1.0
    after, _ = items.place(hard[:50], better)
    x = np.append(hard[wrong], 1.0)
    assert x @ after > x @ before


def test_what_was_not_recorded_does_not_count() -> None:
    """Rows without an outcome leave a model's ability as it is."""
    hard, scores = recorded(1)
    holes = scores.copy()
    holes[200:, 1] = np.nan
    part = fit_items(hard, holes)
    assert np.isfinite(part.abilities).all()
    assert part.errors(hard[:1])[0, 1] > fit_items(hard, scores).errors(hard[:1])[0, 1]
