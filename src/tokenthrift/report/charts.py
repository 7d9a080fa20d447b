"""Charts as SVG for pages: drawn by matplotlib (extra ``charts``), coloured by the page.

Colours are the page's own variables, so a chart is dark where the page is; texts are texts, in the
page's font. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import MissingExtraError
from tokenthrift.report import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

WIDTH: Final = 5.4  # inches of 72 pixels; the page scales it
HEIGHT: Final = 3.7
TEXT_PX: Final = 10.5
EDGE: Final = 0.02  # room for marks at the ends of a square chart

# What is drawn in one of these colours gets the variable of the page in its place.
COLOURS: Final = {
    "ink": "#010101",
    "faint": "#020202",
    "line": "#030303",
    "paper": "#040404",
    "routing": "#050505",
    "best": "#060606",
    "rival": "#070707",
    "first": "#080808",
    "second": "#090909",
    "third": "#0a0a0a",
    "fourth": "#0b0b0b",
    "others": "#0c0c0c",
}
VARIABLES: Final = {
    "ink": "--ink",
    "faint": "--faint",
    "line": "--line",
    "paper": "--panel",
    "routing": "--saved",
    "best": "--written",
    "rival": "--dropped",
    "first": "--user",
    "second": "--tool",
    "third": "--assistant",
    "fourth": "--system",
    "others": "--framing",
}
_FONT: Final = re.compile(r"font-family:[^;\"]*;?|font:[^;\"]*?(\d[\d.]*px)[^;\"]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of a chart.

    Attributes:
        colour: a key of `COLOURS`.
        label: written beside it; empty writes nothing.
        title: shown when it is pointed at.
        spread: lower and upper end of a vertical bar.
        shape: ``o`` a dot, ``D`` a diamond, ``s`` a square.
    """

    x: float
    y: float
    colour: str = "faint"
    label: str = ""
    title: str = ""
    spread: tuple[float, float] | None = None
    shape: str = "o"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart through points in order."""

    points: Sequence[tuple[float, float]]
    colour: str = "faint"
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes are called, and how they run.

    Attributes:
        log_x: whether each step to the right multiplies.
        square: both run from 0 to 1.
        x_format: how an amount on the x axis is written, e.g. ``${:g}``.
        y_format: the same of the y axis.
        x_words: how it is written where a format does not do.
    """

    x: str
    y: str
    log_x: bool = False
    square: bool = False
    x_format: str = "{:g}"
    y_format: str = "{:g}"
    x_words: Callable[[float], str] | None = None


def chart(
    axes: Axes,
    lines: Sequence[Line],
    marks: Sequence[Mark],
    name: str,
    size: tuple[float, float] = (WIDTH, HEIGHT),
) -> str:
    """A chart as an SVG element.

    Args:
        axes: names and scales.
        lines: drawn first.
        marks: drawn over them, the last one on top.
        name: what the chart shows, for who cannot see it.
        size: in inches of 72 pixels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def paint(figure: Any, drawn: Any) -> None:
        style(drawn, axes)
        for line in lines:
            xs, ys = zip(*line.points, strict=True) if line.points else ((), ())
            dashes = (0, (4, 3)) if line.dashed else "solid"
            drawn.plot(xs, ys, color=COLOURS[line.colour], linewidth=1.4, linestyle=dashes)
        for number, mark in enumerate(marks):
            _draw(drawn, mark, number)
        if axes.square:
            drawn.set_xlim(-EDGE, 1 + EDGE)
            drawn.set_ylim(-EDGE, 1 + EDGE)
        else:
            drawn.margins(x=0.08, y=0.12)
        figure.draw_without_rendering()  # places the axes, which labels are measured against
        _label(drawn, marks)

    titles = {f"mark-{number}": mark.title for number, mark in enumerate(marks) if mark.title}
    return picture(name, paint, size=size, titles=titles)


def picture(
    name: str,
    paint: Callable[[Any, Any], None],
    *,
    size: tuple[float, float] = (WIDTH, HEIGHT),
    titles: Mapping[str, str] | None = None,
) -> str:
    """What a function paints, as an SVG element.

    Args:
        name: what it shows, for who cannot see it.
        paint: is given matplotlib's figure and axes; colours are values of `COLOURS`.
        size: in inches of 72 pixels.
        titles: shown when the piece with this ``gid`` is pointed at.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _plotting(size) as figure:
        paint(figure, figure.subplots())
        kept = io.StringIO()
        figure.savefig(kept, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(kept.getvalue(), titles or {}, name)


@contextmanager
def _plotting(size: tuple[float, float]) -> Iterator[Any]:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "charts") from error
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "tokenthrift",
        "font.size": TEXT_PX,
        "font.family": "DejaVu Sans",
    }
    with rc_context(settings):
        yield Figure(figsize=size, dpi=72, layout="constrained")


