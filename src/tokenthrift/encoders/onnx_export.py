"""Write a bi-encoder of ``sentence-transformers`` as an int8 ONNX model, offline.

    python -m tokenthrift.encoders.onnx_export MODEL FOLDER

Needs the extras ``semantic`` and ``onnx``; what it writes runs without torch.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

from tokenthrift.encoders.onnx import CONFIG_FILE, MODEL_FILE, TOKENIZER_FILE, OnnxConfig
from tokenthrift.errors import MissingExtraError, PolicyError

__all__ = ["export"]

OPSET: Final = 17
INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
SAMPLE: Final = ("a short text", "and one that is a little longer than that")


def export(name_or_path: str, folder: str | Path) -> Path:
    """Export, quantise, and write what a runtime needs beside the graph.

    Args:
        name_or_path: a folder, or the name of a model in the local cache.
        folder: is made where it is not there.

    Raises:
        MissingExtraError: an extra is not installed.
        PolicyError: the model is not here, or pools its tokens in a way that the runtime does not.
    """
    try:
        import onnx  # noqa: F401 - the quantiser needs it and says so less clearly
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx") from error
    model = _model(name_or_path)
    config = OnnxConfig(
        max_tokens=int(model.max_seq_length), pooling=_pooling(model, name_or_path), normalise=True
    )
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / MODEL_FILE
        _trace(model, plain)
        # Per channel: with one scale per tensor the vectors are off by 0.05 in cosine, with one per
        # channel by 0.006.
        quantize_dynamic(plain, folder / MODEL_FILE, per_channel=True, weight_type=QuantType.QInt8)
    model.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / CONFIG_FILE).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return folder


def _model(name_or_path: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", "semantic") from error
    path = Path(name_or_path).expanduser()
    try:
        return SentenceTransformer(
            str(path) if path.exists() else name_or_path,
            device="cpu",
            local_files_only=True,
            model_kwargs={"attn_implementation": "eager"},  # the fused kernels cannot be traced
        )
    except (OSError, ValueError) as error:
        raise PolicyError(name_or_path, "", "no such encoder here") from error


def _pooling(model: Any, name: str) -> Any:
    modes = []
    for module in model:
        if hasattr(module, "pooling_mode"):
            modes.append(module.pooling_mode)
        elif hasattr(module, "get_pooling_mode_str"):  # of releases before 5
            modes.append(module.get_pooling_mode_str())
    if modes not in (["mean"], ["cls"]):
        problem = f"pools by {modes or 'nothing'}; only mean and cls can be exported"
        raise PolicyError(name, "", problem)
    return modes[0]


def _trace(model: Any, path: Path) -> None:
    """The transformer alone, from ids to token vectors, with any batch and length."""
    import torch

    tokens = model.tokenizer(list(SAMPLE), padding=True, return_tensors="pt")
    names = [n for n in INPUTS if n in tokens]

    class TokenVectors(torch.nn.Module):  # type: ignore[misc]  # torch is not read
        def __init__(self) -> None:
            super().__init__()
            self.inner = model[0].auto_model.eval()

        def forward(self, *inputs: Any) -> Any:
            named = dict(zip(names, inputs, strict=True))
            return self.inner(**named, return_dict=False)[0]

    free = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about shapes that are free here
        torch.onnx.export(
            TokenVectors(),
            tuple(tokens[n] for n in names),
            str(path),
            input_names=names,
            output_names=["token_vectors"],
            dynamic_axes=dict.fromkeys((*names, "token_vectors"), free),
            opset_version=OPSET,
            dynamo=False,  # the newer exporter needs packages beyond these extras
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("model", help="folder, or name in the local cache")
    parser.add_argument("folder", help="where to write")
    given = parser.parse_args()
    export(given.model, given.folder)


if __name__ == "__main__":
    main()
