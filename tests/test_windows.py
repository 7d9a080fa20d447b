"""Windows, epochs, memos, budgets: how stages are run over a conversation."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from hypothesis import given as given_by
from pydantic import BaseModel, ConfigDict

from strategies import conversations, examples
from tokenthrift import wire
from tokenthrift.compress import Budget, Compaction, Dedupe, Json, Memo, Rules, Select, compress
from tokenthrift.draft import Draft, Edit, Resources
from tokenthrift.errors import OverBudgetError
from tokenthrift.policy import load_policy
from tokenthrift.tokens import counter_for

NOTHING = Resources()
TEXT = "".join(f"line {n} of a result that tells of nothing in particular\n" for n in range(60))
STAGES = (Json(), Dedupe(min_tokens=16), Select(keep=0.3, min_tokens=40))


def body(turns: int, text: str = TEXT, **more: Any) -> dict[str, Any]:
    """A conversation with a tool result in each turn."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why does it fail?"},
    ]
    for n in range(turns):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": f"result {n}\n{text}"},
        ]
    return {"model": "gpt-4o", "messages": messages, **more}


def rules(*stages: Any, **more: Any) -> Rules:
    """Rules of these stages; the usual ones if none are given."""
    given = {"floor_tokens": 20, **more}
    return Rules(stages=stages or STAGES, digest=repr((stages, more)), **given)


def compressed(given: dict[str, Any], by: Rules, memo: Memo | None = None) -> Draft:
    """The draft of a body."""
    return compress(wire.read(given), by, counter_for(given["model"]), NOTHING, memo)


class Odd(BaseModel):
    """A stage that does what a test asks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Literal["odd"] = "odd"
    does: str
    level: int = 1

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    def __call__(self, draft: Draft, _resources: Resources, /) -> Draft:
        """Raise after an edit, edit what is protected, or note what is seen."""
        if self.does == "raise":
            for target in draft.open_segments()[-1:]:
                draft.edit("odd", [Edit(target.id, "replace", "", "about to fail")])
            raise ValueError("this stage is broken")
        if self.does == "system":
            return draft.edit("odd", [Edit("m0", "replace", "x", "not allowed")])
        seen = f"{draft.window.first_turn}-{draft.window.last_turn}: {len(draft.segments)}"
        return draft.edit("odd", [], [("", seen)])


class Always:
    """A stage that does not say what it can act on, and so is always run."""

    def __init__(self, stage: Any) -> None:
        self.stage, self.name, self.level = stage, stage.name, stage.level

    def __call__(self, draft: Draft, resources: Resources, /) -> Draft:
        """What the stage does."""
        done: Draft = self.stage(draft, resources)
        return done


@pytest.mark.parametrize("compaction", [Compaction(), Compaction(at_tokens=1_000)])
@examples(60)
@given_by(conversations())
def test_a_stage_is_left_out_only_where_it_does_nothing(
    compaction: Compaction, body: dict[str, Any]
) -> None:
    """What is sent, and the trace, are as if every stage ran in every window."""
    stages = (*load_policy("frugal").stages, *STAGES)
    more: dict[str, Any] = {"compaction": compaction}
    left_out = compressed(body, rules(*stages, **more))
    always = compressed(body, rules(*map(Always, stages), **more))
    assert left_out.segments == always.segments
    assert left_out.trace == always.trace
    assert left_out.tokens == always.tokens == left_out.base_tokens + left_out.sums.tokens


def test_each_turn_is_a_window_of_its_own() -> None:
    """A stage runs once a turn and sees nothing behind it."""
    draft = compressed(body(3), rules(Odd(does="note")))
    notes = [step.notes[0][1] for step in draft.trace]
    assert notes == ["0-0: 2", "1-1: 3", "2-2: 4", "3-3: 5"]


def test_a_one_off_request_is_one_window() -> None:
    """With scope request a stage runs once over everything."""
    draft = compressed(body(3), rules(Odd(does="note"), scope="request"))
    assert [step.notes[0][1] for step in draft.trace] == ["0-3: 5"]


def test_stages_that_lose_nothing_run_first() -> None:
    """The order of the policy holds within a level."""
    draft = compressed(body(0), rules(Select(), Odd(does="note"), Json()))
    assert [step.stage for step in draft.trace] == ["odd", "json", "select"]


@pytest.mark.parametrize("does", ["raise", "system"])
def test_a_stage_that_raises_is_recorded_and_skipped(does: str) -> None:
    """The others do what they would have done without it, and the trace names the error."""
    with_it = compressed(body(2), rules(Odd(does=does), *STAGES))
    without = compressed(body(2), rules(*STAGES))
    assert [s.text for s in with_it.segments] == [s.text for s in without.segments]
    failed = [step for step in with_it.trace if step.error]
    assert [step.stage for step in failed] == ["odd"] * len(failed)
    assert failed
    assert "this stage is broken" in failed[-1].error or "EditError" in failed[-1].error
    assert [s for s in with_it.trace if not s.error] == list(without.trace)


def test_a_stage_that_raises_raises_where_the_policy_says_so() -> None:
    """The error is the stage's own."""
    with pytest.raises(ValueError, match="this stage is broken"):
        compressed(body(1), rules(Odd(does="raise"), raise_stage_errors=True))


