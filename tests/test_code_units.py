"""Cutting source text along its syntax: what is left parses, in every language."""

from __future__ import annotations

import ast
import random
import re
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenthrift
from strategies import SEEDS, examples, program, prose, short_texts
from tokenthrift.compress.code_units import Source, source_of
from tokenthrift.compress.languages import candidates
from tokenthrift.compress.syntax import check, error_share, parse
from tokenthrift.compress.writing import Writer
from tokenthrift.errors import MissingExtraError, OverBudgetError
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy
from tokenthrift.tokens import counter_for
from tokenthrift.types import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

COUNT: Final = counter_for("gpt-4o")
PROGRAMS: Final = {
    language: Path(__file__).parent / "programs" / name
    for language, name in {
        "javascript": "sample.js",
        "typescript": "sample.ts",
        "java": "Sample.java",
        "go": "sample.go",
        "rust": "sample.rs",
        "c": "sample.c",
        "cpp": "sample.cpp",
        "c_sharp": "Sample.cs",
        "ruby": "sample.rb",
        "php": "sample.php",
    }.items()
}
OWN: Final = sorted(Path(tokenthrift.__file__).parent.rglob("*.py"))
STDLIB: Final = [
    Path(sysconfig.get_path("stdlib")) / f"{name}.py"
    for name in ("argparse", "dataclasses", "json/decoder", "asyncio/tasks", "textwrap", "zipfile")
]
PYTHON: Final = [p for p in (*OWN, *STDLIB) if p.exists() and p.stat().st_size > 1_000]
NUMBERED: Final = {
    "cat": "{:6d}\t{}",
    "colon": "{}:{}",
    "colon and space": "{}: {}",
    "bar": "{:4d} | {}",
    "arrow": "{:5d}→{}",
}
MARK: Final = re.compile(r"[ \t]*(?:\.\.\.  )?(?:#|//) \[-(\d+): lines? (\d+)(?:-(\d+))?\]\n")


@lru_cache(maxsize=64)
def read(path: Path) -> str:
    """The text of a file."""
    return path.read_text(encoding="utf-8")


@lru_cache(maxsize=64)
def cut(text: str) -> Source:
    """A text that is known to be a source."""
    source = source_of(text, "code", COUNT)
    assert source is not None
    return source


def closed(source: Source, wanted: Iterable[int]) -> list[bool]:
    """What stays if some units do: with what they hang on."""
    kept = [False] * len(source.units)
    for n in wanted:
        at = n
        while at >= 0 and not kept[at]:
            kept[at] = True
            at = source.units[at].head
    return kept


def some(source: Source, seed: int) -> list[bool]:
    """A choice of units as a selection may make it."""
    rng = random.Random(seed)
    share = rng.choice([0, 0.05, 0.2, 0.5, 0.8, 0.95])
    competing = [n for n, unit in enumerate(source.units) if not unit.anchor]
    return closed(source, [n for n in competing if rng.random() < share])


def written(source: Source, text: str, kept: Sequence[bool]) -> str:
    """The text with marks in place of what does not stay."""
    out = []
    n = 0
    while n < len(kept):
        first = n
        while n < len(kept) and kept[n] == kept[first]:
            n += 1
        piece = text[source.units[first].start : source.units[n - 1].end]
        if kept[first] or not piece.strip():
            out.append(piece)
        else:
            out.append(source.gap(first, n))
    return "".join(out)


def fits(text: str, language: str) -> bool:
    """Whether a text parses without an error."""
    root = parse(text.encode(), language)
    return root is not None and not root.has_error


# -------------------------------------------------------------------------------- what is left
@examples(150)
@given(st.sampled_from(PYTHON), SEEDS)
def test_what_is_left_of_python_parses(path: Path, seed: int) -> None:
    """Whatever goes, with signatures kept for what stays, Python's own parser takes the rest."""
    text = read(path)
    source = cut(text)
    left = written(source, text, some(source, seed))
    ast.parse(left)
    assert fits(left, "python")


@pytest.mark.parametrize("language", PROGRAMS)
@examples(60)
@given(SEEDS)
def test_what_is_left_of_a_program_parses(language: str, seed: int) -> None:
    """The same for ten other languages."""
    text = read(PROGRAMS[language])
    source = cut(text)
    assert fits(text, language)
    assert fits(written(source, text, some(source, seed)), language)


@pytest.mark.parametrize("path", [*PROGRAMS.values(), *PYTHON[:20]], ids=lambda p: p.name)
def test_units_cover_the_text(path: Path) -> None:
    """Keeping all units is keeping the text, and each unit is whole lines."""
    text = read(path)
    units = cut(text).units
    assert "".join(text[u.start : u.end] for u in units) == text
    assert all(u.start == 0 or text[u.start - 1] == "\n" for u in units)
    assert all(u.tokens >= 0 for u in units)


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_statement_is_never_cut_in_two(language: str) -> None:
    """A unit alone, with what it hangs on, is a program too."""
    text = read(PROGRAMS[language])
    source = cut(text)
    for n, unit in enumerate(source.units):
        if not unit.anchor:
            assert fits(written(source, text, closed(source, [n])), language), unit


