"""Terminal tables: numbers to the right with thousands apart, units in the heads, losses in red.

Made to be read at 80 columns. An unknown price is "unpriced", an estimate is called one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tokenthrift.report import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from tokenthrift.ledger import Largest, Totals
    from tokenthrift.report.latency import Latencies

GAIN: Final = "green"
LOSS: Final = "red"
FAINT: Final = "dim"
NO_LABEL: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, and whether it holds numbers (to the right, never wrapped) or words."""

    head: str
    number: bool = True


Cell = str | Text


def table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Group:
    """A table in the house style, under its title; without any heads it is a plain list."""
    made = Table(
        box=box.SIMPLE_HEAD,
        show_header=any(column.head for column in columns),
        pad_edge=False,
        padding=(0, 1),
        show_edge=False,
    )
    for column in columns:
        if column.number:
            made.add_column(Text(column.head), justify="right", no_wrap=True)
        else:
            made.add_column(Text(column.head), overflow="fold")
    for row in rows:
        made.add_row(*(Text(c) if isinstance(c, str) else c for c in row))
    return Group(Text(title, style="bold"), made) if title else Group(made)


def stacked(*parts: RenderableType | None) -> Group:
    """Renderables one under the other with a blank line between; None is left out."""
    out: list[RenderableType] = []
    for part in parts:
        if part is not None:
            out += [Text(""), part] if out else [part]
    return Group(*out)


def note(text: str) -> Text:
    """A remark under a table."""
    return Text(text, style=FAINT)


def signed(text: str, amount: float | None) -> Text:
    """A number in the colour of its sign."""
    if not amount:
        return Text(text)
    return Text(text, style=LOSS if amount < 0 else GAIN)


def before_after(label: str, before: int, after: int) -> list[Cell]:
    """A row of counts: label, before, after, saved, share saved."""
    saved = before - after
    return [
        label,
        formats.count(before),
        formats.count(after),
        signed(formats.count(saved), saved),
        signed(formats.share(saved, before), saved),
    ]


def money_before_after(label: str, before: int, after: int, places: int) -> list[Cell]:
    """A row of nano-dollars: label, before, after, saved, share saved."""
    saved = before - after
    return [
        label,
        formats.usd(before, places),
        formats.usd(after, places),
        signed(formats.usd(saved, places), saved),
        signed(formats.share(saved, before), saved),
    ]


BEFORE_AFTER: Final = (
    Column("before"),
    Column("after"),
    Column("saved"),
    Column("saved %"),
)


def split_table(totals: Totals, title: str = "Where the savings come from") -> Group:
    """The net savings and their parts; they add up exactly."""
    parts = {
        "compression: fewer tokens": totals.compression_nanos,
        "routing: another model": totals.routing_nanos,
        "cache: discounts and writes": totals.cache_nanos,
        "overhead: retries, recalls": totals.overhead_nanos,
        "net": totals.net_nanos,
    }
    places = formats.decimals_for([*parts.values(), totals.baseline_nanos])
    rows = [
        [
            Text(name, style="bold" if name == "net" else ""),
            signed(formats.usd(nanos, places), nanos),
            signed(formats.share(nanos, totals.baseline_nanos), nanos),
        ]
        for name, nanos in parts.items()
    ]
    return table(
        title, (Column("part", number=False), Column("saved $"), Column("of bill %")), rows
    )


def totals_view(totals: Totals, latencies: Latencies | None = None) -> Group:
    """Everything of a set of calls: calls, tokens, money with its split, latency, caveats."""
    places = formats.decimals_for([totals.baseline_nanos, totals.actual_nanos])
    tokens = table(
        "Tokens",
        (Column("counted", number=False), *BEFORE_AFTER),
        [before_after("input", totals.counted_baseline_tokens, totals.counted_sent_tokens)],
    )
    used = table(
        "Used, all attempts",
        (Column("tokens", number=False), Column("count")),
        [
            ["input", formats.count(totals.input_tokens)],
            ["  of it read from cache", formats.count(totals.cache_read_tokens)],
            ["  of it written to cache", formats.count(totals.cache_write_tokens)],
            ["output", formats.count(totals.output_tokens)],
            ["  of it reasoning", formats.count(totals.reasoning_tokens)],
        ],
    )
    money = table(
        "Money",
        (Column("$", number=False), *BEFORE_AFTER),
        [money_before_after("bill", totals.baseline_nanos, totals.actual_nanos, places)],
    )
    return stacked(
        Text(
            f"{totals.calls:,} calls, {totals.attempts:,} attempts, {totals.failed_calls:,} failed"
        ),
        tokens,
        used,
        money,
        split_table(totals),
        None if latencies is None else latency_line(latencies),
        caveats(totals),
    )