def test_a_compaction_makes_room_and_is_recorded() -> None:
    """Crossing the threshold opens the past once, and leaves the share that was asked for."""
    by = rules(
        *STAGES[:2],
        Select(keep=0.9, min_tokens=40),
        compaction=Compaction(at_tokens=1_000, to_share=0.5),
    )
    drafts = [compressed(body(n, TEXT.replace("line", f"row {n}")), by) for n in range(6)]
    epochs = [d.window.epoch for d in drafts]
    assert epochs == sorted(epochs)
    assert epochs[-1] > 0
    for draft in drafts:
        steps = [s for s in draft.trace if s.stage == "compact"]
        assert len(steps) == draft.window.epoch
        for step in steps:
            assert step.tokens_before > 1_000
            assert step.tokens_after <= 500
            assert f"{step.tokens_before} tokens crossed 1000" in step.notes[0][1]
        assert draft.tokens <= 1_000


def test_what_cannot_shrink_is_not_compacted_in_each_turn() -> None:
    """Above its threshold for good a request is compacted when it has grown by a tenth since."""
    by = rules(*STAGES[:2], compaction=Compaction(at_tokens=1_000, to_share=0.5))
    said = [f"note {n} of the talk" for n in range(300)]
    roles = ("user", "assistant")
    given = {
        "model": "gpt-4o",
        "messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(said)],
    }
    steps = [s for s in compressed(given, by).trace if s.stage == "compact"]
    assert len(steps) > 1
    pairs = itertools.pairwise(steps)
    assert all(after.tokens_before > 1.1 * before.tokens_after for before, after in pairs)


def test_without_a_threshold_nothing_is_compacted() -> None:
    """Epochs are the policy's to advance."""
    draft = compressed(body(8), rules())
    assert draft.window.epoch == 0
    assert all(step.stage != "compact" for step in draft.trace)


def test_over_budget_names_the_largest_protected_pieces() -> None:
    """Protected text that does not fit is listed with its sizes, largest first."""
    given = body(1)
    given["messages"][0]["content"] = TEXT
    given["messages"].append({"role": "user", "content": "word " * 300})
    with pytest.raises(OverBudgetError) as caught:
        compressed(given, rules(budget=Budget(hard_tokens=200)))
    error = caught.value
    assert [name for name, _ in error.largest[:2]] == ["m0", "m4"]
    assert error.budget_tokens == 200 < error.needed_tokens
    assert "on_over_budget: trim" in str(error)


def test_trimming_cuts_protected_text_to_fit() -> None:
    """Where the policy says trim the same request fits."""
    given = body(1)
    given["messages"][0]["content"] = TEXT
    given["messages"].append({"role": "user", "content": "word " * 300})
    budget = Budget(hard_tokens=200, on_over_budget="trim")
    assert compressed(given, rules(budget=budget)).tokens <= 200


