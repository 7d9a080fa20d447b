"""A report as a page of its own: one file of HTML, no script, charts with their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.report import formats
from tokenthrift.report import overview_words as words
from tokenthrift.report.details import UNMEASURED, ranked_counts
from tokenthrift.report.limits_view import ALL, PREPAID, limit_lines
from tokenthrift.report.overview_charts import (
    PERCENTILES,
    SERIES,
    latency_chart,
    mix_chart,
    savings_chart,
    series_of,
    waterfall_chart,
)
from tokenthrift.report.pages import page

if TYPE_CHECKING:
    from tokenthrift.ledger import Totals
    from tokenthrift.report.overview import Overview

BUCKETS: Final[tuple[str, ...]] = ("trivial", "simple", "moderate", "complex", "expert", UNMEASURED)
MODELS_SHOWN: Final = 12
PERIODS_SHOWN: Final = 14
STANDINGS_SHOWN: Final = 10
ROWS_SHOWN: Final = 10


def overview_page(found: Overview) -> str:
    """A report as HTML.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    totals = found.totals
    mix = {b: found.details.mix[b] for b in BUCKETS if b in found.details.mix}
    models = _models(found)
    coloured = [name for name, _ in models if name][: len(SERIES) - 1]
    priced = [p for p in found.periods if p.totals.baseline_nanos > 0]
    places = formats.decimals_for([totals.baseline_nanos, totals.actual_nanos])
    return page(
        "report",
        ["report"],
        found=found,
        totals=totals,
        words=words,
        facts=_facts(found, places),
        places=places,
        usd=formats.usd,
        dollars=formats.dollars,
        rate=formats.rate,
        ms=formats.ms,
        group_places=_places(found, places),
        steps=found.waterfall,
        waterfall=waterfall_chart(found.waterfall) if totals.baseline_nanos else "",
        over_time=savings_chart(priced) if len(priced) > 1 else "",
        periods=found.periods[::-1],
        periods_shown=PERIODS_SHOWN,
        models=models[:MODELS_SHOWN],
        models_left=max(0, len(models) - MODELS_SHOWN),
        mix=[(bucket, series_of(counts, coloured)) for bucket, counts in mix.items()],
        mix_chart=mix_chart(mix, coloured) if mix else "",
        series=[*zip(SERIES, coloured, strict=False)],
        others=any(series_of(counts, coloured)[-1] for counts in mix.values()),
        latencies=found.details.latencies,
        latency_chart=latency_chart(found.details.latencies) if found.details.latencies else "",
        percentiles=PERCENTILES,
        failures=ranked_counts(found.details.failures),
        rejections=ranked_counts(found.details.rejections),
        limits=limit_lines(found.limits),
        all_calls=ALL,
        prepaid=PREPAID,
        rows_shown=ROWS_SHOWN,
        standings_shown=STANDINGS_SHOWN,
    )


def _models(found: Overview) -> list[tuple[str, Totals]]:
    return sorted(found.models.items(), key=lambda item: (-item[1].spent_nanos, -item[1].calls))


def _places(found: Overview, places: int) -> int:
    """Decimals of the groups that lost, so that no loss reads as zero."""
    nets = [formats.decimals_for([g.totals.net_nanos]) - 2 for g in found.worst_groups]
    return max(places, *nets, 0)


def _facts(found: Overview, places: int) -> list[tuple[str, str, str]]:
    """Name, value and remark of each figure at the top."""
    totals = found.totals
    beside = totals.spent_nanos - totals.actual_nanos
    saved = totals.counted_baseline_tokens - totals.counted_sent_tokens
    failed = formats.share(totals.failed_calls, totals.calls)
    less = formats.share(saved, totals.counted_baseline_tokens)
    return [
        (
            "Paid",
            formats.dollars(totals.actual_nanos, places),
            f"and {formats.dollars(beside)} for calls that cannot be compared"
            if beside > 0
            else "",
        ),
        (
            "Would have been paid",
            formats.dollars(totals.baseline_nanos, places),
            "unmodified, on the baseline model",
        ),
        (
            "Saved, net",
            formats.dollars(totals.net_nanos, places),
            words.net_interval(found, places),
        ),
        ("Calls", formats.count(totals.calls), words.span(found)),
        (
            "Input tokens",
            f"{formats.count(totals.counted_sent_tokens)} sent",
            f"of {formats.count(totals.counted_baseline_tokens)} given: {less} % less",
        ),
        (
            "Read from cache",
            f"{formats.share(totals.cache_read_tokens, totals.input_tokens)} %",
            f"of {formats.count(totals.input_tokens)} billed input tokens",
        ),
        ("Failed", formats.count(totals.failed_calls), f"{failed} % of the calls"),
        (
            "Without a price",
            formats.count(totals.unpriced_calls),
            "counted, but in no sum of savings"
            if totals.unpriced_calls
            else "all calls are priced",
        ),
    ]
