"""Chat Completions: what is said everywhere goes as it is, and answers lose litellm's additions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenthrift.transports.bridges.seam import BrokenAnswerError, check_keys
from tokenthrift.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Mapping

# Keys of a body that litellm says to every provider in its own words.
SAID_EVERYWHERE: Final = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "tools", "tool_choice"),
        *("parallel_tool_calls", "response_format", "reasoning_effort", "stop"),
        *("temperature", "top_p", "max_tokens", "max_completion_tokens"),
    }
)
# Hints, which other providers need not have; litellm leaves out what they do not know.
HINTS: Final = frozenset(
    {
        *("user", "metadata", "store", "seed", "service_tier", "prompt_cache_key"),
        *("prompt_cache_retention", "safety_identifier", "verbosity"),
    }
)
# What litellm writes into messages beside what OpenAI has: the thoughts of other sellers' models.
# A provider of Chat refuses them where they are sent back.
ADDED: Final = frozenset({"reasoning_content", "thinking_blocks", "provider_specific_fields"})


class ChatBridge:
    """The bridge of ``POST /v1/chat/completions``, which leads nowhere else."""

    name = OpenAIChat.name

    def chat(self, body: Mapping[str, Any], /) -> dict[str, Any]:
        """The body itself."""
        check_keys("the body", body, SAID_EVERYWHERE | HINTS)
        return dict(body)

    def answer(self, chat: Mapping[str, Any], _body: Mapping[str, Any], /) -> dict[str, Any]:
        """The answer without litellm's additions."""
        return _without_additions(chat)

    def telling(self, _body: Mapping[str, Any], /) -> ChatTelling:
        """Retells a stream as it is."""
        return ChatTelling()


class ChatTelling:
    """Chunks without litellm's additions; a stream that nothing finishes was cut."""

    def __init__(self) -> None:
        self._is_finished = False

    def tell(self, chunk: Mapping[str, Any], /) -> list[dict[str, Any]]:
        """The chunk."""
        self._is_finished |= any(c.get("finish_reason") for c in chunk.get("choices") or ())
        return [_without_additions(chunk)]

    def end(self) -> list[dict[str, Any]]:
        """Nothing more."""
        if not self._is_finished:
            raise BrokenAnswerError("the provider's stream ended without an end")
        return []


def _without_additions(said: Mapping[str, Any]) -> dict[str, Any]:
    choices = [_plain_choice(choice) for choice in said.get("choices") or ()]
    made = {k: v for k, v in said.items() if k != "provider_specific_fields"}
    return {**made, "choices": choices}


def _plain_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: v for k, v in choice.items() if k != "provider_specific_fields"}
    plain.setdefault("finish_reason", None)
    for key in ("message", "delta"):
        if isinstance(plain.get(key), dict):
            plain[key] = {k: v for k, v in plain[key].items() if k not in ADDED}
    if "message" in plain:
        plain["message"].setdefault("content", None)
    return plain
