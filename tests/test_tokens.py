"""Token counts: exact families against plain tiktoken, stated estimates for the others."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import ceil
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import chat_bodies, examples, short_texts, texts
from tokenthrift import tokens, wire
from tokenthrift.tokens import Correction, count_request, counter_for, encoding

if TYPE_CHECKING:
    import tiktoken

EXACT = {
    "gpt-4o": "o200k_base",
    "openai/gpt-4.1-mini": "o200k_base",
    "o3": "o200k_base",
    "gpt-5-mini": "o200k_base",
    "azure/gpt-4o-mini": "o200k_base",
    "gpt-4": "cl100k_base",
    "gpt-3.5-turbo": "cl100k_base",
    "ft:gpt-4o:acme::x": "o200k_base",
}


@pytest.mark.parametrize(("model", "name"), EXACT.items())
def test_exact_families_use_their_own_encoding(model: str, name: str) -> None:
    """OpenAI models are counted with their encoding, whatever the prefix."""
    count = counter_for(model)
    assert (count.name, count.exact, count.error) == (name, True, 0.0)


@examples(100)
@given(texts(40), st.sampled_from(["gpt-4o", "gpt-4"]))
def test_exact_counts_are_tiktokens(text: str, model: str) -> None:
    """Counts are tiktoken's own, cached or not; special tokens in a text are plain text."""
    count = counter_for(model)
    plain: tiktoken.Encoding = encoding(count.name)
    expected = len(plain.encode(text, disallowed_special=()))
    assert count(text) == expected
    assert count(text) == expected
    assert tokens.TiktokenCounter(count.name)(text) == expected


@pytest.mark.parametrize(
    "text", ["<|endoftext|>", "a <|im_start|>system<|im_end|>", "<|fim_prefix|>"]
)
def test_special_tokens_are_counted_as_text(text: str) -> None:
    """A text that spells a special token costs what its characters cost."""
    assert counter_for("gpt-4o")(text) == len(encoding("o200k_base").encode_ordinary(text)) > 1


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "anthropic/claude-3-haiku",
        "gemini/gemini-2.5-flash",
        "meta-llama/Llama-3-8b",
        "mistral/mistral-large",
        "deepseek/deepseek-chat",
        "nobody/has-heard-of-it",
        "",
    ],
)
def test_other_families_are_stated_estimates(model: str) -> None:
    """An estimate says that it is one, by how much it may be off, and never undercounts o200k."""
    count = counter_for(model)
    assert not count.exact
    assert 0 < count.error < 1
    assert "*" in count.name
    text = "The parser timed out again. " * 20
    assert count(text) == ceil(len(encoding("o200k_base").encode_ordinary(text)) * count.factor)
    assert count("") == 0
    assert count("a") >= 1