@examples(40)
@given(st.sampled_from(PYTHON), SEEDS)
def test_marks_say_which_lines_went(path: Path, seed: int) -> None:
    """Marks and kept lines together are all lines of the file, in their places."""
    text = read(path)
    source = cut(text)
    lines = text.split("\n")
    at = 0
    for line in written(source, text, some(source, seed)).splitlines(keepends=True):
        mark = MARK.fullmatch(line)
        if mark and line not in text:
            first, last = int(mark[2]), int(mark[3] or mark[2])
            assert int(mark[1]) == last - first + 1
            assert first == at + 1
            at = last
        else:
            assert line.rstrip("\n") == lines[at]
            at += 1


@pytest.mark.parametrize("form", NUMBERED.values(), ids=NUMBERED.keys())
@examples(15)
@given(st.sampled_from(PYTHON), SEEDS)
def test_numbered_listings_are_cut_alike(form: str, path: Path, seed: int) -> None:
    """Numbers before the lines stay where they are, and marks go by them."""
    text = read(path).rstrip("\n")
    shown = "\n".join(form.format(n, line) for n, line in enumerate(text.split("\n"), 1))
    shown = f"[File: /app/{path.name}]\n(0 more lines above)\n{shown}\n(0 more lines below)\n"
    source = source_of(shown, "prose", COUNT)
    assert source is not None
    left = written(source, shown, some(source, seed))
    bare = "\n".join(
        re.sub(r"^ *\d+(?:\t|: |:| \| |→)", "", line) if not MARK.match(f"{line}\n") else line
        for line in left.split("\n")
        if not line.startswith(("[", "("))
    )
    if form != NUMBERED["colon"]:  # an indent cannot be told from a space of the mark there
        ast.parse(bare)
    for number in re.findall(r"lines? (\d+)", left):
        assert 1 <= int(number) <= len(text.split("\n"))


def test_a_listing_goes_by_the_numbers_of_its_file() -> None:
    """A part of a file is marked with the file's own numbers."""
    rows = ["    def f(self):", *(f"        self.x{n} = {n}" for n in range(40)), "", "def g():"]
    rows += [f"    call_{n}(a, b)" for n in range(30)]
    text = "\n".join(f"{n}:{row}" for n, row in enumerate(rows, 295))
    source = source_of(text, "prose", COUNT, before="[File: /app/x.py]\n")
    assert source is not None
    last = max(n for n, unit in enumerate(source.units) if unit.head >= 0)
    left = written(source, text, closed(source, [last]))
    assert "lines 295-33" in left
    assert left.splitlines()[1] == "337:def g():"


# ----------------------------------------------------------------------------- what it looks like
EXAMPLE: Final = '''"""A module."""

import os
import sys
from typing import Final


class Shop:
    """What is sold.

    A longer text that says much more about what this class does, and which nobody
    has asked about here.
    It goes on for some lines.
    And some more.
    """

    @property
    def total(self) -> int:
        """The sum of all prices."""
        found = 0
        for price in self.prices:
            if price is None:
                raise ValueError("a price is unknown, which must not happen in this place")
            found += price
        return found

    def clear(self) -> None:
        self.prices = [price for price in self.prices if price is not None]
        self.names = {name: price for name, price in self.names.items() if price is not None}
        self.seen = 0
'''


def test_an_emptied_block_is_filled() -> None:
    """In Python a dot-dot-dot with the lines stands where a body was; text is marked in place."""
    source = cut(EXAMPLE)
    signatures = [n for n, role in enumerate(source.roles) if role == "signature"]
    assert (
        written(source, EXAMPLE, closed(source, signatures))
        == '''"""A module."""

# [-5: lines 3-7]
class Shop:
    """What is sold.
    # [-5: lines 10-14]
    """

    @property
    def total(self) -> int:
        """The sum of all prices."""
        ...  # [-7: lines 20-26]
    def clear(self) -> None:
        ...  # [-3: lines 28-30]
'''
    )


def test_units_say_what_they_are_in() -> None:
    """Classes and functions around a unit are read along with it."""
    source = cut(EXAMPLE)
    carried = {
        EXAMPLE[u.start : u.end].strip().split("\n")[0]: u.carry for u in source.units if u.carry
    }
    assert carried["found = 0"] == "Shop total"
    assert carried["@property"] == "Shop"


def test_imports_are_one_unit() -> None:
    """What a file uses stays or goes together."""
    source = cut(EXAMPLE)
    assert [r for r in source.roles if r == "import"] == ["import"]


