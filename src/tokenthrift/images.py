"""Tokens of an image part, by the formulas that providers publish.

Dimensions are read from the first bytes of inline data. Nothing is ever fetched: an image that is
not inline, or whose header cannot be read, counts as the provider's stated maximum (an upper
bound). Odd input never raises; it counts as unreadable.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Size: TypeAlias = tuple[int, int]
Rule: TypeAlias = "Callable[[Size | None, str], int]"
"""How one model family counts an image of a size (None: not known) at a level of detail."""

# Headers stand at the front of PNG, GIF, WebP and BMP; a JPEG may carry profiles and a thumbnail
# before its size. Characters of base64; the last resort is the whole data.
HEADER_CHARACTERS: Final = (4_096, 262_144)


def image_tokens(raw: Any, model: str) -> int:
    """Tokens of one image part for a model.

    Args:
        raw: the part as it stands in a body: OpenAI Chat (``image_url``), OpenAI Responses
            (``input_image``) or Anthropic (``image`` with a ``source``).
        model: a model name, with or without a provider prefix.
    """
    url, detail = _source(raw)
    return _rule(model)(_inline_size(url), detail)


# --------------------------------------------------------------------------------------- dimensions
def _source(raw: Any) -> tuple[str, str]:
    """The URL (or data URI) and the detail level of a part, empty where there is none."""
    if not isinstance(raw, Mapping):
        return "", ""
    source = raw.get("source")
    if isinstance(source, Mapping):
        data = source.get("data")
        if source.get("type") == "base64" and isinstance(data, str):
            return f"data:{source.get('media_type')};base64,{data}", ""
        return "", ""
    image = raw.get("image_url")
    inner = image if isinstance(image, Mapping) else {"url": image, "detail": raw.get("detail")}
    url, detail = inner.get("url"), inner.get("detail")
    return (url if isinstance(url, str) else ""), (detail if isinstance(detail, str) else "")


def _inline_size(url: str) -> Size | None:
    """Width and height of a data URI, or None."""
    if url[:5].lower() != "data:":
        return None
    header, comma, _ = url[:1_024].partition(",")
    if not comma:
        return None
    start = len(header) + 1
    for data in _prefixes(url, start, base64=header.lower().rstrip().endswith(";base64")):
        size = _read_size(data)
        if size is not None:
            return size
    return None


def _prefixes(url: str, start: int, *, base64: bool) -> Iterator[bytes]:
    """Longer and longer decoded prefixes of the data, the whole of it last."""
    for length in (*HEADER_CHARACTERS, len(url)):
        text = url[start : start + length]
        if not base64:
            yield unquote_to_bytes(text)
        else:
            text = unquote(text) if "%" in text else text
            text = "".join(text.split()).translate(_STANDARD_ALPHABET).rstrip("=")
            try:
                yield binascii.a2b_base64(text[: len(text) // 4 * 4])
            except (binascii.Error, ValueError):  # not base64 after all
                return
        if start + length >= len(url):
            return


_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")


def _read_size(data: bytes) -> Size | None:
    import imagesize  # it ships no types

    try:
        width, height = imagesize.get(BytesIO(data))
    except (ValueError, TypeError, IndexError, OverflowError, struct.error):
        return None  # older releases raise on damaged headers instead of returning -1
    return (int(width), int(height)) if width > 0 and height > 0 else None


# -------------------------------------------------------------------------------------------- rules
@dataclass(frozen=True, slots=True)
class Tiles:
    """OpenAI's tile models: a base, and a price for each 512 px tile.

    The image is fitted into 2048 x 2048, then its short side to 768; it is never enlarged.
    Source: OpenAI, Images and vision, "Calculating costs".
    """

    base: int
    tile: int

    def __call__(self, size: Size | None, detail: str, /) -> int:
        """Tokens of one image."""
        if detail == "low":
            return self.base
        width, height = size or (2_048, 768)
        fit = min(1.0, 2_048 / max(width, height))
        fit *= min(1.0, 768 / (min(width, height) * fit))
        return self.base + self.tile * _cover(int(width * fit), 512) * _cover(
            int(height * fit), 512
        )


@dataclass(frozen=True, slots=True)
class Patches:
    """OpenAI's patch models: 32 px patches up to a budget, times a factor in hundredths.

    ``original`` is the budget of ``detail: original``, which ``auto_is_original`` models also take
    when nothing is asked. ``low`` fits the image into 512 x 512 where the model heeds it.
    Source: OpenAI, Images and vision, "Calculating costs".
    """

    hundredths: int
    budget: int = 1_536
    edge: int = 0
    original: int = 0
    original_edge: int = 0
    auto_is_original: bool = False

    def __call__(self, size: Size | None, detail: str, /) -> int:
        """Tokens of one image."""
        budget, edge = self.budget, self.edge
        if self.original and detail == "low":
            budget, edge = 256, 512
        elif self.original and (
            detail == "original" or (self.auto_is_original and detail in ("", "auto"))
        ):
            budget, edge = self.original, self.original_edge
        patches = budget if size is None else _patches(size, budget, edge)
        return -(-patches * self.hundredths // 100)


def _patches(size: Size, budget: int, edge: int) -> int:
    """32 px patches that cover the image after it was scaled into the budget."""
    fit = min(1.0, edge / max(size)) if edge else 1.0
    width, height = size[0] * fit, size[1] * fit
    count = _cover(width, 32) * _cover(height, 32)
    if count <= budget:
        return count
    shrink = sqrt(budget * 32 * 32 / (width * height))
    columns, rows = width * shrink / 32, height * shrink / 32
    # Shrink a little more, so that one side is a whole number of patches.
    whole = min(max(1, floor(columns)) / columns, max(1, floor(rows)) / rows)
    return min(budget, _cover(columns * whole, 1) * _cover(rows * whole, 1))


def _cover(length: float, unit: int) -> int:
    return max(1, ceil(length / unit - 1e-6))


@dataclass(frozen=True, slots=True)
class VisualTokens:
    """Claude: one token for each 28 px patch after scaling into an edge and a token limit.

    Source: Anthropic, Images and vision, "Resolution and token cost"; it replaced the older
    approximation of width x height / 750.
    """

    max_edge: int
    max_tokens: int

    def __call__(self, size: Size | None, _detail: str, /) -> int:
        """Tokens of one image."""
        if size is None:
            return self.max_tokens
        long, short = max(size), min(size)
        low, high = 1, min(long, self.max_edge)
        while low < high:
            middle = (low + high + 1) // 2
            if self._fits(middle, round(short * middle / long)):
                low = middle
            else:
                high = middle - 1
        return _cover(low, 28) * _cover(round(short * low / long), 28)

    def _fits(self, long: int, short: int) -> bool:
        tokens = _cover(long, 28) * _cover(short, 28)
        return _cover(long, 28) * 28 <= self.max_edge and tokens <= self.max_tokens


@dataclass(frozen=True, slots=True)
class Crops:
    """Gemini up to 2.5: 258 tokens for a small image, else 258 for each crop.

    A crop is the short side / 1.5, between 256 and 768 px; larger images are scaled to 3072 px.
    Source: Google, Gemini API, "Image understanding"; Vertex AI, "Token counting".
    """

    def __call__(self, size: Size | None, _detail: str, /) -> int:
        """Tokens of one image."""
        width, height = size or (3_072, 384)  # the most crops: 12 x 2
        fit = min(1.0, 3_072 / max(width, height))
        width, height = max(1, int(width * fit)), max(1, int(height * fit))
        if max(width, height) <= 384:
            return 258
        unit = min(768, max(256, int(min(width, height) / 1.5)))
        return 258 * ceil(width / unit) * ceil(height / unit)


@dataclass(frozen=True, slots=True)
class MediaResolution:
    """Gemini 3 and later: a fixed allotment for each resolution, whatever the size.

    Source: Google, Gemini API, "Media resolution".
    """

    def __call__(self, _size: Size | None, detail: str, /) -> int:
        """Tokens of one image."""
        return {"low": 280, "medium": 560, "ultra_high": 2_240}.get(detail, 1_120)


CLAUDE_STANDARD: Final = VisualTokens(max_edge=1_568, max_tokens=1_568)
CLAUDE_HIGH: Final = VisualTokens(max_edge=2_576, max_tokens=4_784)
CLAUDE_HIGH_SINCE: Final = (4, 7)
CLAUDE_VERSION: Final = re.compile(
    r"claude-(?:[a-z]+-)?(?:v)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)", re.IGNORECASE
)
GEMINI_VERSION: Final = re.compile(r"gemini-(\d+)", re.IGNORECASE)

# First match wins. The multipliers of gpt-5.2 to gpt-5.5 and the choice of ``high`` for their
# ``auto`` are from secondary sources; the rest is in the guide named above.
OPENAI: Final[tuple[tuple[str, Rule], ...]] = (
    (r"gpt-4o-mini", Tiles(2_833, 5_667)),
    (r"gpt-4\.1-mini|gpt-5-mini|gpt-5(\.1)?-codex-mini|gpt-5\.4-mini", Patches(162)),
    (r"gpt-4\.1-nano|gpt-5-nano|gpt-5\.4-nano", Patches(246)),
    (r"o4-mini", Patches(172)),
    (r"gpt-5\.[23]", Patches(120)),
    (r"gpt-5\.[45]", Patches(120, 2_500, 2_048, 10_000, 6_000)),
    (r"gpt-5\.([6-9]|\d\d)|gpt-[6-9]", Patches(120, 2_500, 2_048, 30_000, 65_535, True)),
    (r"gpt-5", Tiles(70, 140)),
    (r"o[13](-|$)", Tiles(75, 150)),
    (r"computer-use-preview", Tiles(65, 129)),
)
# gpt-4o, gpt-4.1, gpt-4.5, gpt-4-turbo; also the assumption for families without a published
# formula, most of which speak OpenAI's dialect.
DEFAULT_RULE: Final = Tiles(85, 170)
_OPENAI_RULES: Final = tuple((re.compile(rf"(?:^|[/.:]){p}"), rule) for p, rule in OPENAI)


def _rule(model: str) -> Rule:
    name = model.lower()
    if "claude" in name:
        found = CLAUDE_VERSION.search(name)
        if found is None:
            return CLAUDE_STANDARD if "claude-instant" in name else CLAUDE_HIGH
        version = (int(found[1]), int(found[2] or 0))
        return CLAUDE_HIGH if version >= CLAUDE_HIGH_SINCE else CLAUDE_STANDARD
    if "gemini" in name:
        generation = GEMINI_VERSION.search(name)
        return Crops() if generation is not None and int(generation[1]) < 3 else MediaResolution()
    for pattern, rule in _OPENAI_RULES:
        if pattern.search(name):
            return rule
    return DEFAULT_RULE
