"""Hypothesis strategies: bodies of OpenAI Responses and Anthropic Messages, proper and odd."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from strategies import (
    ARGUMENTS,
    CACHE_CONTROL,
    CALL_NAMES,
    NOISY,
    PNG,
    READ_FILE,
    UNKNOWN_KEYS,
    counted,
    long_texts,
    short_texts,
    texts,
)
from tokenthrift.serve.simulated_messages_checks import check_messages, signature_of
from tokenthrift.serve.simulated_responses_checks import check_items, sealed
from tokenthrift.serve.simulated_types import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

SEALED: Final = "gAAAAABn" + "Qk1f" * 40
PNG_DATA: Final = PNG.partition(",")[2]
RESPONSES: Final = "openai-responses"
MESSAGES: Final = "anthropic-messages"


def _filled(max_lines: int) -> st.SearchStrategy[str]:
    """Texts that are not blank, as providers want them."""
    return st.one_of(
        short_texts().filter(lambda t: bool(t.strip())),
        long_texts(max_lines).filter(lambda t: bool(t.strip())),
    )


# --------------------------------------------------------------------------------------- Anthropic
def _text_block(text: str, mark: dict[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    block = {**more, "type": "text", "text": text}
    return block if mark is None else {**block, "cache_control": mark}


def text_blocks(max_lines: int) -> st.SearchStrategy[dict[str, Any]]:
    """Text blocks, some with a cache mark or keys that nobody knows."""
    return st.builds(
        _text_block,
        _filled(max_lines),
        st.sampled_from([None, None, CACHE_CONTROL, {"type": "ephemeral"}]),
        st.sampled_from([{}, {}, {"x_vendor": [1]}]),
    )


MEDIA_BLOCKS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG_DATA},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.invalid/a.png"}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "One.\nTwo.\n"},
            "citations": {"enabled": True},
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        },
        {
            "type": "search_result",
            "source": "s",
            "title": "t",
            "content": [{"type": "text", "text": "found"}],
        },
        {"type": "hologram", "data": [1, 2, {"x": None}]},
    ]
).map(deepcopy)
THINKING: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {
            "type": "thinking",
            "thinking": "I look first.",
            "signature": signature_of("I look first."),
        },
        {"type": "redacted_thinking", "data": SEALED},
    ]
).map(deepcopy)
OWN_BLOCKS: st.SearchStrategy[list[dict[str, Any]]] = st.sampled_from(
    [
        [
            {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "x"},
            },
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://example.invalid",
                        "title": "t",
                        "encrypted_content": SEALED,
                    }
                ],
            },
        ],
        [
            {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "q", "server_name": "s"},
            {
                "type": "mcp_tool_result",
                "tool_use_id": "mcptoolu_1",
                "is_error": False,
                "content": [{"type": "text", "text": "out"}],
            },
        ],
        [
            {
                "type": "text",
                "text": "It says so.",
                "citations": [{"type": "char_location", "start_char_index": 0}],
            }
        ],
    ]
).map(deepcopy)


@st.composite
def _result_blocks(draw: st.DrawFn, call_id: str, max_lines: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
    content = draw(
        st.one_of(
            texts(max_lines),
            texts(max_lines),
            st.lists(st.one_of(text_blocks(max_lines), MEDIA_BLOCKS), min_size=1, max_size=2),
            st.none(),
        )
    )
    if content is not None:
        block["content"] = content
    if draw(st.booleans()):
        block["is_error"] = draw(st.booleans())
    if draw(st.integers(0, 4)) == 0:
        block["cache_control"] = dict(CACHE_CONTROL)
    return block


@st.composite
def anthropic_exchanges(draw: st.DrawFn, number: int, max_lines: int) -> list[dict[str, Any]]:
    """A message of the model with calls, and the user's with a result for each and maybe text."""
    blocks = draw(st.lists(THINKING, max_size=1))
    if draw(st.booleans()):
        blocks += [{"type": "text", "text": draw(_filled(3))}]
    ids = [f"toolu_{number}_{n}" for n in range(draw(st.integers(1, 3)))]
    for call_id in ids:
        made = draw(st.sampled_from([{}, {"path": "src/app/main.py"}, {"q": ["ä", 1.5]}]))
        blocks.append(
            {"type": "tool_use", "id": call_id, "name": draw(CALL_NAMES), "input": dict(made)}
        )
    answers = [draw(_result_blocks(i, max_lines)) for i in ids]
    answers += draw(st.lists(text_blocks(max_lines), max_size=1))
    return [{"role": "assistant", "content": blocks}, {"role": "user", "content": answers}]