def caveats(totals: Totals) -> Text | None:
    """What the money figures do not say by themselves; None where there is nothing to add."""
    said = []
    if totals.unpriced_calls:
        said.append(
            f"{totals.unpriced_calls:,} of {totals.calls:,} calls are {formats.UNPRICED} "
            "(no known price) and not in the money figures."
        )
    if totals.estimated_calls:
        said.append(
            f"{totals.estimated_calls:,} of {totals.calls:,} calls are estimated: our counts, not "
            "a provider's report."
        )
    return note(" ".join(said)) if said else None


def latency_line(latencies: Latencies, what: str = "Planning") -> Text:
    """Percentiles in one line."""
    p50, p99 = latencies.percentile_ms(50), latencies.percentile_ms(99)
    if p50 is None:
        return Text(f"{what}: no latencies")
    return Text(
        f"{what} took {formats.ms(p50)} ms (p50), {formats.ms(p99)} ms (p99), "
        f"{formats.ms(latencies.most_ms)} ms (most) over {latencies.calls:,} calls"
    )


def grouped_view(groups: Mapping[str, Totals], by: str, others: Largest | None = None) -> Group:
    """Three tables by one key: tokens, money, and where the savings come from.

    Args:
        groups: what is shown, in this order.
        by: the key.
        others: groups that are left out and shown as one; None where there are none.
    """
    rows = [(Text(_label(name)), sums) for name, sums in groups.items()]
    if others is not None and others.left_out:
        rows.append((Text(f"{others.left_out:,} others", style=FAINT), others.rest))
    places = formats.decimals_for(
        [n for _, t in rows for n in (t.baseline_nanos, t.actual_nanos, t.net_nanos)]
    )
    label = Column(by, number=False)
    tokens: list[list[Cell]] = [
        [
            name,
            formats.count(t.calls),
            formats.count(t.counted_baseline_tokens),
            formats.count(t.counted_sent_tokens),
            signed(formats.share(_saved(t), t.counted_baseline_tokens), _saved(t)),
        ]
        for name, t in rows
    ]
    unpriced = sum(t.unpriced_calls for _, t in rows)
    return stacked(
        table(
            "Input tokens (counted)",
            (label, Column("calls"), Column("before"), Column("after"), Column("saved %")),
            tokens,
        ),
        table(
            "Money, $",
            (label, Column("before"), Column("after"), Column("net saved"), Column("of bill %")),
            [[name, *_bill(t, places)] for name, t in rows],
        ),
        table(
            "Where the savings come from, $",
            (label, *map(Column, ("compression", "routing", "cache", "overhead"))),
            [[name, *_parts(t, places)] for name, t in rows],
        ),
        note(f"{unpriced:,} calls are {formats.UNPRICED} and not in the money figures.")
        if unpriced
        else None,
    )


def _label(name: str) -> str:
    return formats.printable(name) or NO_LABEL


def _bill(totals: Totals, places: int) -> list[Cell]:
    if totals.calls == totals.unpriced_calls:
        return [Text(formats.UNPRICED, style=FAINT), *[formats.NONE] * 3]
    net = totals.net_nanos
    return [
        formats.usd(totals.baseline_nanos, places),
        formats.usd(totals.actual_nanos, places),
        signed(formats.usd(net, places), net),
        signed(formats.share(net, totals.baseline_nanos), net),
    ]


def _parts(totals: Totals, places: int) -> list[Cell]:
    if totals.calls == totals.unpriced_calls:
        return [formats.NONE] * 4
    parts = (
        totals.compression_nanos,
        totals.routing_nanos,
        totals.cache_nanos,
        totals.overhead_nanos,
    )
    return [signed(formats.usd(n, places), n) for n in parts]


def _saved(totals: Totals) -> int:
    return totals.counted_baseline_tokens - totals.counted_sent_tokens
