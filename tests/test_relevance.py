"""Relevance: BM25 and its windows against a naive reference; terms of words in several scripts."""

from __future__ import annotations

from math import log
from statistics import fmean, median, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import WORDS, examples, short_texts
from tokenthrift.compress.relevance import lexical, passages
from tokenthrift.compress.relevance.lexical import Score, lexical_score, query_terms
from tokenthrift.compress.relevance.matching import find_terms
from tokenthrift.compress.relevance.material import PASSAGE_TOKENS, SENTENCE_TOKENS, THRIFT, Units
from tokenthrift.compress.relevance.words import terms_of, words_of


def naive_bm25(
    query: dict[str, float], bags: list[list[str]], lengths: list[float], k1s: list[float]
) -> list[float]:
    """Okapi BM25 of documents as lists of terms; idf is given by the caller's weights."""
    mean = sum(lengths) / len(lengths) or 1.0
    out = []
    for bag, length, k1 in zip(bags, lengths, k1s, strict=True):
        total = 0.0
        for term, weight in query.items():
            hits = bag.count(term)
            norm = k1 * (1 - lexical.B + lexical.B * length / mean)
            total += weight * hits * (k1 + 1) / (hits + norm + 1e-9)
        out.append(total)
    return out


def score(query: dict[str, float], texts: list[str], tokens: list[int], groups: list[int]) -> Score:
    """Scores of units given as columns."""
    return lexical_score(query, Units(texts, tokens, groups))


def standard(values: list[float]) -> list[float]:
    """Values in spreads around their mean."""
    spread = pstdev(values) or 1.0
    return [(v - fmean(values)) / spread for v in values]


def naive_fit(query: dict[str, float], texts: list[str], groups: list[int]) -> dict[int, float]:
    """How well each group fits as a whole, by loops over its words."""
    names = sorted(set(groups))
    bags: dict[int, list[str]] = {g: [] for g in names}
    pairs: dict[int, list[frozenset[str]]] = {g: [] for g in names}
    lengths = dict.fromkeys(names, 0)
    found: list[tuple[str, int, int]] = []
    position = 0
    for text, group in zip(texts, groups, strict=True):
        for word in words_of(text):
            position += 1
            lengths[group] += 1
            for term in terms_of(word):
                if term in query:
                    bags[group].append(term)
                    found.append((term, group, position))
    for lag in range(1, passages.LAGS + 1):
        for (one, here, at), (other, there, then) in zip(found, found[lag:], strict=False):
            if one != other and here == there and 0 < then - at <= passages.NEAR_WORDS:
                pairs[here].append(frozenset((one, other)))
    filled = [n for n in lengths.values() if n]
    mean = fmean(filled) if filled else 1.0
    sums = []
    for g in names:
        norm = passages.K1 * (1 - passages.B + passages.B * lengths[g] / mean)
        weighted = [(w, bags[g].count(t)) for t, w in query.items()]
        for pair in set(pairs[g]):
            lighter = passages.PAIR_WEIGHT * min(query[t] for t in pair)
            weighted.append((lighter, pairs[g].count(pair)))
        sums.append(sum(w * n * (passages.K1 + 1) / (n + norm + 1e-9) for w, n in weighted))
    return dict(zip(names, standard(sums), strict=True))


