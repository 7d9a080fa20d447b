"""What a calibration found, in words and as plain data; every view says the same."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.report import formats

if TYPE_CHECKING:
    from tokenthrift.route.certificate import Interval
    from tokenthrift.route.findings import Calibration, Contender, Tested

FLOORS_SHOWN: Final = 12
LEAST_DIFFERENCE: Final = 1e-9  # sums of the same numbers in another order differ by less

CAVEATS: Final = (
    "The proof holds for prompts like those of the log; it says nothing of others.",
    (
        "Costs are those of the log: what a switch of models does to a provider's prompt cache is "
        "decided, and accounted for, call by call."
    ),
)


def headline(found: Calibration) -> tuple[str, str]:
    """The finding in a few words, and what they rest on in a few more."""
    if not found.routes:
        return "Do not route", f"stay on {formats.visible(found.baseline)}"
    value, _, span = percent(found.certificate.routed.saving).rpartition(" % ")
    return f"Routing saves {value} %", f"of the bill {span}"


def title(found: Calibration) -> str:
    """The finding in a few words."""
    if found.routes:
        return f"Route: {percent(found.certificate.routed.saving)} of the bill saved"
    return f"Do not route: stay on {formats.visible(found.baseline)}"


def lead(found: Calibration) -> str:
    """The finding in a sentence or two."""
    promise, base = found.promise, formats.visible(found.baseline)
    worse, sure = f"{100 * promise.worse:.3g} %", f"{100 * promise.confidence:.3g} %"
    if found.routes:
        return (
            f"With {sure} confidence at most {worse} of the mean score of {base} is lost. On "
            f"{found.parts[2]:,} prompts that nothing had seen, {percent(found.certificate.lost)} "
            f"was lost and {percent(found.certificate.routed.saving)} of the bill saved."
        )
    why = "; ".join(formats.visible(sentence(text)) for text in found.refusals)
    return f"{why}. The policy pins {base}."


def sentence(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def percent(interval: Interval) -> str:
    """A share: ``43.9 % [39.5, 48.1]``."""
    value, low, high = (_plain(100 * x) for x in (interval.value, interval.low, interval.high))
    return f"{value} % [{low}, {high}]"


def points(interval: Interval) -> str:
    """A score, or a difference of two: ``0.868 [0.838, 0.896]``."""
    value, low, high = (_plain(x, 3) for x in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def per_thousand(interval: Interval) -> str:
    """Dollars for a thousand calls."""
    return formats.usd(round(interval.value * 1e12))


def comparison(contender: Contender) -> str:
    """What routing is, compared with it, at the certified prompts."""
    behind = contender.behind
    if behind.low > LEAST_DIFFERENCE:
        return "routing scores more"
    if behind.high < -LEAST_DIFFERENCE:
        return "routing scores less"
    return "no clear difference"


def contenders(found: Calibration) -> tuple[Contender, ...]:
    """Routing, the baseline, and what routing has to beat."""
    certificate = found.certificate
    return (certificate.routed, certificate.baseline, *certificate.rivals)


def floors_shown(found: Calibration) -> list[Tested]:
    """The floors worth a line: evenly those that differ, and always the chosen one."""
    different: list[Tested] = []
    for tested in found.tested:
        if not different or (tested.lost, tested.saving) != (
            different[-1].lost,
            different[-1].saving,
        ):
            different.append(tested)
        elif tested.floor == found.floor:
            different[-1] = tested
    step = max(1, -(-len(different) // FLOORS_SHOWN))
    return [t for n, t in enumerate(different) if n % step == 0 or t.floor == found.floor]


def facts(found: Calibration) -> list[tuple[str, str, str]]:
    """Name, value and remark of what one wants to know first."""
    prompts, complete, groups = found.counts
    fit, choose, certify = found.parts
    sure = f"{100 * found.promise.confidence:.3g} %"
    floor = "none is proven" if found.floor is None else f"P(adequate) ≥ {found.floor:.2f}"
    remark = f"{complete:,} answered by all models at a known cost"
    if groups < complete:
        remark += f"; {complete - groups:,} near-copies of others"
    rows = [
        ("Promise", f"at most {100 * found.promise.worse:.3g} % worse", f"at {sure} confidence"),
        ("Baseline", formats.visible(found.baseline), "the best single model, or as named"),
        ("Floor", floor, "the cheapest adequate model is chosen"),
        ("Prompts", f"{prompts:,}", remark),
        ("Parts", f"{fit:,} + {choose:,} + {certify:,}", "to fit, to choose, to certify"),
        (
            "Forecasts",
            f"Brier skill {points(found.reliability.skill)}",
            f"Brier {found.reliability.brier:.3f}, calibration error {found.reliability.error:.3f}",
        ),
    ]
    if found.left_out:
        names = ", ".join(f"{formats.visible(m)} ({n:,})" for m, n in found.left_out)
        rows.append(("Left out", f"{len(found.left_out)} models", f"too few answers: {names}"))
    return rows


def calibration_json(found: Calibration) -> dict[str, Any]:
    """All of it as plain data, exact."""
    certificate = found.certificate
    return {
        "routes": found.routes,
        "refusals": list(found.refusals),
        "promise": asdict(found.promise),
        "baseline": found.baseline,
        "floor": found.floor,
        "models": list(found.models),
        "left_out": dict(found.left_out),
        "prompts": dict(zip(("all", "complete", "groups"), found.counts, strict=True)),
        "parts": dict(zip(("fit", "choose", "certify"), found.parts, strict=True)),
        "tested": [asdict(t) for t in found.tested],
        "certificate": {
            "lost": asdict(certificate.lost),
            "contenders": [asdict(c) for c in contenders(found)],
            "shares": dict(certificate.shares),
            "curve": [
                {"floor": t.floor, "cost_usd": cost, "score": score}
                for t, (cost, score) in zip(found.tested, certificate.curve, strict=True)
            ],
            "models": [
                {"model": name, "cost_usd": cost, "score": score}
                for name, cost, score in found.singles
            ],
        },
        "calibration": asdict(found.reliability),
    }


def _plain(number: float, places: int = 1) -> str:
    text = f"{number:.{places}f}"
    return text.removeprefix("-") if not float(text) else text
