"""What a recorded line is, told from its content: a `Recording`, or a `ReplayError` that says why.

Known: chat bodies, recorded conversations (with a question or a shared context), requests of OpenAI
batch files, and LiteLLM's standard logging payloads. A line that names a model and does not end
with an answer is one request, whatever its history; anything else with messages is a conversation.
It never repairs what it does not understand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tokenthrift.errors import ReplayError
from tokenthrift.replay.lines import RawLine, raw_lines
from tokenthrift.types import Money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Form: TypeAlias = Literal["body", "conversation", "batch", "litellm"]

# Keys of recorded conversations that are no part of a request.
RECORD_KEYS: Final = frozenset(
    {"id", "source", "kind", "question", "gold", "meta", "context_id", "messages"}
)
CHAT_URL: Final = "/chat/completions"
URLS: Final = (CHAT_URL, "/v1/responses", "/v1/messages")
CHAT_CALLS: Final = frozenset({"completion", "acompletion", "text_completion", "atext_completion"})
# What LiteLLM writes instead of messages when logging of texts is switched off.
REDACTED: Final = "redacted-by-litellm"
NANOS_PER_USD: Final = Decimal(10**9)
CONTEXT_FILES: Final = 4  # shared contexts kept in memory, one file each
SHOWN_KEYS: Final = 8


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded request or conversation.

    Attributes:
        id: as recorded, else file name and line.
        form: what the line was.
        body: of the whole conversation; ``model`` may be missing.
        model: as recorded, or an empty string.
        seller: who sold it, where the log says so; its prices may differ from the maker's.
        output_tokens: of the answer, where it was logged but is not in the messages.
        reported_input_tokens: what the provider counted.
        reported_cost: what the log says it cost.
        at_s: when, in seconds since 1970.
    """

    source: str
    number: int
    id: str
    form: Form
    body: Mapping[str, Any] = field(repr=False)
    model: str = ""
    seller: str = ""
    output_tokens: int | None = None
    reported_input_tokens: int | None = None
    reported_cost: Money | None = None
    at_s: float | None = None

    @property
    def messages(self) -> Sequence[Any]:
        """The raw messages, or items."""
        messages: Sequence[Any] = self.body["messages" if "messages" in self.body else "input"]
        return messages


def recording_of(line: RawLine) -> Recording:
    """Read a line.

    Raises:
        ReplayError: it is not a recording; the message is ``file:line: why``.
    """
    if line.problem:
        raise ReplayError(f"{line.where}: {line.problem}")
    try:
        raw = json.loads(line.data)
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"{line.where}: not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ReplayError(f"{line.where}: expected an object, got {_kind(raw)}")
    try:
        return _recording(line, raw)
    except _NotReadableError as error:
        raise ReplayError(f"{line.where}: {error}") from error


class _NotReadableError(ValueError):
    """Why a line is no recording; `recording_of` adds where."""


def _recording(line: RawLine, raw: dict[str, Any]) -> Recording:
    payload = raw.get("standard_logging_object")
    if isinstance(payload, dict):
        return _litellm(line, payload)
    if isinstance(raw.get("body"), dict) and ("custom_id" in raw or "url" in raw):
        return _batch(line, raw)
    if "call_type" in raw or ("response_cost" in raw and "messages" in raw):
        return _litellm(line, raw)
    if "messages" in raw or "context_id" in raw:
        return _conversation(line, raw)
    if "input" in raw:
        return _responses(line, raw)
    found = ", ".join(map(repr, list(raw)[:SHOWN_KEYS])) or "none"
    raise _NotReadableError(
        f"no request in it: expected 'messages', 'input' or 'body', found keys {found}"
    )


def _conversation(line: RawLine, raw: dict[str, Any]) -> Recording:
    if "messages" in raw:
        messages = _messages(raw["messages"])
    else:
        messages = _shared_context(line.source, str(raw["context_id"]))
    question = raw.get("question")
    if isinstance(question, str) and question and not _asked(messages, question):
        messages = [*messages, {"role": "user", "content": question}]
    last = messages[-1]
    answered = isinstance(last, dict) and last.get("role") == "assistant"
    return Recording(
        source=line.source,
        number=line.number,
        id=_id(line, raw.get("id"), raw.get("context_id") if "messages" in raw else None),
        form="body" if raw.get("model") and not answered else "conversation",
        body={**{k: v for k, v in raw.items() if k not in RECORD_KEYS}, "messages": messages},
        model=_text(raw.get("model")),
    )


def _responses(line: RawLine, raw: dict[str, Any]) -> Recording:
    """A body of OpenAI Responses, as it is or with the items of its answer behind it."""
    items = raw["input"]
    if not isinstance(items, str):
        items = _items(items, "input")
    last = items[-1]
    kind = str(last.get("type") or "") if isinstance(last, dict) else ""
    own = (
        last.get("role") == "assistant" if isinstance(last, dict) and "role" in last else bool(kind)
    )
    answered = own and not kind.endswith("_output")
    return Recording(
        source=line.source,
        number=line.number,
        id=_id(line, raw.get("id")),
        form="body" if raw.get("model") and not answered else "conversation",
        body={**{k: v for k, v in raw.items() if k not in RECORD_KEYS}, "input": items},
        model=_text(raw.get("model")),
    )


