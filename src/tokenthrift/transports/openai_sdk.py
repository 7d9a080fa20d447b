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
        raw: whether the caller reads the response himself, byte by byte where it is a stream.
    """

    body: Mapping[str, Any]
    given: Mapping[str, Any]
    raw: bool = False

    @classmethod
    def of(cls, path: str, given: Mapping[str, Any]) -> Posting | None:
        """The posting of a chat completion; None for everything else."""
        body = given.get("body")
        options = given.get("options") or {}
        if path != PATH or not isinstance(body, Mapping):
            return None
        raw = {str(v) for k, v in (options.get("headers") or {}).items() if k.lower() == RAW_HEADER}
        extra = options.get("extra_json")
        whole = {**body, **extra} if isinstance(extra, Mapping) and extra else body
        return cls(whole, given, raw=bool(raw))

    @property
    def is_planned(self) -> bool:
        """Whether a plan can serve it; streams that are asked for raw are left alone."""
        headers = (self.given.get("options") or {}).get("headers") or {}
        streamed = any(k.lower() == RAW_HEADER and v == "stream" for k, v in headers.items())
        return not streamed and not (self.raw and self.given.get("stream"))

    @property
    def parser(self) -> Callable[[Any], Any] | None:
        """What the SDK makes of the response in ``parse``; raw responses are parsed later."""
        found = (self.given.get("options") or {}).get("post_parser")
        return found if callable(found) and not self.raw else None

    def arguments(
        self, body: Mapping[str, Any], *, parsed: bool = True, retries: bool = True
    ) -> dict[str, Any]:
        """The arguments that send a body; where it is the caller's, they are the caller's.

        Args:
            body: to send.
            parsed: whether the SDK parses the response; else `parser` is still to be asked.
            retries: whether the SDK may try again by itself.
        """
        parsed = parsed or self.parser is None
        if body is self.body and parsed and retries:
            return dict(self.given)
        gone = {"extra_json"} if parsed else {"extra_json", "post_parser"}
        options = {k: v for k, v in self.given.get("options", {}).items() if k not in gone}
        if not retries:
            options["max_retries"] = 0
        return {**self.given, "body": dict(body), "options": options}


@dataclass(frozen=True, slots=True)
class OpenAITransport:
    """One call's way through ``openai.OpenAI.post``.

    Attributes:
        parses_last: whether responses are parsed when their texts are final, not when they come.
        retries: whether the SDK may try again by itself.
    """

    post: Callable[..., Any]
    posting: Posting
    parses_last: bool = False
    retries: bool = True

    def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return self.post(PATH, **self._arguments(body))

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return _parsed(self.posting, response) if self.parses_last else response

    def _arguments(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.posting.arguments(body, parsed=not self.parses_last, retries=self.retries)


@dataclass(frozen=True, slots=True)
class AsyncOpenAITransport:
    """One call's way through ``openai.AsyncOpenAI.post``.

    Attributes:
        parses_last: whether responses are parsed when their texts are final, not when they come.
        retries: whether the SDK may try again by itself.
    """

    post: Callable[..., Awaitable[Any]]
    posting: Posting
    parses_last: bool = False
    retries: bool = True

    async def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return await self.post(PATH, **self._arguments(body))

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return _parsed(self.posting, response) if self.parses_last else response

    def _arguments(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.posting.arguments(body, parsed=not self.parses_last, retries=self.retries)


def _parsed(posting: Posting, response: Any) -> Any:
    return response if posting.parser is None else posting.parser(response)
