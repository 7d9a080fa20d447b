"""P(adequate) of requests and models, fitted on outcomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tokenthrift.catalog import ModelCard
from tokenthrift.route.adequacy import Adequacy, AdequacyError, shipped
from tokenthrift.route.effort import Effort
from tokenthrift.route.fitting import fit
from tokenthrift.route.forecast import Action
from tokenthrift.wire import read

MODELS = ("small", "large")


def log(count: int = 160) -> tuple[list[str], np.ndarray]:
    """Sums that both models do, and proofs that only the large one does."""
    sums = [f"What is {n} plus {3 * n + 1}?" for n in range(count // 2)]
    proofs = [
        f"Prove that the sequence a_{n} = {n}a + \\frac{{{n}}}{{b}} converges in the norm of L^2."
        for n in range(count // 2)
    ]
    scores = np.ones((count, 2))
    scores[count // 2 :, 0] = 0.0
    return sums + proofs, scores


@pytest.fixture(scope="module")
def fitted() -> Adequacy:
    """A fit on the small log."""
    prompts, scores = log()
    return fit(prompts, scores, MODELS)


def request(text: str) -> object:
    """A request of one message."""
    return read({"model": "large", "messages": [{"role": "user", "content": text}]})


def test_hard_requests_are_hard_for_the_small_model_only(fitted: Adequacy) -> None:
    """What separates the log separates requests that were not in it."""
    p = fitted.probabilities(
        ["What is 977 plus 12?", "Prove that b_3 = \\frac{2}{c} converges in L^2."], MODELS
    )
    assert p[0, 0] > 0.8
    assert p[1, 0] < 0.4
    assert (p[:, 1] > 0.8).all()


def test_forecasts_stand_in_their_intervals(fitted: Adequacy) -> None:
    """Order of the actions, bounds, and None for a model nobody saw."""
    actions = [Action(ModelCard(name=n)) for n in ("large", "unseen", "small")]
    large, unseen, small = fitted(request("What is 5 plus 6?"), actions)  # type: ignore[arg-type]
    assert unseen is None
    for found in (large, small):
        assert found is not None
        assert 0 <= found.low <= found.adequate <= found.high <= 1
        assert 0 <= found.novelty <= 1


def test_the_same_log_gives_the_same_fit(fitted: Adequacy, tmp_path: Path) -> None:
    """Fitting again gives the same bytes, and reading them back the same probabilities."""
    prompts, scores = log()
    fitted.save(tmp_path / "a.npz")
    fit(prompts, scores, MODELS).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = Adequacy.load(tmp_path / "a.npz")
    asked = ["What is 1 plus 2?", ""]
    difference = again.probabilities(asked, MODELS) - fitted.probabilities(asked, MODELS)
    assert np.abs(difference).max() < 5e-3


def test_a_new_model_is_placed_by_its_answers(fitted: Adequacy) -> None:
    """A model that fails the proofs comes out like the small one, with an interval."""
    prompts, scores = log()
    anchors = [*range(20), *range(100, 120)]
    placed = fitted.place("new", [prompts[i] for i in anchors], scores[anchors, 0])
    p = placed.probabilities(["What is 41 plus 2?", "Prove that a_9 converges in L^2."], ["new"])
    assert p[0, 0] > p[1, 0] + 0.3
    assert "new" not in fitted.models


@pytest.mark.parametrize("scores", [np.ones((160, 3)), np.full((160, 2), 2.0)])
def test_bad_scores_are_refused(scores: np.ndarray) -> None:
    """Shapes and ranges are checked before anything is fitted."""
    with pytest.raises(ValueError, match="scores"):
        fit(log()[0], scores, MODELS)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    """What cannot be read is said with its place."""
    with pytest.raises(AdequacyError, match="absent"):
        Adequacy.load(tmp_path / "absent.npz")
    (tmp_path / "odd.npz").write_bytes(b"no archive")
    with pytest.raises(AdequacyError, match="odd"):
        Adequacy.load(tmp_path / "odd.npz")


def test_what_ships_is_read_offline() -> None:
    """The shipped fit is there, knows models, and rates a hard request below an easy one."""
    held = shipped()
    asked = [
        "Which is bigger, 3.9 or 3.12?",
        "Find the sum of all positive integers $n$ with $f(n) = 2^n$ for a polynomial $f$.",
    ]
    p = held.probabilities(asked, held.models)
    assert len(held.models) > 50
    assert p[0].mean() > p[1].mean()


def test_hash_seeds_do_not_matter() -> None:
    """Probabilities are the same under another hash seed."""
    program = (
        "from tokenthrift.route.adequacy import shipped\n"
        "print(shipped().probabilities(['Who wrote Faust?'], shipped().models[:3]).tolist())"
    )
    outs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outs) == 1


def test_edits_that_change_nothing_change_nothing() -> None:
    """Case, blanks, look-alikes and pasting twice leave the probabilities as they are."""
    held = shipped()
    asked = 'Why\'s the "Sankey" flow-chart of 2019 wrong?'
    edits = [
        asked.upper(),
        asked.replace(" ", "  ") + " \n\n",
        asked.replace("'", "’").replace('"', "”").replace("-", "‐").replace(" ", "\u00a0"),
        f"{asked}\n\n{asked}",
    ]
    p = held.probabilities([asked, *edits], held.models)
    assert np.abs(p[1:] - p[0]).max() == 0.0


def test_strange_requests_are_novel_and_less_certain(fitted: Adequacy) -> None:
    """A text of another world has a wider interval than one like those fitted on."""
    actions = [Action(ModelCard(name="small"))]
    near, far = (
        fitted(request(t), actions)[0]  # type: ignore[arg-type]
        for t in ("What is 7 plus 22?", "Опиши повадки зимородка у горных рек.")
    )
    assert near is not None
    assert far is not None
    assert far.novelty > near.novelty
    assert far.high - far.low > near.high - near.low


def test_what_was_known_before_still_answers(fitted: Adequacy, tmp_path: Path) -> None:
    """A fit on a log keeps what it started from for models that the log does not have."""
    prompts, scores = log()
    own = fit(prompts, scores[:, :1], ["other"], start=fitted)
    asked = ["What is 4 plus 4?"]
    assert np.isfinite(own.probabilities(asked, ["other", "large"])).all()
    assert np.isnan(own.probabilities(asked, ["nobody"])).all()
    own.save(tmp_path / "own.npz")
    again = Adequacy.load(tmp_path / "own.npz")
    assert again.before is not None
    assert again.before.models == fitted.models
    before = fitted.probabilities(asked, ["large"])
    assert (own.probabilities(asked, ["large"]) == before).all()


def test_what_ships_foretells_tokens() -> None:
    """Effort adds hidden reasoning to the visible answer."""
    held = shipped()
    card = ModelCard(name="gpt-4o-mini-2024-07-18")
    plain, thinking = held(
        request("How many primes are below 100?"),  # type: ignore[arg-type]
        [Action(card), Action(card, effort=Effort.HIGH)],
    )
    assert plain is not None
    assert thinking is not None
    assert plain.output_tokens
    assert thinking.output_tokens
    assert thinking.output_tokens > plain.output_tokens
    assert thinking.reasoning_tokens == thinking.output_tokens - plain.output_tokens
