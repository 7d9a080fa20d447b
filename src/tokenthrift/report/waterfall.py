"""From what would have been paid to what was: each step exact, the last one lands on the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenthrift.ledger import Totals


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A bar of the waterfall, in nano-dollars.

    Attributes:
        name: what it is.
        meaning: in a few words.
        from_nanos: the bill before it; 0 of the two bills at the ends.
        to_nanos: the bill after it.
        is_bill: whether it is one of these.
    """

    name: str
    meaning: str
    from_nanos: int
    to_nanos: int
    is_bill: bool = False

    @property
    def saved_nanos(self) -> int:
        """What it takes off the bill; negative where it adds."""
        return self.from_nanos - self.to_nanos


def waterfall(totals: Totals) -> tuple[WaterfallStep, ...]:
    """Baseline, compression, routing, cache, overhead, actual."""
    parts = (
        ("compression", "fewer tokens", totals.compression_nanos),
        ("routing", "another model", totals.routing_nanos),
        ("cache", "discounts and writes", totals.cache_nanos),
        ("overhead", "retries, recalls, embeddings", totals.overhead_nanos),
    )
    bill = totals.baseline_nanos
    steps = [WaterfallStep("baseline", "unmodified requests", 0, bill, is_bill=True)]
    for name, meaning, saved in parts:
        steps.append(WaterfallStep(name, meaning, bill, bill - saved))
        bill -= saved
    return (*steps, WaterfallStep("paid", "all attempts", 0, bill, is_bill=True))
