"""The invariants of the core, as properties over proper conversations and odd bodies.

Numbers in docstrings are those of the design. Nothing here depends on which texts a stage prefers,
only on what every plan must keep.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from strategies import (
    chat_bodies,
    conversations,
    counted,
    examples,
    odd_bodies,
    plain_users,
    resent,
)
from tokenthrift import wire
from tokenthrift.catalog import load_catalog
from tokenthrift.compress import Budget, Memo, Recall, join, split
from tokenthrift.draft import REQUEST, Step
from tokenthrift.errors import NoCandidateError, OverBudgetError
from tokenthrift.pipeline import Plan, plan
from tokenthrift.policy import Policy, load_policy
from tokenthrift.route import Routing
from tokenthrift.tokens import count_request, counter_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tokenthrift.types import Segment

CATALOG = load_catalog()
TIGHT: Final = {
    "floor_tokens": 20,
    "stages": [
        {"stage": "json"},
        {"stage": "search", "folders": True},
        {"stage": "dedupe", "min_tokens": 16},
        {"stage": "elide"},
        {"stage": "select", "keep": 0.3, "min_tokens": 40, "roles": ["tool", "user", "assistant"]},
    ],
}
SYNTAX: Final = {
    **TIGHT,
    "stages": [*TIGHT["stages"][:-1], {**TIGHT["stages"][-1], "code": "syntax"}],
}


def shipped(name: str) -> Policy:
    """A shipped policy without its routing: what is compressed is asked here, not who answers."""
    return load_policy(name).model_copy(update={"routing": Routing()})


POLICIES: Final = {
    "lossless": shipped("lossless"),
    "balanced": shipped("balanced"),
    "quality": shipped("quality"),
    "frugal": shipped("frugal"),
    "tight": load_policy({"name": "tight", **TIGHT}),
    "one-off": load_policy({"name": "one-off", "scope": "request", **TIGHT}),
    "syntax": load_policy({"name": "syntax", **SYNTAX}),
}
COMPACTED: Final = load_policy({**TIGHT, "compaction": {"at_tokens": 1_000, "to_share": 0.5}})
EVERY_POLICY = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
FROZEN = [p for p in POLICIES.values() if p.scope == "conversation"]
HARD_TOKENS = st.sampled_from([60, 150, 400, 1_000, 3_000])


def budgeted(
    hard_tokens: int, on_over_budget: str, scope: str = "conversation", base: str = "tight"
) -> Policy:
    """A policy under a hard budget."""
    budget = Budget.model_validate({"hard_tokens": hard_tokens, "on_over_budget": on_over_budget})
    return POLICIES[base].model_copy(update={"scope": scope, "budget": budget})


# Under a budget: every shipped policy, and most often the one that cuts most.
BASES = st.sampled_from(["tight", "tight", "tight", "lossless", "balanced", "quality", "frugal"])
SCOPES = st.sampled_from(["conversation", "request"])
ON_OVER_BUDGET = st.sampled_from(["error", "trim"])


def planned(body: Mapping[str, Any], policy: Policy, memo: Memo | None = None) -> Plan:
    """A plan with the bundled cards."""
    return plan(body, policy, catalog=CATALOG, memo=memo)


def attempted(body: Mapping[str, Any], policy: Policy, memo: Memo | None = None) -> Plan | str:
    """A plan, or what the error says that it does not fit."""
    try:
        return planned(body, policy, memo)
    except OverBudgetError as error:
        return str(error)


def survivors(made: Plan) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Messages that are sent, each as given and as sent."""
    gone = made.draft.removed
    given_messages = [m for n, m in enumerate(made.request.body["messages"]) if n not in gone]
    sent_messages = made.body["messages"]
    assert len(given_messages) == len(sent_messages)
    return zip(given_messages, sent_messages, strict=True)


