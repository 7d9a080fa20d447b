"""Token counts of text: exact for OpenAI encodings, a stated estimate for other families.

Counts of strings are cached by content.
Estimates are never adjusted behind a plan's back: plans must be the same on every replica. What a
provider reports corrects the *accounting* instead (`Correction`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tiktoken.model import encoding_name_for_model

from tokenthrift.encodings import IdArray, digest_of, encoding, token_ids
from tokenthrift.images import image_tokens
from tokenthrift.opaque import as_json, opaque_tokens, unmarked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Message, Request, TokenCounter

__all__ = [
    "MESSAGE_TOKENS",
    "REPLY_TOKENS",
    "Correction",
    "IdArray",
    "TiktokenCounter",
    "count_request",
    "counter_for",
    "encoding",
    "message_framing",
    "request_framing",
    "token_ids",
    "tool_prompt_tokens",
]

# Chat framing: 3 tokens around a message, 1 for its role, 1 more with a name, 3 to prime the reply.
# Source: OpenAI cookbook, "How to count tokens with tiktoken".
MESSAGE_TOKENS: Final = 4
REPLY_TOKENS: Final = 3
# What a wire's provider puts before the schemas where there are any.
# Source: Anthropic, "Tool use", pricing: 346 tokens for Claude 4 models with tool choice `auto`.
TOOL_PROMPT_TOKENS: Final = {"anthropic-messages": 346}

# Other families, relative to o200k_base on the same text: (prefixes, factor, relative error bound).
# Claude's factor and bound were measured against the published Claude 2 tokenizer by
# benchmarks/token_estimates.py; the others are stated assumptions with a wide bound.
FAMILIES: Final[tuple[tuple[tuple[str, ...], float, float], ...]] = (
    (("claude", "anthropic"), 1.15, 0.30),
    (("gemini", "gemma", "vertex_ai/gemini"), 1.05, 0.25),
    (("llama", "meta"), 1.05, 0.25),
    (("mistral", "mixtral", "codestral", "ministral", "magistral"), 1.20, 0.30),
    (("qwen", "deepseek", "grok", "kimi", "glm"), 1.05, 0.25),
)
UNKNOWN_FAMILY: Final = (1.15, 0.35)

CACHE_ENTRIES: Final = 65_536
SHORT_TEXT: Final = 200  # characters; shorter strings are their own cache key


class TiktokenCounter:
    """Counts text with one tiktoken encoding times a factor; remembers strings by content.

    Attributes:
        name: of the encoding, with the factor where it is an estimate.
        exact: True when the model family uses this very encoding.
        error: stated relative error bound of an estimate, 0.0 when exact.
    """

    def __init__(self, encoding_name: str, factor: float = 1.0, error: float = 0.0) -> None:
        self.encoding_name = encoding_name
        self.factor = factor
        self.error = error
        self.exact = error == 0.0
        self.name = encoding_name if self.exact else f"{encoding_name}*{factor:g}"
        self._known: OrderedDict[str | bytes, int] = OrderedDict()

    def __call__(self, text: str, /) -> int:
        """Tokens of ``text``; special-token strings in it count as plain text."""
        if not text:
            return 0
        digest = digest_of(text) if len(text) > SHORT_TEXT else None
        key = digest or text
        found = self._known.get(key)
        if found is not None:
            return found
        n = len(
            token_ids(self.encoding_name)(text, digest)
            if digest
            else encoding(self.encoding_name).encode_ordinary(text)
        )
        return self._remember(key, n)

    def apart(self, text: str, ends: Sequence[int], /) -> list[int]:
        """Tokens of each piece of a text that is cut at ``ends``, counted by itself.

        Where the encoding allows, the whole is encoded once, for its own count as well.
        """
        if len(ends) == 1:
            return [self(text[: ends[0]])]
        pieces = [text[a:b] for a, b in pairwise([0, *ends])]
        if not pieces or self._is_known(pieces[0]):
            return [self(piece) for piece in pieces]
        counts = token_ids(self.encoding_name).apart(text, ends)
        if counts is None:
            return [self(piece) for piece in pieces]
        self._remember(_key(text), sum(counts))
        return [self._remember(_key(p), n) for p, n in zip(pieces, counts, strict=True)]

    def edited(self, text: str, before: str, /) -> int:
        """Tokens of ``text``, which keeps lines of one that was counted before; as if counted."""
        key = _key(text)
        found = self._known.get(key)
        if found is not None:
            return found
        return self._remember(key, token_ids(self.encoding_name).edited(text, before))

    def kept(self, text: str, before: str, runs: Sequence[tuple[int, int, int]], /) -> int:
        """The same where it is known which runs of characters were kept.

        Args:
            text: any.
            before: a text that was counted before.
            runs: ``(at, start, end)``: ``before[start:end]`` stands in the text from ``at`` on.
        """
        key = _key(text)
        found = self._known.get(key)
        if found is not None:
            return found
        return self._remember(key, token_ids(self.encoding_name).kept(text, before, runs))

    def _is_known(self, text: str) -> bool:
        return _key(text) in self._known

    def _remember(self, key: str | bytes, tokens: int) -> int:
        """The count of a text of so many tokens of the encoding, kept for the next time."""
        n = tokens if self.exact else ceil(tokens * self.factor)
        if len(self._known) >= CACHE_ENTRIES:
            self._forget()
        self._known[key] = n
        return n

    def pieces(self, text: str, ends: Sequence[int], /) -> list[int]:
        """Tokens of a text cut at ``ends``, from one encoding of the whole.

        A token that runs over a border belongs to the piece it begins in, so a piece alone may
        count a token more or less; what is sent is counted by itself.
        """
        counts = token_ids(self.encoding_name).counts(text, ends)
        if not self.exact:
            sums = np.ceil(np.cumsum(counts) * self.factor).astype(np.int64)
            counts = np.diff(sums, prepend=0)
        found: list[int] = counts.tolist()
        return found

    def _forget(self) -> None:
        """Drop the oldest quarter; a racing thread may have dropped some already."""
        for key in list(self._known)[: CACHE_ENTRIES // 4]:
            self._known.pop(key, None)


def _key(text: str) -> str | bytes:
    """What the count of a text is remembered by."""
    return digest_of(text) if len(text) > SHORT_TEXT else text


@lru_cache(maxsize=512)
def counter_for(model: str) -> TiktokenCounter:
    """The counter of a model's family.

    Args:
        model: a model name, with or without a provider prefix (``openai/gpt-4o``).
    """
    bare = model.rsplit("/", 1)[-1].lower()
    try:
        return _shared(encoding_name_for_model(bare), 1.0, 0.0)
    except KeyError:
        pass
    for prefixes, factor, error in FAMILIES:
        if any(p in bare for p in prefixes) or model.lower().startswith(prefixes):
            return _shared("o200k_base", factor, error)
    return _shared("o200k_base", *UNKNOWN_FAMILY)


@lru_cache(maxsize=64)
def _shared(encoding_name: str, factor: float, error: float) -> TiktokenCounter:
    return TiktokenCounter(encoding_name, factor, error)


def message_framing(message: Message, count: TokenCounter, model: str) -> int:
    """Tokens of a message beside its rewritable text: framing, tool calls, media, opaque items.

    Tool calls are counted as the JSON they are sent as, which bounds what providers render from
    them.
    """
    total = MESSAGE_TOKENS
    if message.framing_text:
        total += count(message.framing_text) + 1
    calls = [unmarked(p.raw) for p in message.parts if p.type == "tool_call"]
    if calls:
        total += count(as_json(calls))
    for part in message.parts:
        if part.text is None:
            total += _media_tokens(part.type, part.raw, count, model)
    return total


def request_framing(request: Request, count: TokenCounter) -> int:
    """Tokens of a request beside its messages: tool schemas and the primed reply."""
    schemas = sum(count(t) for t in request.tools_text)
    return REPLY_TOKENS + tool_prompt_tokens(request) + schemas


def tool_prompt_tokens(request: Request) -> int:
    """Tokens of what the provider says of tools on its own account, where there are any."""
    return TOOL_PROMPT_TOKENS.get(request.wire, 0) if request.tools_text else 0


def count_request(request: Request, count: TokenCounter) -> int:
    """Tokens of a whole request as its model would be billed for it."""
    total = request_framing(request, count)
    for message in request.messages:
        total += message_framing(message, count, request.model)
        for part in message.parts:
            if part.text is not None and part.type != "tool_call":
                total += count(part.text)
    return total


def _media_tokens(kind: str, raw: Any, count: TokenCounter, model: str) -> int:
    if kind == "image":
        return image_tokens(raw, model)
    if kind == "audio":
        # 10 tokens a second of 16-bit mono 24 kHz audio; base64 is 4/3 of the bytes.
        data = raw.get("input_audio", raw) if isinstance(raw, dict) else {}
        encoded = data.get("data") if isinstance(data, dict) else ""
        size = len(encoded) if isinstance(encoded, str) else 0
        return max(1, size * 3 // 4 // 4_800)
    return opaque_tokens(raw, count)


@dataclass(frozen=True, slots=True)
class Correction:
    """How far counts of a model were off, learnt from the usage that its provider reported.

    Sums, so that corrections merge and the ratio weighs large calls more.
    """

    counted_tokens: int = 0
    reported_tokens: int = 0
    calls: int = 0

    def seen(self, counted: int, reported: int) -> Correction:
        """The correction after one more call with reported usage."""
        return Correction(
            self.counted_tokens + counted, self.reported_tokens + reported, self.calls + 1
        )

    @property
    def ratio(self) -> float:
        """Reported over counted tokens; 1.0 before anything was reported."""
        return self.reported_tokens / self.counted_tokens if self.counted_tokens else 1.0

    def apply(self, counted: int) -> int:
        """A count as the provider would report it."""
        return round(counted * self.ratio)