def anthropic_users(max_lines: int) -> st.SearchStrategy[dict[str, Any]]:
    """User messages: a text, or blocks."""
    blocks = st.lists(st.one_of(text_blocks(max_lines), MEDIA_BLOCKS), min_size=1, max_size=3)
    return st.builds(
        lambda content: {"role": "user", "content": content}, st.one_of(_filled(max_lines), blocks)
    )


@st.composite
def _anthropic_answers(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"role": "assistant", "content": draw(_filled(8))}
    blocks = draw(st.lists(THINKING, max_size=1)) + draw(st.just([]) | OWN_BLOCKS)
    return {"role": "assistant", "content": [*blocks, draw(text_blocks(8))]}


def _flat(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    return {
        "name": function["name"],
        "description": function["description"],
        "input_schema": function["parameters"],
    }


ANTHROPIC_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from(
            [
                [_flat(READ_FILE)],
                [{**_flat(READ_FILE), "cache_control": {"type": "ephemeral"}}, _flat(NOISY)],
                [
                    {"type": "web_search_20250305", "name": "web_search"},
                    {"type": "custom", **_flat(NOISY), "x_vendor": 1},
                ],
            ]
        ),
        "thinking": st.just({"type": "adaptive"}),
        "stream": st.booleans(),
        "x_vendor": st.just({"a": [1]}),
        "output_config": st.just({"effort": "high"}),
        "metadata": st.just({"user_id": "u"}),
    },
)


@st.composite
def anthropic_conversations(
    draw: st.DrawFn, max_turns: int = 3, max_lines: int = 60
) -> dict[str, Any]:
    """Proper conversations that end with the user."""
    messages = [draw(anthropic_users(max_lines))]
    for number in range(draw(st.integers(0, max_turns))):
        if draw(st.integers(0, 2)):
            messages += draw(anthropic_exchanges(number, max_lines))
        else:
            messages += [draw(_anthropic_answers()), draw(anthropic_users(max_lines))]
    body: dict[str, Any] = {**draw(ANTHROPIC_KEYS), "model": "claude-sonnet-4-5"}
    body["max_tokens"] = 4_096
    system = draw(st.none() | _filled(10) | st.lists(text_blocks(10), min_size=1, max_size=2))
    if system is not None:
        body["system"] = system
    return counted(deepcopy({**body, "messages": messages}))


ODD_ANTHROPIC = st.one_of(
    anthropic_users(12),
    _anthropic_answers(),
    anthropic_exchanges(9, 8).map(lambda messages: messages[0]),
    anthropic_exchanges(9, 8).map(lambda messages: messages[1]),
    st.sampled_from(
        [
            {"role": "user", "content": []},
            {"role": "user"},
            {"role": "user", "content": 5},
            {"role": "user", "content": ["bare", None]},
            {"role": "system", "content": "later"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "first"},
                    {"type": "tool_result", "content": "nobody's"},
                    {"type": "text", "text": None},
                ],
            },
            {"role": "assistant", "content": [{"type": "tool_use"}], "x": 1},
        ]
    ).map(deepcopy),
)


def odd_anthropic() -> st.SearchStrategy[dict[str, Any]]:
    """Messages in any order, with calls and results that belong to nobody."""
    return st.builds(
        lambda messages, more, system: counted(
            deepcopy({**more, "model": "claude-sonnet-4-5", "system": system, "messages": messages})
        ),
        st.lists(ODD_ANTHROPIC, max_size=5),
        ANTHROPIC_KEYS,
        st.sampled_from([None, "", "be kind", [], 5]),
    )


