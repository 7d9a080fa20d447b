"""Who gets how much out of what they take: ranked by good outcomes for a million tokens.

Ranking by tokens or money alone rewards whoever does the least. Where nobody said what answers were
worth, the order is that of the money spent, and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from tokenthrift.report.summary import TAG
from tokenthrift.report.worth import Worth, key_of, worths

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from tokenthrift.ledger import LedgerReader, Totals
    from tokenthrift.report.worth import Key

TAGS: Final = ("user", "team", "app", "feature", "session", "environment")
CONSIDERED: Final = 200
"""Values of a tag that are ranked: those on which most was spent, beside calls without one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One user, team, app, feature, session or environment.

    Attributes:
        value: of the tag.
        totals: of all its calls.
        worth: of those with feedback; None where there are none.
    """

    value: str
    totals: Totals
    worth: Worth | None

    @property
    def outcomes_per_mtok(self) -> float | None:
        """What it is ranked by; None without feedback."""
        return None if self.worth is None else self.worth.outcomes_per_mtok


def leaderboards(
    ledger: LedgerReader, known: Collection[str], since: datetime | None = None
) -> dict[str, tuple[Standing, ...]]:
    """A ranking for each tag of `TAGS` that calls carry, the best first.

    Args:
        ledger: where records and feedback are.
        known: the names of tags that calls carry.
        since: only calls from then on.
    """
    names = [name for name in TAGS if name in known]
    keys: dict[str, Key] = {name: key_of(f"{TAG}{name}") for name in names}
    worth = worths(ledger, keys, since)
    found = {
        name: ranked(ledger.largest(f"{TAG}{name}", CONSIDERED + 1, since).groups, worth[name])
        for name in names
    }
    return {name: standings for name, standings in found.items() if standings}


def ranked(totals: Mapping[str, Totals], worth: Mapping[str, Worth]) -> tuple[Standing, ...]:
    """Values by outcomes for tokens, then those without feedback by what was spent on them."""
    most = islice((value for value in totals if value), CONSIDERED)
    standings = [Standing(value, totals[value], worth.get(value)) for value in most]
    standings.sort(key=_order)
    return tuple(standings)


def _order(standing: Standing) -> tuple[bool, float, int, str]:
    score = standing.outcomes_per_mtok
    return (score is None, -(score or 0.0), -standing.totals.spent_nanos, standing.value)