def naive_score(
    query: dict[str, float], texts: list[str], tokens: list[int], groups: list[int]
) -> list[float]:
    """What `lexical_score` promises, by loops: units, and windows of the units around each."""
    n = len(texts)
    bags = [[t for word in words_of(text) for t in terms_of(word)] for text in texts]
    lengths = [float(len(words_of(text))) for text in texts]
    weights = {}
    for term, weight in query.items():
        holding = sum(term in bag for bag in bags)
        if holding:
            weights[term] = weight * log(1 + (n - holding + 0.5) / (holding + 0.5))
    if not weights:
        return [0.0] * n
    ends = [sum(tokens[: i + 1]) for i in range(n)]
    sizes = [sum(t for t, g in zip(tokens, groups, strict=True) if g == own) for own in groups]
    shorts = [
        (groups.count(g) > 1 or size >= SENTENCE_TOKENS) and size <= PASSAGE_TOKENS
        for g, size in zip(groups, sizes, strict=True)
    ]
    k1s = [lexical.PASSAGE_K1 if short else lexical.K1 for short in shorts]
    own = naive_bm25(weights, bags, lengths, k1s)
    total = [v * lexical.OWN_WEIGHTS[short] for v, short in zip(own, shorts, strict=True)]
    for width, long_weight, passage_weight in lexical.WINDOWS:
        members = [
            [
                j
                for j in range(n)
                if groups[j] == groups[i]
                and ends[j] >= ends[i] - tokens[i] - width
                and ends[j] - tokens[j] <= ends[i] + width
            ]
            for i in range(n)
        ]
        wide = naive_bm25(
            weights,
            [[t for j in row for t in bags[j]] for row in members],
            [sum(lengths[j] for j in row) for row in members],
            k1s,
        )
        for i in range(n):
            total[i] += wide[i] * (passage_weight if shorts[i] else long_weight)
    if any(shorts):
        known = dict(zip(groups, sizes, strict=True))
        of_passages = {
            g: max(known[g], SENTENCE_TOKENS) for g, s in zip(groups, shorts, strict=True) if s
        }
        typical = median(of_passages.values())
        for i in range(n):
            if shorts[i]:
                total[i] *= (typical / of_passages[groups[i]]) ** THRIFT
        spread = pstdev([t for t, short in zip(total, shorts, strict=True) if short])
        fit = naive_fit(query, texts, groups)
        for i in range(n):
            if shorts[i]:
                total[i] += lexical.PASSAGE_WEIGHT * spread * fit[groups[i]]
        lowest = min(0.0, *total)
        total = [t - lowest for t in total]
    return total


UNITS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*WORDS, "", "parse_config", "日本語"]), max_size=8).map(" ".join),
        st.integers(1, 120),
        st.integers(0, 1),
    ),
    max_size=14,
)


@examples(200)
@given(UNITS, st.lists(st.sampled_from([*WORDS, "config", "the"]), max_size=4))
def test_scores_are_those_of_a_naive_reference(
    units: list[tuple[str, int, int]], words: list[str]
) -> None:
    """Vectorised scores equal the sums of plain loops."""
    texts = [text for text, _, _ in units]
    tokens = [n for _, n, _ in units]
    groups = list(np.cumsum([step for _, _, step in units], dtype=int)) if units else []
    query = query_terms(" ".join(words), "socket kernel")
    found = score(query, texts, tokens, groups)
    expected = naive_score(query, texts, tokens, groups)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-3)
    assert found.hits.shape == (len(found.terms), len(texts))


