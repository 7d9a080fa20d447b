"""What a report says: sums that add up, intervals by session, and the same from every ledger."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from made_ledger import BASELINE, made_feedback, made_records
from strategies import examples
from tokenthrift.ledger import (
    PARTS,
    LedgerRecord,
    MemoryLedger,
    SQLiteLedger,
    Totals,
    survey,
    survey_of,
    totals_of,
)
from tokenthrift.report import (
    Measured,
    grouped,
    overview,
    overview_json,
    overview_view,
    worth_by,
    worth_of,
)
from tokenthrift.report.details import details_of
from tokenthrift.report.intervals import FEWEST, Interval, share_interval
from tokenthrift.report.leaderboard import ranked
from tokenthrift.report.periods import MOST, length_for, periods_of, start_of
from tokenthrift.report.regressions import worst_call, worst_groups
from tokenthrift.report.waterfall import waterfall
from tokenthrift.report.worth import Worth

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 9, 20, tzinfo=UTC)
SEEDS = st.integers(0, 10_000)
NANOS = st.integers(-(10**12), 10**12)


def without_session(records: Iterable[LedgerRecord], *, tagged: bool) -> list[LedgerRecord]:
    """The same calls, their session only in a tag, or nowhere."""
    return [
        r.model_copy(
            update={
                "session": None,
                "tags": {**r.tags, "session": r.session or ""} if tagged else r.tags,
            }
        )
        for r in records
    ]


def filled(records: Iterable[LedgerRecord], ledger: Any = None) -> Any:
    """A ledger with records and feedback."""
    kept = list(records)
    ledger = MemoryLedger() if ledger is None else ledger
    for record in kept:
        ledger.write(record)
    for said in made_feedback(kept):
        ledger.write_feedback(said)
    return ledger


# ------------------------------------------------------------------------------------------- survey
@examples(15)
@given(SEEDS, st.sampled_from(["column", "tag", "none"]), st.booleans())
def test_every_ledger_answers_alike(seed, sessions, cut):
    """SQLite in its own language, and a plain reading of the records, to the nano-dollar."""
    records = list(made_records(60, seed, days=3))
    if sessions != "column":
        records = without_session(records, tagged=sessions == "tag")
    since = records[20].created_at if cut else None
    with SQLiteLedger(":memory:") as ledger:
        filled(records, ledger)
        asked = [r for r in records if since is None or r.created_at >= since]
        found = survey(ledger, since, 7)
        plain = survey_of(asked, 7)
        assert found.cells == plain.cells
        assert found.worst == plain.worst
        assert set(plain.tags) <= set(found.tags)
        assert found.by_session == plain.by_session == (sessions != "none")
        assert overview(ledger, "x", since) == overview(filled(records), "x", since)
    assert sum(c.net_nanos for c in found.cells) == totals_of(asked).net_nanos
    assert sum(c.baseline_nanos for c in found.cells) == totals_of(asked).baseline_nanos
    assert all(0 <= c.part < PARTS for c in found.cells)


def test_calls_of_a_session_are_in_one_group():
    """By its column or its tag; calls without one are on their own."""
    records = list(made_records(200, calls_a_session=20))
    for kept, groups in (
        (records, range(8, 11)),
        (without_session(records, tagged=True), range(8, 11)),
        (without_session(records, tagged=False), range(100, 201)),
    ):
        assert len({c.part for c in survey_of(kept, 1).cells}) in groups


def test_the_worst_calls_are_those_of_a_plain_sort():
    """The worst first; calls that saved are never among them."""
    records = list(made_records(300))
    nets = sorted(r.savings.net_nanos for r in records if (r.savings.net_nanos or 0) < 0)
    worst = survey_of(records, 5).worst
    assert [r.savings.net_nanos for r in worst] == nets[:5]
    assert len(survey_of(records, 1_000).worst) == len(nets)


# ---------------------------------------------------------------------------------------- intervals
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Bills of very different sizes, shares that depend on them: 400 draws of 120 sessions."""
    rng = np.random.default_rng(7)

    def sessions(count: int) -> Any:
        bills = rng.lognormal(0, 1, count) * 1e9
        shares = np.clip(0.3 + 0.1 * rng.standard_normal(count) - 0.05 * np.log(bills / 1e9), -1, 1)
        return bills.astype(np.int64), (bills * shares).astype(np.int64)

    bills, nets = sessions(1_000_000)
    truth = nets.sum() / bills.sum()
    hits = 0
    for _ in range(400):
        found = share_interval(list(zip(*map(np.ndarray.tolist, sessions(120)), strict=True)))
        assert found is not None
        assert found.low <= found.value <= found.high
        hits += found.low <= truth <= found.high
    assert 0.89 <= hits / 400 <= 0.98


def test_few_groups_and_no_bill_have_no_interval():
    """Rather none than a wrong one."""
    assert share_interval([(10, 5)] * (FEWEST - 1)) is None
    assert share_interval([(0, 0)] * 50) is None
    assert share_interval([]) is None
    assert share_interval([(10, 5)] * FEWEST) == Interval(0.5, 0.5, 0.5)


