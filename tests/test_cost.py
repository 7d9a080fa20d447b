"""What a call costs, to the nano-dollar: recorded shapes of usage by each provider's own formula.

The formulas are written out by hand, tokens times dollars per million, from the providers' price
pages; the cards hold the same prices. So the table depends on no price map.
"""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.catalog import ModelCard, cost
from tokenthrift.types import Usage
from tokenthrift.wire.usages import usage_of_report


def card(name: str, given: Any, made: Any, read: Any = None, write: Any = None, **more: Any) -> Any:
    """A card with prices in dollars per million tokens."""
    prices = {"input_usd_per_mtok": given, "output_usd_per_mtok": made, **more}
    prices |= {"cache_read_usd_per_mtok": read, "cache_write_usd_per_mtok": write}
    return ModelCard.model_validate({"name": name, "prices": prices})


def rates(given: Any, made: Any, read: Any = None, write: Any = None, **more: Any) -> Any:
    """Prices of a tier or a service."""
    return card("x", given, made, read, write, **more).prices.model_dump(
        exclude={"tiers", "services"}, exclude_none=True
    )


def above(tokens: int, *prices: Any, **more: Any) -> Any:
    """A tier."""
    return {"above_input_tokens": tokens, **rates(*prices, **more)}


GPT_4O = card(
    "gpt-4o",
    "2.5",
    "10",
    "1.25",
    services={"batch": rates("1.25", "5"), "priority": rates("4.25", "17", "2.125")},
)
GPT_5_4 = card(
    "gpt-5.4",
    "2.5",
    "15",
    "0.25",
    tiers=[above(272_000, "5", "22.5", "0.5")],
    services={
        "batch": {
            **rates("1.25", "7.5", "0.13"),
            "tiers": [above(272_000, "2.5", "11.25", "0.25")],
        },
        "flex": rates("1.25", "7.5", "0.13"),
        "priority": rates("5", "30", "0.5"),
    },
)
GPT_5_6 = card("gpt-5.6", "4", "20", "0.4", "5")
GPT_AUDIO = card(
    "gpt-audio", "2.5", "10", input_audio_usd_per_mtok="32", output_audio_usd_per_mtok="64"
)
SONNET = card(
    "claude-sonnet-4-5",
    "3",
    "15",
    "0.3",
    "3.75",
    cache_write_1h_usd_per_mtok="6",
    tiers=[above(200_000, "6", "22.5", "0.6", "7.5", cache_write_1h_usd_per_mtok="12")],
    services={"batch": {**rates("1.5", "7.5", "0.15", "1.875"), "tiers": []}},
)
HAIKU = card("claude-3-haiku", "0.25", "1.25", "0.03", "0.3")
GEMINI_PRO = card(
    "gemini-2.5-pro",
    "1.25",
    "10",
    "0.125",
    tiers=[above(200_000, "2.5", "15", "0.25")],
    services={"batch": rates("0.625", "5")},
)
GEMINI_FLASH = card(
    "gemini-2.5-flash",
    "0.3",
    "2.5",
    "0.03",
    input_audio_usd_per_mtok="1",
    cache_read_audio_usd_per_mtok="0.1",
    output_image_usd_per_mtok="30",
    services={"priority": rates("0.54", "4.5", "0.054", input_audio_usd_per_mtok="1.8")},
)
DEEPSEEK = card("deepseek-chat", "0.28", "0.42", "0.028")
MISTRAL = card("mistral-large", "0.5", "1.5", "0.05")
GROK = card("grok-4", "2", "6", "0.2", tiers=[above(127_999, "4", "12", "0.4")])
NOVA = card("nova-lite", "0.06", "0.24", "0.015", "0.06")
QWEN = card("qwen-plus", "0.4", "1.2", reasoning_usd_per_mtok="4")

