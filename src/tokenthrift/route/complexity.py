"""How much a request asks of a model, from named signals of its shape.

The signals are language-independent and each one's influence is capped, so that no single trick (a
long paste, a few imposing words, a large tool list) decides. This is a first measure for choosing
among models with stated abilities; it does not predict whether a particular model will succeed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tokenthrift.catalog import ComplexityBucket
from tokenthrift.route.ask import Ask, latest_ask
from tokenthrift.route.effort import effort_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenthrift.types import Request

# The most that each signal can add to the score. Their order of size follows what separated easy
# from hard prompts on recorded outcomes: the length of the ask and its quantities above all.
WEIGHTS: Final[Mapping[str, float]] = {
    "length": 0.24,
    "quantities": 0.14,
    "math": 0.18,
    "code": 0.18,
    "items": 0.06,
    "asks": 0.05,
    "structure": 0.05,
    "context": 0.10,
    "turns": 0.04,
    "tools": 0.08,
    "loop": 0.10,
    "schema": 0.05,
    "media": 0.05,
    "effort": 0.20,
}
# Lowest score of each bucket above the first.
THRESHOLDS: Final = (
    (0.06, ComplexityBucket.SIMPLE),
    (0.16, ComplexityBucket.MODERATE),
    (0.30, ComplexityBucket.COMPLEX),
    (0.48, ComplexityBucket.EXPERT),
)

# A few words more or less move nothing at the short end: the scale is linear below `SOFT_WORDS` and
# logarithmic above.
SOFT_WORDS: Final = 48.0
FULL_WORDS: Final = 240.0
# Share of mathematical marks in dense formulas, and how many make a formula worth the name.
FULL_MATH_SHARE: Final = 0.12
FULL_MATH_MARKS: Final = 24


class Signal(NamedTuple):
    """One measured property and what it added.

    A tuple, as every record of a call has 14 of them and one is made three times as fast.

    Attributes:
        value: in [0, 1].
        weight: the most it can add.
        contribution: value x weight.
        reason: the measurement in words.
    """

    name: str
    value: float
    weight: float
    contribution: float
    reason: str


@dataclass(frozen=True, slots=True)
class Complexity:
    """The bucket of a request, its score in [0, 1], and every signal behind it."""

    bucket: ComplexityBucket
    score: float
    signals: tuple[Signal, ...]

    def __str__(self) -> str:
        """Bucket, score and the three largest signals."""
        top = sorted((s for s in self.signals if s.contribution > 0), key=_by_contribution)[:3]
        return f"{self.bucket} ({self.score:.2f}: {', '.join(s.reason for s in top) or 'nothing'})"


def _by_contribution(signal: Signal) -> tuple[float, str]:
    return (-signal.contribution, signal.name)


def measure(request: Request) -> Complexity:
    """Measure a request; deterministic, and without any knowledge of models."""
    ask = latest_ask(request)
    measured = {**_of_ask(ask), **_of_request(request, ask)}
    signals = tuple([_signal(name, *measured[name]) for name in WEIGHTS])
    score = round(min(1.0, sum([s.contribution for s in signals])), 6)
    return Complexity(bucket_of(score), score, signals)


class Measured:
    """A request whose complexity is measured when it is first asked for, and then kept.

    Where the policy pins the caller's own model only the record has it, so the plan does not wait.

    Args:
        request: to measure.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    @cached_property
    def complexity(self) -> Complexity:
        """How much the request asks."""
        return measure(self._request)


def bucket_of(score: float) -> ComplexityBucket:
    """The bucket of a score."""
    bucket = ComplexityBucket.TRIVIAL
    for lowest, above in THRESHOLDS:
        if score >= lowest:
            bucket = above
    return bucket


def _signal(name: str, value: float, reason: str) -> Signal:
    weight = WEIGHTS[name]
    if value <= 0:  # most of them
        return Signal(name, 0.0, weight, 0.0, reason)
    value = min(1.0, value)
    return Signal(name, round(value, 6), weight, round(value * weight, 6), reason)


def _of_ask(ask: Ask) -> dict[str, tuple[float, str]]:
    share = ask.math_marks / max(1, ask.prose_characters)
    math = min(1.0, share / FULL_MATH_SHARE) * _grown(ask.math_marks, FULL_MATH_MARKS, 6)
    marks = f"mathematical mark{'s' * (ask.math_marks != 1)}"
    code_share = ask.code_characters / max(1, ask.code_characters + ask.prose_characters)
    return {
        "length": (
            _grown(ask.words, FULL_WORDS, SOFT_WORDS),
            f"{ask.words:.0f} distinct words asked",
        ),
        "quantities": (_grown(ask.numbers, 16, 2), f"{ask.numbers} numbers"),
        "math": (math, f"{ask.math_marks} {marks}, {share:.0%} of the text"),
        "code": (
            code_share**0.5 * _grown(ask.code_lines, 120, 4),
            f"{ask.code_lines} lines of code, {code_share:.0%} of the text",
        ),
        "items": (_grown(ask.items, 16, 2), f"{ask.items} list items"),
        "asks": (_grown(ask.questions - 1, 6), f"{ask.questions} questions"),
        "structure": (_grown(ask.blocks, 24, 2), f"{ask.blocks} structural lines"),
        "context": (
            _grown(ask.context_characters - 2_000, 200_000, 8_000),
            f"{ask.context_characters} characters in the message",
        ),
    }


def _of_request(request: Request, ask: Ask) -> dict[str, tuple[float, str]]:
    turns = sum(1 for m in request.messages if m.role == "user")
    loop = sum(
        1 for m in request.messages[ask.index + 1 :] for p in m.parts if p.type == "tool_result"
    )
    media = sum(
        1 for m in request.messages for p in m.parts if p.type in ("image", "audio", "file")
    )
    fields = _schema_fields(request.body.get("response_format"))
    tools = len(request.tools_text)
    effort = effort_of(request)
    return {
        "turns": (_grown(turns - 1, 32, 4), f"{turns} user messages"),
        "tools": (_grown(tools, 64, 4), f"{tools} tools offered"),
        "loop": (_grown(loop, 32, 2), f"{loop} tool results since the ask"),
        "schema": (_grown(fields, 48, 2), f"{fields} schema fields"),
        "media": (_grown(media, 8), f"{media} images, sounds or files"),
        "effort": (
            0.0 if effort is None else effort.share,
            f"effort {'not asked' if effort is None else effort}",
        ),
    }


def _grown(amount: float, full: float, soft: float = 1.0) -> float:
    """0 at nothing, 1 at ``full``; linear below ``soft``, logarithmic above."""
    if amount <= 0:
        return 0.0
    return min(1.0, log2(1 + amount / soft) / log2(1 + full / soft))


def _schema_fields(value: Any, depth: int = 0) -> int:
    """How many properties a JSON schema names, at any depth."""
    if depth > 32:
        return 0
    if isinstance(value, dict):
        own = len(value["properties"]) if isinstance(value.get("properties"), dict) else 0
        return own + sum(_schema_fields(v, depth + 1) for v in value.values())
    if isinstance(value, list):
        return sum(_schema_fields(v, depth + 1) for v in value)
    return 0
