"""The page of a plan: it shows every text as given and as sent, escapes it, and needs nothing.

What a browser does with it is tried in Chromium (Debian package ``chromium``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browser import CONTRASTS
from strategies import chat_bodies, examples
from tokenthrift.catalog import load_catalog
from tokenthrift.cli import main
from tokenthrift.draft import Resources
from tokenthrift.errors import RequestError
from tokenthrift.pipeline import Plan, plan
from tokenthrift.policy import load_policy
from tokenthrift.report import explain, plan_page
from tokenthrift.report.formats import visible

CATALOG = load_catalog()
GIVEN = {"kept", "dropped", "shorter", "source"}
SENT = {"kept", "anew", "written"}
ROWS = json.dumps([{"id": n, "name": f"item {n}", "price": n * 3} for n in range(90)], indent=1)
LOG = "\n".join(f"12:{i:04d} worker {i} stored item {i * 7} of tenant {i % 5}" for i in range(300))
SITE = (
    "<!doctype html><html><head><title>Rain</title><script>var a = 1;</script></head><body>"
    + "".join(f"<p>On day {n} it rained {n} hours in the <b>valley</b>.</p>" for n in range(60))
    + "</body></html>"
)
STAGES = [
    {"stage": "json"},
    {"stage": "html"},
    {"stage": "dedupe"},
    {"stage": "select", "keep": 0.4, "min_tokens": 60},
]
CUTTING: dict[str, Any] = {"version": 1, "floor_tokens": 0, "stages": STAGES}
TRIMMING = {**CUTTING, "budget": {"hard_tokens": 700, "on_over_budget": "trim"}}
EVIL = (
    "<script>hacked = 1</script><img src=x onerror='hacked = 2'></span></div></main></style>"
    '<style>*{display:none}</style><svg onload=hacked=3>"\'><a href="javascript:hacked=4">go</a>'
    "{{ 7 * 7 }}{% raw %}<!-- </textarea> \x00\x1b[31m\u202egnp.exe \ud800 &lt;b&gt;"
)


def called(name: str, number: int, arguments: str = "{}") -> dict[str, Any]:
    """A message that calls a tool."""
    function = {"name": name, "arguments": arguments}
    call = {"id": f"c{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(number: int, text: str) -> dict[str, Any]:
    """What the tool gave back."""
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be exact. " * 30},
    {"role": "user", "content": "Which worker stored item 700? What does item 7 cost?"},
    called("read_log", 1),
    result(1, LOG),
    called("list_items", 2, '{"all": true}'),
    result(2, ROWS),
    called("fetch_page", 3),
    result(3, SITE),
    called("read_log", 4),
    result(4, "Again:\n" + LOG[:3_000]),
    {"role": "assistant", "content": "It was worker 100."},
    {"role": "user", "content": [{"type": "text", "text": "Thanks! " + "x" * 3_000}]},
]


def made(messages: list[dict[str, Any]], policy: Any = None, **body: Any) -> Plan:
    """The plan of a conversation, made to be explained."""
    rules = load_policy(CUTTING if policy is None else policy)
    given_body = {"model": "gpt-4o", "messages": messages, **body}
    return plan(given_body, rules, catalog=CATALOG, resources=Resources(explain=True))


def page_of(planned: Plan) -> str:
    """Its page."""
    return plan_page(planned, explain(planned, CATALOG))


@dataclass
class Reader(HTMLParser):
    """The texts of a page by segment, each piece with its fate."""

    texts: list[list[tuple[str, str]]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """As the parser wants it."""
        super().__init__()
        self._fate = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A text begins, or a piece of one."""
        self.tags.append(tag)
        named = dict(attrs)
        kind = named.get("class") or ""
        if tag == "div" and kind.split()[:1] == ["segment"]:
            self.texts.append([])
        self._fate = (
            kind if tag in ("span", "ins", "del") and kind in GIVEN | SENT | {"undone"} else ""
        )
        if self._fate:
            self.texts[-1].append((kind, ""))
            self.titles.append(named.get("title") or "")

    def handle_endtag(self, tag: str) -> None:
        """A piece ends."""
        self._fate = ""

    def handle_data(self, data: str) -> None:
        """What is in a piece."""
        if self._fate:
            fate, text = self.texts[-1].pop()
            self.texts[-1].append((fate, text + data))


