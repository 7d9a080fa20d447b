"""Attempts through the clients of OpenAI's and Anthropic's SDKs, which are made alike.

The seam is the client's public ``post``: whatever is created, parsed or streamed goes through it.
Headers, queries, timeouts and parsers travel beside the body, untouched. Neither SDK is imported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from tokenthrift.transports.reading import is_stream

if TYPE_CHECKING:
    from tokenthrift.route import Attempt

# Paths of both SDKs, and the wires of what is posted there.
PATHS: Final = {
    "/chat/completions": "openai-chat",
    "/responses": "openai-responses",
    "/v1/messages": "anthropic-messages",
    "/v1/messages?beta=true": "anthropic-messages",
}
# Set by ``with_raw_response`` ("true", "raw") and ``with_streaming_response`` ("stream").
RAW_HEADER: Final = "x-stainless-raw-response"
OPTIONS: Final = "tokenthrift"
"""The key of ``extra_body`` under which a call says what it asks of us; it is never sent."""
# What the SDKs put in the place of arguments that nobody gave.
ABSENT: Final = frozenset({"Omit", "NotGiven"})


@dataclass(frozen=True, slots=True)
class Posting:
    """The arguments of one ``post``, split into what a plan reads and the rest.

    Attributes:
        path: that is posted to.
        wire: of the body.
        body: the whole JSON body, ``extra_body`` included.
        given: all arguments as they came, without what is meant for us.
        asked: what the call asks for beside its body, as the user wrote it.
        raw: whether the caller reads the response himself, byte by byte where it is a stream.
    """

    path: str
    wire: str
    body: Mapping[str, Any]
    given: Mapping[str, Any]
    asked: Any = None
    raw: bool = False

    @classmethod
    def of(cls, path: str, given: Mapping[str, Any]) -> Posting | None:
        """The posting of a body of some wire; None for everything else."""
        body = given.get("body")
        if path not in PATHS or not isinstance(body, Mapping):
            return None
        options = given.get("options") or {}
        extra, asked = options.get("extra_json"), None
        if isinstance(extra, Mapping) and OPTIONS in extra:
            asked = extra[OPTIONS]
            extra = {k: v for k, v in extra.items() if k != OPTIONS}
            options = {**options, "extra_json": extra or None}
            given = {**given, "options": options}
        raw = {str(v) for k, v in (options.get("headers") or {}).items() if k.lower() == RAW_HEADER}
        plain = plain_body(body)
        if plain is not body and _is_read_once(body):
            given = {**given, "body": plain}
        whole = {**plain, **plain_body(extra)} if isinstance(extra, Mapping) and extra else plain
        return cls(path, PATHS[path], whole, given, asked, raw=bool(raw))

    @property
    def is_bytes(self) -> bool:
        """Whether the caller reads the answer as it comes, so that nothing of it may be changed."""
        headers = (self.given.get("options") or {}).get("headers") or {}
        streamed = any(k.lower() == RAW_HEADER and v == "stream" for k, v in headers.items())
        return streamed or bool(self.raw and self.given.get("stream"))

    @property
    def parser(self) -> Callable[[Any], Any] | None:
        """What the SDK makes of the response in ``parse``; raw responses are parsed later."""
        found = (self.given.get("options") or {}).get("post_parser")
        return found if callable(found) and not self.raw else None

    def finished(self, response: Any) -> Any:
        """What the SDK makes of a whole response, once its texts are final."""
        parser = self.parser
        return response if parser is None or is_stream(response) else parser(response)

    def arguments(self, body: Mapping[str, Any], *, retries: bool = True) -> dict[str, Any]:
        """The arguments that send a body; where it is the caller's, it goes as it was given.

        The SDK does not parse the response: `parser` is asked when its texts are final.

        Args:
            body: to send.
            retries: whether the SDK may try again by itself.
        """
        options = dict(self.given.get("options") or {})
        if self.parser is not None:
            del options["post_parser"]
        if not retries:
            options["max_retries"] = 0
        if body is self.body:
            return {**self.given, "options": options}
        options.pop("extra_json", None)
        return {**self.given, "body": dict(body), "options": options}


def plain_body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A body as plain data, as the SDKs would send it; the same object where it is plain already.

    Objects of the SDKs become mappings, what is iterated over a list, and arguments that nobody
    gave go. What is neither stays, for the SDK to encode.
    """
    kept = {k: v for k, v in body.items() if type(v).__name__ not in ABSENT}
    made = {key: _plain(value) for key, value in kept.items()}
    same = len(made) == len(body) and all(made[key] is body[key] for key in made)
    return body if same else made


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, BaseModel):
        left_out = getattr(value, "__api_exclude__", None)
        return value.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude=left_out, warnings=False
        )
    if isinstance(value, Mapping):
        return plain_body(value if isinstance(value, dict) else dict(value))
    if isinstance(value, list):
        made = [_plain(item) for item in value]
        return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
    listed = isinstance(value, Sequence | AbstractSet | MappingView | Iterator)
    if listed and not isinstance(value, bytes | bytearray | memoryview) and not _is_file(value):
        return [_plain(item) for item in value]
    return value


def _is_read_once(value: Any) -> bool:
    """Whether something in a body cannot be read a second time."""
    if isinstance(value, Mapping):
        return any(map(_is_read_once, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_is_read_once, value))
    return isinstance(value, Iterator) and not _is_file(value)


def _is_file(value: Any) -> bool:
    return hasattr(value, "read")


@dataclass(frozen=True, slots=True)
class PostTransport:
    """One call's way through the ``post`` of a blocking client.

    Attributes:
        retries: whether the SDK may try again by itself.
    """

    post: Callable[..., Any]
    posting: Posting
    retries: bool = True

    def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return self.post(self.posting.path, **self.posting.arguments(body, retries=self.retries))

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.posting.finished(response)


@dataclass(frozen=True, slots=True)
class AsyncPostTransport:
    """One call's way through the ``post`` of an awaiting client.

    Attributes:
        retries: whether the SDK may try again by itself.
    """

    post: Callable[..., Awaitable[Any]]
    posting: Posting
    retries: bool = True

    async def complete(self, _attempt: Attempt, body: Mapping[str, Any], /) -> Any:
        """What the SDK returns: its model, its stream, or its raw response."""
        return await self.post(
            self.posting.path, **self.posting.arguments(body, retries=self.retries)
        )

    def finished(self, response: Any, /) -> Any:
        """The response as ``parse`` gives it."""
        return self.posting.finished(response)
