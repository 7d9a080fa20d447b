"""The outcome of a replay, as plain data and for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from tokenthrift.report import formats, tally_json, tally_view
from tokenthrift.report.tables import note, stacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from tokenthrift.replay.conversation import Options
    from tokenthrift.replay.running import Outcome

PROBLEMS_SHOWN = 10


def outcome_json(found: Outcome, options: Options) -> dict[str, Any]:
    """As plain data; sums exact, money in nano-dollars."""
    return {
        "policy": options.policy.name,
        "policy_digest": options.policy.digest,
        "default_model": options.model,
        "prices": found.prices,
        "lines": found.lines,
        "resumed_lines": found.resumed_lines,
        "records_written": found.records_written,
        "records_known": found.records_known,
        "problems": list(found.problems),
        **tally_json(found.tally),
    }


def outcome_view(found: Outcome, options: Options) -> Group:
    """As tables."""
    policy = options.policy
    resumed = f"{found.resumed_lines:,} of {found.lines:,} lines had been done before."
    records = (
        f"Ledger: {found.records_written:,} records written, {found.records_known:,} there before."
    )
    return stacked(
        note(f"policy {policy.name} ({policy.digest}), prices {found.prices}"),
        tally_view(found.tally),
        Text(resumed) if found.resumed_lines else None,
        Text(records) if options.keep_records else None,
    )


def problem_lines(found: Outcome) -> Iterator[str]:
    """The first problems, one a line, and how many more there are."""
    for problem in found.problems[:PROBLEMS_SHOWN]:
        yield formats.printable(problem)
    more = found.tally.unread_lines + found.tally.failed_requests - PROBLEMS_SHOWN
    if more > 0:
        yield f"and {more:,} more"