def without_text(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with the texts that may be rewritten blanked out."""
    content = message.get("content")
    if isinstance(content, str):
        content = "text"
    elif isinstance(content, list):
        content = [
            {**item, "text": "text"}
            if isinstance(item, dict)
            and item.get("type") == "text"
            and isinstance(item.get("text"), str)
            else ("text" if isinstance(item, str) else item)
            for item in content
        ]
    return {**message, "content": content} if "content" in message else dict(message)


def replay(made: Plan) -> Mapping[str, Any]:
    """The trace's edits applied to the original segments."""
    segments = {s.id: s for s in split(made.request, made.count).segments}
    removed: set[int] = set()
    tools = deepcopy(made.request.body.get("tools"))
    for step in made.trace:
        for edit in step.edits:
            if step.window == REQUEST:
                tools[int(edit.target[1:])] = json.loads(edit.text)
                continue
            if edit.action == "remove":
                removed.add(int(edit.target[1:]))
            else:
                segments[edit.target] = replace(segments[edit.target], text=edit.text)
    body = join(made.request, segments.values(), frozenset(removed)).body
    return {**body, "tools": tools} if "tools" in body else body


# --------------------------------------------------------------------------------- 1: round trips
@examples(150)
@given(chat_bodies())
def test_join_undoes_split(body: dict[str, Any]) -> None:
    """Invariant 1: taking a request apart and putting it together gives the very same request."""
    request = wire.read(body)
    parts = split(request, counter_for(request.model))
    assert join(request, parts.segments, frozenset()) is request
    for message in request.messages:
        for number, part in enumerate(message.parts):
            own = [s for s in parts.segments if (s.message, s.part) == (message.index, number)]
            if own:
                assert "".join(s.text for s in own) == part.text
                assert [s.span for s in own] == list(
                    zip([0, *(s.span[1] for s in own[:-1])], [s.span[1] for s in own], strict=True)
                )
    assert len({s.id for s in parts.segments}) == len(parts.segments)


@examples(60)
@given(chat_bodies())
def test_off_sends_the_callers_own_body(body: dict[str, Any]) -> None:
    """Invariant 1: policy `off` sends the caller's object itself and finds nothing to do."""
    made = planned(body, load_policy("off"))
    assert made.body is body
    assert made.trace == ()
    assert made.tokens_after == made.tokens_before


@EVERY_POLICY
@examples(25)
@given(body=chat_bodies())
def test_no_plan_mutates_the_body(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 1: the caller's body is as it was after any plan, and unknown keys are sent."""
    before = deepcopy(body)
    made = planned(body, policy)
    assert body == before
    planned_keys = {"messages", "tools"}
    assert {k: v for k, v in made.body.items() if k not in planned_keys} == {
        k: v for k, v in before.items() if k not in planned_keys
    }


@examples(20)
@given(body=odd_bodies())
def test_a_routed_plan_does_not_mutate_the_body(body: dict[str, Any]) -> None:
    """Invariant 1: a plan that changes the model changes it in a copy, and only that."""
    before = deepcopy(body)
    try:
        made = planned(body, load_policy("frugal"))
    except NoCandidateError:
        reject()
    assert body == before
    assert made.body["model"] == made.model


# ---------------------------------------------------------------------------------- 2: append-only
@pytest.mark.parametrize("policy", FROZEN, ids=lambda p: p.name)
@examples(25)
@given(body=conversations(max_turns=4, max_lines=60))
def test_plans_are_append_only(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 2: inside an epoch what was sent before is a prefix of what is sent now."""
    plans = [planned(cut, policy) for cut in resent(body)]
    for shorter, longer in pairwise(plans):
        if shorter.epoch == longer.epoch:
            sent = shorter.body["messages"]
            assert longer.body["messages"][: len(sent)] == sent


@examples(40)
@given(
    body=conversations(max_turns=6, max_lines=80),
    policy=st.sampled_from([COMPACTED, budgeted(3_000, "trim"), budgeted(1_000, "trim")]),
)
def test_compactions_advance_by_the_thresholds_only(body: dict[str, Any], policy: Policy) -> None:
    """Invariant 2: epochs rise one at a time, where a threshold was crossed, on record."""
    limits = (policy.compaction.at_tokens, policy.budget.hard_tokens)
    threshold = min(n for n in limits if n is not None)
    before: Plan | None = None
    for cut in resent(body):
        try:
            made = planned(cut, policy)
        except OverBudgetError:
            return
        compactions = [s for s in made.trace if s.stage == "compact"]
        assert made.epoch == len(compactions)
        assert all(s.tokens_before > threshold for s in compactions)
        if before is not None:
            assert made.epoch - before.epoch in (0, 1)
            sent = before.body["messages"]
            if made.epoch == before.epoch:
                assert made.body["messages"][: len(sent)] == sent
                assert made.trace[: len(before.trace)] == before.trace
        before = made


@pytest.mark.parametrize(
    "policy", [*POLICIES.values(), COMPACTED, budgeted(1_000, "trim")], ids=lambda p: p.digest
)
@examples(8)
@given(body=conversations(max_turns=4, max_lines=60), other=odd_bodies())
def test_a_memo_never_changes_a_plan(
    policy: Policy, body: dict[str, Any], other: dict[str, Any]
) -> None:
    """Invariant 2: a plan is the same with an empty memo, a full one, a shared one, and none."""
    memo = Memo(entries=3)
    cuts = resent(body)
    for cut in (*cuts, other, *cuts[-2:], other):
        if not cut["messages"]:
            continue
        fresh, known = attempted(cut, policy), attempted(cut, policy, memo)
        if isinstance(fresh, str) or isinstance(known, str):
            assert known == fresh
            continue
        assert known.body == fresh.body
        assert known.trace == fresh.trace
        assert (known.epoch, known.tokens_after) == (fresh.epoch, fresh.tokens_after)


# --------------------------------------------------------------------------------------- 3: steps
@EVERY_POLICY
@examples(25)
@given(body=chat_bodies())
def test_steps_sum_to_the_total(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 3: what the steps took is what the plan took, and no step adds tokens."""
    made = planned(body, policy)
    assume(made.epoch == 0)
    assert all(s.tokens_after <= s.tokens_before for s in made.trace)
    taken = sum(s.tokens_before - s.tokens_after for s in made.trace)
    assert taken == made.tokens_before - made.tokens_after
    for before, after in pairwise(made.trace):
        if before.window == after.window:
            assert before.tokens_after == after.tokens_before


@EVERY_POLICY
@examples(25)
@given(body=chat_bodies())
def test_nothing_under_the_floor_is_touched(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 3: without a hard budget a segment smaller than the floor is sent as it is."""
    made = planned(body, policy)
    for segment in made.draft.segments:
        if made.count(segment.original) < policy.floor_tokens:
            assert segment.text == segment.original


@EVERY_POLICY
@examples(25)
@given(body=chat_bodies())
def test_token_figures_are_those_of_the_body(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 3: figures bound what the bodies count to, and are exact for whole texts."""
    made = planned(body, policy)
    whole = Counter((s.message, s.part) for s in made.draft.segments)
    assert count_request(made.sent, made.count) <= made.tokens_after
    assert count_request(made.request, made.count) <= made.tokens_before
    if all(n == 1 for n in whole.values()):
        assert count_request(made.sent, made.count) == made.tokens_after


@EVERY_POLICY
@examples(25)
@given(body=chat_bodies())
def test_the_trace_replays_to_what_is_sent(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 3: the trace is the data that did the work."""
    made = planned(body, policy)
    assume(made.epoch == 0)
    assert replay(made) == made.body


@examples(30)
@given(
    conversations(max_turns=3, max_lines=80),
    HARD_TOKENS,
    ON_OVER_BUDGET,
    SCOPES,
    BASES,
)
def test_the_trace_replays_under_a_budget(
    body: dict[str, Any], hard_tokens: int, on_over_budget: str, scope: str, base: str
) -> None:
    """Invariant 3: steps sum and replay where messages go and protected text is trimmed."""
    try:
        made = planned(body, budgeted(hard_tokens, on_over_budget, scope, base))
    except OverBudgetError:
        return
    assume(made.epoch == 0)
    assert replay(made) == made.body
    assert all(s.tokens_after <= s.tokens_before for s in made.trace)
    taken = sum(s.tokens_before - s.tokens_after for s in made.trace)
    assert taken == made.tokens_before - made.tokens_after


# --------------------------------------------------------------------------------- 4: protection
def protected_text(body: Mapping[str, Any]) -> list[Any]:
    """System messages, and the last user message with text where it is not long."""
    messages = body["messages"]
    kept = [m for m in messages if m["role"] in ("system", "developer")]
    request = wire.read(body)
    users = [
        (m, sum(len(p.text or "") for p in m.parts))
        for m in request.messages
        if m.role == "user" and any(p.text for p in m.parts)
    ]
    if users and users[-1][1] <= 4_000:
        kept.append(messages[users[-1][0].index])
    return kept


@EVERY_POLICY
@examples(30)
@given(body=chat_bodies())
def test_protected_content_is_untouched(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 4: everything but open text is sent as it was given, in its place."""
    made = planned(body, policy)
    for before, after in survivors(made):
        assert without_text(after) == without_text(before)
    for message in protected_text(body):
        assert message in made.body["messages"]


@examples(60)
@given(
    conversations(max_turns=3, max_lines=80),
    HARD_TOKENS,
    ON_OVER_BUDGET,
    SCOPES,
    BASES,
)
def test_budgets_keep_the_shape_of_a_conversation(
    body: dict[str, Any], hard_tokens: int, on_over_budget: str, scope: str, base: str
) -> None:
    """Invariant 4: a budget takes texts and whole messages, never a call without its results."""
    try:
        made = planned(body, budgeted(hard_tokens, on_over_budget, scope, base))
    except OverBudgetError:
        return
    for before, after in survivors(made):
        assert without_text(after) == without_text(before)
    if on_over_budget == "error":
        for message in protected_text(body):
            assert message in made.body["messages"]
    open_calls: set[str] = set()
    for message in made.body["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_calls
            open_calls.remove(message["tool_call_id"])
        else:
            assert not open_calls
            open_calls = {call["id"] for call in message.get("tool_calls") or ()}
    assert not open_calls


@examples(60)
@given(conversations(max_turns=3, max_lines=80), HARD_TOKENS)
def test_budgets_keep_cache_marks(body: dict[str, Any], hard_tokens: int) -> None:
    """Invariant 4: cache marks are opaque items; no plan drops one short of trimming."""
    try:
        made = planned(body, budgeted(hard_tokens, "error"))
    except OverBudgetError:
        return
    assert str(made.body).count("'cache_control'") == str(body).count("'cache_control'")


# ----------------------------------------------------------------------------------- 5: verbatim
MARKS: Final = re.compile(
    r"\n?(?:(?:#|//) )?\[-n: n lines cut, [^\]]*\]|\n?(?:(?:#|//) )?\[-\d+ messages\]\n|\[-\d+\]\n?"
    r"|(?:\.\.\.  )?(?:#|//) \[-\d+: lines? \d+(?:-\d+)?\]\n"
    r"|\[-\d+ messages, calls and results, recall [0-9a-f]{8}\]\n"
    r"|\[[^\[\]\n]*, \d+ (?:B|kB|MB), recall [0-9a-f]{8}\]"
)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def level_two_edits(made: Plan) -> Iterator[tuple[Segment, str, str]]:
    """Each selection of the trace: its segment, the text before and the text after."""
    segments = {s.id: s for s in made.draft.segments}
    current = {s.id: s.original for s in made.draft.segments}
    window = (0, 0)
    for step in made.trace:
        if step.window != window and step.window[0] == 0:  # all is open again, as it was given
            current = {s.id: s.original for s in made.draft.segments}
        window = step.window
        for edit in step.edits:
            if edit.action == "replace":
                if edit.level == 2:
                    yield segments[edit.target], current[edit.target], edit.text
                current[edit.target] = edit.text


def assert_verbatim(before: str, after: str) -> None:
    """`after` is `before` with some of it replaced by marks, and nothing else."""
    pieces = [_flat(piece) for piece in MARKS.split(after)]
    whole = _flat(before)
    at = 0
    for piece in pieces:
        found = whole.find(piece, at)
        assert found >= 0, piece
        at = found + len(piece)
    assert whole.startswith(pieces[0])
    assert whole.endswith(pieces[-1])


@examples(80)
@given(
    conversations(max_turns=3, max_lines=100),
    st.sampled_from(
        [
            POLICIES["tight"],
            POLICIES["syntax"],
            POLICIES["one-off"],
            POLICIES["frugal"],
            budgeted(400, "error"),
            budgeted(400, "trim"),
            budgeted(1_000, "trim", "request"),
        ]
    ),
)
def test_kept_text_is_verbatim(body: dict[str, Any], policy: Policy) -> None:
    """Invariant 5: between marks, what is kept stands in the original in the same order."""
    try:
        made = planned(body, policy)
    except OverBudgetError:
        return
    for _, before, after in level_two_edits(made):
        assert_verbatim(before, after)


OMITTING: Final = {
    "tight": POLICIES["tight"],
    "one-off": POLICIES["one-off"],
    "150": budgeted(150, "error"),
    "400": budgeted(400, "error"),
    "400 one-off": budgeted(400, "error", "request"),
    "400 trim": budgeted(400, "trim"),
    "400 trim one-off": budgeted(400, "trim", "request"),
}
PLAIN_CONVERSATIONS = conversations(max_turns=3, max_lines=100, asks=plain_users(100))


def unmarked(body: Mapping[str, Any], policy: Policy) -> Plan:
    """A plan that no compaction touched, of a body without anything that looks like a mark."""
    assume("[-" not in str(body))
    try:
        made = planned(body, policy)
    except OverBudgetError:
        reject()
    assume(made.epoch == 0)
    return made


@pytest.mark.parametrize("policy", OMITTING.values(), ids=OMITTING.keys())
@examples(25)
@given(body=PLAIN_CONVERSATIONS)
def test_cut_text_is_marked(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 5: every segment that lost more than white space holds a mark where it stood."""
    made = unmarked(body, policy)
    for segment, before, after in level_two_edits(made):
        if before.split() != after.split():
            assert MARKS.search(after), segment.id


@pytest.mark.parametrize("name", ["tight", "400", "400 trim"])
@examples(25)
@given(body=PLAIN_CONVERSATIONS)
def test_removed_messages_are_counted(name: str, body: dict[str, Any]) -> None:
    """Invariant 5: the marks of removed messages add up to the messages that are not sent."""
    made = unmarked(body, OMITTING[name])
    sent = "\n".join(s.text for s in made.draft.segments)
    counted = sum(int(n) for n in re.findall(r"\[-(\d+) messages\]", sent))
    assert counted == len(made.draft.removed)


def test_a_message_that_goes_alone_is_marked() -> None:
    """Invariant 5: a message is not dropped without a trace where all other text is protected."""
    messages = [
        {"role": "user", "content": "One single sentence without any end " * 12},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "And now?"},
    ]
    select = {"stage": "select", "keep": 0.3, "min_tokens": 40}
    policy = load_policy({"scope": "request", "floor_tokens": 20, "stages": [select]})
    made = planned({"model": "gpt-4o", "messages": messages}, policy)
    assert not made.draft.removed or "[-1 messages]" in str(made.body)


def test_the_legend_survives_a_last_text_that_is_kept_whole() -> None:
    """Invariant 5: the legend stands behind a text that really was cut."""
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        for n in range(2)
    ]
    listing = "".join(f"line {n} of a listing with words\n" for n in range(60))
    messages = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c0", "content": listing},
        {"role": "tool", "tool_call_id": "c1", "content": "because of the socket that timed out"},
    ]
    select = {"stage": "select", "keep": 0.5, "min_tokens": 0}
    policy = load_policy({"floor_tokens": 5, "stages": [select]})
    sent = str(planned({"model": "gpt-4o", "messages": messages}, policy).body)
    assert "[-" in sent
    assert "recall" in sent


@examples(80, shrink=False)
@given(body=PLAIN_CONVERSATIONS, policy=st.sampled_from(list(OMITTING.values())))
def test_marks_are_explained(policy: Policy, body: dict[str, Any]) -> None:
    """Invariant 5: where text was left out a legend, or the mark itself, says which id it has."""
    made = unmarked(body, policy)
    edits = [edit for step in made.trace for edit in step.edits if edit.level == 2]
    sent = "\n".join(s.text for s in made.draft.segments)
    cut = "\n".join(text for edit in edits for text in edit.omitted)
    for address, _ in (one for edit in edits for one in edit.apart):
        assert f"recall {address}]" in sent + cut
        assert address in made.omitted
    if any(edit.recall_id for edit in edits):
        assert re.search(r"\[-n: n lines cut, [^\]]*recall [0-9a-f]{8}\]", sent)


def newest_steps(made: Plan) -> list[Step]:
    """The steps since the whole conversation was last open: what earlier ones did is undone."""
    steps: list[Step] = []
    window = (0, 0)
    for step in made.trace:
        if step.window != window and step.window[0] == 0:
            steps = []
        window = step.window
        steps.append(step)
    return steps


@examples(60)
@given(conversations(max_turns=4, max_lines=60), HARD_TOKENS)
def test_messages_that_are_trimmed_can_be_had_back(body: dict[str, Any], hard_tokens: int) -> None:
    """Invariant 5: what left whole stands under an id, and a mark that says so is sent."""
    try:
        made = planned(body, budgeted(hard_tokens, "trim"))
    except OverBudgetError:
        return
    texts = {m.index: [p.text for p in m.parts if p.text] for m in made.request.messages}
    kept = str(list(made.omitted.values()))
    shown = f"{made.body['messages']}{kept}"
    for edit in (e for step in newest_steps(made) for e in step.edits if e.action == "remove"):
        assert f"recall {edit.recall_id}" in shown
        lost = "\n".join(made.omitted[edit.recall_id])
        assert all(text in lost for text in texts[int(edit.target[1:])])


@examples(40)
@given(chat_bodies(), st.sampled_from(["lossless", "balanced", "frugal", "tight", "one-off"]))
def test_offering_recall_changes_nothing_else(body: dict[str, Any], name: str) -> None:
    """Invariant 5: the tool stands behind the caller's own, and what a mark names is kept."""
    offering = POLICIES[name].model_copy(update={"recall": Recall(offer=True)})
    made, without = planned(body, offering), planned(body, POLICIES[name])
    assert made.body["messages"] == without.body["messages"]
    assert made.tokens_after == without.tokens_after + made.tool_tokens
    if made.offer.made:
        assert made.body["tools"][:-1] == list(without.body.get("tools") or ())
    else:
        assert made.body == without.body
    # A mark may itself stand in a text that was cut later.
    shown = f"{made.body['messages']}{list(made.omitted.values())}"
    for address, texts in made.omitted.items():
        assert f"recall {address}" in shown
        assert any(texts)


# ---------------------------------------------------------------------------------- 6: pointers
POINTER: Final = re.compile(
    r'^\[(?:same as )?(m\d+(?:\.\d+)?)(?: lines? (\d+)(?:-(\d+))?)?(?:: "[^\n]*")?\]$', re.MULTILINE
)


def resolved(segment_id: str, sent: Mapping[str, str]) -> str:
    """The text of a segment as a reader of what is sent can reconstruct it."""

    def put(match: re.Match[str]) -> str:
        source, first, last = match.groups()
        if first is None:
            return resolved(source, sent)
        return "\n".join(sent[source].split("\n")[int(first) - 1 : int(last or first)])

    text = sent[segment_id]
    whole = POINTER.fullmatch(text)
    return put(whole) if whole else POINTER.sub(put, text)


def repeating(seeds: Sequence[int], line: str) -> dict[str, Any]:
    """A conversation whose results share blocks of lines in changing company."""
    blocks = ["".join(f"{line.format(n=n, block=block)}\n" for n in range(6)) for block in range(5)]
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Read the files."}]
    for n, seed in enumerate(seeds):
        text = f"file number {n} begins here\n" + "".join(
            f"line of its own {n}-{k} with some words\n" + blocks[(seed >> (2 * k)) % 5]
            for k in range(3)
        )
        call = {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": text},
        ]
        if seed % 2:  # two results in one turn
            call["id"] = f"c{n}a"
            messages[-2]["tool_calls"] = [call, {**call, "id": f"c{n}b"}]
            messages[-1]["tool_call_id"] = f"c{n}a"
            messages.append({"role": "tool", "tool_call_id": f"c{n}b", "content": text + blocks[0]})
    return counted({"model": "gpt-4o", "messages": messages})


@pytest.mark.parametrize("scope", ["conversation", "request"])
@examples(60, shrink=False)
@given(seeds=st.lists(st.integers(0, 255), min_size=2, max_size=5))
def test_pointers_resolve_to_the_original(scope: str, seeds: list[int]) -> None:
    """Invariant 6: what a pointer stands for can be read where it points, in what is sent."""
    body = repeating(seeds, "2025-11-0{n} block {block} has this line as number {n}")
    policy = load_policy(
        {"scope": scope, "floor_tokens": 20, "stages": [{"stage": "dedupe", "min_tokens": 16}]}
    )
    made = planned(body, policy)
    sent = {s.id: s.text for s in made.draft.segments}
    for segment in made.draft.segments:
        assert resolved(segment.id, sent) == segment.original


@examples(30, shrink=False)
@given(
    seeds=st.lists(st.integers(0, 255), min_size=2, max_size=5),
    policy=st.sampled_from(
        [
            POLICIES["tight"],
            POLICIES["one-off"],
            budgeted(400, "trim"),
            budgeted(300, "trim", "request"),
        ]
    ),
)
def test_pointers_never_point_at_what_was_cut(seeds: list[int], policy: Policy) -> None:
    """Invariant 6: what a pointer names stands there word for word, whatever was cut around it."""
    body = repeating(seeds, "2025-11-0{n} block {block} has this line as number {n}")
    try:
        made = planned(body, policy)
    except OverBudgetError:
        return
    by_id = {s.id: s for s in made.draft.segments}
    for segment in made.draft.segments:
        for source, first, last in POINTER.findall(segment.text):
            if not first:
                assert by_id[source].level <= 1
                continue
            shown = by_id[source].text.split("\n")[int(first) - 1 : int(last or first)]
            assert len(shown) == int(last or first) - int(first) + 1
            assert "\n".join(shown) in segment.original


# ------------------------------------------------------------------------------------- 7: budgets
@examples(80)
@given(
    chat_bodies(),
    HARD_TOKENS,
    ON_OVER_BUDGET,
    SCOPES,
    BASES,
)
def test_a_hard_budget_is_met_or_refused(
    body: dict[str, Any], hard_tokens: int, on_over_budget: str, scope: str, base: str
) -> None:
    """Invariant 7: the body that is sent fits, or the error names the largest protected pieces."""
    try:
        made = planned(body, budgeted(hard_tokens, on_over_budget, scope, base))
    except OverBudgetError as caught:
        error = caught
    else:
        assert made.tokens_after <= hard_tokens
        assert count_request(made.sent, made.count) <= hard_tokens
        return
    assert error.budget_tokens == hard_tokens < error.needed_tokens
    sizes = [tokens for _, tokens in error.largest]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < len(sizes) <= 3
    assert sum(sizes) <= error.needed_tokens


@examples(40)
@given(
    conversations(max_turns=3, max_lines=100, asks=plain_users(100)),
    st.integers(0, 400),
)
def test_trimming_fits_what_can_be_fitted(body: dict[str, Any], spare: int) -> None:
    """Invariant 7: with `trim` a budget of twice the frames and marks never fails."""
    request = wire.read(body)
    parts = split(request, counter_for(request.model))
    shells = sum(f.tokens for f in parts.frames) + parts.base_tokens
    marks = 16 * (len(parts.segments) + 2)
    hard_tokens = 2 * (shells + marks) + spare
    made = planned(body, budgeted(hard_tokens, "trim", "request"))
    assert made.tokens_after <= hard_tokens


def test_trimming_goes_on_until_it_fits() -> None:
    """Invariant 7: where a large call stays, the ask gives way further than its usual share."""
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "x " * 100}}
    body = {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": "some line of a long request\n" * 40},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": ""},
        ],
    }
    assert planned(body, budgeted(220, "trim", "request")).tokens_after <= 220


# -------------------------------------------------------------------------------- 8: determinism
CORPUS: Final = """
import hashlib, json, random, sys
sys.path.insert(0, sys.argv[1])
from strategies import GENERATORS
from tokenthrift.errors import NoCandidateError, OverBudgetError
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

tight = {"floor_tokens": 20, "stages": [{"stage": "json"}, {"stage": "dedupe", "min_tokens": 16},
    {"stage": "select", "keep": 0.3, "min_tokens": 40, "roles": ["tool", "user", "assistant"]}]}
budget = {**tight, "budget": {"hard_tokens": 700, "on_over_budget": "trim"}}
one_off = {**budget, "scope": "request"}
policies = ["lossless", "balanced", "quality", "frugal", tight, budget, one_off]
digest = hashlib.sha256()
for seed, make in enumerate(GENERATORS):
    rng = random.Random(seed)
    messages = [{"role": "system", "content": make(rng, 20)}]
    for n in range(3):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [{"role": "user", "content": GENERATORS[(seed + n) % 11](rng, 40)},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": make(rng, 60)}]
    body = {"model": "gpt-4o", "messages": messages}
    for policy in policies:
        try:
            made = plan(body, policy)
            result = (json.dumps(made.body), made.trace, made.decision, made.policy.digest)
        except (NoCandidateError, OverBudgetError) as error:
            result = str(error)
        digest.update(repr(result).encode())
print(digest.hexdigest())
"""


def _output(program: str, seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_plans_are_the_same_on_every_hash_seed() -> None:
    """Invariant 8: two processes with different hash seeds send the same bytes."""
    assert _output(CORPUS, "1") == _output(CORPUS, "2")


@examples(100)
@given(chat_bodies(), st.sampled_from([*POLICIES.values(), COMPACTED]))
def test_planning_twice_gives_the_same_plan(body: dict[str, Any], policy: Policy) -> None:
    """Invariant 8: a plan is a function of body and policy, not of which object the body is."""
    first, second = planned(body, policy), planned(deepcopy(body), policy)
    assert first.body == second.body
    assert first.trace == second.trace
    assert first.model == second.model
