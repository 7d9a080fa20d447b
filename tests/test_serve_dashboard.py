"""The dashboard: who may see it, what it shows, live and in a real browser."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from browser import CONTRASTS
from services import serving, upstreams_at
from tokenthrift.ledger import MemoryLedger, SQLiteLedger, slots
from tokenthrift.report.live import SPANS, live
from tokenthrift.serve.keys import KeyFile, Scope
from tokenthrift.serve.settings import Upstream
from tokenthrift.serve.visits import COOKIE, LASTS_S, Visits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tokenthrift.serve.running import Service
    from tokenthrift.serve.simulated import SimulatedProvider

TABLE = json.dumps([{"id": n, "state": "ok", "host": f"web-{n}"} for n in range(200)])
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"Which failed?\n{TABLE}"}]}
NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyFile]:
    """A file of keys."""
    with KeyFile(str(tmp_path / "keys.db")) as found:
        yield found


@pytest.fixture
def service(provider: SimulatedProvider, keys: KeyFile) -> Iterator[Service]:
    """A service with keys."""
    with serving(provider, "balanced", keys=keys.path, upstreams=keyed(provider)) as running:
        yield running


def keyed(provider: SimulatedProvider) -> tuple[Upstream, ...]:
    """The simulated provider, with a key that the service holds."""
    key = SecretStr("sk-test-dashboard")
    return tuple(u.model_copy(update={"key": key}) for u in upstreams_at(provider))


def called(service: Service, key: str, tags: str = "", **more: Any) -> str:
    """Make a call through the service; its record's id."""
    headers = {"authorization": f"Bearer {key}", "x-tokenthrift-tags": tags}
    answer = httpx.post(f"{service.base_url}/chat/completions", headers=headers, json=BODY | more)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-tokenthrift-record"]


def seen(service: Service, path: str, key: str = "", **headers: str) -> httpx.Response:
    """Ask the dashboard for something."""
    shown = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.get(f"{service.root_url}/dashboard{path}", headers=shown | headers)


