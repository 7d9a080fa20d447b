"""The sums of a ledger in Prometheus' text format, by model and policy.

Source: Prometheus, "Exposition formats", text version 0.0.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokenthrift.ledger import Ledger, Totals

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NANOS_PER_USD: Final = 1e9
COUNTERS: Final = {
    "calls": "Calls in the ledger.",
    "failed_calls": "Calls that ended in an error.",
    "attempts": "Requests to providers.",
    "input_tokens": "Tokens of prompts, cached ones included.",
    "output_tokens": "Tokens of answers, reasoning included.",
    "cache_read_tokens": "Input tokens that providers' caches read.",
    "cache_write_tokens": "Input tokens that providers' caches wrote.",
}
MONEY: Final = {
    "spent_nanos": ("spent_usd", "Known costs of all attempts, in US dollars."),
    "net_nanos": ("net_savings_usd", "Baseline minus actual, in US dollars; may fall."),
}


def figures(ledger: Ledger, under_way: int) -> str:
    """All figures.

    Args:
        ledger: that is added up.
        under_way: calls at this moment.
    """
    sums = ledger.totals_by("model_chosen")
    lines = [
        "# HELP tokenthrift_calls_under_way Calls at this moment.",
        "# TYPE tokenthrift_calls_under_way gauge",
        f"tokenthrift_calls_under_way {under_way}",
    ]
    for name, text in COUNTERS.items():
        lines += _family(f"tokenthrift_{name}_total", "counter", text)
        lines += [_line(f"tokenthrift_{name}_total", m, getattr(t, name)) for m, t in sums.items()]
    for field, (name, text) in MONEY.items():
        lines += _family(f"tokenthrift_{name}", "gauge", text)
        lines += [_line(f"tokenthrift_{name}", m, _usd(t, field)) for m, t in sums.items()]
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _line(name: str, model: str, value: float) -> str:
    escaped = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}{{model="{escaped}"}} {value}'


def _usd(totals: Totals, field: str) -> float:
    return float(getattr(totals, field)) / NANOS_PER_USD
