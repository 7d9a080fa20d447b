"""Calibration routes where that is proven to pay, pins where it is not, and says why."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from outcome_logs import LARGE, SMALL, outcomes, write_log
from strategies import SEEDS, examples
from tokenthrift.cli import main
from tokenthrift.errors import OutcomeError
from tokenthrift.ledger import Feedback, open_ledger
from tokenthrift.policy import load_policy
from tokenthrift.report import calibration_json, calibration_page, policy_text
from tokenthrift.route.calibration import FLOORS, calibrate, picks_at, undominated
from tokenthrift.route.findings import Promise
from tokenthrift.route.outcomes import Outcomes, Scored

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class ByLength:
    """Abilities that depend on the length of a prompt alone, fitted by two means a model."""

    def __init__(self, models: Sequence[str], means: Any) -> None:
        self.models, self.means = tuple(models), means

    def probabilities(self, prompts: Sequence[str], models: Sequence[str]) -> Any:
        """(prompts, models) of P(adequate)."""
        columns = [self.models.index(m) for m in models]
        return np.array([self.means[int(len(p) > 60)][columns] for p in prompts])

    def save(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(self.means.tolist()))


def fit(prompts: Sequence[str], scores: Any, models: Sequence[str], *, seed: int) -> ByLength:
    """Mean scores of short and of long prompts."""
    del seed
    long = np.array([len(p) > 60 for p in prompts])
    parts = [scores[long == side] for side in (False, True)]
    return ByLength(models, np.array([np.nanmean(part, axis=0) for part in parts]))


def table(count: int = 1_500, **options: Any) -> Outcomes:
    """Outcomes of a small and a large model."""
    return Outcomes.of(Scored(**row) for row in outcomes(count, **options))


@pytest.fixture(scope="module")
def paying() -> Any:
    """A calibration that routes."""
    return calibrate(table(), Promise(worse=0.03), fit=fit)


# ----------------------------------------------------------------------------------- the procedure
def test_it_routes_where_that_pays(paying):
    """Easy prompts go to the small model, the certificate holds, and simple rules are beaten."""
    assert paying.routes
    assert paying.baseline == LARGE
    assert paying.candidates == (SMALL, LARGE)
    certificate = paying.certificate
    assert certificate.lost.low < 0.03
    assert certificate.routed.saving.low > 0.3
    assert dict(certificate.shares)[SMALL] == pytest.approx(0.5, abs=0.1)
    mix = certificate.rivals[2]
    assert mix.behind.low > 0
    assert mix.cost_usd.value == pytest.approx(certificate.routed.cost_usd.value, rel=1e-6)
    chosen = next(t for t in paying.tested if t.floor == paying.floor)
    assert chosen.p_value <= 0.05
    assert all(t.p_value <= 0.05 for t in paying.tested if t.floor >= paying.floor)


def test_it_pins_where_too_few_rows_prove_anything():
    """The refusal says how much is lost, on how many prompts, and how many it takes."""
    found = calibrate(table(200), Promise(worse=0.01), fit=fit)
    assert not found.routes
    assert found.floor is None
    assert "no floor is proven" in found.refusals[0]
    assert re.search(r"takes \d+ prompts at the very least", found.refusals[0])


def test_it_pins_where_nothing_is_saved():
    """A cheap model that is as dear, or nowhere good, leaves nothing to choose."""
    dear = Outcomes.of(Scored(**{**r, "cost_usd": 0.001}) for r in outcomes(600))
    found = calibrate(dear, Promise(worse=0.03), fit=fit)
    assert found.candidates == (LARGE,)
    assert "nothing to choose from" in found.refusals[0]
    useless = calibrate(table(1_500, small_hard=0.0, seed=3), Promise(worse=0.03), fit=fit)
    assert useless.routes  # where it is easy, it is as good
    rows = [{**r, "score": 0} if r["model"] == SMALL else r for r in outcomes(900)]
    found = calibrate(Outcomes.of(Scored(**r) for r in rows), Promise(worse=0.03), fit=fit)
    assert not found.routes
    assert "the saving is not above zero" in found.refusals[0]


def test_parts_know_nothing_of_each_other():
    """What happens on prompts to certify changes neither abilities, nor floor, nor tests."""
    outcomes_before = table()
    found = calibrate(outcomes_before, Promise(worse=0.03), fit=fit)
    from tokenthrift.route.splitting import Part, groups_of, parts_of

    parts = parts_of(outcomes_before.prompts, groups_of(outcomes_before.prompts))
    worse = outcomes_before.scores.copy()
    worse[parts == Part.CERTIFY] = 0.0
    spoiled = Outcomes(
        outcomes_before.prompts, outcomes_before.models, worse, outcomes_before.costs
    )
    again = calibrate(spoiled, Promise(worse=0.03), fit=fit)
    assert again.tested == found.tested
    assert again.floor == found.floor
    assert again.certificate.routed.score.value == 0


def test_the_same_log_gives_the_same_result(paying):
    """All of it, to the last digit; the order of rows does not matter for what is proven."""
    again = calibrate(table(), Promise(worse=0.03), fit=fit)
    assert calibration_json(again) == calibration_json(paying)


def test_models_that_answered_few_prompts_are_left_out():
    """They are named with how many they answered; named as baseline they are kept."""
    rows = [Scored(**r) for r in outcomes(600)]
    rows += [Scored(r.prompt, "rare", 1.0, 0.01) for r in rows[:100:2]]
    found = calibrate(Outcomes.of(rows), Promise(worse=0.05), fit=fit)
    assert found.left_out == (("rare", 50),)
    with pytest.raises(OutcomeError, match="calibration needs at least 60"):
        calibrate(Outcomes.of(rows), Promise(baseline="rare"), fit=fit)


@pytest.mark.parametrize(
    ("rows", "promise", "words"),
    [
        ([r for r in outcomes(200) if r["model"] == SMALL], Promise(), "at least two of them"),
        (outcomes(20), Promise(), "needs at least 60"),
        (outcomes(200), Promise(baseline="gpt-9"), "the log has gpt-4o-mini, gpt-4o"),
        (
            [{**r, "cost_usd": None} if r["model"] == LARGE else r for r in outcomes(200)],
            Promise(),
            "the costs of gpt-4o are not known",
        ),
    ],
)
def test_what_can_show_nothing_is_refused(rows, promise, words):
    """The error says what is missing and what to give."""
    with pytest.raises(OutcomeError) as caught:
        calibrate(Outcomes.of(Scored(**r) for r in rows), promise, fit=fit)
    assert words in str(caught.value)


def test_promises_are_shares():
    """Per cents where shares are wanted are told."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Promise(worse=2)
    with pytest.raises(ValueError, match=r"at least 0\.5"):
        Promise(confidence=95)


