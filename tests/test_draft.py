"""The draft: edits are applied, checked and recorded; what is forbidden raises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tokenthrift import wire
from tokenthrift.compress import split
from tokenthrift.draft import Draft, Edit, Window
from tokenthrift.errors import EditError
from tokenthrift.tokens import counter_for
from tokenthrift.types import RESULT

LONG = "one two three four five six seven eight nine ten"
BODY = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "content": LONG},
        {"role": "user", "content": LONG},
        {
            "role": "assistant",
            "content": LONG,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": LONG},
        {"role": "user", "content": LONG},
    ],
}


def draft(first_turn: int = 0, protected: tuple[str, ...] = ("m0",)) -> Draft:
    """A draft of five messages in two turns."""
    request = wire.read(BODY)
    count = counter_for("gpt-4o")
    parts = split(request, count)
    segments = tuple(
        replace(s, protected="by hand" if s.id in protected else "") for s in parts.segments
    )
    return Draft(request, segments, parts.frames, Window(first_turn, 1), count, parts.base_tokens)


def texts(made: Draft) -> list[str]:
    """The texts of the segments, in order."""
    return [s.text for s in made.segments]


def test_an_edit_changes_one_segment_and_is_recorded() -> None:
    """The step holds the edit and the figures before and after it."""
    before = draft()
    after = before.edit("cut", [Edit("m3", "replace", "one", "short", level=2)])
    assert texts(after) == [LONG, LONG, LONG, "one", LONG]
    (step,) = after.trace
    assert (step.stage, step.window) == ("cut", (0, 1))
    assert (step.tokens_before, step.tokens_after) == (before.tokens, after.tokens)
    assert [e.target for e in step.edits] == ["m3"]
    assert after.segments[3].level == 2
    assert after.segments[3].original == LONG
    assert texts(before) == [LONG] * 5


def test_an_edit_that_does_not_shrink_is_noted_and_left_out() -> None:
    """A longer or equally long text is refused; the reason is a note."""
    before = draft()
    after = before.edit(
        "grow", [Edit("m3", "replace", LONG + " more", "x"), Edit("m1", "replace", LONG, "y")]
    )
    assert texts(after) == texts(before)
    assert after.trace[0].edits == ()
    assert sorted(n[0] for n in after.trace[0].notes) == ["m1", "m3"]


@pytest.mark.parametrize(
    ("edits", "word"),
    [
        ([Edit("m9", "replace", "", "x")], "no segment"),
        ([Edit("m0", "replace", "", "x")], "by hand"),
        ([Edit("m3", "replace", "a", "x"), Edit("m3", "replace", "b", "x")], "two edits"),
        ([Edit("m9", "remove", "", "x")], "no message"),
        ([Edit("m0", "remove", "", "x")], "may not be removed"),
        ([Edit("m2", "remove", "", "x")], "m3 must go"),
        ([Edit("m3", "remove", "", "x")], "m2 must go"),
    ],
)
def test_forbidden_edits_raise(edits: list[Edit], word: str) -> None:
    """Unknown, protected, repeated and tearing edits are errors that say what and why."""
    with pytest.raises(EditError, match=word) as caught:
        draft().edit("bad", edits)
    assert str(caught.value).startswith("bad: ")


def test_frozen_turns_may_not_be_edited() -> None:
    """Text of a turn before the window is frozen, as are its messages."""
    later = draft(first_turn=1)
    with pytest.raises(EditError, match="frozen"):
        later.edit("late", [Edit("m1", "replace", "", "x")])
    with pytest.raises(EditError, match="may not be removed"):
        later.edit("late", [Edit("m1", "remove", "", "x")])


def test_a_result_that_a_user_message_brings_may_lose_nothing() -> None:
    """Only an edit that loses nothing may change it, and only in its own turn."""
    made = draft()
    result = replace(made.segments[4], protected=RESULT)
    made = replace(made, segments=(*made.segments[:4], result))
    assert not made.is_open(result)
    assert made.may_point(result)
    assert texts(made.edit("point", [Edit("m4", "replace", "[m0]", "same")]))[4] == "[m0]"
    lossy = [Edit("m4", "replace", "one", "x", level=2), Edit("m4", "mark", LONG + "!", "x", 2)]
    lossy.append(Edit("m4", "replace", "one", "as text", recall_id="00000000"))
    for edit in lossy:
        with pytest.raises(EditError, match="result of a command"):
            made.edit("cut", [edit])
    later = replace(made, window=replace(made.window, first_turn=2))
    with pytest.raises(EditError, match="may not change"):
        later.edit("point", [Edit("m4", "replace", "[m0]", "same")])


def test_a_message_with_protected_text_may_not_be_removed() -> None:
    """Removing a message is editing all of its text."""
    with pytest.raises(EditError, match="protected"):
        draft(protected=("m4",)).edit("bad", [Edit("m4", "remove", "", "x")])


def test_a_call_and_its_results_go_together() -> None:
    """Removing a whole group empties its text and leaves the frames uncounted."""
    before = draft()
    after = before.edit("drop", [Edit("m2", "remove", "", "x"), Edit("m3", "remove", "", "x")])
    assert after.removed == {2, 3}
    assert texts(after) == [LONG, LONG, "", "", LONG]
    gone = sum(f.tokens for f in before.frames if f.message in (2, 3))
    gone += sum(s.tokens for s in before.segments if s.message in (2, 3))
    assert before.tokens - after.tokens == gone


@pytest.mark.parametrize(
    "second", [Edit("m1", "replace", "one", "y"), Edit("m1", "remove", "", "y")]
)
def test_a_removed_message_may_not_be_named_twice(second: Edit) -> None:
    """Removing a message twice, or replacing its text too, is refused as one thing edited twice."""
    with pytest.raises(EditError):
        draft().edit("both", [Edit("m1", "remove", "", "x"), second])


def test_open_segments_leave_out_what_is_small() -> None:
    """The floor and protection hide segments from the stages."""
    assert [s.id for s in draft().open_segments()] == ["m1", "m2", "m3", "m4"]
    assert replace(draft(), floor_tokens=1_000).open_segments() == []


def test_a_failed_stage_is_recorded() -> None:
    """The step names the error; figures and text stay."""
    before = draft()
    after = before.failed("bad", ValueError("what went wrong"))
    assert after.segments == before.segments
    (step,) = after.trace
    assert step.error == "ValueError: what went wrong"
    assert step.tokens_before == step.tokens_after == before.tokens
