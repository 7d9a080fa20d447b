"""OpenAI Chat Completions bodies.

Reads every documented message and content-part form; whatever it does not know becomes an opaque,
pinned part. It never validates what the provider will validate better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import WireError
from tokenthrift.types import Message, Part, PartType, Path, Request, Role, Tool, Usage
from tokenthrift.wire.openai_chat_texts import texts_of_chat
from tokenthrift.wire.paths import with_values
from tokenthrift.wire.reading import compact, listed, mapped, whole
from tokenthrift.wire.usages import usage_of_report

if TYPE_CHECKING:
    from collections.abc import Collection

ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

# Keys of a message that say nothing a provider needs once its text has gone.
PLAIN_KEYS: Final = frozenset({"role", "content"})

MEDIA: Final[dict[str, PartType]] = {
    "image_url": "image",
    "image": "image",
    "input_audio": "audio",
    "file": "file",
    "refusal": "refusal",
}


class OpenAIChat:
    """Adapter of ``POST /v1/chat/completions`` bodies (source: OpenAI API reference, Chat)."""

    name = "openai-chat"

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
        messages = tuple(_message(i, m) for i, m in enumerate(raw))
        return Request(
            body=body,
            wire=self.name,
            model=str(body.get("model") or ""),
            messages=messages,
            needs=_needs(body, messages),
            tools_text=tuple(compact(t) for t in listed(body.get(_tools_key(body)))),
            max_output_tokens=whole(body.get("max_completion_tokens") or body.get("max_tokens")),
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
        """Body with texts replaced, messages removed, model and effort set; the rest is shared."""
        gone = set(removed)
        kept = {p: t for p, t in texts.items() if p[1] not in gone}
        body: dict[str, Any] = dict(with_values(request.body, kept))
        if gone:
            body["messages"] = [m for i, m in enumerate(body["messages"]) if i not in gone]
        if model is not None and model != request.body.get("model"):
            body["model"] = model
        if effort is not None:
            body["reasoning_effort"] = effort
        return body

    def refuses_tool(self, request: Request, name: str, /) -> str:
        """Why a body cannot take one more tool of that name; empty if it can."""
        body = request.body
        tools = body.get("tools")
        if body.get("functions"):
            return "the body has functions, which go with no tools"
        if body.get("n") not in (None, 1):
            return "the body asks for several choices"
        if tools is not None and not isinstance(tools, list | tuple):
            return "the body's tools are no list"
        if name in {_tool_name(tool) for tool in listed(tools)}:
            return "the body has a tool of that name, which is the caller's to answer"
        return ""

    def with_tool(self, request: Request, tool: Mapping[str, Any], /) -> dict[str, Any]:
        """A copy of the body with a function tool behind its own ones."""
        return {**request.body, "tools": [*listed(request.body.get("tools")), tool]}

    def tools_of(self, request: Request, /) -> tuple[Tool, ...]:
        """The tools of a body, or its legacy functions."""
        key = _tools_key(request.body)
        return tuple(_tool(item, key) for item in listed(request.body.get(key)))

    def forced_tools(self, request: Request, /) -> frozenset[str]:
        """Names in ``tool_choice`` (one tool, or those that are allowed) and ``function_call``."""
        body = request.body
        choice = body.get("tool_choice")
        allowed = choice.get("allowed_tools") if isinstance(choice, Mapping) else None
        items = [choice, *listed(allowed.get("tools") if isinstance(allowed, Mapping) else None)]
        names = {_tool_name(item) for item in items}
        call = body.get("function_call")
        names |= {str(call.get("name"))} if isinstance(call, Mapping) else set()
        return frozenset(name for name in names if name)

    def with_tools(
        self,
        request: Request,
        functions: Mapping[int, Mapping[str, Any]],
        removed: Collection[int] = (),
        /,
    ) -> dict[str, Any]:
        """A copy of the body with functions replaced and tools removed; the rest is shared."""
        key = _tools_key(request.body)
        inner = ("function",) if key == "tools" else ()
        changed = {(key, n, *inner): function for n, function in functions.items()}
        body: dict[str, Any] = dict(with_values(request.body, changed))
        if removed:
            body[key] = [item for n, item in enumerate(body[key]) if n not in removed]
        return body

    def texts_of(self, request: Request, /) -> tuple[tuple[Path, str], ...]:
        """Schemas, texts and arguments of calls; see `tokenthrift.wire.openai_chat_texts`."""
        return tuple(texts_of_chat(request.body))

    def answer_format(self, request: Request, /) -> Mapping[str, Any]:
        """The ``response_format``."""
        return mapped(request.body.get("response_format"))

    def held(self, _request: Request, /) -> str:
        """Nothing: what these bodies refer to stands in them."""
        return ""

    def usage(self, raw: Mapping[str, Any], /) -> Usage:
        """Normalise ``usage``, in whatever shape; see `tokenthrift.wire.usages`."""
        return usage_of_report(raw)


def _message(index: int, raw: Any) -> Message:
    path: Path = ("messages", index)
    if not isinstance(raw, Mapping):
        raise WireError(f"messages.{index}", f"expected an object, got {type(raw).__name__}")
    role = ROLES.get(str(raw.get("role")))
    if role is None:
        raise WireError(f"messages.{index}.role", f"unknown role {raw.get('role')!r}")
    content = raw.get("content")
    if len(raw) == len(PLAIN_KEYS) and type(content) is str:  # a role and a text: most of them
        part = Part("tool_result" if role == "tool" else "text", (*path, "content"), content)
        return Message(index, role, path, (part,), pinned=role == "system")
    call_id = raw.get("tool_call_id")
    parts = [*_content(content, path, role, call_id), *_calls(raw, path)]
    for key, kind in (("refusal", "refusal"), ("audio", "audio")):
        if raw.get(key) is not None:
            parts.append(Part(kind, (*path, key), raw=raw[key]))  # type: ignore[arg-type]
    extra = [k for k in raw if k not in PLAIN_KEYS]
    return Message(
        index=index,
        role=role,
        path=path,
        parts=tuple(parts),
        pinned=role == "system"
        or bool(extra)
        or any(p.text is None for p in parts)
        or _has_more_than_text(content),
        framing_text=str(raw["name"]) if raw.get("name") else "",
    )


def _has_more_than_text(content: Any) -> bool:
    """Whether a part of the content carries keys of its own (a cache mark, say)."""
    return isinstance(content, list | tuple) and any(
        isinstance(item, Mapping) and not item.keys() <= {"type", "text"} for item in content
    )


def _content(content: Any, path: Path, role: Role, call_id: Any) -> list[Part]:
    text_type: PartType = "tool_result" if role == "tool" else "text"
    cid = str(call_id) if call_id is not None else None
    here: Path = (*path, "content")
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text_type, here, content, call_id=cid)]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        return [Part("opaque", here, raw=content)]
    parts = []
    for j, item in enumerate(content):
        place = (*here, j)
        kind = item.get("type") if isinstance(item, Mapping) else None
        if isinstance(item, str):
            parts.append(Part(text_type, place, item, call_id=cid))
        elif kind == "text" and isinstance(item.get("text"), str):
            parts.append(Part(text_type, (*place, "text"), item["text"], call_id=cid))
        else:
            parts.append(Part(MEDIA.get(str(kind), "opaque"), place, raw=item))
    return parts


def _calls(raw: Mapping[str, Any], path: Path) -> list[Part]:
    parts = []
    for j, call in enumerate(listed(raw.get("tool_calls"))):
        place: Path = (*path, "tool_calls", j)
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            parts.append(Part("opaque", place, raw=call))
            continue
        arguments = function.get("arguments")
        parts.append(
            Part(
                "tool_call",
                place,
                arguments if isinstance(arguments, str) else compact(arguments),
                call_id=str(call.get("id")),
                name=str(function.get("name") or ""),
                raw=call,
            )
        )
    legacy = raw.get("function_call")
    if isinstance(legacy, Mapping):
        name, text = str(legacy.get("name") or ""), str(legacy.get("arguments") or "")
        parts.append(Part("tool_call", (*path, "function_call"), text, name=name, raw=legacy))
    return parts


def _needs(body: Mapping[str, Any], messages: Sequence[Message]) -> frozenset[str]:
    needs = set()
    if body.get("tools") or body.get("functions"):
        needs.add("tools")
        if body.get("parallel_tool_calls"):
            needs.add("parallel_tools")
        if isinstance(body.get("tool_choice"), Mapping) or body.get("tool_choice") == "required":
            needs.add("tool_choice")
    response_format = body.get("response_format")
    if isinstance(response_format, Mapping) and response_format.get("type") == "json_schema":
        needs.add("json_schema")
    if body.get("reasoning_effort") not in (None, "none", "minimal"):
        needs.add("reasoning")
    if body.get("audio") or "audio" in listed(body.get("modalities")):
        needs.add("audio_output")
    kinds = {p.type for m in messages for p in m.parts}
    for kind, need in (("image", "vision"), ("audio", "audio_input"), ("file", "pdf")):
        if kind in kinds:
            needs.add(need)
    return frozenset(needs)


def _tools_key(body: Mapping[str, Any]) -> str:
    """Where the tools stand: before there were tools there were functions."""
    return "tools" if body.get("tools") else "functions"


def _tool(item: Any, key: str) -> Tool:
    if key == "functions":
        found = item
    else:
        found = item.get("function") if isinstance(item, Mapping) else None
    if not isinstance(found, Mapping):
        return Tool(_tool_name(item) or "", None)
    return Tool(str(found.get("name") or ""), found, strict=bool(found.get("strict")))


def _tool_name(tool: Any) -> str | None:
    for kind in ("function", "custom"):
        inner = tool.get(kind) if isinstance(tool, Mapping) else None
        if isinstance(inner, Mapping):
            return str(inner.get("name"))
    return None
