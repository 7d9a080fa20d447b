"""What a calibration found, as a policy: the routing of a policy file, to use or to copy from."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import yaml

from tokenthrift.report import formats
from tokenthrift.report.calibration_words import CAVEATS, lead, title

if TYPE_CHECKING:
    from tokenthrift.route.findings import Calibration

COMMENT_WIDTH: Final = 96


def routing_of(found: Calibration, adequacy: str) -> dict[str, Any]:
    """The ``routing`` entry: the floor and its candidates, or one model that gets every call.

    Args:
        found: the calibration.
        adequacy: file of the abilities, relative to the policy's own file.
    """
    if not found.routes:
        return {"baseline": found.baseline, "pin": True, "candidates": [{"model": found.baseline}]}
    return {
        "baseline": found.baseline,
        "floor": found.floor,
        "adequacy": adequacy,
        "candidates": [{"model": name} for name in found.candidates],
    }


def policy_text(found: Calibration, adequacy: str, log: str) -> str:
    """A policy file that says where it comes from.

    Args:
        found: the calibration.
        adequacy: file of the abilities, relative to the policy's own file.
        log: what the outcomes were read from.
    """
    said = [
        f"Written by `tokenthrift calibrate` from {found.counts[0]:,} prompts of {log}.",
        f"{title(found)}. {lead(found)}",
        *CAVEATS,
    ]
    lines = [line for text in said for line in textwrap.wrap(_one_line(text), COMMENT_WIDTH)]
    policy = {"version": 1, "name": "calibrated", "routing": routing_of(found, adequacy)}
    body = yaml.safe_dump(policy, sort_keys=False, allow_unicode=True)
    return "".join(f"# {line}\n" for line in lines) + body


def _one_line(text: str) -> str:
    return " ".join(formats.printable(text).split())
