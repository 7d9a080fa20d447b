"""Pruning and erasing: calls become sums, every total stays, and nothing of a person is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_ledger_record import START, record_lists, sample
from tokenthrift.errors import LedgerError
from tokenthrift.ledger import (
    GROUP_KEYS,
    AttemptRecord,
    Feedback,
    Folded,
    MemoryLedger,
    SavingsRecord,
    SQLiteLedger,
    Totals,
)
from tokenthrift.ledger.focus import charges

KEPT_KEYS = tuple(k for k in GROUP_KEYS if k != "session")
DAYS = ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("prune"), st.sampled_from(DAYS)),
        st.tuples(st.just("erase"), st.sampled_from("ab'\"")),
        st.tuples(st.just("forget"), st.none()),
    ),
    max_size=4,
)


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request, tmp_path):
    """An empty ledger of each kind."""
    made = MemoryLedger() if request.param == "memory" else SQLiteLedger(tmp_path / "l.db")
    with made:
        yield made


def sums_of(ledger):
    """Every total that must stay, and the bill."""
    models = ("small", "large")
    bill: dict[tuple[str, str, str], int] = {}
    for key, cost in charges(ledger):
        at = (key.day, key.model, key.service_tier)
        bill[at] = bill.get(at, 0) + cost.cost_nanos
    return (
        ledger.totals(),
        {key: ledger.totals_by(key) for key in KEPT_KEYS},
        {model: ledger.correction(model) for model in models},
        bill,
    )


@settings(max_examples=40)
@given(record_lists(), steps, st.sets(st.sampled_from("ab")))
def test_sums_stay_whatever_is_pruned_and_erased(records, steps, keep):
    """Totals, groups, corrections and the bill are the same before and after, in both stores."""
    with SQLiteLedger(":memory:") as sqlite, MemoryLedger() as memory:
        for record in records:
            sqlite.write(record)
            memory.write(record)
        before = sums_of(memory)
        for what, value in steps:
            for ledger in (sqlite, memory):
                if what == "prune":
                    tagged = ledger.totals_by("tag:a")
                    ledger.prune(value)
                    assert ledger.totals_by("tag:a") == tagged
                    assert all(r.created_at.date().isoformat() >= value for r in ledger.records())
                elif what == "erase" and records:
                    wanted = {value: records[0].tags.get(value, "x")}
                    ledger.erase(wanted, keep=keep - {value})
                    assert not ledger.totals(tags=wanted).calls
                    assert list(ledger.records(tags=wanted)) == []
                elif what == "forget" and records and records[-1].session is not None:
                    ledger.erase(session=records[-1].session)
                    assert all(r.session != records[-1].session for r in ledger.records())
                assert sums_of(ledger) == before
            assert sqlite.folded() == memory.folded()
            assert list(sqlite.records()) == list(memory.records())
        assert sqlite.verify() == []


def test_pruned_days_keep_tags_and_lose_the_rest(ledger):
    """Old days are sums by tag too; sessions, ids and feedback are gone, new days are whole."""
    records = [sample(n * 40_000) for n in range(6)]
    for record in records:
        ledger.write(record)
        ledger.write_feedback(Feedback(call_id=record.record_id, created_at=START, outcome=1))
    by_team = ledger.totals_by("tag:team")
    assert ledger.prune("2026-03-02") == 3
    assert ledger.prune("2026-03-02") == 0
    assert ledger.totals_by("tag:team") == by_team
    assert ledger.count() == 3
    assert ledger.days() == ["2026-03-02", "2026-03-03"]
    assert [f.call_id for f in ledger.feedback()] == [r.record_id for r in records[3:]]
    assert ledger.totals_by("session")[""].calls == 3
    assert ledger.folded().days("pruned") == ["2026-03-01"]


def test_since_takes_whole_days_of_sums(ledger):
    """Of a day that is sums only, all counts from its midnight on, and nothing after it."""
    for n in range(4):
        ledger.write(sample(n * 40_000))
    ledger.prune("2026-03-02")
    assert ledger.totals(since=START).calls == 4
    assert ledger.totals(since=sample(1).created_at).calls == 1


def test_records_of_pruned_days_are_refused(ledger):
    """They may be in the sums already."""
    ledger.write(sample(0))
    ledger.prune("2026-03-02")
    with pytest.raises(LedgerError, match="calls up to 2026-03-01 were pruned"):
        ledger.write(sample(1))
    ledger.write(sample(90_000))
    assert ledger.totals().calls == 2


def test_erased_calls_do_not_come_back(ledger):
    """Writing one again changes nothing, as it is in the sums."""
    for n in range(4):
        ledger.write(sample(n))
    whole = ledger.totals()
    assert ledger.erase({"team": "search"}) == 2
    ledger.write(sample(0))
    assert ledger.get("call-000000") is None
    assert ledger.totals() == whole
    assert ledger.erase({"team": "search"}) == 0


def test_tags_of_no_person_can_stay(ledger):
    """A team's total is the same after one of its users was erased, if that is asked for."""
    for n in range(6):
        ledger.write(sample(n, tags={"user": f"u{n % 2}", "team": "search"}))
    teams = ledger.totals_by("tag:team")
    assert ledger.erase({"user": "u0"}, keep=["team"]) == 3
    assert ledger.totals_by("tag:team") == teams
    assert set(ledger.totals_by("tag:user")) == {"", "u1"}


