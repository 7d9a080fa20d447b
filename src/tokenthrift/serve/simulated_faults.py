"""Faults of the simulated provider: what can go wrong, how often, and to whom.

A fault is written ``name[:param][,times=N][,rate=P]``. Whether one strikes depends only on the
seed, the API key and the running number of the request, never on chance or on other keys.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING, Final

from tokenthrift.serve.simulated_types import Answer, ApiError, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Usage

# Shapes of OpenAI's own error bodies: status, type, code, message.
STATUSES: Final[dict[str, tuple[int, str, str | None, str]]] = {
    "400": (400, "invalid_request_error", None, "The request is not valid."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "403": (403, "invalid_request_error", "access_denied", "You may not use this model."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "408": (408, "server_error", "request_timeout", "The request timed out."),
    "409": (409, "invalid_request_error", "conflict", "The request conflicts with another."),
    "422": (422, "invalid_request_error", None, "The request cannot be processed."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached; please slow down."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "500": (500, "server_error", None, "The server had an error while processing your request."),
    "502": (502, "server_error", None, "Bad gateway."),
    "503": (503, "server_error", "overloaded", "The engine is currently overloaded."),
    "504": (504, "server_error", None, "Gateway timeout."),
    "529": (529, "server_error", "overloaded", "Overloaded."),
}

# Faults that are no status, and what their parameter is when none is given.
PARAMS: Final[dict[str, float | None]] = {
    "timeout": 30.0,  # seconds the request is held before it is answered
    "drip": 0.05,  # seconds between the pieces of a response
    "broken_stream": None,  # pieces sent before the connection is cut; half of them by default
    "wrong_usage": 2.0,  # factor on every reported number
    "no_usage": None,
    "truncate": None,
    "malformed_json": None,  # the answer's JSON, or its tool arguments, does not parse
    "malformed_body": None,  # the response body itself does not parse
    "empty": None,
    "refusal": None,
}
RETRY_AFTER_S: Final = 1.0
REFUSAL: Final = "[simulated] I'm sorry, but I can't help with that."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: a key of `STATUSES` or `PARAMS`.
        param: seconds, pieces or a factor, see `PARAMS`; for a status, seconds of ``retry-after``.
        times: strikes only the first so many requests of a key; None never stops.
        rate: probability of striking a request.
    """

    name: str
    param: float | None = None
    times: int | None = None
    rate: float = 1.0

    @classmethod
    def parse(cls, spec: str) -> Fault:
        """Read ``name[:param][,times=N][,rate=P]``.

        Raises:
            ValueError: the name is unknown or a number does not parse; says what is allowed.
        """
        head, *options = (piece.strip() for piece in spec.split(","))
        name, _, param = head.partition(":")
        if name not in STATUSES and name not in PARAMS:
            known = ", ".join([*STATUSES, *PARAMS])
            raise ValueError(f"unknown fault {name!r} in {spec!r}; known: {known}")
        fault = cls(name, _number(param, spec, 0.0) if param else PARAMS.get(name))
        for option in options:
            key, _, value = option.partition("=")
            if key == "times":
                fault = replace(fault, times=int(_number(value, spec, 1.0)))
            elif key == "rate":
                fault = replace(fault, rate=_number(value, spec, 0.0, 1.0))
            else:
                raise ValueError(f"unknown option {option!r} in {spec!r}; known: times=N, rate=P")
        return fault

    def __str__(self) -> str:
        param = "" if self.param is None else f":{self.param:g}"
        times = "" if self.times is None else f",times={self.times}"
        rate = "" if self.rate == 1.0 else f",rate={self.rate:g}"
        return f"{self.name}{param}{times}{rate}"


def _number(text: str, spec: str, least: float, most: float = 1e9) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} in fault {spec!r} is not a number") from None
    if not least <= number <= most:
        raise ValueError(f"{text} in fault {spec!r} must lie between {least:g} and {most:g}")
    return number


