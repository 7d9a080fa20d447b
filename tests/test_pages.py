"""Web pages: written as text, told apart from menus, and left alone where markup matters."""

from __future__ import annotations

import html as entities
import random
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import SEEDS, WORDS, examples
from tokenthrift.compress.html_units import density, html_spans
from tokenthrift.compress.main_text import main_lines
from tokenthrift.compress.pages import is_page, read_page
from tokenthrift.pipeline import plan
from tokenthrift.policy import load_policy

READING = "What does the report say about the harbour?"
STAGES = [{"stage": "html"}, {"stage": "select", "keep": 1, "min_tokens": 0}]


def sentence(rng: random.Random) -> str:
    """A sentence of twenty words."""
    return " ".join(rng.choice(WORDS) for _ in range(20)).capitalize() + "."


def page(rng: random.Random, *, before: str = "", after: str = "") -> tuple[str, list[str]]:
    """A page with a menu, an article, teasers and a footer; and the article's paragraphs."""
    own = [f"{sentence(rng)} Harbour &amp; sea {n}." for n in range(8)]
    menu = "".join(f'<li><a href="/{w}?x=1&amp;y=2" class="nav {w}">{w}</a></li>' for w in WORDS)
    body = "\n".join(f'<p class="lead" data-id="{n}">{p}</p>' for n, p in enumerate(own))
    text = (
        "<!DOCTYPE html><html><head><title>T</title><style>p {color: red}</style>"
        "<script>var tracking = {id: 12345};</script></head><body>"
        f"<nav><ul>{menu}</ul></nav><main><article><h1>Harbour report</h1>{before}{body}</article>"
        f"</main>{after}<footer><p>Imprint: call +49 30 1234567 for enquiries</p></footer>"
        "</body></html>"
    )
    return text, [entities.unescape(p) for p in own]


def sent(text: str, question: str = READING, *, role: str = "tool", **policy: Any) -> str:
    """What is sent of a page that a tool gave."""
    call = {"id": "c", "type": "function", "function": {"name": "fetch", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": role, "tool_call_id": "c", "content": text},
    ]
    rules = load_policy({"stages": STAGES, "on_stage_error": "raise", **policy})
    body = plan({"model": "gpt-4o", "messages": messages}, rules).body
    return str(body["messages"][-1]["content"])


@examples(30)
@given(SEEDS)
def test_main_text_stays_word_for_word_and_nothing_else(seed: int) -> None:
    """The paragraphs stay verbatim in order; menus, scripts, attributes and tags are gone."""
    text, paragraphs = page(random.Random(seed))
    out = sent(text)
    places = [out.find(p) for p in paragraphs]
    assert -1 not in places
    assert places == sorted(places)
    assert "# Harbour report" in out
    for gone in ("<p", "nav", "tracking", "color", "data-id", "Imprint", f"- {WORDS[0]}\n"):
        assert gone not in out


def test_what_went_is_marked_with_recall_ids() -> None:
    """The first line says that markup was cut, marks stand where lines went, each with an id."""
    out = sent(page(random.Random(1))[0])
    assert re.match(r"\[page as text: entities decoded, markup cut, recall [0-9a-f]{8}\]\n", out)
    assert re.search(r"^\[-\d+\]$", out, re.MULTILINE)
    assert re.search(r"\[-n: n lines cut, recall [0-9a-f]{8}\]", out)


def test_every_line_stays_where_all_of_a_page_is_wanted() -> None:
    """With pages: all the menu and the footer are there, but no markup."""
    stages = [{"stage": "html"}, {"stage": "select", "keep": 1, "min_tokens": 0, "pages": "all"}]
    out = sent(page(random.Random(2))[0], stages=stages)
    assert "Imprint: call +49 30 1234567 for enquiries" in out
    assert f"- {WORDS[0]}\n" in out
    assert "href" not in out


def test_what_the_question_names_stays() -> None:
    """A footer stays for the question that asks for it, the menu still goes."""
    out = sent(page(random.Random(3))[0], "Whom do I call for enquiries?")
    assert "Imprint: call +49 30 1234567 for enquiries" in out
    assert f"- {WORDS[0]}\n" not in out


def test_tables_in_the_main_text_stay_as_rows() -> None:
    """A table of the article is kept row by row with tabs between its cells."""
    table = "<table><tr><th>Port</th><th>Ships</th></tr><tr><td>Kiel</td><td>12</td></tr></table>"
    assert "Port\tShips\nKiel\t12\n" in sent(page(random.Random(4), before=table)[0])


@pytest.mark.parametrize(
    "question",
    [
        "Which CSS class has the lead paragraph?",
        "Give me the links of the menu.",
        "Write a scraper for this.",
        "Why is <nav> wider than <main>?",
    ],
)
def test_markup_stays_for_questions_about_it(question: str) -> None:
    """Where the question is about markup the page is sent as it is, or cut with its markup."""
    rules = {"stages": [{"stage": "html"}]}
    text = page(random.Random(5))[0]
    assert sent(text, question, **rules) == text


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><feed><entry><title>A</title></entry></feed>' * 40,
        "<!DOCTYPE plist><plist><dict><key>a</key></dict></plist>" * 40,
        "<html><body><div id=root></div>" + "<script>render({a: 1})</script>" * 90,
        "<html><body>" + "<p>Dear {{ user.name }}, {% if x %} your order is here</p>" * 40,
        "<html><body>" + "<p>one two three four</p>" * 40 + "\ud800</body></html>",
        "<html><body>" + "<div>" * 300 + "<p>one two three four</p>" * 40,
    ],
    ids=["xml", "plist", "program", "template", "surrogate", "deep"],
)
def test_what_is_no_page_to_be_read_is_left_alone(text: str) -> None:
    """XML, programs, templates and pages that cannot be read stay byte for byte."""
    assert sent(text, stages=[{"stage": "html"}]) == text


