"""What the simulated model says: always a function of the request, never of chance or time.

The caller's script goes first (control headers, then metadata, then a Python callable); without one
the answer restates what arrived and says that it is simulated. Limits and stop sequences apply to
every answer alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tokenthrift.serve.simulated_faults import Fault
from tokenthrift.serve.simulated_schema import SchemaError, minimal
from tokenthrift.serve.simulated_types import Answer, Answers, ApiError, Ask, Tool, ToolCall
from tokenthrift.tokens import encoding

if TYPE_CHECKING:
    from tokenthrift.tokens import TiktokenCounter

HEADER_PREFIX: Final = "x-simulate-"
METADATA_PREFIX: Final = "simulate-"
CONTROLS: Final = (
    "answer",
    "answer-tokens",
    "fault",
    "finish-reason",
    "reasoning-tokens",
    "refusal",
    "tool-calls",
)
FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter")
EXCERPT_CHARS: Final = 60
FILLER: Final = " The simulated answer goes on so that it is as long as was asked for."


@dataclass(frozen=True, slots=True)
class Script:
    """What one request orders by its control headers or metadata. None leaves it to the provider.

    Attributes:
        answer_tokens: about how long a default text is to be.
        tool_calls: names of offered tools, or a JSON list of ``{"name", "arguments"}``.
    """

    answer: str | None = None
    answer_tokens: int | None = None
    fault: Fault | None = None
    finish_reason: str | None = None
    reasoning_tokens: int = 0
    refusal: str | None = None
    tool_calls: str | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str], metadata: Any) -> Script:
        """Collect controls; a header goes before metadata of the same name.

        Values in headers may be percent-encoded UTF-8.

        Raises:
            ApiError: a control is unknown or its value is not of its kind.
        """
        found: dict[str, tuple[str, str]] = {}
        for name, value in metadata.items() if isinstance(metadata, Mapping) else ():
            if str(name).startswith(METADATA_PREFIX):
                found[name.removeprefix(METADATA_PREFIX)] = (f"metadata.{name}", str(value))
        for name, value in headers.items():
            if name.lower().startswith(HEADER_PREFIX):
                found[name.lower().removeprefix(HEADER_PREFIX)] = (name, unquote(value))
        values: dict[str, Any] = {}
        for control, (where, text) in found.items():
            if control not in CONTROLS:
                known = ", ".join(CONTROLS)
                raise ApiError(400, f"Unknown control {where!r}; known: {known}.", param=where)
            try:
                values[control.replace("-", "_")] = _control(control, text)
            except ValueError as exc:
                raise ApiError(400, f"Invalid {where!r}: {exc}.", param=where) from exc
        return cls(**values)


def _control(control: str, text: str) -> Any:
    if control == "fault":
        return Fault.parse(text)
    if control in ("answer-tokens", "reasoning-tokens"):
        if not text.isdecimal():
            raise ValueError(f"expected a whole number, got {text!r}")
        return int(text)
    if control == "finish-reason" and text not in FINISH_REASONS:
        raise ValueError(f"expected one of {', '.join(FINISH_REASONS)}, got {text!r}")
    return text


def compose(ask: Ask, script: Script, answers: Answers | None) -> tuple[Answer, ...]:
    """One answer per choice, before faults and limits."""
    scripted = _scripted(ask, script)
    if scripted is None and answers is not None:
        scripted = answers(ask.request.body)
    made = [scripted or _default(ask, script, choice) for choice in range(ask.choices)]
    if script.finish_reason:
        made = [replace(a, finish_reason=script.finish_reason) for a in made]
    if script.reasoning_tokens:
        made = [replace(a, reasoning_tokens=script.reasoning_tokens) for a in made]
    return tuple(made)


def _scripted(ask: Ask, script: Script) -> Answer | None:
    if script.refusal is not None:
        return Answer(refusal=script.refusal)
    if script.tool_calls is not None:
        return Answer(text=script.answer, tool_calls=_ordered_calls(ask, script.tool_calls))
    if script.answer is not None:
        return Answer(text=script.answer)
    return None


def _default(ask: Ask, script: Script, choice: int) -> Answer:
    if ask.called and ask.tool_choice in ("required", "named"):
        return Answer(tool_calls=(_call(ask, ask.called[0]),))
    if ask.json_schema is not None:
        return Answer(text=_json_text(ask))
    text = _restated(ask)
    if ask.choices > 1:
        text += f" (choice {choice + 1} of {ask.choices})"
    if script.answer_tokens is not None:
        missing = script.answer_tokens - ask.count(text)
        text = cut(text + FILLER * (max(missing, 0) // 8 + 1), script.answer_tokens, ask.count)
    return Answer(text=text)


def _restated(ask: Ask) -> str:
    """A sentence about what arrived: enough to tell two requests apart and see what was sent."""
    request = ask.request
    last = next((m for m in reversed(request.messages) if m.role == "user"), None)
    text = "\n".join(p.text for p in last.parts if p.text is not None) if last else ""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    excerpt = " ".join(text.split())
    if len(excerpt) > EXCERPT_CHARS:
        excerpt = excerpt[:EXCERPT_CHARS] + "..."
    return (
        f"[simulated] {request.model} read {len(request.messages)} messages; "
        f"the last user message ({ask.count(text)} tokens, {digest}) says: {excerpt}"
    )


def _json_text(ask: Ask) -> str:
    """JSON that satisfies the asked schema; any object where no schema is asked for."""
    if not ask.json_schema:
        return json.dumps({"simulated": True, "answer": _restated(ask)})
    return json.dumps(_minimal(ask.json_schema, "response_format.json_schema.schema"))


def _minimal(schema: Mapping[str, Any], param: str) -> Any:
    try:
        return minimal(schema)
    except SchemaError as exc:
        raise ApiError(400, f"Invalid schema for '{param}': {exc}.", param=param) from exc


def _call(ask: Ask, name: str) -> ToolCall:
    tool = _tool(ask, name)
    arguments = _minimal({"type": "object", **tool.schema}, f"tools.{name}.parameters")
    return ToolCall(name, json.dumps(arguments))


def _tool(ask: Ask, name: str) -> Tool:
    for tool in ask.tools:
        if tool.name == name:
            return tool
    offered = ", ".join(t.name for t in ask.tools) or "none"
    raise ApiError(
        400, f"Cannot call tool {name!r}; offered: {offered}.", param=f"{HEADER_PREFIX}tool-calls"
    )


def _ordered_calls(ask: Ask, order: str) -> tuple[ToolCall, ...]:
    """Calls by name get made-up arguments; calls written as JSON are made as they are written."""
    if not order.lstrip().startswith("["):
        return tuple(_call(ask, name.strip()) for name in order.split(",") if name.strip())
    param = f"{HEADER_PREFIX}tool-calls"
    try:
        calls = json.loads(order)
        named = [(str(call["name"]), call.get("arguments", {})) for call in calls]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        problem = 'expected a JSON list of {"name": ..., "arguments": ...}'
        raise ApiError(400, f"Invalid {param!r}: {problem}.", param=param) from exc
    return tuple(ToolCall(n, a if isinstance(a, str) else json.dumps(a)) for n, a in named)


def limited(answer: Answer, ask: Ask) -> Answer:
    """The answer under stop sequences and the output cap, with its finish reason."""
    for word in ask.stop:
        if answer.text is not None and word in answer.text:
            text = answer.text[: answer.text.index(word)]
            answer = replace(answer, text=text, stopped_by=word)
    cap = ask.request.max_output_tokens
    if cap is not None and output_tokens(answer, ask.count) > cap:
        answer = _capped(answer, cap, ask.count)
    if answer.finish_reason is not None:
        return answer
    # "tool_calls" is for calls the model chose; a call that the caller named ends with "stop".
    called = bool(answer.tool_calls) and ask.tool_choice != "named"
    return replace(answer, finish_reason="tool_calls" if called else "stop")


def _capped(answer: Answer, cap: int, count: TiktokenCounter) -> Answer:
    """Reasoning comes out first, then text, then calls; the last piece is cut, later ones go."""
    left = cap - answer.reasoning_tokens
    pieces: list[str | None] = []
    for piece in (answer.refusal, answer.text):
        kept = None if piece is None else cut(piece, left, count)
        left -= count(kept or "")
        pieces.append(kept)
    calls: list[ToolCall] = []
    for call in answer.tool_calls:
        left -= count(call.name)
        if left < 0:
            break
        calls.append(ToolCall(call.name, cut(call.arguments, left, count)))
        left -= count(calls[-1].arguments)
    refusal, text = pieces
    if refusal is None and text is None and not calls:
        text = ""
    return Answer(
        text=text,
        tool_calls=tuple(calls),
        refusal=refusal,
        finish_reason="length",
        reasoning_tokens=min(answer.reasoning_tokens, cap),
    )


def output_tokens(answer: Answer, count: TiktokenCounter) -> int:
    """Tokens an answer is billed for: reasoning, text, refusal, names and arguments of calls."""
    spoken = count(answer.text or "") + count(answer.refusal or "")
    called = sum(count(c.name) + count(c.arguments) for c in answer.tool_calls)
    return answer.reasoning_tokens + spoken + called


def cut(text: str, tokens: int, count: TiktokenCounter) -> str:
    """The longest start of ``text``, on a token boundary, that counts at most ``tokens``."""
    if tokens <= 0:
        return ""
    if count(text) <= tokens:
        return text
    ranks = encoding(count.encoding_name)
    ids = ranks.encode_ordinary(text)
    for n in range(min(len(ids), int(tokens / count.factor) + 1), 0, -1):
        # A boundary inside a character loses its bytes; re-encoding may then take more tokens.
        kept = ranks.decode_bytes(ids[:n]).decode("utf-8", "ignore")
        if count(kept) <= tokens:
            return kept
    return ""
