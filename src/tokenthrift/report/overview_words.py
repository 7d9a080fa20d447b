"""What a report says in words: the headline, how sure it is, and what it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tokenthrift.report import formats

if TYPE_CHECKING:
    from tokenthrift.evidence import Interval
    from tokenthrift.report.overview import Overview

CAVEATS: Final = (
    (
        "Would have been paid: the same requests, unmodified, on the policy's baseline model, with "
        "a provider cache of their own that is simulated. Paid: every attempt, with what was "
        "cached, rejected, recalled and embedded."
    ),
    (
        "The parts add up to the nano-dollar. Compression and routing are at list prices, so the "
        "cache step takes back what the provider's cache would have saved anyway; a trimmer that "
        "breaks the cached prefix shows as a gain in compression and a larger loss in cache."
    ),
    (
        "Intervals resample whole sessions (or calls, where no session is known): how far the "
        "share saved would differ in other sessions of the same traffic. They say nothing of how "
        "good the counterfactual is; a holdout does."
    ),
    "An unknown price is unknown: such calls are counted, and left out of every sum of savings.",
)


def saved_share(found: Overview) -> str:
    """``27.3 %``, of the bill; empty where there is none."""
    totals = found.totals
    if totals.baseline_nanos <= 0:
        return ""
    return f"{formats.share(totals.net_nanos, totals.baseline_nanos)} %"


def interval(found: Interval | None) -> str:
    """``24.1 to 30.2 %``; empty where none can be told."""
    if found is None:
        return ""
    return f"{formats.share(found.low, 1)} to {formats.share(found.high, 1)} %"


def net_interval(found: Overview, places: int) -> str:
    """The same in dollars, of this bill; empty where none can be told.

    Args:
        found: the report.
        places: decimals of the amounts beside it.
    """
    if found.share is None:
        return ""
    bill = found.totals.baseline_nanos
    low, high = (round(share * bill) for share in (found.share.low, found.share.high))
    return f"{formats.dollars(low, places)} to {formats.dollars(high, places)}"


def sureness(found: Overview) -> str:
    """How the savings are known, in a sentence."""
    totals = found.totals
    if found.measured is not None:
        return (
            f"Measured against {found.measured.held_out_sessions:,} sessions that went unmodified, "
            "and estimated call by call."
        )
    priced = totals.calls - totals.unpriced_calls
    reported = priced - totals.estimated_calls
    return (
        "Estimated: what would have been paid is a counterfactual. Usage was reported by providers "
        f"for {formats.share(reported, priced)} % of the calls."
    )


def resampled(found: Overview) -> str:
    """What intervals resample."""
    return "sessions" if found.by_session else "calls"


def strokes(found: Overview) -> str:
    """What the strokes of the chart over time are, or why there are none."""
    what = resampled(found)
    if any(period.share is not None for period in found.periods):
        return f"strokes are 95 % intervals, resampling {what}"
    return f"a {found.length} has too few {what} for an interval"


def span(found: Overview) -> str:
    """From when to when the calls are."""
    if not found.periods:
        return "no calls"
    first, last = found.periods[0].start, found.periods[-1].start
    if found.length == "day":
        return first if first == last else f"{first} to {last}"
    return f"{found.length}s of {first} to {last}"


def unpriced_hint(found: Overview) -> str:
    """What to add so that unpriced calls have a price."""
    names = sorted(found.details.missing, key=lambda name: -found.details.missing[name])
    listed = ", ".join(formats.visible(name) for name in names[:5]) or "these models"
    return (
        f"Add input_usd_per_mtok and output_usd_per_mtok for {listed} to your model cards "
        "(the policy's cards: file)."
    )
