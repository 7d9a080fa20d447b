"""Words and terms: scripts, forms of one word, names and numbers; the language of a text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.relevance.languages import DEFAULT, STOP_WORDS, language_of
from tokenthrift.compress.relevance.words import terms_of, words_of
from tokenthrift.compress.units import units_of
from tokenthrift.tokens import counter_for


def terms(text: str, language: str = DEFAULT) -> set[str]:
    """All terms of a text."""
    return {t for word in words_of(text) for t in terms_of(word, language)}


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("english", "payments", "payment"),
        ("german", "Häuser", "Haus"),
        ("german", "STRASSE", "Straße"),
        ("french", "élèves", "élève"),
        ("spanish", "contraseñas", "contraseña"),
        ("italian", "pagamenti", "pagamento"),
        ("portuguese", "contratos", "contrato"),
        ("dutch", "rekeningen", "rekening"),
        ("swedish", "räkningar", "räkningen"),
        ("polish", "umowy", "umowa"),
        ("turkish", "İstanbul", "istanbul"),
        (DEFAULT, "договоры", "договора"),
        (DEFAULT, "ёлка", "елка"),
        (DEFAULT, "πόλεις", "πόλη"),
        (DEFAULT, "والكتاب", "كتاب"),
        (DEFAULT, "مُدَرِّس", "مدرس"),
        (DEFAULT, "ＡＢＣ１２３", "abc123"),
        (DEFAULT, "ﬁnance", "finance"),
        (DEFAULT, "cafe\u0301", "café"),
        (DEFAULT, "co\u00adoperate", "cooperate"),
        (DEFAULT, "ｻｰﾊﾞｰ", "サーバー"),
    ],
)
def test_forms_of_one_word_share_terms(language: str, one: str, other: str) -> None:
    """Inflection, case, width, ligatures and accents do not part a word from itself."""
    assert terms(one, language) & terms(other, language)
    assert len(words_of("ﬁnance naïve हिन्दी مُدَرِّس")) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("getUserName", {"getusername", "get", "user", "name"} - {"get"}),
        ("parse_config", {"parse_config", "pars", "config"}),
        ("größteZahl", {"großtezahl", "großte", "zahl"}),
        ("src/app/main.py", {"src/app/main.py", "src", "app", "main", "py"}),
        ("max-retry-count", {"max-retry-count", "max", "retri", "count"}),
        ("v2.3.1", {"v2.3.1"}),
        ("2024-03-15", {"2024-03-15", "2024", "03", "15"}),
        ("12.5%", {"12.5", "12"}),
        ("5kg", {"5kg", "kg"}),
    ],
)
def test_names_and_numbers_are_whole_and_in_parts(text: str, expected: set[str]) -> None:
    """Identifiers, paths, dates and versions are found exactly, and by their parts."""
    assert {t.replace("ss", "ß") for t in terms(text)} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("模型费用", ["模型", "型费", "费用"]),
        ("用GPT模型", ["用", "GPT", "模型"]),
        ("データ", ["デー", "ータ"]),
        ("시장에", ["시장"]),
        ("책을", ["책을", "책"]),
        ("ไทย", ["ไทย"]),
        ("ภาษาไทย", ["ภาษ", "าษา", "ษาไ", "าไท", "ไทย"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया"]),
    ],
)
def test_words_of_scripts(text: str, expected: list[str]) -> None:
    """What has no spaces is cut into overlapping stretches; marks stay in their words."""
    assert words_of(text) == expected


@pytest.mark.parametrize("text", ["的", "什么", "です", "습니다", "для", "الذي", "क्या"])
def test_function_words_have_no_terms(text: str) -> None:
    """Closed classes of scripts that tell by themselves are dropped in any language."""
    assert not terms(text)


@pytest.mark.parametrize("language", STOP_WORDS)
def test_closed_classes_have_no_terms(language: str) -> None:
    """The closed class of a language is dropped in that language."""
    assert not terms(" ".join(STOP_WORDS[language]), language)


def test_parts_of_compounds_are_found() -> None:
    """A German compound shares terms with its parts, wherever they stand in it."""
    compound = terms("Jahresurlaubsantrag", "german")
    assert compound & terms("Urlaub", "german")
    assert compound & terms("Anträge", "german")
    assert not compound & terms("Kantine", "german")


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("english", "What is the deadline for the report?"),
        ("german", "Wann muss der Bericht abgegeben werden?"),
        ("french", "Quand faut-il rendre le rapport ?"),
        ("spanish", "¿Cuándo hay que entregar el informe?"),
        ("italian", "Quando bisogna consegnare la relazione?"),
        ("portuguese", "Quando é que o relatório tem de ser entregue?"),
        ("dutch", "Wanneer moet het verslag worden ingeleverd?"),
        ("swedish", "När måste rapporten vara inlämnad och av vem?"),
        ("polish", "Kiedy i przez kogo sprawozdanie ma być złożone?"),
        (DEFAULT, "レポートの期限はいつですか？"),
        (DEFAULT, "tok_93 ERR_7"),
        (DEFAULT, ""),
    ],
)
def test_the_language_of_a_question(language: str, question: str) -> None:
    """A question tells its language by its function words; without any it is the default."""
    assert language_of(words_of(question)) == language


def test_a_text_decides_for_a_question_that_does_not_tell() -> None:
    """Where the question is a bare name, the language is that of the text."""
    text = "Der Bericht ist noch nicht fertig, weil die Zahlen fehlen."
    assert language_of(words_of("Quartalsbericht"), words_of(text)) == "german"


@given(st.text())
@examples(200)
def test_any_text_has_words(text: str) -> None:
    """Words and terms exist for every text, are not empty, and do not change when asked again."""
    for language in (DEFAULT, "german"):
        found = [terms_of(word, language) for word in words_of(text)]
        assert all(term for own in found for term in own)
        assert found == [terms_of.__wrapped__(word, language) for word in words_of(text)]
    assert terms_of(text) == terms_of(text)


def test_threads_agree() -> None:
    """Stemming in many threads gives what it gives in one."""
    words = [f"{stem}{ending}" for stem in STOP_WORDS["german"] for ending in ("ungen", "heiten")]
    expected = [terms_of.__wrapped__(word, "german") for word in words]
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(lambda: [terms_of.__wrapped__(w, "german") for w in words])
            for _ in range(16)
        ]
        assert all(job.result() == expected for job in jobs)


@pytest.mark.parametrize(
    "sentences",
    [
        (
            "今日は雨でした。",
            "「本当ですか？」",
            "明日は晴れるでしょう！",
            "予算は１２．５億円。",
        ),
        ("今天下雨了。", "“真的吗？”", "明天会放晴！", "预算是十二亿元。"),
        ("यह पहला लंबा वाक्य है जो यहाँ है। ", "दूसरा वाक्य भी उतना ही लंबा है॥ "),
        ("ما هو السعر في هذا الشهر؟ ", "السعر مئة دينار لكل شهر. "),
        ("یہ پہلا جملہ ہے جو کافی لمبا ہے۔ ", "دوسرا جملہ بھی کافی لمبا ہے۔ "),
        ("Սա առաջին նախադասությունն է։ ", "Սա երկրորդ նախադասությունն է։ "),
        ("የመጀመሪያው ዓረፍተ ነገር ረጅም ነው። ", "ሁለተኛው ዓረፍተ ነገርም ረጅም ነው። "),
    ],
)
def test_sentences_of_scripts(sentences: tuple[str, ...]) -> None:
    """A long line is cut where sentences of its script end, closing quotes included."""
    text = "".join(sentences) * 8
    units = units_of(text, "prose", counter_for("gpt-4o"))
    assert [text[u.start : u.end] for u in units] == list(sentences) * 8


def test_letters_keep_their_marks() -> None:
    """What has no borders at all is not cut between a letter and its marks."""
    text = "ที่" * 300
    for unit in units_of(text, "prose", counter_for("gpt-4o")):
        assert text[unit.start] == "ท"