# --------------------------------------------------------------------------------------- Responses
@st.composite
def _reasoning(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    item = {"type": "reasoning", "id": f"rs_{number}", "summary": []}
    if draw(st.booleans()):
        item["encrypted_content"] = sealed(f"rs_{number}")
    return [item] if draw(st.booleans()) else []


INPUT_PARTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "input_image", "image_url": PNG, "detail": "low"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JV==",
        },
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "hologram", "data": 1},
    ]
).map(deepcopy)


def input_texts(max_lines: int) -> st.SearchStrategy[dict[str, Any]]:
    """Text parts of the user's."""
    return st.builds(
        lambda text, more: {**more, "type": "input_text", "text": text},
        _filled(max_lines),
        st.sampled_from([{}, {}, {"x_vendor": 1}]),
    )


@st.composite
def responses_users(draw: st.DrawFn, max_lines: int) -> dict[str, Any]:
    """User messages: short and long form."""
    content: Any = draw(
        st.one_of(
            _filled(max_lines),
            st.lists(st.one_of(input_texts(max_lines), INPUT_PARTS), min_size=1, max_size=3),
        )
    )
    head = draw(st.sampled_from([{}, {"type": "message"}, {"type": "message", "id": "msg_u"}]))
    return {**head, "role": "user", "content": content}


@st.composite
def _responses_answers(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    part: dict[str, Any] = {"type": "output_text", "text": draw(_filled(8)), "annotations": []}
    if draw(st.integers(0, 3)) == 0:
        part["annotations"] = [{"type": "url_citation", "start_index": 0, "end_index": 1}]
    whole = {
        "type": "message",
        "id": f"msg_{number}",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    plain = {"role": "assistant", "content": draw(_filled(8))}
    return [*draw(_reasoning(number)), draw(st.sampled_from([whole, plain]))]


@st.composite
def responses_exchanges(draw: st.DrawFn, number: int, max_lines: int) -> list[dict[str, Any]]:
    """Calls of one run of the model, and an output for each."""
    items = draw(_reasoning(number))
    if draw(st.integers(0, 3)) == 0:
        items.append(
            {"type": "web_search_call", "id": f"ws_{number}", "status": "completed", "action": {}}
        )
    outputs = []
    for n in range(draw(st.integers(1, 3))):
        call_id, name = f"call_{number}_{n}", draw(CALL_NAMES)
        if draw(st.integers(0, 3)):
            call = {"type": "function_call", "call_id": call_id, "name": name}
            items.append({**call, "arguments": draw(ARGUMENTS), **draw(UNKNOWN_KEYS)})
            kind = "function_call_output"
        else:
            call = {"type": "custom_tool_call", "call_id": call_id, "name": name}
            items.append({**call, "input": draw(short_texts())})
            kind = "custom_tool_call_output"
        output = draw(
            st.one_of(
                texts(max_lines),
                st.lists(st.one_of(input_texts(max_lines), INPUT_PARTS), min_size=1, max_size=2),
            )
        )
        outputs.append({"type": kind, "call_id": call_id, "output": output})
    return items + outputs


RESPONSES_KEYS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from(
            [
                [{"type": "function", **READ_FILE["function"], "strict": True}],
                [
                    {"type": "web_search"},
                    {"type": "function", **NOISY["function"], "strict": False, "x_vendor": 1},
                    {"type": "custom", "name": "sql"},
                    None,
                ],
            ]
        ),
        "instructions": _filled(10),
        "store": st.booleans(),
        "reasoning": st.just({"effort": "low", "summary": "auto"}),
        "text": st.just({"verbosity": "low"}),
        "x_vendor": st.just({"a": [1]}),
        "max_output_tokens": st.just(64),
    },
)


@st.composite
def responses_conversations(
    draw: st.DrawFn, max_turns: int = 3, max_lines: int = 60
) -> dict[str, Any]:
    """Proper conversations as lists of items; some go on from a response that is held elsewhere."""
    more = draw(RESPONSES_KEYS)
    items = [draw(responses_users(max_lines))]
    if draw(st.integers(0, 4)) == 0:
        more["previous_response_id"] = "resp_1"
        output = {"type": "function_call_output", "call_id": "call_held"}
        items = [{**output, "output": draw(texts(max_lines))}]
    for number in range(draw(st.integers(0, max_turns))):
        if draw(st.integers(0, 2)):
            items += draw(responses_exchanges(number, max_lines))
        else:
            items += [*draw(_responses_answers(number)), draw(responses_users(max_lines))]
    return counted(deepcopy({**more, "model": "gpt-4.1", "input": items}))


