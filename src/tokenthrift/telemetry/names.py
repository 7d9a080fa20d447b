"""What OpenTelemetry calls what is measured: one table, a column for each version.

The GenAI conventions are under development and rename things: here and nowhere else do we follow
them. Source: semantic-conventions v1.36 and v1.41, and the repository semantic-conventions-genai,
to which they moved then. All of it is ``gen_ai.*``; what is ours is ``tokenthrift.*`` in every
version and does not stand here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONVENTIONS: Final = ("1.36", "1.41", "2026-09")
"""Versions that can be asked for, oldest first; the columns of the tables."""
OLD, NEW = CONVENTIONS[0], CONVENTIONS[-1]

VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
"""A list with commas; with the word below the newest names are written, else the oldest."""
LATEST: Final = "gen_ai_latest_experimental"

# An empty name: that version has none.
ATTRIBUTES: Final[Mapping[str, tuple[str, str, str]]] = {
    "operation": ("gen_ai.operation.name",) * 3,
    "provider": ("gen_ai.system", "gen_ai.provider.name", "gen_ai.provider.name"),
    "request_model": ("gen_ai.request.model",) * 3,
    "response_model": ("gen_ai.response.model",) * 3,
    "conversation": ("gen_ai.conversation.id",) * 3,
    "stream": ("", "gen_ai.request.stream", "gen_ai.request.stream"),
    "first_chunk": ("", *("gen_ai.response.time_to_first_chunk",) * 2),
    "input_tokens": ("gen_ai.usage.input_tokens",) * 3,
    "output_tokens": ("gen_ai.usage.output_tokens",) * 3,
    "cache_read_tokens": ("", *("gen_ai.usage.cache_read.input_tokens",) * 2),
    "cache_write_tokens": (
        "",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
    ),
    "reasoning_tokens": ("", *("gen_ai.usage.reasoning.output_tokens",) * 2),
    "token_type": ("gen_ai.token.type", "gen_ai.token.type", ""),
    "token_modality": ("", "", "gen_ai.token.modality"),
    "error": ("error.type",) * 3,
}

METRICS: Final[Mapping[str, tuple[str, str, str]]] = {
    "duration": ("gen_ai.client.operation.duration",) * 3,
    "token_usage": ("gen_ai.client.token.usage", "gen_ai.client.token.usage", ""),
    "input_tokens": ("", "", "gen_ai.client.inference.usage.input_tokens"),
    "output_tokens": ("", "", "gen_ai.client.inference.usage.output_tokens"),
    "cache_read_tokens": ("", "", "gen_ai.client.inference.usage.cache_read.input_tokens"),
    "cache_write_tokens": ("", "", "gen_ai.client.inference.usage.cache_write.input_tokens"),
    "reasoning_tokens": ("", "", "gen_ai.client.inference.usage.reasoning.output_tokens"),
    "call_input_tokens": ("", "", "gen_ai.client.inference.operation.input_tokens"),
    "call_output_tokens": ("", "", "gen_ai.client.inference.operation.output_tokens"),
    "first_chunk": ("", *("gen_ai.client.operation.time_to_first_chunk",) * 2),
    "first_token": ("gen_ai.server.time_to_first_token",) * 3,
    "per_token": ("gen_ai.server.time_per_output_token",) * 3,
}

# By the names that LiteLLM's price map has for sellers; others are written as they are.
PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "text-completion-openai": "openai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
VERTEX: Final = "vertex_ai"
OLD_PROVIDERS: Final[Mapping[str, str]] = {"x_ai": "xai"}

DURATIONS_S: Final = tuple(0.01 * 2**n for n in range(14))
FIRST_TOKEN_S: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN_S: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS: Final = tuple(4**n for n in range(14))
"""Buckets as the conventions give them; those of tokens per call are those of the older metric."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one version, or of several at once, so that dashboards can move over.

    Attributes:
        versions: of `CONVENTIONS`.
    """

    versions: tuple[str, ...]

    def attributes(self, values: Mapping[str, object]) -> dict[str, object]:
        """Attributes by the names of all versions; what is None, or has no name, is left out."""
        return {
            name: self._provider(str(value), version) if word == "provider" else value
            for word, value in values.items()
            if value is not None
            for version, name in self._named(ATTRIBUTES[word])
        }

    def metric(self, word: str) -> tuple[str, ...]:
        """The names of a metric, each once; none where no version has one."""
        return tuple(dict.fromkeys(name for _, name in self._named(METRICS[word])))

    @property
    def schema_url(self) -> str | None:
        """Of the names, where they are of one version that has published one."""
        if len(self.versions) != 1 or self.versions[0] == NEW:
            return None
        return f"https://opentelemetry.io/schemas/{self.versions[0]}.0"

    def _named(self, row: tuple[str, str, str]) -> list[tuple[str, str]]:
        columns = zip(CONVENTIONS, row, strict=True)
        return [(version, name) for version, name in columns if name and version in self.versions]

    @staticmethod
    def _provider(name: str, version: str) -> str:
        return OLD_PROVIDERS.get(name, name) if version == OLD else name


def names_of(conventions: str | Iterable[str] | None = None) -> Names:
    """The names to write.

    Args:
        conventions: one version or several; None asks ``OTEL_SEMCONV_STABILITY_OPT_IN``.

    Raises:
        ValueError: a version is not known.
    """
    if conventions is None:
        opted = {word.strip() for word in os.environ.get(VARIABLE, "").split(",")}
        conventions = NEW if LATEST in opted else OLD
    asked = (conventions,) if isinstance(conventions, str) else tuple(conventions)
    unknown = [version for version in asked if version not in CONVENTIONS]
    if unknown or not asked:
        raise ValueError(
            f"conventions are {', '.join(CONVENTIONS)}, one or several; got {conventions!r}"
        )
    return Names(asked)


def provider_name(seller: str) -> str:
    """What the conventions call a seller of the price map."""
    if seller.startswith(VERTEX):
        return "gcp.vertex_ai"
    return PROVIDERS.get(seller, seller)