def test_erasing_reaches_sums_of_pruned_days(ledger):
    """The tags of a person leave the sums of old days too."""
    for n in range(4):
        ledger.write(sample(n, tags={"user": f"u{n % 2}"}))
    ledger.prune("2026-03-02")
    assert set(ledger.totals_by("tag:user")) == {"u0", "u1"}
    assert ledger.erase({"user": "u0"}) == 2
    assert set(ledger.totals_by("tag:user")) == {"", "u1"}
    with pytest.raises(LedgerError, match="were pruned"):
        ledger.write(sample(0))


def test_an_erasure_says_whose(ledger):
    """Neither everything nor what is kept can be erased."""
    with pytest.raises(ValueError, match="say whose calls"):
        ledger.erase({})
    with pytest.raises(ValueError, match="'user' is both erased and kept"):
        ledger.erase({"user": "u"}, keep=["user"])


def test_no_byte_of_a_person_stays_in_the_file(tmp_path):
    """Names, sessions, ids and raw usage are gone from every page, and from the log beside."""
    path = tmp_path / "l.db"
    marks = (b"alice@example", b"sess-8d1f", b"call-secret", b"fingerprint-77")
    with SQLiteLedger(path) as ledger:
        for n in range(300):
            ledger.write(sample(n))
        for n in range(30):
            about = sample(1_000 + n)
            attempt = about.attempts[1].model_copy(update={"raw_usage": {"id": "fingerprint-77"}})
            record = about.model_copy(
                update={
                    "record_id": f"call-secret-{n}",
                    "tags": {"user": "alice@example"},
                    "session": "sess-8d1f",
                    "attempts": (about.attempts[0], attempt),
                }
            )
            ledger.write(record)
            said = Feedback(
                call_id=record.record_id, created_at=START, outcome=1, source="alice@example"
            )
            ledger.write_feedback(said)
        held = b"".join(p.read_bytes() for p in tmp_path.iterdir())
        assert all(mark in held for mark in marks)
        assert ledger.erase({"user": "alice@example"}) == 30
        left = b"".join(p.read_bytes() for p in tmp_path.iterdir())
        assert [mark for mark in marks if mark in left] == []
        assert ledger.totals().calls == 330
        assert ledger.verify() == []


def test_another_reader_of_old_pages_is_an_error(tmp_path):
    """While somebody reads the state before, its pages stay, and that is said."""
    path = tmp_path / "l.db"
    with SQLiteLedger(path) as ledger, SQLiteLedger(path, busy_timeout_ms=50) as other:
        for n in range(4):
            ledger.write(sample(n))
        with ledger._snapshot() as db:
            db.execute("SELECT * FROM calls").fetchone()
            with pytest.raises(LedgerError, match=r"another process"):
                other.erase({"team": "search"})
        other.erase({"team": "search"})
        assert other.totals().calls == 4
        assert b"search" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def test_sums_too_large_for_the_file_change_nothing(tmp_path):
    """Calls stay calls where their sum has more than 64 bits."""
    with SQLiteLedger(tmp_path / "l.db") as ledger:
        for n in range(3):
            steep = AttemptRecord(model="m", number=1, status="ok", cost_nanos=2**62)
            ledger.write(sample(n, attempts=(steep,), savings=SavingsRecord()))
        with pytest.raises(LedgerError, match="need 64 bits"):
            ledger.prune("2026-04-01")
        assert ledger.count() == 3
        assert ledger.folded() == Folded()


@given(record_lists(max_size=6))
def test_a_fold_is_the_sum_of_its_parts(records):
    """However calls are cut into parts, their sums add up to those of all; charges hold as much."""
    whole = Folded.of(records, "erased")
    parts = [Folded.of([record], "erased") for record in records]
    assert sum(parts, Folded()) == whole
    sums = sum(whole.calls.values(), Totals())
    assert sum(c.cost_nanos for c in whole.charges.values()) == sums.spent_nanos
    assert sum(c.net_nanos for c in whole.charges.values()) == sums.net_nanos
    assert sum(c.calls for c in whole.charges.values()) == sums.calls
