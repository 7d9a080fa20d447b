"""The page of a report, in Chromium: it needs nothing, fits, and says in words what it draws."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from browser import CONTRASTS
from made_ledger import START, made_feedback, made_records
from tokenthrift.cli import main
from tokenthrift.ledger import (
    AttemptRecord,
    LedgerRecord,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
)
from tokenthrift.limits import AccountUse, Call, Limiter, LimitRule, open_limits, usage
from tokenthrift.report import Measured, overview, overview_page
from tokenthrift.report.intervals import Interval
from tokenthrift.types import Money, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

EVIL = (
    "<script>hacked = 1</script><img src=x onerror='hacked = 2'></td></table></main></style>"
    "<svg onload=hacked=3>\"'> {{ 7 * 7 }} $x$ & \x1b[31m\u202egnp.exe"
)
MEASURED = Measured(Interval(0.2, 0.1, 0.3), Interval(-0.01, -0.03, 0.01), 900, 100, "By session.")


def page_of(records: Iterable[LedgerRecord], **more: Any) -> str:
    """The page of a ledger with these records, and feedback on them."""
    kept = list(records)
    ledger = MemoryLedger()
    for record in kept:
        ledger.write(record)
    for said in made_feedback(kept):
        ledger.write_feedback(said)
    return overview_page(overview(ledger, more.pop("source", "calls.db"), **more))


def made_limits(user: str = "ann") -> list[AccountUse]:
    """A pool of a month that is nearly full, and each user's day; with windows that are over."""
    rules = (
        LimitRule(name="pool", window="month", tokens=1_000, usd="2"),
        LimitRule(name="each", by="user", window="day", requests=4),
    )
    now = START
    limiter = Limiter(rules, clock=lambda: now)
    for days in (0, 31, 1):
        now += timedelta(days=days)
        with limiter.reserve(Call("m", {"user": user}), Usage(), Money()) as lease:
            lease.settle(Usage(input_tokens=450), Money(500_000_000))
    return usage(rules, limiter.store, now)


def everything() -> str:
    """A page with everything in it."""
    return page_of(made_records(3_500, days=16), measured=MEASURED, limits=made_limits())


@pytest.fixture(scope="module")
def full() -> str:
    """The same, made once."""
    return everything()


def lost(number: int, **more: Any) -> LedgerRecord:
    """A call that cost more than its baseline."""
    return LedgerRecord(
        **{
            "record_id": f"r{number}",
            "created_at": datetime(2026, 9, 1, tzinfo=UTC),
            "wire": "openai-chat",
            "model_requested": "m",
            "model_chosen": "m",
            "policy": "p",
            "policy_digest": "d",
            "attempts": (
                AttemptRecord(
                    model="m", number=1, status="ok", input_tokens=9, cost_nanos=3_000_000
                ),
            ),
            "savings": SavingsRecord(
                baseline_nanos=1_000_000,
                actual_nanos=3_000_000,
                compression_nanos=0,
                routing_nanos=0,
                cache_nanos=-2_000_000,
                overhead_nanos=0,
                net_nanos=-2_000_000,
                unpriced=False,
            ),
            **more,
        }
    )


def hostile() -> list[LedgerRecord]:
    """Records whose every name is an attack."""
    tags = {"user": EVIL, "team": EVIL}
    attempt = AttemptRecord(model=EVIL, number=1, status="ok", input_tokens=9, cost_nanos=3_000_000)
    names = {"model_requested": EVIL, "model_chosen": EVIL, "policy": EVIL, "tags": tags}
    records = [lost(n, attempts=(attempt,), **names) for n in range(30)]
    failed = attempt.model_copy(update={"status": "error", "cost_nanos": None, "error": EVIL})
    more = {"status": "error", "error": EVIL, "attempts": (failed,), "savings": SavingsRecord()}
    return [*records, lost(99, **{**names, **more}), lost(100, record_id=EVIL[:100], **names)]


# ------------------------------------------------------------------------------------------ content
def test_everything_is_on_it(full):
    """Headline, interval, parts, periods, models, complexity, latency, losses, gaps, rankings."""
    for words in (
        " saved <small>of $",
        "of the bill</strong> (95 % interval: ",
        "Measured against 100 sessions that went unmodified",
        "20.0 % of the bill saved",
        "The mean outcome differs by -0.010 (-0.030 to +0.010). By session.",
        "Would have been paid",
        "strokes are 95 % intervals, resampling sessions",
        "complexity",
        "not measured",
        "between chunks",
        "Worst regressions",
        "attempt 1 rejected (truncated)",
        "for in-house-7b to your model cards",
        "RateLimitError",
        "$ for a success",
        "ranked by good outcomes for tokens",
        "By environment",
        "Limits and pools",
        '<td class="n share loss">90.0 %<i style="width:90.0%">',
        '<td class="n">550 tokens</td><td class="n">55.0 %</td>',
        "paid in vain",
        "How to read this",
    ):
        assert words in full, words
    assert full.count('<svg class="chart"') == 4
    assert "<script" not in full
    assert full == everything()


