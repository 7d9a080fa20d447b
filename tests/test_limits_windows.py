"""Windows of time: they follow each other without gap, through clocks that jump and odd months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.limits import calendar_window, rolling_window
from tokenthrift.limits.windows import LENGTH_US, SLICES, at, microseconds

PERIODS = ("minute", "hour", "day", "month")
# Offsets of half hours, jumps at midnight and a minute after it, a day that was skipped, a jump of
# half an hour, and none at all.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
INSTANTS = st.integers(0, 68 * 365 * 86_400).map(lambda s: datetime.fromtimestamp(s, UTC))
# Around jumps of clocks, where mistakes live.
JUMPS = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
    datetime(2010, 3, 14, 3, 31, tzinfo=UTC),
    datetime(2025, 11, 2, 5, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
)
NEAR = st.builds(
    lambda j, m: j + timedelta(minutes=m), st.sampled_from(JUMPS), st.integers(-3_000, 3_000)
)


@examples(400)
@given(st.sampled_from(PERIODS), st.sampled_from(ZONES), INSTANTS | NEAR)
def test_calendar_windows_follow_each_other(period, zone, instant):
    """Every instant is in its window, whose ends agree on it; the next one begins there."""
    tz, now = ZoneInfo(zone), microseconds(instant)
    window = calendar_window(period, now, tz)
    start, end = window.slice_us, window.leaves_us(window.slice_us)
    assert window.since_us == start <= now < end
    assert calendar_window(period, start, tz) == window
    assert calendar_window(period, end - 1, tz) == window
    assert calendar_window(period, end, tz).slice_us == end


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_windows_follow_each_other_around_every_jump(zone, jump):
    """Minute by minute, also where the date goes back with the clock."""
    tz, before = ZoneInfo(zone), None
    for minutes in range(-100, 100):
        now = microseconds(jump + timedelta(minutes=minutes))
        window = calendar_window("day", now, tz)
        assert window.slice_us <= now < window.leaves_us(window.slice_us)
        if before is not None and before != window:
            assert window.slice_us == before.leaves_us(before.slice_us) == now
        before = window


@examples(200)
@given(st.sampled_from(ZONES), INSTANTS | NEAR)
def test_days_and_months_begin_at_midnight_or_where_it_is_skipped(zone, instant):
    """A day's window begins on a new date, of which there was no earlier moment."""
    tz = ZoneInfo(zone)
    for period in ("day", "month"):
        start = at(calendar_window(period, microseconds(instant), tz).slice_us)
        before, first = (start - timedelta(microseconds=1)).astimezone(tz), start.astimezone(tz)
        assert before.date() < first.date()
        assert period == "day" or before.month != first.month


@pytest.mark.parametrize(
    ("period", "zone", "moment", "start", "hours"),
    [
        ("day", "Europe/Berlin", "2026-03-29T12:00+02:00", "2026-03-28T23:00+00:00", 23),
        ("day", "Europe/Berlin", "2026-10-25T12:00+01:00", "2026-10-24T22:00+00:00", 25),
        ("day", "America/Sao_Paulo", "2018-11-04T12:00-02:00", "2018-11-04T03:00+00:00", 23),
        ("day", "Pacific/Apia", "2011-12-31T12:00+14:00", "2011-12-30T10:00+00:00", 24),
        ("day", "Asia/Kolkata", "2026-05-01T00:10+05:30", "2026-04-30T18:30+00:00", 24),
        ("month", "UTC", "2028-02-29T23:59:59+00:00", "2028-02-01T00:00+00:00", 29 * 24),
        ("month", "UTC", "2026-02-28T23:59:59+00:00", "2026-02-01T00:00+00:00", 28 * 24),
        ("month", "UTC", "2026-12-31T23:59:59+00:00", "2026-12-01T00:00+00:00", 31 * 24),
        ("month", "Europe/Berlin", "2026-03-31T23:30+02:00", "2026-02-28T23:00+00:00", 31 * 24 - 1),
        ("month", "America/New_York", "2026-11-01T00:00-04:00", "2026-11-01T04:00+00:00", 721),
        ("hour", "UTC", "2026-10-25T03:30+01:00", "2026-10-25T02:00+00:00", 1),
    ],
)
def test_known_windows(period, zone, moment, start, hours):
    """Days of 23 and 25 hours, a skipped midnight and a skipped day, ends of months and years."""
    now = microseconds(datetime.fromisoformat(moment))
    window = calendar_window(period, now, ZoneInfo(zone))
    assert at(window.slice_us) == datetime.fromisoformat(start)
    assert window.lasts_us == hours * LENGTH_US["hour"]


@examples(300)
@given(st.sampled_from(PERIODS), st.integers(0, 10**16), st.integers(0, 10**16))
def test_rolling_slices_count_at_least_the_window_and_at_most_a_slice_longer(period, then, later):
    """What began less than a window ago counts; what began a window and a slice ago does not."""
    length = LENGTH_US[period]
    now = then + later % (2 * length)
    counted_in = rolling_window(period, then).slice_us
    window = rolling_window(period, now)
    counts = counted_in >= window.since_us
    assert counts == (now < window.leaves_us(counted_in))
    if now - then < length:
        assert counts
    if now - then >= length + length // SLICES:
        assert not counts
    assert (window.slice_us - window.since_us) // (length // SLICES) == SLICES


def test_a_time_without_an_offset_is_refused():
    """It names no instant."""
    with pytest.raises(ValueError, match="no offset"):
        microseconds(datetime.fromisoformat("2026-01-01"))