@examples(100)
@given(seed=SEEDS, models=st.integers(1, 6))
def test_picks_are_the_cheapest_adequate_else_the_ablest(seed, models):
    """Against a plain search; a higher floor never lowers P(adequate)."""
    rng = np.random.default_rng(seed)
    p = np.where(rng.random((12, models)) < 0.1, np.nan, rng.random((12, models)).round(1))
    before = np.full(12, -1.0)
    for floor in sorted(FLOORS):
        picks = picks_at(p, floor)
        known = np.nan_to_num(p, nan=-1.0)
        for row, pick in zip(known, picks, strict=True):
            adequate = [m for m in range(models) if row[m] >= floor]
            assert pick == (adequate[0] if adequate else int(np.argmax(row)))
        now = known[np.arange(12), picks]
        assert (now >= before - 1e-12).all()
        before = now


@examples(60)
@given(seed=SEEDS, models=st.integers(1, 8))
def test_candidates_are_those_that_no_cheaper_one_beats(seed, models):
    """Every model that is left out costs as much as the baseline or scores no more for more."""
    rng = np.random.default_rng(seed)
    scores, prices = rng.random(models).round(1), np.sort(rng.random(models).round(1))
    baseline = int(np.argmax(scores))
    kept = undominated(scores, prices, baseline).tolist()
    assert kept[-1] == baseline
    assert kept == sorted(kept)
    for model in set(range(models)) - set(kept):
        cheaper = [k for k in kept if k < model]
        assert prices[model] >= prices[baseline] or any(scores[k] >= scores[model] for k in cheaper)


