"""Stand-ins for the litellm module and its routers: their completions keep an account.

Everything else is litellm's own, read and written through. litellm itself is not changed: code
that imports it directly is not affected.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.drive import complete, complete_async
from tokenthrift.client.options import CallOptions
from tokenthrift.transports.litellm_sdk import (
    Arguments,
    AsyncLiteLLMTransport,
    LiteLLMTransport,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokenthrift.client.account import Account

ROUTED: Final = frozenset({"_router", "tokenthrift"})
OWN: Final = frozenset({"_module", "completion", "acompletion", "tokenthrift"})


class LiteLLM(ModuleType):
    """litellm, with an account.

    Attributes:
        tokenthrift: the account.
    """

    def __init__(self, module: ModuleType, account: Account) -> None:
        super().__init__(module.__name__, module.__doc__)
        self._module = module
        self.tokenthrift = account

    def __getattr__(self, name: str) -> Any:
        """Whatever is not ours is litellm's."""
        if name in OWN:  # not set yet
            raise AttributeError(name)
        return getattr(self._module, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Settings such as ``drop_params`` are litellm's."""
        if name in OWN or name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(self._module, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._module), *OWN})

    def completion(self, *args: Any, **kwargs: Any) -> Any:
        """``litellm.completion``, planned and recorded."""
        function = self._module.completion
        arguments = Arguments.of(function, args, kwargs)
        return complete_through(self.tokenthrift, function, arguments)

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        """``litellm.acompletion``, planned and recorded."""
        function = self._module.acompletion
        arguments = Arguments.of(function, args, kwargs)
        return await complete_through_async(self.tokenthrift, function, arguments)


class RoutedLiteLLM:
    """A ``litellm.Router``, with an account; everything but completions is the router's own.

    It says that it is of the router's class, whose instances cannot be copied.

    Attributes:
        tokenthrift: the account.
    """

    def __init__(self, router: Any, account: Account) -> None:
        self._router = router
        self.tokenthrift = account

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._router)

    def __getattr__(self, name: str) -> Any:
        """Whatever is not ours is the router's."""
        if name in ROUTED:  # not set yet
            raise AttributeError(name)
        return getattr(self._router, name)

    def __setattr__(self, name: str, value: object) -> None:
        """Settings are the router's."""
        if name in ROUTED:
            super().__setattr__(name, value)
        else:
            setattr(self._router, name, value)

    def completion(self, model: str, messages: Any, **kwargs: Any) -> Any:
        """``Router.completion``, planned and recorded."""
        arguments = Arguments.of_keywords({"model": model, "messages": messages, **kwargs})
        return complete_through(self.tokenthrift, self._router.completion, arguments)

    async def acompletion(self, model: str, messages: Any, **kwargs: Any) -> Any:
        """``Router.acompletion``, planned and recorded."""
        arguments = Arguments.of_keywords({"model": model, "messages": messages, **kwargs})
        function = self._router.acompletion
        return await complete_through_async(self.tokenthrift, function, arguments)


def is_router(client: object) -> bool:
    """Whether it is a router of litellm's."""
    return any(
        kind.__name__ == "Router" and kind.__module__.startswith("litellm")
        for kind in type(client).__mro__
    )


def complete_through(account: Account, function: Callable[..., Any], arguments: Arguments) -> Any:
    """A call of a function of litellm's."""
    transport = LiteLLMTransport(function, arguments, account.sdk_retries)
    options = CallOptions.of(arguments.asked)
    return complete(account, transport, arguments.body, options=options)


async def complete_through_async(
    account: Account, function: Callable[..., Any], arguments: Arguments
) -> Any:
    """The same, awaiting."""
    transport = AsyncLiteLLMTransport(function, arguments, account.sdk_retries)
    options = CallOptions.of(arguments.asked)
    return await complete_async(account, transport, arguments.body, options=options)
