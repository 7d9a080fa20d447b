"""Reading what Chat Completions SDKs give back: usage, text, and what an exception means.

OpenAI's and litellm's objects have the same attributes and litellm's exceptions are subclasses of
OpenAI's, so this is duck-typed and imports neither. It only reads; nothing is changed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.route import Answer, CalledTool

if TYPE_CHECKING:
    from datetime import datetime

# Status codes after which another model may do better: timeout, rate limit; and all from 500 on.
RETRYABLE_STATUSES: Final = frozenset({408, 429})
SERVER_ERROR: Final = 500
# A spent account is spent for all models of its provider. Source: OpenAI, "Error codes".
SPENT: Final = "insufficient_quota"
# Bases of both SDKs' timeouts and connection failures, which carry no status.
CONNECTION_ERRORS: Final = frozenset({"APIConnectionError", "APITimeoutError"})
UNKNOWN_PARAMETER: Final = frozenset({400, 422})

USUAL_TIERS: Final = frozenset({"auto", "default", "standard", "standard_only"})

SPOKEN: Final = ("content", "refusal", "reasoning_content")


def reported_usage(response: Any) -> dict[str, Any] | None:
    """The provider's usage object as plain data; None where there is none (or only zeros).

    With the answer's ``service_tier`` where that is not the usual one: prices depend on it.
    """
    body = body_of(response)
    usage = at(body, "usage")
    if usage is None:
        return None
    if not isinstance(usage, Mapping):
        dump = getattr(usage, "model_dump", None)
        if dump is None:
            return None
        usage = dump(exclude_none=True, warnings=False)
    # litellm fills in zeros where the provider said nothing; no prompt has no tokens.
    if not usage.get("prompt_tokens") and not usage.get("completion_tokens"):
        return None
    plain: dict[str, Any] = json.loads(json.dumps(dict(usage), default=str))
    tier = at(body, "service_tier")
    if isinstance(tier, str) and tier not in USUAL_TIERS:
        plain.setdefault("service_tier", tier)
    return plain


def answer_text(response: Any) -> str:
    """All that was generated in a response or a chunk of a stream, to count it."""
    pieces: list[str] = []
    for choice in at(body_of(response), "choices") or ():
        message = at(choice, "message") or at(choice, "delta")
        pieces += [str(at(message, name) or "") for name in SPOKEN]
        calls = list(at(message, "tool_calls") or ())
        functions = [at(call, "function") for call in calls] + [at(message, "function_call")]
        for function in functions:
            pieces += [str(at(function, "name") or ""), str(at(function, "arguments") or "")]
    return "".join(pieces)


def answer_in(response: Any) -> Answer | None:
    """The first choice of a whole response, as checks read it; None for open streams."""
    if response is None or hasattr(response, "__next__") or hasattr(response, "__anext__"):
        return None
    choices = list(at(body_of(response), "choices") or ())
    if not choices:
        return Answer()
    message = at(choices[0], "message")
    return Answer(
        text=str(at(message, "content") or ""),
        calls=tuple(
            CalledTool(str(at(f, "name") or ""), str(at(f, "arguments") or ""))
            for f in _functions(message)
        ),
        finish=str(at(choices[0], "finish_reason") or ""),
        refusal=str(at(message, "refusal") or ""),
    )


def answer_of_chunks(chunks: Iterable[Any]) -> Answer:
    """The first choice of a stream that was read to its end."""
    text, refusal, finish = "", "", ""
    calls: dict[int, tuple[str, str]] = {}
    for chunk in chunks:
        choices = [c for c in at(chunk, "choices") or () if not at(c, "index")]
        for choice in choices:
            delta = at(choice, "delta")
            text += str(at(delta, "content") or "")
            refusal += str(at(delta, "refusal") or "")
            finish = str(at(choice, "finish_reason") or finish)
            for n, call in enumerate(at(delta, "tool_calls") or ()):
                place, function = at(call, "index"), at(call, "function")
                place = n if place is None else place
                name, arguments = calls.get(place, ("", ""))
                calls[place] = (
                    name + str(at(function, "name") or ""),
                    arguments + str(at(function, "arguments") or ""),
                )
    return Answer(text, tuple(CalledTool(*calls[n]) for n in sorted(calls)), finish, refusal)


def _functions(message: Any) -> list[Any]:
    found = [at(call, "function") for call in at(message, "tool_calls") or ()]
    return [f for f in (*found, at(message, "function_call")) if f is not None]


def retry_after_s(error: BaseException, now: datetime) -> float | None:
    """How long a provider asks to wait, from its headers; None where it does not say.

    Source: RFC 9110, "Retry-After": seconds, or a date; OpenAI also sends milliseconds.
    """
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return exact / 1000
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is not None or not given:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(given) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if 0 <= value < float("inf") else None


def has_nothing_to_say(chunk: Any) -> bool:
    """Whether a chunk of a stream carries no choice, or only empty ones (litellm's usage chunk)."""
    for choice in at(chunk, "choices") or ():
        delta = at(choice, "delta")
        if at(choice, "finish_reason") or at(delta, "role") or answer_text(chunk):
            return False
    return True


def is_retryable(error: BaseException) -> bool:
    """Whether another model may do better: rate limits, overload, timeouts, lost connections."""
    if getattr(error, "code", None) == SPENT:
        return False
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in RETRYABLE_STATUSES or status >= SERVER_ERROR
    return any(kind.__name__ in CONNECTION_ERRORS for kind in type(error).__mro__)


def refuses_stream_usage(error: BaseException) -> bool:
    """Whether a provider refused a request for the parameter ``stream_options``."""
    status = getattr(error, "status_code", None)
    return status in UNKNOWN_PARAMETER and "stream_options" in str(error)


def body_of(response: Any) -> Any:
    """The response; of a raw one (``with_raw_response``) its JSON."""
    raw = getattr(response, "http_response", None)
    if raw is None:
        return response
    try:
        return json.loads(raw.content)
    except ValueError:
        return None


def at(value: Any, name: str) -> Any:
    """A key of a mapping or an attribute of an object; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
