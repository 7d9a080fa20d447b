"""Who gets how much out of what they take: ranked by good outcomes for a million tokens.

Ranking by tokens or money alone rewards whoever does the least. Where nobody said what answers were
worth, the order is that of the money spent, and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.ledger import Totals, tag_names, totals_by_tag
from tokenthrift.report.summary import tag_of
from tokenthrift.report.worth import Worth, worths

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tokenthrift.ledger import Ledger
    from tokenthrift.report.worth import Key

TAGS: Final = ("user", "team", "app", "feature", "session", "environment")
CONSIDERED: Final = 200
"""Values of a tag that are ranked: those on which most was spent."""


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


def leaderboards(ledger: Ledger, since: datetime | None = None) -> dict[str, tuple[Standing, ...]]:
    """A ranking for each tag of `TAGS` that calls carry, the best first."""
    known = set(tag_names(ledger, since))
    names = [name for name in TAGS if name in known]
    keys: dict[str, Key] = {name: tag_of(name) for name in names}
    worth = worths(ledger, keys, since)
    found = {
        name: ranked(totals_by_tag(ledger, name, since, CONSIDERED), worth[name]) for name in names
    }
    return {name: standings for name, standings in found.items() if standings}


def ranked(totals: Mapping[str, Totals], worth: Mapping[str, Worth]) -> tuple[Standing, ...]:
    """Values by outcomes for tokens, then those without feedback by what was spent on them."""
    standings = [Standing(value, sums, worth.get(value)) for value, sums in totals.items()]
    standings.sort(key=_order)
    return tuple(standings)


def _order(standing: Standing) -> tuple[bool, float, int, str]:
    score = standing.outcomes_per_mtok
    return (score is None, -(score or 0.0), -standing.totals.spent_nanos, standing.value)
