"""Everything a report says of a ledger, as one value that page, terminal and JSON are views of.

Sums come from the ledger itself, so memory and time stay bounded; what only whole records know is
read from the newest ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenthrift.ledger import Totals, survey, totals_by_each
from tokenthrift.report.details import NEWEST, NEWEST_SHORT, Details, details_of
from tokenthrift.report.gone import gone_words
from tokenthrift.report.intervals import share_interval
from tokenthrift.report.leaderboard import Standing, leaderboards
from tokenthrift.report.periods import Length, Period, length_for, pairs_of, periods_of
from tokenthrift.report.regressions import (
    CALLS_SHOWN,
    WorstCall,
    WorstGroup,
    worst_call,
    worst_groups,
)
from tokenthrift.report.waterfall import WaterfallStep, waterfall
from tokenthrift.report.worth import Worth, worth_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tokenthrift.evidence import Interval
    from tokenthrift.ledger import LedgerReader
    from tokenthrift.limits import AccountUse


@dataclass(frozen=True, slots=True)
class Measured:
    """Savings as an experiment measured them: sessions as they are against held out ones.

    Attributes:
        share: of the bill that was saved.
        outcome: by how much the mean outcome differs; None without feedback.
        treated_sessions: how many were changed; ``held_out_sessions`` went unmodified.
        remark: what else should be known, in a sentence.
    """

    share: Interval
    outcome: Interval | None
    treated_sessions: int
    held_out_sessions: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """What a report says.

    Attributes:
        source: the ledger, for people.
        since: where it begins; None is the ledger's own beginning.
        share: of the bill that was saved, with its interval; None of too few sessions.
        resampled: groups of sessions, or of calls, that the interval comes from.
        by_session: whether calls say which session they belong to.
        measured: what a holdout found; None without one.
        length: of each of the ``periods``.
        models: sums by the model that answered.
        worth: of calls with feedback, by model.
        boards: rankings by tag.
        limits: how full the limits of a policy are.
        gone: which calls are in the sums but have no details any more; empty where all have.
    """

    source: str
    since: datetime | None
    totals: Totals
    share: Interval | None
    resampled: int
    by_session: bool
    measured: Measured | None
    length: Length
    periods: tuple[Period, ...]
    models: dict[str, Totals]
    details: Details
    worst_calls: tuple[WorstCall, ...]
    worst_groups: tuple[WorstGroup, ...]
    worth: dict[str, Worth]
    boards: dict[str, tuple[Standing, ...]]
    limits: tuple[AccountUse, ...] = ()
    gone: str = ""

    @property
    def waterfall(self) -> tuple[WaterfallStep, ...]:
        """From the baseline's bill to what was paid, over priced calls."""
        return waterfall(self.totals)

    @property
    def unpriced(self) -> dict[str, Totals]:
        """Sums by model where the savings of calls are not known."""
        return {name: sums for name, sums in self.models.items() if sums.unpriced_calls}

    @property
    def basis(self) -> str:
        """``measured`` where a holdout measured the savings; else the baseline is estimated."""
        return "estimated" if self.measured is None else "measured"


def overview(
    ledger: LedgerReader,
    source: str,
    since: datetime | None = None,
    measured: Measured | None = None,
    limits: Sequence[AccountUse] = (),
    *,
    short: bool = False,
) -> Overview:
    """Everything a report says of a ledger.

    Args:
        ledger: any that adds up its records, by day and by model, and gives the newest.
        source: what to call it.
        since: only calls from then on.
        measured: what a holdout found.
        limits: how full the limits of a policy are.
        short: without periods and rankings, each of which takes a pass: what a terminal shows.
    """
    keys = ("model_chosen",) if short else ("model_chosen", "policy", "day")
    sums = totals_by_each(ledger, keys, since)
    models, days = sums["model_chosen"], sums.get("day", {})
    found = survey(ledger, since, CALLS_SHOWN, short=short)
    pairs = pairs_of(found.cells)
    length = length_for(days)
    boards = {} if short else leaderboards(ledger, found.tags, since)
    groups = {
        "model": models,
        "policy": sums.get("policy", {}),
        "day": days,
        **{tag: {s.value: s.totals for s in board} for tag, board in boards.items()},
    }
    return Overview(
        source=source,
        since=since,
        totals=sum(models.values(), Totals()),
        share=share_interval(pairs),
        resampled=len(pairs),
        by_session=found.by_session,
        measured=measured,
        length=length,
        periods=tuple(periods_of(days, found.cells, length)) if days else (),
        models=models,
        details=details_of(ledger.records(since, limit=NEWEST_SHORT if short else NEWEST)),
        worst_calls=tuple(map(worst_call, found.worst)),
        worst_groups=worst_groups(groups),
        worth=worth_of(ledger, since),
        boards=boards,
        limits=tuple(limits),
        gone=gone_words(ledger.folded(), since),
    )