# ------------------------------------------------------------------------------------ command line
@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; gives exit code, output and error output."""
    monkeypatch.setenv("COLUMNS", "80")

    def called(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


def test_the_command_writes_what_it_found(run, tmp_path):
    """A policy that loads, abilities beside it, a page, and the same figures as JSON."""
    log = write_log(tmp_path / "log.jsonl", outcomes(1_500))
    out, page = tmp_path / "mine.yaml", tmp_path / "mine.html"
    options = (log, "--worse", 5, "-o", out, "--html", page)
    code, text, err = run("calibrate", *options)
    assert code == 0, err
    assert text.startswith(("Route: ", "Do not route: "))
    assert "of the bill saved" in " ".join(text.split())
    policy = load_policy(out)
    assert policy.routing.baseline == LARGE
    assert [c.model for c in policy.routing.candidates] == [SMALL, LARGE]
    assert policy.routing.adequacy == "mine.npz"
    assert (tmp_path / "mine.npz").is_file()
    assert "<svg" in page.read_text(encoding="utf-8")
    code, _, err = run("calibrate", *options)
    assert code == 2
    assert "use --force" in " ".join(err.replace("│", "").split())
    code, text, _ = run("calibrate", *options, "--force", "--json")
    data = json.loads(text)
    assert data["floor"] == policy.routing.floor
    assert data["parts"]["choose"] > data["parts"]["certify"]


def test_a_refusal_pins_the_best_model(run, tmp_path):
    """The policy sends every call to it, and says why in a comment."""
    log = write_log(tmp_path / "log.jsonl", outcomes(150))
    out = tmp_path / "mine.yaml"
    code, text, _ = run("calibrate", log, "-o", out)
    assert code == 0
    assert text.startswith(f"Do not route: stay on {LARGE}")
    assert "no floor is proven" in " ".join(text.lower().split())
    written = out.read_text(encoding="utf-8")
    assert "# Do not route" in written
    routing = yaml.safe_load(written)["routing"]
    assert routing == {"baseline": LARGE, "pin": True, "candidates": [{"model": LARGE}]}
    assert not load_policy(out).routing.pinned
    assert not (tmp_path / "mine.npz").exists()


def test_faults_of_the_log_are_one_line(run, tmp_path):
    """File, line, what; nothing is written."""
    rows = outcomes(100)
    rows[3]["score"] = 5
    log = write_log(tmp_path / "log.jsonl", rows)
    code, _, err = run("calibrate", log, "-o", tmp_path / "mine.yaml")
    assert code == 2
    assert f"{log}:4: score is 5" in err
    assert not (tmp_path / "mine.yaml").exists()
    code, _, err = run("calibrate", tmp_path / "nothing.jsonl")
    assert code == 2
    assert "cannot be read" in err


# --------------------------------------------------------------------------------------------- page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_the_page_needs_nothing_and_fits(chromium, paying, tmp_path, scheme, width):
    """No request, no error, no sideways scroll, charts in the colours of the page."""
    file = tmp_path / "page.html"
    file.write_text(calibration_page(paying), encoding="utf-8")
    viewport = {"width": width, "height": 900}
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, offline=True)
    page = context.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg.chart").count() == 2
    ink = page.evaluate(
        "getComputedStyle(document.querySelector('svg.chart text')).fill !== 'rgb(0, 0, 0)'"
    )
    assert ink
    inside = page.evaluate(
        """() => [...document.querySelectorAll('svg.chart')].every((svg) => {
          const box = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].every((t) => {
            const own = t.getBoundingClientRect();
            return own.left >= box.left - 2 && own.right <= box.right + 2;
          });
        })"""
    )
    assert inside
    assert len(requests) == 1
    assert errors == []
    context.close()


def test_names_of_models_are_no_markup(tmp_path):
    """On the page, in its charts, and in the policy's comments."""
    evil = "<img src=x onerror=hacked=1>\n$x$ & \u202e{{ 7 * 7 }}\nversion: 2"
    rows = [{**r, "model": evil} if r["model"] == LARGE else r for r in outcomes(1_500)]
    found = calibrate(Outcomes.of(Scored(**r) for r in rows), Promise(worse=0.03), fit=fit)
    page = calibration_page(found)
    assert "<img" not in page
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in page
    policy = tmp_path / "mine.yaml"
    policy.write_text(policy_text(found, "mine.npz", "log.jsonl"), encoding="utf-8")
    assert load_policy(policy).routing.baseline == evil


# ------------------------------------------------------------------------------------------- ledger
def test_feedback_of_a_ledger_is_an_outcome(run, tmp_path):
    """Lines with a call_id take model, cost and score from the ledger."""
    from test_ledger_feedback import record

    ledger = tmp_path / "ledger.db"
    lines = []
    with open_ledger(ledger) as kept:
        for number, row in enumerate(outcomes(300)):
            made = record(f"call-{number}", row["model"], row["cost_usd"])
            kept.write(made)
            given = Feedback(
                call_id=made.record_id, created_at=made.created_at, outcome=row["score"]
            )
            kept.write_feedback(given)
            lines.append({"call_id": made.record_id, "prompt": row["prompt"]})
    log = write_log(tmp_path / "log.jsonl", lines)
    code, text, err = run("calibrate", log, "--ledger", ledger, "--json", "--worse", 10)
    assert code == 0, err
    data = json.loads(text)
    assert data["prompts"]["complete"] == 300
    assert data["baseline"] == LARGE