def style(drawn: Any, axes: Axes) -> None:
    """Names, scales and grid in the house style."""
    if axes.log_x:
        from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

        drawn.set_xscale("log")
        drawn.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0), numticks=8))
        drawn.xaxis.set_minor_locator(NullLocator())
        drawn.xaxis.set_minor_formatter(NullFormatter())
    else:
        drawn.xaxis.set_major_locator(_ticks())
    drawn.yaxis.set_major_locator(_ticks())
    words = axes.x_words or axes.x_format.format
    drawn.xaxis.set_major_formatter(lambda value, _at: words(value))
    drawn.yaxis.set_major_formatter(lambda value, _at: axes.y_format.format(value))
    drawn.set_xlabel(axes.x, color=COLOURS["faint"])
    drawn.set_ylabel(axes.y, color=COLOURS["faint"])
    drawn.tick_params(colors=COLOURS["faint"], length=0, pad=5)
    drawn.grid(axis="both", color=COLOURS["line"], linewidth=0.8)
    drawn.set_axisbelow(True)
    for side in drawn.spines.values():
        side.set_visible(False)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10])


def _draw(drawn: Any, mark: Mark, number: int) -> None:
    colour = COLOURS[mark.colour]
    if mark.spread is not None:
        drawn.plot([mark.x, mark.x], mark.spread, color=colour, linewidth=1.2, alpha=0.55)
    drawn.plot(
        [mark.x],
        [mark.y],
        marker=mark.shape,
        markersize=8 if mark.label else 5.5,
        color=colour,
        markeredgecolor=COLOURS["paper"],
        markeredgewidth=1.2,
        linestyle="none",
        gid=f"mark-{number}",
    )


def _label(drawn: Any, marks: Sequence[Mark]) -> None:
    """Names beside the points, on the side that has room, none over another."""
    taken: list[tuple[float, float, float, float]] = []
    points = [tuple(drawn.transData.transform((m.x, m.y))) for m in marks]
    box = drawn.get_window_extent()
    for mark, (x, y) in sorted(zip(marks, points, strict=True), key=lambda p: -p[1][1]):
        if not mark.label:
            continue
        width = 0.58 * TEXT_PX * len(mark.label)
        places = [
            (dx, dy, align)
            for dy in (0, 13, -13, 26, -26, 39, -39)
            for dx, align in ((9, "left"), (-9, "right"))
        ]
        best = places[0]
        for place in places:
            dx, dy, align = place
            left = x + dx if align == "left" else x + dx - width
            area = (left, y + dy - 6, left + width, y + dy + 6)
            inside = box.x0 <= area[0] and area[2] <= box.x1 and box.y0 <= area[1] <= box.y1
            free = not any(_meet(area, other) for other in taken)
            clear = not any(
                area[0] - 4 < px < area[2] + 4 and area[1] - 4 < py < area[3] + 4
                for px, py in points
            )
            if inside and free and clear:
                best = place
                break
        dx, dy, align = best
        left = x + dx if align == "left" else x + dx - width
        taken.append((left, y + dy - 6, left + width, y + dy + 6))
        drawn.annotate(
            formats.visible(mark.label),
            (mark.x, mark.y),
            xytext=(dx, dy),
            textcoords="offset pixels",
            ha=align,
            va="center",
            color=COLOURS[mark.colour],
            parse_math=False,
        )


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _for_page(svg: str, titles: Mapping[str, str], name: str) -> str:
    """The element without what only a file needs, in the page's colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = _FONT.sub(lambda m: f"font-size: {m[1]}" if m[1] else "", svg)
    for colour, sign in COLOURS.items():
        svg = svg.replace(sign, f"var({VARIABLES[colour]})")
    for piece, title in titles.items():
        told = f"<title>{escape(formats.visible(title))}</title>"
        svg = svg.replace(f'<g id="{piece}">', f'<g id="{piece}">{told}', 1)
    svg = re.sub(r' id="[^"]*"', lambda m: m[0] if _is_referred(m[0], svg) else "", svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg class="chart" role="img" aria-label="{escape(name)}" {view[0] if view else ""}>'
    return head + svg[svg.index(">") + 1 :]


def _is_referred(attribute: str, svg: str) -> bool:
    return f"#{attribute[5:-1]}" in svg
