"""Stretches: laid end to end they are the original and what is sent, whatever stages did."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import chat_bodies, examples
from tokenthrift.draft import Edit, Resources, Step, UnitNote
from tokenthrift.errors import RequestError
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.report.explain import current_steps
from tokenthrift.report.matching import matching_pieces, pieces_of
from tokenthrift.report.stretches import Stretch, stretches_of
from tokenthrift.types import Segment

STAGES = [
    {"stage": "json"},
    {"stage": "html"},
    {"stage": "dedupe", "min_tokens": 16},
    {"stage": "select", "keep": 0.4, "min_tokens": 20, "roles": ["user", "tool", "assistant"]},
]
CUTTING: dict[str, Any] = {"version": 1, "floor_tokens": 0, "stages": STAGES}
COMPACTING = {**CUTTING, "compaction": {"at_tokens": 1_000}}
TRIMMING = {**CUTTING, "budget": {"hard_tokens": 150, "on_over_budget": "trim"}}
ONE_OFF = {**CUTTING, "scope": "request"}
ROWS = json.dumps([{"id": n, "name": f"row {n}"} for n in range(30)])
LOG = "\n".join(f"12:{i:04d} worker {i} stored item {i * 7}" for i in range(200))


def stretches(body: Any, policy: Any, *, explained: bool = True) -> tuple[Any, dict[str, Any]]:
    """A plan, and the stretches of its segments."""
    rules = load_policy(policy)
    made = plan(body, rules, resources=replace(rules.resources, explain=explained))
    return made, stretches_of(made.draft.segments, current_steps(made.trace))


def one_segment(text: str, sent: str) -> Segment:
    """A segment that was changed."""
    return Segment("m0", 0, 0, (0, len(text)), "prose", "tool", 0, sent, text, 0)


def after_edits(text: str, *edits: Edit) -> tuple[Stretch, ...]:
    """The stretches of one text after edits of stages named a, b and so on."""
    steps = [Step("abcdef"[n], (0, 0), 0, 0, (edit,)) for n, edit in enumerate(edits)]
    return stretches_of([one_segment(text, edits[-1].text)], steps)["m0"]


def fates(found: tuple[Stretch, ...]) -> list[tuple[str, str]]:
    """Each stretch with a letter: kept, dropped, written, or (neither) passing."""
    letters = {(True, True): "k", (True, False): "d", (False, True): "w", (False, False): "p"}
    return [(letters[s.given, s.sent], s.text) for s in found]


# --------------------------------------------------------------------------------------- invariants
@pytest.mark.parametrize("policy", [CUTTING, COMPACTING, TRIMMING, ONE_OFF, "balanced"])
@examples(60)
@given(body=chat_bodies(), explained=st.booleans())
def test_given_stretches_are_the_original_and_sent_ones_what_is_sent(policy, body, explained):
    """For random plans of all stages, with and without notes of units."""
    try:
        made, found = stretches(body, policy, explained=explained)
    except RequestError:
        return
    assert list(found) == [s.id for s in made.draft.segments]
    for segment in made.draft.segments:
        own = found[segment.id]
        assert "".join(s.text for s in own if s.given) == segment.original
        assert "".join(s.text for s in own if s.sent) == segment.text
        assert all(s.text for s in own)
        changed = segment.text != segment.original
        assert any(s.given != s.sent for s in own) or not changed


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "e f. g. "]), max_size=12)


@examples(300)
@given(before=LINES, after=LINES)
def test_matching_runs_are_equal_and_in_order(before, after):
    """Runs of two lists never cross, never overlap, and hold the same in both."""
    a = b = 0
    for run in matching_pieces(before, after):
        assert run.length > 0
        assert run.before >= a
        assert run.after >= b
        a, b = run.before + run.length, run.after + run.length
        assert before[run.before : a] == after[run.after : b]
    assert a <= len(before)
    assert b <= len(after)


@examples(200)
@given(lines=st.lists(st.integers(0, 500).map("line {}\n".format), unique=True), data=st.data())
def test_what_was_only_cut_is_matched_whole(lines, data):
    """Of distinct lines every one that is kept is found, with marks between them."""
    kept = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    after = [line if keep else "[-1]\n" for line, keep in zip(lines, kept, strict=True)]
    assert sum(run.length for run in matching_pieces(lines, after)) >= sum(kept)


@examples(200)
@given(text=st.text(st.sampled_from("ab.! \n。\r\u2028é"), max_size=600))
def test_pieces_add_up(text):
    """Pieces cover a text without gaps."""
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert all(pieces)


def test_matching_takes_linear_time():
    """Texts of 200,000 like lines are laid beside each other at once."""
    before = ["same\n", "other\n"] * 100_000
    runs = matching_pieces(before, [*before[:50_001], "[-9]\n", *before[60_000:]])
    assert sum(run.length for run in runs) >= 190_001


# ----------------------------------------------------------------------------------------- examples
def test_units_carry_their_worth_and_reasons():
    """What was weighed says what it was worth, kept or not; marks say who wrote them."""
    notes = (
        UnitNote(0, 4, True, 1.5, ("has one",)),
        UnitNote(4, 8, False, 0.1, ()),
        UnitNote(8, 14, False, 0.2, ("far",)),
        UnitNote(14, 18, True, 1.0, ()),
    )
    edit = Edit("m0", "replace", "one\n[-2]\nfour", "kept 2 of 4", 2, 2, 4, units=notes)
    found = after_edits("one\ntwo\nthree\nfour", edit)
    assert fates(found) == [
        ("k", "one\n"),
        ("d", "two\n"),
        ("d", "three\n"),
        ("w", "[-2]\n"),
        ("k", "four"),
    ]
    assert [s.value for s in found] == [1.5, 0.1, 0.2, None, 1.0]
    assert [s.why for s in found] == [("has one",), (), ("far",), ("kept 2 of 4",), ()]
    assert not any(s.shorter for s in found)


def test_a_rewritten_text_that_is_cut_shows_all_three():
    """The original, what one stage wrote of it, and what the next one took out of that."""
    given_text = json.dumps([{"id": 1}, {"id": 2}], indent=2)
    notes = (UnitNote(0, 3, True, 1, ()), UnitNote(3, 5, False, 0, ()), UnitNote(5, 7, True, 1, ()))
    found = after_edits(
        given_text,
        Edit("m0", "replace", "id\n1\n2\n", "json as a table"),
        Edit("m0", "replace", "id\n[-1]\n2\n", "kept 2 of 3", 2, 1, 3, units=notes),
    )
    assert fates(found) == [
        ("d", given_text),
        ("w", "id\n"),
        ("p", "1\n"),
        ("w", "[-1]\n"),
        ("w", "2\n"),
    ]
    assert (found[0].shorter, found[2].shorter) == (True, False)
    assert [s.stage for s in found] == ["a", "b", "b", "b", "b"]


def test_pointers_and_marks_stand_where_text_went():
    """A run of lines that is said elsewhere, and marks around a text that is otherwise kept."""
    lines = [f"line number {n}\n" for n in range(9)]
    pointed = "".join([*lines[:3], "[same as m1 lines 4-7]\n", *lines[6:]])
    found = after_edits("".join(lines), Edit("m0", "replace", pointed, "3 lines stand in m1"))
    assert [f for f, _ in fates(found)] == ["k", "d", "w", "k"]
    assert found[1].text == "".join(lines[3:6])
    assert found[1].shorter
    marked = after_edits("text", Edit("m0", "mark", "[-1 messages]\ntext\n[-n]", "marks", 0))
    assert fates(marked) == [("w", "[-1 messages]\n"), ("k", "text"), ("w", "\n[-n]")]


def test_units_that_do_not_fit_their_text_are_not_believed():
    """Notes with gaps, or with text that is not there, give way to a comparison of lines."""
    lines = "one line\ntwo line\nthree line\n"
    edit = Edit("m0", "replace", "one line\nthree line\n", "cut", 2)
    for notes in (
        (UnitNote(0, 9, True, 1, ()),),
        (UnitNote(0, 9, False, 1, ()), UnitNote(9, 29, True, 1, ())),
    ):
        found = after_edits(lines, replace(edit, units=notes))
        assert fates(found) == [("k", "one line\n"), ("d", "two line\n"), ("k", "three line\n")]


def test_messages_that_go_show_the_units_of_each_text():
    """A message of two texts that is removed: each text has its own units, and none is sent."""
    body = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": f"Some rows:\n\n```json\n{ROWS}\n```\nAnd some words."},
            {"role": "assistant", "content": "Fine."},
            {"role": "user", "content": "Who stored the moon?\n" + LOG.replace("item", "moon")},
        ],
    }
    policy = {**ONE_OFF, "budget": {"hard_tokens": 60, "on_over_budget": "trim"}}
    made, found = stretches(body, policy)
    gone = [s for s in made.draft.segments if s.message in made.draft.removed]
    assert len([s for s in gone if s.message == 0]) > 1
    for segment in gone:
        assert not any(s.sent for s in found[segment.id])
        assert all(s.value is not None for s in found[segment.id] if s.given and not s.shorter)


def test_a_compaction_begins_with_the_original_again():
    """Once the past was decided again, what was done to it before is no part of the story."""
    messages: list[dict[str, Any]] = []
    for turn in range(3):
        log = LOG.replace("worker", f"worker of turn {turn}")
        messages.append({"role": "user", "content": f"Which worker stored item {turn * 7}?\n{log}"})
        messages.append({"role": "assistant", "content": f"It was worker {turn}."})
    made, found = stretches({"model": "gpt-4o", "messages": messages[:-1]}, COMPACTING)
    assert made.epoch > 0
    for segment in made.draft.segments:
        own = found[segment.id]
        assert "".join(s.text for s in own if s.given) == segment.original
        assert "".join(s.text for s in own if s.sent) == segment.text


def test_notes_change_no_plan():
    """A plan that explains itself sends what the plain one sends."""
    body = {"model": "gpt-4o", "messages": [{"role": "tool", "tool_call_id": "1", "content": LOG}]}
    plain = plan(body, CUTTING)
    assert plan(body, CUTTING, resources=Resources(explain=True)).body == plain.body
