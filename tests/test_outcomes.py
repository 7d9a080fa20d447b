"""Outcomes are read as they are, or refused with what to do; parts know nothing of each other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcome_logs import LARGE, SMALL, outcomes
from strategies import examples
from tokenthrift.catalog import load_catalog
from tokenthrift.errors import OutcomeError
from tokenthrift.route.outcomes import Outcomes, read_outcomes
from tokenthrift.route.rivals import by_length, coin_at
from tokenthrift.route.splitting import Part, firsts_of, groups_of, parts_of

CATALOG = load_catalog()


def read(*rows, calls=None):
    """Rows as a file would hold them."""
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in rows]
    return read_outcomes([(f"log.jsonl:{n}", r) for n, r in enumerate(lines, 1)], CATALOG, calls)


GOOD = {"prompt": "What is 2 + 2?", "model": SMALL, "score": 1, "cost_usd": 0.001}


def test_rows_become_a_table():
    """Prompts and models in order of appearance; what was not recorded is nan; twice is a mean."""
    rows = read(
        GOOD,
        {**GOOD, "score": 0, "cost_usd": 0.003},
        {**GOOD, "model": LARGE, "score": True, "cost_usd": None},
        {**GOOD, "prompt": "Another?", "score": 0.25},
    )
    table = Outcomes.of(rows)
    assert table.prompts == ("What is 2 + 2?", "Another?")
    assert table.models == (SMALL, LARGE)
    assert table.scores[0].tolist() == [0.5, 1.0]
    assert table.costs[0, 0] == pytest.approx(0.002)
    assert np.isnan(table.costs[0, 1])
    assert np.isnan(table.scores[1, 1])
    assert table.complete.tolist() == [0]


def test_messages_stand_for_a_prompt_and_tokens_for_a_cost():
    """The latest user's text is the prompt; tokens are priced on the model's card, exactly."""
    messages = [
        {"role": "user", "content": "First."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [{"type": "text", "text": "Second."}]},
    ]
    row = {"messages": messages, "model": SMALL, "score": 1}
    tokens = {"input_tokens": 1_000_000, "output_tokens": 0}
    (found,) = read({**row, **tokens})
    assert found.prompt == "Second."
    assert found.cost_usd == pytest.approx(0.15)
    assert read({**row, "input_tokens": 10})[0].cost_usd is None
    assert read({**row, **tokens, "model": "somebody/unheard-of"})[0].cost_usd is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"{", "log.jsonl:1: not JSON"),
        (b"[1]", "an object with prompt, model and score"),
        ({**GOOD, "prompt": "  "}, "prompt is missing"),
        ({**GOOD, "prompt": None, "messages": []}, "prompt is missing"),
        ({**GOOD, "prompt": None, "messages": [{"role": "assistant", "content": "a"}]}, "no text"),
        ({**GOOD, "prompt": None, "messages": [1]}, "messages"),
        ({**GOOD, "model": 3}, "model is missing"),
        ({**GOOD, "score": None}, "score is missing; 0 is useless"),
        ({**GOOD, "score": 7}, "divide by the best grade"),
        ({**GOOD, "score": "good"}, "it must be a number from 0 to 1"),
        ({**GOOD, "cost_usd": -1}, "cost_usd is -1"),
        ({**GOOD, "cost_usd": "free"}, "a number from 0 on, or null"),
        (b'{"prompt": "a", "model": "m", "score": 1, "cost_usd": NaN}', "cost_usd is nan"),
        ({**GOOD, "cost_usd": None, "input_tokens": "9", "output_tokens": 1}, "input_tokens"),
    ],
)
def test_what_is_no_outcome_is_refused(row, words):
    """The error says where, what, and what to do."""
    with pytest.raises(OutcomeError) as caught:
        read(row)
    assert str(caught.value).startswith("log.jsonl:1: ")
    assert words in str(caught.value)


def test_no_rows_are_an_error():
    """An empty file is told what lines look like."""
    with pytest.raises(OutcomeError, match="give lines such as"):
        read()


def test_lines_take_from_the_ledger_what_they_do_not_say():
    """A call's model, score and cost; what the line says itself stands."""
    calls = {"c1": {"model": SMALL, "score": 1.0, "cost_usd": 0.5}}
    (found,) = read({"call_id": "c1", "prompt": "A?", "score": 0.5}, calls=calls)
    assert (found.model, found.score, found.cost_usd) == (SMALL, 0.5, 0.5)
    with pytest.raises(OutcomeError, match="knows no call 'c9'"):
        read({"call_id": "c9", "prompt": "A?"}, calls=calls)
    with pytest.raises(OutcomeError, match="record feedback"):
        read({"call_id": "c1", "prompt": "A?", "model": SMALL})


