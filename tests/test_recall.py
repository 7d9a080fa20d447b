"""Stores of cut text and what they give back: exact, for days, up to a size, within a bound."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from strategies import chat_bodies, examples
from tokenthrift.cli import app
from tokenthrift.compress.markers import recall_id
from tokenthrift.compress.recall_tool import NAME, TOOL
from tokenthrift.errors import PolicyError, RecallError, RequestError
from tokenthrift.ledger import open_ledger
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.recall import (
    MemoryRecall,
    RecallStore,
    SQLiteRecall,
    Wish,
    answer,
    open_recall,
    wish_of,
)
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from pathlib import Path

COUNT = counter_for("gpt-4o")
LOG = "\n".join(f"12:{i:04d} worker {i} stored item {i * 7} of tenant {i % 5}" for i in range(400))
DAY_S = 86_400.0
CUTTING: dict[str, Any] = {
    "version": 1,
    "floor_tokens": 0,
    "stages": [{"stage": "json"}, {"stage": "select", "keep": 0.3, "min_tokens": 40}],
    "recall": {"offer": True},
}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now_s


@pytest.fixture(params=["memory", "sqlite"])
def making(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """How to make a store of either kind."""
    if request.param == "memory":
        return MemoryRecall
    return lambda ttl_days=7, **more: SQLiteRecall(tmp_path / "r.sqlite", ttl_days, **more)


# ------------------------------------------------------------------------------------------- stores
@examples(60)
@given(body=chat_bodies(), texts=st.lists(st.text(), min_size=1, max_size=4))
def test_stores_give_back_exactly_what_a_plan_left_out(body, texts):
    """For random plans every id that stands in a mark has its texts, and they come back as put."""
    stores: list[RecallStore] = [MemoryRecall(), SQLiteRecall(":memory:")]
    try:
        made = plan(body, CUTTING)
    except RequestError:
        return
    omitted = {**made.omitted, recall_id(texts): tuple(texts)}
    for store in stores:
        store.put(omitted)
        for key, pieces in omitted.items():
            assert store.get(key) == pieces
            assert recall_id(pieces) == key
        store.close()
    for step in made.trace:
        for edit in step.edits:
            assert edit.recall_id in made.omitted or not edit.recall_id


def test_the_pieces_put_back_at_their_marks_are_the_original():
    """What a plan says went is what is missing, mark by mark."""
    body = {"model": "gpt-4o", "messages": [{"role": "tool", "tool_call_id": "1", "content": LOG}]}
    asked = {"role": "user", "content": "Which worker stored item 700?"}
    made = plan({**body, "messages": [asked, *body["messages"]]}, CUTTING)
    ((_, pieces),) = made.omitted.items()
    sent = made.sent.messages[1].parts[0].text or ""
    sent = re.sub(r"\n?\[-n: n lines cut, recall [0-9a-f]{8}\]", "", sent)
    left = iter(pieces)
    assert re.sub(r"\[-\d+\]\n?", lambda _: next(left), sent).rstrip("\n") == LOG
    assert list(left) == []


def test_a_memo_loses_no_omission():
    """The plan of a later turn names what earlier turns left out, with or without a memo."""
    from tokenthrift.compress import Memo

    memo = Memo()
    messages: list[dict[str, Any]] = []
    for turn in range(3):
        messages.append({"role": "user", "content": f"Which worker stored item {turn * 7}?"})
        log = LOG.replace("worker", f"worker {turn}")
        messages.append({"role": "tool", "tool_call_id": f"{turn}", "content": log})
        body = {"model": "gpt-4o", "messages": list(messages)}
        assert plan(body, CUTTING, memo=memo).omitted == plan(body, CUTTING).omitted
        messages.append({"role": "assistant", "content": "It was one of them."})
    assert len(plan(body, CUTTING).omitted) == 3


def test_texts_expire(making):
    """After its days a text is gone, unless it was put again."""
    clock = Clock()
    store = making(7, clock=clock)
    store.put({"aaaaaaaa": ("one",), "bbbbbbbb": ("two",)})
    clock.now_s += 6 * DAY_S
    store.put({"aaaaaaaa": ("one",)})
    assert store.get("bbbbbbbb") == ("two",)
    clock.now_s += 2 * DAY_S
    assert (store.get("aaaaaaaa"), store.get("bbbbbbbb")) == (("one",), None)
    clock.now_s += 6 * DAY_S
    assert store.get("aaaaaaaa") is None
    store.put({"cccccccc": ("three",)})
    assert store.get("cccccccc") == ("three",)
    store.close()


def test_the_oldest_make_room(making):
    """A store stays below its size; what is too large for it alone is not kept."""
    clock = Clock()
    store = making(7, clock=clock, max_bytes=1_000)
    texts = {f"{n:08x}": (os.urandom(150).hex(),) for n in range(12)}
    for key, pieces in texts.items():
        store.put({key: pieces})
        clock.now_s += 1
    kept = [key for key in texts if store.get(key) is not None]
    assert 0 < len(kept) < len(texts)
    assert kept == list(texts)[-len(kept) :]
    store.put({"ffffffff": (os.urandom(3_000).hex(),)})
    assert store.get("ffffffff") is None
    assert store.get(kept[-1]) == texts[kept[-1]]
    store.close()


def test_odd_texts_come_back(making):
    """Halves of surrogate pairs, NULs and empty texts are kept as they are."""
    store = making()
    odd = ("\ud800", "", "a\x00b", "\r\n", "日本")
    store.put({"aaaaaaaa": odd})
    assert store.get("aaaaaaaa") == odd
    assert store.get("bbbbbbbb") is None
    store.close()


def test_threads_and_other_openings_share_a_file(tmp_path):
    """Several threads write through two openings of one file, and all is there."""
    path = tmp_path / "r.sqlite"
    with SQLiteRecall(path) as one, SQLiteRecall(path) as two:
        threads = [
            threading.Thread(target=store.put, args=({f"{n:08x}": (str(n),)},))
            for n, store in enumerate([one, two] * 8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.count() == 16
        assert two.get("00000005") == ("5",)
    with SQLiteRecall(path, create=False) as again:
        assert again.get("0000000f") == ("15",)


def test_what_is_no_store_is_refused(tmp_path):
    """A ledger, a folder, a missing file and a closed store are errors that say so."""
    open_ledger(tmp_path / "ledger.sqlite").close()
    with pytest.raises(RecallError, match="another kind"):
        SQLiteRecall(tmp_path / "ledger.sqlite")
    with pytest.raises(RecallError, match="is a folder"):
        SQLiteRecall(tmp_path)
    with pytest.raises(RecallError, match="no such recall store"):
        SQLiteRecall(tmp_path / "none.sqlite", create=False)
    store = open_recall(tmp_path / "r.sqlite", ttl_days=1)
    store.close()
    with pytest.raises(RecallError, match="closed"):
        store.get("aaaaaaaa")


# ------------------------------------------------------------------------------------------ answers
@examples(150)
@given(
    texts=st.lists(st.text(max_size=300), min_size=1, max_size=6),
    lines=st.none() | st.text("0123456789-, ", max_size=12),
    query=st.none() | st.text(max_size=30),
    most=st.integers(50, 400),
)
def test_answers_are_bounded(texts, lines, query, most):
    """Whatever is asked for, a result is never longer than allowed."""
    wish = wish_of(json.dumps({"id": "0a0b0c0d", "lines": lines, "query": query}))
    assert COUNT(answer(wish, texts, most, COUNT)) <= most


def test_lines_are_given_by_their_numbers():
    """Ranges, single lines, open ends; the lines of all pieces are numbered through."""
    texts = ("a\nb\nc\n", "d\ne")
    for said, expected in (
        ("2-3", "[lines 2-3 of 5]\nb\nc"),
        ("4", "[lines 4-4 of 5]\nd"),
        ("4-", "[lines 4-5 of 5]\nd\ne"),
        ("1, 5-9", "[lines 1-1 of 5]\na\n[lines 5-5 of 5]\ne"),
        ([1, 2], "[lines 1-2 of 5]\na\nb"),
        ("7-9", "No such lines: there are 5."),
    ):
        wish = wish_of(json.dumps({"id": "0a0b0c0d", "lines": said}))
        assert answer(wish, texts, 200, COUNT) == expected
    assert answer(Wish("0a0b0c0d"), texts, 200, COUNT) == "[lines 1-5 of 5]\na\nb\nc\nd\ne"


def test_a_query_gives_the_lines_that_fit():
    """The best lines by relevance, in their order, and how many there are beside them."""
    given_back = answer(Wish("0a0b0c0d", query="item 1400"), (LOG,), 120, COUNT)
    assert "worker 200 stored item 1400" in given_back
    assert re.search(r"\[\d+ more; ask by lines\]$", given_back)
    assert "fits the query" in answer(Wish("0a0b0c0d", query="zzzyx"), (LOG,), 120, COUNT)


def test_misses_say_what_to_do():
    """Texts that are gone and calls without an id are told in one sentence."""
    assert answer(wish_of("{}"), None, 100, COUNT).startswith("No ID")
    gone = answer(wish_of('{"id": "recall 0A0B0C0D]"}'), None, 100, COUNT)
    assert gone == "Gone: nothing is kept under 0a0b0c0d. Run it again."
    assert wish_of("0a0b0c0d").recall_id == "0a0b0c0d"
    assert wish_of("[1]").recall_id == ""


# -------------------------------------------------------------------------------------------- offer
TOOLED = {"type": "function", "function": {"name": "mine", "parameters": {}}}


def offer_of(policy: dict[str, Any] | None = None, **body: Any) -> Any:
    """The plan of a body under a policy that offers."""
    message = {"role": "user", "content": "Hello there."}
    return plan({"model": "gpt-4o", "messages": [message], **body}, policy or CUTTING)


def test_the_tool_is_offered_from_the_first_request_and_paid_for():
    """It stands behind the caller's tools, where nothing was cut as well, and is in the count."""
    made = offer_of(tools=[TOOLED])
    assert made.body["tools"] == [TOOLED, TOOL]
    assert made.offer.made
    assert made.tokens_after == made.tokens_before + made.tool_tokens
    assert 50 < made.tool_tokens < 130
    assert made.request.body["tools"] == [TOOLED]
    assert offer_of().body["tools"] == [TOOL]
    assert offer_of(tools=[TOOLED], tool_choice="none").body["tools"] == [TOOLED, TOOL]


