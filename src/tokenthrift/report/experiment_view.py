"""What an experiment measured, what shadows would have saved, how the cache model did."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tokenthrift.report import formats
from tokenthrift.report.tables import LOSS, Cell, Column, note, signed, stacked, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Group

    from tokenthrift.evidence import Interval
    from tokenthrift.experiment import MeasuredSavings
    from tokenthrift.ledger import CacheCheck, ShadowTotals

FIGURE = (Column("", number=False), Column("value"), Column("from"), Column("to"))


def measured_view(found: MeasuredSavings | None) -> Group | None:
    """Measured savings as tables; None where there was no experiment."""
    if found is None:
        return None
    sessions = (
        f"{found.treated:,} treated sessions ({found.treated_calls:,} calls), "
        f"{found.held:,} left alone ({found.held_calls:,} calls)"
    )
    if found.saved is None:
        return stacked(
            Text("Measured savings", style="bold"), note(f"Nothing to say yet: {found.problem}.")
        )
    places = formats.decimals_for([round(found.saved.value), round(found.saved.high)])
    rows: list[list[Cell]] = [
        _money("saved a session, $", found.saved, places),
        _money("saved in all, $", found.total, places),
        _share("saved of a session, %", found.share),
        _share("  without length of requests, %", found.share_adjusted),
        _share("saved of a call, %", found.share_per_call),
        _money("saved a session, $, at any time", found.saved_at_any_time, places),
        _money("estimate minus measured, $", found.estimate_error, places, coloured=False),
    ]
    if found.outcome is not None:
        rows.append(_share("outcome of a session, points", found.outcome))
    percent = f"{100 * found.confidence:.0f} %"
    title = f"Measured savings, {percent} intervals over sessions"
    estimated = None if found.estimated is None else round(found.estimated)
    remarks = f"{sessions}. Estimated from records: ${formats.usd(estimated, places)} a session."
    if found.unpriced:
        remarks += f" {found.unpriced:,} sessions with a call of unknown price are left out."
    return stacked(table(title, FIGURE, rows), note(remarks), _alarm(found))


def measured_json(found: MeasuredSavings) -> dict[str, Any]:
    """The same as plain data; amounts in nano-dollars, what is not known is None."""
    data = asdict(found)
    return {key: _plain(value) for key, value in data.items()}


def shadow_view(found: ShadowTotals) -> Group | None:
    """What shadows would have saved; None where there were none."""
    if not found.calls:
        return None
    places = formats.decimals_for([found.spent_nanos, found.saved_nanos])
    saved = found.saved_nanos
    rows: list[list[Cell]] = [
        [
            formats.count(found.calls),
            formats.usd(found.spent_nanos, places),
            signed(formats.usd(saved, places), saved),
            signed(formats.share(saved, found.spent_nanos), saved),
        ]
    ]
    heads = ("calls", "spent $", "would have saved $", "of it %")
    made = table("Shadow: planned, recorded and not carried out", [*map(Column, heads)], rows)
    unpriced = found.unpriced_calls
    return stacked(made, note(f"{unpriced:,} without a figure.") if unpriced else None)


def cache_view(found: Mapping[str, CacheCheck]) -> Group | None:
    """How the model of providers' caches did; None where nothing was reported to check it by."""
    if not found:
        return None
    rows: list[list[Cell]] = [
        [
            formats.printable(name),
            formats.count(c.requests),
            formats.share(c.predicted_tokens, c.input_tokens),
            formats.share(c.reported_tokens, c.input_tokens),
            formats.NONE if c.error_tokens is None else _tokens(c.error_tokens),
        ]
        for name, c in found.items()
    ]
    heads = ("requests", "predicted %", "reported %", "error a request, tokens")
    made = table("Cached input", (Column("model", number=False), *map(Column, heads)), rows)
    return stacked(made, note("Of the newest calls. Predicted minus reported, 95 % over sessions."))


def cache_json(found: Mapping[str, CacheCheck]) -> dict[str, Any]:
    """The same as plain data."""
    return {name: asdict(check) for name, check in found.items()}


def _money(label: str, found: Interval | None, places: int, *, coloured: bool = True) -> list[Cell]:
    if found is None:
        return [label, formats.NONE, formats.NONE, formats.NONE]
    cells = [formats.usd(round(n), places) for n in (found.value, found.low, found.high)]
    return [label, signed(cells[0], found.value) if coloured else cells[0], *cells[1:]]


def _share(label: str, found: Interval | None) -> list[Cell]:
    if found is None or isnan(found.value):
        return [label, formats.NONE, formats.NONE, formats.NONE]
    cells = [formats.share(n, 1) for n in (found.value, found.low, found.high)]
    return [label, signed(cells[0], found.value), *cells[1:]]


def _tokens(found: Interval) -> str:
    return f"{found.value:+,.1f} [{found.low:+,.1f}, {found.high:+,.1f}]"


def _alarm(found: MeasuredSavings) -> Text | None:
    if not found.harm:
        return None
    what = "cost more" if found.harm.kind == "cost" else "end worse"
    return Text(f"Harm: treated sessions {what} than those left alone.", style=LOSS)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and isnan(value) else value