def _asked(messages: Sequence[Any], question: str) -> bool:
    """Whether a user message holds the question already."""
    return any(
        isinstance(m, dict) and m.get("role") == "user" and question in str(m.get("content") or "")
        for m in messages
    )


def _batch(line: RawLine, raw: dict[str, Any]) -> Recording:
    url = str(raw.get("url") or CHAT_URL)
    if not url.endswith(URLS):
        raise _NotReadableError(f"a batch request to {url}; only {', '.join(URLS)} are replayed")
    body = dict(raw["body"])
    if "input" not in body:
        body["messages"] = _messages(body.get("messages"))
    return Recording(
        source=line.source,
        number=line.number,
        id=_id(line, raw.get("custom_id")),
        form="batch",
        body=body,
        model=_text(body.get("model")),
    )


def _litellm(line: RawLine, raw: dict[str, Any]) -> Recording:
    call = raw.get("call_type")
    if isinstance(call, str) and call not in CHAT_CALLS:
        raise _NotReadableError(f"a call of type {call!r}; only chat completions are replayed")
    if raw.get("status") == "failure":
        raise _NotReadableError("the call failed, so nothing was billed")
    messages = raw.get("messages")
    if isinstance(messages, dict) and "messages" in messages:
        messages = messages["messages"]
    if isinstance(messages, str) and isinstance(call, str) and "text_completion" in call:
        messages = [{"role": "user", "content": messages}]
    messages = _messages(messages)
    if any(isinstance(m, dict) and m.get("content") == REDACTED for m in messages):
        raise _NotReadableError("its messages were redacted by the logger")
    settings = raw.get("model_parameters")
    return Recording(
        source=line.source,
        number=line.number,
        id=_id(line, raw.get("id"), raw.get("litellm_call_id")),
        form="litellm",
        body={**(settings if isinstance(settings, dict) else {}), "messages": messages},
        model=_text(raw.get("model")),
        seller=_text(raw.get("custom_llm_provider")),
        output_tokens=_count(raw.get("completion_tokens")),
        reported_input_tokens=_count(raw.get("prompt_tokens")),
        reported_cost=_usd(raw.get("response_cost")),
        at_s=_seconds(raw.get("startTime")),
    )


# --------------------------------------------------------------------------------- pieces of lines
def _messages(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _NotReadableError("'messages' is a text that is not JSON") from None
    return _items(value, "messages")


def _items(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise _NotReadableError(f"{key!r} must be a list, got {_kind(value)}")
    if not value:
        raise _NotReadableError(f"{key!r} is empty")
    return value


def _shared_context(source: str, context_id: str) -> list[Any]:
    path = contexts_file(Path(source))
    if path is None:
        raise _NotReadableError(
            f"context {context_id!r} is wanted, but there is no "
            f"{_family(Path(source))}.contexts.jsonl(.gz) next to the file"
        )
    known = _contexts(path)
    if context_id not in known:
        raise _NotReadableError(f"context {context_id!r} is not in {path.name}")
    return known[context_id]


def contexts_file(path: Path) -> Path | None:
    """The file of shared contexts that belongs to a file of recordings, if there is one."""
    stem = path.with_name(_family(path))
    for suffix in (".contexts.jsonl.gz", ".contexts.jsonl"):
        candidate = stem.with_name(stem.name + suffix)
        if candidate != path and candidate.is_file():
            return candidate
    return None


def _family(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json")


@lru_cache(maxsize=CONTEXT_FILES)
def _contexts(path: Path) -> dict[str, list[Any]]:
    """Messages by context id; lines that are no contexts are passed over, as nothing names them."""
    found: dict[str, list[Any]] = {}
    for line in raw_lines(path):
        try:
            raw = json.loads(line.data) if not line.problem else None
        except (ValueError, RecursionError):
            continue
        if isinstance(raw, dict) and isinstance(raw.get("messages"), list):
            found[str(raw.get("context_id"))] = raw["messages"]
    return found


def _id(line: RawLine, *candidates: Any) -> str:
    for value in candidates:
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return _text(str(value))
    return _text(f"{Path(line.source).name}:{line.number}")


def _text(value: Any) -> str:
    """A name as text that can be stored and printed: lone surrogates are written out."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if whole else None


def _usd(value: Any) -> Money | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        nanos = Decimal(str(value)) * NANOS_PER_USD
        return Money(int(nanos.to_integral_value()))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 <= value < 1e11 else None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "nothing"}
    return names.get(type(value), f"{value!r:.40}")
