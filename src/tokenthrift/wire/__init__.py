"""Wire adapters: a provider's body <-> `Request`, losslessly.

An adapter reads a body into messages and parts that carry *paths*; what is rewritten is written
back at those paths into a copy that shares everything else with the caller's body. So unknown keys
and opaque items pass through without our knowing them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tokenthrift.errors import WireError
from tokenthrift.wire.anthropic_messages import AnthropicMessages
from tokenthrift.wire.detecting import detect
from tokenthrift.wire.marks import marks_cache
from tokenthrift.wire.openai_chat import OpenAIChat
from tokenthrift.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tokenthrift.types import Path, Request, Tool, Usage

__all__ = [
    "WIRES",
    "Wire",
    "answer_format",
    "detect",
    "forced_tools",
    "held",
    "marks_cache",
    "read",
    "refuses_tool",
    "texts_of",
    "tools_of",
    "upto",
    "wire_of",
    "with_tool",
    "with_tools",
    "write",
]


class Wire(Protocol):
    """One provider dialect."""

    name: str

    def read(self, body: Mapping[str, Any], /) -> Request:
        """Parse a body; raises `WireError` where it is malformed."""
        ...

    def write(
        self,
        request: Request,
        texts: Mapping[Path, str],
        removed: Collection[int] = (),
        /,
        *,
        model: str | None = None,
        effort: str | None = None,
    ) -> dict[str, Any]:
        """A copy of the body: texts replaced at paths, messages removed, model and effort set."""
        ...

    def refuses_tool(self, request: Request, name: str, /) -> str:
        """Why a body cannot take one more tool of that name; empty if it can."""
        ...

    def with_tool(self, request: Request, tool: Mapping[str, Any], /) -> dict[str, Any]:
        """A copy of the body with a function tool behind its own ones."""
        ...

    def tools_of(self, request: Request, /) -> tuple[Tool, ...]:
        """The tools of a body, one for each string of `Request.tools_text`."""
        ...

    def forced_tools(self, request: Request, /) -> frozenset[str]:
        """Names of the tools that the body says the model must or may call."""
        ...

    def with_tools(
        self,
        request: Request,
        functions: Mapping[int, Mapping[str, Any]],
        removed: Collection[int] = (),
        /,
    ) -> dict[str, Any]:
        """A copy of the body with functions replaced and tools removed, by their places."""
        ...

    def texts_of(self, request: Request, /) -> tuple[tuple[Path, str], ...]:
        """Every text that a model reads and that may be rewritten; what no message holds first."""
        ...

    def answer_format(self, request: Request, /) -> Mapping[str, Any]:
        """What form the answer's text must have, as the ``response_format`` of Chat says it."""
        ...

    def held(self, request: Request, /) -> str:
        """Why only the provider that the body was written for can serve it; empty if others can."""
        ...

    def usage(self, raw: Mapping[str, Any], /) -> Usage:
        """Normalise the provider's usage object."""
        ...


WIRES: dict[str, Wire] = {w.name: w for w in (OpenAIChat(), OpenAIResponses(), AnthropicMessages())}


def wire_of(name: str) -> Wire:
    """The adapter of a name.

    Raises:
        WireError: the name is not known; the message lists those that are.
    """
    try:
        return WIRES[name]
    except KeyError:
        raise WireError("wire", f"unknown wire {name!r}; known: {', '.join(WIRES)}") from None


def read(body: Mapping[str, Any], wire: str = OpenAIChat.name) -> Request:
    """Parse a body of the named wire."""
    return wire_of(wire).read(body)


def upto(request: Request, count: int) -> Mapping[str, Any]:
    """A request's body as it was before message number ``count``: the whole where there is none."""
    if count >= len(request.messages):
        return request.body
    key, *place = request.messages[count].path
    if not place:  # text alone, before which there was nothing
        return {k: v for k, v in request.body.items() if k != key}
    return {**request.body, str(key): list(request.body[str(key)][: int(place[0])])}


def write(
    request: Request,
    texts: Mapping[Path, str],
    removed: Collection[int] = (),
    *,
    model: str | None = None,
    effort: str | None = None,
) -> dict[str, Any]:
    """A request's body with some texts replaced, messages removed, model and effort set."""
    return wire_of(request.wire).write(request, texts, removed, model=model, effort=effort)


def refuses_tool(request: Request, name: str) -> str:
    """Why a request cannot take one more tool of that name; empty if it can."""
    return wire_of(request.wire).refuses_tool(request, name)


def with_tool(request: Request, tool: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body with a function tool (as Chat Completions writes it) behind its own ones."""
    return wire_of(request.wire).with_tool(request, tool)


def tools_of(request: Request) -> tuple[Tool, ...]:
    """The tools of a request, one for each string of its ``tools_text``."""
    return wire_of(request.wire).tools_of(request)


def forced_tools(request: Request) -> frozenset[str]:
    """Names of the tools that a request says the model must or may call."""
    return wire_of(request.wire).forced_tools(request)


def with_tools(
    request: Request, functions: Mapping[int, Mapping[str, Any]], removed: Collection[int] = ()
) -> dict[str, Any]:
    """A request's body with functions replaced and tools removed, by their places in the list."""
    return wire_of(request.wire).with_tools(request, functions, removed)


def texts_of(request: Request) -> tuple[tuple[Path, str], ...]:
    """Every text of a request that a model reads and that may be rewritten, by its path."""
    return wire_of(request.wire).texts_of(request)


def answer_format(request: Request) -> Mapping[str, Any]:
    """What form the answer's text must have, as Chat says it; empty where any will do."""
    return wire_of(request.wire).answer_format(request)


def held(request: Request) -> str:
    """Why only the provider that a body was written for can serve it; empty if others can.

    A plan must not send such a request to another provider's model.
    """
    return wire_of(request.wire).held(request)
