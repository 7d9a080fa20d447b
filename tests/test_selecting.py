"""The selective stage: it meets its target, keeps heads and errors, and leaves the rest alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import GENERATORS, SEEDS, diff, examples, trace
from tokenthrift import wire
from tokenthrift.compress import Select, split
from tokenthrift.compress.segments import protect
from tokenthrift.draft import Draft, Resources, Step, Window
from tokenthrift.tokens import counter_for

QUESTION = "Why did the parser time out in src/app/main.py?"


def draft(*results: str, question: str = QUESTION, budget_tokens: int | None = None) -> Draft:
    """A question, and tool results that are open."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    for n, text in enumerate(results):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": text},
        ]
    request = wire.read({"model": "gpt-4o", "messages": messages})
    count = counter_for("gpt-4o")
    parts = split(request, count)
    last = parts.frames[-1].turn
    segments = protect(parts.segments, first_turn=0, last_turn=last, assistant=True)
    window = Window(0, last, question, budget_tokens)
    return Draft(request, segments, parts.frames, window, count, parts.base_tokens)


def selected(made: Draft, **settings: Any) -> Draft:
    """The draft after the stage."""
    return Select(**settings)(made, Resources())


def open_tokens(made: Draft) -> int:
    """Tokens of the open segments."""
    return sum(s.tokens for s in made.segments if not s.protected)


def the_step(made: Draft) -> Step:
    """The one step of the trace."""
    (step,) = made.trace
    return step


# Texts with a core that stays whatever the share is: their own tests tell of them.
WITHOUT_CORE = [make for make in GENERATORS if make not in (diff, trace)]


@examples(60)
@given(
    st.sampled_from(WITHOUT_CORE),
    SEEDS,
    st.integers(40, 160),
    st.sampled_from([0.2, 0.35, 0.5, 0.8]),
)
def test_the_share_is_kept(make: Any, seed: int, lines: int, keep: float) -> None:
    """What is left of the open text is the share with a hundredth more at most, marks included."""
    before = draft(make(random.Random(seed), lines))
    after = selected(before, keep=keep, min_tokens=0)
    assert open_tokens(after) <= max(keep * open_tokens(before) + max(8, before.tokens / 100), 20)
    if open_tokens(before) > 1_500:
        assert open_tokens(after) > 0.5 * keep * open_tokens(before)


@examples(40)
@given(st.sampled_from(GENERATORS), SEEDS, st.sampled_from([150, 300, 600]))
def test_a_budget_is_met_from_open_text(make: Any, seed: int, budget_tokens: int) -> None:
    """Under a budget the whole draft fits, whatever `keep` and `min_tokens` say."""
    texts = [make(random.Random(seed + n), 60) for n in range(3)]
    before = draft(*texts, budget_tokens=budget_tokens)
    after = selected(before, keep=1.0, min_tokens=100_000)
    assert after.tokens <= max(budget_tokens, before.tokens - open_tokens(before) + 60)


def test_what_is_asked_for_is_kept() -> None:
    """The line that answers the question survives a hard cut."""
    lines = [f"line {n} tells of something else entirely, such as the weather" for n in range(200)]
    lines[120] = "the parser ran into its time limit in src/app/main.py"
    after = selected(draft("\n".join(lines)), keep=0.1, min_tokens=0)
    assert lines[120] in after.segments[-1].text


def test_error_lines_are_kept() -> None:
    """A rare error in a log survives though the question does not name it."""
    lines = [f"2025-11-03 10:{n % 60:02}:00 INFO request {n} served" for n in range(300)]
    lines[140] = "2025-11-03 10:20:00 ERROR disk quota exceeded on volume 7"
    after = selected(draft("\n".join(lines), question="What happened?"), keep=0.1, min_tokens=0)
    assert lines[140] in after.segments[-1].text


def test_a_table_keeps_its_head() -> None:
    """Rows without their head could not be read."""
    rows = ["id,city,amount", *(f"{n},town {n % 7},{n * 3}" for n in range(300))]
    after = selected(draft("\n".join(rows)), keep=0.2, min_tokens=0)
    assert after.segments[-1].text.startswith("id,city,amount\n")


def test_small_segments_are_noted_and_left() -> None:
    """A segment under the least size stays whole, and the step says why."""
    before = draft("line of text\n" * 5)
    after = selected(before, min_tokens=800)
    assert after.segments == before.segments
    assert the_step(after).notes == (("m2", "select: under 800 tokens, left whole"),)


def test_other_roles_are_left() -> None:
    """Without a budget only text of the named roles is cut."""
    before = draft("some line of text here\n" * 100)
    assert selected(before, min_tokens=0, roles=("user",)).segments == before.segments


def test_keeping_all_changes_nothing() -> None:
    """A share of one is no selection."""
    before = draft("some line of text here\n" * 100)
    assert selected(before, keep=1.0, min_tokens=0).segments == before.segments


@pytest.mark.parametrize("keep", [0, -0.1, 1.1])
def test_shares_lie_between_none_and_all(keep: float) -> None:
    """Other shares are refused when the policy is read."""
    with pytest.raises(ValueError, match="keep"):
        Select(keep=keep)


@examples(30)
@given(st.sampled_from(GENERATORS), SEEDS)
def test_edits_count_what_they_dropped(make: Any, seed: int) -> None:
    """An edit's figures are units of its segment, and it names where the rest is kept."""
    step = the_step(selected(draft(make(random.Random(seed), 80)), keep=0.4, min_tokens=0))
    for edit in step.edits:
        assert 0 < edit.units_dropped <= edit.units_total
        assert len(edit.recall_id) == 8
        assert edit.level == 2
