"""A decision as rows of words, for whoever prints it (a terminal, a page, a log).

Nothing is computed here that is not in the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenthrift.route.choose import Decision, Verdict
    from tokenthrift.route.complexity import Complexity

VERDICT_COLUMNS: Final = ("model", "verdict", "expected cost", "covers", "reason")
SIGNAL_COLUMNS: Final = ("signal", "adds", "at most", "measured")


def verdict_rows(decision: Decision) -> list[tuple[str, ...]]:
    """One row for each candidate, the chosen one first, the others in the policy's order."""
    first = sorted(decision.verdicts, key=lambda v: v.model != decision.chosen)
    return [_row(v, chosen=v.model == decision.chosen) for v in first]


def signal_rows(complexity: Complexity) -> list[tuple[str, ...]]:
    """One row for each signal that added something, the largest first."""
    adding = [s for s in complexity.signals if s.contribution > 0]
    adding.sort(key=lambda s: (-s.contribution, s.name))
    return [(s.name, f"{s.contribution:.3f}", f"{s.weight:.2f}", s.reason) for s in adding]


def summary(decision: Decision) -> str:
    """The decision in one line."""
    was = f" (asked: {decision.requested})" if decision.rerouted else ""
    return f"{decision.chosen}{was}: {decision.reason}; request is {decision.complexity}"


def _row(verdict: Verdict, *, chosen: bool) -> tuple[str, ...]:
    if chosen:
        word = "chosen"
    elif not verdict.eligible:
        word = "not eligible"
    else:
        word = "adequate" if verdict.adequate else "not adequate"
    if verdict.expected_cost is not None:
        price = str(verdict.expected_cost)
    else:
        price = "not known" if verdict.eligible else ""
    covers = "" if verdict.covers is None else str(verdict.covers)
    return (verdict.model, word, price, covers, verdict.reason)
