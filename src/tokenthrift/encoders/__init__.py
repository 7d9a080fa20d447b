"""Encoders: texts to unit vectors, for relevance beyond words.

Only local models: a folder, or a name that is already in the local cache. Nothing is ever
downloaded; the library that loads them is an extra and is imported on first use.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tokenthrift.errors import MissingExtraError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tokenthrift.types import Encoder

__all__ = ["SentenceTransformersEncoder", "load_encoder"]

BATCH = 64


class SentenceTransformersEncoder:
    """A bi-encoder of the ``sentence-transformers`` library (extra ``semantic``).

    Args:
        name_or_path: a folder, or the name of a model that is in the local cache.
        device: as torch names it; chosen by the library if None.

    Raises:
        MissingExtraError: the extra is not installed.
        PolicyError: the model is not on this machine.
    """

    def __init__(self, name_or_path: str, device: str | None = None) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtraError("sentence-transformers", "semantic") from error
        try:
            self._model = SentenceTransformer(name_or_path, device=device, local_files_only=True)
        except (OSError, ValueError) as error:
            hint = "give a folder, or put the model into the local cache first"
            raise PolicyError(name_or_path, "", "no such encoder here", hint) from error

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)


@lru_cache(maxsize=4)
def load_encoder(name_or_path: str) -> Encoder:
    """The encoder that a policy names, loaded once.

    Args:
        name_or_path: a folder, or a name in the local cache; ``~`` is expanded.
    """
    folder = Path(name_or_path).expanduser()
    return SentenceTransformersEncoder(str(folder) if folder.exists() else name_or_path)
