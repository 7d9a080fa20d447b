"""Anthropic Messages bodies: the system text is a message of its own, and so is each tool result.

Results of tools come inside user messages there. Each `tool_result` block is read as a message of
role ``tool``, what else stands beside it as the user's, so that stages treat both as they do on
other wires. Messages are never emptied, as the provider refuses empty ones; thinking, redacted
thinking, server tools and unknown blocks pass byte for byte.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import WireError
from tokenthrift.types import Message, Part, PartType, Path, Request, Role, Tool, Usage
from tokenthrift.wire.anthropic_messages_texts import texts_of_anthropic
from tokenthrift.wire.functions import as_function, with_tools
from tokenthrift.wire.paths import with_values
from tokenthrift.wire.reading import compact, listed, mapped, whole, without_mark
from tokenthrift.wire.usages import usage_of_report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant"}
MEDIA: Final[dict[str, PartType]] = {"image": "image", "document": "file"}
# Keys of an entry of the tool list, and what they are in a function.
FUNCTION_KEYS: Final = {
    "name": "name",
    "description": "description",
    "input_schema": "parameters",
    "strict": "strict",
}
# Efforts that the provider knows by other words.
EFFORTS: Final = {"minimal": "low"}
OWN_BLOCKS: Final = frozenset(
    {"thinking", "redacted_thinking", "compaction", "container_upload", "server_tool_use"}
)


class AnthropicMessages:
    """Adapter of ``POST /v1/messages`` bodies (source: Anthropic API reference, Messages)."""

    name = "anthropic-messages"

    def read(self, body: Mapping[str, Any], /) -> Request:
        """Parse a body.

        Raises:
            WireError: ``messages`` is no list, a message is no object, or its role is unknown.
        """
        if not isinstance(body, Mapping):
            raise WireError("", f"a body is an object, got {type(body).__name__}")
        raw = body.get("messages")
        if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
            raise WireError("messages", f"expected a list, got {type(raw).__name__}")
        messages: list[Message] = []
        if body.get("system") is not None:
            parts = tuple(_content(body["system"], ("system",), "text", None))
            messages.append(Message(0, "system", ("system",), parts, pinned=True))
        for n, item in enumerate(raw):
            messages += _messages(len(messages), n, item)
        return Request(
            body=body,
            wire=self.name,
            model=str(body.get("model") or ""),
            messages=tuple(messages),
            needs=_needs(body, messages),
            tools_text=tuple(_tool_text(tool) for tool in listed(body.get("tools"))),
            max_output_tokens=whole(body.get("max_tokens")),
        )

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
        """Body with texts replaced, messages and results removed, model and effort set.

        Texts of what is removed are ignored; the rest is shared with the caller's body.
        """
        gone = _removed_blocks(request, removed)
        kept = {p: t for p, t in texts.items() if not _is_gone(p, gone)}
        body: dict[str, Any] = dict(with_values(request.body, kept))
        if gone:
            messages = enumerate(body["messages"])
            left = [(_without(m, gone[n]) if n in gone else m) for n, m in messages]
            body["messages"] = [m for m in left if m is not None]
        if model is not None and model != request.body.get("model"):
            body["model"] = model
        if effort == "none":
            body["thinking"] = {"type": "disabled"}
        elif effort is not None:
            said = EFFORTS.get(effort, effort)
            body["output_config"] = {**mapped(body.get("output_config")), "effort": said}
        return body

    def refuses_tool(self, request: Request, name: str, /) -> str:
        """Why a body cannot take one more tool of that name; empty if it can."""
        tools = request.body.get("tools")
        if tools is not None and not isinstance(tools, list | tuple):
            return "the body's tools are no list"
        if name in {str(mapped(tool).get("name")) for tool in listed(tools)}:
            return "the body has a tool of that name, which is the caller's to answer"
        return ""

    def with_tool(self, request: Request, tool: Mapping[str, Any], /) -> dict[str, Any]:
        """A copy of the body with a function tool behind its own ones, as this wire writes it."""
        function = mapped(tool.get("function"))
        entry = {key: function[name] for key, name in FUNCTION_KEYS.items() if name in function}
        return {**request.body, "tools": [*listed(request.body.get("tools")), entry]}

    def tools_of(self, request: Request, /) -> tuple[Tool, ...]:
        """The tools of a body; server tools and deferred ones have no function."""
        return tuple(_tool(item) for item in listed(request.body.get("tools")))

    def forced_tools(self, request: Request, /) -> frozenset[str]:
        """The name in ``tool_choice``."""
        name = mapped(request.body.get("tool_choice")).get("name")
        return frozenset({str(name)} if name else ())

    def with_tools(
        self,
        request: Request,
        functions: Mapping[int, Mapping[str, Any]],
        removed: Collection[int] = (),
        /,
    ) -> dict[str, Any]:
        """A copy of the body with functions replaced and tools removed; the rest is shared."""
        return with_tools(request.body, functions, removed, FUNCTION_KEYS)

    def texts_of(self, request: Request, /) -> tuple[tuple[Path, str], ...]:
        """Schemas, system, messages; see `tokenthrift.wire.anthropic_messages_texts`."""
        return tuple(texts_of_anthropic(request.body))

    def answer_format(self, request: Request, /) -> Mapping[str, Any]:
        """The ``output_config.format``, or ``output_format`` as it was called before."""
        wanted = mapped(mapped(request.body.get("output_config")).get("format"))
        wanted = wanted or mapped(request.body.get("output_format"))
        if wanted.get("type") != "json_schema":
            return wanted
        return {"type": "json_schema", "json_schema": wanted}

    def held(self, request: Request, /) -> str:
        """Why only the provider that the body was written for can serve it; empty if others can."""
        for key in ("container", "mcp_servers", "context_management"):
            if request.body.get(key):
                return f"it asks for {key}, which is the provider's own"
        for message in request.messages:
            for part in message.parts:
                kind = str(mapped(part.raw).get("type"))
                if kind in OWN_BLOCKS or kind.endswith("_tool_result"):
                    return f"it holds a {kind} block"
        for tool in listed(request.body.get("tools")):
            if not _is_function(mapped(tool)):
                return f"it offers the provider's {mapped(tool).get('type')}"
        return ""

    def usage(self, raw: Mapping[str, Any], /) -> Usage:
        """Normalise ``usage``, in whatever shape; see `tokenthrift.wire.usages`."""
        return usage_of_report(raw)


# ------------------------------------------------------------------------------------------ reading
def _messages(start: int, number: int, raw: Any) -> Iterator[Message]:
    """The views of one message: a result each, then what stands beside them."""
    path: Path = ("messages", number)
    where = f"messages.{number}"
    if not isinstance(raw, Mapping):
        raise WireError(where, f"expected an object, got {type(raw).__name__}")
    role = ROLES.get(str(raw.get("role")))
    if role is None:
        raise WireError(f"{where}.role", f"unknown role {raw.get('role')!r}")
    content = raw.get("content")
    here: Path = (*path, "content")
    blocks = listed(content)
    results = [j for j, b in enumerate(blocks) if _is_result(b)] if role == "user" else []
    for n, j in enumerate(results):
        yield _result(start + n, (*here, j), blocks[j])
    if results and len(results) == len(blocks):
        return
    said = tuple(p for p in _content(content, here, "text", None) if not _within(p, results))
    yield Message(start + len(results), role, path, said, pinned=True)


def _is_result(block: Any) -> bool:
    return mapped(block).get("type") == "tool_result"


def _within(part: Part, results: Sequence[int]) -> bool:
    return bool(results) and part.path[3] in results


def _result(index: int, path: Path, block: Mapping[str, Any]) -> Message:
    """A result as a message of its own."""
    call_id = None if block.get("tool_use_id") is None else str(block["tool_use_id"])
    parts = tuple(_content(block.get("content"), (*path, "content"), "tool_result", call_id))
    return Message(index, "tool", path, parts, pinned=True)


def _content(content: Any, here: Path, text_type: PartType, call_id: str | None) -> Iterator[Part]:
    """Parts of a content: text that may be rewritten, calls, and what passes as it is."""
    if content is None:
        return
    if isinstance(content, str):
        yield Part(text_type, here, content, call_id=call_id)
        return
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        yield Part("opaque", here, raw=content)
        return
    for n, block in enumerate(content):
        place = (*here, n)
        kind = str(mapped(block).get("type"))
        if kind == "text" and isinstance(block.get("text"), str) and not block.get("citations"):
            yield Part(text_type, (*place, "text"), block["text"], call_id=call_id)
        elif kind == "tool_use":
            yield Part(
                "tool_call",
                place,
                compact(block.get("input")),
                call_id=str(block.get("id")),
                name=str(block.get("name") or ""),
                raw=block,
            )
        else:
            yield Part(MEDIA.get(kind, "opaque"), place, raw=block)


def _is_function(tool: Mapping[str, Any]) -> bool:
    return isinstance(tool.get("input_schema"), Mapping) and tool.get("type") in (None, "custom")


def _tool(item: Any) -> Tool:
    entry = mapped(item)
    name = str(entry.get("name") or "")
    if not _is_function(entry) or entry.get("defer_loading"):
        return Tool(name, None)
    return Tool(name, as_function(entry, FUNCTION_KEYS), strict=bool(entry.get("strict")))


def _tool_text(item: Any) -> str:
    """A tool as it is counted: without its cache mark; one that is loaded later costs nothing."""
    return "" if mapped(item).get("defer_loading") else compact(without_mark(item))


def _needs(body: Mapping[str, Any], messages: Sequence[Message]) -> frozenset[str]:
    needs = set()
    if body.get("tools"):
        needs.add("tools")
        if mapped(body.get("tool_choice")).get("type") in ("any", "tool"):
            needs.add("tool_choice")
    output = mapped(body.get("output_config"))
    wanted = mapped(output.get("format") or body.get("output_format"))
    if wanted.get("type") == "json_schema":
        needs.add("json_schema")
    if mapped(body.get("thinking")).get("type") in ("enabled", "adaptive") or output.get("effort"):
        needs.add("reasoning")
    kinds = {p.type for m in messages for p in m.parts}
    for kind, need in (("image", "vision"), ("file", "pdf")):
        if kind in kinds:
            needs.add(need)
    return frozenset(needs)


# ------------------------------------------------------------------------------------------ writing
def _removed_blocks(request: Request, removed: Collection[int]) -> dict[int, set[int] | None]:
    """By message of the body, the blocks of it that go; None for all of them."""
    if not removed:
        return {}
    views = Counter(m.path[1] for m in request.messages if m.path[0] == "messages")
    going: dict[int, list[Message]] = defaultdict(list)
    for index in removed:
        message = request.messages[index]
        going[int(message.path[1])].append(message)
    return {
        n: None if len(own) == views[n] else {int(p[3]) for m in own for p in _places(m)}
        for n, own in going.items()
    }


def _places(message: Message) -> list[Path]:
    """Where the blocks of a view stand that is one of several of its message."""
    return [message.path] if len(message.path) > 2 else [p.path for p in message.parts]


def _is_gone(path: Path, gone: Mapping[int, set[int] | None]) -> bool:
    if path[0] != "messages" or path[1] not in gone:
        return False
    blocks = gone[int(path[1])]
    return blocks is None or path[3] in blocks


def _without(message: Mapping[str, Any], blocks: set[int] | None) -> dict[str, Any] | None:
    if blocks is None:
        return None
    content = [b for n, b in enumerate(message["content"]) if n not in blocks]
    return {**message, "content": content}