def read(page: str) -> Reader:
    """A page, read; its legend holds no texts."""
    reader = Reader()
    reader.feed(re.sub(r'<p class="legend">.*?</p>', "", page, flags=re.DOTALL))
    return reader


# ------------------------------------------------------------------------------------------ content
@pytest.mark.parametrize("policy", [CUTTING, TRIMMING, "balanced", "off"])
@examples(50)
@given(body=chat_bodies(), explained=st.booleans())
def test_every_text_stands_in_it_as_given_and_as_sent(policy, body, explained):
    """Read back from the HTML, each segment's pieces are its original, and what is sent."""
    rules = load_policy(policy)
    resources = replace(rules.resources, explain=explained)
    try:
        planned = plan(body, rules, catalog=CATALOG, resources=resources)
    except RequestError:
        return
    page = page_of(planned)
    found = read(page)
    assert len(found.texts) == len(planned.draft.segments)
    for segment, pieces in zip(planned.draft.segments, found.texts, strict=True):
        as_given = "".join(text for fate, text in pieces if fate in GIVEN)
        as_sent = "".join(text for fate, text in pieces if fate in SENT)
        assert as_given.replace("\\r\n", "\n") == visible(segment.original).replace("\\r\n", "\n")
        assert as_sent.replace("\\r\n", "\n") == visible(segment.text).replace("\\r\n", "\n")
    assert found.tags.count("script") == 1
    assert page == page_of(planned)
    page.encode("utf-8")


def test_it_says_all_that_the_plan_knows():
    """Model, tokens, stages, policy, cache, budget, levels, reasons of texts and of units."""
    planned = made(CONVERSATION, TRIMMING)
    page = page_of(planned)
    explained = explain(planned, CATALOG)
    for words in (
        f"{planned.tokens_before:,} <span",
        f"{planned.tokens_after:,} <small>",
        "gpt-4o",
        planned.policy.digest,
        "700 tokens at most",
        explained.cache,
        "selective",
        "result of</span> <code>read_log</code>",
        "<code>list_items</code>",
        "never altered",
    ):
        assert words in page, words
    for stage in explained.stages:
        assert f"<td>{stage.stage}<td" in page
    for line in explained.segments:
        assert all(reason in page for reason in line.reasons)
    titles = read(page).titles
    assert any(re.match(r"\d\.\d\d: ", title) for title in titles)
    assert "json: json as a table" in titles


def test_where_nothing_is_saved_each_text_says_why():
    """Policies without stages, small texts, protected texts."""
    short = [CONVERSATION[0], CONVERSATION[1], called("read", 1), result(1, LOG[:1_500])]
    for policy, reason in (
        ("off", "the policy has no stages"),
        ("balanced", "select: under 2000 tokens, left whole"),
        ({**CUTTING, "floor_tokens": 5_000}, "under floor_tokens (5000)"),
        ({**CUTTING, "stages": STAGES[:1]}, "nothing a stage could shorten"),
    ):
        page = page_of(made(short, policy))
        assert "Nothing was saved" in page
        assert f'<span class="state">left alone</span> {reason}</span>' in page
        assert page.count('<span class="state">left alone</span>') == 3


def test_unpriced_models_and_candidates_are_said():
    """A model without a price has no money figure; with several candidates there are verdicts."""
    page = page_of(made(CONVERSATION, model="somebody/unheard-of"))
    assert "unpriced" in page
    assert "$" not in re.sub(r"(?s)<script>.*?</script>", "", page)
    page = page_of(made(CONVERSATION, "frugal"))
    assert "gpt-4.1-nano" in page
    assert "covers moderate, asked trivial" in page


