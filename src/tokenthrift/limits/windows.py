"""The arithmetic of windows of time: which slice a call counts in, and which slices count now.

A calendar window is one slice: the minute, the hour, the day or the month in which a call begins.
A rolling window is cut into sixty slices, of which every one that overlaps it counts whole: a call
counts up to a sixtieth too long and never too short, so that no stretch of time as long as the
window, wherever it begins, holds more than the limit. Pure: times are microseconds since 1970,
given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

Period: TypeAlias = Literal["minute", "hour", "day", "month"]

SECOND_US: Final = 1_000_000
LENGTH_US: Final[dict[Period, int]] = {
    "minute": 60 * SECOND_US,
    "hour": 3_600 * SECOND_US,
    "day": 86_400 * SECOND_US,
    "month": 30 * 86_400 * SECOND_US,
}
"""How long a rolling window is; a rolling month has 30 days."""
SLICES: Final = 60
PAST_WINDOWS: Final = 12
"""So many windows of the calendar that are over are remembered."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A window as it is at one instant.

    Attributes:
        slice_us: the start of the slice in which a call that begins now counts.
        since_us: the start of the oldest slice that counts now.
        lasts_us: how long after its start a slice counts.
    """

    slice_us: int
    since_us: int
    lasts_us: int

    @property
    def kept_since_us(self) -> int:
        """Slices that begin before this may be forgotten.

        Of calendar windows some that are over are kept, to say what of them was left unused.
        """
        is_calendar = self.slice_us == self.since_us
        return self.since_us - (PAST_WINDOWS + 1 if is_calendar else 1) * self.lasts_us

    def leaves_us(self, slice_us: int) -> int:
        """When what was taken in a slice no longer counts."""
        return slice_us + self.lasts_us


def rolling_window(period: Period, now_us: int) -> Window:
    """The last minute, hour, day or 30 days."""
    length = LENGTH_US[period]
    step = length // SLICES
    return Window(now_us // step * step, (now_us - length) // step * step, length + step)


def calendar_window(period: Period, now_us: int, zone: ZoneInfo) -> Window:
    """The minute, hour, day or month of the calendar.

    Days and months begin at midnight in the zone, or where the clocks skip midnight, when they do.
    Where midnight comes twice, the first one counts. Minutes and hours are those of UTC, as they
    never change their length.
    """
    if period in ("minute", "hour"):
        length = LENGTH_US[period]
        start = now_us // length * length
        return Window(start, start, length)
    day = at(now_us).astimezone(zone).date()
    first = day if period == "day" else day.replace(day=1)
    # Where clocks go back over midnight the date does, too; a window that has ended stays ended.
    while now_us >= (end := _midnight(_next(first, period), zone)):
        first = _next(first, period)
    start = _midnight(first, zone)
    return Window(start, start, end - start)


def at(now_us: int) -> datetime:
    """The instant in UTC."""
    return _EPOCH + timedelta(microseconds=now_us)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 of an aware time.

    Raises:
        ValueError: it has no offset, so it names no instant.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no offset; pass an aware time, e.g. in UTC")
    return (instant - _EPOCH) // _MICROSECOND


def _next(first: date, period: Period) -> date:
    if period == "day":
        return first + timedelta(days=1)
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    # With fold 0, a midnight that is skipped is read with the offset before: the instant of the
    # jump; of one that comes twice it is the first.
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
