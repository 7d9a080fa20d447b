"""A calibration for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.calibration_words import (
    CAVEATS,
    comparison,
    contenders,
    facts,
    floors_shown,
    lead,
    per_thousand,
    points,
    title,
)
from tokenthrift.report.tables import GAIN, LOSS, Cell, Column, note, signed, stacked, table

if TYPE_CHECKING:
    from rich.console import Group

    from tokenthrift.route.findings import Calibration


def calibration_view(found: Calibration) -> Group:
    """The finding, what it rests on, and what routing was compared with."""
    return stacked(
        Text(formats.printable(title(found)), style=f"bold {GAIN if found.routes else LOSS}"),
        Text(formats.printable(lead(found))),
        _facts(found),
        _contenders(found),
        _shares(found),
        _floors(found),
        note(" ".join(CAVEATS)),
    )


def _facts(found: Calibration) -> Group:
    rows = [
        [name, formats.printable(f"{value} ({remark})")] for name, value, remark in facts(found)
    ]
    return table("", (Column("", number=False), Column("", number=False)), rows)


def _contenders(found: Calibration) -> Group:
    rows: list[list[Cell]] = [
        [
            formats.printable(c.name),
            f"{c.score.value:.3f}",
            per_thousand(c.cost_usd),
            signed(f"{100 * c.saving.value:.1f}", c.saving.value),
            points(c.behind) if c is not found.certificate.routed else formats.NONE,
        ]
        for c in contenders(found)
    ]
    columns = (
        Column("", number=False),
        Column("score"),
        Column("$ / 1,000"),
        Column("saved %"),
        Column("routing is ahead by"),
    )
    told = "; ".join(f"{c.name}: {comparison(c)}" for c in contenders(found)[1:])
    return stacked(
        table(f"On {found.parts[2]:,} prompts that nothing had seen", columns, rows),
        note(formats.printable(told)),
    )


def _shares(found: Calibration) -> Group:
    singles = {name: (cost, score) for name, cost, score in found.singles}
    rows: list[list[Cell]] = [
        [
            formats.printable(name),
            formats.share(share, 1),
            f"{singles[name][1]:.3f}",
            formats.usd(round(singles[name][0] * 1e12)),
        ]
        for name, share in found.certificate.shares
    ]
    columns = (Column("model", number=False), *map(Column, ("routed %", "score", "$ / 1,000")))
    return table("Where the prompts go", columns, rows)


def _floors(found: Calibration) -> Group:
    rows: list[list[Cell]] = []
    for t in floors_shown(found):
        chosen = t.floor == found.floor
        style = "bold" if chosen else ""
        rows.append(
            [
                Text(f"{t.floor:.2f}", style=style),
                signed(f"{100 * t.lost:.1f}", -t.lost),
                signed(f"{100 * t.saving:.1f}", t.saving),
                Text(f"{t.p_value:.3f}", style=style),
                Text("chosen" if chosen else "", style=style),
            ]
        )
    columns = (*map(Column, ("floor", "lost %", "saved %", "p")), Column("", number=False))
    title_text = f"Floors, tested from strict to lax on {found.parts[1]:,} prompts"
    return table(title_text, columns, rows)
