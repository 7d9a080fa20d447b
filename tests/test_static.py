"""The static table: what it holds, that sums are right, and that near texts are near."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.encoders.static import (
    NO_ROW,
    POOL_ROWS,
    StaticTable,
    StaticTableError,
    load_static,
    pool_rows,
    row_string,
    save_table,
)
from tokenthrift.pipeline import plan
from tokenthrift.tokens import encoding

O200K = encoding("o200k_base")

THINGS = ("piano", "ladder", "carpet", "rope", "garden", "bell", "kettle", "window", "lamp", "oar")
FIRST_OF_POOL = [1, -1, -1, -1, 1, 1, 1, 1]

# Question, what answers it, what does not; none of them shares a word of weight with the question.
NEAR_AND_FAR = [
    (
        "Which doctor treats heart disease?",
        "The cardiologist examined the patient's cardiac arteries in the hospital.",
        "The referee awarded a penalty shortly before the whistle.",
    ),
    (
        "How much does the car cost?",
        "The vehicle is priced at twenty thousand dollars.",
        "The orchestra rehearsed the second movement of the symphony.",
    ),
    (
        "When did the war end?",
        "The armistice was signed in 1918 and the soldiers left the battlefield.",
        "Butter and sugar are stirred until the dough is smooth.",
    ),
    (
        "what do whales eat",
        "These marine mammals feed on krill and small fish in the ocean.",
        "The parliament passed the tax bill by a narrow majority.",
    ),
    (
        "Where do pupils learn to read?",
        "Children are taught by teachers in primary schools and classrooms.",
        "The engine of the aircraft lost oil pressure during landing.",
    ),
]


@pytest.fixture(scope="module")
def table() -> StaticTable:
    """The packaged table."""
    return load_static(O200K.encode_ordinary)


def test_the_packaged_table_fits_the_encoding(table: StaticTable) -> None:
    """Every o200k id has a row that exists or none, and the file says how it was made."""
    assert len(table.row_of) == O200K.n_vocab
    assert table.row_of.min() == NO_ROW
    assert table.row_of.max() < len(table.rows)
    assert table.rows.dtype == np.int8
    assert table.rows.shape == (table.about["rows"] + POOL_ROWS, table.dims)
    assert len(table.scales) == len(table.query_weights) == len(table.rows)
    assert {"seed", "commit", "data", "steps", "licence", "teacher"} <= set(table.about)


def test_rows_are_unit_vectors_and_empty_texts_are_zero(table: StaticTable) -> None:
    """Vectors are float32 of length one; text without a letter or digit has none."""
    vectors = table.encode(["A quiet harbour", "", " \n--", "зима", "x = f(7)"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, table.dims)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.allclose(lengths, [1, 0, 0, 1, 1], atol=1e-5)


def test_no_units_give_no_rows(table: StaticTable) -> None:
    """An empty list is an empty matrix of the right width."""
    assert table.encode([]).shape == (0, table.dims)
    assert table.unit_vectors([[], []]).shape == (2, table.dims)
    assert not table.query_vector("").any()


def test_ids_beyond_the_table_count_for_nothing(table: StaticTable) -> None:
    """Ids of special tokens and of other encodings neither fail nor change a vector."""
    ids = O200K.encode_ordinary("harbour master")
    strange = [*ids, O200K.n_vocab + 7, -3, O200K.eot_token]
    assert np.allclose(*table.unit_vectors([ids, strange]), atol=1e-6)


@given(st.lists(st.lists(st.integers(0, O200K.n_vocab - 1), max_size=40), max_size=60))
def test_sums_equal_the_naive_ones(table: StaticTable, units: list[list[int]]) -> None:
    """Sums piece by piece are the sums of a row for each token."""
    expected = np.zeros((len(units), table.dims))
    for n, ids in enumerate(units):
        for i in ids:
            if (row := table.row_of[i]) != NO_ROW:
                expected[n] += table.rows[row] * np.float64(table.scales[row])
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    assert np.allclose(table.unit_vectors(units), expected, atol=1e-4)


@given(st.lists(st.lists(st.integers(0, O200K.n_vocab - 1), max_size=90), min_size=1, max_size=9))
def test_a_unit_has_one_vector_whatever_stands_beside_it(
    table: StaticTable, units: list[list[int]]
) -> None:
    """Vectors are equal bit by bit whether units come alone or together."""
    alone = np.concatenate([table.unit_vectors([ids]) for ids in units])
    assert np.array_equal(table.unit_vectors(units), alone)


def test_units_larger_than_a_piece_are_summed_whole(table: StaticTable) -> None:
    """A long unit has the vector of its text, not of its first piece."""
    ids = O200K.encode_ordinary("The ferry leaves at noon. ") * 400
    short = O200K.encode_ordinary("The ferry leaves at noon. ")
    long, once = table.unit_vectors([ids, short])
    assert np.allclose(long, once, atol=1e-5)


@pytest.mark.parametrize(("question", "near", "far"), NEAR_AND_FAR)
def test_near_texts_are_nearer_than_far_ones(
    table: StaticTable, question: str, near: str, far: str
) -> None:
    """Related words count although no word is shared, for plain texts and weighted questions."""
    vectors = table.encode([question, near, far])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    weighted = table.query_vector(question)
    assert np.isclose(np.linalg.norm(weighted), 1.0, atol=1e-5)
    assert weighted @ vectors[1] > weighted @ vectors[2]


def test_case_and_spaces_do_not_count(table: StaticTable) -> None:
    """A word that is one token either way has one row."""
    a, b = table.encode(["river", " River."])
    assert np.allclose(a, b, atol=1e-6)


def test_words_without_a_row_are_near_to_themselves_only(table: StaticTable) -> None:
    """Scripts that were not trained still match word for word."""
    same, other = table.encode(["погода", "деньги"]), table.encode(["погода", "погода"])
    assert other[0] @ other[1] > 0.999
    assert abs(same[0] @ same[1]) < 0.5


def test_the_same_text_has_the_same_vector(table: StaticTable) -> None:
    """Results are equal bit by bit from call to call and from several threads at once."""
    texts = [near for _, near, _ in NEAR_AND_FAR] * 20
    expected = table.encode(texts)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: table.encode(texts), range(8)):
            assert np.array_equal(found, expected)


def test_the_table_is_read_once() -> None:
    """Loading twice gives the same object."""
    assert load_static(O200K.encode_ordinary) is load_static(O200K.encode_ordinary)


def test_a_missing_table_says_what_to_do(tmp_path: Path) -> None:
    """The error names the file and the remedy."""
    with pytest.raises(StaticTableError, match=r"nowhere\.npz.*train_static"):
        load_static(O200K.encode_ordinary, tmp_path / "nowhere.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_broken_table_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    """A file that is no table is refused by name."""
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(StaticTableError, match=r"broken\.npz: not a static table"):
        load_static(O200K.encode_ordinary, path)


def test_an_archive_of_other_arrays_is_a_clear_error(tmp_path: Path) -> None:
    """An npz file that holds something else is refused by name."""
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(StaticTableError, match="not a static table"):
        load_static(O200K.encode_ordinary, path)


def test_a_saved_table_loads_as_it_was(tmp_path: Path) -> None:
    """Rows survive int8 with less than one step of error, the rest exactly."""
    rows = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    row_of = np.array([NO_ROW, 0, 4, 5, 2], np.int32)
    weights = np.array([1, 2, 0.5, 0.25, 4], np.float32)
    path = tmp_path / "small.npz"
    save_table(path, rows, weights, row_of, {"rows": 5})
    found = load_static(O200K.encode_ordinary, path)
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(found.rows[:5] * found.scales[:5, None] - rows) < step).all()
    assert np.array_equal(found.row_of, row_of)
    assert np.array_equal(found.query_weights[:5], weights)
    assert found.about == {"rows": 5}


def test_random_rows_are_the_same_everywhere() -> None:
    """The fixed directions do not depend on the version of numpy or on the byte order."""
    pool = pool_rows(64)
    assert pool.shape == (POOL_ROWS, 64)
    assert set(np.unique(pool).tolist()) == {-1, 1}
    assert pool[0, :8].tolist() == FIRST_OF_POOL


def test_row_strings_drop_case_spaces_and_punctuation() -> None:
    """Tokens stand for their word; pieces of characters and special tokens stand for nothing."""
    words = {" Boston": "boston", ".get": "get", "://": "", "\n\n": "", " COVID": "covid"}
    for written, expected in words.items():
        assert row_string(O200K, O200K.encode_single_token(written)) == expected
    assert row_string(O200K, O200K.eot_token) == ""
    assert row_string(O200K, 10**9) == ""


def test_no_training_library_is_loaded() -> None:
    """Encoding needs numpy and the tokeniser only."""
    code = (
        "import sys; from tokenthrift.encoders.static import load_static;"
        "from tokenthrift.tokens import encoding;"
        "load_static(encoding('o200k_base').encode_ordinary).encode(['a harbour']);"
        "print([m for m in ('torch', 'transformers', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_is_a_rung_of_a_policy() -> None:
    """`relevance: static` needs no extra, and keeps what shares no word with the question."""
    talk = [f"In week {n} the {THINGS[n % 10]} of club {n} was moved." for n in range(40)]
    answer = "Its physicians treat sick children at night."
    lines = [*talk[:20], answer, *talk[20:]]
    messages = [
        {"role": "user", "content": "\n".join(lines)},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "Which doctors look after a baby in hospital?"},
    ]
    sent = {}
    for rung in ("fast", "static"):
        select = {"stage": "select", "keep": 0.12, "min_tokens": 50, "relevance": rung}
        policy = {"scope": "request", "stages": [select], "on_stage_error": "raise"}
        made = plan({"model": "gpt-4o", "messages": messages}, policy)
        sent[rung] = made.body["messages"][0]["content"]
    assert answer in sent["static"]
    assert answer not in sent["fast"]


def test_rows_of_tokens() -> None:
    """Each row once, the place of every known id among them, and which ids have a row."""
    table = load_static(O200K.encode_ordinary)
    ids = np.array([*O200K.encode_ordinary("price price of"), 10**9, -1], np.int64)
    rows, place, known = table.rows_of(ids)
    assert known.tolist()[-2:] == [False, False]
    assert len(place) == known.sum()
    sums = table.unit_sums([O200K.encode_ordinary("price price of")])
    np.testing.assert_allclose(rows[place].sum(axis=0), sums[0], rtol=1e-4, atol=1e-5)
