"""Savings over time: days, or weeks or months where there are many, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tokenthrift.ledger import Totals
from tokenthrift.report.intervals import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tokenthrift.evidence import Interval
    from tokenthrift.ledger import Cell

Length: TypeAlias = Literal["day", "week", "month"]
MOST: Final = 62  # points that a chart still tells apart


@dataclass(frozen=True, slots=True)
class Period:
    """One day, week or month.

    Attributes:
        start: its first day (UTC).
        share: of the bill that was saved; None of too few sessions.
    """

    start: str
    totals: Totals
    share: Interval | None


def length_for(days: Iterable[str]) -> Length:
    """The shortest length of which not too many lie between the first and the last day."""
    dates = sorted(map(date.fromisoformat, days))
    span = (dates[-1] - dates[0]).days + 1 if dates else 0
    return "day" if span <= MOST else "week" if span <= 7 * MOST else "month"


def start_of(day: str, length: Length) -> str:
    """The first day of the period that a day lies in; weeks begin on Monday."""
    at = date.fromisoformat(day)
    if length == "week":
        at -= timedelta(days=at.weekday())
    elif length == "month":
        at = at.replace(day=1)
    return at.isoformat()


def periods_of(days: Mapping[str, Totals], cells: Iterable[Cell], length: Length) -> list[Period]:
    """The periods in order of time; those without calls are left out.

    Args:
        days: sums by day.
        cells: the same money by day and group of sessions.
        length: of each.
    """
    sums: dict[str, Totals] = {}
    for day, totals in days.items():
        start = start_of(day, length)
        sums[start] = sums.get(start, Totals()) + totals
    pairs = {start: pairs_of(own) for start, own in _by_period(cells, length).items()}
    return [
        Period(start, totals, share_interval(pairs.get(start, [])))
        for start, totals in sorted(sums.items())
    ]


def pairs_of(cells: Iterable[Cell]) -> list[tuple[int, int]]:
    """Baseline and net savings of each group of sessions."""
    sums: dict[int, tuple[int, int]] = {}
    for cell in cells:
        baseline, net = sums.get(cell.part, (0, 0))
        sums[cell.part] = (baseline + cell.baseline_nanos, net + cell.net_nanos)
    return [pair for _, pair in sorted(sums.items())]


def _by_period(cells: Iterable[Cell], length: Length) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    starts: dict[str, str] = {}
    for cell in cells:
        start = starts.setdefault(cell.day, start_of(cell.day, length))
        found.setdefault(start, []).append(cell)
    return found
