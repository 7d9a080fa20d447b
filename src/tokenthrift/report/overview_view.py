"""A report for a terminal, in short: totals, how sure they are, what loses, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report import overview_words as words
from tokenthrift.report.details import ranked_counts
from tokenthrift.report.feedback_view import worth_view
from tokenthrift.report.tables import (
    Cell,
    Column,
    latency_line,
    note,
    signed,
    stacked,
    table,
    totals_view,
)

if TYPE_CHECKING:
    from rich.console import Group

    from tokenthrift.report.overview import Overview

SHOWN: Final = 3


def overview_view(found: Overview) -> Group:
    """The report as tables and lines."""
    latencies = found.details.latencies
    return stacked(
        totals_view(found.totals, latencies.get("planning")),
        Text(_how_sure(found)),
        *(
            latency_line(latencies[name], what)
            for name, what in (("first chunk", "First chunks"), ("whole call", "Whole calls"))
            if name in latencies
        ),
        _regressions(found),
        _failures(found),
        note(words.unpriced_hint(found)) if found.unpriced else None,
        worth_view(found.worth),
        note(found.gone) if found.gone else None,
    )


def _how_sure(found: Overview) -> str:
    share = words.saved_share(found)
    if not share:
        return words.sureness(found)
    told = words.interval(found.share)
    between = f" (95 % interval: {told})" if told else ""
    return f"Net savings are {share} of the bill{between}. {words.sureness(found)}"


def _regressions(found: Overview) -> Group | None:
    rows = [
        *((f"{g.by} {g.value}", g.totals.net_nanos, g.why) for g in found.worst_groups[:SHOWN]),
        *((f"call {c.record_id}", c.net_nanos, c.why) for c in found.worst_calls[:SHOWN]),
    ]
    if not rows:
        return None
    places = formats.decimals_for([net for _, net, _ in rows])
    cells: list[list[Cell]] = [
        [
            formats.printable(name),
            signed(formats.usd(net, places), net),
            formats.printable(", ".join(why)),
        ]
        for name, net, why in rows
    ]
    columns = (Column("what", number=False), Column("saved $"), Column("why", number=False))
    return table("Worst regressions", columns, cells)


def _failures(found: Overview) -> Text | None:
    ranked = ranked_counts(found.details.failures)
    if not ranked:
        return None
    said = [f"{reason} of {model} {n:,}" for (reason, model), n in ranked[:SHOWN]]
    return Text(f"Failures, newest calls: {formats.printable('; '.join(said))}")
