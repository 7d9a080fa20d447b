"""What is read again is pointed at where it stands, only if that pays, and can be read back."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import code, examples, log
from tokenthrift import wire
from tokenthrift.compress import Dedupe, split
from tokenthrift.compress.pointers import decode
from tokenthrift.draft import Draft, Resources, Window
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.pipeline import Plan

LINES = [f"this is line number {n} of a long file with some words" for n in range(12)]
BLOCK = "".join(f"{line}\n" for line in LINES)
WORDS = "this is line number 0 of"


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
    """The user texts after the stage; each can be read back."""
    after = Dedupe(**settings)(made, Resources())
    sent = {s.id: s.text for s in after.segments}
    for before, segment in zip(made.segments, after.segments, strict=True):
        assert segment.text == before.text or decode(segment.text, sent) == before.text
    return [s.text for s in after.segments if s.role == "user"]


def test_a_whole_repeat_becomes_a_pointer() -> None:
    """The second copy names the first; the line break at its end stays."""
    assert deduped(draft(BLOCK, BLOCK)) == [BLOCK, f'[same as m0: "{WORDS}"]\n']
    assert deduped(draft(BLOCK[:-1], BLOCK[:-1]))[1] == f'[same as m0: "{WORDS}"]'


def test_a_run_inside_other_text_becomes_a_pointer_to_lines() -> None:
    """What stands before and after the run stays; lines are counted from one."""
    first, second = f"one line before\n{BLOCK}", f"another\n{BLOCK}and after"
    assert deduped(draft(first, second)) == [
        first,
        f'another\n[same as m0 lines 2-13: "{WORDS}"]\nand after',
    ]


def test_a_file_read_again_after_an_edit_is_a_diff() -> None:
    """Lines that are new stand between short pointers to the others."""
    edited = [*LINES[:3], "this line is new", *LINES[3:7], LINES[7].upper(), *LINES[8:]]
    assert deduped(draft(BLOCK, "\n".join(edited)))[1].split("\n") == [
        f'[same as m0 lines 1-3: "{WORDS}"]',
        "this line is new",
        "[m0 lines 4-7]",
        LINES[7].upper(),
        "[m0 lines 9-12]",
    ]


def numbered(lines: Sequence[str], first: int, form: str) -> str:
    """Lines with their numbers."""
    return "\n".join(form.format(n) + line for n, line in enumerate(lines, first))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (("{:6d}\t", 1), ("{:6d}\t", 15), "numbered from 15: "),
        (("", 0), ("{}:", 95), 'numbered from "95:": '),
        (("{:6d}→", 95), ("", 0), "without numbers: "),
        (("{}:", 1), ("{:>5} | ", 98), 'numbered from "   98 | ": '),
    ],
)
def test_lines_with_other_numbers_are_the_same_lines(
    before: tuple[str, int], after: tuple[str, int], says: str
) -> None:
    """A listing is pointed at whatever numbers its lines had and have."""
    first = numbered(LINES, before[1], before[0]) + "\n"
    second = "now\n" + numbered(LINES[2:], after[1], after[0]) + "\nend"
    out = deduped(draft(first, second))[1].split("\n")
    assert len(out) == 3
    assert out[1].startswith(f"[same as m0 lines 3-12 {says}")


@pytest.mark.parametrize("signs", ["> ", "    ", "\t"])
def test_a_quotation_is_the_same_lines(signs: str) -> None:
    """Also with empty lines in it, and the other way round."""
    text = "\n".join([*LINES[:5], "", *LINES[5:]])
    quoted = "\n".join((signs + line).rstrip() for line in text.split("\n"))
    assert f'lines 1-13 each behind "{signs}"' in deduped(draft(text, f"See:\n{quoted}"))[1]
    assert (
        f'lines 2-14 each without "{signs}"' in deduped(draft(f"See:\n{quoted}", f"x\n{text}"))[1]
    )


def test_what_shares_little_stays() -> None:
    """Fewer tokens than the least of a source, or of a run, are not worth a pointer."""
    assert deduped(draft(BLOCK, f"x\n{LINES[0]}\ny"))[1] == f"x\n{LINES[0]}\ny"
    assert deduped(draft(BLOCK, f"x\n{BLOCK}"), min_tokens=1_000)[1] == f"x\n{BLOCK}"
    apart = "\n".join(f"{line}\nsomething else {n}" for n, line in enumerate(LINES))
    assert deduped(draft(BLOCK, apart))[1] == apart


def test_small_segments_stay() -> None:
    """Nothing under the floor is touched."""
    assert deduped(draft(BLOCK, BLOCK, floor_tokens=1_000)) == [BLOCK, BLOCK]


def test_frozen_text_stays_and_may_be_pointed_at() -> None:
    """Only open segments change; what was frozen is a source."""
    out = deduped(draft(BLOCK, BLOCK, BLOCK, first_turn=2))
    assert out == [BLOCK, BLOCK, f'[same as m0: "{WORDS}"]\n']


def test_pointers_never_look_ahead() -> None:
    """The first copy stays whatever comes later."""
    texts = [BLOCK, f"x\n{BLOCK}", BLOCK]
    for n in range(1, len(texts)):
        assert deduped(draft(*texts[: n + 1]))[:n] == deduped(draft(*texts[:n]))


def test_text_that_reads_like_a_pointer_is_left_alone() -> None:
    """Nobody could tell what was put in from what was there."""
    odd = f"{BLOCK}[m0 lines 1-3]\n"
    assert deduped(draft(BLOCK, odd))[1] == odd
    assert deduped(draft(odd, odd))[1] == odd


def test_lines_are_counted_in_what_is_sent() -> None:
    """A pointer to text behind a pointer of the same turn counts the lines that are sent."""
    tail = "".join(f"a different line {n} that comes behind the block\n" for n in range(8))
    made = draft(BLOCK, f"first\n{BLOCK}{tail}", f"second\n{tail}")
    _, second, third = deduped(made, min_tokens=16)
    first, last = (int(n) for n in third.split("lines ")[1].split(":")[0].split("-"))
    assert "\n".join(second.split("\n")[first - 1 : last]) + "\n" == tail


# ---------------------------------------------------------------------------- whole conversations
@st.composite
def rereads(draw: st.DrawFn) -> list[str]:
    """What tools print who read three files and a log again and again while they change."""
    rng = random.Random(draw(st.integers(0, 4_095)))
    files = [code(rng, 40).split("\n") for _ in range(3)]
    entries = log(rng, 120).rstrip("\n").split("\n")
    out = []
    for _ in range(draw(st.integers(2, 6))):
        file = rng.choice(files)
        for _ in range(rng.randint(0, 2)):
            file[rng.randrange(len(file))] = f"    edited_{rng.randint(0, 999)} = None"
            file.insert(rng.randrange(len(file)), f"    added_{rng.randint(0, 999)} = 1")
        first = rng.randrange(20)
        lines = file[first : first + rng.randint(10, 40)]
        style = rng.choice(["", "{:6d}\t", "{}:", "{:>6}→", "> ", "    ", "log", "log", "json"])
        if style == "log":
            first = rng.randrange(60)
            text = "\n".join(entries[first : first + 60]) + rng.choice(["", "\n"])
        elif style == "json":
            text = json.dumps({"stdout": "\n".join(lines), "exitCode": 0})
        else:
            text = numbered(lines, first + 1, style)
        out.append(rng.choice(["", "Result:\n"]) + text if style != "json" else text)
    return out


def conversation(results: Sequence[str]) -> dict[str, Any]:
    """An agent's conversation that brings these results."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend it."}]
    for n, text in enumerate(results):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": text},
        ]
    return {"model": "gpt-4o", "messages": messages}