# Name, card, the usage object as it comes, what the answer says of its service, the formula.
CASES: list[tuple[str, ModelCard, dict[str, Any], str | None, list[tuple[int, str]] | None]] = [
    # ------------------------------------------------------------------------ OpenAI chat
    (
        "chat plain",
        GPT_4O,
        {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        None,
        [(19, "2.5"), (10, "10")],
    ),
    (
        "chat cached",
        GPT_4O,
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "default",
        [(86, "2.5"), (1920, "1.25"), (300, "10")],
    ),
    (
        "chat all cached",
        GPT_4O,
        {
            "prompt_tokens": 1024,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        None,
        [(1024, "1.25"), (1, "10")],
    ),
    (
        "chat reasoning is output",
        GPT_5_4,
        {
            "prompt_tokens": 1117,
            "completion_tokens": 946,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 896},
        },
        None,
        [(1117, "2.5"), (946, "15")],
    ),
    (
        "chat null details",
        GPT_4O,
        {
            "prompt_tokens": 7,
            "completion_tokens": 2,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        },
        None,
        [(7, "2.5"), (2, "10")],
    ),
    (
        "chat no answer",
        GPT_4O,
        {"prompt_tokens": 500, "completion_tokens": 0},
        None,
        [(500, "2.5")],
    ),
    (
        "chat cache writes are charged",
        GPT_5_6,
        {
            "prompt_tokens": 5000,
            "completion_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 2048, "cache_write_tokens": 2048},
        },
        None,
        [(904, "4"), (2048, "0.4"), (2048, "5"), (100, "20")],
    ),
    (
        "chat long context",
        GPT_5_4,
        {
            "prompt_tokens": 300_000,
            "completion_tokens": 1000,
            "prompt_tokens_details": {"cached_tokens": 100_096},
        },
        None,
        [(199_904, "5"), (100_096, "0.5"), (1000, "22.5")],
    ),
    (
        "chat at the threshold",
        GPT_5_4,
        {"prompt_tokens": 272_000, "completion_tokens": 10},
        None,
        [(272_000, "2.5"), (10, "15")],
    ),
    (
        "chat one above the threshold",
        GPT_5_4,
        {"prompt_tokens": 272_001, "completion_tokens": 10},
        None,
        [(272_001, "5"), (10, "22.5")],
    ),
    # ------------------------------------------------------------------------ services
    (
        "chat batch",
        GPT_4O,
        {"prompt_tokens": 1001, "completion_tokens": 77},
        "batch",
        [(1001, "1.25"), (77, "5")],
    ),
    (
        "chat batch, cached price not known",
        GPT_4O,
        {
            "prompt_tokens": 1025,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        "batch",
        None,
    ),
    (
        "chat priority",
        GPT_4O,
        {
            "prompt_tokens": 2000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        "priority",
        [(976, "4.25"), (1024, "2.125"), (50, "17")],
    ),
    (
        "chat flex",
        GPT_5_4,
        {
            "prompt_tokens": 2000,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        "flex",
        [(976, "1.25"), (1024, "0.13"), (50, "7.5")],
    ),
    (
        "chat flex not sold",
        GPT_4O,
        {"prompt_tokens": 10, "completion_tokens": 5},
        "flex",
        None,
    ),
    (
        "chat scale tier is the usual price",
        GPT_4O,
        {"prompt_tokens": 10, "completion_tokens": 5},
        "scale",
        [(10, "2.5"), (5, "10")],
    ),
    (
        "batch long context",
        GPT_5_4,
        {
            "prompt_tokens": 300_000,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 1280},
        },
        "batch",
        [(298_720, "2.5"), (1280, "0.25"), (9, "11.25")],
    ),
    (
        "priority long context not sold",
        GPT_5_4,
        {"prompt_tokens": 300_000, "completion_tokens": 9},
        "priority",
        None,
    ),
    # ------------------------------------------------------------------------ audio
    (
        "audio in and out",
        GPT_AUDIO,
        {
            "prompt_tokens": 263,
            "completion_tokens": 420,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 250, "text_tokens": 13},
            "completion_tokens_details": {"audio_tokens": 330, "text_tokens": 90},
        },
        None,
        [(13, "2.5"), (250, "32"), (90, "10"), (330, "64")],
    ),
    (
        "audio on a model without its price is text",
        GPT_4O,
        {
            "prompt_tokens": 30,
            "completion_tokens": 5,
            "prompt_tokens_details": {"audio_tokens": 20},
        },
        None,
        [(30, "2.5"), (5, "10")],
    ),
    # ------------------------------------------------------------------------ OpenAI Responses
    (
        "responses plain",
        GPT_4O,
        {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 123,
        },
        "default",
        [(36, "2.5"), (87, "10")],
    ),
    (
        "responses cached, reasoning",
        GPT_5_4,
        {
            "input_tokens": 81_342,
            "input_tokens_details": {"cached_tokens": 80_896},
            "output_tokens": 1035,
            "output_tokens_details": {"reasoning_tokens": 832},
            "total_tokens": 82_377,
        },
        None,
        [(446, "2.5"), (80_896, "0.25"), (1035, "15")],
    ),
    (
        "responses cache writes",
        GPT_5_6,
        {
            "input_tokens": 3000,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2944},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 3010,
        },
        None,
        [(56, "4"), (2944, "5"), (10, "20")],
    ),
    (
        "responses flex",
        GPT_5_4,
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 105,
        },
        "flex",
        [(100, "1.25"), (5, "7.5")],
    ),
    # ------------------------------------------------------------------------ Anthropic
    (
        "messages plain",
        SONNET,
        {"input_tokens": 2095, "output_tokens": 503},
        None,
        [(2095, "3"), (503, "15")],
    ),
    (
        "messages write for 5 minutes",
        SONNET,
        {
            "input_tokens": 21,
            "cache_creation_input_tokens": 188_086,
            "cache_read_input_tokens": 0,
            "output_tokens": 393,
        },
        None,
        [(21, "3"), (188_086, "3.75"), (393, "15")],
    ),
    (
        "messages read",
        SONNET,
        {
            "input_tokens": 21,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 188_086,
            "output_tokens": 393,
            "service_tier": "standard",
        },
        None,
        [(21, "3"), (188_086, "0.3"), (393, "15")],
    ),
    (
        "messages both lifetimes",
        SONNET,
        {
            "input_tokens": 2048,
            "cache_read_input_tokens": 1800,
            "cache_creation_input_tokens": 248,
            "output_tokens": 503,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 148,
                "ephemeral_1h_input_tokens": 100,
            },
        },
        None,
        [(2048, "3"), (1800, "0.3"), (148, "3.75"), (100, "6"), (503, "15")],
    ),
    (
        "messages write for an hour",
        SONNET,
        {
            "input_tokens": 4,
            "cache_creation_input_tokens": 5000,
            "cache_read_input_tokens": 0,
            "output_tokens": 20,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0,
                "ephemeral_1h_input_tokens": 5000,
            },
        },
        None,
        [(4, "3"), (5000, "6"), (20, "15")],
    ),
    (
        "messages write for an hour, price not known",
        HAIKU,
        {
            "input_tokens": 4,
            "cache_creation_input_tokens": 5000,
            "output_tokens": 20,
            "cache_creation": {"ephemeral_1h_input_tokens": 5000},
        },
        None,
        None,
    ),
    (
        "messages thinking is output",
        SONNET,
        {
            "input_tokens": 60,
            "output_tokens": 900,
            "output_tokens_details": {"thinking_tokens": 700},
        },
        None,
        [(60, "3"), (900, "15")],
    ),
    (
        "messages long context, cached counts towards it",
        SONNET,
        {
            "input_tokens": 1_001,
            "cache_read_input_tokens": 199_000,
            "cache_creation_input_tokens": 500,
            "output_tokens": 10,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 300,
                "ephemeral_1h_input_tokens": 200,
            },
        },
        None,
        [(1_001, "6"), (199_000, "0.6"), (300, "7.5"), (200, "12"), (10, "22.5")],
    ),
    (
        "messages batch",
        SONNET,
        {
            "input_tokens": 500,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 200,
            "output_tokens": 40,
            "service_tier": "batch",
        },
        None,
        [(500, "1.5"), (1000, "0.15"), (200, "1.875"), (40, "7.5")],
    ),
    (
        "messages batch, hour price not known",
        SONNET,
        {
            "input_tokens": 500,
            "cache_creation_input_tokens": 200,
            "output_tokens": 40,
            "cache_creation": {"ephemeral_1h_input_tokens": 200},
            "service_tier": "batch",
        },
        None,
        None,
    ),
    (
        "messages with server tools",
        SONNET,
        {
            "input_tokens": 105,
            "output_tokens": 6039,
            "cache_read_input_tokens": 7123,
            "cache_creation_input_tokens": 7345,
            "server_tool_use": {"web_search_requests": 1},
        },
        None,
        [(105, "3"), (7123, "0.3"), (7345, "3.75"), (6039, "15")],
    ),
    (
        "messages through litellm",
        SONNET,
        {
            "prompt_tokens": 4096,
            "completion_tokens": 503,
            "total_tokens": 4599,
            "prompt_tokens_details": {
                "cached_tokens": 1800,
                "cache_creation_tokens": 248,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": 148,
                    "ephemeral_1h_input_tokens": 100,
                },
            },
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 1800,
        },
        None,
        [(2048, "3"), (1800, "0.3"), (148, "3.75"), (100, "6"), (503, "15")],
    ),
    # ------------------------------------------------------------------------ Bedrock Converse
    (
        "converse plain",
        NOVA,
        {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658},
        None,
        [(30, "0.06"), (628, "0.24")],
    ),
    (
        "converse cached",
        NOVA,
        {
            "inputTokens": 30,
            "outputTokens": 628,
            "totalTokens": 4758,
            "cacheReadInputTokens": 4000,
            "cacheWriteInputTokens": 100,
        },
        None,
        [(30, "0.06"), (4000, "0.015"), (100, "0.06"), (628, "0.24")],
    ),
    (
        "converse write for an hour",
        SONNET,
        {
            "inputTokens": 3,
            "outputTokens": 8,
            "cacheReadInputTokens": 0,
            "cacheWriteInputTokens": 1500,
            "cacheDetails": [
                {"ttl": "1h", "inputTokens": 1200},
                {"ttl": "5m", "inputTokens": 300},
            ],
        },
        None,
        [(3, "3"), (1200, "6"), (300, "3.75"), (8, "15")],
    ),
    # ------------------------------------------------------------------------ Gemini
    (
        "gemini plain",
        GEMINI_PRO,
        {
            "promptTokenCount": 8,
            "candidatesTokenCount": 11,
            "totalTokenCount": 19,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}],
        },
        None,
        [(8, "1.25"), (11, "10")],
    ),
    (
        "gemini thoughts beside the answer",
        GEMINI_PRO,
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 50,
            "thoughtsTokenCount": 750,
            "totalTokenCount": 900,
        },
        None,
        [(100, "1.25"), (800, "10")],
    ),
    (
        "gemini only thoughts",
        GEMINI_PRO,
        {"promptTokenCount": 100, "thoughtsTokenCount": 64, "totalTokenCount": 164},
        None,
        [(100, "1.25"), (64, "10")],
    ),
    (
        "gemini cached",
        GEMINI_PRO,
        {
            "promptTokenCount": 43_000,
            "cachedContentTokenCount": 40_960,
            "candidatesTokenCount": 120,
            "totalTokenCount": 43_120,
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 40_960}],
        },
        None,
        [(2_040, "1.25"), (40_960, "0.125"), (120, "10")],
    ),
    (
        "gemini long context",
        GEMINI_PRO,
        {
            "promptTokenCount": 250_000,
            "cachedContentTokenCount": 200_000,
            "candidatesTokenCount": 5,
            "totalTokenCount": 250_005,
        },
        None,
        [(50_000, "2.5"), (200_000, "0.25"), (5, "15")],
    ),
    (
        "gemini results of tools are input",
        GEMINI_PRO,
        {
            "promptTokenCount": 70,
            "toolUsePromptTokenCount": 300,
            "candidatesTokenCount": 20,
            "totalTokenCount": 390,
        },
        None,
        [(370, "1.25"), (20, "10")],
    ),
    (
        "gemini sound",
        GEMINI_FLASH,
        {
            "promptTokenCount": 1_010,
            "candidatesTokenCount": 20,
            "totalTokenCount": 1_030,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 10},
                {"modality": "AUDIO", "tokenCount": 1_000},
            ],
        },
        None,
        [(10, "0.3"), (1_000, "1"), (20, "2.5")],
    ),
    (
        "gemini cached sound",
        GEMINI_FLASH,
        {
            "promptTokenCount": 3_000,
            "cachedContentTokenCount": 2_000,
            "candidatesTokenCount": 20,
            "totalTokenCount": 3_020,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 1_200},
                {"modality": "AUDIO", "tokenCount": 1_800},
            ],
            "cacheTokensDetails": [
                {"modality": "TEXT", "tokenCount": 500},
                {"modality": "AUDIO", "tokenCount": 1_500},
            ],
        },
        None,
        [(700, "0.3"), (300, "1"), (500, "0.03"), (1_500, "0.1"), (20, "2.5")],
    ),
    (
        "gemini image made",
        GEMINI_FLASH,
        {
            "promptTokenCount": 12,
            "candidatesTokenCount": 1_300,
            "totalTokenCount": 1_312,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
        },
        None,
        [(12, "0.3"), (10, "2.5"), (1_290, "30")],
    ),
    (
        "gemini image read is text",
        GEMINI_PRO,
        {
            "promptTokenCount": 270,
            "candidatesTokenCount": 9,
            "totalTokenCount": 279,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 12},
                {"modality": "IMAGE", "tokenCount": 258},
            ],
        },
        None,
        [(270, "1.25"), (9, "10")],
    ),
    (
        "gemini priority",
        GEMINI_FLASH,
        {
            "promptTokenCount": 1_000,
            "candidatesTokenCount": 10,
            "totalTokenCount": 1_010,
            "trafficType": "ON_DEMAND_PRIORITY",
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 400}],
        },
        None,
        [(600, "0.54"), (400, "1.8"), (10, "4.5")],
    ),
    (
        "gemini priority, image price not known",
        GEMINI_FLASH,
        {
            "promptTokenCount": 1_000,
            "candidatesTokenCount": 10,
            "totalTokenCount": 1_010,
            "trafficType": "ON_DEMAND_PRIORITY",
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 10}],
        },
        None,
        None,
    ),
    (
        "gemini batch",
        GEMINI_PRO,
        {"promptTokenCount": 1_000, "candidatesTokenCount": 10, "totalTokenCount": 1_010},
        "batch",
        [(1_000, "0.625"), (10, "5")],
    ),
    # -------------------------------------------------------------- DeepSeek, Mistral, xAI
    (
        "deepseek hits and misses",
        DEEPSEEK,
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 60,
            "total_tokens": 1_060,
            "prompt_cache_hit_tokens": 832,
            "prompt_cache_miss_tokens": 168,
        },
        None,
        [(168, "0.28"), (832, "0.028"), (60, "0.42")],
    ),
    (
        "deepseek both words for hits",
        DEEPSEEK,
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 60,
            "total_tokens": 1_060,
            "prompt_tokens_details": {"cached_tokens": 832},
            "completion_tokens_details": {"reasoning_tokens": 50},
            "prompt_cache_hit_tokens": 832,
            "prompt_cache_miss_tokens": 168,
        },
        None,
        [(168, "0.28"), (832, "0.028"), (60, "0.42")],
    ),
    (
        "mistral",
        MISTRAL,
        {"prompt_tokens": 15, "completion_tokens": 27, "total_tokens": 42},
        None,
        [(15, "0.5"), (27, "1.5")],
    ),
    (
        "mistral cached",
        MISTRAL,
        {
            "prompt_tokens": 4_000,
            "completion_tokens": 27,
            "total_tokens": 4_027,
            "num_cached_tokens": 3_900,
        },
        None,
        [(100, "0.5"), (3_900, "0.05"), (27, "1.5")],
    ),
    (
        "xai reasoning beside the output",
        GROK,
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {
                "text_tokens": 32,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 6,
            },
            "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
        },
        None,
        [(26, "2"), (6, "0.2"), (103, "6")],
    ),
    (
        "xai from the threshold on",
        GROK,
        {"prompt_tokens": 128_000, "completion_tokens": 9, "total_tokens": 128_009},
        None,
        [(128_000, "4"), (9, "12")],
    ),
    (
        "qwen reasoning has its price",
        QWEN,
        {
            "prompt_tokens": 40,
            "completion_tokens": 500,
            "total_tokens": 540,
            "completion_tokens_details": {"reasoning_tokens": 400},
        },
        None,
        [(40, "0.4"), (100, "1.2"), (400, "4")],
    ),
]