def test_a_page_without_main_text_keeps_all_of_it() -> None:
    """An index of links has no main text, so no line is put aside."""
    items = "".join(f"<li><a href='/{n}'>Entry number {n} of all</a></li>" for n in range(60))
    out = sent(f"<html><body><ul>{items}</ul></body></html>")
    assert all(f"- Entry number {n} of all" in out for n in range(60))


@examples(60)
@given(
    st.lists(
        st.sampled_from(
            [
                *("<p>", "</p>", "<a href='x'>", "</a>", "<li>", "<ul>", "</ul>", "<pre>"),
                *("</pre>", "<h2>", "</h2>", "<br>", "<script>", "<!--", "-->", "<td>"),
                *("<table>", "&lt;", "&", "word two", "\n", "\t", "é“", '"', "<", ">"),
                *("</div>", "<div class='"),
            ]
        ),
        max_size=80,
    )
)
def test_lines_are_text_of_the_page_whatever_the_markup(tags: list[str]) -> None:
    """Words of each line stand in the page in that order, and flags match the lines."""
    text = "<html><body>" + "".join(tags)
    read = read_page(text)
    assert is_page(text)
    assert read is not None
    known = set(re.findall(r"\w+", entities.unescape(text)))
    for line in read.lines:
        assert set(re.findall(r"\w+", line.plain)) <= known
        assert line.linked <= line.words
    flags = main_lines(read)
    assert flags is None or len(flags) == len(read.lines)


@pytest.mark.parametrize("kind", ["request", "conversation"])
@examples(20)
@given(SEEDS, st.integers(100, 600))
def test_pages_never_exceed_a_hard_budget(kind: str, seed: int, hard: int) -> None:
    """Under any budget the request fits, with what is left in order."""
    text, paragraphs = page(random.Random(seed))
    rules = load_policy(
        {"scope": kind, "stages": STAGES, "on_stage_error": "raise",
         "budget": {"hard_tokens": hard, "on_over_budget": "trim"}}
    )  # fmt: skip
    call = {"id": "c", "type": "function", "function": {"name": "fetch", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": READING},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    ]
    made = plan({"model": "gpt-4o", "messages": messages}, rules)
    assert made.draft.tokens <= hard
    assert paragraphs


BROKEN = {
    "angles": "<" * 400_000,
    "scripts": "<script>" * 60_000,
    "comments": "<!--" * 100_000,
    "links": '<a href="x">' * 40_000,
    "bold": "<b><p>" * 60_000,
    "deep": "<div>" * 100_000,
    "attributes": "<div " + " ".join(f"a{n}=1" for n in range(100_000)) + ">",
    "quoted": "<div " + " ".join(f'a{n}="<"' for n in range(100_000)) + ">",
    "quotes": '<a "' * 100_000,
    "blanks": " \n" * 400_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pages_take_linear_time(name: str) -> None:
    """Half a megabyte of what makes parsers slow is read, or refused, within seconds."""
    text = "<html><body>" + BROKEN[name]
    start = time.perf_counter()
    read_page(text)
    spans = list(html_spans(text))
    density([text[a:b] for a, b in spans])
    assert time.perf_counter() - start < 5
    assert "".join(text[a:b] for a, b in spans) == text
