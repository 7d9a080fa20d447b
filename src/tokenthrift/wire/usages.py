"""What providers report of a call's tokens, in whatever shape, as one `Usage`.

Providers disagree on what is inside what: Anthropic's and Bedrock's input leaves out what is
cached, Gemini's output leaves out thoughts, xAI's leaves out reasoning. Here that is put right,
once; the report itself is kept. Shapes are told by their keys, as LiteLLM and proxies mix them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenthrift.types import Usage
from tokenthrift.wire.reading import whole

SERVICES: Final = {
    "batch": "batch",
    "batches": "batch",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
"""Words of providers for how a call was served; all others are the usual way."""


def usage_of_report(raw: Mapping[str, Any], service: Any = None) -> Usage:
    """A provider's usage object, normalised.

    Args:
        raw: of OpenAI Chat Completions or Responses, and of those who speak like them (DeepSeek,
            Mistral, xAI, LiteLLM); of Anthropic Messages; of Gemini; of Bedrock Converse.
        service: what the answer says of the service tier, where the usage does not; ``batch`` for
            calls of a batch.

    Raises:
        TypeError: details are no object.
    """
    if "promptTokenCount" in raw or "totalTokenCount" in raw:
        return _gemini(raw, service)
    if "inputTokens" in raw or "outputTokens" in raw:
        return _bedrock(raw, service)
    if "prompt_tokens" in raw or "completion_tokens" in raw:
        return _chat(raw, service)
    if "input_tokens_details" in raw or ("output_tokens_details" in raw and "total_tokens" in raw):
        return _responses(raw, service)
    return _anthropic(raw, service)


def _chat(raw: Mapping[str, Any], service: Any) -> Usage:
    given, made = _mapped(raw, "prompt_tokens_details"), _mapped(raw, "completion_tokens_details")
    cached, written = (
        _mapped(given, "cached_tokens_details"),
        _mapped(given, "cache_creation_token_details"),
    )
    read = _first(given, "cached_tokens") or _first(
        raw, "prompt_cache_hit_tokens", "num_cached_tokens"
    )
    write = _first(given, "cache_write_tokens", "cache_creation_tokens") or _first(
        raw, "cache_creation_input_tokens"
    )
    prompt, output = _first(raw, "prompt_tokens"), _first(raw, "completion_tokens")
    reasoning = _first(made, "reasoning_tokens")
    if reasoning and _first(raw, "total_tokens") == prompt + output + reasoning:
        output += reasoning  # xAI counts reasoning beside the output
    return Usage(
        input_tokens=prompt,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        raw=dict(raw),
        cache_write_1h_tokens=min(_part(written, "ephemeral_1h_input_tokens"), write),
        cache_read_audio_tokens=min(_part(cached, "audio_tokens"), read),
        input_audio_tokens=_part(given, "audio_tokens"),
        input_image_tokens=_part(given, "image_tokens"),
        output_audio_tokens=_part(made, "audio_tokens"),
        output_image_tokens=_part(made, "image_tokens"),
        service_tier=_service(raw, service),
    )


def _responses(raw: Mapping[str, Any], service: Any) -> Usage:
    given, made = _mapped(raw, "input_tokens_details"), _mapped(raw, "output_tokens_details")
    return Usage(
        input_tokens=_first(raw, "input_tokens"),
        output_tokens=_first(raw, "output_tokens"),
        cache_read_tokens=_first(given, "cached_tokens"),
        cache_write_tokens=_first(given, "cache_write_tokens", "cache_creation_tokens"),
        reasoning_tokens=_first(made, "reasoning_tokens"),
        raw=dict(raw),
        input_audio_tokens=_part(given, "audio_tokens"),
        input_image_tokens=_part(given, "image_tokens"),
        output_audio_tokens=_part(made, "audio_tokens"),
        output_image_tokens=_part(made, "image_tokens"),
        service_tier=_service(raw, service),
    )


def _anthropic(raw: Mapping[str, Any], service: Any) -> Usage:
    """Input leaves out what is cached; writes are told apart by how long they are kept."""
    read = _first(raw, "cache_read_input_tokens")
    split = _mapped(raw, "cache_creation")
    hour = _first(split, "ephemeral_1h_input_tokens")
    write = _first(raw, "cache_creation_input_tokens") or hour + _first(
        split, "ephemeral_5m_input_tokens"
    )
    return Usage(
        input_tokens=_first(raw, "input_tokens") + read + write,
        output_tokens=_first(raw, "output_tokens"),
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=_first(_mapped(raw, "output_tokens_details"), "thinking_tokens"),
        raw=dict(raw),
        cache_write_1h_tokens=min(hour, write),
        service_tier=_service(raw, service),
    )


def _bedrock(raw: Mapping[str, Any], service: Any) -> Usage:
    """As Anthropic's, in other words."""
    read = _first(raw, "cacheReadInputTokens", "cacheReadInputTokenCount")
    write = _first(raw, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    details = raw.get("cacheDetails")
    hour = sum(
        _first(detail, "inputTokens")
        for detail in (details if isinstance(details, Sequence) else ())
        if isinstance(detail, Mapping) and detail.get("ttl") == "1h"
    )
    return Usage(
        input_tokens=_first(raw, "inputTokens") + read + write,
        output_tokens=_first(raw, "outputTokens"),
        cache_read_tokens=read,
        cache_write_tokens=write,
        raw=dict(raw),
        cache_write_1h_tokens=min(hour, write),
        service_tier=_service(raw, service),
    )


def _gemini(raw: Mapping[str, Any], service: Any) -> Usage:
    """Thoughts stand beside the candidates, results of tools beside the prompt."""
    thoughts = _first(raw, "thoughtsTokenCount")
    read = _first(raw, "cachedContentTokenCount")
    given, made = (
        _modalities(raw, "promptTokensDetails"),
        _modalities(raw, "candidatesTokensDetails"),
    )
    return Usage(
        input_tokens=_first(raw, "promptTokenCount") + _first(raw, "toolUsePromptTokenCount"),
        output_tokens=_first(raw, "candidatesTokenCount", "responseTokenCount") + thoughts,
        cache_read_tokens=read,
        reasoning_tokens=thoughts,
        raw=dict(raw),
        cache_read_audio_tokens=min(_modalities(raw, "cacheTokensDetails").get("AUDIO", 0), read),
        input_audio_tokens=given.get("AUDIO", 0),
        input_image_tokens=given.get("IMAGE", 0),
        output_audio_tokens=made.get("AUDIO", 0),
        output_image_tokens=made.get("IMAGE", 0),
        service_tier=_service(raw, service),
    )


def _modalities(raw: Mapping[str, Any], key: str) -> dict[str, int]:
    details = raw.get(key)
    found: dict[str, int] = {}
    for detail in details if isinstance(details, Sequence) else ():
        if isinstance(detail, Mapping):
            word = str(detail.get("modality")).upper()
            found[word] = found.get(word, 0) + _part(detail, "tokenCount")
    return found


def _service(raw: Mapping[str, Any], service: Any) -> str:
    said = service or raw.get("service_tier") or raw.get("trafficType")
    return SERVICES.get(str(said).lower(), "")


def _mapped(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"usage.{key}: expected an object, got {type(value).__name__}")
    return value or {}


def _first(raw: Mapping[str, Any], *keys: str) -> int:
    """The first of these counts that is given and not zero; one below zero is not hidden."""
    for key in keys:
        value = raw.get(key)
        count = whole(value) if value else 0
        if count:
            return count
    return 0


def _part(raw: Mapping[str, Any], key: str) -> int:
    """A count inside another one, of which one below zero says nothing."""
    return max(0, _first(raw, key)) if raw else 0
