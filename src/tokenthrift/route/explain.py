"""A decision as rows of words and as plain data, for whoever prints it (a terminal, a page, a log).

Nothing is computed here that is not in the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenthrift.route.complexity import Complexity
    from tokenthrift.route.decision import Decision, Verdict
    from tokenthrift.types import Money

VERDICT_COLUMNS: Final = ("action", "verdict", "adequate", "this call", "net", "reason")
NUMBERS: Final = frozenset({"this call", "net"})
DECIMALS: Final = 4  # of dollars, at least; never fewer than there are
SIGNAL_COLUMNS: Final = ("signal", "adds", "at most", "measured")


def verdict_rows(decision: Decision) -> list[tuple[str, ...]]:
    """One row for each action, the chosen one first, the others in the policy's order."""
    pick = decision.pick
    first = sorted(decision.verdicts, key=lambda v: v is not pick)
    return [_row(v, chosen=v is pick) for v in first]


def verdict_data(decision: Decision) -> list[dict[str, Any]]:
    """The verdicts as plain data, in the policy's order; money in nano-dollars, no prompt text."""
    pick = decision.pick
    return [_data(v, chosen=v is pick) for v in decision.verdicts]


def signal_rows(complexity: Complexity) -> list[tuple[str, ...]]:
    """One row for each signal that added something, the largest first."""
    adding = [s for s in complexity.signals if s.contribution > 0]
    adding.sort(key=lambda s: (-s.contribution, s.name))
    return [(s.name, f"{s.contribution:.3f}", f"{s.weight:.2f}", s.reason) for s in adding]


def summary(decision: Decision) -> str:
    """The decision in one line."""
    was = f" (asked: {decision.requested})" if decision.rerouted else ""
    effort = "" if decision.effort is None else f", effort {decision.effort}"
    level = "" if decision.level is None else f", level {decision.level}"
    action = f"{decision.chosen}{was}{effort}{level}"
    return f"{action}: {decision.reason}; request is {decision.complexity}"


def _row(verdict: Verdict, *, chosen: bool) -> tuple[str, ...]:
    return (
        verdict.words,
        _word(verdict, chosen=chosen),
        _adequacy(verdict),
        _price(verdict.expected_cost, verdict),
        _price(verdict.net_cost, verdict),
        verdict.reason,
    )


def _word(verdict: Verdict, *, chosen: bool) -> str:
    if chosen:
        return "chosen"
    if not verdict.eligible:
        return "not eligible"
    return "adequate" if verdict.adequate else "not adequate"


def _adequacy(verdict: Verdict) -> str:
    """``0.91 [0.80, 0.96]`` where there is a forecast, else what is stated."""
    found = verdict.forecast
    if found is not None:
        return f"{found.adequate:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return "" if verdict.covers is None else f"up to {verdict.covers}"


def _price(amount: Money | None, verdict: Verdict) -> str:
    if amount is not None:
        whole, _, part = str(amount).partition(".")
        return f"{whole}.{part.rstrip('0'):0<{DECIMALS}}"
    return "not known" if verdict.eligible else ""


def _data(verdict: Verdict, *, chosen: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "model": verdict.model,
        "effort": None if verdict.effort is None else str(verdict.effort),
        "level": verdict.level,
        "verdict": _word(verdict, chosen=chosen),
        "eligible": verdict.eligible,
        "adequate": verdict.adequate,
        "reason": verdict.reason,
        "refused": [r.check for r in verdict.refusals],
        "expected_cost_nanos": _nanos(verdict.expected_cost),
        "net_cost_nanos": _nanos(verdict.net_cost),
        "cached_tokens": verdict.cached_tokens,
        "latency_s": verdict.latency_s,
        "covers": None if verdict.covers is None else str(verdict.covers),
        "forecast": None,
    }
    found = verdict.forecast
    if found is not None:
        data["forecast"] = {
            "adequate": found.adequate,
            "low": found.low,
            "high": found.high,
            "output_tokens": found.output_tokens,
            "reasoning_tokens": found.reasoning_tokens,
            "novelty": found.novelty,
            "basis": found.basis,
        }
    return data


def _nanos(amount: Money | None) -> int | None:
    return None if amount is None else amount.nanos
