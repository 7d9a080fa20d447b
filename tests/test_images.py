"""Image tokens: the providers' own worked examples, every body form, and nothing that raises."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.images import image_tokens


def png(width: int, height: int) -> bytes:
    """The header of a PNG of that size, which is all that a size needs."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk


def jpeg(width: int, height: int, padding: int) -> bytes:
    """A JPEG whose size stands behind ``padding`` bytes of application segments."""
    segments = b""
    while padding > 0:
        size = min(padding, 60_000)
        segments += b"\xff\xe2" + struct.pack(">H", size + 2) + b"\x00" * size
        padding -= size
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x00" * 9
    return b"\xff\xd8" + segments + frame + b"\xff\xda" + b"\x00" * 64


def uri(data: bytes, kind: str = "png") -> str:
    """A data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def part(width: int, height: int, detail: str | None = None) -> dict[str, object]:
    """A chat part with an image of that size."""
    image = {"url": uri(png(width, height))} | ({"detail": detail} if detail else {})
    return {"type": "image_url", "image_url": image}


@pytest.mark.parametrize(
    ("model", "size", "detail", "tokens"),
    [
        ("gpt-4o", (1024, 1024), "high", 765),  # OpenAI's guide
        ("gpt-4o", (2048, 4096), "high", 1105),  # OpenAI's guide
        ("gpt-4o", (4096, 8192), "low", 85),  # OpenAI's guide
        ("openai/gpt-4.1", (128, 64), "high", 255),
        ("gpt-4o-mini-2024-07-18", (128, 64), "high", 8500),
        ("gpt-4o-mini", (128, 64), "low", 2833),
        ("gpt-5", (1024, 1024), None, 70 + 4 * 140),
        ("o3-2025-04-16", (128, 64), "high", 225),
        ("gpt-4.1-mini", (1024, 1024), None, 1659),  # 1,024 patches x 1.62
        ("gpt-4.1-mini", (1800, 2400), None, 2353),  # 1,452 patches in OpenAI's guide
        ("azure/gpt-5-nano", (32, 32), None, 3),
        ("gpt-5.4", (6400, 6400), "original", 12_000),
        ("gpt-5.6-sol", (3200, 3200), None, 12_000),
        ("gpt-5.6-sol", (3200, 3200), "low", 308),
        ("claude-sonnet-4-5", (1000, 1000), None, 1296),  # Anthropic's guide
        ("claude-sonnet-4-5", (200, 200), None, 64),  # Anthropic's guide
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", (3840, 2160), None, 1560),  # Anthropic
        ("claude-opus-4-20250514", (1075, 1520), None, 33 * 47),  # resized to 924 x 1307
        ("claude-opus-4-7", (3840, 2160), None, 4784),  # Anthropic's guide
        ("claude-opus-5", (1920, 1080), None, 2691),  # Anthropic's guide
        ("gemini-2.5-flash", (384, 384), None, 258),  # Google's guide
        ("gemini-2.5-flash", (960, 540), None, 6 * 258),  # Google's guide
        ("gemini/gemini-3.8-flash", (4000, 4000), None, 1120),
        ("gemini/gemini-3.8-flash", (4000, 4000), "low", 280),
        ("some-unheard-of-model", (1024, 1024), None, 765),
    ],
)
def test_published_examples(
    model: str, size: tuple[int, int], detail: str | None, tokens: int
) -> None:
    """Each family's formula gives the figures that its provider publishes."""
    assert image_tokens(part(*size, detail), model) == tokens


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("gpt-4o", 1445),
        ("gpt-4o-mini", 48_169),
        ("gpt-5-mini", 2489),
        ("claude-3-haiku", 1568),
        ("claude-opus-4-8", 4784),
        ("gemini-2.0-flash", 24 * 258),
        ("gemini-3-pro", 1120),
    ],
)
def test_what_is_not_inline_counts_as_the_maximum(model: str, most: int) -> None:
    """A remote, missing or damaged image counts as the most its provider ever charges."""
    for raw in (
        {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.invalid/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "image_url"},
        None,
        "text",
    ):
        assert image_tokens(raw, model) == most


def test_every_body_form_is_read() -> None:
    """The same image counts the same in each wire's form, with blanks or URL-safe letters in it."""
    data = png(1000, 1000)
    plain = base64.b64encode(data).decode()
    forms = [
        {"type": "image_url", "image_url": {"url": uri(data)}},
        {"type": "image_url", "image_url": uri(data)},
        {"type": "input_image", "image_url": uri(data), "detail": "high"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": plain},
        },
        {"image_url": {"url": f"data:image/png;base64,{plain[:20]}\n{plain[20:]}"}},
        {"image_url": {"url": f"DATA:image/png;base64,{plain.translate({43: 45, 47: 95})}"}},
        {"image_url": {"url": f"data:image/png;base64,{plain.replace('+', '%2B')}"}},
    ]
    assert {image_tokens(form, "claude-sonnet-4-5") for form in forms} == {1296}


@pytest.mark.parametrize("padding", [0, 10_000, 500_000])
def test_a_size_behind_long_segments_is_found(padding: int) -> None:
    """A JPEG's size is found whether it stands in the first bytes or behind half a megabyte."""
    raw = {"image_url": {"url": uri(jpeg(200, 200, padding), "jpeg")}}
    assert image_tokens(raw, "claude-sonnet-4-5") == 64


MODELS = st.sampled_from(
    [
        *("gpt-4o", "gpt-4o-mini", "gpt-5-mini", "gpt-5.4", "gpt-5.6"),
        *("claude-3-opus", "claude-opus-5", "gemini-2.5-pro", "gemini-3-flash"),
        *("mistral-large", ""),
    ]
)


@given(MODELS, st.integers(1, 20_000), st.integers(1, 20_000))
def test_never_above_the_maximum(model: str, width: int, height: int) -> None:
    """No size costs more than an unknown size, and turning an image does not change its cost."""
    tokens = image_tokens(part(width, height), model)
    assert 0 < tokens <= image_tokens(None, model)
    assert tokens == image_tokens(part(height, width), model)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    MODELS,
    JSON
    | st.builds(lambda x: {"image_url": x}, JSON)
    | st.builds(lambda x: {"image_url": {"url": x, "detail": x}}, JSON)
    | st.builds(lambda x: {"source": {"type": "base64", "data": x}}, JSON)
    | st.builds(lambda x: {"image_url": uri(x)}, st.binary(max_size=200))
    | st.builds(lambda x: {"image_url": f"data:image/png;base64,{x}"}, st.text()),
)
def test_odd_input_never_raises(model: str, raw: object) -> None:
    """Whatever stands in the place of an image, there is a positive count."""
    assert image_tokens(raw, model) > 0
