"""Diffs: every changed line first, context by nearness, no header without lines."""

from __future__ import annotations

import difflib
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, WORDS, examples, long_texts
from tokenthrift.compress.diffs import diff_lines
from tokenthrift.compress.kinds import kind_of
from tokenthrift.compress.outlines import CHANGED, CONTEXT
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

GIT = """\
commit 2dff3502e99437c7b25720afb4f9bf7700329672
Author: Ann Lee <ann@example.org>

    Retry once more

diff --git a/src/client.py b/src/client.py
index 0b935bdeb1..c49bc8d662 100644
--- a/src/client.py
+++ b/src/client.py
@@ -10,7 +10,8 @@ def send(self, body):
     one = 1
     two = 2
     three = 3
-    return self.post(body)
+    for _ in range(2):
+        return self.post(body)
     four = 4
     five = 5
     six = 6
@@ -90,3 +91,3 @@ def close(self):
     seven = 7
-    self.open = None
+    self.open = False
     eight = 8
\\ No newline at end of file
diff --git a/old.txt b/new.txt
similarity index 100%
rename from old.txt
rename to new.txt
diff --git a/gone.py b/gone.py
deleted file mode 100644
index 3bf9be5..0000000
--- a/gone.py
+++ /dev/null
@@ -1,2 +0,0 @@
--- not a header
-++ neither
"""
MERGE = """\
diff --cc src/a.py
index 1,2..3
--- a/src/a.py
+++ b/src/a.py
@@@ -1,3 -1,3 +1,4 @@@ class A
  same
- ours
 -theirs
++both
  more
"""


def shapes(text: str) -> list[tuple[str, str]]:
    """First line of each line of the outline, with what it is."""
    return [
        (text[ln.start : ln.end].split("\n", maxsplit=1)[0], "head" if ln.anchor else ln.part)
        for ln in diff_lines(text)
    ]


def test_the_lines_of_a_diff_are_told() -> None:
    """Headers, changes and context; text around; a rename is a change itself."""
    found = dict(shapes(GIT))
    assert found["diff --git a/src/client.py b/src/client.py"] == "head"
    assert found["@@ -10,7 +10,8 @@ def send(self, body):"] == "head"
    assert found["-    return self.post(body)"] == CHANGED
    assert found["     three = 3"] == CONTEXT
    assert found["Author: Ann Lee <ann@example.org>"] == ""
    assert found["diff --git a/old.txt b/new.txt"] == CHANGED
    assert found["--- not a header"] == CHANGED
    assert found["-++ neither"] == CHANGED


def test_lines_hang_on_their_hunk_and_that_on_its_file() -> None:
    """A change below its header; context below the line next to it on the way to a change."""
    lines = diff_lines(GIT)
    shown = {GIT[ln.start : ln.end].split("\n", maxsplit=1)[0]: ln for ln in lines}
    hunk = shown["@@ -10,7 +10,8 @@ def send(self, body):"]
    assert lines[shown["+    for _ in range(2):"].head] is hunk
    assert lines[hunk.head] is shown["diff --git a/src/client.py b/src/client.py"]
    assert lines[shown["     one = 1"].head] is shown["     two = 2"]
    assert lines[shown["     three = 3"].head] is hunk
    assert lines[shown["     six = 6"].head] is shown["     five = 5"]
    assert shown["     one = 1"].carry == "src/client.py def send(self, body):"
    last = shown["     eight = 8"]
    assert GIT[last.start : last.end].endswith("No newline at end of file\n")


def test_merges_have_a_sign_for_each_parent() -> None:
    """A line is changed if it is against any parent."""
    parts = [part for _, part in shapes(MERGE)]
    assert parts == ["head", "head", CONTEXT, CHANGED, CHANGED, CHANGED, CONTEXT]


def edited(seed: int) -> tuple[list[str], list[str]]:
    """A file, and the file after some edits."""
    rng = random.Random(seed)
    before = [f"{rng.choice(WORDS)} {rng.choice(['+', '-', '@@', ''])}{n}" for n in range(60)]
    after = [line for line in before if rng.random() > 0.08]
    for _ in range(rng.randint(1, 5)):
        after.insert(rng.randrange(len(after) + 1), f"-- new {rng.random()}")
    return before, after


@examples(100)
@given(SEEDS, st.integers(0, 8), st.integers(0, 1))
def test_changed_lines_are_those_that_were_changed(seed: int, context: int, more: int) -> None:
    """Of any unified diff exactly the lines that are taken out or put in are changed."""
    before, after = edited(seed)
    made = list(difflib.unified_diff(before, after, "a/x", "b/x", n=context, lineterm=""))
    text = "\n".join([*made, *(["diff --git a/y b/y", *made] if more else [])])
    found = [text[ln.start : ln.end].rstrip("\n") for ln in diff_lines(text) if ln.part == CHANGED]
    changed = [line for line in made[2:] if line[0] in "+-"]
    assert found == changed * (1 + more)


@examples(150)
@given(long_texts(60))
def test_lines_cover_any_text(text: str) -> None:
    """Nothing is left out or shown twice, whatever the text; heads stand inside it."""
    lines = diff_lines(text)
    assert "".join(text[ln.start : ln.end] for ln in lines) == text
    assert all(-1 <= ln.head < len(lines) and ln.head != n for n, ln in enumerate(lines))


