"""OpenAI Responses bodies: each item of ``input`` is a message of its own, ``instructions`` first.

Items of the model that stand together (reasoning, its calls, its text) are tied: the provider
refuses reasoning without the item that followed it. What a provider made and only it can read
(reasoning, compactions, calls of its own tools, references) passes byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.errors import WireError
from tokenthrift.types import Message, Part, PartType, Path, Request, Role, Tool, Usage
from tokenthrift.wire.functions import as_function, with_tools
from tokenthrift.wire.openai_responses_texts import texts_of_responses
from tokenthrift.wire.paths import with_values
from tokenthrift.wire.reading import compact, listed, mapped, whole
from tokenthrift.wire.usages import usage_of_report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
# Items that hand something back to the model; everything else that is no message is the model's.
RESULT_TAILS: Final = ("_output", "_response")
CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text"})
MEDIA: Final[dict[str, PartType]] = {
    "input_image": "image",
    "computer_screenshot": "image",
    "input_audio": "audio",
    "input_file": "file",
    "refusal": "refusal",
}
# Keys of a message that say nothing a provider needs once its text has gone.
PLAIN_KEYS: Final = frozenset({"type", "role", "content"})
FUNCTION_KEYS: Final = {k: k for k in ("name", "description", "parameters", "strict")}
HELD: Final = {
    "previous_response_id": "it goes on from a response that the provider holds",
    "conversation": "it belongs to a conversation that the provider holds",
    "prompt": "it uses a prompt that the provider holds",
}


class OpenAIResponses:
    """Adapter of ``POST /v1/responses`` bodies (source: OpenAI API reference, Responses)."""

    name = "openai-responses"

    def read(self, body: Mapping[str, Any], /) -> Request:
        """Parse a body.

        Raises:
            WireError: ``input`` is neither text nor a list, an item is no object, or a message's
                role is unknown.
        """
        if not isinstance(body, Mapping):
            raise WireError("", f"a body is an object, got {type(body).__name__}")
        messages = tuple(_messages(body))
        tools = body.get("tools")
        return Request(
            body=body,
            wire=self.name,
            model=str(body.get("model") or ""),
            messages=messages,
            needs=_needs(body, messages),
            tools_text=tuple(compact(tool) for tool in listed(tools)),
            max_output_tokens=whole(body.get("max_output_tokens")),
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
        """Body with texts replaced, items removed, model and effort set; the rest is shared."""
        gone = {request.messages[n].path for n in removed}
        kept = {p: t for p, t in texts.items() if p[:2] not in gone}
        body: dict[str, Any] = dict(with_values(request.body, kept))
        if gone:
            items = body["input"]
            body["input"] = [item for n, item in enumerate(items) if ("input", n) not in gone]
        if model is not None and model != request.body.get("model"):
            body["model"] = model
        if effort is not None:
            body["reasoning"] = {**mapped(body.get("reasoning")), "effort": effort}
        return body

    def refuses_tool(self, request: Request, name: str, /) -> str:
        """Why a body cannot take one more tool of that name; empty if it can."""
        body = request.body
        tools = body.get("tools")
        if body.get("background"):
            return "the body asks for an answer in the background"
        if body.get("conversation"):
            return "the provider would keep the exchange in the conversation that it holds"
        if tools is not None and not isinstance(tools, list | tuple):
            return "the body's tools are no list"
        if name in {str(mapped(tool).get("name")) for tool in listed(tools)}:
            return "the body has a tool of that name, which is the caller's to answer"
        return ""

    def with_tool(self, request: Request, tool: Mapping[str, Any], /) -> dict[str, Any]:
        """A copy of the body with a function tool behind its own ones, written flat."""
        flat = {"type": "function", **mapped(tool.get("function"))}
        flat.setdefault("strict", False)  # left out, the provider would rewrite the schema
        return {**request.body, "tools": [*listed(request.body.get("tools")), flat]}

    def tools_of(self, request: Request, /) -> tuple[Tool, ...]:
        """The tools of a body; those of the provider have no function."""
        return tuple(_tool(item) for item in listed(request.body.get("tools")))

    def forced_tools(self, request: Request, /) -> frozenset[str]:
        """Names in ``tool_choice``: one tool, or those that are allowed."""
        choice = mapped(request.body.get("tool_choice"))
        items = [choice, *listed(choice.get("tools"))]
        return frozenset(str(i["name"]) for i in items if isinstance(i, Mapping) and i.get("name"))

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
        """Schemas, instructions, items; see `tokenthrift.wire.openai_responses_texts`."""
        return tuple(texts_of_responses(request.body))

    def answer_format(self, request: Request, /) -> Mapping[str, Any]:
        """The ``text.format``."""
        wanted = mapped(mapped(request.body.get("text")).get("format"))
        if wanted.get("type") != "json_schema":
            return wanted
        return {"type": "json_schema", "json_schema": wanted}

    def held(self, request: Request, /) -> str:
        """Why only the provider that the body was written for can serve it; empty if others can."""
        for key, why in HELD.items():
            if request.body.get(key):
                return why
        for message in request.messages:
            for part in message.parts:
                if part.type == "opaque" and part.raw is not None and len(part.path) == 2:
                    return f"it holds a {mapped(part.raw).get('type') or 'reference'} item"
        if any(t.function is None and t.name == "" for t in self.tools_of(request)):
            return "it offers a tool of the provider's own"
        return ""

    def usage(self, raw: Mapping[str, Any], /) -> Usage:
        """Normalise ``usage``, in whatever shape; see `tokenthrift.wire.usages`."""
        return usage_of_report(raw)


def _messages(body: Mapping[str, Any]) -> Iterator[Message]:
    """Instructions, then the items."""
    start = 0
    instructions = body.get("instructions")
    if instructions is not None:
        parts = tuple(_content(instructions, ("instructions",), "text", None))
        yield Message(0, "system", ("instructions",), parts, pinned=True)
        start = 1
    given = body.get("input")
    if isinstance(given, str):
        part = Part("text", ("input",), given)
        yield Message(start, "user", ("input",), (part,), pinned=True)
        return
    if given is None:
        return
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise WireError("input", f"expected text or a list, got {type(given).__name__}")
    runs = _runs(given)
    for n, item in enumerate(given):
        message = _message(start + n, ("input", n), item)
        yield replace(message, pinned=True, tied=runs[n]) if n in runs else message


def _runs(items: Sequence[Any]) -> dict[int, bool]:
    """Items of the model that stand together with others than messages; False for the first."""
    found: dict[int, bool] = {}
    run: list[int] = []
    for n in range(len(items) + 1):
        if n < len(items) and _role(items[n]) == "assistant":
            run.append(n)
            continue
        if any(_kind(items[m]) != "message" for m in run):
            found |= {m: m != run[0] for m in run}
        run = []
    return found


def _kind(item: Any) -> str:
    """The type of an item; those without one are messages or references."""
    kind = mapped(item).get("type")
    if kind:
        return str(kind)
    return "message" if "role" in mapped(item) else "item_reference"


def _role(item: Any) -> Role | None:
    """Whose an item is; None for a message of an unknown role."""
    kind = _kind(item)
    if kind == "message":
        return ROLES.get(str(mapped(item).get("role")))
    return "tool" if kind.endswith(RESULT_TAILS) else "assistant"


def _message(index: int, path: Path, item: Any) -> Message:
    where = ".".join(map(str, path))
    if not isinstance(item, Mapping):
        raise WireError(where, f"expected an object, got {type(item).__name__}")
    role = _role(item)
    if role is None:
        raise WireError(f"{where}.role", f"unknown role {item.get('role')!r}")
    kind = _kind(item)
    if kind == "message":
        parts = tuple(_content(item.get("content"), (*path, "content"), "text", None))
        extra = bool(item.keys() - PLAIN_KEYS) or _has_more_than_text(item.get("content"))
        pinned = role == "system" or extra or any(p.text is None for p in parts)
        return Message(index, role, path, parts, pinned=pinned)
    call_id = None if item.get("call_id") is None else str(item["call_id"])
    if kind in CALLS:
        given = item.get(CALLS[kind])
        text = given if isinstance(given, str) else compact(given)
        name = str(item.get("name") or "")
        call = Part("tool_call", path, text, call_id=call_id, name=name, raw=item)
        return Message(index, role, path, (call,), pinned=True)
    if kind.endswith("_output"):
        parts = tuple(_content(item.get("output"), (*path, "output"), "tool_result", call_id))
        return Message(index, role, path, parts, pinned=True)
    return Message(index, role, path, (Part("opaque", path, raw=item),), pinned=True)


def _content(content: Any, here: Path, text_type: PartType, call_id: str | None) -> Iterator[Part]:
    """Parts of a message's content or of a call's output."""
    if content is None:
        return
    if isinstance(content, str):
        yield Part(text_type, here, content, call_id=call_id)
        return
    if isinstance(content, Mapping):
        yield Part(MEDIA.get(str(content.get("type")), "opaque"), here, raw=content)
        return
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        yield Part("opaque", here, raw=content)
        return
    for n, item in enumerate(content):
        place = (*here, n)
        kind = str(mapped(item).get("type"))
        if kind in TEXTS and isinstance(item.get("text"), str) and not _is_annotated(item):
            yield Part(text_type, (*place, "text"), item["text"], call_id=call_id)
        elif text_type == "tool_result" and {"stdout", "stderr"} & mapped(item).keys():
            yield from (
                Part(text_type, (*place, key), item[key], call_id=call_id)
                for key in ("stdout", "stderr")
                if isinstance(item.get(key), str)
            )
        else:
            yield Part(MEDIA.get(kind, "opaque"), place, raw=item)


def _is_annotated(item: Mapping[str, Any]) -> bool:
    """Whether marks point into a text by character, so that it must stay as it is."""
    return bool(item.get("annotations") or item.get("logprobs"))


def _has_more_than_text(content: Any) -> bool:
    return any(not mapped(item).keys() <= {"type", "text"} for item in listed(content))


def _tool(item: Any) -> Tool:
    entry = mapped(item)
    name = str(entry.get("name") or "")
    if entry.get("type") != "function" or entry.get("defer_loading"):
        return Tool(name, None)
    return Tool(name, as_function(entry, FUNCTION_KEYS), strict=entry.get("strict") is not False)


def _needs(body: Mapping[str, Any], messages: Sequence[Message]) -> frozenset[str]:
    needs = set()
    if body.get("tools"):
        needs.add("tools")
        if body.get("parallel_tool_calls"):
            needs.add("parallel_tools")
        if isinstance(body.get("tool_choice"), Mapping) or body.get("tool_choice") == "required":
            needs.add("tool_choice")
    if mapped(mapped(body.get("text")).get("format")).get("type") == "json_schema":
        needs.add("json_schema")
    if mapped(body.get("reasoning")).get("effort") not in (None, "none", "minimal"):
        needs.add("reasoning")
    kinds = {p.type for m in messages for p in m.parts}
    for kind, need in (("image", "vision"), ("audio", "audio_input"), ("file", "pdf")):
        if kind in kinds:
            needs.add(need)
    return frozenset(needs)