@pytest.mark.parametrize(
    ("policy", "body", "reason"),
    [
        ({"version": 1}, {}, "does not offer"),
        ({"version": 1, "recall": {"offer": True}}, {}, "cuts nothing"),
        (None, {"model": "gpt-3.5-turbo-instruct"}, "not known to take tools"),
        (None, {"model": "somebody/unheard-of"}, "not known to take tools"),
        (None, {"n": 2}, "several choices"),
        (None, {"functions": [{"name": "f"}]}, "functions"),
        (None, {"tools": [{"type": "function", "function": {"name": NAME}}]}, "of that name"),
        (None, {"tools": "odd"}, "no list"),
    ],
)
def test_where_it_is_not_offered_the_plan_says_why(policy, body, reason):
    """The body stays without the tool, and the reason is in the plan."""
    made = offer_of(policy, **body)
    assert not made.offer.made
    assert reason in made.offer.reason
    assert made.body.get("tools") == body.get("tools")


def test_every_candidate_must_take_tools():
    """A route to a model without tools is not closed by our tool."""
    names = ("gpt-4o", "gpt-3.5-turbo-instruct")
    candidates = [{"model": name, "covers": "expert"} for name in names]
    made = offer_of({**CUTTING, "routing": {"candidates": candidates}})
    assert "gpt-3.5-turbo-instruct" in made.offer.reason


