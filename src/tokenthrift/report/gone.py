"""What a report says of calls that are in its sums and have no details any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenthrift.ledger.folded import midnight

if TYPE_CHECKING:
    from datetime import datetime

    from tokenthrift.ledger import Folded


def gone_words(folded: Folded, since: datetime | None = None) -> str:
    """How many calls are sums only, and what that means; empty where there are none."""
    counts: dict[str, int] = {}
    for key, sums in folded.calls.items():
        if since is None or midnight(key.day) >= since:
            counts[key.why] = counts.get(key.why, 0) + sums.calls
    left_out = sum(s.calls for k, s in folded.calls.items()) - sum(counts.values())
    if not counts and not left_out:
        return ""
    parts = [f"{counts[why]:,} {why}" for why in ("pruned", "erased") if why in counts]
    words = ""
    if parts:
        words = (
            f"In the sums are calls without details: {', '.join(parts)}. They have no session, "
            "latency or feedback, and erased ones no tags."
        )
    first = since.date().isoformat() if since is not None else ""
    if left_out and any(day == first for day in folded.days()):
        words += f" Those of {first} are left out: their times within the day are gone."
    return words.strip()
