"""Reading what Chat Completions SDKs give back: usage, text, and what an exception means.

OpenAI's and litellm's objects have the same attributes and litellm's exceptions are subclasses of
OpenAI's, so this is duck-typed and imports neither. It only reads; nothing is changed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

# Status codes after which another model may do better: timeout, rate limit; and all from 500 on.
RETRYABLE_STATUSES: Final = frozenset({408, 429})
SERVER_ERROR: Final = 500
# A spent account is spent for all models of its provider. Source: OpenAI, "Error codes".
SPENT: Final = "insufficient_quota"
# Bases of both SDKs' timeouts and connection failures, which carry no status.
CONNECTION_ERRORS: Final = frozenset({"APIConnectionError", "APITimeoutError"})
UNKNOWN_PARAMETER: Final = frozenset({400, 422})

SPOKEN: Final = ("content", "refusal", "reasoning_content")


def reported_usage(response: Any) -> dict[str, Any] | None:
    """The provider's usage object as plain data; None where there is none (or only zeros)."""
    usage = at(body_of(response), "usage")
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
