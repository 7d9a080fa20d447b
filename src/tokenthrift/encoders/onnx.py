"""A bi-encoder on onnxruntime (extra ``onnx``): no torch, and a fraction of its time.

Reads a folder that `tokenthrift.encoders.onnx_export` wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.errors import MissingExtraError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["CONFIG_FILE", "MODEL_FILE", "TOKENIZER_FILE", "OnnxConfig", "OnnxEncoder"]

MODEL_FILE: Final = "model.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
CONFIG_FILE: Final = "encoder.json"


class OnnxConfig(BaseModel):
    """What the model's graph does not say.

    Attributes:
        max_tokens: of a text, special tokens included; the rest is not read.
        pooling: how token vectors become one.
        normalise: whether the vector is brought to length one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(gt=0)
    pooling: Literal["mean", "cls"] = "mean"
    normalise: bool = True


class OnnxEncoder:
    """A bi-encoder in a folder. Safe with threads.

    Args:
        folder: with the three files that the export wrote.

    Raises:
        MissingExtraError: the extra is not installed.
        PolicyError: the folder is no such encoder.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "onnx") from error
        folder = Path(folder).expanduser()
        try:
            self.config = OnnxConfig.model_validate(json.loads((folder / CONFIG_FILE).read_text()))
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
            self._session = onnxruntime.InferenceSession(
                str(folder / MODEL_FILE), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # both libraries raise types of their own, and bare ones
            raise _unreadable(folder) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.config.max_tokens)
        self._inputs = [i.name for i in self._session.get_inputs()]

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised.

        One text at a time: int8 models scale over a whole batch, so a text's vector would depend on
        its neighbours; and a batch is no faster (measured).
        """
        rows = [self._vector(encoding) for encoding in self._tokenizer.encode_batch(list(texts))]
        if not rows:
            return np.zeros((0, int(self._session.get_outputs()[0].shape[-1])), np.float32)
        return np.stack(rows)

    def _vector(self, encoding: Any) -> npt.NDArray[np.float32]:
        values = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.asarray([values[name]], np.int64) for name in self._inputs}
        tokens = self._session.run(None, feed)[0][0]  # (tokens, d)
        vector = tokens[0] if self.config.pooling == "cls" else tokens.mean(axis=0)
        if self.config.normalise:
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return np.asarray(vector, np.float32)


def _unreadable(folder: Path) -> PolicyError:
    hint = f"write one with: python -m tokenthrift.encoders.onnx_export MODEL {folder}"
    return PolicyError(str(folder), "", "no ONNX encoder here", hint)