def test_the_command_writes_it(tmp_path, capsys, monkeypatch):
    """`plan --html` writes the file beside what it prints; a missing folder is an error."""
    monkeypatch.chdir(tmp_path)
    body = tmp_path / "request.json"
    body.write_text(json.dumps({"model": "gpt-4o", "messages": CONVERSATION}), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(body), "--html", "plan.html", "--body"])
    out, err = capsys.readouterr()
    assert not ended.value.code
    assert json.loads(out)["model"] == "gpt-4o"
    assert "plan.html: written" in err
    assert "occurs once" in (tmp_path / "plan.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(body), "--html", "nowhere/plan.html"])
    assert ended.value.code == 2
    assert "cannot be written" in " ".join(capsys.readouterr().err.replace("│", "").split())


# ---------------------------------------------------------------------------------------- hostility
def hostile() -> Plan:
    """A plan whose every text, name and reason is an attack."""
    evil = EVIL.replace("\ud800", "")
    messages = [
        {"role": "system", "content": EVIL},
        {"role": "user", "content": f"{EVIL} Which worker stored item 700?"},
        called(f"read{evil}", 1, json.dumps({"a": EVIL})),
        result(1, "\n".join(f"{EVIL} {line}" for line in LOG.splitlines()[:120])),
    ]
    tool = {"type": "function", "function": {"name": "read", "description": EVIL, "parameters": {}}}
    policy = {**CUTTING, "name": evil, "routing": {"baseline": f"gpt{evil}"}}
    return made(messages, policy, tools=[tool], model=f"gpt-4o{evil}")


def test_no_text_is_markup():
    """No tag, attribute or template code of a text comes through; the unseen is written out."""
    page = page_of(hostile())
    tags = read(page).tags
    assert "img" not in tags
    assert "svg" not in tags
    assert (tags.count("script"), tags.count("style")) == (1, 1)
    assert "{{ 7 * 7 }}" in page
    assert "\\x1b[31m\\u202egnp.exe" in page
    for unseen in ("\x00", "\x1b", "\u202e"):
        assert unseen not in page


# ------------------------------------------------------------------------------------------ browser
@pytest.mark.parametrize("guarded", [True, False])
def test_hostile_texts_do_nothing(shown, guarded):
    """No script of theirs runs, nothing is fetched, with the page's own policy and without it."""
    page = page_of(hostile())
    if not guarded:
        page, taken_out = re.subn(r"<meta http-equiv=[^>]*>", "", page)
        assert taken_out == 1
    seen = shown(page)
    seen.page.get_by_text("open all").click()
    assert seen.page.evaluate("typeof hacked") == "undefined"
    assert (
        seen.page.evaluate("document.querySelectorAll('img, svg, [onerror], [onload]').length") == 0
    )
    assert seen.page.evaluate("document.querySelectorAll('a:not([href^=\"#m\"])').length") == 0
    assert seen.page.locator("footer").is_visible()
    assert len(seen.requests) == 1
    assert seen.errors == []


@pytest.mark.parametrize("width", [320, 400, 1200])
@pytest.mark.parametrize("policy", [CUTTING, TRIMMING, "frugal"])
def test_it_never_scrolls_sideways(shown, width, policy):
    """Long lines, wide tables and long names scroll in boxes of their own."""
    messages = [*CONVERSATION, called("n" * 300, 9, "y" * 900), result(9, "z" * 5_000)]
    seen = shown(page_of(made(messages, policy)), width=width)
    seen.page.get_by_text("open all").click()
    for box in ("#wrap", "#tall", "#tall"):
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        seen.page.locator(box).click()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.errors == []


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_it_can_be_read_in_both_schemes(shown, scheme, is_light):
    """Each text stands out from its paper by 4.5 to 1 or more (WCAG 2.2, 1.4.3)."""
    seen = shown(page_of(made(CONVERSATION, "frugal")), color_scheme=scheme)
    seen.page.get_by_text("open all").click()
    lightness, faint = seen.page.evaluate(CONTRASTS)
    assert (lightness > 0.5) == is_light
    assert faint == []


@pytest.mark.parametrize("scripts", [True, False])
def test_filters_and_folds_need_no_script(shown, scripts):
    """Views, filters and folds are the browser's own."""
    planned = made(CONVERSATION)
    seen = shown(page_of(planned), java_script_enabled=scripts)
    page = seen.page
    assert page.get_by_text("open all").is_visible() == scripts
    fold = page.locator("#m3 details.dropped").first
    inside = fold.locator("del").first
    assert not inside.is_visible()
    fold.locator("summary").click()
    assert inside.is_visible()
    page.locator("#view-sent").check()
    assert not fold.is_visible()
    page.locator("#view-given").check()
    assert page.locator("#m3 ins").first.is_hidden()
    assert inside.is_visible()
    page.locator("#show-changed").check()
    assert [page.locator(f"#m{n}").is_visible() for n in (0, 3)] == [False, True]
    page.locator("#show-kept").check()
    assert [page.locator(f"#m{n}").is_visible() for n in (0, 3)] == [True, False]


def test_what_is_sent_can_be_read_off(shown):
    """In the view of what is sent, with all folds open, a box holds the text that goes out."""
    planned = made(CONVERSATION)
    seen = shown(page_of(planned))
    seen.page.get_by_text("open all").click()
    seen.page.locator("#view-sent").check()
    for segment in planned.draft.segments:
        shown_text = seen.page.evaluate(
            """(id) => [...document.getElementById(id).querySelectorAll(".text *:not(details, q)")]
                .filter((e) => e.tagName !== "SUMMARY" && e.checkVisibility())
                .map((e) => e.textContent).join("")""",
            segment.id,
        )
        assert shown_text == visible(segment.text)


def test_reasons_are_a_key_away(shown):
    """With j and k the units of a text get the focus, and show their worth and reasons."""
    seen = shown(page_of(made(CONVERSATION)))
    seen.page.locator("#m3 .text").focus()
    title = "document.activeElement.title"
    note = "getComputedStyle(document.activeElement, '::after').content"
    seen.page.keyboard.press("j")
    first = seen.page.evaluate(title)
    assert re.match(r"\d\.\d\d: ", first)
    assert seen.page.evaluate(note) == json.dumps(first)
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("k")
    seen.page.keyboard.press("k")
    assert seen.page.evaluate(title) == first
    seen.page.locator("nav.map a").nth(2).click()
    assert seen.page.url.endswith("#m3")


def test_a_large_plan_still_opens(shown):
    """Of 400,000 tokens the page shows the ends and the changes, and holds all."""
    log = "\n".join(f"12:{i:05d} worker {i % 97} stored item {i * 7}" for i in range(16_000))
    whole = "\n".join(f"{i:05d} the quick brown fox jumps over the lazy dog" for i in range(10_000))
    messages = [*CONVERSATION[:3], result(1, log), called("read", 2), result(2, whole)]
    policy = {**CUTTING, "stages": [{"stage": "select", "keep": 0.5, "min_tokens": 150_000}]}
    planned = made(messages, policy)
    assert planned.tokens_before > 300_000
    page = page_of(planned)
    assert len(page) < 4 * len(log + whole)
    seen = shown(page)
    assert seen.page.evaluate("document.querySelectorAll('*').length") < 60_000
    assert seen.page.evaluate("document.documentElement.scrollHeight") < 10_000
    assert len(seen.page.locator("#m5").inner_text()) < 3_000
    texts = seen.page.locator("#m5 .text span.kept").all_text_contents()
    assert "".join(texts) == whole
    assert seen.errors == []
