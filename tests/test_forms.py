"""Logs written by the forms of their lines: exact, and as good to choose from as before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples, texts
from tokenthrift.compress import Log
from tokenthrift.compress.forms import decode, encode, rows_of
from tokenthrift.pipeline import plan

FORMS = (
    "2026-09-12T10:{m:02d}:{s:02d}Z req={h:08x} INFO  [http] done path=/items status=200 ms={n}",
    "2026-09-12T10:{m:02d}:{s:02d}Z req={h:08x} DEBUG [cache] hit key=item:{n}",
    "worker {n} is idle; queue ({n}/500) a|b * c",
    "{n}| looks like a row",
    "|{n} too",
)


def log(numbers: list[int]) -> str:
    """Lines of several forms, in an order that the numbers say."""
    return "\n".join(
        FORMS[n % len(FORMS)].format(m=n % 60, s=n % 59, h=n * 2_654_435_761 % 2**32, n=n)
        for n in numbers
    )


@examples(200)
@given(st.lists(st.integers(0, 9_999), max_size=80), st.text("\n|1: *", max_size=6))
def test_decoding_gives_the_log_back(numbers: list[int], end: str) -> None:
    """Whatever lines there are, and however the text ends."""
    text = log(numbers) + end
    written = encode(text)
    if written is not None:
        assert decode(written) == text
        assert len(written) < len(text)


@examples(200)
@given(st.lists(texts(), min_size=1, max_size=3), st.integers(6, 30))
def test_any_text_comes_back(pieces: list[str], times: int) -> None:
    """Lines that repeat with digits in them, of any characters."""
    text = "\n".join(
        f"{piece} {n} and more of the same words" for n in range(times) for piece in pieces
    )
    written = encode(text)
    assert written is None or decode(written) == text


def test_what_a_line_says_of_its_own_stands_whole() -> None:
    """Ids, paths and numbers are found in the written form as they were."""
    text = log([n * 5 for n in range(40)])
    written = encode(text)
    assert written is not None
    assert len(written) < 0.6 * len(text)
    for n in range(0, 200, 5):
        assert f"|{n * 2_654_435_761 % 2**32:08x}|{n}" in written


def test_logs_that_share_little_stay() -> None:
    """Few lines, or lines with nothing in common, do not pay for a head."""
    assert encode(log([0, 5, 10])) is None
    assert encode("\n".join(f"{chr(97 + n)} {n}" for n in range(20))) is None
    assert encode("") is None


def test_encoding_twice_changes_nothing() -> None:
    """A text in this form is left alone."""
    written = encode(log([n * 5 for n in range(40)]))
    assert written is not None
    assert encode(written) is None


@pytest.mark.parametrize(
    "text",
    ["no head", '[2 forms of lines; "1|a|b" is line form 1 with a and b for its stars]\n1: x *'],
)
def test_what_is_no_written_form_is_refused(text: str) -> None:
    """The error says which line is wrong."""
    with pytest.raises(ValueError, match="line"):
        decode(text)
    assert not rows_of(text)


def test_rows_are_read_as_the_lines_they_stand_for() -> None:
    """Each row says its line, and knows the line that says its form."""
    text = log([n * 5 for n in range(40)]) + "\nERROR [db] deadlock since commit 5f0c9a\n"
    written = encode(text)
    assert written is not None
    rows = rows_of(written)
    assert "".join(written[r.start : r.end] for r in rows) == written
    assert [r.said for r in rows if not r.anchor] == text.rstrip("\n").split("\n")
    assert all(rows[r.head].anchor for r in rows if r.head >= 0)


def chat(text: str, question: str = "Which commit broke the database?") -> list[dict[str, Any]]:
    """A question, and a log as the third result of a loop."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    for n, result in enumerate(["ok", "ok", text]):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "logs", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": result},
        ]
    return messages


def test_a_cut_log_keeps_its_events_and_the_forms_of_its_rows() -> None:
    """The one line that tells of an error stays; rows that stay have their form above them."""
    lines = log([n * 5 + n % 2 for n in range(200)]).split("\n")
    lines[120] = "2026-09-12T10:02:00Z ERROR [db] deadlock since commit 5f0c9a"
    stages = [{"stage": "log"}, {"stage": "select", "keep": 0.4, "min_tokens": 100}]
    made = plan({"model": "gpt-4o", "messages": chat("\n".join(lines))}, {"stages": stages})
    sent = made.body["messages"][-1]["content"]
    assert "ERROR [db] deadlock since commit 5f0c9a" in sent
    used = {line.split("|")[0] for line in sent.split("\n") if line[:1].isdigit() and "|" in line}
    assert used
    assert all(f"\n{number}: 2026-09-12T10:*" in sent for number in used)


def test_the_stage_says_why_a_log_stays() -> None:
    """A log that shares too little is noted."""
    text = "\n".join(
        f"2026-01-01 00:00:0{n % 10} {'x' * n} ERROR in {chr(97 + n % 26) * 5}" for n in range(40)
    )
    made = plan({"model": "gpt-4o", "messages": chat(text)}, {"stages": [Log()]})
    assert made.body["messages"][-1]["content"] == text
    assert any("share too little" in note for step in made.trace for _, note in step.notes)
