"""Results of searches: by file without loss, and no line without the file that it is from."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, examples, grouped_search, long_texts, search, texts
from tokenthrift.compress.kinds import kind_of
from tokenthrift.compress.searches import decode, encode, search_lines
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

GREP = """\
src/app/main.py:12:import os
src/app/main.py-13-import re
--
src/app/main.py:40:os.remove(path)
src/app/util.py:7:import os
tests/test_main.py:3:import os
tests/test_main.py:9:    os.stat(x): int
"""
BY_FILE = """\
src/app/main.py
12:import os
13-import re
--
40:os.remove(path)
src/app/util.py:7:import os
tests/test_main.py
3:import os
9:    os.stat(x): int
"""
FOUND = "\n".join(f"./src/pkg/{name}.py" for name in ("a", "b", "c")) + "\n./src/other/d.py\n"
# Lines that stand between results, or look like what `encode` writes.
ODD_LINES = (
    *("src/a.py:1:x", "src/a.py:2:y", "src/a.py-3-z", "src/a.py: text", "src/a.py", "src/b.py:9:q"),
    *("--", "", "12:x", "12-x", ":x", " x", "src/", "src/a.py:", "a:b:c", "C:\\x\\y.py:3:z", "x y"),
    *(
        "src/b.py (3 matches)",
        "src/ui/[id]/p.tsx:4:k",
        "http://h/x.py:8:t",
        "2024-01-02 03:04:05 x",
    ),
)


@examples(300)
@given(
    st.one_of(
        st.lists(st.sampled_from(ODD_LINES), max_size=14).map("\n".join),
        SEEDS.map(lambda seed: grouped_search(random.Random(seed), 30)),
        SEEDS.map(lambda seed: search(random.Random(seed), 30)),
        texts(30),
    ),
    st.integers(0, 1),
)
def test_decode_undoes_encode(text: str, folders: int) -> None:
    """What is encoded is shorter and decodes to the very same text; all else is left alone."""
    encoded = encode(text, folders=bool(folders))
    if encoded is not None:
        assert len(encoded) < len(text)
        assert decode(encoded) == text


@pytest.mark.parametrize("seed", range(20))
def test_typical_results_get_smaller(seed: int) -> None:
    """Matches of which several are in one file lose a fifth and more."""
    text = grouped_search(random.Random(seed), 60)
    encoded = encode(text)
    assert encoded is not None
    assert decode(encoded) == text


def test_a_path_stands_above_its_lines() -> None:
    """As ripgrep shows it: numbers of context keep their dash, a single match its path."""
    assert encode(GREP) == BY_FILE
    assert decode(BY_FILE) == GREP


def test_files_of_a_folder_only_where_asked() -> None:
    """Lists of files stay whole paths, unless folders are asked for."""
    assert encode(FOUND) is None
    assert encode(FOUND, folders=True) == "./src/pkg/\n a.py\n b.py\n c.py\n./src/other/d.py\n"


def test_what_would_not_come_back_is_left_alone() -> None:
    """A text that already reads as if it were encoded is not encoded."""
    assert encode(BY_FILE + GREP) is None


@pytest.mark.parametrize(
    "text",
    [
        GREP,
        BY_FILE,
        FOUND,
        f"<returncode>0</returncode>\n<output>\n{GREP}</output>",
        "Found 3 matches for x in /app:\n/app/a/b.py (1 matches)\n/app/c.py (2 matches)\n",
        "./src:\nmain.py\nutil.py\n\n./src/pkg:\na.py\nREADME\n",
        "src/app/main.py: import os\nsrc/app/main.py: os.remove(x)\nsrc/b.py: os.stat(y)\n",
        "src\\win.c:12: x\nC:\\app\\b.c:13: y\nD:/app/c.c:14: z\n",
    ],
    ids=["grep", "rg", "find", "wrapped", "counted", "ls", "unnumbered", "windows"],
)
def test_results_are_told_by_content(text: str) -> None:
    """Output of grep, rg, find and ls, also behind what tools put around it."""
    assert kind_of(text) == "search"


@pytest.mark.parametrize(
    "text",
    [
        "id,name,amount\n1,a.b,2\n2,c.d,3\n3,e.f,4\n",
        "2024-01-02 10:00:00 main.py:12: started\n2024-01-02 10:00:01 main.py:13: stopped\n" * 3,
        "10:12:01 a\n10:12:02 b\n10:12:03 c\n",
        "host: a.example\nport: 80\nname: b.example\n",
        "- see src/app/main.py for this\n- and src/b.py:12 for that\n- and no more\n",
        "MIIEpAIBAAKCAQEA7/abc+xyzABCDEFGH\nMIIEpAIBAAKCAQEA7/abc+xyzABCDEFGI\nqq/w\n",
        "localhost:8080: up\nlocalhost:8081: down\nlocalhost:8082: up\n",
    ],
    ids=["csv", "log", "times", "settings", "list", "base64", "hosts"],
)
def test_near_misses_are_no_results(text: str) -> None:
    """Tables, logs and prose that name files are not taken for results."""
    assert kind_of(text) != "search"


def test_names_of_files_are_anchors() -> None:
    """Lines below a path hang on it and are read under it; those that show theirs on nothing."""
    lines = search_lines(BY_FILE)
    shown = {BY_FILE[ln.start : ln.end].split("\n", maxsplit=1)[0]: ln for ln in lines}
    assert shown["src/app/main.py"].anchor
    assert lines[shown["40:os.remove(path)"].head] is shown["src/app/main.py"]
    assert shown["9:    os.stat(x): int"].carry == "tests/test_main.py"
    assert shown["src/app/util.py:7:import os"].head == -1
    assert search_lines(GREP) == []


def planned(text: str, keep: float) -> str:
    """The text as the result of a search in a loop, cut."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where is ledger used?"}]
    for n, content in enumerate(("ok", text)):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": content},
        ]
    stages = [{"stage": "search"}, {"stage": "select", "keep": keep, "min_tokens": 0}]
    policy = load_policy({"floor_tokens": 0, "stages": stages})
    return str(
        plan({"model": "gpt-4o", "messages": messages}, policy).body["messages"][-1]["content"]
    )


@examples(30)
@given(SEEDS, st.sampled_from([0.2, 0.4, 0.7]))
def test_a_kept_line_shows_its_file(seed: int, keep: float) -> None:
    """Whatever is cut, each match that stays is a match of that file in the original."""
    rng = random.Random(seed)
    lines = [
        f"src/{folder}.py:{n}:{folder} {n} {rng.random()}"
        for folder in ("ledger", "budget", "cache", "retry")
        for n in range(1, rng.randint(3, 25))
    ]
    head = ""
    for line in planned("\n".join(lines), keep).split("\n"):
        if line.endswith(".py"):
            head = line
        elif line[:1].isdigit():
            assert f"{head}:{line}" in lines


@examples(60)
@given(long_texts(60))
def test_lines_cover_the_text(text: str) -> None:
    """An outline, where there is one, leaves nothing out."""
    lines = search_lines(text)
    assert not lines or "".join(text[ln.start : ln.end] for ln in lines) == text
