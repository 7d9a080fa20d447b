"""Models of the ``sentence-transformers`` library: bi- and cross-encoders (extra ``semantic``).

Only what is on this machine: a folder, or a name that is in the local cache. Nothing is downloaded.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tokenthrift.errors import MissingExtraError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

__all__ = ["CrossEncoderReranker", "SentenceTransformersEncoder"]

BATCH: Final = 64
HEAD: Final = "ForSequenceClassification"


class SentenceTransformersEncoder:
    """A bi-encoder of the ``sentence-transformers`` library. Safe with threads.

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
        self._model = _loaded(SentenceTransformer, name_or_path, device)
        self._lock = threading.Lock()  # fast tokenizers do not bear two threads

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32, rows L2-normalised."""
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, np.float32)


class CrossEncoderReranker:
    """A cross-encoder of the ``sentence-transformers`` library. Safe with threads.

    Args:
        name_or_path: a folder, or the name of a model that is in the local cache.
        device: as torch names it; chosen by the library if None.

    Raises:
        MissingExtraError: the extra is not installed.
        PolicyError: the model is not on this machine, or gives no single score.
    """

    def __init__(self, name_or_path: str, device: str | None = None) -> None:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise MissingExtraError("sentence-transformers", "semantic") from error
        self._model = _loaded(CrossEncoder, name_or_path, device)
        self._lock = threading.Lock()
        config = getattr(self._model, "config", None)
        names = [str(n) for n in getattr(config, "architectures", None) or ()]
        # The library gives a bi-encoder a head of random weights and only warns.
        if names and not any(n.endswith((HEAD, "ForCausalLM")) for n in names):
            raise PolicyError(name_or_path, "", f"is no cross-encoder ({names[0]})", "use kind: bi")
        labels = getattr(self._model, "num_labels", None) or getattr(config, "num_labels", 1)
        if labels != 1:
            problem = f"gives {labels} numbers for a text, a reranker gives one"
            raise PolicyError(name_or_path, "", problem)

    def rank(self, question: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n,) float32, higher is better."""
        if not texts:
            return np.zeros(0, np.float32)
        pairs = [(question, text) for text in texts]
        with self._lock:
            scores = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
        return np.asarray(scores, np.float32).reshape(len(texts))


def _loaded(load: Callable[..., Any], name_or_path: str, device: str | None) -> Any:
    try:
        return load(name_or_path, device=device, local_files_only=True)
    except (OSError, ValueError) as error:
        hint = "give a folder, or put the model into the local cache first"
        raise PolicyError(name_or_path, "", "no such encoder here", hint) from error
