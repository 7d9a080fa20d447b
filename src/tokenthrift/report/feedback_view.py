"""What calls with feedback were worth, for a terminal and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenthrift.report import formats
from tokenthrift.report.tables import Cell, Column, note, stacked, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Group

    from tokenthrift.report.worth import Worth


def worth_view(found: Mapping[str, Worth], by: str = "model") -> Group | None:
    """As a table; None where nobody has said anything."""
    if not found:
        return None
    places = formats.decimals_for([w.nanos_per_success for w in found.values()])
    rows: list[list[Cell]] = [
        [
            formats.printable(name) or formats.NONE,
            formats.count(w.calls),
            f"{w.mean_outcome:.3f}",
            formats.usd(w.nanos_per_success, places),
            formats.rate(w.outcomes_per_mtok),
        ]
        for name, w in found.items()
    ]
    heads = ("calls", "mean outcome", "$ / success", "outcomes / M tokens")
    made = table("Feedback", (Column(by, number=False), *map(Column, heads)), rows)
    return stacked(made, note("Calls that nobody said anything of are not in it."))


def worth_json(found: Mapping[str, Worth]) -> dict[str, Any]:
    """The same for machines."""
    return {name: worth_row(worth) for name, worth in found.items()}


def worth_row(worth: Worth) -> dict[str, Any]:
    """One of them."""
    return {
        "calls": worth.calls,
        "outcomes": worth.outcomes,
        "tokens": worth.tokens,
        "nanos_per_success": worth.nanos_per_success,
        "outcomes_per_mtok": worth.outcomes_per_mtok,
        "value": worth.value,
    }
