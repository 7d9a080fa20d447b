"""Token counts of text: exact for OpenAI encodings, a stated estimate for other families.

Ranks are found offline in litellm's wheel (without importing it), else in tiktoken's own cache;
only where neither has them does tiktoken download. Counts of strings are cached by content.
Estimates are never adjusted behind a plan's back: plans must be the same on every replica. What a
provider reports corrects the *accounting* instead (`Correction`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import tiktoken
from tiktoken.model import encoding_name_for_model

from tokenthrift.images import image_tokens
from tokenthrift.opaque import as_json, opaque_tokens, unmarked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenthrift.types import Message, Request, TokenCounter

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
IDS_HELD: Final = 4_000_000  # ids of the last texts that are remembered, 16 MB
SHORT_TEXT: Final = 200  # characters; shorter strings are their own cache key

# A text is cut inside a run of one sort of characters that is two to three times as long.
RUN_CHARACTERS: Final = 4_096
_RUN = re.compile(
    rf"(?:[^\W\d]{{{RUN_CHARACTERS}}}|\s{{{RUN_CHARACTERS}}}|[^\w\s]{{{RUN_CHARACTERS}}})"
)

# Encodings that split a text behind a line break where anything but white space or a slash follows,
# whatever else stands on either side: tokens of the two sides add up.
BEGIN_ANEW: Final = frozenset({"cl100k_base", "o200k_base"})
_ANEW = re.compile(r"(?<=\n)(?=[^\s/])")

IdArray = npt.NDArray[np.uint32]

_environment_lock = threading.Lock()


def _bundled_ranks() -> str | None:
    """Folder of litellm's wheel that holds tiktoken ranks; litellm itself is not imported."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    for below in ("litellm_core_utils/tokenizers", "llms/tokenizers"):
        if (root / below).is_dir():
            return str(root / below)
    return None


@contextmanager
def _ranks_offline() -> Iterator[None]:
    """Point tiktoken at the bundled ranks while it loads, unless the user points it elsewhere."""
    folder = None if "TIKTOKEN_CACHE_DIR" in os.environ else _bundled_ranks()
    if folder is None:
        yield
        return
    with _environment_lock:
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("TIKTOKEN_CACHE_DIR", None)


@lru_cache(maxsize=8)
def encoding(name: str) -> tiktoken.Encoding:
    """A tiktoken encoding by name, loaded once, offline where its ranks are bundled."""
    with _ranks_offline():
        return tiktoken.get_encoding(name)


class TokenIds:
    """Texts as token ids of one tiktoken encoding; remembers the last ones by content.

    What is counted is also cut into units and embedded, so a text is encoded once for all three.

    Attributes:
        name: of the encoding.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: OrderedDict[bytes, IdArray] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __call__(self, text: str, key: bytes | None = None) -> IdArray:
        """(tokens,) uint32; special-token strings count as plain text.

        Args:
            text: any.
            key: its digest where that is known.
        """
        key = key or _digest(text)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        ids = _encoded(self.name, text)
        with self._lock:
            if key not in self._known:
                self._known[key] = ids
                self._held += len(ids)
            while self._held > IDS_HELD and self._known:
                self._held -= len(self._known.popitem(last=False)[1])
        return ids

    def counts(self, text: str, ends: Sequence[int]) -> npt.NDArray[np.int64]:
        """(pieces,) tokens of a text cut at ``ends``; a token belongs where it begins.

        Args:
            text: the whole text.
            ends: rising indices of characters; what lies behind the last one is not counted.
        """
        return self.cut(text, ends)[1]

    def edited(self, text: str, before: str) -> int:
        """Tokens of a text that has lines of another one, which was encoded before; exact.

        Only what is new is encoded. Where no line begins anew, that is all of it.
        """
        lines = _ANEW.split(text) if self.name in BEGIN_ANEW else []
        if len(lines) < 2 or not (_is_regular(text) and _is_regular(before)):
            return len(self(text))
        there = _ANEW.split(before)
        counts = self.counts(before, [*accumulate(map(len, there))]).tolist()
        known = dict(zip(there, counts, strict=True))
        encode = encoding(self.name).encode_ordinary
        total, fresh = 0, ""
        for line in lines:
            if line not in known:
                fresh += line
                continue
            total += known[line]
            if fresh:
                total, fresh = total + len(encode(fresh)), ""
        return total + len(encode(fresh))

    def cut(self, text: str, ends: Sequence[int]) -> tuple[IdArray, npt.NDArray[np.int64]]:
        """Ids of a text, and how many of them each piece has that ends at one of ``ends``."""
        ids = self(text)
        lengths = _byte_lengths(self.name)[ids]
        starts = lengths.cumsum()
        starts -= lengths
        borders = starts.searchsorted(_byte_offsets(text, ends))
        counts = borders.astype(np.int64)
        counts[1:] -= borders[:-1]
        return ids, counts


def _encoded(name: str, text: str) -> IdArray:
    encode = encoding(name).encode_to_numpy
    cuts = _cuts(text)
    stretches = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])] if cuts else [text]
    try:
        ids = [encode(s, disallowed_special=()) for s in stretches]
    except UnicodeEncodeError:  # halves of surrogate pairs are counted as replacement characters
        plain = (s.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for s in stretches)
        ids = [encode(s, disallowed_special=()) for s in plain]
    return np.concatenate(ids) if cuts else ids[0]


def _is_regular(text: str) -> bool:
    """Whether a text is encoded from end to end as it stands."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return not _cuts(text)


def _cuts(text: str) -> list[int]:
    """Where endless runs of letters, white space or signs are cut before they are encoded.

    A run is one word to an encoding: its time grows faster than the run, and a million blanks
    raise an error. Blocks at fixed places tell; few texts have one. What is cut counts a token more
    or less at each cut.
    """
    runs = [
        n
        for n in range(0, len(text) - RUN_CHARACTERS + 1, RUN_CHARACTERS)
        if _RUN.match(text, n, n + RUN_CHARACTERS)
    ]
    return [b for a, b in pairwise(runs) if b - a == RUN_CHARACTERS]


@lru_cache(maxsize=8)
def _byte_lengths(name: str) -> npt.NDArray[np.int64]:
    """(ids,) length of each token in bytes; 1 for ids that stand for nothing."""
    found = encoding(name)
    lengths = np.ones(found.n_vocab, np.int64)
    for token in range(found.n_vocab):
        with suppress(KeyError):
            lengths[token] = len(found.decode_single_token_bytes(token))
    return lengths


def _byte_offsets(text: str, ends: Sequence[int]) -> npt.NDArray[np.int64]:
    """Places of characters in the text's UTF-8 bytes; each half of a surrogate pair takes three."""
    at = np.asarray(ends, np.int64)
    if text.isascii():
        return at
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x1_0000)
    return np.asarray(np.append(0, np.cumsum(sizes))[at])


@lru_cache(maxsize=8)
def token_ids(name: str) -> TokenIds:
    """Token ids of one encoding, shared by all who need them."""
    return TokenIds(name)


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
        digest = _digest(text) if len(text) > SHORT_TEXT else None
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

    def edited(self, text: str, before: str, /) -> int:
        """Tokens of ``text``, which keeps lines of one that was counted before; as if counted."""
        key = _digest(text) if len(text) > SHORT_TEXT else text
        found = self._known.get(key)
        if found is not None:
            return found
        return self._remember(key, token_ids(self.encoding_name).edited(text, before))

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


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


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
