"""Functions of chat shape that keep an account: ``ask(model=..., messages=..., **more)``.

What such a function gives is read as Chat Completions answers are: an object, a mapping, or an
iterator over chunks. It is called with the keyword arguments that it was given, planned.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.drive import complete, complete_async
from tokenthrift.client.options import CallOptions
from tokenthrift.transports.litellm_sdk import Arguments, AsyncLiteLLMTransport, LiteLLMTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.account import Account

NEEDED: Final = ("model", "messages")


def is_chat_function(client: object) -> bool:
    """Whether it can be called as ``f(model=..., messages=...)``."""
    if not callable(client) or isinstance(client, type):
        return False
    return not inspect.isasyncgenfunction(client) and not [
        n for n in NEEDED if not _takes(client, n)
    ]


def wrapped_function(function: Callable[..., Any], account: Account) -> Callable[..., Any]:
    """A function of the same name and signature that plans and accounts for its calls.

    Raises:
        TypeError: the policy offers a tool, and the function takes none.
    """
    if account.policy.recall.offer and not _takes(function, "tools"):
        raise TypeError("the policy offers a tool, so the function must take tools=")
    account.stream_usage = _takes(function, "stream_options")
    if _awaits(function):

        @wraps(function)
        async def asked_async(*args: Any, **kwargs: Any) -> Any:
            given = Arguments.of(function, args, kwargs)
            transport = AsyncLiteLLMTransport(function, given)
            options = CallOptions.of(given.asked)
            return await complete_async(account, transport, given.body, options=options)

        return _kept(asked_async, account)

    @wraps(function)
    def asked(*args: Any, **kwargs: Any) -> Any:
        given = Arguments.of(function, args, kwargs)
        transport = LiteLLMTransport(function, given)
        return complete(account, transport, given.body, options=CallOptions.of(given.asked))

    return _kept(asked, account)


def _kept(made: Callable[..., Any], account: Account) -> Callable[..., Any]:
    vars(made)["tokenthrift"] = account
    return made


def _awaits(function: Any) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object, what it does
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of a name, or takes any."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(
        p.kind is inspect.Parameter.VAR_KEYWORD or (p.name == name and p.kind in named)
        for p in found
    )