def test_braces_are_marked_by_comments() -> None:
    """In a language with braces the mark is a comment between them."""
    text = "function add(a, b) {\n" + "".join(f"  call{n}(a, b);\n" for n in range(20)) + "}\n"
    text += "function sub(a, b) {\n" + "".join(f"  less{n}(a, b);\n" for n in range(20)) + "}\n"
    source = cut(text)
    ends = [n for n, role in enumerate(source.roles) if role == "signature"]
    assert written(source, text, closed(source, ends)) == (
        "function add(a, b) {\n  // [-20: lines 2-21]\n}\n"
        "function sub(a, b) {\n  // [-20: lines 24-43]\n}\n"
    )


# -------------------------------------------------------------------------------- what is no source
@examples(200)
@given(st.one_of(short_texts(), SEEDS.map(lambda seed: prose(random.Random(seed), 30))))
def test_what_is_no_source_is_left_to_lines(text: str) -> None:
    """Prose and odd texts have no syntax."""
    assert source_of(text, "prose", COUNT) is None


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n    return ]\n" * 200,
        "import a\n" + "(" * 50_000,
        "import a\n" + "x = [\n" * 5_000,
        "class A {\n" * 3_000,
        "int f() {\n" + "a<b\n" * 4_000,
        "function f() {\n/*\n" * 2_000,
        "def f(x):\n    return x\n" + "|+\n" * 5_000,
        "def f(x):\n" + "".join(" " * n + "if x:\n" for n in range(1, 400)),
        "def f(x):\n    x = " + "+".join(["1"] * 20_000) + "\n",
        "import a\nx = " + "[" * 900 + "]" * 900 + "\ndef f(x):\n    return x\n" * 3,
    ],
    ids=lambda text: repr(text[:24]),
)
@pytest.mark.parametrize("before", ["", "```python\n", "```java\n", "```c#\n"])
def test_odd_texts_do_no_harm(text: str, before: str) -> None:
    """What is not closed, nested too deep or no program at all is cut somehow, or not at all."""
    source = source_of(text, "code", COUNT, before)
    if source is not None:
        assert "".join(text[u.start : u.end] for u in source.units) == text


@examples(60)
@given(st.sampled_from([*PROGRAMS.values(), *PYTHON]), SEEDS, short_texts())
def test_damaged_sources_are_cut_somehow(path: Path, seed: int, noise: str) -> None:
    """A part of a file, with anything in the middle, loses nothing when it is cut."""
    rng = random.Random(seed)
    text = read(path)
    a, b = sorted(rng.randrange(len(text)) for _ in range(2))
    text = text[a : (a + b) // 2] + noise + text[(a + b) // 2 : b]
    source = source_of(text, "code", COUNT)
    if source is not None:
        assert "".join(text[u.start : u.end] for u in source.units) == text
        heads = [u.head for u in source.units]
        assert all(-1 <= head < len(heads) for head in heads)
        written(source, text, some(source, seed))


def test_a_part_of_a_file_is_cut_too() -> None:
    """A listing that begins inside a class, a function or a docstring has statements as well."""
    lines = read(Path(ast.__file__)).split("\n")
    found = 0
    for start in range(40, 440, 40):
        source = source_of("\n".join(lines[start : start + 100]), "code", COUNT)
        if source is not None:
            found += 1
            assert len(source.units) > 4
    assert found >= 7


# -------------------------------------------------------------------------------- languages
@pytest.mark.parametrize("language", PROGRAMS)
def test_languages_are_told_from_the_text(language: str) -> None:
    """The first guess is right, with nothing but the text."""
    assert candidates(read(PROGRAMS[language]), surely=True)[0] == language


def test_python_is_told_from_the_text() -> None:
    """The same for our own files and those of Python; one of ours holds the marks of all others."""
    wrong = [p.name for p in PYTHON if candidates(read(p), surely=True)[:1] != ("python",)]
    assert wrong in ([], ["languages.py"])
    assert {cut(read(p)).comment for p in PYTHON} == {"#"}


def test_a_fence_or_a_path_names_the_language() -> None:
    """What stands before a text says more than a few lines can."""
    few = "x = 1;\ny = 2;\nz(x, y);\n  return x;\nlet w = 3;\n"
    assert candidates(few, "```js\n")[0] == "javascript"
    assert candidates(few, "[File: /app/src/lib.rs (20 lines)]\n")[0] == "rust"
    assert candidates(few) == ()


# -------------------------------------------------------------------------------- in a plan
def body(text: str, question: str) -> dict[str, Any]:
    """A question, and a file that was read for it."""
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    return {
        "model": "gpt-4o",
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": text},
        ],
    }


