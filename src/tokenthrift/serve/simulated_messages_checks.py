"""What Anthropic Messages refuses in a body, in its own words (source: Anthropic API reference).

Checks what middleware could break: calls without results right behind them, results first in their
message, blank texts, altered thinking, too many cache marks, numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from tokenthrift.serve.simulated_types import ApiError, Tool, ToolChoice

MAX_MARKS: Final = 4
LEAST_BUDGET: Final = 1_024
RANGES: Final = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 10**6)}
THINKING: Final = ("thinking", "redacted_thinking")
CHOICES: Final[dict[str, ToolChoice]] = {"auto": "auto", "any": "required", "none": "none"}


def signature_of(thinking: str) -> str:
    """What stands in for the signature of a thinking block."""
    return f"sim-{blake2b(thinking.encode('utf-8', 'surrogatepass'), digest_size=24).hexdigest()}"


def check_values(body: Mapping[str, Any], *, answers: bool) -> None:
    """Refuse missing and wrong numbers.

    Args:
        body: of the request.
        answers: whether an answer is asked for, which needs ``max_tokens``.
    """
    most = body.get("max_tokens")
    if answers and most is None:
        raise invalid("max_tokens: Field required")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int)):
        raise invalid("max_tokens: Input should be a valid integer")
    if most is not None and most < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise invalid(f"{name}: range: {low}..{high}")
    thinking = _mapping(body.get("thinking"))
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < LEAST_BUDGET:
            problem = f"Input should be greater than or equal to {LEAST_BUDGET}"
            raise invalid(f"thinking.enabled.budget_tokens: {problem}")
        if most is not None and most <= budget:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    found = sum(1 for _ in _marks([body.get("tools"), body.get("system"), body["messages"]]))
    if found > MAX_MARKS:
        problem = f"A maximum of {MAX_MARKS} blocks with cache_control may be provided."
        raise invalid(f"{problem} Found {found}.")


def _marks(value: Any) -> Iterator[Any]:
    """Every cache mark of the blocks below a value; what tools are called with is no block."""
    if isinstance(value, list):
        for below in value:
            yield from _marks(below)
    elif isinstance(value, Mapping):
        if value.get("cache_control") is not None:
            yield value["cache_control"]
        yield from _marks(value.get("content"))


def is_thinking(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for thinking."""
    return _mapping(body.get("thinking")).get("type") in ("enabled", "adaptive")


