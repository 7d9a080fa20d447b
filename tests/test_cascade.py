"""The cascade: a model's word on the best blocks, or the fast scores as they were."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.compress.relevance.cascade import cascade as run
from tokenthrift.compress.relevance.lexical import Score
from tokenthrift.compress.relevance.material import Units
from tokenthrift.types import EncoderUse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

DIMS = 64
ALL = EncoderUse(share=1.0, deadline_ms=None)


@dataclass
class Scored:
    """Units with what the words say of them."""

    texts: Sequence[str]
    tokens: Sequence[int]
    groups: Sequence[int]
    fast: npt.NDArray[np.float32]


@dataclass
class Found:
    """What the cascade came to, with the scores that it leads to."""

    values: npt.NDArray[np.float32]
    group_scores: npt.NDArray[np.float32]
    encoded: int
    fell_back: bool
    error: str


def cascade(
    question: str, scored: Scored, model: Any, use: EncoderUse, clock: Callable[[], float]
) -> Found:
    """The cascade, and its bonus on top of the fast scores."""
    units = Units(scored.texts, scored.tokens, scored.groups)
    out = run(question, units, scored.fast, model, use, clock)
    fast = replace(Score.nothing(len(scored.texts)), values=scored.fast)
    values = scored.fast if out.fell_back else fast.in_spreads().plus("model", out.bonus).values
    return Found(values, out.group_scores, out.encoded, out.fell_back, out.error)


class WordEncoder:
    """Bags of words as unit vectors; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        self.asked.append(list(texts))
        rows = np.zeros((len(texts), DIMS), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % DIMS] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class WordReranker:
    """Shared words as scores."""

    def rank(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n,) float32, higher is better."""
        asked = set(question.lower().split())
        return np.array([len(asked & set(t.lower().split())) for t in texts], np.float32)


class SameEncoder:
    """The same vector for everything."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        return np.tile(np.array([[1.0, 0.0]], np.float32), (len(texts), 1))


class OddEncoder:
    """Vectors that are no numbers."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) of nothing."""
        return np.full((len(texts), 2), np.nan, np.float32)