def pointed(made: Plan) -> int:
    """How many texts became pointers; each must give back what it was."""
    sent = {s.id: s.text for s in made.draft.segments}
    before = {s.id: s.original for s in made.draft.segments}
    count = 0
    for step in made.trace:
        assert not step.error
        for edit in step.edits:
            if step.stage == "dedupe":
                assert decode(edit.text, sent) == before[edit.target]
                count += 1
            before[edit.target] = edit.text
    return count


@examples(120)
@given(results=rereads(), cut=st.booleans())
def test_pointers_give_back_what_they_stand_for(results: list[str], *, cut: bool) -> None:
    """Whatever is read again in whatever form, also where what was read before was cut."""
    stages: list[dict[str, Any]] = [{"stage": "json"}, {"stage": "dedupe"}, {"stage": "log"}]
    if cut:
        stages.append({"stage": "select", "keep": 0.6, "min_tokens": 100})
    pointed(plan(conversation(results), load_policy({"floor_tokens": 20, "stages": stages})))


def test_an_overlapping_log_is_sent_once() -> None:
    """What a log written by forms says is not sent again; only new lines are."""
    entries = [
        f"2026-09-12T10:{n // 60:02}:{n % 60:02}Z INFO request completed path=/items ms={n * 7}"
        for n in range(90)
    ]
    made = plan(conversation(["\n".join(entries[at : at + 60]) for at in (0, 15, 30)]), "lossless")
    assert pointed(made) == 2
    first, second, third = (s.text for s in made.draft.segments if s.role == "tool")
    assert first.startswith("[1 forms of lines")
    assert second.split("\n")[2] == f'[what m2 lines 18-62 say: "{entries[15][:24]}"]'
    assert third.split("\n")[2:4] == [
        f'[what m2 lines 33-62 say: "{entries[30][:24]}"]',
        f'[what m4 lines 4-18 say: "{entries[60][:24]}"]',
    ]


