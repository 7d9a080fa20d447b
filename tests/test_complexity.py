"""Complexity: what raises it, what must not, and that no signal can do more than it may."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift import wire
from tokenthrift.catalog import ComplexityBucket
from tokenthrift.route import Complexity, bucket_of, measure
from tokenthrift.route.ask import ask_of
from tokenthrift.route.complexity import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIVIAL = ("hi", "What is the capital of France?", "法国的首都是哪里?", "Ile to jest dwa plus dwa?")
WORD_PROBLEM = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May."
    " How many clips did Natalia sell altogether in April and May?"
)
PROOF = (
    r"Prove that for all $n \in \mathbb{N}$, $\sum_{k=1}^{n} k^2 = \frac{n(n+1)(2n+1)}{6}$, and "
    r"determine all $n$ for which $\frac{n(n+1)(2n+1)}{6}$ is a perfect square. Then give a bound "
    r"for $\sum_{k=1}^{n} k^2 \log k$ that is tight up to $O(n^2)$, with proof."
)
CODE = "Why does this deadlock under load? Rewrite it.\n```python\n" + "\n".join(
    f"async def step_{n}(queue, lock):\n    async with lock:\n        await queue.put({n} % 7)"
    for n in range(50)
)
CHINESE = (
    "小明有48个苹果,第一天吃了其中的四分之一,第二天又买了12个,然后把剩下的平均分给5个朋友和自己。"
    "请问每个人能分到几个苹果?如果有剩余,剩余多少?请写出完整的推理过程,并检查你的答案。"
)
PROMPTS = (*TRIVIAL, WORD_PROBLEM, PROOF, CODE, CHINESE)
JUNK = "algorithm distributed kubernetes optimise architecture "


def request(text: str, **body: Any) -> Any:
    """A request of one user message."""
    return wire.read({"model": "m", "messages": [{"role": "user", "content": text}], **body})


def measured(text: str, **body: Any) -> Complexity:
    """The complexity of one user message."""
    return measure(request(text, **body))


def values(complexity: Complexity) -> Mapping[str, float]:
    """Signal values by name."""
    return {s.name: s.value for s in complexity.signals}


def test_order_of_plain_examples() -> None:
    """Greetings are trivial, a word problem is more, a proof with formulas more again."""
    assert {measured(text).bucket for text in TRIVIAL} == {ComplexityBucket.TRIVIAL}
    assert measured(WORD_PROBLEM).bucket == ComplexityBucket.SIMPLE
    assert measured(PROOF).bucket >= ComplexityBucket.MODERATE
    assert measured(CODE).bucket >= ComplexityBucket.MODERATE
    assert measured(CHINESE).score > measured(TRIVIAL[2]).score + 0.05


@pytest.mark.parametrize("text", PROMPTS)
@pytest.mark.parametrize(
    "disguise",
    [
        lambda t: t + t,
        lambda t: f"{t} {t}",
        lambda t: f"{t}\n\n{t}\n{t}",
        str.upper,
        str.title,
        lambda t: t.replace(" ", "  "),
        lambda t: f"\n\n  {t}\n ",
    ],
)
def test_disguises_change_nothing(text: str, disguise: Any) -> None:
    """A repeated, shouted or spread prompt falls into the bucket of the plain one."""
    assert measured(disguise(text)).bucket == measured(text).bucket


@pytest.mark.parametrize("text", PROMPTS)
def test_a_handful_of_imposing_words_does_not_upgrade(text: str) -> None:
    """Five words of jargon leave a prompt in its bucket, unless it stood at the very border."""
    bucket = bucket_of(measured(text).score + 0.02)
    assert measured(JUNK + text).bucket <= bucket
    assert measured(f"{text} {JUNK}").bucket <= bucket


WORDS = st.lists(
    st.text(alphabet=string.ascii_letters, min_size=1, max_size=9), min_size=1, max_size=80
).map(" ".join)
FEW = st.lists(st.text(alphabet=string.ascii_letters, min_size=1), max_size=5).map(" ".join)


@given(WORDS, FEW)
def test_a_few_words_move_the_score_little(text: str, junk: str) -> None:
    """Up to five words before any prose add less than a fifth of the narrowest bucket."""
    assert measured(f"{junk} {text}").score - measured(text).score < 0.02


@given(WORDS)
def test_repetition_is_not_length(text: str) -> None:
    """Saying the same twice, on one line or two, measures the same."""
    once = measured(text)
    assert measured(f"{text} {text}").score == once.score
    assert measured(f"{text}\n{text}").score == once.score


@given(st.text(max_size=400), st.integers(0, 40), st.booleans())
def test_every_signal_is_capped(text: str, tools: int, high: bool) -> None:  # noqa: FBT001
    """Whatever is asked, each signal adds at most its weight and the score stays in [0, 1]."""
    body: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "f"}}] * tools}
    if high:
        body["reasoning_effort"] = "high"
    result = measured(text, **body)
    assert [s.name for s in result.signals] == list(WEIGHTS)
    assert all(0 <= s.contribution <= s.weight == WEIGHTS[s.name] for s in result.signals)
    assert 0 <= result.score <= 1
    assert result.bucket == bucket_of(result.score)
    assert all(s.reason for s in result.signals)


def test_no_single_signal_makes_an_expert() -> None:
    """The largest weight alone stays below the complex bucket."""
    assert bucket_of(max(WEIGHTS.values())) <= ComplexityBucket.MODERATE


def test_length_counts_words_in_any_script() -> None:
    """The same sentence is of a like length in scripts with and without spaces."""
    english = ask_of(
        "The committee decided yesterday to postpone the meeting until next week"
    ).words
    chinese = ask_of("委员会昨天决定把会议推迟到下个星期").words
    thai = ask_of("คณะกรรมการตัดสินใจเมื่อวานนี้ที่จะเลื่อนการประชุมไปเป็นสัปดาห์หน้า").words
    assert 7 <= chinese <= 14
    assert 7 <= thai <= 18
    assert english == 10


def test_pasted_context_is_not_the_ask() -> None:
    """A long paste counts as context; the words asked stay few."""
    paste = "\n".join(
        f"Paragraph {n} speaks of matter {n * 7} at some length." for n in range(3_000)
    )
    short = measured("Summarise this.")
    long = measured(f"{paste}\n\nSummarise this.")
    assert values(long)["context"] > 0.5
    assert long.bucket <= ComplexityBucket.MODERATE
    assert values(short)["context"] == 0


def test_the_conversation_counts() -> None:
    """Tools, the depth of a tool loop, earlier turns, a schema and images each add their share."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Fix the failing test."}]
    plain = measure(wire.read({"model": "m", "messages": messages}))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for _ in range(6):
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "c", "content": "a long result " * 50})
    schema = {"properties": {"a": {"properties": {"b": {}}}, "c": {}}}
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            {"role": "user", "content": "Earlier?"},
            *messages,
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
    }
    loop = measure(wire.read(body))
    changed = {n for n, v in values(loop).items() if v > values(plain)[n]}
    assert changed == {"tools", "loop", "turns", "schema", "media"}
    reasons = {s.name: s.reason for s in loop.signals}
    assert reasons["loop"] == "6 tool results since the ask"
    assert reasons["schema"] == "3 schema fields"


@pytest.mark.parametrize(
    "body",
    [
        {"reasoning_effort": "high"},
        {"reasoning": {"effort": "high"}},
        {"output_config": {"effort": "HIGH"}},
    ],
)
def test_effort_counts_in_every_spelling(body: dict[str, Any]) -> None:
    """A caller who asks for much reasoning has said that it is hard."""
    assert values(measured("hi", **body))["effort"] == 1
    assert values(measured("hi", reasoning_effort="none"))["effort"] == 0
    assert values(measured("hi", reasoning_effort={"odd": 1}))["effort"] == 0


def test_no_user_text_is_no_ask() -> None:
    """A conversation without any user text measures as trivial and does not fail."""
    result = measure(wire.read({"model": "m", "messages": [{"role": "system", "content": "x"}]}))
    assert (result.bucket, result.score) == (ComplexityBucket.TRIVIAL, 0.0)
    assert str(result) == "trivial (0.00: nothing)"
