"""The charts of a report, drawn by matplotlib: a table with the same figures stands beside each."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.report import formats
from tokenthrift.report.charts import COLOURS, Axes, Line, Mark, chart, picture, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from tokenthrift.report.latency import Latencies
    from tokenthrift.report.periods import Period
    from tokenthrift.report.waterfall import WaterfallStep

NANOS: Final = 1e9
WIDTH: Final = 4.9  # inches: on a phone the texts are nearly as large as they are here
HEIGHT: Final = 3.3
BAR: Final = 0.62  # of the room of a row
ROW: Final = 0.42  # inches
FRAME: Final = 0.75  # inches for the axis below rows
SERIES: Final = ("first", "second", "third", "fourth", "others")
OTHERS: Final = "others"
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LEAST_MS: Final = 0.01  # a scale that multiplies has no zero
NARROW: Final = 100.0  # a smaller spread has marks between the powers of ten, too
PERCENTILES: Final = (50, 90, 99)


def waterfall_chart(steps: Sequence[WaterfallStep]) -> str:
    """From what would have been paid to what was, step by step."""
    places = formats.decimals_for([steps[0].to_nanos, steps[-1].to_nanos])
    reach = max(max(s.from_nanos, s.to_nanos) for s in steps) / NANOS or 1.0

    def paint(_figure: Any, drawn: Any) -> None:
        _rows(drawn, [s.name for s in steps], Axes("", ""))
        for row, step in enumerate(steps):
            ends = (step.from_nanos / NANOS, step.to_nanos / NANOS)
            left, width = min(ends), abs(ends[1] - ends[0])
            colour = "ink" if step.is_bill else "routing" if step.saved_nanos >= 0 else "rival"
            colour = colour if width else "faint"
            drawn.barh(
                row,
                width,
                BAR,
                left=left,
                color=COLOURS[colour],
                edgecolor=COLOURS[colour] if not width else "none",
                gid=f"step-{row}",
            )
            if row:
                before = steps[row - 1].to_nanos / NANOS
                between = [row - 1 + BAR / 2, row - BAR / 2]
                drawn.plot([before] * 2, between, color=COLOURS["faint"], linewidth=0.8, zorder=0.5)
            _beside(drawn, max(ends), row, _amount(step, places), COLOURS[colour])
        drawn.set_xlim(min(0.0, *(s.to_nanos / NANOS for s in steps)), reach * 1.24)
        decimals = max(_decimals(tick) for tick in drawn.get_xticks())
        drawn.xaxis.set_major_formatter(lambda value, _at: _dollars(value, decimals))

    titles = {f"step-{n}": f"{s.name}: {_amount(s, places)}" for n, s in enumerate(steps)}
    name = "From the unmodified requests' bill to what was paid, by what changed it"
    return picture(name, paint, size=_size(steps), titles=titles)


def savings_chart(periods: Sequence[Period]) -> str:
    """The share of the bill saved in each period, with intervals where they can be told."""
    priced = [p for p in periods if p.totals.baseline_nanos > 0]
    marks, points = [], []
    for period in priced:
        share = 100 * period.totals.net_nanos / period.totals.baseline_nanos
        spread = None
        if period.share is not None:
            spread = (100 * period.share.low, 100 * period.share.high)
        x = date.fromisoformat(period.start).toordinal()
        colour = "routing" if share >= 0 else "rival"
        marks.append(Mark(x, share, colour, title=f"{period.start}: {share:.1f} %", spread=spread))
        points.append((x, share))
    lines = [Line([(points[0][0], 0), (points[-1][0], 0)], "faint", dashed=True)]
    axes = Axes("", "saved, % of the bill", x_words=_day)
    name = "Share of the bill that was saved over time, with 95 % intervals"
    return chart(axes, [*lines, Line(points, "routing")], marks, name, (WIDTH, HEIGHT))


def mix_chart(mix: Mapping[str, Mapping[str, int]], models: Sequence[str]) -> str:
    """Calls by complexity, each bar divided by the model that answered.

    Args:
        mix: calls by complexity and model.
        models: those that have a colour of their own, at most four; the rest are others.
    """

    def paint(_figure: Any, drawn: Any) -> None:
        _rows(drawn, list(mix), Axes("calls", "", x_format="{:,.0f}"))
        for row, counts in enumerate(mix.values()):
            left = 0
            for colour, calls in zip(SERIES, series_of(counts, models), strict=False):
                drawn.barh(row, calls, BAR, left=left, color=COLOURS[colour])
                left += calls
            _beside(drawn, left, row, formats.count(left), COLOURS["faint"])
        reach = max(sum(counts.values()) for counts in mix.values())
        drawn.set_xlim(0, reach * 1.16)

    name = "Calls by complexity and by the model that answered"
    return picture(name, paint, size=_size(mix))


def series_of(counts: Mapping[str, int], models: Sequence[str]) -> list[int]:
    """The calls of each of some models, and at last those of all others."""
    own = [counts.get(model, 0) for model in models]
    return [*own, *[0] * (len(SERIES) - 1 - len(own)), sum(counts.values()) - sum(own)]


def latency_chart(latencies: Mapping[str, Latencies]) -> str:
    """Median, 90th and 99th percentile of each latency, on a scale that multiplies."""
    times = [
        [max(found.percentile_ms(p) or 0.0, LEAST_MS) for p in PERCENTILES]
        for found in latencies.values()
    ]

    def paint(_figure: Any, drawn: Any) -> None:
        from matplotlib.ticker import LogLocator

        _rows(drawn, list(latencies), Axes("", "", log_x=True, x_words=_time))
        for row, own in enumerate(times):
            drawn.plot(own, [row] * len(own), color=COLOURS["best"], linewidth=2, alpha=0.5)
            for percent, time in zip(PERCENTILES, own, strict=True):
                drawn.plot(
                    [time],
                    [row],
                    marker="o" if percent == PERCENTILES[0] else "|",
                    markersize=9 if percent == PERCENTILES[0] else 11,
                    markeredgewidth=2,
                    color=COLOURS["best"],
                    linestyle="none",
                    gid=f"time-{row}-{percent}",
                )
        drawn.margins(x=0.1)
        is_narrow = max(map(max, times)) < NARROW * min(map(min, times))
        subs = (1.0, 3.0) if is_narrow else (1.0,)
        drawn.xaxis.set_major_locator(LogLocator(base=10, subs=subs))

    titles = {
        f"time-{row}-{p}": f"{name}, p{p}: {formats.ms(time)} ms"
        for row, (name, own) in enumerate(zip(latencies, times, strict=True))
        for p, time in zip(PERCENTILES, own, strict=True)
    }
    name = "Latencies: a dot for the median, strokes for the 90th and 99th percentile"
    return picture(name, paint, size=_size(latencies), titles=titles)


def _rows(drawn: Any, names: Sequence[str], axes: Axes) -> None:
    """One row a name, the first one on top, a grid only along the amounts."""
    style(drawn, axes)
    drawn.set_yticks(range(len(names)), [formats.visible(name) for name in names])
    drawn.tick_params(axis="y", labelcolor=COLOURS["ink"])
    drawn.set_ylim(len(names) - 0.5, -0.5)
    drawn.grid(visible=False, axis="y")


def _size(rows: Sized) -> tuple[float, float]:
    return (WIDTH, FRAME + ROW * len(rows))


def _beside(drawn: Any, x: float, row: int, text: str, colour: str) -> None:
    drawn.annotate(
        text,
        (x, row),
        xytext=(5, 0),
        textcoords="offset pixels",
        va="center",
        color=colour,
        parse_math=False,
    )


def _amount(step: WaterfallStep, places: int) -> str:
    if step.is_bill:
        return f"${formats.usd(step.to_nanos, places)}"
    return formats.dollars(-step.saved_nanos, places, sign=True)


def _dollars(amount: float, decimals: int) -> str:
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{decimals}f}"


def _decimals(tick: float) -> int:
    """How many decimals a tick needs: two of one scale are written alike."""
    return len(f"{tick:.{formats.MOST_DECIMALS}f}".rstrip("0").partition(".")[2])


def _day(ordinal: float) -> str:
    if ordinal != int(ordinal):
        return ""
    at = date.fromordinal(int(ordinal))
    return f"{at.day} {MONTHS[at.month - 1]}"


def _time(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"