def sent(text: str, question: str, *, keep: float = 1.0, hard_share: float | None = None) -> str:
    """The diff as it is sent as a tool's result."""
    call = {"id": "c", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    body = {"model": "gpt-4o", "messages": messages}
    settings: dict[str, Any] = {
        "scope": "request",
        "floor_tokens": 0,
        "stages": [{"stage": "select", "keep": keep, "min_tokens": 0}],
    }
    if hard_share is not None:
        whole = plan(body, "off").tokens_before
        bare = plan({**body, "messages": messages[:2]}, "off").tokens_before
        settings["budget"] = {"hard_tokens": int(bare + hard_share * (whole - bare))}
    return str(plan(body, load_policy(settings)).body["messages"][-1]["content"])


def many(seed: int, files: int = 3) -> str:
    """A diff of several files."""
    out: list[str] = []
    for n in range(files):
        before, after = edited(seed + 1_000 * n)
        name = f"{WORDS[n]}_{n}.py"
        made = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=6, lineterm="")
        out += [f"diff --git a/{name} b/{name}", *made]
    return "\n".join(out) + "\n"


@examples(25)
@given(SEEDS, st.sampled_from([0.1, 0.3, 0.6]))
def test_no_changed_line_goes_without_need(seed: int, keep: float) -> None:
    """Without a hard budget every changed line stays, however small the share."""
    text = many(seed)
    left = sent(text, "What was changed?", keep=keep).split("\n")
    for line in diff_lines(text):
        if line.part == CHANGED:
            assert text[line.start : line.end].rstrip("\n") in left


@examples(40)
@given(SEEDS, st.sampled_from([0.3, 0.5, 0.7, 0.9]))
def test_context_goes_first_and_headers_stand_above_lines(seed: int, share: float) -> None:
    """While any changed line is missing no context is shown; no header stands alone."""
    text = many(seed)
    left = sent(text, "What was changed?", hard_share=share)
    kept = [line for line in left.split("\n") if line and not line.startswith("[-")]
    wanted = {
        ln
        for ln in text.split("\n")
        if ln.startswith(("+", "-")) and ln[:4] not in ("+++ ", "--- ")
    }
    if wanted - set(kept):
        assert not [line for line in kept if line[0] == " "]
    for line, following in zip(kept, [*kept[1:], ""], strict=True):
        if line.startswith("@@"):
            assert following[:1] in ("+", "-", " ")
        if line.startswith("+++ "):
            assert following.startswith("@@")


@examples(25)
@given(SEEDS)
def test_context_goes_from_far_to_near(seed: int) -> None:
    """Between a kept line of context and a change stand no gaps on the side it hangs on."""
    text = many(seed, files=1)
    lines = diff_lines(text)
    left = set(sent(text, "What was changed?", hard_share=0.8).split("\n"))
    texts = [text[ln.start : ln.end].rstrip("\n") for ln in lines]
    once = {t for t in texts if texts.count(t) == 1}
    for n, line in enumerate(lines):
        near = lines[line.head] if line.head >= 0 else None
        if line.part == CONTEXT and near is not None and near.part == CONTEXT and texts[n] in once:
            assert texts[n] not in left or texts[line.head] in left


@pytest.mark.parametrize("named", range(3))
def test_hunks_that_the_question_names_win(named: int) -> None:
    """Under a budget that not even all changes fit in, the file that is asked for stays."""
    text = many(7)
    name = f"{WORDS[named]}_{named}.py"
    left = sent(text, f"What was changed in {name}?", hard_share=0.25)
    part = text.split("diff --git ")[1 + named]
    changed = [
        ln
        for ln in part.split("\n")
        if ln.startswith(("+", "-")) and ln[:4] not in ("+++ ", "--- ")
    ]
    assert sum(line in left.split("\n") for line in changed) >= 0.9 * len(changed)


@pytest.mark.parametrize(
    "text",
    [
        "- one\n- two\n- three\n+ four\n",
        "# Notes\n\n- added retries\n- removed the cache\n\n--- \n\n+++ more\n",
        "Use @@ -1,2 +1,2 @@ as the header of a hunk.\nThen lines follow.\n- like this\n",
        "--- title\nname: x\n--- body\ntext\n",
        "In the pull request we said:\n" + "This is prose about the change.\n" * 12 + GIT[130:300],
    ],
    ids=["list", "notes", "prose about", "front matter", "mostly prose"],
)
def test_near_misses_are_no_diffs(text: str) -> None:
    """Lists with dashes and prose about diffs are none."""
    assert kind_of(text) != "diff"


@pytest.mark.parametrize(
    "text",
    [
        GIT,
        MERGE,
        f"<returncode>0</returncode>\n<output>\n{GIT}</output>",
        GIT[GIT.index("--- a/src/client.py") : GIT.index("diff --git a/old")],
        GIT[GIT.index("@@ -10") : GIT.index("@@ -90")],
        "Index: x.c\n====\n--- x.c\t(revision 1)\n+++ x.c\t(revision 2)\n@@ -1 +1 @@\n-a\n+b\n",
    ],
    ids=["git show", "merge", "wrapped", "plain", "hunk", "svn"],
)
def test_diffs_are_told_by_content(text: str) -> None:
    """Diffs of git, of merges, of other tools, and parts of them."""
    assert kind_of(text) == "diff"
