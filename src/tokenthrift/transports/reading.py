"""Answers as SDKs, proxies and plain JSON hold them, read and changed alike.

An answer is an object of an SDK, a mapping, or a raw response (``with_raw_response``) around JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

ENCODED: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
# What ``parse`` of SDKs adds to an answer.
PARSED: Final = frozenset({"parsed", "parsed_arguments", "parsed_output"})
USUAL_TIERS: Final = frozenset({"auto", "default", "standard", "standard_only"})


def at(value: Any, name: str) -> Any:
    """A key of a mapping or an attribute of an object; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def value_at(owner: Any, name: str | int) -> Any:
    """The same, also by the place in a list."""
    return owner[name] if isinstance(name, int) else at(owner, name)


def put(owner: Any, name: str | int, value: Any) -> None:
    """Set a key, a place of a list, or an attribute."""
    if isinstance(owner, dict) or isinstance(name, int):
        owner[name] = value
    else:
        setattr(owner, name, value)


def body_of(response: Any) -> Any:
    """The response; of a raw one (``with_raw_response``) its JSON."""
    raw = None if isinstance(response, Mapping) else getattr(response, "http_response", None)
    if raw is None:
        return response
    try:
        return json.loads(raw.content)
    except ValueError:
        return None


def is_stream(response: Any) -> bool:
    """Whether a response comes in pieces, or is raw and still to be read."""
    if isinstance(response, Mapping):
        return False
    streams = hasattr(response, "__next__") or hasattr(response, "__anext__")
    return streams or is_open_raw(response)


def is_open_raw(response: Any) -> bool:
    """Whether it is a raw response whose bytes the caller has yet to read."""
    raw = None if isinstance(response, Mapping) else getattr(response, "http_response", None)
    return raw is not None and not raw.is_closed


def rewritten(response: Any, change: Callable[[Any], bool]) -> None:
    """Change an answer in place; of a raw one (``with_raw_response``) its JSON.

    Args:
        response: whole.
        change: says whether it changed anything.
    """
    raw = None if isinstance(response, Mapping) else getattr(response, "http_response", None)
    body = body_of(response)
    if body is not None and change(body) and raw is not None:
        response.http_response = type(raw)(
            raw.status_code,
            headers=[(k, v) for k, v in raw.headers.multi_items() if k.lower() not in ENCODED],
            content=json.dumps(body).encode(),
            request=raw.request,
        )


def plain(item: Any) -> dict[str, Any]:
    """A part of an answer as plain data, as it may be sent back: without what SDKs add to it."""
    if not isinstance(item, Mapping):
        item = item.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    return {k: _unparsed(v) for k, v in item.items() if v is not None and k not in PARSED}


def _unparsed(value: Any) -> Any:
    if isinstance(value, Mapping) and PARSED & value.keys():
        return {k: v for k, v in value.items() if k not in PARSED}
    return [_unparsed(v) for v in value] if isinstance(value, list) else value


def plain_usage(usage: Any) -> dict[str, Any] | None:
    """A usage object as plain data; None where there is none."""
    if usage is None:
        return None
    if not isinstance(usage, Mapping):
        dump = getattr(usage, "model_dump", None)
        if dump is None:
            return None
        usage = dump(exclude_none=True, warnings=False)
    found: dict[str, Any] = json.loads(json.dumps(dict(usage), default=str))
    return found


def with_tier(usage: dict[str, Any], answer: Any) -> dict[str, Any]:
    """A usage with the ``service_tier`` of its answer, where that is not the usual one."""
    tier = at(answer, "service_tier")
    if isinstance(tier, str) and tier not in USUAL_TIERS:
        usage.setdefault("service_tier", tier)
    return usage
