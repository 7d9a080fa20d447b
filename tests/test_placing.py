"""A new model finds its place from anchors, or from what somebody states of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from outcome_logs import LARGE, SMALL, outcomes, write_log
from tokenthrift.catalog import load_catalog
from tokenthrift.catalog.adding import with_card
from tokenthrift.cli import main
from tokenthrift.errors import CatalogError, OutcomeError
from tokenthrift.route.fitting import fit
from tokenthrift.route.outcomes import Outcomes, Scored
from tokenthrift.route.placing import by_anchors, by_score

CATALOG = load_catalog()


def table(count: int, seed: int) -> Outcomes:
    """Outcomes of a small and a large model."""
    return Outcomes.of(Scored(**row) for row in outcomes(count, seed=seed))


@pytest.fixture(scope="module")
def known() -> Any:
    """Abilities of both models."""
    found = table(500, 1)
    return fit(found.prompts, found.scores, found.models)


def test_anchors_give_a_model_the_ability_it_shows(known):
    """A model that answers like the small one is foretold like it, easy and hard apart."""
    anchors, fresh = table(150, 2), table(200, 3)
    placed = by_anchors(known, "new", anchors.prompts, anchors.scores[:, 0])
    assert placed.anchors == 150
    assert placed.foretold.low < placed.observed < placed.foretold.high
    p = placed.adequacy.probabilities(fresh.prompts, ["new", SMALL, LARGE])
    hard = np.array([len(t) > 60 for t in fresh.prompts])
    assert p[~hard, 0].mean() > 0.85
    assert p[hard, 0].mean() < 0.6
    assert abs(p[:, 0] - p[:, 1]).mean() < 0.1
    assert (known.probabilities(fresh.prompts, [SMALL, LARGE]) == p[:, 1:]).all()


def test_more_anchors_make_narrower_intervals(known):
    """200 say more than 50; a stated score says least."""
    widths = []
    for count in (200, 50):
        anchors = table(count, 4)
        found = by_anchors(known, "new", anchors.prompts, anchors.scores[:, 1]).foretold
        widths.append(found.high - found.low)
    stated = by_score(known, "new", 0.8, LARGE).foretold
    widths.append(stated.high - stated.low)
    assert widths == sorted(widths)


def test_too_few_anchors_are_refused_unless_forced(known):
    """The error says how many are needed and why."""
    anchors = table(49, 5)
    with pytest.raises(OutcomeError, match="49 anchor results of new; 50 to 200 place a"):
        by_anchors(known, "new", anchors.prompts, anchors.scores[:, 0])
    assert by_anchors(known, "new", anchors.prompts, anchors.scores[:, 0], force=True).anchors == 49


@pytest.mark.parametrize("score", [0.05, 0.5, 0.9])
def test_a_stated_score_is_what_is_foretold(known, score):
    """The mean over typical requests is the score; the interval is wide."""
    placed = by_score(known, "new", score, SMALL)
    assert placed.foretold.value == pytest.approx(score, abs=0.01)
    assert placed.foretold.high - placed.foretold.low > 0.1
    assert placed.before is None


def test_what_is_stated_of_no_known_model_is_refused(known):
    """The error names those that are known."""
    with pytest.raises(OutcomeError, match="known are gpt-4o-mini, gpt-4o"):
        by_score(known, "new", 0.5, "gpt-9")
    with pytest.raises(OutcomeError, match="between 0 and 1"):
        by_score(known, "new", 71, LARGE)


# -------------------------------------------------------------------------------------------- cards
def test_a_card_is_added_and_all_else_stays(tmp_path):
    """Comments, order and indents of the file are as they were."""
    path = tmp_path / "cards.yaml"
    first = with_card(path, "mine", {"extends": "gpt-4o"}, CATALOG)
    path.write_text(f"# of our team\n{first}", encoding="utf-8")
    second = with_card(path, "mine: 2", {"extends": "mine"}, CATALOG)
    assert second.startswith(f"# of our team\n{first}")
    path.write_text(second, encoding="utf-8")
    assert load_catalog(path).require("mine: 2").prices == CATALOG.require("gpt-4o").prices
    with pytest.raises(CatalogError, match=r"models\.mine is there already"):
        with_card(path, "mine", {}, CATALOG)
    path.write_text("models: {a: {extends: gpt-4o}}\n", encoding="utf-8")
    with pytest.raises(CatalogError, match="add by hand"):
        with_card(path, "b", {"extends": "gpt-4o"}, CATALOG)


# ------------------------------------------------------------------------------------- command line
def test_the_command_places_a_model(tmp_path, capsys, known):
    """Abilities, card and figures; faults are one line."""
    start, cards = tmp_path / "start.npz", tmp_path / "cards.yaml"
    known.save(start)
    rows = [{k: r[k] for k in ("prompt", "score")} for r in outcomes(30)[::2]]
    few = write_log(tmp_path / "few.jsonl", rows)
    many = write_log(tmp_path / "many.jsonl", [r for r in outcomes(200) if r["model"] == SMALL])
    many.write_text(many.read_text().replace(SMALL, "our-tune"), encoding="utf-8")

    def run(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["models", "add", "our-tune", *map(str, arguments), "--from", str(start)])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, " ".join(err.replace("│", "").split())

    out = tmp_path / "out.npz"
    code, _, err = run("--anchors", few, "--out", out)
    assert code == 2
    assert "30 anchor results of our-tune" in err
    assert not out.exists()
    options = ("--anchors", many, "--out", out, "--cards", cards)
    code, _, err = run(*options)
    assert code == 2
    assert "--extends" in err
    code, text, err = run(*options, "--extends", SMALL)
    assert code == 0, err
    assert "200 anchor results" in text
    assert load_catalog(cards).require("our-tune").prices == CATALOG.require(SMALL).prices
    code, _, err = run(*options)
    assert code == 2
    assert "use --force" in err
    code, text, err = run(*options, "--force", "--json")
    assert json.loads(text)["anchors"] == 200
    code, text, err = run("--score", 0.7, "--like", LARGE, "--out", out, "--force")
    assert "a stated score" in text
    assert "no model card" in err
    code, _, err = run("--out", tmp_path / "other.npz")
    assert code == 2
    assert "give --anchors FILE, or --score and --like" in err