@pytest.mark.parametrize(
    ("of", "raw", "service", "formula"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_cost_is_the_providers_formula(of, raw, service, formula):
    """To the nano-dollar, or not known; never a guess."""
    usage = usage_of_report(raw, service)
    assert usage.raw == raw
    found = cost(usage, of)
    if formula is None:
        assert found is None
        return
    exact = sum(Fraction(price) * tokens * 1_000 for tokens, price in formula)
    assert found is not None
    assert found.nanos == round(exact)
    assert usage.input_tokens + usage.output_tokens == sum(tokens for tokens, _ in formula)


def test_the_table_is_large_enough():
    """At least forty shapes, each once."""
    assert len({name for name, *_ in CASES}) == len(CASES) >= 40


COUNTS = [f.name for f in fields(Usage) if f.name.endswith("_tokens")]
USAGES = st.builds(
    Usage,
    **{name: st.integers(0, 400_000) for name in COUNTS},
    service_tier=st.sampled_from(["", "batch", "flex", "priority"]),
)


@examples(300)
@given(USAGES)
def test_every_token_is_paid_once(usage):
    """Where all prices are the same, a call costs its input and output, whatever is inside what."""
    same = rates("7", "7", "7", "7", cache_write_1h_usd_per_mtok="7", reasoning_usd_per_mtok="7")
    flat = card("flat", given="7", made="7", services={"flex": same, "batch": same})
    found = cost(usage, flat)
    if usage.service_tier == "priority":
        assert found is None
        return
    assert found is not None
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    assert found.nanos == 7_000 * (max(usage.input_tokens, cached) + usage.output_tokens)


@examples(300)
@given(USAGES, st.sampled_from([c[1] for c in CASES]), st.sampled_from(COUNTS), st.integers(0, 9))
def test_costs_are_never_negative_and_rise_with_input_and_output(usage, of, name, more):
    """Where they are known; cached or hidden tokens may be cheaper than plain ones."""
    found = cost(usage, of)
    assert found is None or found.nanos >= 0
    if name in ("input_tokens", "output_tokens") and found is not None:
        larger = cost(replace(usage, **{name: getattr(usage, name) + more}), of)
        assert larger is None or larger.nanos >= found.nanos


def test_a_report_that_is_none_says_so():
    """Details that are no object are an error, not nothing."""
    with pytest.raises(TypeError, match=r"usage\.prompt_tokens_details"):
        usage_of_report({"prompt_tokens": 5, "prompt_tokens_details": ["odd"]})