def test_repeating_calls_of_a_session_does_not_make_it_surer():
    """Ten equal calls in each session are one session, not ten: the interval stays as it was."""
    rng = random.Random(3)
    pairs = [(rng.randint(1, 1_000), rng.randint(-100, 500)) for _ in range(60)]
    once, tenfold = share_interval(pairs), share_interval([(10 * b, 10 * n) for b, n in pairs])
    as_calls = share_interval([pair for pair in pairs for _ in range(10)])
    assert once is not None
    assert tenfold is not None
    assert as_calls is not None
    assert (once.low, once.high) == pytest.approx((tenfold.low, tenfold.high))
    assert as_calls.high - as_calls.low < 0.5 * (once.high - once.low)


# ------------------------------------------------------------------------------------------ periods
@examples(100)
@given(st.lists(st.dates(date(2024, 1, 1), date(2027, 12, 31)), min_size=1, max_size=40))
def test_periods_hold_every_call_once(days):
    """Sums of periods are the sums of days; there are never more than a chart takes."""
    names = [day.isoformat() for day in days]
    sums = {name: Totals(calls=n + 1) for n, name in enumerate(dict.fromkeys(names))}
    length = length_for(sums)
    periods = periods_of(sums, [], length)
    assert sum((p.totals for p in periods), Totals()) == sum(sums.values(), Totals())
    assert [p.start for p in periods] == sorted({start_of(day, length) for day in sums})
    assert len(periods) <= MOST
    for day in sums:
        start = date.fromisoformat(start_of(day, length))
        assert start <= date.fromisoformat(day) < start + timedelta(days=31)


# ---------------------------------------------------------------------------------------- waterfall
@examples(200)
@given(st.integers(0, 10**13), NANOS, NANOS, NANOS, st.integers(-(10**12), 0))
def test_the_waterfall_lands_on_the_bill(baseline, compression, routing, cache, overhead):
    """Each step begins where the last one ended, and the end is what was paid."""
    net = compression + routing + cache + overhead
    totals = Totals(
        baseline_nanos=baseline,
        actual_nanos=baseline - net,
        compression_nanos=compression,
        routing_nanos=routing,
        cache_nanos=cache,
        overhead_nanos=overhead,
        net_nanos=net,
    )
    first, *steps, last = waterfall(totals)
    assert (first.to_nanos, last.to_nanos) == (baseline, baseline - net)
    assert [s.from_nanos for s in steps] == [baseline, *(s.to_nanos for s in steps[:-1])]
    assert steps[-1].to_nanos == last.to_nanos
    assert [s.saved_nanos for s in steps] == [compression, routing, cache, overhead]


# -------------------------------------------------------------------------------------- regressions
def test_a_losing_call_says_why():
    """The part of the split that is the loss, and what made it."""
    records = list(made_records(400))
    lost = [r for r in records if (r.savings.net_nanos or 0) < 0]
    for record in lost:
        why = worst_call(record).why
        parts = {n: getattr(record.savings, f"{n}_nanos") for n in ("cache", "overhead")}
        for name, nanos in parts.items():
            assert any(text.startswith(f"{name} $") for text in why) == (nanos < 0)
        rejected = any(a.status == "rejected" for a in record.attempts)
        assert any("rejected (truncated)" in text for text in why) == rejected
        assert ("compacted once" in why) == (record.epoch == 1)
    assert any("rejected" in text for r in lost for text in worst_call(r).why)
    assert any("compacted once" in worst_call(r).why for r in lost)


def test_losing_groups_are_ranked_over_all_keys():
    """Those that saved are none; each names the parts that it lost in."""
    gain = Totals(calls=1, net_nanos=5, cache_nanos=5)
    loss = Totals(calls=2, net_nanos=-7_000_000, cache_nanos=-9_000_000, routing_nanos=2_000_000)
    worse = Totals(calls=2, net_nanos=-8_000_000, overhead_nanos=-8_000_000)
    found = worst_groups({"model": {"a": gain, "b": loss}, "day": {"2026-01-01": worse}})
    assert [(g.by, g.value) for g in found] == [("day", "2026-01-01"), ("model", "b")]
    assert found[1].why == ("cache $0.009000",)


# ------------------------------------------------------------------------------- details, feedback
def test_details_count_what_the_records_say():
    """Against a plain count."""
    records = list(made_records(500))
    found = details_of(records)
    assert found.calls == 500
    assert sum(sum(row.values()) for row in found.mix.values()) == 500
    assert sum(found.failures.values()) == sum(r.status == "error" for r in records)
    unpriced = [r for r in records if r.savings.net_nanos is None]
    assert found.missing == {"in-house-7b": len(unpriced)}
    assert sum(found.rejections.values()) == sum(
        a.status == "rejected" for r in records for a in r.attempts
    )
    assert found.latencies["planning"].calls == 500
    assert found.latencies["whole call"].calls == sum(r.status == "ok" for r in records)
    replayed = [r.model_copy(update={"total_ms": r.plan_ms}) for r in records]
    assert "whole call" not in details_of(replayed).latencies


