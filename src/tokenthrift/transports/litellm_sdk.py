"""Chat Completions through litellm's ``completion`` and ``acompletion``.

A plan sees the keyword arguments as a body, with messages as plain data; what it did not change is
passed on as the caller's own objects, so litellm's many options go through by reference. litellm is
imported only when a call needs it, and then reads its bundled price map instead of fetching one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from types import ModuleType

    from tokenthrift.route import Attempt

PRICE_MAP_SWITCH: Final = "LITELLM_LOCAL_MODEL_COST_MAP"
OPTIONS: Final = "tokenthrift"
"""The keyword under which a call says what it asks of us; it is not passed on."""
# The arguments that a plan may change.
PLANNED: Final = (
    *("messages", "model", "stream_options", "tools", "tool_choice"),
    *("functions", "prediction", "response_format", "reasoning_effort"),
)

# Of litellm's own wrapper, and of the SDK inside it.
NO_RETRIES: Final = {"num_retries": 0, "max_retries": 0}


def litellm_module() -> ModuleType:
    """Import litellm (seconds), without letting it reach for the network."""
    os.environ.setdefault(PRICE_MAP_SWITCH, "True")
    import litellm

    return litellm


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one ``completion``: as they came, and as a body that a plan can read.

    Attributes:
        given: without what is meant for us.
        body: the same, with messages as plain data.
        asked: what the call asks of us, as the user wrote it (``tokenthrift={...}``).
    """

    given: Mapping[str, Any]
    body: Mapping[str, Any]
    asked: Any = None

    @classmethod
    def of(
        cls, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Arguments:
        """Bind positional arguments to the names of a function's parameters."""
        names = parameters_of(function) if args else ()
        return cls.of_keywords({**dict(zip(names, args, strict=False)), **kwargs})

    @classmethod
    def of_keywords(cls, given: Mapping[str, Any]) -> Arguments:
        """Read keyword arguments as a body."""
        asked = given.get(OPTIONS)
        given = {key: value for key, value in given.items() if key != OPTIONS}
        body = dict(given)
        if body.get("messages") is not None:
            body["messages"] = _plain(body["messages"])
            if inspect.isgenerator(given["messages"]):  # it has been read, and cannot be again
                given = {**given, "messages": body["messages"]}
        if isinstance(body.get("response_format"), type):  # litellm makes a schema of a class
            body["response_format"] = {"type": "json_schema"}
        return cls(given, body, asked)

    def keywords(self, body: Mapping[str, Any], *, retries: bool = True) -> dict[str, Any]:
        """The keyword arguments that send a body, and keep litellm from trying again by itself."""
        changed = {k: body[k] for k in PLANNED if k in body and body[k] is not self.body.get(k)}
        return {**self.given, **changed, **({} if retries else NO_RETRIES)}


def _plain(messages: Any) -> Any:
    """Messages as plain data; litellm drops fields that are None from objects, so does this."""
    if isinstance(messages, str | bytes | Mapping) or not hasattr(messages, "__iter__"):
        return messages
    return [m.model_dump(exclude_none=True) if isinstance(m, BaseModel) else m for m in messages]


@lru_cache(maxsize=16)
def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of a function's parameters, in order."""
    return tuple(inspect.signature(function).parameters)


@dataclass(frozen=True, slots=True)
class LiteLLMTransport:
    """One call's way through ``litellm.completion``; it may try again by itself, or not."""

    function: Callable[..., Any]
    arguments: Arguments
    retries: bool = True

    def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """Litellm's ``ModelResponse``, or its stream."""
        return self.function(**self.arguments.keywords(body, retries=self.retries))

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response


@dataclass(frozen=True, slots=True)
class AsyncLiteLLMTransport:
    """One call's way through ``litellm.acompletion``; it may try again by itself, or not."""

    function: Callable[..., Awaitable[Any]]
    arguments: Arguments
    retries: bool = True

    async def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """Litellm's ``ModelResponse``, or its stream."""
        return await self.function(**self.arguments.keywords(body, retries=self.retries))

    def finished(self, response: Any, /) -> Any:
        """The response itself."""
        return response