# -------------------------------------------------------------------------------------------- parts
SENTENCES = st.lists(st.sampled_from([f"word{n}" for n in range(30)]), min_size=1, max_size=30)


@examples(60)
@given(texts=st.lists(SENTENCES.map(" ".join), min_size=1, max_size=30), seed=st.integers(0, 5))
def test_copies_stay_together_whatever_is_beside(texts, seed):
    """Case, spaces and signs make no other prompt; a group has one part; so has it in any order."""
    doubled = [*texts, *(f"  {t.upper()}!! " for t in texts)]
    groups = groups_of(doubled)
    parts = parts_of(doubled, groups, seed=seed)
    assert (groups[: len(texts)] == groups[len(texts) :]).all()
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1
    order = np.random.default_rng(seed).permutation(len(doubled))
    shuffled = [doubled[n] for n in order]
    assert (parts_of(shuffled, groups_of(shuffled), seed=seed) == parts[order]).all()
    assert len(firsts_of(groups)) == len(set(groups.tolist()))


def test_near_copies_are_one_group_and_templates_are_not():
    """A few changed words make no new prompt; what dozens of prompts share is a template."""
    long = " ".join(f"word{n}" for n in range(60))
    edited = long.replace("word30", "other")
    groups = groups_of([long, edited, "short one", "short two"])
    assert groups.tolist() == [0, 0, 1, 2]
    template = "Answer the following question with one letter and nothing else please: {}"
    asked = [template.format(f"thing{n} or item{n * 7}?") for n in range(60)]
    assert len(set(groups_of(asked).tolist())) == 60
    cjk = "これは同じ質問ですが少しだけ違う言い方をしています"
    assert groups_of([cjk, cjk + "。", cjk.replace("少し", "ちょっと")]).tolist() == [0, 0, 0]


def test_parts_have_their_shares():
    """Two fifths, two fifths, one fifth; another seed gives another split."""
    prompts = list(dict.fromkeys(row["prompt"] for row in outcomes(2000)))
    groups = groups_of(prompts)
    parts = parts_of(prompts, groups)
    shares = [float((parts == part).mean()) for part in Part]
    assert shares == pytest.approx([0.4, 0.4, 0.2], abs=0.05)
    assert (parts_of(prompts, groups, seed=1) != parts).any()


# ------------------------------------------------------------------------------------------- rivals
@examples(80)
@given(
    singles=st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 10)), min_size=1, max_size=8),
    share=st.floats(0, 1),
)
def test_a_coin_spends_what_it_may_and_no_other_coin_is_better(singles, share):
    """Against every pair of models and every share on a grid that costs no more."""
    scores, prices = (np.array(c) for c in zip(*singles, strict=True))
    spend = float(prices.min() + share * (prices.max() - prices.min()))
    coin = coin_at(scores, prices, spend)

    def mixed(values, weak, strong, part):
        return (1 - part) * values[weak] + part * values[strong]

    best = mixed(scores, coin.weak, coin.strong, coin.share)
    assert mixed(prices, coin.weak, coin.strong, coin.share) <= spend * (1 + 1e-9)
    for weak in range(len(scores)):
        for strong in range(len(scores)):
            for part in np.linspace(0, 1, 11):
                if mixed(prices, weak, strong, part) <= spend:
                    assert mixed(scores, weak, strong, part) <= best + 1e-9


def test_the_longest_prompts_go_to_the_best_model_as_far_as_the_money_goes():
    """Costs stay within what may be spent; longer prompts come first."""
    prompts = ["a" * n for n in (5, 1, 9, 3)]
    scores, prices = np.array([0.8, 0.9]), np.array([1.0, 3.0])
    costs = np.tile(prices, (4, 1))
    assert by_length(prompts, scores, prices, costs, 1.0).tolist() == [0, 0, 0, 0]
    assert by_length(prompts, scores, prices, costs, 2.0).tolist() == [1, 0, 1, 0]
    assert by_length(prompts, scores, prices, costs, 3.0).tolist() == [1, 1, 1, 1]
    weak = np.array([0.1, 0.9])  # too weak to be a rival
    assert by_length(prompts, weak, prices, costs, 1.0).tolist() == [1, 1, 1, 1]