def test_policies_say_what_is_wrong():
    """Unknown keys and numbers out of range are errors with their path."""
    for keys in ({"ofer": True}, {"ttl_days": 0}, {"max_calls": 0}, {"max_tokens": 1}):
        with pytest.raises(PolicyError, match=rf"recall\.{next(iter(keys))}"):
            load_policy({"version": 1, "recall": keys})
    one = load_policy({"version": 1, "recall": {"store": "a.sqlite"}})
    assert one.digest == load_policy({"version": 1, "recall": {"ttl_days": 3}}).digest
    assert one.digest != load_policy({"version": 1, "recall": {"offer": True}}).digest
    assert not load_policy("balanced").recall.offer


def test_the_command_shows_what_was_cut(tmp_path):
    """`tokenthrift recall` prints lines of a stored text, and says when there is none."""
    path = tmp_path / "r.sqlite"
    with SQLiteRecall(path) as store:
        store.put({"0a0b0c0d": (LOG,)})
    run = CliRunner().invoke
    shown = run(app, ["recall", "0a0b0c0d", "--store", str(path), "--lines", "3-4"])
    assert shown.output == "[lines 3-4 of 400]\n" + "\n".join(LOG.splitlines()[2:4]) + "\n"
    shown = run(app, ["recall", "0a0b0c0d", "--store", str(path), "--query", "item 1400"])
    assert "stored item 1400" in shown.output
    missed = run(app, ["recall", "ffffffff", "--store", str(path)])
    assert isinstance(missed.exception, RecallError)
