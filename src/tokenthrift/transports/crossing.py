"""Attempts of an OpenAI client that go to models of other sellers, through litellm.

The caller asked OpenAI's SDK, so its types come back: litellm's answers and chunks are read into
them. Only bodies that say the same everywhere go elsewhere (`travels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import httpx

from tokenthrift.transports.litellm_sdk import NO_RETRIES
from tokenthrift.transports.reading import is_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenthrift.route import Attempt
    from tokenthrift.transports.posting import AsyncPostTransport, Posting, PostTransport

# Keys of a body that litellm says to every provider in its own words.
SAID_EVERYWHERE: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "tools", "tool_choice"),
        *("parallel_tool_calls", "response_format", "reasoning_effort", "stop"),
        *("temperature", "top_p", "max_tokens", "max_completion_tokens"),
    }
)
# Hints, which other providers need not have; litellm leaves out what they do not know.
HINTS: Final = frozenset(
    {
        *("user", "metadata", "store", "seed", "service_tier", "prompt_cache_key"),
        *("prompt_cache_retention", "safety_identifier", "verbosity"),
    }
)
CHAT: Final = "openai-chat"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where models of other sellers are asked.

    Attributes:
        through: has ``completion`` and ``acompletion``: the litellm module, or a router of it.
        own: the seller that the client itself reaches.
        seller_of: the seller of a model, None where it is not known.
    """

    through: Any
    own: str
    seller_of: Callable[[str], str | None]

    def has(self, model: str) -> bool:
        """Whether a model is another seller's."""
        return self.seller_of(model) not in (None, self.own)

    def keywords(
        self, posting: Posting, model: str, body: Mapping[str, Any], *, retries: bool
    ) -> dict[str, Any]:
        """The arguments of ``completion`` that send a body to another seller's model."""
        name = model if "/" in model else f"{self.seller_of(model)}/{model}"
        timeout = (posting.given.get("options") or {}).get("timeout")
        more: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        more |= {} if retries else NO_RETRIES
        return {**body, "model": name, "drop_params": True, **more}


def travels(posting: Posting) -> bool:
    """Whether a body can be answered by other sellers, in the form that the caller asked for."""
    body = posting.body
    known = body.keys() <= SAID_EVERYWHERE | HINTS
    return posting.wire == CHAT and not posting.raw and known


@dataclass(frozen=True, slots=True)
class CrossingTransport:
    """One call's way through a blocking client, or past it."""

    own: PostTransport
    elsewhere: Elsewhere

    def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns, or would return."""
        if not self.elsewhere.has(attempt.model):
            return self.own.complete(attempt, body)
        keywords = self.elsewhere.keywords(
            self.own.posting, attempt.model, body, retries=self.own.retries
        )
        return as_sdk(self.elsewhere.through.completion(**keywords))

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.own.finished(response)


@dataclass(frozen=True, slots=True)
class AsyncCrossingTransport:
    """One call's way through an awaiting client, or past it."""

    own: AsyncPostTransport
    elsewhere: Elsewhere

    async def complete(self, attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns, or would return."""
        if not self.elsewhere.has(attempt.model):
            return await self.own.complete(attempt, body)
        keywords = self.elsewhere.keywords(
            self.own.posting, attempt.model, body, retries=self.own.retries
        )
        return as_sdk(await self.elsewhere.through.acompletion(**keywords), awaited=True)

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.own.finished(response)


def as_sdk(answer: Any, *, awaited: bool = False) -> Any:
    """An answer of litellm's, or its open stream, as OpenAI's SDK would give it.

    Args:
        answer: to a call.
        awaited: whether a stream is read with ``async for``; litellm's can be read in both ways.
    """
    from openai.types.chat import ChatCompletion

    if is_stream(answer):
        return _streams()[awaited](answer)
    return ChatCompletion.model_validate(_said(answer))


def _said(answer: Any) -> dict[str, Any]:
    said: dict[str, Any] = answer.model_dump(exclude_none=True, warnings=False)
    for choice in said.get("choices") or ():
        choice.setdefault("finish_reason", None)
        if "message" in choice:
            choice["message"].setdefault("content", None)
    return said


@lru_cache(maxsize=1)
def _streams() -> tuple[type, type]:
    """Streams of the SDK's classes over litellm's chunks."""
    import openai
    from openai.types.chat import ChatCompletionChunk

    class Blocking(openai.Stream[ChatCompletionChunk]):
        """A stream of chunks."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner
            self.response = httpx.Response(200)  # type: ignore[assignment]

        def __next__(self) -> ChatCompletionChunk:
            return ChatCompletionChunk.model_validate(_said(next(self._inner)))

        def close(self) -> None:
            """Close litellm's stream; its blocking ones have no way to but the one inside them."""
            for owner in (self._inner, getattr(self._inner, "completion_stream", None)):
                close = getattr(owner, "close", None)
                if callable(close):
                    close()
                    return

    class Awaiting(openai.AsyncStream[ChatCompletionChunk]):
        """A stream of chunks, awaited."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner
            self.response = httpx.Response(200)  # type: ignore[assignment]

        async def __anext__(self) -> ChatCompletionChunk:
            return ChatCompletionChunk.model_validate(_said(await anext(self._inner)))

        async def close(self) -> None:
            """Close litellm's stream."""
            close = getattr(self._inner, "aclose", None)
            if close is not None:
                await close()

    Blocking.__name__ = Blocking.__qualname__ = "Stream"
    Awaiting.__name__ = Awaiting.__qualname__ = "AsyncStream"
    return Blocking, Awaiting
