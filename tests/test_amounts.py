"""What answers take, and shapes that it follows from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.route.amounts import fit_amounts
from tokenthrift.route.features import fit_lens, measured
from tokenthrift.route.shape import NAMES, shape_of
from tokenthrift.route.wording import plain
from tokenthrift.tokens import token_ids


def test_long_answers_are_foreseen() -> None:
    """Essays take more tokens than yes or no, of a wordy model more than of a terse one."""
    prompts = [f"Is {n} even?" for n in range(60)]
    prompts += [f"Write an essay about the history of town number {n}." for n in range(60)]
    texts = measured(prompts)
    lens = fit_lens(texts)
    tokens = np.repeat([[5.0, 20.0], [400.0, 900.0]], 60, axis=0)
    tokens[3, 1] = np.nan
    found = fit_amounts(lens(texts), tokens)
    p = found(lens(measured(["Is 971 even?", "Write an essay about the history of a river."])))
    assert (p[1] > 3 * p[0]).all()
    assert (p[:, 1] > p[:, 0]).all()
    assert np.isnan(found.without([0])(lens(texts))[:, -1]).all()


@given(st.text(max_size=300))
def test_shapes_are_bounded(text: str) -> None:
    """Every measure is a finite number, one for each name, whatever the text."""
    form = plain(text)
    found = shape_of(form, token_ids("o200k_base")(form))
    assert found.shape == (len(NAMES),)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 40