def check_messages(body: Mapping[str, Any]) -> None:
    """Calls and results must stand next to each other and match, id by id; nothing may be empty."""
    messages = body["messages"]
    if not messages:
        raise invalid("messages: at least one message is required")
    if messages[0].get("role") != "user":
        raise invalid('messages: first message must use the "user" role')
    open_ids: list[str] = []
    turns = list(_turns(messages))
    for n, role, blocks in turns:
        where = f"messages.{n}"
        if not blocks and n != turns[-1][0]:
            raise invalid(
                f"{where}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
        _check_results(where, blocks, open_ids)
        for j, block in enumerate(blocks):
            _check_block(f"{where}.content.{j}", block)
        calls = [b for b in blocks if b.get("type") == "tool_use"] if role == "assistant" else []
        open_ids = [str(b.get("id")) for b in calls]
    if open_ids:
        raise _unanswered(f"messages.{turns[-1][0]}", open_ids)
    _check_thinking(body, turns)


def _turns(
    messages: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[int, str, list[Mapping[str, Any]]]]:
    """Messages of one role in a row as one: its first index, the role, the blocks."""
    first, role, blocks = 0, "", list[Mapping[str, Any]]()
    for n, message in enumerate(messages):
        content = message.get("content")
        own = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(own, list) or not all(isinstance(b, Mapping) for b in own):
            raise invalid(f"messages.{n}.content: Input should be a valid list")
        if n and message.get("role") != role:
            yield first, role, blocks
            first, blocks = n, []
        role = str(message.get("role"))
        blocks = [*blocks, *own]
    yield first, role, blocks


def _check_results(where: str, blocks: Sequence[Mapping[str, Any]], open_ids: list[str]) -> None:
    results = [(j, b) for j, b in enumerate(blocks) if b.get("type") == "tool_result"]
    ids = [str(b.get("tool_use_id")) for _, b in results]
    for (j, _), call_id in zip(results, ids, strict=True):
        if call_id not in open_ids:
            raise invalid(
                f"{where}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{call_id}. Each `tool_result` block must have a corresponding `tool_use` block "
                "in the previous message."
            )
    missing = [i for i in open_ids if i not in ids]
    late = results and results[-1][0] >= len(results)
    if missing or late:
        raise _unanswered(where, missing or ids)


def _unanswered(where: str, ids: Sequence[str]) -> ApiError:
    return invalid(
        f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in "
        "the next message."
    )


def _check_block(where: str, block: Mapping[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text":
        text = block.get("text")
        if not isinstance(text, str):
            raise invalid(f"{where}.text.text: Input should be a valid string")
        if not text.strip():
            raise invalid("messages: text content blocks must contain non-whitespace text")
    elif kind == "thinking" and block.get("signature") != signature_of(str(block.get("thinking"))):
        raise invalid(f"{where}: Invalid `signature` in `thinking` block")
    elif kind == "tool_result" and isinstance(block.get("content"), list):
        for k, inner in enumerate(block["content"]):
            _check_block(f"{where}.tool_result.content.{k}", _mapping(inner))


def _check_thinking(
    body: Mapping[str, Any], turns: Sequence[tuple[int, str, list[Mapping[str, Any]]]]
) -> None:
    """While tools are at work, what the model thought before it called them must come back."""
    if _mapping(body.get("thinking")).get("type") != "enabled" or len(turns) < 2:
        return
    n, role, blocks = turns[-2]
    kinds = [b.get("type") for b in blocks]
    if role == "assistant" and "tool_use" in kinds and kinds[0] not in THINKING:
        raise invalid(
            f"messages.{n}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{kinds[0]}`. When `thinking` is enabled, a final `assistant` message must start "
            "with a thinking block."
        )


def offered_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools of a body that have a schema; those of the provider are accepted and not used."""
    raw = body.get("tools")
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise invalid("tools: Input should be a valid list")
    names = [_mapping(t).get("name") for t in raw if _mapping(t).get("name")]
    if len(set(names)) < len(names):
        raise invalid("tools: Tool names must be unique.")
    tools = []
    for n, tool in enumerate(raw):
        entry = _mapping(tool)
        if entry.get("type") not in (None, "custom"):
            continue
        for key, kind in (("name", str), ("input_schema", Mapping)):
            if not isinstance(entry.get(key), kind):
                raise invalid(f"tools.{n}.custom.{key}: Field required")
        tools.append(Tool(str(entry["name"]), entry["input_schema"]))
    return tuple(tools)


def tool_choice(
    body: Mapping[str, Any], tools: Sequence[Tool]
) -> tuple[ToolChoice, tuple[str, ...]]:
    """The choice and the names a forced call is made from."""
    choice = body.get("tool_choice")
    names = tuple(t.name for t in tools)
    if choice is None:
        return "auto", names
    kind = _mapping(choice).get("type")
    if body.get("tools") is None:
        raise invalid("tool_choice may only be specified while providing tools")
    if kind in ("any", "tool") and is_thinking(body):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
    if kind in CHOICES:
        return CHOICES[kind], names
    name = _mapping(choice).get("name")
    if kind != "tool" or name not in names:
        raise invalid(f"tool_choice: Tool '{name}' not found in provided tools")
    return "named", (str(name),)


def json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that the text must satisfy."""
    output = _mapping(body.get("output_config"))
    wanted = _mapping(output.get("format") or body.get("output_format"))
    if not wanted:
        return None
    schema = wanted.get("schema")
    if wanted.get("type") != "json_schema" or not isinstance(schema, Mapping):
        raise invalid("output_config.format: expected type 'json_schema' with a schema")
    return schema


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def invalid(message: str) -> ApiError:
    """A 400 with this message."""
    return ApiError(400, message)