def test_scores_stay_exact_over_long_texts() -> None:
    """Ten thousand units do not wear the sums out."""
    texts = [f"{WORDS[n % 25]} {WORDS[n % 7]} filler words here" for n in range(3_000)]
    tokens = [5] * len(texts)
    query = query_terms("server invoice")
    found = score(query, texts, tokens, [0] * len(texts)).values
    tail = score(query, texts * 3, tokens * 3, [n // 3_000 for n in range(9_000)]).values
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(tail[-3_000:-1_000], tail[:2_000], rtol=1e-3)


def test_a_unit_that_answers_scores_highest() -> None:
    """The unit that holds what is asked comes first, its neighbours before strangers."""
    texts = [f"filler text number {n} about nothing much" for n in range(40)]
    texts[20] = "the invoice total was 4711 euros"
    values = score(query_terms("What was the invoice total?"), texts, [12] * 40, [0] * 40).values
    assert int(values.argmax()) == 20
    assert values[21] > values[0]


def test_windows_stop_at_groups() -> None:
    """A neighbour in another group gains nothing."""
    texts = ["invoice total", "other text", "more text"]
    values = score(query_terms("invoice"), texts, [5, 5, 5], [0, 1, 1]).values
    assert values[0] > 0
    assert values[1] == values[2] == 0


@pytest.mark.parametrize(
    ("word", "terms"),
    [
        ("the", ()),
        ("Timeouts", ("timeout",)),
        ("parse_config", ("parse_config", "pars", "config")),
        ("HttpClient", ("httpclient", "http", "client")),
        ("日本語", ("日本", "日", "本", "本語", "語")),
        ("超", ("超",)),
        ("Ошибка", ("ошибк",)),
    ],
)
def test_terms_of_words(word: str, terms: tuple[str, ...]) -> None:
    """Stems, names with their parts, character pairs of unspaced scripts."""
    assert terms_of(word) == terms


def test_the_question_weighs_more_than_the_context() -> None:
    """A term that both name has the weight of the question."""
    query = query_terms("invoice", "invoice socket")
    assert query == {"invoic": 1.0, "socket": lexical.CONTEXT_WEIGHT}


def test_queries_are_bounded() -> None:
    """A question of a thousand different words has the most terms there may be."""
    assert len(query_terms(" ".join(f"w{n}x" for n in range(1_000)))) == lexical.MAX_TERMS


@examples(100)
@given(short_texts(), st.lists(short_texts(), max_size=4))
def test_any_text_can_be_scored(question: str, texts: list[str]) -> None:
    """Scores are finite and not negative whatever the texts hold."""
    values = score(query_terms(question), texts, [1] * len(texts), [0] * len(texts)).values
    assert values.shape == (len(texts),)
    assert np.all(np.isfinite(values))
    assert np.all(values >= 0)


@examples(200)
@given(
    st.lists(short_texts(), max_size=5),
    st.lists(short_texts(), max_size=3),
    st.sampled_from(["english", "german", "french", "indonesian", "finnish"]),
)
def test_terms_are_found_where_words_have_them(
    texts: list[str], asked: list[str], language: str
) -> None:
    """Matching by whole arrays finds what reading word by word finds, in the same places."""
    words = [w for text in [*asked, *texts[:1]] for w in words_of(text)]
    terms = list(dict.fromkeys(t for w in words for t in terms_of(w, language)))[:40]
    found = find_terms(terms, texts, language)
    expected = []
    position = 0
    for unit, text in enumerate(texts):
        for word in words_of(text):
            hit = [t for t in terms_of(word, language) if t in terms]
            expected += [(t, unit, position) for t in hit]
            position += 1
    at = zip(found.terms.tolist(), found.units.tolist(), found.positions.tolist(), strict=True)
    assert [(terms[t], unit, place) for t, unit, place in at] == expected
    assert found.lengths.tolist() == [len(words_of(text)) for text in texts]


STEMS_THAT_CHANGE = "dying lying tying skies skis idly gently happy babies HTTPServer v2 x86_64 a.b"


@pytest.mark.parametrize("word", STEMS_THAT_CHANGE.split())
def test_words_are_found_by_any_of_their_terms(word: str) -> None:
    """A stem or part that begins otherwise than its word still finds it."""
    for term in terms_of(word):
        assert find_terms([term], [f"so {word} it is"], "english").positions.tolist() == [1]


def test_units_must_belong_together() -> None:
    """Columns of different length, and groups that fall, are errors that say so."""
    with pytest.raises(ValueError, match="needs a size and a group"):
        Units(["a"], [1], [])
    with pytest.raises(ValueError, match="must not fall"):
        Units(["a", "b"], [1, 1], [1, 0])


def test_headings_and_speakers_are_carried() -> None:
    """A unit under a heading, or later in a speaker's turn, is found by that name."""
    plain = ["Costs rose a little.", "Nothing else was said.", "They left early."] * 4
    carries = [""] * len(plain)
    carries[4] = "Budget of the harbour"
    units = Units(plain, [6] * len(plain), list(range(len(plain))), carries=carries)
    found = lexical_score(query_terms("harbour budget"), units).values
    assert int(found.argmax()) == 4
    assert found[4] > 0 == found[1]