def test_the_cache_forgets_and_stays_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full cache drops its oldest entries; counts do not change, from several threads either."""
    monkeypatch.setattr(tokens, "CACHE_ENTRIES", 64)
    count = tokens.TiktokenCounter("o200k_base")
    plain = encoding("o200k_base")
    wrong: list[str] = []

    def work() -> None:
        for n in range(300):
            text = f"text {n} " * (n % 40)
            if count(text) != len(plain.encode_ordinary(text)):
                wrong.append(text)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(count._known) <= 64 + len(threads)


@examples(60)
@given(chat_bodies())
def test_every_body_has_a_positive_count(body: dict[str, Any]) -> None:
    """Whatever a body holds, it is counted: at least framing for each message and the reply."""
    request = wire.read(body)
    total = count_request(request, counter_for(request.model))
    assert total >= tokens.REPLY_TOKENS + tokens.MESSAGE_TOKENS * len(request.messages)


def test_framing_follows_the_cookbook() -> None:
    """Two plain messages cost their text, four tokens each, one more for a name, three for all."""
    count = counter_for("gpt-4o")
    request = wire.read(
        {
            "model": "gpt-4o",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": "Why?"},
            ],
        }
    )
    texts_tokens = count("Be brief.") + count("Why?") + count("ann") + 1
    assert count_request(request, count) == texts_tokens + 2 * 4 + 3


def test_a_correction_learns_from_usage() -> None:
    """Reported over counted tokens, weighed by size; without any report counts stay."""
    assert Correction().apply(1_000) == 1_000
    learnt = Correction().seen(1_000, 1_100).seen(3_000, 3_300)
    assert learnt.calls == 2
    assert learnt.apply(200) == 220


@examples(150)
@given(st.one_of(short_texts(), texts(40)), st.lists(st.integers(0, 400), max_size=12))
def test_pieces_add_up_to_the_whole(text: str, cuts: list[int]) -> None:
    """Pieces of a text, surrogates and other scripts included, sum to its count."""
    ends = sorted({min(c, len(text)) for c in cuts} | {len(text)})
    for model in ("gpt-4o", "gpt-4", "claude-sonnet-4-5"):
        count = counter_for(model)
        sizes = count.pieces(text, ends)
        assert len(sizes) == len(ends)
        assert min(sizes) >= 0
        assert sum(sizes) == count(text)


def test_a_piece_is_as_long_as_its_tokens() -> None:
    """Cuts between words give each piece its own tokens; a token belongs where it begins."""
    count = counter_for("gpt-4o")
    assert count.pieces("one two three", [3, 7, 13]) == [1, 1, 1]
    assert count.pieces("unbelievable", [1, 12]) == [1, count("unbelievable") - 1]
    assert count.pieces("日本語 text", [3, 8]) == [count("日本語"), 1]


@examples(300)
@given(
    st.one_of(short_texts(), texts(40)),
    st.lists(st.integers(0, 400), max_size=12),
    st.lists(
        st.sampled_from(["", "[-3]\n", "\n", "  ", "/x\n", "x", ".", "\r\n", "é", "\ud800"]),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["gpt-4o", "gpt-4", "claude-sonnet-4-5"]),
)
def test_what_was_kept_counts_as_if_counted(
    text: str, cuts: list[int], marks: list[str], model: str
) -> None:
    """What a text costs of which every second piece stays is the same with the runs in sight."""
    places = sorted({0, *(min(c, len(text)) for c in cuts), len(text)})
    shorter, runs = "", []
    for n, (start, end) in enumerate(pairwise(places)):
        if n % 2:
            runs.append((len(shorter), start, end))
            shorter += text[start:end]
        else:
            shorter += marks[n % len(marks)]
    same = counter_for(model)
    fresh = tokens.TiktokenCounter(same.encoding_name, same.factor, same.error)
    assert fresh.kept(shorter, text, runs) == same(shorter)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_a_break_and_blanks_that_meet_are_not_counted_as_one(model: str) -> None:
    """What stands around a run is encoded together only where tokens of the two add up."""
    text = "12\n!x y \n\t"
    same = counter_for(model)
    assert tokens.TiktokenCounter(same.encoding_name).kept(text, text, [(0, 0, len(text))]) == len(
        encoding(same.encoding_name).encode_ordinary(text)
    )


@examples(150)
@given(
    st.lists(
        st.sampled_from(
            ["one two\n", "\n", "  x\n", "/x\n", "\r\n", "é\n", "\ud800", "{7}", "a", "\nb"]
        ),
        max_size=60,
    ),
    st.integers(1, 4),
    st.sampled_from(["gpt-4o", "gpt-4", "claude-sonnet-4-5"]),
)
def test_pieces_counted_apart_count_as_texts_of_their_own(
    lines: list[str], step: int, model: str
) -> None:
    """One look at the whole, where borders allow, gives each piece and the whole their counts."""
    pieces = ["".join(lines[n : n + step]) for n in range(0, len(lines), step)]
    text, family = "".join(pieces), counter_for(model)
    alone = [
        ceil(len(encoding(family.encoding_name).encode_ordinary(piece)) * family.factor)
        for piece in (*pieces, text)
    ]
    fresh = tokens.TiktokenCounter(family.encoding_name, family.factor, family.error)
    counted = fresh.apart(text, [*accumulate(map(len, pieces))])
    assert [*counted, fresh(text)] == alone
    assert [*map(fresh, pieces)] == alone[:-1]


@examples(150)
@given(
    st.one_of(short_texts(), texts(40)),
    st.lists(
        st.sampled_from(["", "[-3]\n", "\n", "  ", "/x\n", "\r\n", "é", "\ud800"]), max_size=8
    ),
    st.integers(1, 5),
    st.sampled_from(["gpt-4o", "gpt-4", "claude-sonnet-4-5"]),
)
def test_an_edited_text_counts_as_if_counted(
    text: str, marks: list[str], step: int, model: str
) -> None:
    """What a text costs of which pieces were cut is the same with the text before in sight."""
    pieces = text.splitlines(keepends=True) or [text]
    for n, mark in enumerate(marks):
        pieces[n * step % len(pieces)] = mark
    edited = "".join(pieces)
    same = counter_for(model)
    fresh = tokens.TiktokenCounter(same.encoding_name, same.factor, same.error)
    assert fresh.edited(edited, text) == same(edited)