def test_feedback_is_joined_with_what_calls_took():
    """By model and by tag against a plain join; a mean over sources counts once."""
    records = list(made_records(300))
    ledger = filled(records)
    said = {f.call_id: f.outcome for f in ledger.feedback()}
    for by, key in (
        ("tag:team", lambda r: r.tags.get("team", "")),
        ("model", lambda r: r.model_chosen),
        ("complexity", lambda r: r.decision.complexity_bucket if r.decision else ""),
        ("status", lambda r: r.status),
    ):
        found = worth_by(ledger, by)
        for value, worth in found.items():
            rated = [r for r in records if r.record_id in said and key(r) == value]
            tokens = sum(a.input_tokens + a.output_tokens for r in rated for a in r.attempts)
            assert (worth.calls, worth.tokens) == (len(rated), tokens)
            outcomes = sum(said[r.record_id] for r in rated)
            assert worth.outcomes == pytest.approx(outcomes)
            assert worth.outcomes_per_mtok == pytest.approx(1e6 * outcomes / tokens)
    since = records[150].created_at
    late = sum(r.record_id in said for r in records[150:])
    assert sum(w.calls for w in worth_of(ledger, since).values()) == late


def test_rankings_put_outcomes_for_tokens_first():
    """Then those without feedback, by money."""
    totals = {name: Totals(spent_nanos=n) for n, name in enumerate(["a", "b", "c", "d", ""])}
    worth = {"a": Worth(1, 1.0, tokens=500), "b": Worth(2, 1.0, tokens=400), "c": Worth(1, 0.0)}
    found = ranked(totals, worth)
    assert [s.value for s in found] == ["b", "a", "d", "c"]
    assert found[0].outcomes_per_mtok == 2_500


# ---------------------------------------------------------------------------------------- overview
def test_the_overview_is_the_sum_of_the_records():
    """In all, by period, by model, by team; and the data are plain and exact."""
    records = list(made_records(400))
    found = overview(filled(records), "calls.db")
    whole = totals_of(records)
    assert found.totals == whole
    assert sum((p.totals for p in found.periods), Totals()) == whole
    assert sum(found.models.values(), Totals()) == whole
    teams = grouped(filled(records), "tag:team")
    assert {s.value: s.totals for s in found.boards["team"]} == {
        name: sums for name, sums in teams.items() if name
    }
    data = json.loads(json.dumps(overview_json(found), allow_nan=False))
    assert data["totals"]["net_nanos"] == whole.net_nanos
    assert data["waterfall"][-1]["to_nanos"] == whole.actual_nanos
    assert data["basis"] == "estimated"
    assert data["unpriced"]["calls_by_model"] == {"in-house-7b": whole.unpriced_calls}
    assert {g["why"][0].split()[0] for g in data["regressions"]["groups"]} <= {
        "cache",
        "overhead",
    }


def test_in_short_the_sums_and_their_interval_are_the_same():
    """Only what takes further passes is left out."""
    ledger = filled(made_records(300))
    found, short = overview(ledger, "x"), overview(ledger, "x", short=True)
    assert (short.periods, short.boards) == ((), {})
    for name in ("totals", "share", "models", "details", "worst_calls", "worth"):
        assert getattr(short, name) == getattr(found, name), name
    assert {g.by for g in short.worst_groups} <= {"model"}


def test_an_empty_ledger_has_an_overview():
    """Nothing is divided by nothing."""
    found = overview(MemoryLedger(), "nothing.db")
    assert found.totals == Totals()
    assert (found.share, found.periods, found.boards) == (None, (), {})
    json.dumps(overview_json(found), allow_nan=False)


def test_what_a_holdout_measured_is_in_it():
    """The basis says so; without one it is estimated."""
    measured = Measured(Interval(0.2, 0.1, 0.3), None, 900, 100, "Stopped early.")
    found = overview(filled(made_records(50)), "x", measured=measured)
    assert found.basis == "measured"
    assert overview_json(found)["measured"] == {
        "net_share": {"value": 0.2, "low": 0.1, "high": 0.3, "level": 0.95},
        "outcome_difference": None,
        "treated_sessions": 900,
        "held_out_sessions": 100,
        "remark": "Stopped early.",
    }


def shown(found: Any, width: int = 80) -> str:
    """What a terminal of this width would show."""
    out = StringIO()
    Console(file=out, width=width, highlight=False).print(overview_view(found))
    return out.getvalue()


def test_the_terminal_says_how_sure_it_is_and_what_loses():
    """In 80 columns."""
    text = shown(overview(filled(made_records(900)), "x"))
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for words in (
        "95 % interval:",
        "Estimated: what would have been paid is a counterfactual",
        "Worst regressions",
        f"model {BASELINE}",
        "Failures, newest calls:",
        "for in-house-7b to your model cards",
        "outcomes / M tokens",
        "First chunks took",
    ):
        assert words in flat, words