def test_a_loss_is_called_one():
    """In the headline, and in red."""
    page = page_of([lost(n) for n in range(3)])
    assert '<h1 class="loss">$0.006000 lost <small>on $0.003000, net</small></h1>' in page
    assert '<strong class="loss">-200.0 % of the bill</strong>' in page
    assert "Measured" not in page


@pytest.mark.parametrize(
    "records", [[], [lost(1, savings=SavingsRecord())]], ids=["no calls", "unpriced"]
)
def test_where_nothing_can_be_compared_it_says_so(shown, records):
    """No calls, or none with a price: no charts of money, no empty axes."""
    page = page_of(records)
    assert "Nothing to compare" in page
    assert "Where the savings come from" not in page
    seen = shown(page, width=360)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert seen.errors == []


def test_one_day_has_a_table_and_no_curve():
    """A line through one point says nothing."""
    page = page_of(made_records(300, days=0.2))
    assert "Savings over time" in page
    assert page.count('<svg class="chart"') == 3


# ------------------------------------------------------------------------------------------ browser
@pytest.mark.parametrize("width", [320, 360, 768, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_needs_nothing_and_fits(shown, full, width, scheme):
    """No request, no error, no sideways scroll; charts keep their texts inside."""
    seen = shown(full, width=width, color_scheme=scheme)
    seen.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    inside = seen.page.evaluate(
        """() => [...document.querySelectorAll('svg.chart')].every((svg) => {
          const box = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].every((t) => {
            const own = t.getBoundingClientRect();
            return own.left >= box.left - 2 && own.right <= box.right + 2;
          });
        })"""
    )
    assert inside
    assert len(seen.requests) == 1
    assert seen.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_schemes(shown, full, scheme):
    """Texts stand out by 4.5 to 1, those of charts too; charts are in the page's colours."""
    seen = shown(full, color_scheme=scheme)
    lightness, faint = seen.page.evaluate(CONTRASTS)
    assert (lightness > 0.5) == (scheme == "light")
    assert faint == []
    fills = seen.page.evaluate(
        "[...document.querySelectorAll('svg.chart text')].map((t) => getComputedStyle(t).fill)"
    )
    allowed = seen.page.evaluate(
        """["--ink", "--faint", "--saved", "--dropped", "--written"].map((name) => {
          const probe = document.createElement("i");
          probe.style.color = `var(${name})`;
          document.body.append(probe);
          return getComputedStyle(probe).color;
        })"""
    )
    assert fills
    assert set(fills) <= set(allowed)


def test_who_cannot_see_it_gets_it_in_words(shown, full):
    """Charts have names and tables beside them, tables heads with scopes, headings an order."""
    page = shown(full).page
    assert page.evaluate("document.documentElement.lang") == "en"
    charts = page.evaluate(
        """() => [...document.querySelectorAll("svg.chart")].map((svg) => [
          svg.getAttribute("role"),
          svg.getAttribute("aria-label") || "",
          svg.closest("section").querySelectorAll("table").length,
        ])"""
    )
    assert all(role == "img" and len(name) > 20 and tables for role, name, tables in charts)
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("h1").count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    boxes = page.locator(".scroll")
    names = [boxes.nth(n).get_attribute("aria-label") for n in range(boxes.count())]
    assert all(names)
    assert len(set(names)) == len(names)


def test_tables_are_reached_and_scrolled_by_keyboard(shown, full):
    """On a phone: the tab key stops at a table that is too wide, an arrow moves it."""
    page = shown(full, width=360, bypass_csp=True).page  # its policy forbids waiting for a value
    page.keyboard.press("Tab")
    name = "document.activeElement.getAttribute('aria-label')"
    for _ in range(12):
        if page.evaluate(name) == "Models":
            break
        page.keyboard.press("Tab")
    assert page.evaluate(name) == "Models"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")


def test_it_prints_in_ink_on_paper(shown, full):
    """Whatever the screen: light, and no table is cut off at the right."""
    seen = shown(full, width=794, color_scheme="dark")
    seen.page.emulate_media(media="print")
    lightness, faint = seen.page.evaluate(CONTRASTS)
    assert lightness > 0.9
    assert faint == []
    cut = seen.page.evaluate(
        """[...document.querySelectorAll(".scroll")].filter(
          (box) => box.scrollWidth > box.clientWidth + 1).map((b) => b.ariaLabel)"""
    )
    assert cut == []
    assert seen.page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("guarded", [True, False])
def test_no_name_is_markup(shown, guarded):
    """Of models, users, errors, calls and files; with the page's own policy and without it."""
    page = page_of(hostile(), source=EVIL, limits=made_limits(EVIL))
    if not guarded:
        page, taken_out = re.subn(r"<meta http-equiv=[^>]*>", "", page)
        assert taken_out == 1
    assert "\x1b" not in page
    assert "\u202e" not in page
    seen = shown(page, width=360)
    assert seen.page.evaluate("typeof hacked") == "undefined"
    assert seen.page.evaluate("document.querySelectorAll('img, [onerror], [onload]').length") == 0
    assert seen.page.locator("footer").is_visible()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert len(seen.requests) == 1
    assert seen.errors == []


# ------------------------------------------------------------------------------------------ command
@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Callable[..., Any]:
    """Run a command; gives exit code, output and error output."""
    monkeypatch.setenv("COLUMNS", "80")

    def called(*arguments: Any) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A ledger in a file."""
    path = tmp_path / "calls.db"
    with SQLiteLedger(path) as ledger:
        records = list(made_records(120))
        for record in records:
            ledger.write(record)
        for said in made_feedback(records):
            ledger.write_feedback(said)
    return path


def test_the_command_writes_the_page(run, calls, tmp_path):
    """Beside nothing, or beside the data; what cannot be is an error of one line."""
    code, out, err = run("report", calls, "--html", tmp_path / "report.html")
    assert (code, out) == (0, "")
    assert "report.html: written" in err
    assert "calls.db" in (tmp_path / "report.html").read_text(encoding="utf-8")
    data = json.loads(run("report", calls, "--html", tmp_path / "again.html", "--json")[1])
    assert data["totals"]["calls"] == 120
    assert run("report", "--ledger", calls, "--json")[1] == run("report", calls, "--json")[1]
    policy = tmp_path / "limited.yaml"
    limit = "limits: [{name: pool, window: month, tokens: 1000}]\n"
    policy.write_text(f"version: 1\n{limit}leases: {{store: limits.db}}\n", encoding="utf-8")
    open_limits(tmp_path / "limits.db").close()
    data = json.loads(run("report", calls, "--json", "--policy", policy)[1])
    assert data["limits"][0]["meters"]["tokens"]["left"] == 1_000
    code, _, err = run("report", calls, "--html", tmp_path / "nowhere" / "report.html")
    assert code == 2
    assert "cannot be written" in " ".join(err.replace("│", "").split())
    code, _, err = run("report", calls, "--html", tmp_path / "x.html", "--by", "model")
    assert code == 2
    assert "leave out --by" in " ".join(err.replace("│", "").split())
    code, _, err = run("report", tmp_path / "nothing.db")
    assert code == 2
    assert "no such ledger" in err


def test_groups_show_what_calls_were_worth(run, calls):
    """By a tag: sums, and feedback beside them."""
    out = run("report", calls, "--by", "tag:team")[1]
    assert "outcomes / M tokens" in out
    data = json.loads(run("report", calls, "--by", "tag:team", "--json")[1])
    assert set(data["feedback"]) <= set(data["groups"])
    assert all(worth["outcomes_per_mtok"] >= 0 for worth in data["feedback"].values())


def test_an_export_says_the_same(run, calls, tmp_path):
    """Read from Parquet: every figure, and the page."""
    assert run("ledger", "export", calls, "--to", tmp_path / "exported")[0] == 0
    found = json.loads(run("report", tmp_path / "exported", "--json")[1])
    assert found | {"source": calls.name} == json.loads(run("report", calls, "--json")[1])
    code, _, err = run("report", tmp_path / "exported", "--html", tmp_path / "exported.html")
    assert code == 0
    assert "exported.html: written" in err


def test_calls_without_details_stay_in_the_sums(calls):
    """After days were pruned: the same bill, and the page says what is missing."""
    with SQLiteLedger(calls) as ledger:
        before = overview(ledger, "x")
        assert ledger.prune(ledger.days()[10])
        after = overview(ledger, "x")
    assert after.totals == before.totals
    assert after.models == before.models
    assert [p.totals for p in after.periods] == [p.totals for p in before.periods]
    assert (before.gone, after.details.calls < before.details.calls) == ("", True)
    assert "In the sums are calls without details" in overview_page(after)