class BrokenEncoder:
    """An encoder that always raises."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Raise.

        Raises:
            ConnectionError: always.
        """
        raise ConnectionError(f"{len(texts)} texts")


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by a step at each look."""
    looks = count()
    return lambda: next(looks) * step_s


def scored(
    texts: Sequence[str],
    fast: Sequence[float],
    groups: Sequence[int] | None = None,
    tokens: int = 60,
) -> Scored:
    """Units of one size; each a group of its own unless said."""
    groups = list(range(len(texts))) if groups is None else groups
    return Scored(texts, [tokens] * len(texts), groups, np.asarray(fast, np.float32))


def ranked(question: str, units: Scored, use: EncoderUse = ALL) -> Found:
    """The cascade with the word encoder and no clock to speak of."""
    return cascade(question, units, WordEncoder(), use, ticking(0.0))


words = st.sampled_from(["pay", "bill", "card", "cat", "dog", "harbour", "night"])
sentences = st.lists(words, min_size=1, max_size=6).map(" ".join)


@st.composite
def materials(draw: st.DrawFn) -> tuple[str, Scored, EncoderUse]:
    """A question, units in groups with fast scores, and how much is read."""
    said = draw(st.lists(sentences, min_size=1, max_size=40))
    n = len(said)
    texts = [f"u{i} {text}" for i, text in enumerate(said)]
    steps = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    tokens = draw(st.lists(st.integers(1, 150), min_size=n, max_size=n))
    tenths = draw(st.lists(st.integers(0, 50), min_size=n, max_size=n))
    units = Scored(texts, tokens, np.cumsum(steps).tolist(), np.array(tenths, np.float32) / 10)
    use = EncoderUse(
        draw(st.floats(0.01, 1)), draw(st.integers(1, 10)), None, draw(st.floats(0, 2))
    )
    return draw(sentences), units, use


@given(materials())
def test_it_is_deterministic_and_never_negative(case: tuple[str, Scored, EncoderUse]) -> None:
    """The same units give the same values: finite, at least 0, one a unit and one a group."""
    question, units, use = case
    found = cascade(question, units, WordEncoder(), use, ticking(0.0))
    again = cascade(question, units, WordEncoder(), use, ticking(7.0))
    assert np.array_equal(found.values, again.values)
    assert np.array_equal(found.group_scores, again.group_scores)
    assert not found.fell_back
    assert found.values.shape == (len(units.texts),)
    assert found.values.dtype == found.group_scores.dtype == np.float32
    assert len(found.group_scores) == len(set(units.groups))
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.group_scores).all()
    assert (found.values >= 0).all()


@given(materials())
def test_what_was_not_read_never_overtakes(case: tuple[str, Scored, EncoderUse]) -> None:
    """A unit that the model read stays ahead of every unread one that was behind before."""
    question, units, use = case
    model = WordEncoder()
    values = cascade(question, units, model, use, ticking(0.0)).values
    read = {
        word for block in [b for batch in model.asked for b in batch][1:] for word in block.split()
    }
    inside = np.array([t.split()[0] in read for t in units.texts])
    for outside in np.flatnonzero(~inside):
        ahead = inside & (units.fast >= units.fast[outside])
        assert (values[ahead] >= values[outside] - 1e-5).all()


@given(materials(), st.sampled_from([0.5, 3.0]))
def test_a_deadline_leaves_the_fast_scores(
    case: tuple[str, Scored, EncoderUse], step_s: float
) -> None:
    """All or nothing: past the deadline the values are the fast ones, to the bit."""
    question, units, use = case
    use = EncoderUse(use.share, use.at_least, 400, use.weight)
    found = cascade(question, units, WordEncoder(), use, ticking(step_s))
    assert found.fell_back
    assert found.error == ""
    assert np.array_equal(found.values, units.fast)
    assert len(found.group_scores) == len(set(units.groups))


def test_a_deadline_between_batches_drops_what_was_read() -> None:
    """Three batches in time and one too late is not in time; the best blocks were read first."""
    fast = np.arange(60, dtype=np.float32)
    units = scored([f"text {i}" for i in range(60)], fast)
    model = WordEncoder()
    late = cascade("text 7", units, model, EncoderUse(1.0, 1, 3500, 0.5), ticking(1.0))
    assert (late.fell_back, late.encoded) == (True, 56)
    assert np.array_equal(late.values, fast)
    assert model.asked[0][:2] == ["text 7", "text 59"]
    assert [len(batch) for batch in model.asked] == [1 + 8, 16, 32, 4]
    in_time = cascade("text 7", units, model, EncoderUse(1.0, 1, 4500, 0.5), ticking(1.0))
    assert (in_time.fell_back, in_time.encoded) == (False, 60)


def test_what_cannot_be_in_time_is_given_up_early() -> None:
    """Two batches tell how fast the model is; it need not use up the deadline to fail."""
    units = scored([f"text {i}" for i in range(240)], np.zeros(240))
    model = WordEncoder()
    found = cascade("text 7", units, model, EncoderUse(1.0, 1, 4000, 0.5), ticking(1.0))
    assert (found.fell_back, found.encoded, len(model.asked)) == (True, 24, 2)
    slow = cascade("text 7", units, model, EncoderUse(1.0, 1, 14_000, 0.5), ticking(1.0))
    assert (slow.fell_back, slow.encoded) == (False, 240)


@pytest.mark.parametrize(
    ("model", "error"), [(BrokenEncoder(), "ConnectionError"), (OddEncoder(), "ValueError")]
)
def test_a_model_that_fails_leaves_the_fast_scores(model: WordEncoder, error: str) -> None:
    """Whatever the model raises, the result is the fast one and names the type."""
    units = scored(["a", "b", "c"], [1.0, 3.0, 2.0])
    found = cascade("a", units, model, ALL, ticking(0.0))
    assert (found.fell_back, found.error, found.encoded) == (True, error, 0)
    assert np.array_equal(found.values, units.fast)


def test_a_model_to_which_all_is_one_leaves_the_order() -> None:
    """Where everything is tied for the model, the fast order stands; tied there too, all is one."""
    fast = [0.3, 0.9, 0.1, 0.5]
    units = scored(["a", "b", "c", "d"], fast)
    found = cascade("a", units, SameEncoder(), ALL, ticking(0.0))
    assert not found.fell_back
    assert np.argsort(found.values).tolist() == np.argsort(fast).tolist()
    assert np.argsort(found.group_scores).tolist() == np.argsort(fast).tolist()
    tied = cascade("a", scored(["a", "b"], [2.0, 2.0]), SameEncoder(), ALL, ticking(0.0))
    assert tied.values[0] == tied.values[1]


def test_the_model_lifts_what_the_words_ranked_low() -> None:
    """The block that the model finds best comes first where its word counts enough."""
    texts = ["the cat sleeps", "bill and card", "dogs run", "pay the bill by card tonight"]
    units = scored(texts, [0.4, 0.5, 0.4, 0.3])
    use = EncoderUse(1.0, 1, None, 5.0)
    assert int(np.argmax(ranked("pay the bill by card tonight", units, use).values)) == 3
    by_words = cascade("pay the bill by card tonight", units, WordReranker(), use, ticking(0.0))
    assert int(np.argmax(by_words.values)) == int(np.argmax(by_words.group_scores)) == 3


def test_the_share_says_how_much_is_read() -> None:
    """A quarter of the blocks and at least so many, the best by the fast score; blanks never."""
    texts = [f"text {i}" for i in range(39)] + ["  \n"]
    units = scored(texts, [float(i) for i in range(40)])
    for share, at_least, read in ((0.25, 1, 10), (0.25, 20, 20), (0.25, 64, 39), (1.0, 1, 39)):
        model = WordEncoder()
        found = cascade("q", units, model, EncoderUse(share, at_least, None), ticking(0.0))
        asked = [t for batch in model.asked for t in batch]
        assert asked == ["q", *(f"text {i}" for i in range(38, 38 - read, -1))]
        assert found.encoded == read


def test_blocks_stop_at_the_borders_of_groups() -> None:
    """Units of about 100 tokens are read together, never across two groups."""
    texts = [f"u{i}" for i in range(12)]
    units = scored(texts, [1.0] * 12, groups=[0] * 10 + [1] * 2, tokens=45)
    model = WordEncoder()
    cascade("q", units, model, ALL, ticking(0.0))
    assert model.asked == [["q", "u0 u1", "u2 u3", "u4 u5", "u6 u7", "u8 u9", "u10 u11"]]


def test_a_short_group_is_one_passage_with_its_title() -> None:
    """A retrieved document is read whole, from its first line on."""
    texts = ["Title: ferries\n", "They run at dawn. ", "They rest at dusk.", "single"]
    model = WordEncoder()
    cascade("q", scored(texts, [1.0] * 4, [0, 0, 0, 1], tokens=130), model, ALL, ticking(0.0))
    assert model.asked == [["q", "Title: ferries They run at dawn. They rest at dusk.", "single"]]


def test_neighbours_lift_each_other_inside_their_group_only() -> None:
    """Next to a good block a poor one is worth more; across a border, and in passages, not."""
    plain = ["dog"] * 6
    plain[2] = "pay bill"
    long = [0] * 6
    one = ranked("pay bill", scored(plain, [1.0] * 6, groups=long, tokens=100)).values
    assert one[2] > one[1] == one[3] > one[0] >= one[5]
    apart = ranked("pay bill", scored(plain, [1.0] * 6, groups=[0, 0, 0, 1, 1, 1], tokens=140))
    assert apart.values[1] > apart.values[3] == apart.values[5]


@pytest.mark.parametrize("question", ["", "  \n"])
def test_without_a_question_nothing_is_encoded(question: str) -> None:
    """There is nothing to compare with."""
    units = scored(["a", "b"], [1.0, 2.0])
    model = WordEncoder()
    found = cascade(question, units, model, ALL, ticking(0.0))
    assert (found.fell_back, model.asked) == (True, [])
    assert np.array_equal(found.values, units.fast)


def test_nothing_gives_nothing() -> None:
    """No units, no values."""
    found = ranked("a", scored([], []))
    assert found.values.shape == found.group_scores.shape == (0,)