@dataclass(slots=True)
class FaultBook:
    """Which faults are switched on for whom, and how often each has struck."""

    rules: tuple[Fault, ...] = ()
    seed: int = 0
    _own: dict[str, tuple[tuple[Fault, ...], int]] = field(default_factory=dict)
    _struck: Counter[tuple[str, Fault]] = field(default_factory=Counter)

    def of(self, key: str) -> tuple[tuple[Fault, ...], int]:
        """Rules and seed for an API key: its own, or those of everyone."""
        return self._own.get(key, (self.rules, self.seed))

    def set(self, key: str, rules: Sequence[Fault], seed: int | None = None) -> None:
        """Give an API key its own rules, counted from now."""
        self._uncount(key)
        self._own[key] = (tuple(rules), self.seed if seed is None else seed)

    def forget(self, key: str) -> None:
        """Take an API key's own rules and counts away."""
        self._uncount(key)
        self._own.pop(key, None)

    def pick(self, key: str, number: int, asked: Fault | None) -> Fault | None:
        """The fault that strikes request ``number`` of a key: what it asks for, else a rule."""
        rules, seed = self.of(key)
        for index, fault in enumerate((asked,) if asked else rules):
            if fault.times is not None and self._struck[key, fault] >= fault.times:
                continue
            if fault.rate < 1.0 and _draw(f"{seed}|{key}|{number}|{index}") >= fault.rate:
                continue
            self._struck[key, fault] += 1
            return fault
        return None

    def _uncount(self, key: str) -> None:
        for counted in [k for k in self._struck if k[0] == key]:
            del self._struck[counted]


def _draw(text: str) -> float:
    """A uniform number in [0, 1) that is a function of the text."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def status_error(fault: Fault) -> ApiError | None:
    """The error a status fault answers with; None for other faults."""
    if fault.name not in STATUSES:
        return None
    status, kind, code, message = STATUSES[fault.name]
    headers: tuple[tuple[str, str], ...] = ()
    wait_s = fault.param if fault.param is not None or fault.name != "429" else RETRY_AFTER_S
    if wait_s is not None:
        headers = (("retry-after", str(ceil(wait_s))), ("retry-after-ms", f"{wait_s * 1000:g}"))
    return ApiError(status, f"[simulated] {message}", type=kind, code=code, headers=headers)


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """The answer as the fault leaves it; faults that are not about answers change nothing."""
    match fault.name if fault else "":
        case "empty":
            return Answer(text="", finish_reason="stop")
        case "refusal":
            return Answer(refusal=REFUSAL, finish_reason="stop")
        case "truncate":
            calls = tuple(ToolCall(c.name, _half(c.arguments)) for c in answer.tool_calls)
            text = None if answer.text is None else _half(answer.text)
            return replace(answer, text=text, tool_calls=calls, finish_reason="length")
        case "malformed_json":
            calls = tuple(ToolCall(c.name, _unclosed(c.arguments)) for c in answer.tool_calls)
            text = answer.text if calls else _unclosed(answer.text or "")
            return replace(answer, text=text, tool_calls=calls)
        case _:
            return answer


def _half(text: str) -> str:
    return text[: len(text) // 2]


def _unclosed(text: str) -> str:
    """JSON without its end; other text becomes JSON without an end."""
    try:
        nested = isinstance(json.loads(text), dict | list)
    except ValueError:
        nested = False
    return text.rstrip()[:-1] + "," if nested else '{"answer": "' + text.replace('"', "'")


def reported(usage: Usage, fault: Fault | None) -> Usage | None:
    """The usage a response reports: the true one, unless the fault is about usage."""
    if fault is None or fault.name not in ("wrong_usage", "no_usage"):
        return usage
    if fault.name == "no_usage":
        return None
    factor = fault.param if fault.param is not None else 1.0
    return replace(
        usage,
        input_tokens=round(usage.input_tokens * factor),
        output_tokens=round(usage.output_tokens * factor),
        cache_read_tokens=round(usage.cache_read_tokens * factor),
        cache_write_tokens=round(usage.cache_write_tokens * factor),
        cache_write_1h_tokens=round(usage.cache_write_1h_tokens * factor),
        reasoning_tokens=round(usage.reasoning_tokens * factor),
    )
