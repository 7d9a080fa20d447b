"""Headers: which go on to a provider, which come back, and what ours say.

A relay changes as little as it can: all go on but those of the connection, those that tell a
provider who is behind the service, and those that are meant for the service itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.options import CallOptions
from tokenthrift.serve.errors import Refusal
from tokenthrift.serve.keys import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tokenthrift.client.call import Receipt
    from tokenthrift.serve.keys import ApiKey, Scope

OURS: Final = "x-tokenthrift-"
POLICY: Final = "x-tokenthrift-policy"
TAGS: Final = "x-tokenthrift-tags"
SESSION: Final = "x-tokenthrift-session"
BYPASS: Final = "x-tokenthrift-bypass"

# Source: RFC 9110, section 7.6.1, and RFC 9112.
CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("proxy-connection", "trailer", "transfer-encoding", "upgrade", "content-length"),
        "expect",
    }
)
CREDENTIALS: Final = frozenset({"authorization", "x-api-key", "api-key"})
NOT_SENT: Final = (
    CONNECTION
    | CREDENTIALS
    | {"host", "cookie", "accept-encoding", "content-encoding", "forwarded", "origin", "referer"}
)
NOT_RETURNED: Final = CONNECTION | {
    *("content-encoding", "set-cookie", "server", "date", "alt-svc", "strict-transport-security"),
}
PRIVATE: Final = ("x-forwarded-", "x-real-", "sec-", "cf-", OURS)
NEVER_RETURNED: Final = ("access-control-", OURS)

# Answers are data for programs: no page may frame them, run them, or be told where they came from.
SECURITY: Final = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
)
MOST_TAGS: Final = 32
LONGEST: Final = 256  # characters of a tag or a session


def sent_on(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The headers of a request that go on to a provider."""
    decoded = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in given]
    return [
        (name, value)
        for name, value in decoded
        if name not in NOT_SENT and not name.startswith(PRIVATE)
    ]


def returned(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of a provider's response that go back to the caller."""
    named = [(name.lower(), value) for name, value in given]
    return [
        (name, value)
        for name, value in named
        if name not in NOT_RETURNED and not name.startswith(NEVER_RETURNED)
    ]


def credentials(headers: Mapping[str, str]) -> str:
    """What a caller shows: OpenAI's bearer token, or Anthropic's header; empty where nothing."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "") or headers.get("api-key", "")


def options_of(headers: Mapping[str, str], key: ApiKey | None) -> CallOptions:
    """What a call asks for in headers, as far as its key may.

    Raises:
        Refusal: a header does not parse, or asks for what the key may not.
    """
    scope = EVERYTHING if key is None else key.scope
    off = _yes(headers.get(BYPASS, ""))
    if off and not scope.allows_policy("off"):
        raise Refusal(403, f"this API key may not use {BYPASS}; it needs the policy 'off'")
    session = headers.get(SESSION) or None
    if session is not None and len(session) > LONGEST:
        raise Refusal(400, f"{SESSION} is longer than {LONGEST} characters")
    return CallOptions(
        off=off,
        tags=_tags(headers.get(TAGS, ""), scope),
        session=session,
        key="" if key is None else key.key_id,
    )


def _tags(given: str, scope: Scope) -> dict[str, str]:
    """``team=search, user=ann``; what the key says of itself cannot be said otherwise."""
    tags: dict[str, str] = {}
    for piece in filter(None, (p.strip() for p in given.split(","))):
        name, equals, value = (p.strip() for p in piece.partition("="))
        if not (name and equals and value) or len(name) > LONGEST or len(value) > LONGEST:
            raise Refusal(400, f"{TAGS}: expected name=value, name=value; got {piece[:80]!r}")
        tags[name] = value
    if len(tags) > MOST_TAGS:
        raise Refusal(400, f"{TAGS}: {len(tags)} tags are given, {MOST_TAGS} are allowed")
    wrong = [name for name in scope.tags if tags.get(name, scope.tags[name]) != scope.tags[name]]
    if wrong:
        raise Refusal(403, f"{TAGS}: this API key sets the tag {wrong[0]!r} itself")
    return {**tags, **scope.tags}


def _yes(word: str) -> bool:
    if word.lower() not in ("", "0", "1", "true", "false"):
        raise Refusal(400, f"{BYPASS}: expected true or false, got {word[:80]!r}")
    return word.lower() in ("1", "true")


def decision_headers(receipt: Receipt | None, policy: str) -> list[tuple[str, str]]:
    """What was decided about a call, and what it saved where that is known already."""
    if receipt is None:
        return [(POLICY, policy)]
    said: dict[str, Any] = {"policy": policy, "record": receipt.record_id}
    plan, record = receipt.plan, receipt.record
    if plan is not None:
        said |= {
            "model": plan.model if record is None else record.model_chosen,
            "tokens-before": plan.tokens_before,
            "tokens-after": plan.tokens_after,
            "complexity": plan.decision.complexity.bucket,
        }
    if record is not None:
        used = [a for a in record.attempts if a.status != "embedding"]
        said |= {
            "attempts": len(used),
            "input-tokens": sum(a.input_tokens for a in used),
            "cached-tokens": sum(a.cache_read_tokens for a in used),
            "savings-nanos": record.savings.net_nanos,
            "savings-basis": record.savings.basis if record.savings.net_nanos is not None else None,
        }
    return [(OURS + name, _clean(str(v))) for name, v in said.items() if v is not None]


def _clean(value: str) -> str:
    """A value that HTTP can carry: model names come from callers."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(c if " " <= c <= "~" else "?" for c in value)