ODD_ITEMS = st.one_of(
    responses_users(12).map(lambda item: [item]),
    _responses_answers(7),
    responses_exchanges(9, 8),
    responses_exchanges(9, 8).map(lambda items: items[::-1]),
    st.sampled_from(
        [
            [{"type": "item_reference", "id": "msg_9"}],
            [{"id": "rs_9"}],
            [{"type": "compaction", "id": "cmp_1", "encrypted_content": SEALED}],
            [{"type": "novelty", "x": [1]}],
            [{"type": "function_call", "name": None, "arguments": {"a": 1}}],
            [{"type": "function_call_output", "call_id": None, "output": None}],
            [
                {"type": "computer_call", "call_id": "c", "id": "cc_1", "action": {}},
                {
                    "type": "computer_call_output",
                    "call_id": "c",
                    "output": {"type": "computer_screenshot", "image_url": PNG},
                },
            ],
            [
                {
                    "type": "shell_call_output",
                    "call_id": "s",
                    "output": [{"stdout": "a\nb", "stderr": "", "outcome": {"type": "exit"}}],
                }
            ],
            [{"type": "mcp_approval_response", "approve": True}],
            [{"role": "developer", "content": "be kind"}],
            [{"role": "user", "content": 5}, {"role": "user", "content": [None, "bare"]}],
        ]
    ).map(deepcopy),
)


def odd_responses() -> st.SearchStrategy[dict[str, Any]]:
    """Items in any order, text alone, and bodies without input."""
    items = st.lists(ODD_ITEMS, max_size=4).map(lambda runs: [item for run in runs for item in run])
    return st.builds(
        lambda given, more: counted(deepcopy({**more, "model": "gpt-4.1", "input": given})),
        st.one_of(items, texts(20), st.none()),
        RESPONSES_KEYS,
    )


# -------------------------------------------------------------------------------------------- both
def proper_bodies(wire: str, max_turns: int = 3, max_lines: int = 60) -> st.SearchStrategy[Any]:
    """Proper conversations of a wire."""
    make = anthropic_conversations if wire == MESSAGES else responses_conversations
    return make(max_turns, max_lines)


def any_bodies(wire: str) -> st.SearchStrategy[Any]:
    """Proper and odd bodies of a wire."""
    odd = odd_anthropic() if wire == MESSAGES else odd_responses()
    return st.one_of(proper_bodies(wire, 3, 30), odd)


def items_key(wire: str) -> str:
    """Where the items of a conversation stand."""
    return "messages" if wire == MESSAGES else "input"


def is_the_models(item: Mapping[str, Any]) -> bool:
    """Whether an item of either wire came from the model."""
    if "role" in item:
        return bool(item["role"] == "assistant")
    return not str(item.get("type")).endswith("_output")


def resent(wire: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was sent before each answer of the model, shortest first, and the body itself."""
    key = items_key(wire)
    items = body[key]
    cuts = [
        n
        for n in range(1, len(items))
        if is_the_models(items[n]) and not is_the_models(items[n - 1])
    ]
    return [{**body, key: items[:n]} for n in cuts] + [dict(body)]


def written(body: Mapping[str, Any]) -> str:
    """A body as JSON, keys in their order."""
    return json.dumps(body, ensure_ascii=True)


def refusal(wire: str, body: Mapping[str, Any]) -> str:
    """Why the simulated provider refuses a body; empty if it does not."""
    held = {"type": "function_call", "call_id": "call_held", "name": "run", "arguments": "{}"}
    try:
        if wire == MESSAGES:
            check_messages(body)
        else:
            before = [held] if "previous_response_id" in body else []
            items = [*before, *body["input"]]
            check_items(items, {f"rs_{n}": {} for n in range(9)})
    except ApiError as error:
        return error.message
    return ""
