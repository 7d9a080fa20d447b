"""A calibration as a page of its own: one file of HTML that needs nothing from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.report import calibration_words as words
from tokenthrift.report import formats
from tokenthrift.report.charts import Axes, Line, Mark, chart
from tokenthrift.report.pages import page

if TYPE_CHECKING:
    from tokenthrift.route.findings import Calibration

LOG_FROM: Final = 12.0  # times the cheapest model's cost, from which on a scale multiplies


def calibration_page(found: Calibration) -> str:
    """A calibration as HTML.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    singles = {name: (cost, score) for name, cost, score in found.singles}
    return page(
        "calibration",
        ["calibration"],
        found=found,
        words=words,
        singles=singles,
        frontier=frontier_chart(found),
        calibration=reliability_chart(found),
        usd=lambda amount: formats.usd(round(amount * 1e12)),
    )


def frontier_chart(found: Calibration) -> str:
    """Mean score against cost: every floor, every single model, and what routing has to beat."""
    certificate = found.certificate
    marks = [
        Mark(1000 * cost, score, "faint", title=f"{name} alone: {score:.3f}, {_usd(cost)}")
        for name, cost, score in found.singles
        if name != found.baseline
    ]
    labels = ("cheapest", "longest prompts", "random mix")
    marks += [
        Mark(
            1000 * c.cost_usd.value,
            c.score.value,
            "rival",
            label,
            f"{c.name}: {words.points(c.score)}, {_usd(c.cost_usd.value)}",
            shape="s",
        )
        for c, label in zip(certificate.rivals, labels, strict=True)
        if found.floor is not None or label == "cheapest"
    ]
    for contender, colour, label, shape in (
        (certificate.baseline, "best", found.baseline, "o"),
        (certificate.routed, "routing", "routing", "D"),
    ):
        if found.floor is None and contender is certificate.routed:
            continue  # what no floor is proven for is only a line
        cost, score = contender.cost_usd.value, contender.score
        told = f"{contender.name}: {words.points(score)}, {_usd(cost)}"
        marks.append(
            Mark(1000 * cost, score.value, colour, label, told, (score.low, score.high), shape)
        )
    costs = [cost for _, cost, _ in found.singles]
    axes = Axes(
        "dollars for 1,000 calls",
        "mean score",
        log_x=min(costs) > 0 and max(costs) > LOG_FROM * min(costs),
        x_format="${:g}",
    )
    line = [(1000 * cost, score) for cost, score in certificate.curve]
    name = "Mean score against cost of routing at every floor, of single models and of simple rules"
    return chart(axes, [Line(line, "routing")], marks, name)


def reliability_chart(found: Calibration) -> str:
    """What was predicted against what came true."""
    marks = [
        Mark(
            b.predicted,
            b.observed.value,
            "routing",
            title=f"{b.count:,} forecasts of about {b.predicted:.2f}: {words.points(b.observed)}",
            spread=(b.observed.low, b.observed.high),
        )
        for b in found.reliability.bins
    ]
    axes = Axes("predicted P(adequate)", "observed mean score", square=True)
    line = [(m.x, m.y) for m in marks]
    lines = [Line([(0, 0), (1, 1)], "faint", dashed=True), Line(line, "routing")]
    return chart(axes, lines, marks, "Observed scores against predicted probabilities")


def _usd(cost: float) -> str:
    return f"${formats.usd(round(cost * 1e12))} for 1,000 calls"
