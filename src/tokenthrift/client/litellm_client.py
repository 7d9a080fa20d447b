"""A stand-in for the litellm module whose ``completion`` and ``acompletion`` keep an account.

Everything else is the module's own, read and written through. litellm itself is not changed: code
that imports it directly is not affected.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.client.drive import complete, complete_async
from tokenthrift.transports.litellm_sdk import (
    Arguments,
    AsyncLiteLLMTransport,
    LiteLLMTransport,
)

if TYPE_CHECKING:
    from tokenthrift.client.account import Account

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
        transport = LiteLLMTransport(function, arguments, self.tokenthrift.sdk_retries)
        return complete(self.tokenthrift, transport, arguments.body)

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        """``litellm.acompletion``, planned and recorded."""
        function = self._module.acompletion
        arguments = Arguments.of(function, args, kwargs)
        transport = AsyncLiteLLMTransport(function, arguments, self.tokenthrift.sdk_retries)
        return await complete_async(self.tokenthrift, transport, arguments.body)
