"""What calls with feedback were worth: outcomes for tokens and money, by model and by tag."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from tokenthrift.ledger.totals import group_of
from tokenthrift.report.summary import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from tokenthrift.ledger import Feedback, LedgerRecord

    Key = Callable[[LedgerRecord], str]

RATED: Final = 20_000
"""Calls with feedback that are read, the last rated ones."""


class Rated(Protocol):
    """A ledger that keeps feedback."""

    def get(self, record_id: str) -> LedgerRecord | None:
        """The record of an id, or None."""
        ...

    def feedback(self, call_id: str | None = None) -> Iterator[Feedback]:
        """Feedback in order of writing, of one call or of all."""
        ...


@dataclass(frozen=True, slots=True)
class Worth:
    """Some calls with feedback.

    Attributes:
        calls: how many.
        outcomes: sum of their outcomes, each the mean over its sources.
        nanos: what these calls cost, all attempts; calls without a known price are not in it.
        priced_outcomes: sum of the outcomes of calls with a known price.
        tokens: that these calls took, all attempts, input and output.
        value: sum of the values that users named.
    """

    calls: int = 0
    outcomes: float = 0.0
    nanos: int = 0
    priced_outcomes: float = 0.0
    tokens: int = 0
    value: float = 0.0

    def __add__(self, other: Worth) -> Worth:
        return Worth(*(getattr(self, n) + getattr(other, n) for n in _NAMES))

    @property
    def mean_outcome(self) -> float:
        """Over the calls, 0 to 1."""
        return self.outcomes / self.calls if self.calls else 0.0

    @property
    def nanos_per_success(self) -> int | None:
        """Nano-dollars for one good outcome; None where none is known to have been paid for."""
        return round(self.nanos / self.priced_outcomes) if self.priced_outcomes else None

    @property
    def outcomes_per_mtok(self) -> float | None:
        """Good outcomes for a million tokens; None where no tokens were taken."""
        return 1e6 * self.outcomes / self.tokens if self.tokens else None


_NAMES: Final = tuple(Worth.__dataclass_fields__)


def worth_of(ledger: Rated, since: datetime | None = None) -> dict[str, Worth]:
    """What calls with feedback were worth, by the model that answered, sorted by name."""
    return worths(ledger, {"": lambda record: record.model_chosen or ""}, since)[""]


def worth_by(ledger: Rated, by: str, since: datetime | None = None) -> dict[str, Worth]:
    """The same by a key that `grouped` takes: ``complexity``, ``tag:NAME``, or one of sums."""
    return worths(ledger, {by: key_of(by)}, since)[by]


def worths(
    ledger: Rated, keys: Mapping[str, Key], since: datetime | None = None
) -> dict[str, dict[str, Worth]]:
    """The same by the values of several keys, read once.

    Args:
        ledger: where records and feedback are.
        keys: how a record is grouped, by the name of the key.
        since: only calls from then on.
    """
    found: dict[str, dict[str, Worth]] = {name: {} for name in keys}
    for record, worth in _rated(ledger, since):
        for name, key in keys.items():
            value = key(record)
            found[name][value] = found[name].get(value, Worth()) + worth
    return {name: dict(sorted(values.items())) for name, values in found.items()}


def key_of(by: str) -> Key:
    """How sums are grouped by a key, as a user writes it."""
    key = ALIASES.get(by, by)
    return lambda record: group_of(record, key)


def _rated(ledger: Rated, since: datetime | None) -> Iterator[tuple[LedgerRecord, Worth]]:
    said: dict[str, list[tuple[float, float]]] = {}
    for given in ledger.feedback():
        said.setdefault(given.call_id, []).append((given.outcome, given.value or 0.0))
    for call_id in islice(reversed(said), RATED):
        record = ledger.get(call_id)
        if record is None or (since is not None and record.created_at < since):
            continue
        outcomes = [outcome for outcome, _ in said[call_id]]
        yield (
            record,
            _worth(record, sum(outcomes) / len(outcomes), sum(v for _, v in said[call_id])),
        )


def _worth(record: LedgerRecord, outcome: float, value: float) -> Worth:
    costs = [a.cost_nanos for a in record.attempts]
    priced = None not in costs
    return Worth(
        calls=1,
        outcomes=outcome,
        nanos=sum(c for c in costs if c is not None) if priced else 0,
        priced_outcomes=outcome if priced else 0.0,
        tokens=sum(a.input_tokens + a.output_tokens for a in record.attempts),
        value=value,
    )
