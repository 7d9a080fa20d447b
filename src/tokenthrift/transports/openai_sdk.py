"""Chat Completions through the OpenAI SDK's own client.

The seam is the client's public ``post``: all of ``chat.completions.create``, ``parse`` and
``stream`` go through it, with a body that the SDK has already turned into plain JSON. Headers,
queries, timeouts and parsers travel beside the body, untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokenthrift.route import Attempt

PATH: Final = "/chat/completions"
# Set by ``with_raw_response`` ("true") and ``with_streaming_response`` ("stream").
RAW_HEADER: Final = "x-stainless-raw-response"


@dataclass(frozen=True, slots=True)
class Posting:
    """The arguments of one ``post``, split into what a plan reads and the rest.

    Attributes:
        body: the whole JSON body, ``extra_body`` included.
        given: all arguments as they came.
    """

    body: Mapping[str, Any]
    given: Mapping[str, Any]

    @classmethod
    def of(cls, path: str, given: Mapping[str, Any]) -> Posting | None:
        """The posting of a chat completion that can be planned; None for everything else.

        Streams that are asked for raw are read by the caller byte by byte, so they are left alone.
        """
        body = given.get("body")
        options = given.get("options") or {}
        if path != PATH or not isinstance(body, Mapping):
            return None
        raw = {str(v) for k, v in (options.get("headers") or {}).items() if k.lower() == RAW_HEADER}
        if "stream" in raw or (raw and given.get("stream")):
            return None
        extra = options.get("extra_json")
        return cls({**body, **extra} if isinstance(extra, Mapping) and extra else body, given)

    def arguments(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that send a body; where it is the caller's, they are the caller's."""
        if body is self.body:
            return dict(self.given)
        options = {k: v for k, v in self.given.get("options", {}).items() if k != "extra_json"}
        return {**self.given, "body": dict(body), "options": options}


@dataclass(frozen=True, slots=True)
class OpenAITransport:
    """One call's way through ``openai.OpenAI.post``."""

    post: Callable[..., Any]
    posting: Posting

    def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return self.post(PATH, **self.posting.arguments(body))


@dataclass(frozen=True, slots=True)
class AsyncOpenAITransport:
    """One call's way through ``openai.AsyncOpenAI.post``."""

    post: Callable[..., Awaitable[Any]]
    posting: Posting

    async def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return await self.post(PATH, **self.posting.arguments(body))