def policy(budget_tokens: int) -> Any:
    """A hard budget for one request."""
    select = {"stage": "select", "keep": 1, "min_tokens": 0, "code": "syntax"}
    return load_policy({
        "scope": "request", "stages": [select], "on_stage_error": "raise",
        "budget": {"hard_tokens": budget_tokens},
    })  # fmt: skip


@examples(40)
@given(st.sampled_from(PYTHON), st.sampled_from([1.5, 2, 4, 8]), SEEDS)
def test_plans_of_sources_parse_and_fit(path: Path, ratio: float, seed: int) -> None:
    """Under a hard budget what is sent of a file fits and parses; what went is at hand."""
    text = read(path)
    word = random.Random(seed).choice(re.findall(r"\w{5,}", text))
    request = body(text, f"How does {word} work?")
    budget = int(plan(request, "off").tokens_before / ratio)
    try:
        made = plan(request, policy(budget))
    except OverBudgetError:  # what is protected is larger
        return
    assert made.tokens_after <= budget
    left = made.body["messages"][2]["content"]
    if "```" not in text:  # fences part a text before it is looked at
        ast.parse(left)
    assert all(gone in text for gone in made.omitted.popitem()[1])


def test_what_is_asked_for_stays_whole() -> None:
    """The body of a function that is named stays, and the signatures around it."""
    text = read(OWN[0].parent / "compress" / "windows.py")
    request = body(text, "How does `_chain` work?")
    made = plan(request, policy(plan(request, "off").tokens_before // 4))
    left = made.body["messages"][2]["content"]
    start = text.index("def _chain(")
    assert text[start : text.index("\n\n\n", start)] in left
    assert left.count("\ndef ") > 4
    assert "# [-n: n lines cut, recall " in left


def test_marks_beside_a_source_are_comments_too() -> None:
    """What went above a source, and what its marks mean, is said in its language."""
    text = read(PROGRAMS["go"])
    source = cut(text)
    segment = Segment("m1", 1, 0, (0, len(text)), "code", "tool", 0, text, text, COUNT(text))
    above = Segment("m0", 0, 0, (0, 4), "prose", "user", 0, "word", "word", 1)
    writer = Writer(COUNT, with_legend=True)
    writer.add(above, [], [], removed=True)
    kept = closed(source, [len(source.units) - 1])
    writer.add(segment, source.units, kept, removed=False, marks=source)
    gone, edit = writer.finish()
    assert gone.action == "remove"
    assert edit.text.startswith("// [-1 messages]\n")
    assert edit.text.split("\n")[-1].startswith("// [-n: n lines cut, recall ")
    assert fits(edit.text, "go")


@examples(30)
@given(SEEDS)
def test_what_was_sent_of_a_source_stays(seed: int) -> None:
    """In a growing conversation files are cut once; the cut does not change with what follows."""
    rng = random.Random(seed)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where is the ledger read?"}]
    for n in range(4):
        call = {"id": f"c{n}", "type": "function", "function": {"name": "cat", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{n}", "content": program(rng, 80)},
        ]
    select = {"stage": "select", "keep": 0.5, "min_tokens": 100, "code": "syntax"}
    rules = load_policy({"stages": [{"stage": "dedupe"}, select], "on_stage_error": "raise"})
    whole = plan({"model": "gpt-4o", "messages": messages}, rules)
    assert any("# [-" in str(m["content"]) for m in whole.body["messages"])
    for end in (3, 5, 7):
        part = plan({"model": "gpt-4o", "messages": messages[:end]}, rules)
        assert part.body["messages"] == whole.body["messages"][:end]


def test_lines_are_the_default() -> None:
    """Without `code: syntax` nothing is parsed, and marks are as ever."""
    text = read(PROGRAMS["rust"])
    select = {"stage": "select", "keep": 0.5, "min_tokens": 0}
    made = plan(body(text, "What is kept?"), load_policy({"stages": [select]}))
    left = made.body["messages"][2]["content"]
    assert re.search(r"^\[-\d+\]$", left, re.MULTILINE)
    assert not re.search(r"\[-\d+: line", left)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the grammars the error says which extra to install, before anything is sent."""
    from tokenthrift.compress import syntax

    syntax._language.cache_clear()
    monkeypatch.setitem(sys.modules, "tree_sitter_go", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[code\]"):
        check()
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[code\]"):
        plan(body("x", "y"), load_policy({"stages": [{"stage": "select", "code": "syntax"}]}))
    syntax._language.cache_clear()


def test_errors_have_a_size() -> None:
    """The share of a text that does not fit is between none and all of it."""
    good, bad = b"def f(x):\n    return x\n", b"def f(x):\n    return ]]] x [[[\n"
    roots = [parse(good, "python"), parse(bad, "python")]
    assert roots[0] is not None
    assert roots[1] is not None
    assert error_share(roots[0], len(good)) == 0
    assert 0 < error_share(roots[1], len(bad)) <= 1
