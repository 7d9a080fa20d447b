"""Encoders: texts to unit vectors, and rerankers, for relevance beyond words.

Local models are a folder, or a name that is already in the local cache; nothing is ever downloaded.
The libraries that run them are extras and are imported on first use. Only ``kind: api`` leaves the
machine.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tokenthrift.encoders.api import TIMEOUT_S, ApiEncoder
from tokenthrift.encoders.cached import CachedEncoder
from tokenthrift.encoders.onnx import OnnxEncoder
from tokenthrift.encoders.sentence import CrossEncoderReranker, SentenceTransformersEncoder
from tokenthrift.encoders.settings import EncoderSettings
from tokenthrift.encoders.spending import Spend, collect_spending, report_spend
from tokenthrift.errors import PolicyError

if TYPE_CHECKING:
    from tokenthrift.types import Encoder, Reranker

__all__ = [
    "ApiEncoder",
    "CachedEncoder",
    "CrossEncoderReranker",
    "EncoderSettings",
    "OnnxEncoder",
    "SentenceTransformersEncoder",
    "Spend",
    "collect_spending",
    "load_encoder",
    "load_reranker",
    "report_spend",
]

LOADED: Final = 4  # models that stay in memory
CACHE_BYTES: Final = 64 * 2**20  # about 34,000 vectors of 384 numbers


def load_encoder(settings: EncoderSettings | str) -> Encoder:
    """The bi-encoder that a policy names, loaded once; vectors are remembered.

    Args:
        settings: or a plain name; ``~`` in a folder is expanded.

    Raises:
        MissingExtraError: the library that runs it is not installed.
        PolicyError: the model is not on this machine, or is a reranker.
    """
    if isinstance(settings, str):
        settings = EncoderSettings(model=settings)
    if settings.kind == "cross":
        raise PolicyError(settings.model, "encoder.kind", "a reranker gives no vectors")
    if settings.kind == "api":
        deadline = settings.deadline_ms
        timeout_s = TIMEOUT_S if deadline is None else deadline / 1000
        return _api_encoder(settings.model, settings.api_base, timeout_s)
    return _local_encoder(_place(settings.model), settings.backend, settings.device)


def load_reranker(settings: EncoderSettings) -> Reranker:
    """The reranker that a policy names with ``kind: cross``, loaded once.

    Raises:
        MissingExtraError: the library that runs it is not installed.
        PolicyError: the model is not on this machine, or is no reranker.
    """
    return _local_reranker(_place(settings.model), settings.device)


def _place(model: str) -> str:
    folder = Path(model).expanduser()
    return str(folder) if folder.exists() else model


@lru_cache(maxsize=LOADED)
def _api_encoder(model: str, api_base: str | None, timeout_s: float) -> Encoder:
    return CachedEncoder(ApiEncoder(model, api_base, timeout_s), CACHE_BYTES)


@lru_cache(maxsize=LOADED)
def _local_encoder(name: str, backend: str, device: str | None) -> Encoder:
    if backend == "onnx":
        return CachedEncoder(OnnxEncoder(name), CACHE_BYTES)
    return CachedEncoder(SentenceTransformersEncoder(name, device), CACHE_BYTES)


@lru_cache(maxsize=LOADED)
def _local_reranker(name: str, device: str | None) -> Reranker:
    return CrossEncoderReranker(name, device)
