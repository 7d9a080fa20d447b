"""Clients of OpenAI's and Anthropic's SDKs that plan and account for what they are asked.

A wrapped client is a copy of the caller's, of a subclass of its own class: all of its resources are
the SDK's own, and only ``post`` is ours. Completions, responses and messages that are created,
parsed or streamed pass through it; every other endpoint, and responses that are streamed raw, go
out untouched and are not recorded. Of the latter a policy that redacts takes the secrets, which
then stay out of the answer.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio.to_thread import run_sync

from tokenthrift.client.drive import complete, complete_async
from tokenthrift.client.options import CallOptions
from tokenthrift.transports.crossing import (
    RAW,
    AsyncCrossingTransport,
    CrossingTransport,
    ThroughLiteLLM,
)
from tokenthrift.transports.posting import AsyncPostTransport, Posting, PostTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.account import Account

C = TypeVar("C")

# The seller that a client reaches, as model cards name it, by a base of its class.
PROVIDERS: Final = {
    "AzureOpenAI": "azure",
    "AsyncAzureOpenAI": "azure",
    "OpenAI": "openai",
    "AsyncOpenAI": "openai",
    "AnthropicBedrock": "bedrock",
    "AsyncAnthropicBedrock": "bedrock",
    "AnthropicVertex": "vertex_ai",
    "AsyncAnthropicVertex": "vertex_ai",
    "Anthropic": "anthropic",
    "AsyncAnthropic": "anthropic",
}
SDKS: Final = ("openai", "anthropic")


def is_sdk_client(client: object) -> bool:
    """Whether it is a client of OpenAI's or Anthropic's SDK, those of clouds included."""
    return not isinstance(client, type) and _base(client) is not None


def provider_of(client: object) -> str:
    """The seller that a client reaches, as model cards name it."""
    return PROVIDERS[_base(client) or ""]


def wrapped_client(client: C, account: Account) -> C:
    """A copy of a client, on the same HTTP connections, that keeps an account."""
    bare: Any = client
    wrapped: C = _adopted(bare.copy(), account, _class_of(type(client)))
    return wrapped


def _adopted(made: Any, account: Account, kind: type) -> Any:
    made.__class__ = kind
    made.tokenthrift = account
    return made


def _base(client: object) -> str | None:
    """The class of an SDK that a client is of."""
    for kind in type(client).__mro__:
        if kind.__module__.partition(".")[0] in SDKS and kind.__name__ in PROVIDERS:
            return kind.__name__
    return None


_classes: dict[type, type] = {}


def _class_of(kind: type) -> type:
    """A subclass of a client's class, made once and under its name, so that nothing looks new."""
    found = _classes.get(kind)
    if found is None:
        awaits = any(base.__name__ == "AsyncAPIClient" for base in kind.__mro__)
        copying = _copying(kind)
        names = {
            "__doc__": kind.__doc__,
            "__module__": __name__,
            "post": _posting_async(kind) if awaits else _posting(kind),
            "copy": copying,
            "with_options": copying,
        }
        # A class with one base: a client of the base can then become one of it.
        found = _classes.setdefault(kind, type(kind.__name__, (kind,), names))
    return found


def _copying(kind: Any) -> Callable[..., Any]:
    def copied(self: Any, **changes: Any) -> Any:
        """The SDK's ``copy``; the copy stays wrapped, on the same account."""
        bare = copy(self)
        bare.__class__ = kind  # SDKs copy what their own classes need
        return _adopted(bare.copy(**changes), self.tokenthrift, type(self))

    return copied


def _posting(kind: Any) -> Callable[..., Any]:
    def post(self: Any, path: str, **given: Any) -> Any:
        """Plan what is of a wire, pass on everything else."""
        posting, account = Posting.of(path, given), self.tokenthrift
        if posting is None:
            return kind.post(self, path, **given)
        options = CallOptions.of(posting.asked)
        send = partial(kind.post, self)
        if not posting.is_planned:
            body = account.cleared(posting.body, posting.wire)
            return send(path, **posting.arguments(body))
        own = PostTransport(send, posting, account.sdk_retries)
        if not isinstance(account.elsewhere, ThroughLiteLLM):
            return complete(account, own, posting.body, posting.wire, options)
        transport = CrossingTransport(own, account.elsewhere)
        options = replace(options, stays=RAW if posting.raw else "")
        return complete(account, transport, posting.body, posting.wire, options)

    return post


def _posting_async(kind: Any) -> Callable[..., Any]:
    async def post(self: Any, path: str, **given: Any) -> Any:
        """Plan what is of a wire, pass on everything else."""
        posting, account = Posting.of(path, given), self.tokenthrift
        if posting is None:
            return await kind.post(self, path, **given)
        options = CallOptions.of(posting.asked)
        send = partial(kind.post, self)
        if not posting.is_planned:
            body = await run_sync(account.cleared, posting.body, posting.wire)
            return await send(path, **posting.arguments(body))
        own = AsyncPostTransport(send, posting, account.sdk_retries)
        if not isinstance(account.elsewhere, ThroughLiteLLM):
            return await complete_async(account, own, posting.body, posting.wire, options)
        transport = AsyncCrossingTransport(own, account.elsewhere)
        options = replace(options, stays=RAW if posting.raw else "")
        return await complete_async(account, transport, posting.body, posting.wire, options)

    return post
