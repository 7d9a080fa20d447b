"""The one form that texts are judged in."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.route.wording import plain

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200)
ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


@given(ASCII)
def test_case_and_blanks_do_not_count(text: str) -> None:
    """Upper case, doubled blanks and trailing lines leave the form as it is."""
    assert plain(text.upper()) == plain(text)
    assert plain("  ".join(text.split(" ")) + " \n\n") == plain(text)


@given(ASCII)
def test_look_alikes_do_not_count(text: str) -> None:
    """Typographic quotes, hyphens and hard blanks are judged as the plain ones."""
    odd = text.translate(str.maketrans({"'": "’", '"': "”", "-": "‐", " ": "\u00a0"}))
    assert plain(odd) == plain(text)


@given(TEXTS)
def test_accents_apart_do_not_count(text: str) -> None:
    """Accents written as signs of their own are judged as the letters with accents."""
    assert plain(unicodedata.normalize("NFD", text)) == plain(text)


@given(TEXTS, st.integers(2, 4))
def test_said_several_times_is_said_once(text: str, times: int) -> None:
    """A text pasted several times over has the form of the text."""
    assert plain("\n\n".join([text] * times)) == plain(text)


@given(TEXTS)
def test_the_form_of_a_form_is_itself(text: str) -> None:
    """Bringing a form to its form changes nothing."""
    assert plain(plain(text)) == plain(text)


def test_letters_that_look_latin_inside_latin_words() -> None:
    """A Cyrillic letter inside a Latin word is judged as Latin; Cyrillic words stay Cyrillic."""
    assert plain("prоve pаris") == "prove paris"
    assert plain("докажи это") == "докажи это"