def test_a_file_inside_json_is_the_same_file() -> None:
    """What a command printed is pointed at across tools that wrap it and tools that do not."""
    block = "".join(f'    values["{n}"] = compute({n})\n' for n in range(12))
    wrapped = json.dumps({"stdout": block, "exitCode": 0})
    made = plan(conversation([block, wrapped]), "lossless")
    assert pointed(made) == 1
    sent = [s.text for s in made.draft.segments][-1]
    assert sent.split("\n") == [
        '{"stdout":@1,"exitCode":0}',
        "@1 13 lines",
        """[same as m2 lines 1-12: "values['0'] = compute(0)"]""",
        "",
    ]


def in_text(*results: str) -> dict[str, Any]:
    """A conversation of a model that writes its commands as text."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend it."}]
    for text in results:
        messages += [
            {"role": "assistant", "content": "I look at it.\n```\nimport this\nx = open(1)\n```"},
            {"role": "user", "content": text},
        ]
    return {"model": "gpt-4o", "messages": messages}


def test_results_in_user_messages_are_pointed_at_but_not_cut() -> None:
    """Where user messages bring the results of commands, what they repeat is sent once."""
    longer = BLOCK + "\n".join(f"and one more line {n} of its own" for n in range(80))
    sent = plan(in_text("ready", BLOCK, longer), "balanced").body["messages"]
    assert sent[-1]["content"].split("\n")[0] == f'[same as m4 lines 1-12: "{WORDS}"]'
    assert sent[-1]["content"].endswith(longer[len(BLOCK) :])


def test_results_in_user_messages_are_decided_once() -> None:
    """What was sent for a turn stays as it was, whatever follows."""
    results = ["ready", BLOCK, f"x\n{BLOCK}", BLOCK + "more\n" * 9]
    sent = [plan(in_text(*results[:n]), "balanced").body["messages"] for n in range(1, 5)]
    for shorter, longer in pairwise(sent):
        assert longer[: len(shorter)] == shorter


def test_what_a_user_says_in_a_chat_is_not_touched() -> None:
    """Where the model only talks, or has tools, the latest user text is the user's own."""
    body = in_text("ready", BLOCK, BLOCK)
    for message in body["messages"]:
        if message["role"] == "assistant":
            message["content"] = "I see, and what is it that you want me to do?"
    assert plan(body, "balanced").body == body
    asked = conversation([BLOCK, "done"])
    asked["messages"] += [{"role": "user", "content": BLOCK}]
    assert plan(asked, "balanced").body == asked