def test_trimming_drops_calls_that_brought_nothing() -> None:
    """Calls with empty results leave too, though there is no text to weigh them by."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Run it."}]
    for n in range(6):
        function = {"name": "run", "arguments": '{"command": "make all and then some more"}'}
        call = {"id": f"c{n}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{n}", "content": ""})
    budget = Budget(hard_tokens=120, on_over_budget="trim")
    by = rules(Select(keep=1, min_tokens=0), budget=budget, scope="request")
    assert compressed({"model": "gpt-4o", "messages": messages}, by).tokens <= 120


# ------------------------------------------------------------------------------------------- memo
def same(first: Draft, second: Draft) -> bool:
    """Whether two drafts are alike in all that a plan shows."""
    return (first.segments, first.frames, first.trace, first.tokens, first.window) == (
        second.segments,
        second.frames,
        second.trace,
        second.tokens,
        second.window,
    )


def test_a_memo_is_used_and_changes_nothing() -> None:
    """The next turn is decided alone, on the frozen draft of those before it."""
    memo = Memo()
    seen = []
    for n in range(4):
        draft = compressed(body(n), rules(), memo)
        assert same(draft, compressed(body(n), rules()))
        seen.append(draft)
    again = compressed(body(3), rules(), memo)
    assert again.trace is seen[-1].trace


def test_a_memo_keeps_policies_models_and_tools_apart() -> None:
    """What a plan depends on is in the key."""
    memo = Memo()
    tools = [{"type": "function", "function": {"name": "run", "description": "d " * 50}}]
    variants: list[tuple[dict[str, Any], Rules]] = [
        (body(2), rules()),
        (body(2), rules(Json())),
        (body(2, model="claude-sonnet-4-5"), rules()),
        (body(2, tools=tools), rules()),
        (body(2), rules()),
    ]
    for given, by in variants:
        assert same(compressed(given, by, memo), compressed(given, by))


def test_a_memo_is_bounded_and_survives_threads() -> None:
    """Old entries go; plans from several threads are those of one."""
    memo = Memo(entries=2)
    expected = [compressed(body(n), rules()) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: compressed(body(n % 4), rules(), memo), range(16)))
    assert all(same(draft, expected[n % 4]) for n, draft in enumerate(made))
    assert len(memo._drafts) <= 2


def test_a_memo_takes_an_empty_conversation() -> None:
    """Without any message there is nothing to remember, and nothing to fail on."""
    given = {"model": "gpt-4o", "messages": []}
    assert same(compressed(given, rules(), Memo()), compressed(given, rules()))


def user(content: Any, **more: Any) -> dict[str, Any]:
    """A body of one user message and one more turn."""
    return {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": content, **more},
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": "y"},
        ],
    }


def test_a_memo_tells_parts_from_texts_that_look_like_them() -> None:
    """Text that holds the separators of the chain is not taken for several parts."""
    memo = Memo()
    compressed(user(["a", "b"]), rules(), memo)
    lookalike = user(["a\2text\0None\0None\0b"])
    assert same(compressed(lookalike, rules(), memo), compressed(lookalike, rules()))


def test_names_may_hold_half_a_surrogate_pair() -> None:
    """A body that JSON can hold is planned, whatever its characters."""
    given = user("hi", name="ann \ud800")
    assert same(compressed(given, rules(), Memo()), compressed(given, rules()))


def tool_call(arguments: dict[str, str]) -> dict[str, Any]:
    """A body with one answered call."""
    call = {"id": "c", "type": "function", "function": arguments}
    return {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ],
    }


def test_a_memo_tells_calls_apart() -> None:
    """Names and arguments of calls are in the key."""
    memo = Memo()
    for function in (
        {"name": "f", "arguments": "{}"},
        {"name": "g", "arguments": "{}"},
        {"name": "f", "arguments": '{"a": 1}'},
    ):
        given = tool_call(function)
        assert same(compressed(given, rules(), memo), compressed(given, rules()))
