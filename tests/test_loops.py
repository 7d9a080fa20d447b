"""Loops of an agent: told from the conversation, and what a selection keeps in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples, short_texts
from tokenthrift.compress.names import names_in, names_of
from tokenthrift.pipeline import plan

if TYPE_CHECKING:
    from collections.abc import Collection


def loop(results: list[str]) -> list[dict[str, Any]]:
    """A conversation in which each result answers one call."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Fix the failing export."}]
    for n, result in enumerate(results):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": result},
        ]
    return messages


PROSE = [f"The weather on day {n} was mild and nothing else was of note." for n in range(60)]
SOURCE = "\n".join([*PROSE[:30], "see export_rows in src/report/export.py at 4711", *PROSE[30:]])


def sent(messages: list[dict[str, Any]], **select: Any) -> str:
    """The last result as it would be sent."""
    stage = {"stage": "select", "keep": 0.2, "min_tokens": 100, **select}
    policy = {"stages": [stage], "on_stage_error": "raise"}
    body = plan({"model": "gpt-4o", "messages": messages}, policy).body
    return str(body["messages"][-1]["content"])


def test_names_that_a_later_step_can_refer_to_stay() -> None:
    """In a loop the one line with names survives, though it has nothing to do with the question."""
    assert "src/report/export.py" in sent(loop(["ok", "ok", SOURCE]))


def test_names_that_stand_elsewhere_need_not_be_shown_again() -> None:
    """A name that an earlier result shows makes way for one that nothing shows yet."""
    first = "export_rows in src/report/export.py"
    later = "\n".join([*PROSE[:20], first, *PROSE[20:40], "parse_rows in src/read.py", *PROSE[40:]])
    kept = sent(loop([first, "ok", later]), keep=0.04)
    assert "src/read.py" in kept
    assert "src/report/export.py" not in kept


@pytest.mark.parametrize(("when", "cut"), [("loop", True), ("talk", False), ("always", True)])
def test_a_selection_can_be_for_loops_only(when: str, *, cut: bool) -> None:
    """`when` says where a selection runs; elsewhere the text stays whole."""
    assert (sent(loop(["ok", "ok", SOURCE]), when=when) != SOURCE) == cut


@pytest.mark.parametrize(("when", "cut"), [("loop", False), ("talk", True)])
def test_the_first_answer_of_a_tool_is_no_loop(when: str, *, cut: bool) -> None:
    """One call and its result are talk."""
    assert (sent(loop([SOURCE]), when=when) != SOURCE) == cut


def test_what_was_cut_is_not_cut_again_in_its_turn() -> None:
    """Two selections of one turn do not cut each other's work."""
    stages = [{"stage": "select", "keep": 0.5, "min_tokens": 100}] * 2
    body = {"model": "gpt-4o", "messages": loop(["ok", "ok", SOURCE])}
    once = plan(body, {"stages": stages[:1], "on_stage_error": "raise"})
    twice = plan(body, {"stages": stages, "on_stage_error": "raise"})
    assert once.body == twice.body


@pytest.mark.parametrize(
    "name",
    ["src/app.py", "django.db", "parse_config", "HttpClient", "__init__", "2024-05-15", "HG8X9P",
     "GXWCPN", "4896585277", "credit_card_44"],
)  # fmt: skip
def test_what_counts_as_a_name(name: str) -> None:
    """Paths, dotted and dashed names, identifiers, codes and long numbers."""
    for text in (json.dumps({"value": name}), f"ünï {name}, so it is."):
        assert name in names_of([text])[0]


def test_line_numbers_and_words_are_no_names() -> None:
    """Numbers at the head of lines, short ones, and plain words do not count."""
    assert names_of(["2042:   return the value of it.\n17 more lines", "ü 2042: so."]) == [[], []]


def test_fields_of_objects_are_no_names() -> None:
    """What a later step needs of an object is its values, and keys that are ids."""
    text = '{"payment_id": "card_77", "gift_card_12": {"balance_left": 250}, "state": "on_hold"}'
    things = ["card_77", "gift_card_12", "250", "on_hold"]
    assert {"payment_id", "balance_left"} < {*names_of([text])[0]}
    asked: list[str] = []

    def unseen(names: Collection[str]) -> set[str]:
        asked.extend(names)
        return set(names)

    assert len(names_in([text], [1.0], unseen).of_unit[0]) == len(things)
    assert asked == things


@examples(300)
@given(st.lists(short_texts(), max_size=4))
def test_names_of_plain_text_are_those_of_any_text(texts: list[str]) -> None:
    """Reading by whole arrays gives what reading run by run gives."""
    plain = ["".join(c for c in text if c.isascii()) for text in texts]
    marked = names_of([f"{text} ü" for text in plain])
    assert names_of([f"{text} " for text in plain]) == marked


def test_passages_are_asked_by_relevance_in_a_loop_too() -> None:
    """Of retrieved prose the passage that answers stays, not the one with the most names."""
    filler = "It went on for years and nobody who lived there thought of it as strange at all. " * 5
    noisy = "HG8X9P, v2_final and src/app.py stand in the list of 2024-05-15. " * 6
    answer = f"The export fails whenever the harbour office is closed for the day. {filler}"
    passages = [f"{filler}{n}" for n in range(6)] + [noisy, answer]
    messages = loop(["ok", "ok", "\n".join(passages)])
    messages[0]["content"] = "Why does the export fail at the harbour office?"
    assert "harbour office is closed" in sent(messages, keep=0.3)


def test_units_of_code_are_bought_for_their_names() -> None:
    """What is no prose is cut for its names in a loop, whatever was asked."""
    lines = [f"        value = value + {n}" for n in range(80)]
    lines[40] = "        raise ExportError(self.report_path)"
    kept = sent(loop(["ok", "ok", "\n".join(lines)]))
    assert "ExportError(self.report_path)" in kept
