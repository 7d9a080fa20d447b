"""What calls with feedback were worth: outcomes for money, by model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenthrift.report import formats
from tokenthrift.report.tables import Cell, Column, note, stacked, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Group

    from tokenthrift.ledger import Account


@dataclass(frozen=True, slots=True)
class Worth:
    """Calls of one model with feedback.

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

    @property
    def nanos_per_success(self) -> int | None:
        """Nano-dollars for one good outcome; None where none is known to have been paid for."""
        return round(self.nanos / self.priced_outcomes) if self.priced_outcomes else None


def worth_of(ledger: Account) -> Mapping[str, Worth]:
    """What calls with feedback were worth, by the model that answered, sorted by name."""
    outcomes: dict[str, list[float]] = {}
    values: dict[str, float] = {}
    for said in ledger.feedback():
        outcomes.setdefault(said.call_id, []).append(said.outcome)
        values[said.call_id] = values.get(said.call_id, 0.0) + (said.value or 0.0)
    found: dict[str, Worth] = {}
    for call_id, given in outcomes.items():
        record = ledger.get(call_id)
        if record is None:
            continue
        outcome = sum(given) / len(given)
        costs = [a.cost_nanos for a in record.attempts]
        priced = None not in costs
        so_far = found.get(record.model_chosen or "", Worth())
        found[record.model_chosen or ""] = Worth(
            calls=so_far.calls + 1,
            outcomes=so_far.outcomes + outcome,
            nanos=so_far.nanos + (sum(c for c in costs if c is not None) if priced else 0),
            priced_outcomes=so_far.priced_outcomes + (outcome if priced else 0.0),
            tokens=so_far.tokens + sum(a.input_tokens + a.output_tokens for a in record.attempts),
            value=so_far.value + values[call_id],
        )
    return dict(sorted(found.items()))


def worth_view(found: Mapping[str, Worth]) -> Group | None:
    """As a table; None where nobody has said anything."""
    if not found:
        return None
    places = formats.decimals_for([w.nanos_per_success for w in found.values()])
    rows: list[list[Cell]] = [
        [
            formats.printable(name) or formats.NONE,
            formats.count(w.calls),
            f"{w.outcomes / w.calls:.3f}",
            formats.usd(w.nanos_per_success, places),
            f"{1e6 * w.outcomes / w.tokens:,.1f}" if w.tokens else formats.NONE,
        ]
        for name, w in found.items()
    ]
    heads = ("calls", "mean outcome", "$ / success", "outcomes / M tokens")
    made = table("Feedback", (Column("model", number=False), *map(Column, heads)), rows)
    return stacked(made, note("Calls that nobody said anything of are not in it."))


def worth_json(found: Mapping[str, Worth]) -> dict[str, Any]:
    """The same for machines."""
    return {
        name: {
            "calls": w.calls,
            "outcomes": w.outcomes,
            "tokens": w.tokens,
            "nanos_per_success": w.nanos_per_success,
            "value": w.value,
        }
        for name, w in found.items()
    }
