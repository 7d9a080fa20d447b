"""Repeated runs of lines are found where they stand, and only if they pay."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift import wire
from tokenthrift.compress import Dedupe, split
from tokenthrift.compress.repeats import MIN_LINES, repeated_runs
from tokenthrift.draft import Draft, Resources, Window
from tokenthrift.tokens import counter_for

LINES = [f"this is line number {n} of a long file with some words" for n in range(12)]
BLOCK = "".join(f"{line}\n" for line in LINES)


def draft(*texts: str, first_turn: int = 0, floor_tokens: int = 0) -> Draft:
    """A draft of user messages, one turn each, all open from a turn on."""
    messages: list[dict[str, Any]] = []
    for text in texts:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]
    request = wire.read({"model": "gpt-4o", "messages": messages})
    count = counter_for("gpt-4o")
    parts = split(request, count)
    window = Window(first_turn, len(texts))
    return Draft(request, parts.segments, parts.frames, window, count, 0, floor_tokens)


def deduped(made: Draft, **settings: Any) -> list[str]:
    """The user texts after the stage."""
    after = Dedupe(**settings)(made, Resources())
    return [s.text for s in after.segments if s.role == "user"]


POINTER_TO_ALL = f'[same as m0: "{LINES[0].strip()[:24]}"]'


def test_a_whole_repeat_becomes_a_pointer() -> None:
    """The second copy names the first."""
    assert deduped(draft(BLOCK, BLOCK)) == [BLOCK, POINTER_TO_ALL]


def test_a_run_inside_other_text_becomes_a_pointer_to_lines() -> None:
    """What stands before and after the run stays; lines are counted from one."""
    first, second = f"one line before\n{BLOCK}", f"another\n{BLOCK}and after"
    assert deduped(draft(first, second)) == [
        first,
        f'another\n[same as m0 lines 2-13: "{LINES[0].strip()[:24]}"]\nand after',
    ]


def test_short_runs_stay() -> None:
    """Fewer lines than the least, or fewer tokens than asked for, are not worth a pointer."""
    short = "".join(f"{line}\n" for line in LINES[: MIN_LINES - 1])
    assert deduped(draft(BLOCK, f"x\n{short}y"), min_tokens=16)[1] == f"x\n{short}y"
    assert deduped(draft(BLOCK, f"x\n{BLOCK}"), min_tokens=1_000)[1] == f"x\n{BLOCK}"


def test_small_segments_stay() -> None:
    """Nothing under the floor is touched."""
    assert deduped(draft(BLOCK, BLOCK, floor_tokens=1_000)) == [BLOCK, BLOCK]


def test_frozen_text_stays_and_may_be_pointed_at() -> None:
    """Only open segments change; what was frozen is a source."""
    assert deduped(draft(BLOCK, BLOCK, BLOCK, first_turn=2)) == [BLOCK, BLOCK, POINTER_TO_ALL]


def test_pointers_never_look_ahead() -> None:
    """The first copy stays whatever comes later."""
    texts = [BLOCK, f"x\n{BLOCK}", BLOCK]
    for n in range(1, len(texts)):
        assert deduped(draft(*texts[: n + 1]))[:n] == deduped(draft(*texts[:n]))


@examples(100)
@given(st.lists(st.lists(st.integers(0, 5), max_size=14), min_size=2, max_size=4))
def test_runs_are_what_they_say(numbers: list[list[int]]) -> None:
    """Each run is in both texts, in a strictly earlier segment, and runs do not overlap."""
    texts = ["".join(f"{LINES[n]}\n" for n in row) or "x" for row in numbers]
    made = draft(*texts)
    segments = [s for s in made.segments if s.role == "user"]
    lines = {s.id: s.text.splitlines() for s in segments}
    order = list(lines)
    for segment, runs in repeated_runs(segments, {s.id for s in segments}, made, 16):
        end = 0
        for run in runs:
            assert run.lines >= MIN_LINES
            assert run.start >= end
            end = run.start + run.lines
            assert order.index(run.source) < order.index(segment.id)
            source = lines[run.source][run.first_line - 1 :][: run.lines]
            assert lines[segment.id][run.start : end] == source


def test_lines_are_counted_in_what_is_sent() -> None:
    """A pointer to text behind a pointer of the same turn counts the lines that are sent."""
    tail = "".join(f"a different line {n} that comes behind the block\n" for n in range(8))
    made = draft(BLOCK, f"first\n{BLOCK}{tail}", f"second\n{tail}")
    _, second, third = deduped(made, min_tokens=16)
    first, last = (int(n) for n in third.split("lines ")[1].split(":")[0].split("-"))
    assert "".join(second.splitlines(keepends=True)[first - 1 : last]) == tail
