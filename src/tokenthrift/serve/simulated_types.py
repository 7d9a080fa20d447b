"""What the parts of the simulated provider pass to each other, in no provider's dialect.

A dialect turns a body into an `Ask` and a `Reply` back into bodies or events; everything between
(answers, faults, cache, accounts) is shared by all dialects. Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tokenthrift.errors import TokenthriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokenthrift.tokens import TiktokenCounter
    from tokenthrift.types import Request, Usage

ToolChoice: TypeAlias = Literal["none", "auto", "required", "named"]


class ApiError(TokenthriftError):
    """An error that is answered over HTTP in the dialect's own error shape.

    Attributes:
        status: HTTP status.
        message: for a human.
        type: OpenAI's error type, e.g. ``invalid_request_error``.
        param: the offending parameter, e.g. ``messages[3].role``.
        code: a machine-readable code, e.g. ``rate_limit_exceeded``.
        headers: further response headers, e.g. ``retry-after``.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - the name on the wire
        param: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = headers
        super().__init__(f"{status}: {message}")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool the caller offers: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the answer makes; ``arguments`` is JSON text, or deliberately is not."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the simulated model says.

    Attributes:
        text: the visible answer; None where there are only tool calls or a refusal.
        finish_reason: None lets the provider derive it (``stop``, ``tool_calls``, ``length``).
        reasoning_tokens: hidden reasoning that is billed as output before any text.
        stopped_by: the stop sequence that ended the text.
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    reasoning_tokens: int = 0
    stopped_by: str | None = None


Answers: TypeAlias = "Callable[[Mapping[str, Any]], Answer | None]"
"""A script: the parsed body in, an answer (or None for the default one) out."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, as far as an answer depends on it.

    Attributes:
        count: the counter of the asked model's family.
        called: names of the tools a forced choice may call, the first of which is called.
        json_schema: the schema the text must satisfy; an empty mapping is any JSON object.
        stop: the text ends before any of these.
    """

    request: Request
    count: TiktokenCounter
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    called: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    stream: bool = False
    stream_usage: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer on its way out. ``usage`` is what is *reported*, None for nothing."""

    id: str
    created: int
    model: str
    answers: tuple[Answer, ...]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What the prompt cache did with a request, in tokens; ``hour`` are those written for long."""

    read: int = 0
    write: int = 0
    hour: int = 0


@dataclass(slots=True)
class Held:
    """What the provider keeps of an API key's conversations.

    Attributes:
        responses: the items of each stored response, what it was asked with included, by its id.
        items: items that were answered with, by their ids.
        bodies: each stored response itself, by its id.
    """

    responses: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    items: dict[str, Any] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