def test_the_page_is_open_and_its_data_are_not(service: Service, keys: KeyFile) -> None:
    """Without a key there is the page, its files and nothing of the ledger."""
    key, _ = keys.create_key("me")
    for path, kind in (("", "text/html"), ("/files/dashboard.js", "text/javascript")):
        answer = seen(service, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    record = called(service, key)
    for path in ("/data", "/events", f"/calls/{record}"):
        assert seen(service, path).status_code == 401
        assert seen(service, path, "tt_no_key").status_code == 401
    assert seen(service, "/files/../keys.py").status_code == 404
    assert seen(service, "/files/nothing.js").status_code == 404
    assert seen(service, "/data", key).json()["totals"]["calls"] == 1
    assert seen(service, "/data?span=1y", key).status_code == 400


def test_a_key_for_other_rooms_does_not_enter(service: Service, keys: KeyFile) -> None:
    """403, and no cookie."""
    key, _ = keys.create_key("calls only", Scope(rooms=("chat",)))
    assert seen(service, "/data", key).status_code == 403
    answer = httpx.post(f"{service.root_url}/dashboard/visit", json={"key": key})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_cookie_stands_for_a_key_until_that_is_revoked(service: Service, keys: KeyFile) -> None:
    """It is for scripts of nobody, for this site only, and of no use for calls."""
    key, kept = keys.create_key("me")
    with httpx.Client(base_url=service.root_url) as client:
        assert client.post("/dashboard/visit", json={"key": "tt_x_y"}).status_code == 401
        assert client.post("/dashboard/visit", json={"key": ["x"]}).status_code == 401
        begun = client.post("/dashboard/visit", json={"key": key})
        cookie = begun.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/dashboard"))
        assert key not in cookie
        assert client.get("/dashboard/data").status_code == 200
        value = client.cookies[COOKIE]
        good = {"cookie": f"{COOKIE}={value}"}
        assert client.post("/v1/chat/completions", json=BODY, headers=good).status_code == 401
        client.cookies.clear()
        bad = {"cookie": f"{COOKIE}={value[:-1]}{'1' if value[-1] == '0' else '0'}"}
        assert client.get("/dashboard/data", headers=bad).status_code == 401
        assert client.get("/dashboard/data", headers=good).status_code == 200
        keys.revoke(kept.key_id)
        assert client.get("/dashboard/data", headers=good).status_code == 401
        ended = client.delete("/dashboard/visit")
        assert "Max-Age=0" in ended.headers["set-cookie"]


def test_visits_end(keys: KeyFile) -> None:
    """After hours, in another process, and where the cookie is not ours."""
    _, key = keys.create_key("me", now=NOW)
    visits = Visits()
    cookie = visits.cookie(key, NOW, secure=True).partition(";")[0]
    assert "Secure" in visits.cookie(key, NOW, secure=True)
    assert visits.key_of(cookie, keys, NOW) == key
    assert visits.key_of(cookie, keys, NOW + timedelta(seconds=LASTS_S)) is None
    assert Visits().key_of(cookie, keys, NOW) is None
    name = cookie.partition("=")[0]
    for wrong in ("", "a", f"{name}=", f"{name}=a.b.c", f"{name}=..", f"{name}=x.99999999999.é"):
        assert visits.key_of(wrong, keys, NOW) is None


def test_a_key_with_tags_sees_its_own_calls_only(service: Service, keys: KeyFile) -> None:
    """The sums, the lists and single calls of others are not there for it."""
    everything, _ = keys.create_key("all")
    own, _ = keys.create_key("billing", Scope(tags={"team": "billing"}))
    mine, other = called(service, own), called(service, everything, "team=search")
    data = seen(service, "/data", own).json()
    assert data["totals"]["calls"] == 1
    assert [c["record_id"] for c in data["calls"]] == [mine]
    assert [row["name"] for row in data["tags"]["team"]] == ["billing"]
    assert data["limits"] == []
    assert seen(service, f"/calls/{mine}", own).status_code == 200
    assert seen(service, f"/calls/{other}", own).status_code == 404
    assert seen(service, "/data", everything).json()["totals"]["calls"] == 2


def test_a_call_is_shown_with_its_decision_and_trace(service: Service, keys: KeyFile) -> None:
    """What was cut by which stage, and no text of the request."""
    key, _ = keys.create_key("me")
    record_id = called(service, key)
    text = seen(service, f"/calls/{record_id}", key).text
    found = json.loads(text)
    assert found["record"]["record_id"] == record_id
    assert found["record"]["decision"]["verdicts"][0]["model"] == "gpt-4o"
    assert sum(s["tokens_before"] - s["tokens_after"] for s in found["record"]["steps"]) > 0
    assert "web-7" not in text
    assert "Which failed" not in text
    assert seen(service, "/calls/none", key).status_code == 404


def test_the_stream_says_when_calls_come(service: Service, keys: KeyFile) -> None:
    """Server-sent events, each with all data; it ends when the key is revoked."""
    key, kept = keys.create_key("me")
    other, _ = keys.create_key("other")
    headers = {"authorization": f"Bearer {key}"}
    counts: list[int] = []
    url = f"{service.root_url}/dashboard/events?span=1h"
    with httpx.stream("GET", url, headers=headers, timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            counts.append(json.loads(line.removeprefix("data: "))["totals"]["calls"])
            if counts == [0]:
                called(service, other)
            elif counts[-1] == 1:
                keys.revoke(kept.key_id)
                break
    assert counts[0] == 0
    assert counts[-1] == 1


def test_open_streams_do_not_hold_up_the_end(provider: SimulatedProvider) -> None:
    """A service that stops ends them."""
    with serving(provider) as running:
        url = f"{running.root_url}/dashboard/events"
        with httpx.stream("GET", url, timeout=30) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("event: data")
            began = time.monotonic()
            running.stop()
            assert list(lines)[-1:] in ([], [""])
        assert time.monotonic() - began < running.settings.drain_s


# ------------------------------------------------------------------------------------------ data
def test_data_is_the_sum_of_the_records(service: Service, keys: KeyFile) -> None:
    """Totals, series, models and tags all add up to what the ledger holds."""
    key, _ = keys.create_key("me")
    for n in range(3):
        called(service, key, f"team=t{n % 2}", model=("gpt-4o", "gpt-4o-mini", "gpt-4o")[n])
    called(service, key, model="nobodys-model")
    data = seen(service, "/data?span=7d", key).json()
    net = sum(r.savings.net_nanos or 0 for r in service.desk.ledger.records())
    assert data["totals"]["net_nanos"] == net > 0
    assert data["totals"]["unpriced_calls"] == 1
    for rows in (data["series"], data["models"], data["tags"]["team"]):
        assert sum(row["net_nanos"] for row in rows) == net
        assert sum(row["calls"] for row in rows) == 4
    assert [row["name"] for row in data["tags"]["team"]][:2] == ["t0", "t1"]
    assert sum(sum(row["models"].values()) for row in data["mix"]) == 4


def test_slots_are_the_same_in_every_ledger(
    tmp_path: Path, provider: SimulatedProvider, keys: KeyFile
) -> None:
    """SQLite adds up in its own language what others add up record by record."""
    key, _ = keys.create_key("me")
    with serving(provider, keys=keys.path, upstreams=keyed(provider)) as running:
        for n in range(6):
            called(running, key, f"team=t{n % 2}" + (f",session=s{n % 3}" if n else ""))
        records = list(running.desk.ledger.records())
    moved = [
        r.model_copy(update={"created_at": NOW - timedelta(minutes=7 * n)})
        for n, r in enumerate(records)
    ]
    memory = MemoryLedger()
    with SQLiteLedger(tmp_path / "ledger.db") as stored:
        for record in moved:
            memory.write(record)
            stored.write(record)
        for step_s in (60, 600, 86_400):
            for tags in (None, {"team": "t1"}):
                for since in (None, NOW - timedelta(minutes=20)):
                    asked = (step_s, since, tags)
                    assert slots(stored, *asked) == slots(memory, *asked)
        for span in SPANS.values():
            assert live(stored, span, NOW) == live(memory, span, NOW)


def test_spans_begin_at_borders_of_their_stretches() -> None:
    """So that no bar is cut at its left."""
    for span in SPANS.values():
        since = span.since(NOW)
        if span.length is None:
            assert since is None
            continue
        assert since is not None
        assert since <= NOW - span.length
        assert since.timestamp() % span.step_s == 0


# --------------------------------------------------------------------------------------- browser
@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A page of a phone."""
    context = chromium.new_context(
        viewport={"width": 360, "height": 740}, color_scheme=request.param
    )
    yield context.new_page()
    context.close()


def test_it_works_in_a_browser(service: Service, keys: KeyFile, page: Page) -> None:
    """Behind the key, live, with charts, on a phone, by keyboard, with nothing from elsewhere."""
    key, _ = keys.create_key("me")
    first = called(service, key, "team=<b>bold</b>")
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{service.root_url}/dashboard")
    page.wait_for_selector("#door:not([hidden])")
    assert page.locator("#board").is_hidden()
    page.keyboard.type(key)  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#main[data-drawn]")
    assert page.locator("#chart-time .bars path").count() >= 1
    assert page.locator("#table-calls tbody tr").count() == 1
    assert "<b>bold</b>" in page.locator("#table-tags").inner_text()
    called(service, key)
    page.wait_for_selector("#table-calls tbody tr:nth-child(2)")
    page.locator(f'#table-calls button[aria-label="Show call {first}"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert "What was cut" in page.locator("#call-body").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    page.keyboard.press("Shift+Tab")
    page.locator("#spans input").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#main[data-drawn]")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    _, faint = page.evaluate(CONTRASTS)
    assert faint == []
    assert all(url.startswith((service.root_url, "data:", "blob:")) for url in asked)
    assert errors == []
